"""Ticks to bars, bars to signals, signals to intents: what the desk thinks, with no idea of orders.

Nothing here is journalled: it is a function of market data and comes back from history after a restart. So does the
signal of a session's last bar: no price can follow it on that day, so it is decided at the next session's first price,
where a backtest decides it too, by a desk that has found that bar in its warm-up.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from math import isfinite, nan
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from saudagar.engine.settings import Plan
from saudagar.indicators import BarFields, Expr, Live, warm_up
from saudagar.market.bars import BarBuilder
from saudagar.market.ist import ist_day
from saudagar.market.sessions import Calendar, continuous, session_open
from saudagar.model import (
    Bar,
    Direction,
    Instrument,
    InstrumentId,
    Intent,
    Nanos,
    Paise,
    PositionId,
    Protection,
    Tick,
    position_id,
)
from saudagar.model.errors import CalendarError
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
    """One plan on one instrument: its graph, and what the desk makes of the graph's values."""

    __slots__ = ("_fixed", "_places", "exprs", "has_hook", "instrument", "live", "names", "plan", "position")

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
        self.live = Live(self.exprs, session_open=session_open(instrument))
        self._fixed = None if plan.exits.needs_atr else plan.exits.protection()

    def step(self, bar: Bar) -> Row | None:
        """The values of `exprs` at `bar`; None where they ask for nothing, as at most bars."""
        row = self.live.step(bar)
        return row if True in row or self.has_hook else None  # it counts when a thousand bars close at once

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
            The values of `exprs` there, from `Live` or `evaluate`.
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

    __slots__ = ("builder", "instrument", "noted", "runs", "waiting")

    def __init__(self, builder: BarBuilder, instrument: Instrument) -> None:
        self.builder = builder
        self.instrument = instrument
        self.runs: list[Run] = []
        self.noted: Nanos = 0  # the end of its open bar, once it is among those to be closed by time
        self.waiting: list[_Waiting] = []  # for the first price of a session


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
        for plan in plans:
            for instrument_id in plan.instruments:
                self._add(plan, instruments(instrument_id), calendar)

    def _add(self, plan: Plan, instrument: Instrument, calendar: Calendar) -> None:
        key = (instrument.id, plan.interval)
        series = self._series.get(key)
        if series is None:
            series = _Series(BarBuilder(instrument.id, plan.interval, calendar.bounds(instrument)), instrument)
            self._series[key] = series
            self._of.setdefault(instrument.id, []).append(series)
        series.runs.append(Run(plan, instrument.id))

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
        count, last, rows = 0, None, []
        for bar in bars:
            count, last = count + 1, bar
            series.builder.close_until(bar.end)  # a straggler must not open this bar again
            rows = [run.step(bar) for run in series.runs]
        if last is not None:
            made = zip(series.runs, rows, strict=True)
            series.waiting = [_Waiting(run, last, row) for run, row in made if row is not None]
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
        for run in series.runs:
            try:
                row = run.step(bar)
                if row is None:
                    continue
                if self._over(series, bar):
                    series.waiting.append(_Waiting(run, bar, row))
                    continue
                intent = run.decide(bar.end, row, self._standing, bar)
            except Exception as error:  # a user's own code may raise anything; the others trade on
                self._broken(series, run, error)
                continue
            if intent is not None:
                intents.append(intent)

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
            try:
                intent = run.decide(bar.end, row, self._standing, bar)
            except Exception as error:
                self._broken(series, run, error)
                continue
            if intent is not None:
                key = f"{run.position} {bar.start}"  # brokers do not agree on when a bar ends that the close cuts short
                intents.append(replace(intent, key=key))

    def _broken(self, series: _Series, run: Run, error: Exception) -> None:
        if self._on_failure is None:
            raise error
        series.runs = [each for each in series.runs if each is not run]
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
