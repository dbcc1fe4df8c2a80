"""A backtest on ticks: day after day through the matching core, told as a backtest on bars is.

Every day stands alone, as at a desk that squares off: a new exchange, a new state, and the bars of the days before to
warm up on; what these have earned is there to trade with. The exchange makes up the depth that recorded ticks lack
(`exchange.book`). Called by the command line and the notebook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import chain
from typing import Protocol

import msgspec

from saudagar.backtest.outcome import BacktestResult
from saudagar.backtest.prepared import bar_at
from saudagar.backtest.result import Result
from saudagar.backtest.run import Backtest, cost_of, fresh, told_of
from saudagar.backtest.session import with_earned
from saudagar.backtest.ticks import replay_ticks
from saudagar.exchange.core import MatchingCore
from saudagar.exchange.recorded import PlayedDay, Row
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import Bar, Instrument, InstrumentId, Nanos, Paise, Tick
from saudagar.portfolio import Trade
from saudagar.storage.catalog_ticks import TickCatalog

_CAPITAL: Paise = 10**15  # a backtest on bars has no margins either
_TELL = 2_000  # steps between two tellings of the progress
_USUAL = 22_500  # steps of a day: its seconds


class TickDay(Protocol):
    """What is wanted of a recorded or made-up day."""

    @property
    def day(self) -> date: ...

    @property
    def instruments(self) -> Sequence[Instrument]: ...

    def steps(self) -> Iterator[tuple[Nanos, list[Tick]]]: ...

    def previous_close(self, instrument: InstrumentId) -> Paise: ...


class TickDays(Protocol):
    """Days in order: a list of them, or some that are made when they are come to."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[TickDay]: ...


class StoredDays:
    """Days of the catalog's ticks, in order; one at a time is in memory.

    Parameters
    ----------
    instrument
        What trades under a name: called with the name, the day's first price (paise) and the day.

    Raises
    ------
    DataError
        When a day is come to that the catalog does not hold.
    """

    def __init__(
        self,
        catalog: TickCatalog,
        names: Sequence[InstrumentId],
        days: Sequence[date],
        instrument: Callable[[InstrumentId, Paise, date], Instrument],
        calendar: Calendar,
    ) -> None:
        self.days = days
        self._catalog = catalog
        self._names = names
        self._instrument = instrument
        self._calendar = calendar

    def __len__(self) -> int:
        return len(self.days)

    def __iter__(self) -> Iterator[PlayedDay]:
        for day in self.days:
            yield PlayedDay(day, dict(self._rows(name, day) for name in self._names), self._calendar)

    def _rows(self, name: InstrumentId, day: date) -> tuple[Instrument, list[Row]]:
        found = self._catalog.read(name, day)
        columns = (found.arrival.tolist(), found.ts.tolist(), found.ltp.tolist(), found.volume.tolist())
        rows = [Row(at, Tick(name, ts, ltp, volume)) for at, ts, ltp, volume in zip(*columns, strict=True)]
        price = next((row.tick.ltp for row in rows if row.tick.ltp > 0), 0)
        return self._instrument(name, price, day), rows


class TickRun(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A result, and how many positions were open when the ticks of a day but the last one ended: they are lost."""

    result: BacktestResult
    lost: int


def run_ticks(backtest: Backtest, days: TickDays, progress: Callable[[float], None] = lambda _: None) -> TickRun:
    """Trade `days`.

    Parameters
    ----------
    backtest
        Its market holds the bars that the ticks make up. Fills and slippage are the exchange's, not its own.
    progress
        Told the share that is done, from 0 to 1, as it goes on.
    """
    settings = msgspec.structs.replace(
        backtest.settings, limits=msgspec.structs.replace(backtest.settings.limits, orders_per_second=0)
    )
    parts: list[Result] = []
    warm = _Warm(backtest)
    for number, each in enumerate(days):
        closes = {instrument.id: each.previous_close(instrument.id) for instrument in each.instruments}
        core = MatchingCore(each.instruments, backtest.market.calendar, capital=_CAPITAL, previous_close=closes)
        steps = each.steps()
        first = next(steps, None)
        if first is None:
            continue
        core.advance(first[0])
        part = replay_ticks(
            fresh(settings),
            each.day,
            _told(chain((first,), steps), number / len(days), 1 / len(days), progress),
            core,
            Master(each.day, tuple(each.instruments)),
            backtest.market.calendar,
            cost_of(backtest),
            warm=warm.before(first[0]),
        )
        parts.append(part)
        settings = with_earned(settings, part.net)
    return TickRun(result=told_of(backtest, _joined(parts), "ticks"), lost=sum(len(part.open) for part in parts[:-1]))


def _told(
    steps: Iterator[tuple[Nanos, list[Tick]]], done: float, part: float, progress: Callable[[float], None]
) -> Iterator[tuple[Nanos, list[Tick]]]:
    """`steps` as they are; now and then the share is told that has passed of their `part`, after what is `done`."""
    for count, step in enumerate(steps):
        if count % _TELL == 0:
            progress(done + part * min(1.0, count / _USUAL))
        yield step
    progress(done + part)


class _Warm:
    """The bars of the days before, oldest first, made once."""

    def __init__(self, backtest: Backtest) -> None:
        self._bars = backtest.market.bars
        self._known: dict[tuple[InstrumentId, Nanos], list[Bar]] = {
            (name, bars.interval): [] for name, bars in self._bars.items()
        }

    def before(self, ts: Nanos) -> dict[tuple[InstrumentId, Nanos], list[Bar]]:
        """Those that ended by `ts`; it only grows."""
        for (name, _), known in self._known.items():
            bars = self._bars[name]
            known += [bar_at(name, bars, at) for at in range(len(known), int((bars.end <= ts).sum()))]
        return self._known


def _joined(parts: Sequence[Result]) -> Result:
    trades: list[Trade] = [trade for part in parts for trade in part.trades]
    denials: dict[str, int] = {}
    for part in parts:
        for rule, count in part.denials.items():
            denials[rule] = denials.get(rule, 0) + count
    return Result(
        trades=tuple(trades),
        open=parts[-1].open if parts else (),
        costs=tuple(cost for part in parts for cost in part.costs),
        orders=sum(part.orders for part in parts),
        fills=sum(part.fills for part in parts),
        denials=denials,
        visited=sum(part.visited for part in parts),
    )
