"""From the columns of a backtest to the record that a report is made from."""

from __future__ import annotations

import msgspec
import numpy as np

from saudagar.backtest.data import Market
from saudagar.backtest.outcome import BacktestResult
from saudagar.backtest.remarks import remarks as warnings
from saudagar.backtest.slots import REASONS
from saudagar.indicators import BarArrays
from saudagar.research.report_input import Facts, OpenPosition, PriceColumns, RunRecord, TradeColumns

__all__ = ["record_of", "warnings"]


def record_of(result: BacktestResult, market: Market, facts: Facts) -> RunRecord:
    """What `research.report.build` takes: equity at every bar's end, open positions at the last close."""
    trades = TradeColumns(
        names=tuple(map(str, result.instruments)),
        instrument=result.position,
        side=result.sign,
        quantity=result.quantity,
        entry_ts=result.entry_ts,
        exit_ts=result.exit_ts,
        entry_value=result.entry_value,
        exit_value=result.exit_value,
        charges=result.costs,
        exit_reason=[REASONS[code] or "signal" for code in result.reason.tolist()],
    )
    prices = {str(name): _prices(market.bars[name]) for name in result.instruments}
    held = tuple(
        OpenPosition(
            instrument=str(result.instruments[row]),
            quantity=int(result.open_quantity[row]),
            entry_ts=int(result.open_ts[row]),
            entry_value=int(result.open_value[row]),
        )
        for row in np.flatnonzero(result.open_quantity).tolist()
    )
    equity = result.equity()
    return RunRecord(
        facts=msgspec.structs.replace(facts, refused_for_cash=result.denials.get("cash", 0)),
        capital=result.capital,
        trades=trades,
        equity_ts=equity.ts,
        equity=equity.value,
        charges=result.kinds,
        prices=prices,
        open=held,
    )


def _prices(bars: BarArrays) -> PriceColumns:
    columns = {each: getattr(bars, each).astype(np.int64) for each in ("open", "high", "low", "close")}
    return PriceColumns(ts=bars.end, **columns)
