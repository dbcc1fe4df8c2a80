"""A guided search where a grid would be too large: Optuna proposes, the past decides, the rest judges.

Each set is proposed from a seed and the finished trials alone, so that a search that was killed and resumed walks the
same way as one that was not. Only the train days are shown to the search. It returns a `Sweep`, whose verdict counts
every different set that was tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np

from saudagar.backtest.run import Backtest
from saudagar.model.errors import ConfigError, DataError
from saudagar.research import walkforward
from saudagar.research.sweep import Progress, Runner, Sweep, driver_of, sweep_sets
from saudagar.research.sweep_grid import Condition, Grid, Params, Value, parse_condition
from saudagar.research.sweep_store import Store
from saudagar.research.sweep_study import Outcome, days_of, run_key, with_params

_PATIENCE = 50  # proposals per wanted trial, where conditions refuse many
_TRIED = 1_000  # sets, in search of one that the strategy takes
_WORST = -1e18  # of a set without a measure: no trade, no Sharpe ratio


def search(
    backtest: Backtest,
    grid: Grid,
    trials: int,
    *,
    seed: int = 0,
    measure: str = "sharpe",
    where: Iterable[Condition | str] = (),
    store: Path | None = None,
    runner: Runner | None = None,
    driver: str = "auto",
    train: float = walkforward.TRAIN,
    on_progress: Callable[[Progress], None] | None = None,
) -> Sweep:
    """Try `trials` sets of `grid` by the tree-structured Parzen estimator and look for the greatest `measure`.

    Parameters
    ----------
    grid
        Values per parameter. Evenly spaced numbers are searched as a range, other values as categories.
    trials
        Finished ones, those of earlier calls with the same data, `store`, `seed`, `measure` and `grid` included.
    store
        Where runs are kept (``NAME``) and trials beside them (``NAME.trials``); None keeps nothing.
    runner, driver
        As of `sweep`.

    Raises
    ------
    ConfigError
        No such parameter or measure, Optuna not installed, or conditions that leave next to nothing.
    """
    optuna = _optuna()
    _check(grid, trials, measure)
    conditions = [parse_condition(each) if isinstance(each, str) else each for each in where]
    first = _first(backtest, grid)
    axes = [(name, list(values)) for name, values in grid.items()]
    title = f"{backtest.market.digest} {backtest.digest} {measure} {train} {seed} {axes!r}"
    with ExitStack() as stack:
        kept = stack.enter_context(Store(store, backtest.market.digest)) if store is not None else None
        desk = _Desk(backtest, runner or driver_of(backtest, [first] * trials, driver), kept, measure, train)
        book = _open(optuna, title, store)
        found = _propose(optuna, book, desk, grid, trials, seed, conditions, on_progress)
        return sweep_sets(backtest, found, runner=desk.recall, train=train)


class _Desk:
    """Runs sets, remembers them, and measures them by their train days."""

    def __init__(self, backtest: Backtest, runner: Runner, store: Store | None, measure: str, train: float) -> None:
        self._backtest = backtest
        self._runner = runner
        self._store = store
        self._measure = measure
        days = len(days_of(backtest))
        self._cut = walkforward.cut(days, train)
        self._known: dict[str, Outcome] = store.known(days) if store is not None else {}

    def recall(self, backtest: Backtest, sets: Sequence[Params]) -> Iterator[tuple[int, Outcome]]:
        """A runner that runs nothing twice."""
        for place, params in enumerate(sets):
            yield place, self._outcome(params)

    def refusal(self, params: Params) -> str:
        """Why the strategy does not take them; empty if it does."""
        try:
            with_params(self._backtest, params)
        except ConfigError as error:
            return error.message
        return ""

    def value(self, params: Params) -> float:
        seen = self._outcome(params).daily[: self._cut, None]
        found = float(walkforward.measured(seen, self._backtest.capital, self._measure)[0])
        return found if np.isfinite(found) else _WORST

    def _outcome(self, params: Params) -> Outcome:
        run = run_key(self._backtest, params)
        if run not in self._known:
            ((_, found),) = self._runner(self._backtest, [params])
            self._known[run] = found
            if self._store is not None:
                self._store.add({run: (params, found)})
        return self._known[run]


def _propose(
    optuna: Any,
    book: Any,
    desk: _Desk,
    grid: Grid,
    trials: int,
    seed: int,
    conditions: Sequence[Condition],
    told: Callable[[Progress], None] | None,
) -> list[Params]:
    """Go on until `trials` are finished; the different sets among them, in their order."""
    states = optuna.trial.TrialState
    for left_over in book.get_trials(deepcopy=False, states=[states.RUNNING]):  # of a search that was killed
        book.tell(left_over.number, state=states.FAIL)
    space = {name: _distribution(optuna, values) for name, values in grid.items()}
    begin = time.monotonic()
    complete = resumed = len(book.get_trials(deepcopy=False, states=[states.COMPLETE]))
    proposed = complete + len(book.get_trials(deepcopy=False, states=[states.PRUNED]))
    refusal = ""
    while complete < trials:
        if proposed > _PATIENCE * trials:
            why = f" The last: {refusal}" if refusal else ""
            raise ConfigError(
                f"the conditions or the strategy refuse nearly every set of the grid.{why}",
                hint="Narrow the axes instead.",
            )
        book.sampler = optuna.samplers.TPESampler(seed=(seed << 20) + proposed)
        trial = book.ask(space)
        proposed += 1
        kept = all(condition(trial.params) for condition in conditions)
        refusal = desk.refusal(dict(trial.params)) if kept else refusal
        if not kept or refusal:
            book.tell(trial, state=states.PRUNED)
            continue
        book.tell(trial, desk.value(dict(trial.params)))
        complete += 1
        if told is not None:
            seconds = time.monotonic() - begin
            told(Progress(complete, trials, seconds, seconds / (complete - resumed) * (trials - complete)))
    finished = book.get_trials(deepcopy=False, states=[states.COMPLETE])[:trials]
    sets: list[Params] = [{name: each.params[name] for name in grid} for each in finished]
    return list({repr(params): params for params in sets}.values())


def _first(backtest: Backtest, grid: Grid) -> Params:
    """The first set of the grid that the strategy takes; raises what it says to the last where it takes none."""
    sets: Iterator[Params] = (dict(zip(grid, values, strict=True)) for values in product(*grid.values()))
    refused = ConfigError("a search needs at least one set.")
    for params in islice(sets, _TRIED):
        try:
            with_params(backtest, params)
        except ConfigError as error:
            refused = error
        else:
            return params
    raise refused


def _check(grid: Grid, trials: int, measure: str) -> None:
    if type(trials) is not int or trials < 1:
        raise ConfigError(f"a search needs at least one trial, got {trials!r}.")
    if measure not in walkforward.MEASURES:
        raise ConfigError(f"a measure is one of {', '.join(walkforward.MEASURES)}, got {measure!r}.")
    if not grid or any(not values for values in grid.values()):
        raise ConfigError("a search needs at least one axis, each with values.")


def _distribution(optuna: Any, values: Sequence[Value]) -> Any:
    """A range where the values are one, so that neighbours count as near; else categories."""
    kinds = {type(value) for value in values}
    if len(values) > 2 and kinds <= {int, float}:
        numbers = np.array(values, dtype=float)
        steps = np.diff(numbers)
        if steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-9):
            low, high, step = values[0], values[-1], values[1] - values[0]  # type: ignore[operator]  # numbers, as seen
            if kinds == {int}:
                return optuna.distributions.IntDistribution(low, high, step=step)
            return optuna.distributions.FloatDistribution(low, high, step=round(float(step), 12))
    return optuna.distributions.CategoricalDistribution(list(values))


def _open(optuna: Any, title: str, store: Path | None) -> Any:
    """The trials so far; a search is found again by everything that shapes its way."""
    url = f"sqlite:///{store}.trials" if store is not None else None
    try:
        return optuna.create_study(study_name=title, storage=url, direction="maximize", load_if_exists=True)
    except Exception as error:  # SQLAlchemy's, which is not ours to import
        raise DataError(f"the trials file {store}.trials cannot be used: {error}.", hint="Move it away.") from error


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise ConfigError("a search needs Optuna.", hint='pip install "saudagar[research]"') from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
