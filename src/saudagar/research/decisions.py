"""What a strategy wants at each bar, without orders: the same decisions as the desk's, fast and comparable.

The strategy's wishes are taken as filled at the next open, with one unit; that is enough for a strategy that looks
at its own position. `strategy_check` compares the decisions of one strategy on data that were cut, moved or jittered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from saudagar.backtest.prepared import bar_at
from saudagar.engine.plan_run import Run, Standing
from saudagar.engine.settings import Plan
from saudagar.indicators import BarArrays, Expr, Live, evaluate
from saudagar.model import Direction, InstrumentId, Nanos, Paise, PositionId, SizeBy, Sizing, StrategyId
from saudagar.strategies import Exits, Strategy

_SIGNALS = ("long", "short", "exit_long", "exit_short")
_PLAN = StrategyId("checked")


class Wish(NamedTuple):
    """One decision, at the close of one bar."""

    ts: Nanos  # the bar's end, UTC ns
    instrument: InstrumentId
    direction: Direction


def plan_of(
    strategy: Strategy, instruments: Sequence[InstrumentId], interval: Nanos, exits: Exits | None = None
) -> Plan:
    """A plan with a fresh copy of `strategy`: what it remembers must not pass from one run to the next."""
    return Plan(
        id=_PLAN,
        strategy=strategy.model_copy(deep=True),
        instruments=tuple(instruments),
        interval=interval,
        sizing=Sizing(SizeBy.QUANTITY, 1),
        exits=exits or Exits(),
    )


def graph_of(strategy: Strategy, instrument: InstrumentId, interval: Nanos) -> list[Expr]:
    """The expressions that the desk would evaluate for `strategy`."""
    return Run(plan_of(strategy, [instrument], interval), instrument).exprs


def decide(strategy: Strategy, markets: Mapping[InstrumentId, BarArrays], *, live: bool = False) -> list[Wish]:
    """All wishes of `strategy` over all bars of `markets`, in the order of time.

    Parameters
    ----------
    live
        Run the graph bar by bar, as the desk does, and not over columns: slower, and it cannot see ahead.
    """
    if not markets:
        return []
    interval = next(iter(markets.values())).interval
    plan = plan_of(strategy, list(markets), interval)
    legs = {name: _Leg(Run(plan, name), bars, live=live) for name, bars in markets.items()}
    names = list(markets)
    visits = sorted(
        (int(ts), order, at)
        for order, name in enumerate(names)
        for at, ts in zip(legs[name].visited, markets[name].end[legs[name].visited], strict=True)
    )
    return [wish for _, order, at in visits if (wish := legs[names[order]].wish(int(at)))]


class _Leg:
    """One instrument, with the position its wishes have led to."""

    def __init__(self, run: Run, bars: BarArrays, *, live: bool) -> None:
        self._run = run
        self._bars = bars
        self._live = Live(run.exprs, session_open=bars.session_open) if live else None
        self._columns = [] if live else evaluate(run.exprs, bars)
        self._quantity = 0
        self._entry: Paise = 0
        self._due: tuple[int, int] | None = None  # from which bar on, signed units
        self.visited = np.arange(len(bars)) if live or run.has_hook else self._fired()

    def _fired(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        fired = np.zeros(len(self._bars), dtype=np.bool_)
        for name, column in zip(self._run.names, self._columns, strict=True):
            if name in _SIGNALS:
                fired |= column
        return np.flatnonzero(fired)

    def wish(self, at: int) -> Wish | None:
        bar = bar_at(self._run.instrument, self._bars, at)
        self._fill(at)
        row = self._live.step(bar) if self._live else [column.item(at) for column in self._columns]
        intent = self._run.decide(bar.end, row, self._standing, bar)
        if intent is None:
            return None
        wanted = int(intent.direction)
        if wanted != self._quantity:
            self._due = at + 1, wanted
        return Wish(bar.end, bar.instrument, intent.direction)

    def _fill(self, at: int) -> None:
        """The wish of an earlier bar has been filled at the open after it."""
        if self._due and self._due[0] <= at:
            self._entry = int(self._bars.open[self._due[0]]) if self._due[1] else 0
            self._quantity, self._due = self._due[1], None

    def _standing(self, _: PositionId) -> Standing:
        return Standing(self._quantity, self._entry, self._due[1] if self._due else self._quantity)
