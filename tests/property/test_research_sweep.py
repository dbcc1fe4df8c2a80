"""Eight sets of parameters in one compiled loop give what the engine gives for each, to the paisa and for every day."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.sweep_study import KERNELS

from saudagar.backtest.costs import FlatCosts
from saudagar.backtest.data import Market
from saudagar.backtest.run import Backtest
from saudagar.engine.settings import Plan, Settings
from saudagar.exchange.universe import universe
from saudagar.execution.steering import Tactics
from saudagar.indicators import (
    BarArrays,
    BarFields,
    Expr,
    const,
    crosses_above,
    crosses_below,
    ema,
    if_else,
    lag,
    maximum,
    minimum,
    rolling_max,
    rsi,
    sma,
)
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, Instrument, OrderType, Segment, SizeBy, Sizing, StrategyId, TradeSide
from saudagar.research.sweep_grid import combinations
from saudagar.research.sweep_lanes import run_lanes, suits
from saudagar.research.sweep_study import run_one
from saudagar.risk import Limits
from saudagar.strategies import Signals, Strategy
from saudagar.strategies.ema_cross import EmaCross

CALENDAR = Calendar()
INSTRUMENTS = universe(3)[1:]
MASTER = Master(date(2026, 6, 1), INSTRUMENTS)
DAYS = CALENDAR.sessions(Segment.NSE_EQ, date(2026, 6, 1), date(2026, 6, 5))


class Pullback(Strategy):
    """Constants, an EMA of the high, arithmetic, exits, and a condition that may be undefined under a not."""

    n: int = 5
    reach: float = 1.0

    def signals(self, bar: BarFields) -> Signals:
        line, wide = ema(bar.high, self.n), ema(bar.close, self.n + 3) * self.reach
        gap = (bar.close - line) / (wide - line)
        return Signals(
            long=(bar.close > line) & ~(gap > 1),
            short=(minimum(bar.close, wide) < maximum(line, wide)) & ~(line >= bar.close),
            exit_long=bar.low < lag(wide),
            exit_short=bar.high > if_else(gap > 0, wide, line),
        )


class Oscillator(Strategy):
    """What runs in no loop: columns that differ by lane, beside one that is the same for all."""

    n: int = 4
    edge: float = 30.0

    def signals(self, bar: BarFields) -> Signals:
        x, mean = rsi(bar.close, self.n), sma(bar.close, self.n + 2)
        calm: Expr = sma(bar.close, 3) > sma(bar.close, 9)
        return Signals(
            long=crosses_above(x, const(self.edge)) | ((bar.close > lag(mean, 2)) & calm),
            short=crosses_below(x, 100 - const(self.edge)) & lag(~calm),
            exit_long=bar.close >= rolling_max(bar.high, self.n),
        )


class Doubt(Strategy):
    """Division by zero wherever the close stands still, and every kind of negation of what is then undefined."""

    n: int = 3
    reach: float = 1.0

    def signals(self, bar: BarFields) -> Signals:
        gap = bar.close - ema(bar.close, self.n)
        pull = (bar.close - bar.open) * self.reach / ((bar.close - lag(bar.close)) * self.reach)
        up, strong = gap > 0, pull > const(self.reach) - 1
        return Signals(
            long=~(up | strong),
            short=~(~up & ~strong),
            exit_long=up & ~(gap < self.reach),
            exit_short=~up & (gap < -const(self.reach)),
        )


class Higher(Strategy):
    """A higher interval, and a switch that changes the shape of the graph."""

    n: int = 3
    quick: bool = False

    def signals(self, bar: BarFields) -> Signals:
        line = ema(bar.at("5m").close, self.n)
        long = bar.close > line
        return Signals(long=long if self.quick else long & (bar.close > bar.open), short=crosses_below(bar.close, line))


CASES: dict[str, tuple[Strategy, dict[str, Any]]] = {
    "ema": (EmaCross(), {"fast": [2, 3, 9], "slow": [5, 12, 21, 30]}),
    "pullback": (Pullback(), {"n": [1, 2, 7, 400], "reach": [0.999, 1.0, 1.002]}),
    "doubt": (Doubt(), {"n": [2, 3, 8], "reach": [0.5, 1.0, 3.0]}),
    "oscillator": (Oscillator(), {"n": [3, 4, 9], "edge": [25, 30.5, 45]}),
    "higher": (Higher(), {"n": [2, 3, 10], "quick": [False, True]}),
}


@pytest.fixture(autouse=True)
def _one_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAUDAGAR_CACHE", str(KERNELS))


def market(instrument: Instrument, seed: int, days: int, wildness: float, holes: float) -> BarArrays:
    """Minute bars of `days` sessions with missing ones; small prices make ties likely."""
    random = np.random.default_rng(seed)
    start = np.concatenate(
        [CALENDAR.open_close(Segment.NSE_EQ, day)[0] + np.arange(60) * MINUTE for day in DAYS[:days]]
    )
    start = start[random.random(len(start)) >= holes]
    path = np.exp(np.cumsum(random.normal(0, wildness, len(start) * 4))).reshape(-1, 4) * 20_000
    path = np.rint(path / instrument.tick_size) * instrument.tick_size
    return BarArrays.from_columns(
        interval=MINUTE,
        start=start,
        end=start + MINUTE,
        open=path[:, 0],
        high=path.max(axis=1),
        low=path.min(axis=1),
        close=path[:, 3],
        volume=random.integers(1, 1_000, len(start)),
    )


@pytest.mark.unmeasured
@pytest.mark.parametrize("case", CASES)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 2),
    days=st.integers(1, 3),
    wildness=st.sampled_from([0.0002, 0.001, 0.004]),
    holes=st.sampled_from([0.0, 0.2]),
    side=st.sampled_from(list(TradeSide)),
    entry=st.sampled_from([OrderType.MARKET, OrderType.LIMIT]),
    flip=st.booleans(),
    units=st.sampled_from([1, 7, 1_000]),
    cost=st.sampled_from([0, 300, 1_111]),
    money=st.sampled_from([0, 0, 1, 4]),
)
def test_lanes_equal_the_engine(
    case: str,
    seed: int,
    count: int,
    days: int,
    wildness: float,
    holes: float,
    side: TradeSide,
    entry: OrderType,
    flip: bool,
    units: int,
    cost: int,
    money: int,
) -> None:
    strategy, grid = CASES[case]
    chosen = INSTRUMENTS[:count]
    plan = Plan(
        id=StrategyId("plan"),
        strategy=strategy,
        instruments=tuple(each.id for each in chosen),
        interval=MINUTE,
        sizing=Sizing(SizeBy.QUANTITY, units),
        side=side,
    )
    limits = Limits(
        allowed=frozenset(each.id for each in chosen),
        capital=money * units * 101_000,
        leverage_percent=100 if money else 0,
    )
    desk = Settings(desk="SW", plans=(plan,), limits=limits, tactics=Tactics(entry_type=entry, flip=flip))
    bars = {each.id: market(each, seed + k, days, wildness, holes) for k, each in enumerate(chosen)}
    study = Backtest(settings=desk, market=Market(bars, MASTER, CALENDAR), costs=FlatCosts(cost), capital=10_000_000)
    sets = combinations(grid)
    assert suits(study, sets)
    found = dict(run_lanes(study, sets, workers=2))
    assert sorted(found) == list(range(len(sets)))
    for place, params in enumerate(sets):
        plain = run_one(study, params)
        assert found[place].same(plain), (params, found[place].trades_and_money, plain.trades_and_money)
