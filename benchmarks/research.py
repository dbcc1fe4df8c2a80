"""Bars per second on the standard task: EMA 9/21 reverse, 0.03 % a side, fill at the next open.

Beside the desk's own engine: a plain Python loop that does this task and nothing else (the limit of the language), and
backtesting.py, installed into an environment of its own and run on the same bars.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks.measure import SCRATCH, Figure, rate, timed
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
from saudagar.strategies.ema_cross import EmaCross

GROUP = "Research: 1-minute bars, EMA 9/21 reverse, 0.03 % a side, fill at next open"
_PEER = "backtesting==0.6.6"
_STOCK = universe(2)[1]
_SESSION = 375
_COST_PPM = 300


def walk(count: int, seed: int = 7) -> BarArrays:
    """A seeded geometric walk of `count` minute bars over real sessions, on a grid of 5 paise."""
    calendar = Calendar()
    opens = [
        begin
        for day in calendar.sessions(Segment.NSE_EQ, date(2015, 1, 1), date(2026, 7, 31))
        for begin, end in [calendar.open_close(Segment.NSE_EQ, day)]
        if end - begin == _SESSION * MINUTE
    ]
    start = (np.array(opens)[:, None] + np.arange(_SESSION) * MINUTE).ravel()[:count]
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


def settings() -> Settings:
    plan = Plan(
        id=StrategyId("ema"),
        strategy=EmaCross(),
        instruments=(_STOCK.id,),
        interval=MINUTE,
        sizing=Sizing(SizeBy.QUANTITY, 10),
    )
    return Settings(
        desk="BENCH",
        plans=(plan,),
        limits=Limits(allowed=frozenset({_STOCK.id})),
        tactics=Tactics(entry_type=OrderType.MARKET),
    )


def engine(bars: BarArrays, *, every_bar: bool = False) -> Result:
    """The task by the desk's engine."""
    master = Master(date(2015, 1, 1), (_STOCK,))
    return replay_bars(settings(), {_STOCK.id: bars}, master, Calendar(), flat_costs(_COST_PPM), every_bar=every_bar)


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
    results: list[Result] = []
    ours = timed(rounds, lambda: results.append(engine(bars)))
    told = results[0]
    counts = f"{told.fills:,} fills of {told.orders:,} orders (a reversal is two), {len(told.trades):,} trades, "
    money = f"net {told.net / 100:,.2f}"
    yield rate(GROUP, f"saudagar engine, {count:,} bars", count, ours, "bars/s", counts + money)
    some = walk(count // 20)
    plain = timed(1, lambda: engine(some, every_bar=True))
    yield rate(GROUP, f"saudagar engine, called at every bar, {len(some):,}", len(some), plain, "bars/s")
    answers: list[tuple[int, float]] = []
    hand = timed(rounds, lambda: answers.append(loop(bars)))
    fills, net = answers[0]
    note = f"{fills:,} fills (a reversal is one), net {net / 100:,.2f}"
    yield rate(GROUP, "plain Python loop, nothing but the task", count, hand, "bars/s", note)
    yield from _peer(bars, rounds, rate(GROUP, "", count, ours, "").middle)


def _peer(bars: BarArrays, rounds: int, ours: float) -> Iterator[Figure]:
    python = _peer_python()
    if python is None:
        yield Figure(
            group=GROUP, what=_PEER, unit="", best=0, middle=0, rounds=0, note="skipped: no package index is reachable"
        )
        return
    data = SCRATCH / "bars.npy"
    np.save(data, np.stack([bars.open, bars.high, bars.low, bars.close, bars.volume]))
    script = Path(__file__).with_name("peer_backtesting.py")
    done = subprocess.run(
        [python, str(script), str(data), str(min(rounds, 2))], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        yield Figure(group=GROUP, what=_PEER, unit="", best=0, middle=0, rounds=0, note=f"failed: {last}")
        return
    told = json.loads(done.stdout)
    note = f"{told['trades']:,} trades, net {told['net'] / 100:,.2f}"
    theirs = rate(GROUP, f"{_PEER}, the same bars", len(bars), told["seconds"], "bars/s", note)
    yield theirs
    ratio = ours / theirs.middle
    yield Figure(group=GROUP, what="saudagar engine / backtesting.py", unit="times", best=ratio, middle=ratio, rounds=1)


def _peer_python() -> str | None:
    """The interpreter of an environment that holds the peer; None if it cannot be installed."""
    home = SCRATCH / "peer"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "1", _PEER]
        try:
            done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            return None
        if done.returncode:
            return None
        (home / "ready").touch()
    return str(python)


if __name__ == "__main__":
    from benchmarks.measure import table

    print(table(figures(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000, 3)))
