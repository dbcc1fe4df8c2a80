"""Leaving bars out changes nothing: the fast replay equals the engine called at every bar, trade by trade.

The plain form builds bars from ticks and runs streaming graphs as the live desk does; the fast one evaluates columns
and skips. Random markets with gaps and quiet stretches, random exits, one to three instruments, several days.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saudagar.backtest.replay import replay_bars
from saudagar.backtest.result import Result, flat_costs
from saudagar.engine.settings import Hours, Plan, Settings
from saudagar.exchange.universe import universe
from saudagar.execution.steering import Tactics
from saudagar.indicators import BarArrays
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, Instrument, OrderType, Segment, SizeBy, Sizing, StrategyId, TradeSide
from saudagar.risk import Limits
from saudagar.strategies import Exits
from saudagar.strategies.ema_cross import EmaCross
from saudagar.strategies.volume_breakout import VolumeBreakout

CALENDAR = Calendar()
INSTRUMENTS = universe(4)[1:]
MASTER = Master(date(2026, 6, 1), INSTRUMENTS)
DAYS = CALENDAR.sessions(Segment.NSE_EQ, date(2026, 6, 1), date(2026, 6, 5))


def market(instrument: Instrument, seed: int, days: int, wildness: float, holes: float) -> BarArrays:
    """Minute bars of `days` sessions that begin at the open; later bars may be missing."""
    random = np.random.default_rng(seed)
    start = np.concatenate(
        [CALENDAR.open_close(Segment.NSE_EQ, day)[0] + np.arange(375) * MINUTE for day in DAYS[:days]]
    )
    keep = random.random(len(start)) >= holes
    keep[::375] = True
    start = start[keep]
    path = np.exp(np.cumsum(random.normal(0, wildness, len(start) * 4))).reshape(-1, 4) * 100_000
    path[:, 0] *= np.exp(random.normal(0, wildness * 3, len(start)))  # the open jumps
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


def distance() -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(["0.1%", "0.25%", "0.5%", "1%", "2%", "3", "1.5atr", "3atr"])


EXITS = st.builds(
    Exits,
    stop=distance(),
    target=distance(),
    trail=distance(),
    break_even=st.none() | st.sampled_from(["0.2%", "0.6%"]),
    max_minutes=st.sampled_from([0, 0, 7, 45]),
)
STRATEGIES = st.builds(EmaCross, fast=st.integers(2, 6), slow=st.integers(7, 20)) | st.builds(
    VolumeBreakout, lookback=st.integers(3, 10), burst=st.just(1.2)
)
LIMITS = st.builds(
    Limits,
    orders_per_second=st.just(0),  # else the order in which simultaneous wishes are sent would decide who waits
    allowed=st.just(frozenset(each.id for each in INSTRUMENTS)),
    max_open_positions=st.sampled_from([0, 0, 1, 2]),
    max_trades=st.sampled_from([0, 0, 5]),
    day_loss=st.sampled_from([0, 0, 20_000]),
    day_profit=st.sampled_from([0, 0, 30_000]),
    capital=st.sampled_from([1_000_000, 2_500_000]),
    leverage_percent=st.sampled_from([0, 0, 100, 150]),
)
HOURS = st.sampled_from(
    [Hours(), Hours(square_off="15:10"), Hours(no_entry_before="09:30", no_entry_after="14:30", square_off="15:05:30")]
)
TACTICS = st.builds(
    Tactics,
    entry_type=st.sampled_from([OrderType.MARKET, OrderType.LIMIT]),
    stop_type=st.sampled_from([OrderType.SL, OrderType.SL_M]),
    rest_stop=st.booleans(),
)


def told(result: Result) -> list[tuple[object, ...]]:
    """The trades without the numbers of their orders: two instruments that act at one moment may send in any order."""
    return [
        (
            *(getattr(trade, name) for name in trade.__struct_fields__ if name != "legs"),
            [(leg.side, leg.quantity, leg.value) for leg in trade.legs],
        )
        for trade in sorted(result.trades, key=lambda trade: (trade.exit_ts, trade.position))
    ]


@pytest.mark.unmeasured
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 3),
    days=st.integers(1, 2),
    wildness=st.sampled_from([0.0002, 0.0008, 0.003]),
    holes=st.sampled_from([0.0, 0.0, 0.2]),
    plans=st.lists(st.tuples(STRATEGIES, EXITS, st.sampled_from(list(TradeSide))), min_size=1, max_size=2),
    limits=LIMITS,
    hours=HOURS,
    tactics=TACTICS,
)
def test_skipping_bars_changes_no_trade(
    seed: int,
    count: int,
    days: int,
    wildness: float,
    holes: float,
    plans: list[tuple[EmaCross | VolumeBreakout, Exits, TradeSide]],
    limits: Limits,
    hours: Hours,
    tactics: Tactics,
) -> None:
    chosen = INSTRUMENTS[:count]
    desk = Settings(
        desk="BT",
        plans=tuple(
            Plan(
                id=StrategyId(f"s{number}"),
                strategy=strategy,
                instruments=tuple(each.id for each in chosen),
                interval=MINUTE,
                sizing=Sizing(SizeBy.QUANTITY, 10),
                exits=exits,
                side=side,
            )
            for number, (strategy, exits, side) in enumerate(plans)
        ),
        limits=limits,
        hours=hours,
        tactics=tactics,
    )
    bars = {each.id: market(each, seed + number, days, wildness, holes) for number, each in enumerate(chosen)}
    fast = replay_bars(desk, bars, MASTER, CALENDAR, flat_costs(300))
    plain = replay_bars(desk, bars, MASTER, CALENDAR, flat_costs(300), every_bar=True)
    assert told(fast) == told(plain)
    assert (fast.net, fast.orders, fast.fills) == (plain.net, plain.orders, plain.fills)
    assert plain.visited == sum(len(each) for each in bars.values())
