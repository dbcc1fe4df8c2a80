"""One stage per broker for a whole module: starting an SDK costs more than most tests. Every test leaves it tidy."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from tests.contract.suite.floor import CANARY, WIRED, Floor
from tests.contract.suite.stage import ALL, PaperStage, Stage, WiredStage

from saudagar.model import OrderStatus

PATIENT, QUICK = (10.0, 10.0), (2.0, 0.4)
"""Seconds to connect, and for a reply: only where replies are lost on purpose may one be given up soon."""


def _open(name: str, timeout: tuple[float, float]) -> Iterator[Stage]:
    if name == "paper":
        stage: Stage = PaperStage()
        yield stage
        stage.close()
        return
    floor = Floor(names=(name,))
    stage = WiredStage(name, floor, timeout=timeout)
    yield stage
    stage.close()
    floor.close()


@pytest.fixture(scope="module", params=ALL)
def any_stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    yield from _open(request.param, PATIENT)


@pytest.fixture(scope="module", params=WIRED)
def any_wired(request: pytest.FixtureRequest) -> Iterator[Stage]:
    yield from _open(request.param, QUICK)


@pytest.fixture
def stage(any_stage: Stage) -> Iterator[Stage]:
    """A broker, paper or real, with nothing resting."""
    yield any_stage
    _tidy(any_stage)


@pytest.fixture
def wired(any_wired: WiredStage) -> Iterator[WiredStage]:
    """A broker behind a wire, with nothing resting and nothing broken."""
    yield any_wired
    any_wired.faults()
    any_wired.wire.next = None
    _tidy(any_wired)


def _tidy(stage: Stage) -> None:
    async def main() -> None:
        for order in [each for each in stage.core.orders.values() if each.status.working]:
            if isinstance(stage, WiredStage):
                stage.floor.call(_cancel(stage, order.exchange_id))
            else:
                stage.core.cancel(order.exchange_id)
        await stage.step()

    stage.run(main())
    assert not [each for each in stage.core.orders.values() if each.status not in _ENDED]
    stage.reports.clear()


async def _cancel(stage: WiredStage, exchange_id: str) -> None:
    stage.core.cancel(exchange_id)


_ENDED = frozenset(status for status in OrderStatus if status.terminal)


@pytest.fixture(autouse=True)
def nothing_secret_is_said(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Every token of the suite is a canary: it must not sing in a log line of any level, nor on the terminal."""
    caplog.set_level(logging.DEBUG)
    yield
    printed = capfd.readouterr()
    for where, text in (("the log", caplog.text), ("stdout", printed.out), ("stderr", printed.err)):
        assert CANARY not in text, f"a secret is in {where}: {text[max(0, text.index(CANARY) - 200) :][:400]}"
