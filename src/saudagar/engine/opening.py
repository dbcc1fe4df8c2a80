"""What a session's last bar has asked for, on the next morning: acted on once, and not hours after the opening.

A backtest trades it at the next session's first price, so the desk does. `analysis` brings it there with a key, each
time that a desk starts on that day; here it is told whether that was done before, and whether it is too late. Called by
`engine` between the bars and the targets.
"""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from saudagar.engine.core import Core
from saudagar.engine.targets import Targets
from saudagar.model import MINUTE, Direction, Intent, Nanos, Protection, position_id
from saudagar.model import events as ev

LATEST: Nanos = 5 * MINUTE
"""A desk that starts later than this after the opening, or than the first bar's end, has missed the price at which the
entry was due: it does not chase it. One that was there waits for an instrument's first price however long it takes."""


class Opening:
    """Takes the intents that have waited for a session to open.

    Attributes
    ----------
    began
        When the desk started, UTC ns.
    """

    def __init__(self, core: Core, targets: Targets) -> None:
        self.began: Nanos = 0
        self._core = core
        self._targets = targets
        self._patience = {plan.id: min(plan.interval, LATEST) for plan in core.settings.plans}

    def want(self, intent: Intent) -> None:
        """Want it, unless its key is used up or its time is over."""
        core = self._core
        if intent.key in core.state.keys:
            return
        line = core.line(intent.instrument)
        if core.is_open(line):
            late = self.began >= line.opens + self._patience[intent.strategy]
            (self._want_late if late else self._targets.want)(intent)
        elif core.now < line.ts:  # the exchange's clock is ahead of ours
            core.later(line.ts, partial(self.want, intent))
        else:
            self._targets.want(intent)  # for risk to refuse

    def _want_late(self, intent: Intent) -> None:
        """Leave what was held when the session opened; open nothing."""
        core = self._core
        line = core.line(intent.instrument)
        position = core.state.position(position_id(intent.strategy, intent.instrument))
        held = position.target * (intent.direction or -position.target)
        if held < 0 and position.opened < line.opens:
            self._targets.want(replace(intent, direction=Direction.FLAT, quantity=None, protection=Protection()))
        elif intent.direction and held <= 0:
            minutes = (self.began - line.opens) // MINUTE
            core.emit(
                ev.IntentDenied(
                    ts=core.now,
                    position=position.id,
                    rule="late",
                    message=f"the entry was due when the session opened, {minutes} minutes before this desk started.",
                    source=intent.source,
                    key=intent.key,
                )
            )
