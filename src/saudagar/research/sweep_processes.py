"""The general way of a sweep: every set of parameters through the engine, one process per core.

Also how a backtest travels to another process, here or on a cluster.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from tempfile import TemporaryDirectory

from saudagar.backtest.run import Backtest
from saudagar.model.errors import DataError
from saudagar.research.sweep_grid import Params
from saudagar.research.sweep_study import Outcome, plan_of, run_one

_USERS = "saudagar_user_"  # modules that `strategies.registry` made of users' files


def run_threads(backtest: Backtest, sets: Sequence[Params], workers: int = 0) -> Iterator[tuple[int, Outcome]]:
    """Run `sets` by the compiled kernel, which leaves Python's lock alone, on one thread per core."""
    yield 0, run_one(backtest, sets[0], "kernel")  # compiles, once
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        waiting = {pool.submit(run_one, backtest, params, "kernel"): k for k, params in enumerate(sets) if k}
        try:
            for each in as_completed(waiting):
                yield waiting[each], each.result()
        finally:
            pool.shutdown(cancel_futures=True)


def run_processes(backtest: Backtest, sets: Sequence[Params], workers: int = 0) -> Iterator[tuple[int, Outcome]]:
    """Run `sets` by the engine, one process per core; in this one where a single worker is asked for.

    Raises
    ------
    DataError
        A process died, e.g. for want of memory; what was done is kept.
    """
    count = min(workers or os.cpu_count() or 1, len(sets))
    if count == 1:
        yield from ((place, run_one(backtest, params)) for place, params in enumerate(sets))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_hold, initargs=(pack(backtest),)) as pool:
        waiting = {pool.submit(_run_held, params): place for place, params in enumerate(sets)}
        try:
            for each in as_completed(waiting):
                yield waiting[each], each.result()
        except BrokenProcessPool:
            raise DataError(
                "a process of the sweep died.", hint="Run it again to go on from there; with fewer workers if short."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


_held: Backtest | None = None


def _hold(packed: bytes) -> None:
    global _held
    _held = unpack(packed)


def _run_held(params: Params) -> Outcome:
    assert _held is not None
    return run_one(_held, params)


def pack(backtest: Backtest) -> bytes:
    """`backtest` for another process of ours; a strategy from a user's file brings that file with it."""
    module = type(plan_of(backtest).strategy).__module__
    text = ""
    if module.startswith(_USERS):
        file = sys.modules[module].__file__
        assert file is not None
        text = Path(file).read_text(encoding="utf-8")
    return pickle.dumps((module, text, pickle.dumps(backtest)))


def unpack(packed: bytes) -> Backtest:
    """What `pack` made, in a process that was started for it."""
    module, text, inner = pickle.loads(packed)  # noqa: S301 (our own parent's bytes)
    if text and module not in sys.modules:
        _bring(module, text)
    backtest: Backtest = pickle.loads(inner)  # noqa: S301
    return backtest


def _bring(name: str, text: str) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{name.removeprefix(_USERS)}.py"
        file.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
