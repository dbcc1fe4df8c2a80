"""The compiled driver beside the fastest vectorised peer: one strategy, a million bars, with and without a bracket.

Timed from the command to the round trips (averages, signals, fills), bars and market being at hand; the peer likewise,
in an environment of its own, on the same bars and in the same run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import date
from functools import partial

import numpy as np

from benchmarks.measure import SCRATCH, Figure, rate, timed_last
from benchmarks.peers import VECTORBT, absent, ask, times
from benchmarks.research import _STOCK as STOCK
from benchmarks.research import CASES, settings, walk
from saudagar.backtest.costs import FlatCosts
from saudagar.backtest.data import Market
from saudagar.backtest.run import Backtest, run
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.strategies import Exits

GROUP = "Compiled research: 1-minute bars, EMA 9/21 reverse, 0.03 % a side, fill at next open"
_COST_PPM = 300


def backtest(market: Market, exits: Exits) -> Backtest:
    """The task."""
    return Backtest(settings=settings(exits), market=market, costs=FlatCosts(_COST_PPM))


def figures(count: int, rounds: int) -> Iterator[Figure]:
    """All figures of this file; `count` bars."""
    bars = walk(count)
    market = Market({STOCK.id: bars}, Master(date(2015, 1, 1), (STOCK,)), Calendar())
    data = SCRATCH / "bars_compiled.npy"
    np.save(data, np.stack([bars.open, bars.high, bars.low, bars.close, bars.volume]))
    for name, exits in CASES.items():
        task = backtest(market, exits)
        begin = time.perf_counter()
        run(task)
        first = time.perf_counter() - begin
        seconds, result = timed_last(rounds, partial(run, task))
        note = f"{result.fills:,} fills, {len(result):,} trades, net {result.net / 100:,.2f}; first call {first:.1f} s"
        ours = rate(GROUP, f"saudagar kernel, {name}, {count:,} bars", count, seconds, "bars/s", note)
        yield ours
        yield from _peer(str(data), name, count, rounds, ours)


def _peer(data: str, name: str, count: int, rounds: int, ours: Figure) -> Iterator[Figure]:
    told = ask(VECTORBT, "peer_vectorbt.py", data, str(rounds), name)
    if isinstance(told, str):
        yield absent(GROUP, f"{VECTORBT}, {name}", told)
        return
    note = f"{told['fills']:,} fills, net {told['net'] / 100:,.2f}"
    for what, seconds in ((VECTORBT, told["seconds"]), (f"{VECTORBT}, signals given", told["trading"])):
        theirs = rate(GROUP, f"{what}, {name}", count, seconds, "bars/s", note)
        yield theirs
        yield times(GROUP, f"saudagar kernel / {what}, {name}", ours, theirs)


if __name__ == "__main__":
    from benchmarks.measure import table

    SCRATCH.mkdir(parents=True, exist_ok=True)
    print(table(figures(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, 5)))
