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

Why it may skip
---------------
Signals are evaluated over whole columns beforehand (`prepared`). Between two signals nothing happens while the desk
is flat, and while it holds nothing happens until a bar's range reaches a level; that bar is found by a scan over the
arrays. `every_bar=True` calls the engine at every bar instead, with live bar building and streaming graphs; a property
test holds the two equal, trade by trade.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from saudagar.backtest.calls import Calls
from saudagar.backtest.fills import BarBroker
from saudagar.backtest.prepared import Prepared
from saudagar.backtest.result import Costs, Result
from saudagar.backtest.session import Session
from saudagar.engine.analysis import Analysis
from saudagar.engine.settings import Settings
from saudagar.execution.ports import InstrumentLookup
from saudagar.indicators import BarArrays
from saudagar.market.ist import ist_day
from saudagar.market.screen import TickScreen
from saudagar.market.sessions import Calendar
from saudagar.model import InstrumentId, InstrumentKind, Nanos, Paise, Tick, TickFrame, TimeAdvanced, position_id
from saudagar.model.errors import ConfigError, DataError
from saudagar.model.events import Event
from saudagar.strategies import Strategy

_NEVER: Nanos = 1 << 60
_NO_JUMPS = dict.fromkeys(InstrumentKind, 0)  # visited bars may lie far apart
_FREE_HAND = Strategy.on_bar


def replay_bars(
    settings: Settings,
    bars: Mapping[InstrumentId, BarArrays],
    instruments: InstrumentLookup,
    calendar: Calendar,
    costs: Costs,
    *,
    every_bar: bool = False,
    on_events: Callable[[Sequence[Event]], None] | None = None,
) -> Result:
    """Trade `bars` with the plans of `settings`.

    Parameters
    ----------
    bars
        Per instrument, in whole paise, of the plans' interval, inside the calendar's sessions. Adjusted for splits.
    costs
        Charges of one round trip, e.g. `flat_costs(300)` for 0.03 % a side, or the statutory ones.
    every_bar
        Call the engine at every bar: the plain form, several times slower.
    on_events
        Told the events of every step, in order.

    Raises
    ------
    ConfigError
        A plan names an instrument without bars, or another interval than theirs.
    DataError
        Prices that are not whole paise.
    """
    _check(settings, bars)
    settings = msgspec.structs.replace(settings, reconcile=0, bar_grace=_NEVER)
    return _BarReplay(settings, bars, instruments, calendar, costs, every_bar, on_events).run()


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
    ) -> None:
        self._broker = BarBroker()
        self._session = session = Session(settings, instruments, calendar, costs, self._broker, on_events)
        self._bars = bars
        self._calendar = calendar
        self._known = [instruments.get(name) for name in bars]
        self._volumes = {name: _volumes_of_day(each) for name, each in bars.items()}
        self._at = dict.fromkeys(bars, 0)
        self._day = -1
        self._prepared: Prepared | None = None
        if every_bar:
            self._analysis = Analysis(settings.plans, instruments.get, calendar, session.standing, _NEVER)
        else:
            self._prepared = Prepared(settings.plans, instruments.get, calendar, session.standing, bars)
            self._analysis = self._prepared
        self._calls = {
            name: Calls(
                each,
                instruments.get(name),
                session.state,
                [position_id(plan.id, name) for plan in settings.plans if name in plan.instruments],
                self._broker,
                settings,
                acts=np.empty(0, np.int64) if self._prepared is None else self._prepared.fired(name) + 1,
                every_bar=every_bar or any(type(plan.strategy).on_bar is not _FREE_HAND for plan in settings.plans),
            )
            for name, each in bars.items()
        }

    def run(self) -> Result:
        """Visit bars in the order of time until none is left."""
        names, calls, starts = list(self._bars), list(self._calls.values()), [b.start for b in self._bars.values()]
        heap = [
            (starts[k].item(at), k, at) for k, each in enumerate(calls) if 0 <= (at := each.first()) < len(starts[k])
        ]
        heapq.heapify(heap)
        while heap:
            ts = heap[0][0]
            due: list[int] = []
            while heap and heap[0][0] == ts:
                _, k, at = heapq.heappop(heap)
                due.append(k)
                self._at[names[k]] = at
            self._visit(ts, [names[k] for k in due])
            for k in due:
                at = calls[k].after(self._at[names[k]])
                if at < len(starts[k]):
                    heapq.heappush(heap, (starts[k].item(at), k, at))
        return self._session.result(self._broker.fills)

    def _visit(self, ts: Nanos, names: list[InstrumentId]) -> None:
        """The bars that begin at `ts`: their opens, then the way to their closes where it matters."""
        at, bars, session = self._at, self._bars, self._session
        session.visited += len(names)
        opens = [(name, int(bars[name].open.item(at[name]))) for name in names]
        day = bars[names[0]].day.item(at[names[0]])
        if day != self._day:
            self._day = day
            self._begin_day(ts, opens)
        if self._prepared is not None:
            for name in names:
                self._prepared.closed[name] = at[name] - 1
        self._trade(ts, opens)
        inside = [name for name in names if self._calls[name].inside(at[name])]
        if inside:
            self._walk(inside)

    def _begin_day(self, ts: Nanos, opens: list[tuple[InstrumentId, Paise]]) -> None:
        session, broker = self._session, self._broker
        broker.end_day()
        for name, price in opens:
            broker.on_price(name, ts, price)
        session.begin_day(ist_day(ts), ts, self._analysis)
        session.engine.screen = TickScreen(self._known, self._calendar, jump_percent=_NO_JUMPS)

    def _walk(self, names: list[InstrumentId]) -> None:
        """The three legs inside the bars, all instruments together."""
        paths = {name: self._path(name) for name in names}
        for leg in (1, 2, 3):
            ts = max(path[leg][0] for path in paths.values())
            for name, path in paths.items():
                self._to_levels(name, ts, path[leg - 1][1], path[leg][1])
            self._trade(ts, [(name, path[leg][1]) for name, path in paths.items()])

    def _path(self, name: InstrumentId) -> list[tuple[Nanos, Paise]]:
        bars, at = self._bars[name], self._at[name]
        start, end = bars.start.item(at), bars.end.item(at)
        first, second = int(bars.low.item(at)), int(bars.high.item(at))
        if self._calls[name].held < 0:
            first, second = second, first
        return [
            (start, int(bars.open.item(at))),
            (start + (end - start) // 4, first),
            (start + (end - start) // 2, second),
            (end - 1, int(bars.close.item(at))),
        ]

    def _to_levels(self, name: InstrumentId, ts: Nanos, price: Paise, end: Paise) -> None:
        """Let the price stand at each level on its way from `price` to `end`."""
        while level := self._calls[name].next_level(price, end):
            price = level
            self._trade(ts, [(name, price)])

    def _trade(self, ts: Nanos, prices: Sequence[tuple[InstrumentId, Paise]]) -> None:
        """The market stands at `prices`: the broker's orders trade first, then the desk sees it."""
        session, broker, volumes, at = self._session, self._broker, self._volumes, self._at
        reports = [report for name, price in prices for report in broker.on_price(name, ts, price)]
        if reports:
            session.process(TimeAdvanced(ts))  # the visit before may lie far back
        for report in reports:
            session.process(report)
        session.process(TickFrame(ts, [Tick(name, ts, price, volumes[name].item(at[name])) for name, price in prices]))


def _volumes_of_day(bars: BarArrays) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The cumulative volume of the day at the end of each bar, as a feed tells it."""
    total = np.cumsum(bars.volume.astype(np.int64))
    fresh = np.flatnonzero(np.diff(bars.day, prepend=bars.day[0] - 1)) if len(bars) else np.empty(0, np.int64)
    before = total[fresh] - bars.volume[fresh].astype(np.int64)
    return total - np.repeat(before, np.diff(fresh, append=len(bars)))


def _check(settings: Settings, bars: Mapping[InstrumentId, BarArrays]) -> None:
    for plan in settings.plans:
        for name in plan.instruments:
            if name not in bars:
                raise ConfigError(f"strategy {plan.id!r} trades {name}, of which there are no bars.")
            given = bars[name].interval
            if given != plan.interval:
                raise ConfigError(f"strategy {plan.id!r} wants bars of {plan.interval} ns, {name} has {given}.")
    for name, each in bars.items():
        for column in ("open", "high", "low", "close", "volume"):
            values = getattr(each, column)
            if not (values == np.rint(values)).all():
                raise DataError(f"{name}: the {column} column must hold whole numbers (paise, units).")
