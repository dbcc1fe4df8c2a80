"""From what a driver leaves behind to what a report is made from: equity at every bar, open positions at the market.

A driver that tells round trips, open positions and the bars they traded on needs nothing more: `marked_equity` works
out what the account was worth. Charges are booked with the exit; a round trip counts as entered and left at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP

import numpy as np

from saudagar.backtest.result import Result
from saudagar.indicators import BarArrays
from saudagar.market.charges import Charges
from saudagar.model import InstrumentId, Paise
from saudagar.model.errors import DataError
from saudagar.portfolio import Position
from saudagar.research.metrics import Floats, Ints
from saudagar.research.report_input import Facts, OpenPosition, PriceColumns, RunRecord, TradeColumns


def record_of(
    result: Result,
    bars: Mapping[InstrumentId, BarArrays],
    capital: Paise,
    facts: Facts,
    charges: Mapping[str, Paise] | None = None,
) -> RunRecord:
    """The record of a replay over `bars`.

    Parameters
    ----------
    capital
        At the start, paise.
    charges
        Their split by kind, e.g. `charges_by_kind`; without it only the total is reported.

    Raises
    ------
    DataError
        Prices that are not whole paise, or no bars at all.
    """
    trades = TradeColumns.of(result.trades, result.costs)
    prices = {str(name): _prices(name, columns) for name, columns in bars.items() if len(columns)}
    held = tuple(_held(position) for position in result.open)
    ts = np.unique(np.concatenate([each.ts for each in prices.values()])) if prices else np.empty(0, np.int64)
    return RunRecord(
        facts=facts,
        capital=capital,
        trades=trades,
        equity_ts=ts,
        equity=marked_equity(trades, held, prices, capital, ts),
        charges=charges or {},
        prices=prices,
        open=held,
    )


def marked_equity(
    trades: TradeColumns,
    held: Iterable[OpenPosition],
    prices: Mapping[str, PriceColumns],
    capital: Paise,
    ts: Ints,
) -> Ints:
    """What the account was worth at the moments `ts`, with open positions at the last close of their instrument.

    Before an instrument's first bar its position stands at what it cost.
    """
    equity = realised_equity(trades, capital, ts)
    still = list(held)
    for number, name in enumerate(trades.names):
        mine = trades.instrument == number
        units = trades.side[mine] * trades.quantity[mine]
        cost = trades.side[mine] * trades.entry_value[mine]
        equity += _unrealised(name, trades.entry_ts[mine], trades.exit_ts[mine], units, cost, prices, ts)
    for position in still:
        units, sign = np.array([position.quantity]), 1 if position.quantity > 0 else -1
        cost = np.array([sign * position.entry_value])
        none = np.empty(0, np.int64)
        equity += _unrealised(position.instrument, np.array([position.entry_ts]), none, units, cost, prices, ts)
    return equity


def realised_equity(trades: TradeColumns, capital: Paise, ts: Ints) -> Ints:
    """Equity at the moments `ts` from closed round trips alone."""
    closed = np.concatenate((np.zeros(1, np.int64), np.cumsum(trades.net)))
    return capital + closed[np.searchsorted(trades.exit_ts, ts, side="right")]


def charges_by_kind(charges: Iterable[Charges]) -> dict[str, Paise]:
    """The sum of many charges, each kind in whole paise, half a paisa up."""
    total = sum(charges, Charges())
    return {
        kind: int((getattr(total, kind) * 100).to_integral_value(ROUND_HALF_UP)) for kind in Charges.__struct_fields__
    }


def _unrealised(
    name: str, entry_ts: Ints, exit_ts: Ints, units: Ints, cost: Ints, prices: Mapping[str, PriceColumns], ts: Ints
) -> Ints:
    """Profit of what is open, rows of one instrument; `exit_ts` may be shorter: the rest is never left."""
    if name not in prices:
        raise DataError(f"{name} was traded but has no prices to value it at.")
    bars = prices[name]
    last = np.searchsorted(bars.ts, ts, side="right")
    now_units = _sum_until(entry_ts, units, ts) - _sum_until(exit_ts, units[: len(exit_ts)], ts)
    now_cost = _sum_until(entry_ts, cost, ts) - _sum_until(exit_ts, cost[: len(exit_ts)], ts)
    worth = now_units * bars.close[np.maximum(last - 1, 0)] - now_cost
    return np.where(last > 0, worth, 0)


def _sum_until(moments: Ints, values: Ints, ts: Ints) -> Ints:
    order = np.argsort(moments, kind="stable")
    sums = np.concatenate((np.zeros(1, np.int64), np.cumsum(values[order])))
    return sums[np.searchsorted(moments[order], ts, side="right")]


def _held(position: Position) -> OpenPosition:
    return OpenPosition(
        instrument=str(position.instrument),
        quantity=position.quantity,
        entry_ts=position.opened,
        entry_value=position.entry_value - position.exit_value,
    )


def _prices(name: InstrumentId, bars: BarArrays) -> PriceColumns:
    return PriceColumns(
        ts=bars.end,
        open=_whole(name, bars.open),
        high=_whole(name, bars.high),
        low=_whole(name, bars.low),
        close=_whole(name, bars.close),
    )


def _whole(name: InstrumentId, column: Floats) -> Ints:
    whole = column.astype(np.int64)
    if (whole != column).any():
        raise DataError(f"the prices of {name} must be whole paise.")
    return whole
