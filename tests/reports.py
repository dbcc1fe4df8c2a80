"""Round trips and runs by column for the tests of reports."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np

from saudagar.market.ist import DAY, midnight
from saudagar.model import MINUTE
from saudagar.research.report_input import Facts, OpenPosition, PriceColumns, RunRecord, TradeColumns

FIRST = midnight(date(2024, 1, 1))
FACTS = Facts(
    title="EMA cross",
    command="saudagar backtest ema_cross --set fast=9",
    version="0.1.0",
    data_hash="b3:5f00",
    seed=7,
    config="c0ffee",
    driver="engine",
    interval="5m",
    bars=100,
    seconds=0.5,
    parameters={"fast": "9"},
    assumptions={"fills": "next open"},
)

HELD = OpenPosition(instrument="NSE_EQ:TCS", quantity=-5, entry_ts=FIRST + 37 * DAY, entry_value=100_000)


def ints(*values: int) -> Any:
    return np.array(values, np.int64)


def columns(*rows: tuple[str, int, int, int, int, int, int, int]) -> TradeColumns:
    """Rows of (name, side, quantity, entry day, exit day, entry price, exit price, charges); prices in paise."""
    names = tuple(sorted({row[0] for row in rows}))
    at = [ints(*column) for column in list(zip(*rows, strict=True))[1:]] if rows else [ints() for _ in range(7)]
    side, quantity, entry, leave, bought, sold, charges = at
    return TradeColumns(
        names=names,
        instrument=ints(*(names.index(row[0]) for row in rows)),
        side=side,
        quantity=quantity,
        entry_ts=FIRST + entry * DAY + 600 * MINUTE,
        exit_ts=FIRST + leave * DAY + 700 * MINUTE,
        entry_value=bought * quantity,
        exit_value=sold * quantity,
        charges=charges,
    )


def realised_equity(trades: TradeColumns, capital: int, ts: Any) -> Any:
    """Equity at the moments `ts` from closed round trips alone; paise."""
    closed = np.concatenate((np.zeros(1, np.int64), np.cumsum(trades.net)))
    return capital + closed[np.searchsorted(trades.exit_ts, ts, side="right")]


def record(trades: TradeColumns, days: int = 40, capital: int = 1_000_000, **more: Any) -> RunRecord:
    ts = FIRST + np.arange(days, dtype=np.int64) * DAY + 930 * MINUTE
    equity = more.pop("equity", realised_equity(trades, capital, ts))
    return RunRecord(facts=FACTS, capital=capital, trades=trades, equity_ts=ts, equity=equity, **more)


THREE = (
    ("NSE_EQ:SBIN", 1, 10, 1, 2, 10_000, 11_000, 300),  # gross 10,000
    ("NSE_EQ:TCS", -1, 5, 2, 5, 20_000, 21_000, 400),  # gross -5,000
    ("NSE_EQ:SBIN", 1, 10, 6, 36, 11_000, 11_500, 500),  # gross 5,000
)


def big(trade_count: int, bars: int, instruments: int) -> RunRecord:
    rng = np.random.default_rng(5)
    names = tuple(f"NSE_EQ:SHARE{number:02d}" for number in range(instruments))
    ts = FIRST + np.arange(bars, dtype=np.int64) * 5 * MINUTE
    close = 100_000 + 5 * np.cumsum(rng.integers(-20, 21, bars))
    prices = PriceColumns(ts=ts, open=close, high=close + 50, low=close - 50, close=close)
    entry = rng.integers(0, bars - 60, trade_count)
    leave = np.sort(entry + 40)
    quantity = rng.integers(1, 500, trade_count)
    trades = TradeColumns(
        names=names,
        instrument=rng.integers(0, instruments, trade_count),
        side=rng.choice(ints(-1, 1), trade_count),
        quantity=quantity,
        entry_ts=ts[leave - 40],
        exit_ts=ts[leave],
        entry_value=close[leave - 40] * quantity,
        exit_value=close[leave] * quantity,
        charges=quantity * 7,
        entry_reason=["EMA 9 crossed above EMA 21 at the close"] * trade_count,
        exit_reason=["trailing stop of 0.5 % below the best price"] * trade_count,
    )
    equity = realised_equity(trades, 10**12, ts)
    return RunRecord(
        facts=FACTS,
        capital=10**12,
        trades=trades,
        equity_ts=ts,
        equity=equity,
        prices=dict.fromkeys(names, prices),
    )
