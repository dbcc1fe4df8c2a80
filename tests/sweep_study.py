"""A small backtest that the tests of sweeps share: seeded minutes of one stock, EMA cross."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np

from saudagar.backtest.costs import FlatCosts, StatutoryCosts
from saudagar.backtest.data import Market
from saudagar.backtest.fills import Slippage
from saudagar.backtest.run import Backtest
from saudagar.engine.settings import Hours, Plan, Settings
from saudagar.exchange.universe import universe
from saudagar.execution.steering import Tactics
from saudagar.indicators import BarArrays
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, Bar, OrderType, Segment, SizeBy, Sizing, StrategyId
from saudagar.risk import Limits
from saudagar.strategies import Context, Exits, Strategy
from saudagar.strategies.ema_cross import EmaCross

KERNELS = Path(__file__).resolve().parents[1] / "var" / "kernels"
STOCK = universe(2)[1]
CALENDAR = Calendar()
GRID = {"fast": [2, 3, 5, 8], "slow": [6, 10, 15]}
FLAT, NONE = FlatCosts(300), Slippage()
BRACKET = Exits(stop="0.5%", target="1%", trail="0.4%")


class Hooked(EmaCross):
    """One that only the engine serves."""

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Nothing yet."""


def bars(days: int = 20, seed: int = 5) -> BarArrays:
    """Sixty 5-minute bars a day."""
    dates = CALENDAR.sessions(Segment.NSE_EQ, date(2026, 1, 1), date(2026, 7, 31))[:days]
    opens = [CALENDAR.open_close(Segment.NSE_EQ, day)[0] for day in dates]
    start = (np.array(opens)[:, None] + np.arange(60) * 5 * MINUTE).ravel()
    path = np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.001, len(start) * 4))).reshape(-1, 4) * 100_000
    path = np.rint(path / 5) * 5
    return BarArrays.from_columns(
        interval=5 * MINUTE,
        start=start,
        end=start + 5 * MINUTE,
        open=path[:, 0],
        high=path.max(axis=1),
        low=path.min(axis=1),
        close=path[:, 3],
        volume=np.full(len(start), 100),
    )


def study(
    strategy: Strategy | None = None,
    *,
    exits: Exits | None = None,
    hours: Hours | None = None,
    limits: Limits | None = None,
    sizing: Sizing | None = None,
    columns: BarArrays | None = None,
    costs: FlatCosts | StatutoryCosts = FLAT,
    slippage: Slippage = NONE,
    capital: int = 10_000_000,
) -> Backtest:
    """A plan on `STOCK`, plain unless told otherwise."""
    plan = Plan(
        id=StrategyId("plan"),
        strategy=strategy or EmaCross(),
        instruments=(STOCK.id,),
        interval=5 * MINUTE,
        sizing=sizing or Sizing(SizeBy.QUANTITY, 10),
        exits=exits or Exits(),
    )
    desk = Settings(
        desk="SWEEP",
        plans=(plan,),
        limits=limits or Limits(allowed=frozenset({STOCK.id})),
        hours=hours or Hours(),
        tactics=Tactics(entry_type=OrderType.MARKET),
    )
    market = Market({STOCK.id: bars() if columns is None else columns}, Master(date(2026, 1, 1), (STOCK,)), CALENDAR)
    return Backtest(settings=desk, market=market, costs=costs, slippage=slippage, capital=capital)
