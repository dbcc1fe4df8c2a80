"""The trades of our strategies against those of backtesting.py, which has its own engine and, here, its own averages.

Equal means: the same round trips in the same order, entered and left at the same bars, in the same direction, at the
same prices. Where rules differ by intention (stops, sizes, the last bar) is a table in docs/metrics.md.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.peer_strategies import PEERS, QUANTITY, trades

from saudagar.backtest.data import Market
from saudagar.backtest.run import Backtest, BacktestResult, run
from saudagar.engine.settings import Plan, Settings
from saudagar.execution.steering import Tactics
from saudagar.indicators import BarArrays, bar_arrays
from saudagar.market.ist import midnight
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import DAY, Instrument, InstrumentKind, OrderType, Product, Segment, SizeBy, Sizing, StrategyId
from saudagar.risk import Limits
from saudagar.storage.catalog_import import Shape, read_bars
from saudagar.strategies import load

REAL = Path(__file__).resolve().parents[3] / "shared" / "fixtures" / "prices" / "daily"
CALENDAR = Calendar()
MADE_UP = ("WALK",)
RECORDED = ("RELIANCE", "HDFCBANK", "SBIN", "TATAMOTORS")


def instrument(symbol: str) -> Instrument:
    return Instrument(segment=Segment.NSE_EQ, symbol=symbol, kind=InstrumentKind.EQUITY, tick_size=5)


def walk(seed: int) -> BarArrays:
    """Six years of days."""
    days = CALENDAR.sessions(Segment.NSE_EQ, date(2019, 1, 1), date(2024, 12, 31))
    random = np.random.default_rng(seed)
    path = np.exp(np.cumsum(random.normal(0, 0.01, len(days) * 4))).reshape(-1, 4) * 50_000
    path = np.rint(path / 5) * 5
    start = np.array([midnight(day) for day in days])
    return BarArrays.from_columns(
        interval=DAY,
        start=start,
        end=start + DAY,
        open=path[:, 0],
        high=path.max(axis=1),
        low=path.min(axis=1),
        close=path[:, 3],
        volume=np.rint(np.exp(random.normal(12, 0.6, len(days)))),
    )


def market(stock: Instrument) -> Market:
    if stock.symbol in MADE_UP:
        bars = walk(MADE_UP.index(stock.symbol))
    elif REAL.is_dir():
        bars = bar_arrays(read_bars(REAL / f"{stock.symbol}.csv", stock.id, DAY, Shape())[0])
    else:
        pytest.skip(f"the recorded daily bars are not here: {REAL}")
    return Market({stock.id: bars}, Master(date(2015, 1, 1), (stock,)), CALENDAR)


def ours(name: str, known: Market, stock: Instrument) -> list[tuple[int, int, int, int, int]]:
    plan = Plan(
        id=StrategyId("oracle"),
        strategy=load(name)(),
        instruments=(stock.id,),
        interval=DAY,
        sizing=Sizing(SizeBy.QUANTITY, QUANTITY),
    )
    settings = Settings(
        desk="ORACLE",
        plans=(plan,),
        limits=Limits(allowed=frozenset({stock.id})),
        tactics=Tactics(entry_type=OrderType.MARKET),
        product=Product.DELIVERY,
    )
    return rows(run(Backtest(settings=settings, market=known, capital=10**9), "engine"), known.bars[stock.id])


def rows(result: BacktestResult, bars: BarArrays) -> list[tuple[int, int, int, int, int]]:
    columns = (
        result.sign * result.quantity,
        np.searchsorted(bars.start, result.entry_ts),
        result.entry_value // result.quantity,
        np.searchsorted(bars.start, result.exit_ts),
        result.exit_value // result.quantity,
    )
    return [tuple(row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def frame(bars: BarArrays) -> pd.DataFrame:
    columns = {name.title(): getattr(bars, name) / 100 for name in ("open", "high", "low", "close")}
    return pd.DataFrame({**columns, "Volume": bars.volume}, index=pd.to_datetime(bars.day, unit="D"))


@pytest.mark.parametrize("symbol", [*MADE_UP, *(pytest.param(each, marks=pytest.mark.unmeasured) for each in RECORDED)])
def test_trades_equal_those_of_backtesting_py(symbol: str) -> None:
    stock = instrument(symbol)
    known = market(stock)
    bars = known.bars[stock.id]
    for name in PEERS:
        theirs = trades(name, frame(bars))
        assert ours(name, known, stock) == theirs, name
        assert len(theirs) >= 8, f"{name} traded too little to say anything"
