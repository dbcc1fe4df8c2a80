"""The compiled driver beside the fastest vectorised peer: one strategy, a million bars, with and without a bracket.

Timed from the command to the round trips (averages, signals, fills), bars and market being at hand; the peer likewise,
in an environment of its own, on the same bars and in the same run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.measure import SCRATCH, Figure, rate, timed
from benchmarks.research import _STOCK as STOCK
from benchmarks.research import settings, walk
from saudagar.backtest.costs import FlatCosts
from saudagar.backtest.data import Market
from saudagar.backtest.run import Backtest, BacktestResult, run
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.strategies import Exits

GROUP = "Compiled research: 1-minute bars, EMA 9/21 reverse, 0.03 % a side, fill at next open"
_PEER = "vectorbt[rust]==1.2.0"
_COST_PPM = 300
_CASES = {"plain": Exits(), "bracket": Exits(stop="1%", target="2%", trail="0.5%")}


def backtest(market: Market, exits: Exits) -> Backtest:
    """The task."""
    desk = settings()
    plan = msgspec.structs.replace(desk.plans[0], exits=exits)
    desk = msgspec.structs.replace(desk, plans=(plan,))
    return Backtest(settings=desk, market=market, costs=FlatCosts(_COST_PPM))


def figures(count: int, rounds: int) -> Iterator[Figure]:
    """All figures of this file; `count` bars."""
    bars = walk(count)
    market = Market({STOCK.id: bars}, Master(date(2015, 1, 1), (STOCK,)), Calendar())
    data = SCRATCH / "bars_compiled.npy"
    np.save(data, np.stack([bars.open, bars.high, bars.low, bars.close, bars.volume]))
    python = _peer_python()
    for name, exits in _CASES.items():
        task = backtest(market, exits)
        begin = time.perf_counter()
        told: list[BacktestResult] = [run(task)]
        first = time.perf_counter() - begin
        seconds = timed(rounds, lambda task=task, told=told: told.append(run(task)))  # type: ignore[misc]
        result = told[-1]
        note = f"{result.fills:,} fills, {len(result):,} trades, net {result.net / 100:,.2f}; first call {first:.1f} s"
        ours = rate(GROUP, f"saudagar kernel, {name}, {count:,} bars", count, seconds, "bars/s", note)
        yield ours
        if python is not None:
            yield from _peer(python, data, name, count, rounds, ours)
    if python is None:
        note = "skipped: no package index is reachable"
        yield Figure(group=GROUP, what=_PEER, unit="", best=0, middle=0, rounds=0, note=note)


def _peer(python: str, data: Path, name: str, count: int, rounds: int, ours: Figure) -> Iterator[Figure]:
    script = Path(__file__).with_name("peer_vectorbt.py")
    command = [python, str(script), str(data), str(rounds), name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        yield Figure(group=GROUP, what=_PEER, unit="", best=0, middle=0, rounds=0, note=f"failed: {last}")
        return
    told = json.loads(done.stdout)
    note = f"{told['fills']:,} fills, net {told['net'] / 100:,.2f}"
    for what, seconds in ((_PEER, told["seconds"]), (f"{_PEER}, signals given", told["trading"])):
        theirs = rate(GROUP, f"{what}, {name}", count, seconds, "bars/s", note)
        yield theirs
        yield Figure(
            group=GROUP,
            what=f"saudagar kernel / {what}, {name}",
            unit="times",
            best=ours.best / theirs.best,
            middle=ours.middle / theirs.middle,
            rounds=1,
        )


def _peer_python() -> str | None:
    """The interpreter of an environment that holds the peer; None if it cannot be installed."""
    home = SCRATCH / "vectorbt"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "1", _PEER]
        try:
            done = subprocess.run(command, capture_output=True, timeout=300, check=False)
        except subprocess.TimeoutExpired:
            return None
        if done.returncode:
            return None
        (home / "ready").touch()
    return str(python)


if __name__ == "__main__":
    from benchmarks.measure import table

    SCRATCH.mkdir(parents=True, exist_ok=True)
    print(table(figures(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, 5)))
