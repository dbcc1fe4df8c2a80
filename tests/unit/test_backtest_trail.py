"""A stop that trails ahead of the desk: the same results with a listener, to whom every move is told, and without."""

from __future__ import annotations

from collections import Counter
from datetime import date

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backtests import CALENDAR, INSTRUMENTS, MASTER, bars

from saudagar.backtest.replay import replay_bars
from saudagar.backtest.result import Result, flat_costs
from saudagar.backtest.trail import may_trail
from saudagar.engine.settings import Hours, Plan, Settings
from saudagar.execution.steering import Tactics
from saudagar.indicators import BarArrays
from saudagar.market.ist import at
from saudagar.model import MINUTE, SECOND, OrderType, SizeBy, Sizing, StrategyId
from saudagar.model.events import Event, ModifyRequested
from saudagar.risk import Limits
from saudagar.strategies import Exits
from saudagar.strategies.ema_cross import EmaCross

STOCK = INSTRUMENTS[0]
DAY = date(2026, 6, 1)


def desk(exits: Exits, tactics: Tactics, hours: Hours, plans: int = 1) -> Settings:
    return Settings(
        desk="BT",
        plans=tuple(
            Plan(
                id=StrategyId(f"s{number}"),
                strategy=EmaCross(fast=2 + number, slow=7),
                instruments=(STOCK.id,),
                interval=MINUTE,
                sizing=Sizing(SizeBy.QUANTITY, 10),
                exits=exits,
            )
            for number in range(plans)
        ),
        limits=Limits(allowed=frozenset({STOCK.id})),
        tactics=tactics,
        hours=hours,
    )


def both(settings: Settings, market: BarArrays) -> tuple[Result, Result, list[Event]]:
    """Without a listener, with one, and what that one was told."""
    told: list[Event] = []
    ahead = replay_bars(settings, {STOCK.id: market}, MASTER, CALENDAR, flat_costs(300))
    step = replay_bars(settings, {STOCK.id: market}, MASTER, CALENDAR, flat_costs(300), on_events=told.extend)
    return ahead, step, told


def climb(count: int) -> BarArrays:
    """A dip that makes the averages cross, a steady climb, a fall."""
    close = np.concatenate(
        [100_000 - 100 * np.arange(10), 99_000 + 200 * np.arange(count), 99_000 + 200 * count - 1_000 * np.arange(8)]
    ).astype(float)
    start = at(DAY, "09:15") + np.arange(len(close)) * MINUTE
    opens = np.concatenate([close[:1], close[:-1]])
    return BarArrays.from_columns(
        interval=MINUTE,
        start=start,
        end=start + MINUTE,
        open=opens,
        high=np.maximum(opens, close),
        low=np.minimum(opens, close),
        close=close,
        volume=np.full(len(close), 100),
    )


@pytest.mark.parametrize("rest_stop", [True, False], ids=["stop at the broker", "stop at the desk"])
def test_a_climb_calls_the_desk_a_few_times(rest_stop: bool) -> None:
    settings = desk(Exits(trail="1%"), Tactics(rest_stop=rest_stop), Hours())
    ahead, step, told = both(settings, climb(16))
    assert msgspec.structs.replace(ahead, visited=0) == msgspec.structs.replace(step, visited=0)
    assert ahead.trades[0].exit_reason == "trailing stop"
    assert ahead.visited < step.visited - 10
    assert (sum(isinstance(event, ModifyRequested) for event in told) > 10) == rest_stop


def test_a_stop_that_may_move_no_more_at_the_broker_stays_behind_in_both() -> None:
    ahead, step, told = both(desk(Exits(trail="1%"), Tactics(modifications=10), Hours()), climb(30))
    assert msgspec.structs.replace(ahead, visited=0) == msgspec.structs.replace(step, visited=0)
    moves = Counter(event.order_id for event in told if isinstance(event, ModifyRequested))
    assert max(moves.values()) in (5, 6)  # the other five are kept for turning it into an exit
    assert ahead.visited > 20  # from then on the desk looks at every bar itself


DISTANCES = st.sampled_from([None, "0.1%", "0.25%", "0.5%", "1%", "3", "1.5atr"])


@pytest.mark.unmeasured
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 30),
    wildness=st.sampled_from([0.0002, 0.0008, 0.003]),
    holes=st.sampled_from([0.0, 0.2]),
    exits=st.builds(
        Exits,
        stop=DISTANCES,
        target=DISTANCES,
        trail=st.sampled_from(["0.1%", "0.25%", "0.5%", "1%"]),
        break_even=st.sampled_from([None, "0.2%"]),
        max_minutes=st.sampled_from([0, 0, 30]),
    ),
    tactics=st.builds(
        Tactics,
        entry_type=st.sampled_from([OrderType.MARKET, OrderType.LIMIT]),
        stop_type=st.sampled_from([OrderType.SL, OrderType.SL_M]),
        rest_stop=st.booleans(),
        modifications=st.sampled_from([25, 8]),
    ),
    hours=st.sampled_from([Hours(), Hours(square_off="10:40")]),
    plans=st.integers(1, 2),
)
def test_nothing_but_the_number_of_calls_depends_on_a_listener(
    seed: int, wildness: float, holes: float, exits: Exits, tactics: Tactics, hours: Hours, plans: int
) -> None:
    ahead, step, _ = both(desk(exits, tactics, hours, plans), bars(seed, 2, wildness, holes, 5, 200))
    assert msgspec.structs.replace(ahead, visited=0) == msgspec.structs.replace(step, visited=0)
    assert ahead.visited <= step.visited


def test_moves_that_the_throttle_could_notice_are_not_passed_over() -> None:
    market = climb(3)
    short = msgspec.structs.replace(market, end=market.start + SECOND)
    volumes = np.cumsum(market.volume).astype(np.int64)
    assert may_trail(market, volumes, 8)
    assert not may_trail(short, volumes, 8)
    assert may_trail(short, volumes, 0)


def test_prices_that_the_screen_could_refuse_are_not_passed_over() -> None:
    market = climb(3)
    volumes = np.cumsum(market.volume).astype(np.int64)
    assert not may_trail(market, volumes * 10**10, 8)
    assert not may_trail(market, volumes - 200, 8)
    assert not may_trail(msgspec.structs.replace(market, low=market.low * 0), volumes, 8)
