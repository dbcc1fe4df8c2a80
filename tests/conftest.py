"""For every test: how hypothesis searches, where compiled kernels are kept, how seldom garbage is collected, and the
marks `unmeasured` and `children_unmeasured`.

A test that is marked `unmeasured` runs without coverage, it and every process it starts. Measuring makes Python two to
three times as slow, and a test that runs the same lines a million times shows nothing that a quick one does not. With
`children_unmeasured` only the processes run without it: they start in half the time, and what is in them (a stream's
child, an exchange) is shown by the few tests that are about it.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

KERNELS = Path(__file__).resolve().parents[1] / "var" / "kernels"

# The same examples in every run, however slow the machine is. `--hypothesis-profile=default` looks for new ones.
settings.register_profile("tests", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("SAUDAGAR_CACHE", str(KERNELS))  # a kernel takes seconds to make: once for all processes
    os.environ.pop("COLUMNS", None)  # a worker has the terminal's; a test that means a width says so
    gc.set_threshold(20_000, 20, 20)  # to look over what thousands of tests have loaded took a sixth of the time
    config.addinivalue_line("markers", "unmeasured: without coverage, for its many repetitions; others show its lines")
    config.addinivalue_line("markers", "children_unmeasured: the processes it starts run without coverage")
    config.option.markexpr = config.option.markexpr or "not soak"  # a soak runs for those who ask for it


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Fixtures included, which start exchanges."""
    if item.get_closest_marker("unmeasured") is not None:
        with without_coverage():
            return (yield)
    if item.get_closest_marker("children_unmeasured") is not None:
        with children_without_coverage():
            return (yield)
    return (yield)


def pytest_sessionfinish() -> None:
    """Save what was measured while there is time: a worker that is slow to end is killed, and its measure with it."""
    if (running := measuring()) is not None:
        running.stop()
        running.save()


def measuring() -> Any:
    """The `coverage.Coverage` at work in this process, if there is one."""
    return sys.modules["coverage"].Coverage.current() if "coverage" in sys.modules else None


@contextmanager
def without_coverage() -> Iterator[None]:
    """Stop measuring in this process and in those that are started meanwhile."""
    running = measuring()
    if running is not None:
        running.stop()
    try:
        with children_without_coverage():
            yield
    finally:
        if running is not None:
            running.start()


@contextmanager
def children_without_coverage() -> Iterator[None]:
    """Go on measuring in this process only."""
    kept = {name: os.environ.pop(name) for name in tuple(os.environ) if name.startswith("COVERAGE")}
    try:
        yield
    finally:
        os.environ.update(kept)
