"""The general way of a sweep: every set of parameters through the engine, one process per core.

Also how a study travels to another process, here or on a cluster.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from tempfile import TemporaryDirectory

from saudagar.model.errors import DataError
from saudagar.research.sweep_grid import Params
from saudagar.research.sweep_study import Outcome, Study, run_engine

_USERS = "saudagar_user_"  # modules that `strategies.registry` made of users' files


def run_processes(study: Study, sets: Sequence[Params], workers: int = 0) -> Iterator[tuple[int, Outcome]]:
    """Run `sets` by the engine, one process per core; in this one where a single worker is asked for.

    Raises
    ------
    DataError
        A process died, e.g. for want of memory; what was done is kept.
    """
    count = min(workers or os.cpu_count() or 1, len(sets))
    if count == 1:
        yield from ((place, run_engine(study, params)) for place, params in enumerate(sets))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_hold, initargs=(pack(study),)) as pool:
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


_held: Study | None = None


def _hold(packed: bytes) -> None:
    global _held
    _held = unpack(packed)


def _run_held(params: Params) -> Outcome:
    assert _held is not None
    return run_engine(_held, params)


def pack(study: Study) -> bytes:
    """`study` for another process of ours; a strategy from a user's file brings that file with it."""
    module = type(study.plan.strategy).__module__
    text = ""
    if module.startswith(_USERS):
        file = sys.modules[module].__file__
        assert file is not None
        text = Path(file).read_text(encoding="utf-8")
    return pickle.dumps((module, text, pickle.dumps(study)))


def unpack(packed: bytes) -> Study:
    """What `pack` made, in a process that was started for it."""
    module, text, inner = pickle.loads(packed)  # noqa: S301 (our own parent's bytes)
    if text and module not in sys.modules:
        _bring(module, text)
    study: Study = pickle.loads(inner)  # noqa: S301
    return study


def _bring(name: str, text: str) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{name.removeprefix(_USERS)}.py"
        file.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
