"""Ticks to bars, bars to signals, signals to intents: what the desk thinks, with no idea of orders.

Nothing here is journalled: it is a function of market data and comes back from history after a restart. So does the
signal of a session's last bar: no price can follow it on that day, so it is decided at the next session's first price,
where a backtest decides it too, by a desk that has found that bar in its warm-up.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import NamedTuple

from msgspec.structs import replace

from saudagar.engine.plan_run import Row, Run, Standing, graphs_of
from saudagar.engine.settings import Plan
from saudagar.indicators import warm_up
from saudagar.market.bars import BarBuilder
from saudagar.market.ist import ist_day
from saudagar.market.sessions import Calendar, continuous
from saudagar.model import Bar, Instrument, InstrumentId, Intent, Nanos, PositionId, Tick
from saudagar.model.errors import CalendarError


class Need(NamedTuple):
    """Past bars that must be seen before the first signal counts."""

    instrument: InstrumentId
    interval: Nanos
    bars: int
    days: int


class _Waiting(NamedTuple):
    """What a run made of a session's last bar, or of the last one of the warm-up."""

    run: Run
    bar: Bar
    row: Row


class _Series:
    """One bar builder and the runs that read its bars."""

    __slots__ = ("builder", "graphs", "instrument", "noted", "waiting")

    def __init__(self, builder: BarBuilder, instrument: Instrument, runs: Sequence[Run]) -> None:
        self.builder = builder
        self.instrument = instrument
        self.graphs = graphs_of(runs)
        self.noted: Nanos = 0  # the end of its open bar, once it is among those to be closed by time
        self.waiting: list[_Waiting] = []  # for the first price of a session

    @property
    def runs(self) -> list[Run]:
        return [run for graph in self.graphs for run in graph.runs]


_SESSIONS_BACK = 3  # today, the session before, and one more where nobody knows that one's hours
_SERIES_ORDER = attrgetter("builder.instrument", "builder.interval")


class Analysis:
    """All plans of a desk over all their instruments.

    Parameters
    ----------
    standing
        Tells a strategy's own position, for exits and for `on_bar`.
    grace
        How long after its end a bar waits for a first later tick, ns of the feed's clock.
    on_failure
        Told of a strategy that raised, and why; it gives no more signals on that instrument, and others go on. Without
        it the error is raised.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        instruments: Callable[[InstrumentId], Instrument],
        calendar: Calendar,
        standing: Callable[[PositionId], Standing],
        grace: Nanos,
        on_failure: Callable[[PositionId, str], None] | None = None,
    ) -> None:
        self._calendar = calendar
        self._standing = standing
        self._on_failure = on_failure
        self._grace = grace
        self._series: dict[tuple[InstrumentId, Nanos], _Series] = {}
        self._of: dict[InstrumentId, list[_Series]] = {}
        self._ends: list[Nanos] = []  # a heap: when bars end that no tick has closed yet
        self._ending: dict[Nanos, list[_Series]] = {}  # and whose
        self.bars = 0
        runs: dict[tuple[InstrumentId, Nanos], list[Run]] = {}
        for plan in plans:
            for name in plan.instruments:
                runs.setdefault((name, plan.interval), []).append(Run(plan, name))
        for (name, interval), theirs in runs.items():
            instrument = instruments(name)
            series = _Series(BarBuilder(name, interval, calendar.bounds(instrument)), instrument, theirs)
            self._series[name, interval] = series
            self._of.setdefault(name, []).append(series)

    def needs(self) -> list[Need]:
        """What `warm` should be given, per instrument and interval."""
        return [
            Need(instrument, interval, *_most(series.runs)) for (instrument, interval), series in self._series.items()
        ]

    def warm(self, instrument: InstrumentId, interval: Nanos, bars: Iterable[Bar]) -> int:
        """Run past bars through the graphs. Returns how many there were.

        Their signals are not acted on, but for those of a last bar that ended with the session before the next price:
        see `on_tick`. A hook sees that one bar, then, and none before it.
        """
        series = self._series[instrument, interval]
        count, last, asked = 0, None, []
        for bar in bars:
            count, last = count + 1, bar
            series.builder.close_until(bar.end)  # a straggler must not open this bar again
            asked = [each for graph in series.graphs for each in graph.step(bar)]
        if last is not None:
            series.waiting = [_Waiting(run, last, row) for run, row in asked]
        return count

    def odd_ticks(self) -> dict[str, int]:
        """Ticks that were no plain trade, by kind, over all bar builders."""
        counts: dict[str, int] = {}
        for series in self._series.values():
            for kind, count in series.builder.counts.items():
                counts[kind] = counts.get(kind, 0) + count
        return counts

    def on_tick(self, tick: Tick) -> list[Intent]:
        """The intents of the bars that this tick closed; usually none.

        The first tick of a session brings those of the bar that ended with the session before. They carry a key, since
        every desk that starts on that day finds them again.
        """
        intents: list[Intent] = []
        for series in self._of.get(tick.instrument, ()):
            bar = series.builder.on_tick(tick)
            if bar is not None:
                self._closed(series, bar, intents)
            elif series.noted:
                continue
            end = series.builder.open_end
            self._note_end(series, end)
            if end and series.waiting:
                self._opened(series, tick.ts, intents)
        return intents

    def advance(self, now: Nanos) -> list[Intent]:
        """Close the bars whose time is over; the intents they bring."""
        intents: list[Intent] = []
        while self._ends and self._ends[0] + self._grace <= now:
            end = heapq.heappop(self._ends)
            open_still = [series for series in self._ending.pop(end) if series.builder.open_end == end]
            for series in sorted(open_still, key=_SERIES_ORDER):
                series.noted = 0
                bar = series.builder.close_until(now - self._grace)
                if bar is not None:
                    self._closed(series, bar, intents)
        return intents

    def _note_end(self, series: _Series, end: Nanos) -> None:
        """Most bars are closed by a tick; time closes the others, and a thousand may end at one moment."""
        series.noted = end
        if not end:
            return
        if end not in self._ending:
            self._ending[end] = []
            heapq.heappush(self._ends, end)
        self._ending[end].append(series)

    def _closed(self, series: _Series, bar: Bar, intents: list[Intent]) -> None:
        self.bars += 1
        for graph in series.graphs:
            try:
                asked = graph.step(bar)
            except Exception as error:  # a user's own code may raise anything; the others trade on
                for run in graph.runs:
                    self._broken(series, run, error)
                continue
            for run, row in asked:
                if self._over(series, bar):
                    series.waiting.append(_Waiting(run, bar, row))
                elif (intent := self._decided(series, run, bar, row)) is not None:
                    intents.append(intent)

    def _decided(self, series: _Series, run: Run, bar: Bar, row: Row) -> Intent | None:
        try:
            return run.decide(bar.end, row, self._standing, bar)
        except Exception as error:  # as above
            self._broken(series, run, error)
            return None

    def _over(self, series: _Series, bar: Bar) -> bool:
        """Whether the session ended with `bar`, and no price of the next one is here."""
        return not series.builder.open_end and self._calendar.window(series.instrument, bar.end) is None

    def _opened(self, series: _Series, ts: Nanos, intents: list[Intent]) -> None:
        """A session has its first price, at `ts`: decide on what the last bar before it said."""
        waiting, series.waiting = series.waiting, []
        closed = _last_close(self._calendar, series.instrument, ts)
        for run, bar, row in waiting:
            if not bar.start < closed <= bar.end:
                continue  # it is of this session, or older than the last: somebody has dealt with it, or nobody will
            intent = self._decided(series, run, bar, row)
            if intent is not None:
                key = f"{run.position} {bar.start}"  # brokers do not agree on when a bar ends that the close cuts short
                intents.append(replace(intent, key=key))

    def _broken(self, series: _Series, run: Run, error: Exception) -> None:
        if self._on_failure is None:
            raise error
        for graph in series.graphs:
            graph.without(run)
        series.graphs = [graph for graph in series.graphs if graph.runs]
        self._on_failure(run.position, f"{type(error).__name__}: {error}")


def _last_close(calendar: Calendar, instrument: Instrument, ts: Nanos) -> Nanos:
    """When continuous trading of `instrument` ended last before `ts`; 0 if it is not known."""
    day = ist_day(ts)
    try:
        for _ in range(_SESSIONS_BACK):
            with suppress(CalendarError):  # a muhurat session whose hours nobody has tabled: histories lack it too
                ends = [end for _, end in continuous(calendar.phases_of(instrument, day)) if end <= ts]
                if ends:
                    return ends[-1]
            day = calendar.previous_session(instrument.segment, day)
    except CalendarError:
        pass
    return 0


def _most(runs: Iterable[Run]) -> tuple[int, int]:
    """At least one bar: a hook, too, is asked about the one before the day's first price."""
    needs = [warm_up(run.exprs, run.plan.interval) for run in runs]
    return max(1, *(need.bars for need in needs)), max(need.days for need in needs)
