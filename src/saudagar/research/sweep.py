"""The same backtest with many sets of parameters: on all cores, resumable, judged on days it was not chosen by.

``sweep`` runs a grid and returns a `Sweep`. Every run covers all days once; what is train and what is test is a cut
through its daily figures (`walkforward`). Plans that suit go eight sets to a compiled loop (`sweep_lanes`), others one
set to a kernel or to the engine (`sweep_processes`), here or on a cluster (`cluster`). The way taken changes no number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from math import nan
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from saudagar.backtest.choice import sooner
from saudagar.backtest.run import Backtest, objection
from saudagar.model.errors import ConfigError
from saudagar.research import walkforward
from saudagar.research.sweep_grid import Condition, Grid, Params, Value, combinations
from saudagar.research.sweep_lanes import run_lanes, suits
from saudagar.research.sweep_processes import run_processes, run_threads
from saudagar.research.sweep_store import Store
from saudagar.research.sweep_study import Ints, Outcome, days_of, run_key

Runner: TypeAlias = Callable[[Backtest, Sequence[Params]], Iterator[tuple[int, Outcome]]]
"""Runs sets in any order; yields the place of each and its outcome."""

DRIVERS = ("auto", "lanes", "kernel", "engine")

_SOON = 2.0  # seconds, about: what loading a compiled loop and starting its threads or other processes takes


class Progress(msgspec.Struct, frozen=True):
    """How far a sweep is."""

    done: int  # sets, those taken from disk included
    total: int
    seconds: float  # since the sweep began
    left: float  # expected seconds; NaN while nothing is computed yet


class Sweep(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A finished sweep: every set of parameters and what came of it, in the order of the grid."""

    sets: tuple[Params, ...]
    outcomes: tuple[Outcome, ...]
    days: Ints  # trading days since 1970-01-01 in IST
    train: int  # so many of `days` may choose; the rest only judge
    capital: int  # paise
    data: str  # hash of the bars
    config: str  # hash of everything else, with the parameters that the plan came with
    resumed: int  # sets taken from disk

    @property
    def daily(self) -> Ints:
        """Net profit of each day (rows) and set (columns), paise."""
        return np.stack([each.daily for each in self.outcomes], axis=1)

    def verdict(self, measure: str = "sharpe") -> walkforward.Verdict:
        """The best set of the train days, how it did on the others, and how much of it is luck."""
        return walkforward.judge(self.daily, self.train, self.capital, measure)

    def walk(
        self, train: int = 0, test: int = 0, *, measure: str = "sharpe", anchored: bool = False
    ) -> walkforward.Walk:
        """Choose again and again on past days only; see `walkforward.walk_forward`."""
        return walkforward.walk_forward(self.daily, self.capital, train, test, measure=measure, anchored=anchored)

    def table(self) -> dict[str, list[Any]]:
        """Columns: the parameters, counts and money of all days, then measures of train and test days."""
        columns: dict[str, list[Any]] = {name: [params[name] for params in self.sets] for name in self.sets[0]}
        for name in ("trades", "wins", "gross", "costs"):
            columns[name] = [getattr(each, name) for each in self.outcomes]
        for part, rows in (("train", slice(None, self.train)), ("test", slice(self.train, None))):
            for measure in walkforward.MEASURES:
                values = walkforward.measured(self.daily[rows], self.capital, measure)
                columns[f"{part}_{measure}"] = values.tolist()
        return columns

    def heat(
        self, x: str, y: str, measure: str = "sharpe", *, part: str = "train"
    ) -> tuple[list[Value], list[Value], NDArray[np.float64]]:
        """Data of a heat map over two axes: values of `x`, of `y`, and the measure at (y, x).

        Where further axes exist the mean over them is shown; NaN where the conditions left nothing.

        Raises
        ------
        ConfigError
            No such axis, measure or part.
        """
        for name in (x, y):
            if name not in self.sets[0]:
                raise ConfigError(f"{name!r} is no axis of this sweep; there are {', '.join(self.sets[0])}.")
        rows = {"train": slice(None, self.train), "test": slice(self.train, None), "all": slice(None)}.get(part)
        if rows is None or x == y:
            raise ConfigError(f"a heat map takes two axes and train, test or all; got {x!r}, {y!r} and {part!r}.")
        values = walkforward.measured(self.daily[rows], self.capital, measure)
        across, down = self._axis(x), self._axis(y)
        total, count = np.zeros((len(down), len(across))), np.zeros((len(down), len(across)))
        for params, value in zip(self.sets, values, strict=True):
            place = down.index(params[y]), across.index(params[x])
            total[place] += value
            count[place] += 1
        with np.errstate(invalid="ignore"):
            return across, down, total / count

    def _axis(self, name: str) -> list[Value]:
        values = list(dict.fromkeys(params[name] for params in self.sets))
        return values if any(isinstance(value, str) for value in values) else sorted(values)


def sweep(
    backtest: Backtest,
    grid: Grid,
    *,
    where: Iterable[Condition | str] = (),
    store: Path | None = None,
    workers: int = 0,
    driver: str = "auto",
    runner: Runner | None = None,
    train: float = walkforward.TRAIN,
    on_progress: Callable[[Progress], None] | None = None,
) -> Sweep:
    """Run every set of `grid` that meets `where`.

    Parameters
    ----------
    grid
        Values per parameter; those of exits are named ``exits.stop``, ``exits.target``, ….
    where
        Conditions, such as ``"fast < slow"``.
    store
        Results file; sets it holds are not computed again.
    workers
        Threads or processes; 0 means one per core.
    driver
        ``lanes`` (eight sets to a compiled loop), ``kernel`` (one), ``engine``, or ``auto``: the fastest that serves,
        and the engine where it is done before the others have begun.
    runner
        Runs the sets elsewhere, e.g. `cluster.on_cluster(address)`; overrides `driver`.
    train
        The share of the trading days that may choose; the others only judge.

    Raises
    ------
    ConfigError
        A parameter or value that cannot be, or a driver that does not serve this plan; before anything is computed.
    """
    sets = combinations(grid, where)
    return sweep_sets(
        backtest,
        sets,
        store=store,
        runner=runner or driver_of(backtest, sets, driver, workers),
        train=train,
        told=on_progress,
    )


def sweep_sets(
    backtest: Backtest,
    sets: Sequence[Params],
    *,
    runner: Runner,
    store: Path | None = None,
    train: float = walkforward.TRAIN,
    told: Callable[[Progress], None] | None = None,
) -> Sweep:
    """`sweep` over given sets of parameters."""
    runs = [run_key(backtest, params) for params in sets]  # also refuses what cannot be, before anything is computed
    days, data = days_of(backtest), backtest.market.digest
    cut = walkforward.cut(len(days), train)
    begin = time.monotonic()
    with ExitStack() as stack:
        kept = stack.enter_context(Store(store, data)) if store is not None else None
        found = kept.known(len(days)) if kept is not None else {}
        resumed = sum(run in found for run in runs)
        missing = [place for place, run in enumerate(runs) if run not in found]
        tell = _teller(told, begin, len(sets), resumed)
        for at, outcome in runner(backtest, [sets[place] for place in missing]) if missing else ():
            place = missing[at]
            found[runs[place]] = outcome
            if kept is not None:
                kept.add({runs[place]: (sets[place], outcome)})
            tell()
    return Sweep(
        sets=tuple(sets),
        outcomes=tuple(found[run] for run in runs),
        days=days,
        train=cut,
        capital=backtest.capital,
        data=data,
        config=backtest.digest,
        resumed=resumed,
    )


def _teller(told: Callable[[Progress], None] | None, begin: float, total: int, resumed: int) -> Callable[[], None]:
    done = resumed

    def tell() -> None:
        nonlocal done
        done += 1
        if told is not None:
            seconds = time.monotonic() - begin
            told(Progress(done, total, seconds, seconds / (done - resumed) * (total - done)))

    if told is not None:
        told(Progress(resumed, total, 0.0, 0.0 if resumed == total else nan))
    return tell


def driver_of(backtest: Backtest, sets: Sequence[Params], driver: str = "auto", workers: int = 0) -> Runner:
    """What runs `sets`: by default the fastest of lanes, kernel and engine that serves them.

    Raises
    ------
    ConfigError
        No such driver, or one that does not serve this plan.
    """
    if driver not in DRIVERS:
        raise ConfigError(f"a driver is one of {', '.join(DRIVERS)}, got {driver!r}.")
    if type(workers) is not int or workers < 0:
        raise ConfigError(f"workers is a whole number from 0 on, got {workers!r}.")
    if driver == "auto" and sooner(backtest, _SOON / len(sets)):
        driver, workers = "engine", 1
    elif driver == "auto":
        driver = _fastest(backtest, sets)
    elif driver == "lanes" and not suits(backtest, sets):
        raise ConfigError(
            "the lanes serve one size, flat costs and no exits, limits or hours; this plan has more.",
            hint="Use the driver auto.",
        )
    elif driver == "kernel" and (why := objection(backtest)):
        raise ConfigError(f"the compiled driver cannot run this: {why}.", hint="Use the driver auto.")
    way = {"lanes": run_lanes, "kernel": run_threads, "engine": run_processes}[driver]
    return lambda backtest, sets: way(backtest, sets, workers)


def _fastest(backtest: Backtest, sets: Sequence[Params]) -> str:
    if find_spec("numba") is None:
        return "engine"
    if suits(backtest, sets):
        return "lanes"
    return "engine" if objection(backtest) else "kernel"
