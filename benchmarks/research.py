"""Bars per second on the standard task, EMA 9/21 reverse, 0.03 % a side, fill at the next open: plain, with a bracket.

Beside the desk's own engine: a plain Python loop that does this task and nothing else (the limit of the language), and
backtesting.py, installed into an environment of its own and run on the same bars.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from functools import cache, partial

import numpy as np

from benchmarks.measure import SCRATCH, Figure, rate, timed, timed_last
from benchmarks.peers import BACKTESTING, absent, ask, times
from saudagar.backtest.replay import replay_bars
from saudagar.backtest.result import Result, flat_costs
from saudagar.engine.settings import Plan, Settings
from saudagar.exchange.universe import universe
from saudagar.execution.steering import Tactics
from saudagar.indicators import BarArrays, BarFields, ema, evaluate
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, OrderType, Segment, SizeBy, Sizing, StrategyId
from saudagar.risk import Limits
from saudagar.strategies import Exits
from saudagar.strategies.ema_cross import EmaCross

GROUP = "Research: 1-minute bars, EMA 9/21 reverse, 0.03 % a side, fill at next open"
_STOCK = universe(2)[1]
_SESSION = 375
_COST_PPM = 300
CASES = {"plain": Exits(), "bracket": Exits(stop="1%", target="2%", trail="0.5%")}


def walk(count: int, seed: int = 7) -> BarArrays:
    """A seeded geometric walk of `count` minute bars over real sessions, on a grid of 5 paise."""
    start = (np.array(_opens())[:, None] + np.arange(_SESSION) * MINUTE).ravel()[:count]
    steps = np.random.default_rng(seed).normal(0, 0.0004, count * 4)
    prices = np.rint(10_000 * np.exp(np.cumsum(steps)).reshape(-1, 4) / 5) * 5
    return BarArrays.from_columns(
        interval=MINUTE,
        start=start,
        end=start + MINUTE,
        open=prices[:, 0],
        high=prices.max(axis=1),
        low=prices.min(axis=1),
        close=prices[:, 3],
        volume=np.full(count, 100),
    )


@cache
def _opens() -> list[int]:
    """When whole sessions began, UTC ns."""
    calendar = Calendar()
    return [
        begin
        for day in calendar.sessions(Segment.NSE_EQ, date(2015, 1, 1), date(2026, 7, 31))
        for begin, end in [calendar.open_close(Segment.NSE_EQ, day)]
        if end - begin == _SESSION * MINUTE
    ]


def settings(exits: Exits | None = None) -> Settings:
    """The task's desk."""
    plan = Plan(
        id=StrategyId("ema"),
        strategy=EmaCross(),
        instruments=(_STOCK.id,),
        interval=MINUTE,
        sizing=Sizing(SizeBy.QUANTITY, 10),
        exits=exits or Exits(),
    )
    return Settings(
        desk="BENCH",
        plans=(plan,),
        limits=Limits(allowed=frozenset({_STOCK.id})),
        tactics=Tactics(entry_type=OrderType.MARKET),
    )


def engine(bars: BarArrays, exits: Exits | None = None, *, every_bar: bool = False) -> Result:
    """The task by the desk's engine."""
    master = Master(date(2015, 1, 1), (_STOCK,))
    desk = settings(exits)
    return replay_bars(desk, {_STOCK.id: bars}, master, Calendar(), flat_costs(_COST_PPM), every_bar=every_bar)


def loop(bars: BarArrays) -> tuple[int, float]:
    """The task by hand: fills (a reversal is one) and the net of the closed round trips, paise."""
    close = BarFields().close
    fast, slow = (column.tolist() for column in evaluate([ema(close, 9), ema(close, 21)], bars))
    position, entry, net, fills = 0, 0.0, 0.0, 0
    wish = 0
    before = float("nan")
    cost = _COST_PPM / 1_000_000
    for first, a, b in zip(bars.open.tolist(), fast, slow, strict=True):
        if wish and wish != position:
            if position:
                net += 10 * (position * (first - entry) - cost * (first + entry))
            position, entry = wish, first
            fills += 1
        gap = a - b
        wish = 1 if gap > 0 and before <= 0 else -1 if gap < 0 and before >= 0 else 0
        before = gap
    return fills, net


def figures(count: int, rounds: int) -> Iterator[Figure]:
    """All figures of this file; `count` bars."""
    bars = walk(count)
    engine(walk(5_000))  # imports
    data = SCRATCH / "bars.npy"
    np.save(data, np.stack([bars.open, bars.high, bars.low, bars.close, bars.volume]))
    for name, exits in CASES.items():
        seconds, told = timed_last(rounds, partial(engine, bars, exits))
        counts = f"{told.fills:,} fills of {told.orders:,} orders (a reversal is two), {len(told.trades):,} trades, "
        note = f"{counts}net {told.net / 100:,.2f}"
        ours = rate(GROUP, f"saudagar engine, {name}, {count:,} bars", count, seconds, "bars/s", note)
        yield ours
        yield from _peer(str(data), name, count, rounds, ours)
    some = walk(count // 20)
    plain = timed(1, lambda: engine(some, every_bar=True))
    yield rate(GROUP, f"saudagar engine, called at every bar, {len(some):,}", len(some), plain, "bars/s")
    hand, (fills, net) = timed_last(rounds, partial(loop, bars))
    note = f"{fills:,} fills (a reversal is one), net {net / 100:,.2f}"
    yield rate(GROUP, "plain Python loop, nothing but the task", count, hand, "bars/s", note)


def _peer(data: str, name: str, count: int, rounds: int, ours: Figure) -> Iterator[Figure]:
    told = ask(BACKTESTING, "peer_backtesting.py", data, str(min(rounds, 2)), name)
    if isinstance(told, str):
        yield absent(GROUP, f"{BACKTESTING}, {name}", told)
        return
    note = f"{told['trades']:,} trades, net {told['net'] / 100:,.2f}"
    theirs = rate(GROUP, f"{BACKTESTING}, {name}, the same bars", count, told["seconds"], "bars/s", note)
    yield theirs
    yield times(GROUP, f"saudagar engine / backtesting.py, {name}", ours, theirs)


if __name__ == "__main__":
    from benchmarks.measure import table

    SCRATCH.mkdir(parents=True, exist_ok=True)
    print(table(figures(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000, 3)))
