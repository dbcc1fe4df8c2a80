"""The stage of these tests itself: one step is one step, whatever happens while the market is looked at."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from tests.contract.conftest import Market, ScriptedDay
from tests.contract.suite.floor import Floor
from tests.contract.suite.market import CalledDay


class SlipperyTape:
    """The tape of an exchange; under whoever reads its clock from outside of its loop the market moves on."""

    def __init__(self, served: Any) -> None:
        self._served, self._tape = served, served.exchange.tape
        self._outside = threading.get_ident()

    @property
    def now(self) -> int:
        if threading.get_ident() == self._outside:
            served, was = self._served, self._tape.now
            served.call(served.pace.ack(was, 0))  # one that was still on its way
            served.wait(lambda: self._tape.now > was)
        return int(self._tape.now)


async def quiet(served: Any, sent: int) -> None:
    """Every acknowledgement has come, and the market has gone as far as they let it."""
    async with asyncio.timeout(20):
        while served.exchange.pacer.acks < sent:  # noqa: ASYNC110  counted, not told
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)


@pytest.mark.parametrize(("make", "day"), [(Market, ScriptedDay), (Floor, CalledDay)])
def test_a_step_is_one_step_though_the_market_moves_while_it_is_looked_at(make, day):
    served = make(day())
    try:
        sent, ack = [], served.pace.ack
        served.pace.ack = lambda *told: sent.append(told) or ack(*told)
        served.exchange.tape = SlipperyTape(served)
        before = served.exchange.steps
        served.step()
        served.call(quiet(served, len(sent)))
        assert served.exchange.steps == before + 1
    finally:
        served.close()
