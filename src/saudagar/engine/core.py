"""What the parts of the engine share: state, time, prices, and the step that is being made."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import date
from functools import cache

from saudagar.engine.settings import Settings
from saudagar.engine.state import State
from saudagar.execution.effects import Effect
from saudagar.execution.ports import InstrumentLookup
from saudagar.market.sessions import Calendar
from saudagar.model import Instrument, InstrumentId, Nanos, Paise, PositionId, Source, Tick
from saudagar.model import events as ev
from saudagar.portfolio import Position, Trade


class Core:
    """The engine's common ground. `emit` is the only way anything changes."""

    def __init__(
        self,
        settings: Settings,
        instruments: InstrumentLookup,
        calendar: Calendar,
        state: State,
        costs: Callable[[Trade], Paise],
    ) -> None:
        self.settings = settings
        self.instrument: Callable[[InstrumentId], Instrument] = cache(instruments.get)
        self.calendar = calendar
        self.state = state
        self.costs = costs
        self.now: Nanos = 0
        self.day: date | None = None
        self.span: tuple[Nanos, Nanos] = (0, 0)  # of the day: a time outside is a garbled message
        self.prices: dict[InstrumentId, Tick] = {}
        self.events: list[ev.Event] = []
        self.effects: list[Effect] = []
        self.blocked: dict[str, str] = {}  # by link: why nothing new may be opened, e.g. a refused token
        self.broker_holds: dict[InstrumentId, int] = {}  # signed units, where the broker's book differs from ours
        self.touched: dict[PositionId, None] = {}  # to be steered at the end of this step, in order
        self._deadlines: list[tuple[Nanos, int, Callable[[], None]]] = []
        self._counter = 0

    def emit(self, event: ev.Event) -> None:
        """Let `event` have happened."""
        self.state.apply(event)
        self.events.append(event)

    def alert(self, level: str, message: str) -> None:
        """Tell people. `level` is info, warning or critical."""
        self.emit(ev.Alerted(ts=self.now, level=level, message=message))

    def last(self, instrument: InstrumentId) -> Paise:
        """The latest price, paise; 0 if there was none."""
        tick = self.prices.get(instrument)
        return tick.ltp if tick is not None else 0

    def set_target(self, position: Position, quantity: int, reason: str, source: Source) -> None:
        """Change only where `position` should be; plan and price of the decision stay."""
        self.emit(
            ev.TargetSet(
                ts=self.now,
                position=position.id,
                quantity=quantity,
                reason=reason,
                source=source,
                protection=position.protection,
                reference=position.reference,
            )
        )
        self.touch(position.id)

    def touch_all(self) -> None:
        """Have every position steered that holds, wants or has orders."""
        state = self.state
        for position in state.positions.values():
            if position.quantity or position.target or state.working.get(position.id):
                self.touch(position.id)

    def touch(self, position: PositionId) -> None:
        """Have `position` steered at the end of this step."""
        self.touched[position] = None

    def later(self, when: Nanos, action: Callable[[], None]) -> None:
        """Do `action` in the first step whose time is not before `when`."""
        self._counter += 1
        heapq.heappush(self._deadlines, (when, self._counter, action))

    def do_due(self) -> None:
        """Do what was put off until now."""
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= self.now:
            heapq.heappop(deadlines)[2]()
