"""Signals computed once over whole columns, handed to the engine bar by bar.

`Prepared` stands where the live desk has its bar builders and streaming graphs. The graph's values come from
`indicators.evaluate`, which gives the same bits; what becomes of them is decided by the same `engine.analysis.Run`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from saudagar.engine.analysis import Analysis
from saudagar.engine.plan_run import Run, Standing
from saudagar.engine.settings import Plan
from saudagar.indicators import BarArrays, evaluate
from saudagar.market.sessions import Calendar
from saudagar.model import Bar, Instrument, InstrumentId, Intent, PositionId, Tick

_SIGNALS = ("long", "short", "exit_long", "exit_short")


class _Columns:
    """One run's values at every bar."""

    def __init__(self, run: Run, bars: BarArrays) -> None:
        self.run = run
        values = evaluate(run.exprs, bars)
        self.values = [column.data for column in values]
        fired = np.zeros(len(bars), dtype=np.bool_)
        for name, column in zip(run.names, values, strict=True):
            if name in _SIGNALS:
                fired |= column
        self.fired = fired if not run.has_hook else np.ones(len(bars), dtype=np.bool_)
        self.acts, self.ends = self.fired.data, bars.end.data


class Prepared(Analysis):
    """All plans over all bars of a replay.

    The replay sets `closed` to the index of the bar that the next tick of an instrument closes.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        instruments: Callable[[InstrumentId], Instrument],
        calendar: Calendar,
        standing: Callable[[PositionId], Standing],
        bars: Mapping[InstrumentId, BarArrays],
    ) -> None:
        super().__init__((), instruments, calendar, standing, 0)
        self.closed: dict[InstrumentId, int] = {}
        self._columns: dict[InstrumentId, list[_Columns]] = {}
        self._arrays = bars
        for plan in plans:
            for instrument in plan.instruments:
                columns = _Columns(Run(plan, instrument), bars[instrument])
                self._columns.setdefault(instrument, []).append(columns)
        self._fired = {name: self._any(name, len(each)) for name, each in bars.items()}

    def _any(self, instrument: InstrumentId, count: int) -> NDArray[np.bool_]:
        fired = np.zeros(count, np.bool_)
        for columns in self._columns.get(instrument, ()):
            fired |= columns.fired
        return fired

    def any_fired(self, instrument: InstrumentId) -> NDArray[np.bool_]:
        """At which bars' close some plan may have a wish."""
        return self._fired[instrument]

    def on_tick(self, tick: Tick) -> list[Intent]:
        """The intents of the bar that this tick closed."""
        at = self.closed.pop(tick.instrument, -1)
        if at < 0:
            return []
        name, intents = tick.instrument, []
        for columns in self._columns.get(name, ()):
            if columns.acts[at]:
                run = columns.run
                bar = bar_at(name, self._arrays[name], at) if run.has_hook else None
                row = [column[at] for column in columns.values]
                intent = run.decide(columns.ends[at], row, self._standing, bar)
                if intent is not None:
                    intents.append(intent)
        return intents


def bar_at(instrument: InstrumentId, bars: BarArrays, at: int) -> Bar:
    """One row of the columns as a bar."""
    return Bar(
        instrument,
        bars.interval,
        bars.start.item(at),
        bars.end.item(at),
        int(bars.open.item(at)),
        int(bars.high.item(at)),
        int(bars.low.item(at)),
        int(bars.close.item(at)),
        int(bars.volume.item(at)),
    )
