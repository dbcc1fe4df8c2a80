"""Sweeps beyond one process: a real local cluster of workers, a worker killed in the middle, a sweep killed with -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.sweep_study import BRACKET, KERNELS, Hooked, bars, study

from saudagar.model.errors import ConfigError
from saudagar.research.cluster import on_cluster
from saudagar.research.sweep import Progress, Sweep, sweep
from saudagar.strategies.ema_cross import EmaCross

ROOT = Path(__file__).resolve().parents[2]
GRID = {"fast": list(range(2, 12))}

distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A scheduler on loopback with two worker processes, which come back when killed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))  # the workers take it over
        patch.setenv("SAUDAGAR_CACHE", str(KERNELS))
        with distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # any free port: there may be several clusters
            host="127.0.0.1",
            local_directory=str(tmp_path_factory.mktemp("dask")),
        ) as running:
            yield running


@pytest.fixture(scope="module")
def undisturbed() -> Sweep:
    """What all who are killed must come to."""
    return sweep(study(Hooked(), exits=BRACKET, columns=bars(30)), GRID, workers=1)


def alike(one: Sweep, other: Sweep) -> bool:
    return one.sets == other.sets and all(a.same(b) for a, b in zip(one.outcomes, other.outcomes, strict=True))


def pids(cluster: Any) -> list[int]:
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        return list(client.run(os.getpid).values())


def test_a_cluster_gives_the_same_numbers(cluster: Any) -> None:
    runner = on_cluster(cluster.scheduler_address)
    for plain in (study(), study(exits=BRACKET, columns=bars(5)), study(Hooked(), columns=bars(5))):
        assert alike(sweep(plain, GRID, runner=runner), sweep(plain, GRID, driver="engine", workers=1))


@pytest.mark.unmeasured
@pytest.mark.parametrize("count", [1, 2], ids=["one of two", "all at once"])
def test_a_killed_worker_loses_nothing(cluster: Any, undisturbed: Sweep, tmp_path: Path, count: int) -> None:
    braced = study(Hooked(), exits=BRACKET, columns=bars(30))
    before = pids(cluster)
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if progress.done >= 2 and not killed:
            for pid in before[:count]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    found = sweep(
        braced, GRID, runner=on_cluster(cluster.scheduler_address), store=tmp_path / "runs.db", on_progress=kill
    )
    assert len(killed) == count
    assert not set(killed) & set(pids(cluster))
    assert alike(found, undisturbed)
    assert sweep(braced, GRID, store=tmp_path / "runs.db").resumed == len(found.sets)


def test_a_strategy_that_the_workers_cannot_import_is_named(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("only_here")
    monkeypatch.setitem(sys.modules, "only_here", module)
    alone = type("Alone", (EmaCross,), {"__module__": "only_here"})
    module.Alone = alone  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="cannot load the strategy"):
        sweep(study(alone()), {"fast": [2]}, runner=on_cluster(cluster.scheduler_address))


def test_nobody_at_the_address() -> None:
    with pytest.raises(ConfigError, match="no Dask scheduler answers"):
        sweep(study(), {"fast": [2]}, runner=on_cluster("tcp://127.0.0.1:9", timeout=0.5))


@pytest.mark.unmeasured
def test_a_sweep_killed_with_minus_nine_is_finished_by_the_next(undisturbed: Sweep, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent("""
            import sys
            from pathlib import Path
            from saudagar.research.sweep import sweep
            from tests.sweep_study import BRACKET, Hooked, bars, study

            if __name__ == "__main__":
                grid = {"fast": list(range(2, 12))}
                def told(progress):
                    print(progress.done, flush=True)
                braced = study(Hooked(), exits=BRACKET, columns=bars(30))
                sweep(braced, grid, store=Path(sys.argv[1]), workers=1, on_progress=told)
        """)
    )
    store = tmp_path / "runs.db"
    child = subprocess.Popen(
        [sys.executable, str(script), str(store)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    assert child.stdout is not None
    begin = time.monotonic()
    while int(child.stdout.readline()) < 7 and time.monotonic() - begin < 60:
        pass
    child.kill()
    child.wait()
    child.stdout.close()
    braced = study(Hooked(), exits=BRACKET, columns=bars(30))
    rest = sweep(braced, GRID, store=store, workers=1)
    assert 0 < rest.resumed < len(rest.sets)
    assert alike(rest, undisturbed)
