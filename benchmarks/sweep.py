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
import venv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks.measure import SCRATCH, Figure, least, rate, timed
from benchmarks.research import _STOCK, settings, walk
from saudagar.backtest.costs import FlatCosts
from saudagar.backtest.data import Market
from saudagar.backtest.run import Backtest
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.research.sweep import Sweep, sweep

GROUP = "Sweep: EMA pairs, 1-minute bars, 0.03 % a side, fill at next open"
_PEER = "vectorbt[rust]==1.2.0"
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
    ours = timed(rounds, lambda: sweep(task, GRID))
    note = f"{sum(each.trades for each in found[0].outcomes):,} trades"
    yield rate(GROUP, f"saudagar sweep, {sets} sets x {count:,} bars", work, ours, _UNIT, note)
    one = {"fast": [9], "slow": [21]}
    engine = timed(1, lambda: sweep(task, one, driver="engine", workers=1))
    yield rate(GROUP, "saudagar engine, one set in one process", count, engine, _UNIT)
    yield least(GROUP, f"peak memory of the sweep of {sets}", [_memory(count)], "MiB", "a process of its own")
    yield from _peer(task, found[0], count, rounds, rate(GROUP, "", work, ours, "").middle)


def _memory(count: int) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sweep", "memory", str(count)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def _peer(task: Backtest, found: Sweep, count: int, rounds: int, ours: float) -> Iterator[Figure]:
    python = _peer_python()
    if python is None:
        note = "skipped: no package index is reachable"
        yield Figure(group=GROUP, what=_PEER, unit="", best=0, middle=0, rounds=0, note=note)
        return
    bars = task.market.bars[_STOCK.id]
    data = SCRATCH / "sweep.npy"
    np.save(data, np.stack([bars.open, bars.high, bars.low, bars.close, bars.volume]))
    places = range(0, len(found.sets), max(1, len(found.sets) // 20))
    pairs = [list(found.sets[place].values()) for place in places]
    script = Path(__file__).with_name("peer_vectorbt_sweep.py")
    command = [python, str(script), str(data), json.dumps(pairs), str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        yield Figure(group=GROUP, what=_PEER, unit="", best=0, middle=0, rounds=0, note=f"failed: {last}")
        return
    told = json.loads(done.stdout)
    same = [found.outcomes[place].trades for place in places] == told["trades"]
    apart = max(abs(found.outcomes[p].net - net) / 100 for p, net in zip(places, told["nets"], strict=True))
    note = f"{len(pairs)} of the pairs; trades {'equal' if same else 'DIFFER'}, net apart by up to ₹{apart:.2f}"
    yield rate(GROUP, f"{_PEER}, whole", count * len(pairs), told["seconds"], _UNIT, note)
    alone = rate(GROUP, f"{_PEER}, signals given", count * len(pairs), told["alone"], _UNIT)
    yield alone
    times = ours / alone.middle
    what = "saudagar sweep / vectorbt's simulation alone"
    yield Figure(group=GROUP, what=what, unit="times", best=times, middle=times, rounds=1)


def _peer_python() -> str | None:
    """The interpreter of an environment that holds the peer; None if it cannot be installed."""
    home = SCRATCH / "peer-vectorbt"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "1", _PEER]
        try:
            done = subprocess.run(command, capture_output=True, timeout=180, check=False)
        except subprocess.TimeoutExpired:
            return None
        if done.returncode:
            return None
        (home / "ready").touch()
    return str(python)


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        import resource

        sweep(study(int(sys.argv[2])), GRID)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    else:
        from benchmarks.measure import table

        SCRATCH.mkdir(parents=True, exist_ok=True)
        print(table(figures(int(sys.argv[1]) if len(sys.argv) > 1 else 250_000, 3)))
