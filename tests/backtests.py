"""Random backtests for the property tests: a strategy, its exits and size, limits, hours, tactics, and a market."""

from __future__ import annotations

import sys
from datetime import date
from functools import lru_cache
from random import Random

import msgspec
import numpy as np

from saudagar.backtest.costs import FlatCosts
from saudagar.backtest.data import Market
from saudagar.backtest.fill_rules import Fill, FillRules
from saudagar.backtest.fills import Slippage
from saudagar.backtest.run import Backtest, BacktestResult, run
from saudagar.engine.settings import Hours, Plan, Settings
from saudagar.exchange.universe import universe
from saudagar.execution.steering import Tactics
from saudagar.indicators import BarArrays
from saudagar.indicators.bars import resample
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, OrderType, Segment, SizeBy, Sizing, StrategyId, TradeSide
from saudagar.risk import Limits
from saudagar.strategies import Exits, Strategy
from saudagar.strategies.ema_cross import EmaCross
from saudagar.strategies.volume_breakout import VolumeBreakout

CALENDAR = Calendar()
INSTRUMENTS = universe(4)[1:]
MASTER = Master(date(2026, 6, 1), INSTRUMENTS)
DAYS = CALENDAR.sessions(Segment.NSE_EQ, date(2026, 6, 1), date(2026, 6, 5))
TWO = 2 * MINUTE
DISTANCES = (None, None, "0.1%", "0.25%", "0.5%", "1%", "2%", "3", "1.5atr", "3atr")
HOURS = (
    Hours(),
    Hours(square_off="10:40"),
    Hours(no_entry_before="09:30", no_entry_after="10:30", square_off="10:35:30"),
)


@lru_cache(maxsize=512)
def bars(seed: int, days: int, wildness: float, holes: float, tick: int, count: int) -> BarArrays:
    """The first `count` minutes of `days` sessions; later bars may be missing."""
    random = np.random.default_rng(seed)
    opens = [CALENDAR.open_close(Segment.NSE_EQ, day)[0] for day in DAYS[:days]]
    start = np.concatenate([begin + np.arange(count) * MINUTE for begin in opens])
    keep = random.random(len(start)) >= holes
    keep[::count] = True
    start = start[keep]
    path = np.exp(np.cumsum(random.normal(0, wildness, len(start) * 4))).reshape(-1, 4) * 100_000
    path[:, 0] *= np.exp(random.normal(0, wildness * 3, len(start)))  # the open jumps
    path = np.rint(path / tick) * tick
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


def exits(random: Random) -> Exits:
    if random.random() < 0.15:
        return Exits()
    stop, target, trail = (random.choice(DISTANCES) for _ in range(3))
    return Exits(
        stop=stop,
        target=target,
        trail=trail,
        break_even=random.choice((None, "0.2%", "0.6%")),
        max_minutes=random.choice((0, 0, 7, 45)),
    )


def plan(random: Random, number: int) -> Plan:
    leave = exits(random)
    sizes = [
        Sizing(SizeBy.QUANTITY, 10),
        Sizing(SizeBy.LOTS, 3),
        Sizing(SizeBy.VALUE, 2_000_000),
        Sizing(SizeBy.RISK, 50_000),
    ]
    strategy: Strategy = VolumeBreakout(lookback=random.randint(3, 10), burst=1.2)
    if random.random() < 0.5:
        strategy = EmaCross(fast=random.randint(2, 6), slow=random.randint(7, 20))
    return Plan(
        id=StrategyId(f"s{number}"),
        strategy=strategy,
        instruments=(INSTRUMENTS[number].id,),
        interval=MINUTE,
        sizing=random.choice(sizes),
        exits=leave,
        side=random.choice(list(TradeSide)),
    )


def draw(seed: int, most: int) -> Backtest:
    """The backtest of `seed`, on one to `most` instruments; with more than one possible, limits are shared."""
    random = Random(seed)
    count = random.randint(1, most)
    shared = most > 1
    limits = Limits(
        allowed=frozenset(each.id for each in INSTRUMENTS),
        max_order_value=random.choice((0, 0, 1_500_000)),
        max_order_quantity=random.choice((0, 0, 15)),
        max_open_positions=random.choice((0, 0, 1, 2)) if shared else 0,
        max_trades=random.choice((0, 0, 5)) if shared else 0,
        day_loss=random.choice((0, 0, 20_000)) if shared else 0,
        day_profit=random.choice((0, 0, 30_000)) if shared else 0,
    )
    settings = Settings(
        desk="BT",
        plans=tuple(plan(random, number) for number in range(count)),
        limits=limits,
        hours=random.choice(HOURS),
        tactics=Tactics(
            entry_type=random.choice((OrderType.MARKET, OrderType.LIMIT)),
            stop_type=random.choice((OrderType.SL, OrderType.SL_M)),
            rest_stop=random.random() < 0.6,
            flip=random.random() < 0.5,
        ),
    )
    days, wildness = random.randint(1, 2), random.choice((0.0002, 0.0008, 0.003))
    holes, tick = random.choice((0.0, 0.0, 0.2)), random.choice((0, 0, 1))
    known = {
        each.id: bars(seed * 10 + k, days, wildness, holes, tick or each.tick_size, 100)
        for k, each in enumerate(INSTRUMENTS[:count])
    }
    return Backtest(
        settings=settings,
        market=Market(known, MASTER, CALENDAR),
        costs=FlatCosts(300),
        slippage=random.choice((Slippage(), Slippage(), Slippage(ticks=1), Slippage(ticks=1, ppm=150))),
    )


def at_close(seed: int, most: int) -> Backtest:
    """The same, with signals that act at their own close; nothing is shared."""
    drawn = draw(seed, 1) if most == 1 else draw(seed, most)
    limits = msgspec.structs.replace(
        drawn.settings.limits, max_open_positions=0, max_trades=0, day_loss=0, day_profit=0
    )
    hours = drawn.settings.hours if most == 1 else msgspec.structs.replace(drawn.settings.hours, square_off="")
    settings = msgspec.structs.replace(drawn.settings, limits=limits, hours=hours)
    return msgspec.structs.replace(drawn, settings=settings, fills=FillRules(fill=Fill.CLOSE))


def in_detail(seed: int, most: int) -> Backtest:
    """The same on bars of two minutes, walked along their minutes."""
    drawn = draw(seed, most)
    detail = drawn.market.bars
    coarse = {name: resample(each, TWO) for name, each in detail.items()}
    plans = tuple(msgspec.structs.replace(plan, interval=TWO) for plan in drawn.settings.plans)
    settings = msgspec.structs.replace(drawn.settings, plans=plans)
    return msgspec.structs.replace(drawn, settings=settings, market=Market(coarse, MASTER, CALENDAR, detail))


def short_of_cash(seed: int, most: int) -> Backtest:
    """The same with little money, which losses make less; by turns at the next open, at the close, in detail."""
    random = Random(-seed)
    drawn = random.choice((draw, draw, at_close, in_detail))(seed, most)
    limits = msgspec.structs.replace(
        drawn.settings.limits,
        capital=random.choice((400_000, 1_000_000, 1_500_000, 3_000_000)),
        leverage_percent=random.choice((60, 100, 150, 333, 500)),
    )
    settings = msgspec.structs.replace(drawn.settings, limits=limits)
    costs = FlatCosts(random.choice((0, 300, 3_000)))
    return msgspec.structs.replace(drawn, settings=settings, costs=costs)


DRAWS = {"open": draw, "close": at_close, "detail": in_detail, "cash": short_of_cash}


def lines(result: BacktestResult) -> list[tuple[int, ...]]:
    """Each round trip as plain numbers."""
    names = ("position", "sign", "quantity", "entry_ts", "entry_value", "exit_ts", "exit_value", "reason", "through")
    columns = [getattr(result, name).tolist() for name in (*names, "costs")]
    return [tuple(map(int, line)) for line in zip(*columns, strict=True)]


def differences(seeds: range, most: int, kind: str = "open") -> tuple[list[str], int]:
    """Where kernel and engine disagree, and how many round trips were compared."""
    wrong: list[str] = []
    trips = 0
    for seed in seeds:
        backtest = DRAWS[kind](seed, most)
        engine, kernel = run(backtest, "engine"), run(backtest, "kernel")
        ours, theirs = lines(kernel), lines(engine)
        trips += len(theirs)
        same = ours == theirs and kernel.fills == engine.fills
        same = same and kernel.denials.get("cash", 0) == engine.denials.get("cash", 0)
        for name in ("open_quantity", "open_value"):
            same = same and getattr(kernel, name).tolist() == getattr(engine, name).tolist()
        if not same:
            first = next((k for k, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), -1)
            wrong.append(
                f"seed {seed}, most {most}: trip {first}: {ours[first : first + 1]} {theirs[first : first + 1]}"
            )
    return wrong, trips


if __name__ == "__main__":
    wrong, trips = differences(range(int(sys.argv[1]), int(sys.argv[2])), int(sys.argv[3]), *sys.argv[4:])
    print("\n".join(wrong[:5]))
    print(len(wrong), "wrong,", trips, "trips")
    sys.exit(bool(wrong))
