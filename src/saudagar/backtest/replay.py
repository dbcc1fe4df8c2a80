"""Replay of past bars through the desk's own engine, calling it only where something can happen.

How a bar trades
----------------
- A signal at the close of one bar acts at the first price of the next ("next open"): sized, checked by risk and filled
  there, as live, where the first tick of the next bar closes the one before it.
- Inside a bar the price walks open → worst → kindest → close as seen from the position (long: low before high; flat:
  the same). On its way it stands still at every level of a resting order, stop or target, so a level fills at its own
  price, and at the open where the open has jumped it. This is the worst-first rule of `execution.protection`.
- Costs do not enter the price; they are counted per round trip.
- All instruments share one desk: at each moment first all opens, then each leg of the walk.
- Other rules for when and how much an order fills: see `fill_rules`. Where a signal acts at its own close, that close
  is seen once more as a last price, after all else inside the bar.
- With finer bars as detail all of this is done bar by bar of the detail; only the signals are of the plans' own bars.

Why it may skip
---------------
Signals are evaluated over whole columns beforehand (`prepared`). Between two signals nothing happens while the desk
is flat, and while it holds nothing happens until a bar's range reaches a level; that bar is found by a scan over the
arrays. Bars that only let one position's stop follow the price are passed over too, and the desk is told where it has
got to (`trail`); not where somebody listens to the events. `every_bar=True` calls the engine at every bar instead, with
live bar building and streaming graphs; a property test holds the two equal, trade by trade.
"""

from __future__ import annotations

import gc
import heapq
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from saudagar.backtest.calls import Calls
from saudagar.backtest.detail import closing_bars
from saudagar.backtest.fill_rules import FillRules
from saudagar.backtest.fills import NO_SLIPPAGE, BarBroker, Slippage
from saudagar.backtest.prepared import Prepared
from saudagar.backtest.ranges import paise
from saudagar.backtest.result import Costs, Result
from saudagar.backtest.session import Session
from saudagar.backtest.trail import Trail, may_trail
from saudagar.backtest.volume_fills import VolumeBroker
from saudagar.engine.analysis import Analysis
from saudagar.engine.settings import Settings
from saudagar.execution.ports import InstrumentLookup
from saudagar.indicators import BarArrays
from saudagar.market.ist import DAY, ist_day, midnight
from saudagar.market.screen import TickScreen
from saudagar.market.sessions import Calendar
from saudagar.model import (
    InstrumentId,
    InstrumentKind,
    Nanos,
    OrderReport,
    Paise,
    Tick,
    TickFrame,
    TimeAdvanced,
    position_id,
)
from saudagar.model.errors import ConfigError, DataError
from saudagar.model.events import Event
from saudagar.strategies import Strategy

Ints = NDArray[np.int64]

_NEVER: Nanos = 1 << 60
_NO_JUMPS = dict.fromkeys(InstrumentKind, 0)  # visited bars may lie far apart
_FREE_HAND = Strategy.on_bar
_NEXT_OPEN = FillRules()


def replay_bars(
    settings: Settings,
    bars: Mapping[InstrumentId, BarArrays],
    instruments: InstrumentLookup,
    calendar: Calendar,
    costs: Costs,
    *,
    every_bar: bool = False,
    on_events: Callable[[Sequence[Event]], None] | None = None,
    slippage: Slippage = NO_SLIPPAGE,
    fills: FillRules = _NEXT_OPEN,
    detail: Mapping[InstrumentId, BarArrays] | None = None,
    on_day: Callable[[Nanos], None] | None = None,
) -> Result:
    """Trade `bars` with the plans of `settings`.

    Parameters
    ----------
    bars
        Per instrument, in whole paise, of the plans' interval, inside the calendar's sessions. Adjusted for splits.
    costs
        Charges of one round trip, e.g. `flat_costs(300)` for 0.03 % a side, or the statutory ones.
    every_bar
        Call the engine at every bar: the plain form, several times slower. Knows no other fill rules and no detail.
    on_events
        Told the events of every step, in order.
    slippage
        Of marketable orders and triggered stops.
    fills
        When and how much orders fill.
    detail
        Finer bars inside `bars`, for any of the instruments.
    on_day
        Told of each day that begins, at its first bar visited.

    Raises
    ------
    ConfigError
        A plan names an instrument without bars, or another interval than theirs.
    DataError
        Prices that are not whole paise.
    """
    _check(settings, bars, detail or {})
    settings = msgspec.structs.replace(fills.applied(settings), reconcile=0, bar_grace=_NEVER)
    return _BarReplay(
        settings, bars, instruments, calendar, costs, every_bar, on_events, slippage, fills, detail or {}, on_day
    ).run()


class _Line:
    """One instrument on its way through its bars; `heard` tells of which bar each brings the signals, -1 for none."""

    def __init__(
        self, number: int, name: InstrumentId, bars: BarArrays, volumes: memoryview, calls: Calls, heard: Ints
    ) -> None:
        self.number = number
        self.name = name
        self.bars = bars
        self.calls = calls
        self.at = self.following = calls.first()
        self.price: Paise = 0  # where the market stands
        self.end = len(bars)
        self.starts, self.ends, self.heard = bars.start.data, bars.end.data, heard.data
        self.opens, self._closes = paise(bars.open), paise(bars.close)
        self._prices = [self.opens, paise(bars.low), paise(bars.high), self._closes]
        self.volumes = volumes

    @property
    def close(self) -> Paise:
        price: Paise = self._closes[self.at]
        return price

    @property
    def range(self) -> tuple[Paise, Paise, int]:
        """Low, high and volume."""
        _, low, high, _ = self.prices()
        return low, high, int(self.bars.volume.item(self.at))

    def prices(self) -> list[Paise]:
        """Open, low, high, close."""
        at = self.at
        return [column[at] for column in self._prices]

    def path(self) -> list[Paise]:
        """Open, the worst price, the kindest, close."""
        path = self.prices()
        if self.calls.held < 0:
            path[1], path[2] = path[2], path[1]
        return path

    def stirs(self, ts: Nanos, path: list[Paise], leg: int) -> bool:
        """Whether anybody would answer a price of that leg of `path`."""
        return self.calls.stirs(self.at, ts, path[leg - 1], path[leg])


class _BarReplay:
    def __init__(
        self,
        settings: Settings,
        bars: Mapping[InstrumentId, BarArrays],
        instruments: InstrumentLookup,
        calendar: Calendar,
        costs: Costs,
        every_bar: bool,
        on_events: Callable[[Sequence[Event]], None] | None,
        slippage: Slippage,
        fills: FillRules,
        detail: Mapping[InstrumentId, BarArrays],
        on_day: Callable[[Nanos], None] | None,
    ) -> None:
        self._on_day = on_day
        self._volumes = VolumeBroker(fills, slippage, instruments) if fills.counts_volume else None
        self._broker = self._volumes or BarBroker(slippage, instruments)
        self._at_close = fills.at_close
        self._session = session = Session(settings, instruments, calendar, costs, self._broker, on_events)
        self._screen = TickScreen([instruments.get(name) for name in bars], calendar, jump_percent=_NO_JUMPS)
        self._day_end: Nanos = 0
        prepared: Prepared | None = None
        if every_bar:
            self._analysis = Analysis(settings.plans, instruments.get, calendar, session.standing, _NEVER)
        else:
            self._analysis = prepared = Prepared(settings.plans, instruments.get, calendar, session.standing, bars)
        self._closed = {} if prepared is None else prepared.closed
        every_bar = every_bar or any(type(plan.strategy).on_bar is not _FREE_HAND for plan in settings.plans)
        self._lines = []
        for number, (name, coarse) in enumerate(bars.items()):
            each = detail.get(name, coarse)
            heard = np.full(len(each), -1, np.int64)
            if prepared is not None:
                closes = closing_bars(coarse, each, at_close=self._at_close)
                fired = np.append(prepared.any_fired(name), np.False_)  # that of -1 is the last
                heard = np.where(fired[closes], closes, -1)
            volumes = _volumes_of_day(each)
            ahead = len(bars) == 1 and on_events is None and self._volumes is None and not fills.at_close
            ahead = ahead and may_trail(each, volumes, settings.limits.orders_per_second)
            calls = Calls(
                each,
                instruments.get(name),
                session,
                [position_id(plan.id, name) for plan in settings.plans if name in plan.instruments],
                self._broker,
                acts=np.flatnonzero(heard >= 0),
                every_bar=every_bar,
                trail=Trail(name, each, session, self._broker) if ahead else None,
            )
            self._lines.append(_Line(number, name, each, volumes.data, calls, heard))

    def run(self) -> Result:
        """Visit bars in the order of time until none is left."""
        gc.freeze()  # what is here now stays; looking it over again and again takes a twentieth of the time
        try:
            self._visit_all()
        finally:
            gc.unfreeze()
        return self._session.result(self._broker.fills)

    def _visit_all(self) -> None:
        lines = self._lines
        if len(lines) == 1 and self._volumes is None:
            (line,) = lines
            while line.at < line.end:
                self._visit(line.starts[line.at], lines)
            return
        heap = [(line.starts[line.at], line.number) for line in lines if line.at < len(line.bars)]
        heapq.heapify(heap)
        while heap:
            ts, number = heapq.heappop(heap)
            due = [lines[number]]
            while heap and heap[0][0] == ts:
                due.append(lines[heapq.heappop(heap)[1]])
            self._visit(ts, due)
            if self._volumes is not None and self._waiting:
                due = lines
                heap.clear()
                for line in lines:
                    line.at = min(line.at, int(np.searchsorted(line.bars.start, ts, side="right")))
            for line in due:
                if line.at < line.end:
                    heapq.heappush(heap, (line.starts[line.at], line.number))

    @property
    def _waiting(self) -> bool:
        """Whether an order waits for volume: the desk looks after it by the clock, which every instrument moves."""
        return any(line.calls.under_way for line in self._lines)

    def _visit(self, ts: Nanos, lines: list[_Line]) -> None:
        """The bars that begin at `ts`: their opens, then the way to their closes where it matters. Moves on."""
        self._session.visited += len(lines)
        at_close = self._at_close
        for line in lines:
            at = line.at
            line.price = line.opens[at]
            if not at_close and (closed := line.heard[at]) >= 0:
                self._closed[line.name] = closed
        if ts >= self._day_end:
            self._begin_day(ts, lines)
        volumes = self._volumes
        if volumes is not None:
            for line in lines:
                volumes.begin_bar(line.name, *line.range)
        self._trade(ts, lines)
        inside: list[_Line] = []
        for line in lines:
            line.following = line.calls.after_open(line.at)
            if line.following == line.at or (volumes is not None and self._waiting):
                inside.append(line)
        if inside:
            self._walk(ts, inside)
        if at_close and (heard := [line for line in lines if line.heard[line.at] >= 0]):
            for line in heard:
                line.price, self._closed[line.name] = line.close, line.heard[line.at]
            self._trade(max(line.ends[line.at] for line in heard) - 1, heard)
            inside = lines
        for line in inside:
            line.following = line.calls.after(line.at)
        for line in lines:
            line.at = line.following

    def _begin_day(self, ts: Nanos, lines: list[_Line]) -> None:
        session, broker = self._session, self._broker
        if self._on_day is not None:
            self._on_day(ts)
        day = ist_day(ts)
        self._day_end = midnight(day) + DAY
        broker.end_day()
        for line in lines:
            broker.on_price(line.name, ts, line.price)
        session.begin_day(day, ts, self._analysis, screen=self._screen)

    def _walk(self, start: Nanos, lines: list[_Line]) -> None:
        """The three legs inside the bars, all instruments together; a price that nobody would answer is left out."""
        paths = [(line, line.path()) for line in lines]
        end = max([line.ends[line.at] for line in lines])
        for leg, ts in ((1, start + (end - start) // 4), (2, start + (end - start) // 2), (3, end - 1)):
            stirred = (
                paths
                if self._volumes is not None and self._waiting
                else [each for each in paths if each[0].stirs(ts, each[1], leg)]
            )
            for line, path in stirred:
                line.price = path[leg - 1]
                self._to_levels(line, ts, path[leg])
            if stirred:
                for line, path in stirred:
                    line.price = path[leg]
                self._trade(ts, [line for line, _ in stirred])

    def _to_levels(self, line: _Line, ts: Nanos, end: Paise) -> None:
        """Let the price stand at each level on its way to `end`."""
        while level := line.calls.next_level(line.price, end):
            line.price = level
            self._trade(ts, [line])

    def _trade(self, ts: Nanos, lines: Sequence[_Line]) -> None:
        """The market stands at the prices of `lines`: the broker's orders trade first, then the desk sees it."""
        session, on_price = self._session, self._broker.on_price
        reports: list[OrderReport] = []
        ticks: list[Tick] = []
        for line in lines:
            name, price = line.name, line.price
            if told := on_price(name, ts, price):
                reports += told
            ticks.append(Tick(name, ts, price, line.volumes[line.at]))
        if reports:
            session.changes += 1
            if any(report.filled for report in reports):
                session.process(TimeAdvanced(ts))  # the visit before may lie far back
                for line in lines:  # one's stop may be the limit of the day, which closes the others too
                    session.engine.quote(line.name, line.price)
            for report in reports:
                session.process(report)
        session.process(TickFrame(ts, ticks))


def _volumes_of_day(bars: BarArrays) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The cumulative volume of the day at the end of each bar, as a feed tells it."""
    total = np.cumsum(bars.volume.astype(np.int64))
    fresh = np.flatnonzero(np.diff(bars.day, prepend=bars.day[0] - 1)) if len(bars) else np.empty(0, np.int64)
    before = total[fresh] - bars.volume[fresh].astype(np.int64)
    return total - np.repeat(before, np.diff(fresh, append=len(bars)))


def _check(
    settings: Settings, bars: Mapping[InstrumentId, BarArrays], detail: Mapping[InstrumentId, BarArrays]
) -> None:
    for plan in settings.plans:
        for name in plan.instruments:
            if name not in bars:
                raise ConfigError(f"strategy {plan.id!r} trades {name}, of which there are no bars.")
            given = bars[name].interval
            if given != plan.interval:
                raise ConfigError(f"strategy {plan.id!r} wants bars of {plan.interval} ns, {name} has {given}.")
    for name, each in (*bars.items(), *detail.items()):
        for column in ("open", "high", "low", "close", "volume"):
            values = getattr(each, column)
            if not (np.isfinite(values) & (values == np.rint(values))).all():
                raise DataError(f"{name}: the {column} column must hold whole numbers (paise, units).")
