"""One plan on one instrument: what it wants to know at each bar, and what the desk makes of the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, groupby, pairwise
from math import isfinite, nan
from typing import NamedTuple, TypeAlias

from saudagar.engine.settings import Plan
from saudagar.indicators import BarFields, Expr, Live, is_foreign
from saudagar.market.sessions import session_open
from saudagar.model import Bar, Direction, InstrumentId, Intent, Nanos, Paise, PositionId, Protection, position_id
from saudagar.strategies import Strategy


class Standing(NamedTuple):
    """What a strategy may know of its own position."""

    quantity: int
    entry_price: Paise
    target: int


Row: TypeAlias = Sequence[float | bool]
"""The values of a run's expressions at one bar."""


class _Context:
    """`strategies.Context` for one bar."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self.wish: tuple[Direction, str, int | None] | None = None

    @property
    def position(self) -> int:
        return self._standing.quantity

    @property
    def entry_price(self) -> Paise:
        return self._standing.entry_price

    def want(self, direction: Direction, reason: str, quantity: int | None = None) -> None:
        self.wish = (direction, reason, quantity)


class Run:
    """One plan on one instrument. `Graph` computes its expressions, or `evaluate` where the bars are known."""

    __slots__ = ("_fixed", "_places", "exprs", "has_hook", "instrument", "names", "plan", "position")

    def __init__(self, plan: Plan, instrument: InstrumentId) -> None:
        self.plan = plan
        self.instrument = instrument
        self.position = position_id(plan.id, instrument)
        self.has_hook = type(plan.strategy).on_bar is not _NO_HOOK
        fields = BarFields()
        signals = plan.strategy.signals(fields)
        named: dict[str, Expr | None] = {
            "long": signals.long,
            "short": signals.short,
            "exit_long": signals.exit_long,
            "exit_short": signals.exit_short,
            "atr": plan.exits.atr_expr(fields),
        }
        self.names = [name for name, expr in named.items() if expr is not None]
        self.exprs = [expr for expr in named.values() if expr is not None]
        self._places = [self.names.index(name) if name in self.names else -1 for name in named]
        self._fixed = None if plan.exits.needs_atr else plan.exits.protection()

    def decide(
        self,
        end: Nanos,
        row: Row,
        standing: Callable[[PositionId], Standing],
        bar: Bar | None = None,
    ) -> Intent | None:
        """The intent at the close of a bar that ends at `end`.

        Parameters
        ----------
        row
            The values of `exprs` there, from `Graph` or `evaluate`.
        bar
            For a strategy with a hook.
        """
        row = (*row, nan)  # the last is the value of what the plan has not
        long, short, exit_long, exit_short, atr = self._places
        direction = self._direction(
            row[long] > 0.0, row[short] > 0.0, row[exit_long] > 0.0, row[exit_short] > 0.0, standing
        )
        reason: str = self.plan.id
        quantity: int | None = None
        if self.has_hook and bar is not None:
            context = _Context(standing(self.position))
            self.plan.strategy.on_bar(context, bar)
            if context.wish is not None:
                direction, reason, quantity = context.wish
        if direction is None:
            return None
        protection = self._fixed if direction else _NO_PROTECTION
        if protection is None:
            if not isfinite(row[atr]):  # it is still warming up
                return None
            protection = self.plan.exits.protection(row[atr])
        return Intent(
            strategy=self.plan.id,
            instrument=self.instrument,
            direction=direction,
            ts=end,
            reason=reason,
            quantity=quantity,
            protection=protection,
        )

    def _direction(
        self, long: bool, short: bool, exit_long: bool, exit_short: bool, standing: Callable[[PositionId], Standing]
    ) -> Direction | None:
        if exit_long or exit_short:
            target = standing(self.position).target
            if (target > 0 and exit_long) or (target < 0 and exit_short):
                return Direction.FLAT
        if long is short:
            return None
        return _LONG if long else _SHORT


_LONG, _SHORT = Direction.LONG, Direction.SHORT
_NO_PROTECTION = Protection()
_NO_HOOK = Strategy.on_bar


class Graph:
    """Runs of one series that are stepped as one: what several of them ask for is computed once, and kept once.

    At the end of a minute a thousand instruments come from slow memory one after another; it counts how much each is.
    """

    __slots__ = ("_hooked", "_live", "_parts")

    def __init__(self, runs: Sequence[Run]) -> None:
        self._live = Live([expr for run in runs for expr in run.exprs], session_open=session_open(runs[0].instrument))
        places = pairwise(accumulate((len(run.exprs) for run in runs), initial=0))
        self._parts = [(run, slice(*place)) for run, place in zip(runs, places, strict=True)]
        self._hooked = any(run.has_hook for run in runs)

    @property
    def runs(self) -> list[Run]:
        return [run for run, _ in self._parts]

    def step(self, bar: Bar) -> Sequence[tuple[Run, Row]]:
        """The runs that ask for something at `bar`, and the values of their expressions there; none at most bars."""
        row = self._live.step(bar)
        if True not in row and not self._hooked:
            return ()
        asked = ((run, row[place]) for run, place in self._parts)
        return [(run, values) for run, values in asked if True in values or run.has_hook]

    def without(self, run: Run) -> None:
        """Go on without `run`."""
        self._parts = [part for part in self._parts if part[0] is not run]


def graphs_of(runs: Sequence[Run]) -> list[Graph]:
    """`runs` of one series in their order, neighbours together.

    One with code that is not ours stays alone: that code may raise, and must stop nobody else.
    """
    together = groupby(runs, key=lambda run: run if is_foreign(run.exprs) else None)
    return [Graph(list(group)) for _, group in together]
