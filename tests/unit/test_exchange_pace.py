"""Who waits for whom, without sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

import pytest

from saudagar.exchange.pace import Ack, PaceClient, Pacer
from saudagar.model import SECOND
from saudagar.model.errors import BrokerError


class Sent:
    """How many messages the order socket was sent, as the pacer asks."""

    count: int | None = 0

    def __call__(self) -> int | None:
        return self.count


async def is_blocked(work: Awaitable[None]) -> bool:
    task = asyncio.ensure_future(work)
    for _ in range(5):
        await asyncio.sleep(0)
    blocked = not task.done()
    task.cancel()
    return blocked


def test_without_a_desk_time_stands_still() -> None:
    async def run() -> None:
        pacer = Pacer(lockstep=True, speed=0, sent=Sent())
        assert await is_blocked(pacer.before(1))
        waiting = asyncio.create_task(pacer.before(1))
        await asyncio.sleep(0)
        pacer.attach()
        await waiting
        pacer.detach()
        assert await is_blocked(pacer.before(2))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("ack", "sent", "ts", "goes_on"),
    [
        (None, 0, 5, False),  # nothing said yet
        (Ack(5, 0), 0, 5, True),
        (Ack(4, 0), 0, 5, False),  # not this frame
        (Ack(6, 0), 0, 5, False),
        (Ack(5, 1), 2, 5, False),  # a message is under way
        (Ack(5, 2), 2, 5, True),
        (Ack(4, 2), 2, None, True),  # before the frame only the messages count
        (Ack(4, 1), 2, None, False),
        (Ack(5, 7), None, 5, True),  # no order socket: nothing was sent on it
    ],
)
def test_when_the_market_goes_on(ack: Ack | None, sent: int | None, ts: int | None, goes_on: bool) -> None:
    async def run() -> None:
        count = Sent()
        count.count = sent
        pacer = Pacer(lockstep=True, speed=0, sent=count)
        pacer.attach()
        if ack is not None:
            pacer.acknowledge(ack)
        assert await is_blocked(pacer.settle(ts)) is not goes_on

    asyncio.run(run())


def test_every_ack_and_every_change_of_sockets_is_looked_at() -> None:
    async def run() -> None:
        sent = Sent()
        pacer = Pacer(lockstep=True, speed=0, sent=sent)
        pacer.attach()
        waiting = asyncio.create_task(pacer.settle(5))
        await asyncio.sleep(0)
        pacer.acknowledge(Ack(4, 0))
        sent.count = 1
        pacer.acknowledge(Ack(5, 0))  # sent before the message arrived
        await asyncio.sleep(0)
        assert not waiting.done()
        pacer.acknowledge(Ack(5, 1))
        await waiting
        waiting = asyncio.create_task(pacer.settle(6))
        await asyncio.sleep(0)
        sent.count = 2
        pacer.acknowledge(Ack(6, 1))
        sent.count = None  # the socket broke with the message
        pacer.look()
        await waiting

    asyncio.run(run())


def test_a_new_desk_does_not_inherit_an_ack() -> None:
    async def run() -> None:
        pacer = Pacer(lockstep=True, speed=0, sent=Sent())
        pacer.attach()
        pacer.acknowledge(Ack(5, 0))
        pacer.detach()
        pacer.attach()
        assert await is_blocked(pacer.settle(5))

    asyncio.run(run())


def test_without_lock_step_the_wall_clock_holds_the_market() -> None:
    async def run() -> float:
        pacer = Pacer(lockstep=False, speed=100, sent=Sent())
        begun = time.monotonic()
        for second in range(6):
            await pacer.before(second * SECOND)
            await pacer.settle(second * SECOND)  # asks nobody
        return time.monotonic() - begun

    assert asyncio.run(run()) >= 0.045


def test_speed_zero_holds_nothing_back() -> None:
    async def run() -> None:
        pacer = Pacer(lockstep=False, speed=0, sent=Sent())
        async with asyncio.timeout(30):
            for second in range(1000):
                await pacer.before(second * 3600 * SECOND)

    asyncio.run(run())


def test_a_client_with_no_exchange_says_so() -> None:
    with pytest.raises(BrokerError, match="no simulated exchange answers at ws:"):
        asyncio.run(PaceClient.connect("ws://127.0.0.1:9/pace"))
