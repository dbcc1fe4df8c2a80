"""Searches: guided by the train days alone, the same way after a kill."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import model_validator
from tests.sweep_study import KERNELS, bars, study

from saudagar.backtest.run import Backtest
from saudagar.indicators import BarFields, crosses_above, ema
from saudagar.model.errors import ConfigError, DataError
from saudagar.research.search import search
from saudagar.research.sweep import Progress, Runner
from saudagar.research.sweep_grid import Params
from saudagar.research.sweep_study import Outcome, days_of, run_one
from saudagar.strategies import Signals, Strategy

GRID: dict[str, Sequence[Any]] = {"fast": list(range(2, 31)), "slow": list(range(10, 80, 5))}


def hill(study: Backtest, sets: Sequence[Params]) -> Iterator[tuple[int, Outcome]]:
    """Profit is greatest at fast 20, slow 50 on the train days; the reverse on the test days."""
    days = len(days_of(study))
    for place, params in enumerate(sets):
        height = 10_000 - 100 * abs(int(params["fast"]) - 20) - 10 * abs(int(params["slow"]) - 50)
        daily = np.where(np.arange(days) < round(days * 0.7), height, -height)
        yield place, Outcome(trades=1, wins=1, gross=height, costs=0, daily=daily)


def test_it_climbs_by_the_train_days_alone() -> None:
    found = search(study(), GRID, 60, measure="net", runner=hill, where=["fast < slow"])
    best = found.sets[found.verdict("net").best]
    assert abs(int(best["fast"]) - 20) <= 5
    assert all(int(each["fast"]) < int(each["slow"]) for each in found.sets)
    assert found.verdict("net").trials == len(found.sets) <= 60
    assert found.verdict("net").test_net < 0


def test_the_same_seed_walks_the_same_way_and_another_does_not() -> None:
    first, again, other = (search(study(), GRID, 15, seed=seed, runner=hill).sets for seed in (1, 1, 2))
    assert first == again != other


def counting(kill_at: int) -> tuple[Runner, list[Params]]:
    seen: list[Params] = []

    def run(study: Backtest, sets: Sequence[Params]) -> Iterator[tuple[int, Outcome]]:
        seen.extend(sets)
        if len(seen) == kill_at:
            raise KeyboardInterrupt
        yield from hill(study, sets)

    return run, seen


def test_a_killed_search_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = search(study(), GRID, 16, runner=hill, where=["slow >= 20"], measure="net")
    store = tmp_path / "runs.db"
    run, seen = counting(kill_at=13)
    with pytest.raises(KeyboardInterrupt):
        search(study(), GRID, 16, runner=run, where=["slow >= 20"], measure="net", store=store)
    progress: list[Progress] = []
    resumed = search(
        study(), GRID, 16, runner=run, where=["slow >= 20"], measure="net", store=store, on_progress=progress.append
    )
    assert resumed.sets == whole.sets
    assert progress[-1].done == 16
    assert progress[0].done > 10
    assert len(seen) <= 17  # the one that was killed ran twice, none else


def test_more_trials_go_on_from_the_ones_there_are(tmp_path: Path) -> None:
    few = search(study(), GRID, 5, runner=hill, store=tmp_path / "runs.db")
    run, seen = counting(kill_at=-1)
    more = search(study(), GRID, 8, runner=run, store=tmp_path / "runs.db")
    assert more.sets[: len(few.sets)] == few.sets
    assert len(seen) <= 3


def test_runs_are_those_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAUDAGAR_CACHE", str(KERNELS))
    plain = study(columns=bars(4))
    found = search(plain, {"fast": [2, 3], "slow": [5, 9]}, 4)
    for params, outcome in zip(found.sets, found.outcomes, strict=True):
        assert outcome.same(run_one(plain, params))


def test_text_and_steps_and_sets_without_a_measure() -> None:
    def flat(study: Backtest, sets: Sequence[Params]) -> Iterator[tuple[int, Outcome]]:
        for place, _ in enumerate(sets):
            yield place, Outcome(trades=0, wins=0, gross=0, costs=0, daily=np.zeros(len(days_of(study)), np.int64))

    grid: dict[str, Sequence[Any]] = {
        "exits.stop": ["1%", "2%", "3%"],
        "exits.target": [1.5, 2.0, 2.5],
        "fast": [9, 3, 4],
    }
    found = search(study(), grid, 6, runner=flat)
    for each in found.sets:
        assert each["exits.stop"] in grid["exits.stop"]
        assert each["exits.target"] in grid["exits.target"]
        assert each["fast"] in grid["fast"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trials": 0}, "at least one trial"),
        ({"grid": {}}, "at least one axis"),
        ({"grid": {"fast": []}}, "at least one axis"),
        ({"grid": {"quick": [1]}}, "no parameter quick"),
        ({"measure": "luck"}, "a measure is one of"),
        ({"where": ["fast > 99"]}, "refuse nearly every set"),
    ],
)
def test_searches_that_make_no_sense(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        search(study(), **{"grid": GRID, "trials": 1, "runner": hill} | changes)


def test_a_trials_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "runs.db.trials").write_text("no database, but long enough to be looked at as one" * 20)
    with pytest.raises(DataError, match="trials file"):
        search(study(), GRID, 1, runner=hill, store=tmp_path / "runs.db")


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"saudagar\[research\]"):
        search(study(), GRID, 1, runner=hill)


class Picky(Strategy):
    """Takes a fast average below a slow one only."""

    fast: int = 3
    slow: int = 9

    @model_validator(mode="after")
    def _ordered(self) -> Picky:
        if self.fast >= self.slow:
            raise ValueError("fast must be below slow")
        return self

    def signals(self, bar: BarFields) -> Signals:
        if self.slow == 13:
            raise RuntimeError("thirteen")
        return Signals(long=crosses_above(ema(bar.close, self.fast), ema(bar.close, self.slow)))


def test_sets_that_the_strategy_refuses_are_passed_over() -> None:
    """Its very first one too; where it refuses all, it says why."""
    found = search(study(Picky()), {"fast": [8, 2, 4], "slow": [5, 8]}, 6, driver="engine")
    assert found.sets
    assert all(params["fast"] < params["slow"] for params in found.sets)
    with pytest.raises(ConfigError, match="fast must be below slow"):
        search(study(Picky()), {"fast": [8, 9], "slow": [5, 8]}, 3, driver="engine")


def test_a_strategy_that_fails_is_named_with_its_parameters() -> None:
    with pytest.raises(ConfigError, match=r"Picky.signals raised RuntimeError with {'slow': 13}: thirteen"):
        search(study(Picky()), {"slow": [13]}, 1, driver="engine")
