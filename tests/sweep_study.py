"""A small study that the tests of sweeps share: seeded minutes of one stock, EMA cross."""

from __future__ import annotations

from datetime import date

import numpy as np

from saudagar.engine.settings import Hours, Plan, Settings
from saudagar.exchange.universe import universe
from saudagar.execution.steering import Tactics
from saudagar.indicators import BarArrays
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, OrderType, Segment, SizeBy, Sizing, StrategyId
from saudagar.research.sweep_study import Study
from saudagar.risk import Limits
from saudagar.strategies import Exits, Strategy
from saudagar.strategies.ema_cross import EmaCross

STOCK = universe(2)[1]
CALENDAR = Calendar()
GRID = {"fast": [2, 3, 5, 8], "slow": [6, 10, 15]}
BRACKET = Exits(stop="0.5%", target="1%", trail="0.4%")


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
    cost_ppm: int = 300,
    capital: int = 10_000_000,
) -> Study:
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
    return Study(
        settings=desk,
        bars={STOCK.id: columns or bars()},
        instruments=Master(date(2026, 1, 1), (STOCK,)),
        cost_ppm=cost_ppm,
        capital=capital,
    )
