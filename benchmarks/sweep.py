"""Sets of parameters per second: 500 EMA pairs over 250,000 minute bars, 0.03 % a side, fill at the next open.

What is timed is the whole of `sweep`: checks, hashes, graphs, the loop and the results. Beside it vectorbt with its
Rust engine on some of the same pairs and the same bars, its trades and profits compared with ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date

import numpy as np

from benchmarks.measure import SCRATCH, Figure, least, rate, timed
from benchmarks.peers import VECTORBT, absent, ask, times
from benchmarks.research import _STOCK, settings, walk
from saudagar.backtest.costs import FlatCosts
from saudagar.backtest.data import Market
from saudagar.backtest.run import Backtest
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.research.sweep import Sweep, sweep

GROUP = "Sweep: EMA pairs, 1-minute bars, 0.03 % a side, fill at next open"
_UNIT = "bars x sets/s"
GRID = {"fast": list(range(2, 12)), "slow": list(range(12, 62))}
"""500 pairs."""


def study(count: int) -> Backtest:
    """`count` bars."""
    market = Market({_STOCK.id: walk(count)}, Master(date(2015, 1, 1), (_STOCK,)), Calendar())
    return Backtest(settings=settings(), market=market, costs=FlatCosts(300), capital=10_000_000)


def figures(count: int, rounds: int) -> Iterator[Figure]:
    """All figures of this file; `count` bars."""
    task = study(count)
    found: list[Sweep] = []
    with tempfile.TemporaryDirectory() as folder:
        old, os.environ["SAUDAGAR_CACHE"] = os.environ.get("SAUDAGAR_CACHE"), folder
        cold = timed(1, lambda: found.append(sweep(task, GRID)))
        if old is None:
            del os.environ["SAUDAGAR_CACHE"]
        else:
            os.environ["SAUDAGAR_CACHE"] = old
    sets = len(found[0].sets)
    work = count * sets
    yield least(GROUP, f"first ever, {sets} sets x {count:,} bars", cold, "s", "compiles the loop")
    seconds = timed(rounds, lambda: sweep(task, GRID))
    note = f"{sum(each.trades for each in found[0].outcomes):,} trades"
    ours = rate(GROUP, f"saudagar sweep, {sets} sets x {count:,} bars", work, seconds, _UNIT, note)
    yield ours
    one = {"fast": [9], "slow": [21]}
    engine = timed(1, lambda: sweep(task, one, driver="engine", workers=1))
    yield rate(GROUP, "saudagar engine, one set in one process", count, engine, _UNIT)
    yield least(GROUP, f"peak memory of the sweep of {sets}", [_memory(count)], "MiB", "a process of its own")
    yield from _peer(task, found[0], count, rounds, ours)


def _memory(count: int) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sweep", "memory", str(count)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def _peer(task: Backtest, found: Sweep, count: int, rounds: int, ours: Figure) -> Iterator[Figure]:
    bars = task.market.bars[_STOCK.id]
    data = SCRATCH / "sweep.npy"
    np.save(data, np.stack([bars.open, bars.high, bars.low, bars.close, bars.volume]))
    places = range(0, len(found.sets), max(1, len(found.sets) // 20))
    pairs = [list(found.sets[place].values()) for place in places]
    told = ask(VECTORBT, "peer_vectorbt_sweep.py", str(data), json.dumps(pairs), str(rounds))
    if isinstance(told, str):
        yield absent(GROUP, VECTORBT, told)
        return
    same = [found.outcomes[place].trades for place in places] == told["trades"]
    apart = max(abs(found.outcomes[p].net - net) / 100 for p, net in zip(places, told["nets"], strict=True))
    note = f"{len(pairs)} of the pairs; trades {'equal' if same else 'DIFFER'}, net apart by up to ₹{apart:.2f}"
    yield rate(GROUP, f"{VECTORBT}, whole", count * len(pairs), told["seconds"], _UNIT, note)
    alone = rate(GROUP, f"{VECTORBT}, signals given", count * len(pairs), told["alone"], _UNIT)
    yield alone
    yield times(GROUP, "saudagar sweep / vectorbt's simulation alone", ours, alone)


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        import resource

        sweep(study(int(sys.argv[2])), GRID)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    else:
        from benchmarks.measure import table

        SCRATCH.mkdir(parents=True, exist_ok=True)
        print(table(figures(int(sys.argv[1]) if len(sys.argv) > 1 else 250_000, 3)))
