"""A sweep on Dask: one worker process, two, and none (this process), with the same numbers.

Each set of parameters runs through the engine, which keeps one core busy: what is measured is how the work spreads.
Starting the cluster and sending the bars the first time are not timed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import msgspec

from benchmarks.measure import SCRATCH, Figure, rate, timed
from benchmarks.peers import absent, times
from benchmarks.research import CASES
from benchmarks.sweep import study
from saudagar.model.errors import ConfigError
from saudagar.research.cluster import on_cluster
from saudagar.research.sweep import Sweep, sweep

GROUP = "Sweep on a local Dask cluster: EMA pairs with a bracket, by the engine"
_UNIT = "bars x sets/s"
_GRID = {"fast": [8, 9, 10, 11], "slow": [18, 20, 21, 22]}


def figures(count: int, rounds: int) -> Iterator[Figure]:
    """All figures of this file; `count` bars and sixteen sets."""
    try:
        import distributed
    except ImportError:
        yield absent(GROUP, "dask", "skipped: the extra `cluster` is not installed")
        return
    task = study(count)
    plan = msgspec.structs.replace(task.settings.plans[0], exits=CASES["bracket"])
    task = msgspec.structs.replace(task, settings=msgspec.structs.replace(task.settings, plans=(plan,)))
    told: dict[int, Sweep] = {}
    lines: dict[int, Figure] = {}
    work = count * len(_GRID["fast"]) * len(_GRID["slow"])
    for workers in (0, 1, 2):
        with ExitStack() as stack:
            how: dict[str, Any] = {"driver": "engine", "workers": 1}
            if workers:
                running = stack.enter_context(
                    distributed.LocalCluster(
                        n_workers=workers,
                        threads_per_worker=1,
                        processes=True,
                        dashboard_address=None,
                        host="127.0.0.1",
                        local_directory=str(SCRATCH / "dask"),
                    )
                )
                how = {"runner": on_cluster(running.scheduler_address, driver="engine")}
                sweep(task, {"fast": [8, 9], "slow": [20]}, **how)  # the workers' imports
            seconds = timed(rounds, lambda how=how, workers=workers: told.update({workers: sweep(task, _GRID, **how)}))  # type: ignore[misc]
        same = all(a.same(b) for a, b in zip(told[workers].outcomes, told[0].outcomes, strict=True))
        what = f"{workers} worker{'s' * (workers > 1)}" if workers else "this process alone"
        note = "" if not workers else "the same outcomes" if same else "outcomes DIFFER"
        lines[workers] = rate(GROUP, what, work, seconds, _UNIT, note)
        yield lines[workers]
    yield times(GROUP, "two workers / one worker", lines[2], lines[1])
    yield times(GROUP, "one worker / this process", lines[1], lines[0])


if __name__ == "__main__":
    from benchmarks.measure import table

    try:
        SCRATCH.mkdir(parents=True, exist_ok=True)
        print(table(figures(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, 3)))
    except ConfigError as error:
        sys.exit(str(error))
