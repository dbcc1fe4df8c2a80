"""The tests' runner judges coverage: its sums and its bars."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("saudagar_test_runner", Path(__file__).parents[1] / "run.py")
assert _SPEC is not None
assert _SPEC.loader is not None
runner = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = runner
_SPEC.loader.exec_module(runner)
Covered = runner.Covered

FILES = {
    "model/money.py": Covered(90, 89),
    "model/ids.py": Covered(10, 10),
    "engine/engine.py": Covered(100, 92),
    "app/cli.py": Covered(100, 60),
    "__init__.py": Covered(1, 1),
}


def test_packages_are_sums_of_their_files() -> None:
    packages = runner.by_package(FILES)
    assert packages == {
        "(top)": Covered(1, 1),
        "app": Covered(100, 60),
        "engine": Covered(100, 92),
        "model": Covered(100, 99),
    }


def test_ground_and_whole_are_judged_apart() -> None:
    packages = runner.by_package(FILES)
    assert runner.totals(packages) == (Covered(200, 191), Covered(301, 252))
    assert runner.missed(packages) == ["FAILED coverage of all: 83.72 % is below 85 %"]
    packages["model"] = Covered(100, 95)
    assert runner.missed(packages) == [
        "FAILED coverage of model to engine: 93.50 % is below 95 %",
        "FAILED coverage of all: 82.39 % is below 85 %",
    ]
    packages["app"] = packages["model"] = packages["engine"] = Covered(100, 100)
    assert runner.missed(packages) == []


def test_the_table_ends_with_the_two_figures_that_count() -> None:
    assert list(runner.table(runner.by_package(FILES)))[-2:] == [
        "  model to engine     191 of    200   95.50 %",
        "  all                 252 of    301   83.72 %",
    ]


def test_what_failed_first_is_named() -> None:
    said = ["E   assert FAILED", "FAILED tests/a.py::b[x y] - assert 1", "ERROR tests/c.py", "1 failed, 1 error in 2 s"]
    assert runner.failures(said) == said[1:3]


@pytest.mark.unmeasured
def test_an_unmeasured_test_and_its_processes_run_without_coverage() -> None:
    assert "coverage" not in sys.modules or sys.modules["coverage"].Coverage.current() is None
    assert not [name for name in os.environ if name.startswith("COVERAGE")]
