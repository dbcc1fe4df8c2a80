"""A backtest on ticks: day after day through the matching core, told as a backtest on bars is.

Every day stands alone, as at a desk that squares off: a new exchange, a new state, and the bars of the days before to
warm up on. The exchange makes up the depth that tick files lack (`exchange.book`). Called by the command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Protocol

import msgspec

from saudagar.backtest.outcome import BacktestResult
from saudagar.backtest.prepared import bar_at
from saudagar.backtest.result import Result
from saudagar.backtest.run import Backtest, cost_of, told_of
from saudagar.backtest.ticks import replay_ticks
from saudagar.exchange.core import MatchingCore
from saudagar.market.master import Master
from saudagar.model import Bar, Instrument, InstrumentId, Nanos, Paise, Tick
from saudagar.portfolio import Trade

_CAPITAL: Paise = 10**15  # a backtest on bars has no margins either


class TickDay(Protocol):
    """What is wanted of a recorded or made-up day."""

    @property
    def day(self) -> date: ...

    @property
    def instruments(self) -> Sequence[Instrument]: ...

    def steps(self) -> Iterator[tuple[Nanos, list[Tick]]]: ...

    def previous_close(self, instrument: InstrumentId) -> Paise: ...


class TickRun(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A result, and how many positions were open when the ticks of a day but the last one ended: they are lost."""

    result: BacktestResult
    lost: int


def run_ticks(backtest: Backtest, days: Sequence[TickDay]) -> TickRun:
    """Trade `days`, which are in order.

    Parameters
    ----------
    backtest
        Its market holds the bars that the ticks make up. Fills and slippage are the exchange's, not its own.
    """
    settings = msgspec.structs.replace(
        backtest.settings, limits=msgspec.structs.replace(backtest.settings.limits, orders_per_second=0)
    )
    parts: list[Result] = []
    for each in days:
        closes = {instrument.id: each.previous_close(instrument.id) for instrument in each.instruments}
        core = MatchingCore(each.instruments, backtest.market.calendar, capital=_CAPITAL, previous_close=closes)
        steps = each.steps()
        first = next(steps, None)
        if first is None:
            continue
        core.advance(first[0])
        parts.append(
            replay_ticks(
                settings,
                each.day,
                steps,
                core,
                Master(each.day, tuple(each.instruments)),
                backtest.market.calendar,
                cost_of(backtest),
                warm=_warm(backtest, first[0]),
            )
        )
    return TickRun(result=told_of(backtest, _joined(parts), "ticks"), lost=sum(len(part.open) for part in parts[:-1]))


def _warm(backtest: Backtest, before: Nanos) -> dict[tuple[InstrumentId, Nanos], list[Bar]]:
    """The bars of the days before, oldest first."""
    known = {}
    for name, bars in backtest.market.bars.items():
        count = int((bars.end <= before).sum())
        known[name, bars.interval] = [bar_at(name, bars, at) for at in range(count)]
    return known


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
