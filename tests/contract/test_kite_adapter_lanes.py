"""How Kite's requests go out: their order, their pace, a new token, and no secret told."""

import asyncio
import logging
import sys

import pytest
from tests.contract.asked import TOKEN
from tests.contract.kite_desk import KEY, YES, error, kite_server, new_order, ok, on_broker, placed, settings_of

from saudagar.brokers.governor import Governor, Window
from saudagar.brokers.kite.client import LIMITS
from saudagar.model import (
    MINUTE,
    ClientOrderId,
    Purpose,
)
from saudagar.model.errors import (
    AuthError,
    OutcomeUnknown,
    RateLimited,
)


@pytest.fixture
def server():
    with kite_server() as server:
        yield server


def test_one_connection_for_writes_one_for_reads(server):
    server.answer = lambda method, path, body: ok([]) if method == "GET" else YES

    async def work(broker):
        for _ in range(5):
            await broker.submit(new_order())
            await broker.orders()

    on_broker(server, work)
    assert server.connections == 2


def test_writes_are_carried_out_in_the_order_of_the_calls(server):
    async def work(broker):
        await asyncio.gather(*(broker.submit(new_order(order_id=ClientOrderId(f"D{n:05}"))) for n in range(30)))

    on_broker(server, work)
    assert [fields["tag"] for _, _, fields in server.requests] == [f"D{n:05}" for n in range(30)]


def test_exits_and_cancels_overtake_entries(server):
    """Twelve entries at once; then an exit and a cancel. Kite sees eight entries, then these."""

    async def work(broker):
        entries = [
            asyncio.ensure_future(broker.submit(new_order(order_id=ClientOrderId(f"E{n:02}")))) for n in range(12)
        ]
        await asyncio.sleep(0.3)
        exit_ = new_order(order_id=ClientOrderId("X"), purpose=Purpose.EXIT)
        stop = placed(new_order(purpose=Purpose.STOP))
        ends = await asyncio.gather(broker.submit(exit_), broker.cancel(placed()), return_exceptions=True)
        assert not any(isinstance(end, BaseException) for end in ends)
        late = asyncio.ensure_future(broker.modify(stop, stop.terms))
        await asyncio.sleep(0)
        await asyncio.gather(late, *entries)

    on_broker(server, work, governor=Governor(LIMITS))
    names = [fields.get("tag", method) for method, _, fields in server.requests]
    assert names[:10] == [f"E{n:02}" for n in range(8)] + ["X", "DELETE"]
    assert names.index("PUT") < names.index("E08")
    assert len(names) == 15


def test_a_governor_without_room_sends_nothing(server):
    async def work(broker):
        ends = await asyncio.gather(
            *(broker.submit(new_order(order_id=ClientOrderId(f"E{n:02}"))) for n in range(12)), return_exceptions=True
        )
        assert [type(end) for end in ends[8:]] == [RateLimited] * 4

    on_broker(server, work, governor=Governor((Window(MINUTE, 10),), patience=0.3))
    assert len(server.requests) == 8


def test_a_new_token_is_taken_although_nobody_says_what_it_is_worth(server):
    """Upstox's funds are not told at night, and any question may be lost: the stream must come back all the same."""
    told = []

    async def work(broker):
        broker._told = (lambda report: None, told.append)
        await broker.renew("SECOND-TOKEN")

    for answer in (error(503, "NetworkException"), error(429, "NetworkException"), "reset", error(400, "X")):
        server.answer = lambda *_, answer=answer: answer
        told.clear()
        on_broker(server, work)
        assert [(status.state, status.link) for status in told] == [("UP", "orders")]


def test_a_new_token_is_taken_in_mid_session(server):
    told = []

    async def work(broker):
        broker._told = (lambda report: None, told.append)
        await broker.renew("SECOND-TOKEN")
        await broker.submit(new_order())
        server.answer = lambda method, path, body: error(403, "TokenException", "no: THIRD-TOKEN")
        with pytest.raises(AuthError):
            await broker.renew("THIRD-TOKEN")

    server.answer = lambda method, path, body: ok({"equity": {"net": 1}}) if method == "GET" else YES
    on_broker(server, work)
    assert [status.link for status in told] == ["orders"]  # not for the token that was refused
    assert f"Authorization: token {KEY}:{TOKEN}" not in server.headers
    assert f"Authorization: token {KEY}:SECOND-TOKEN" in server.headers


def test_no_secret_is_told(server, caplog):
    caplog.set_level(logging.DEBUG)
    server.answer = lambda method, path, body: None
    settings = settings_of(server)
    with pytest.raises(OutcomeUnknown) as caught:
        on_broker(server, lambda broker: broker.submit(new_order()))
    for text in (caplog.text, str(caught.value), repr(settings)):
        assert TOKEN not in text
        assert KEY not in text


def test_a_secret_in_a_fault_is_struck_out(server):
    def break_(kite):
        raise ValueError(f"bad header {kite.api_key}:{kite.access_token}")

    with pytest.raises(OutcomeUnknown, match="bad header") as caught:
        on_broker(server, lambda broker: broker._lanes.write("order", break_, urgent=False))
    assert TOKEN not in str(caught.value)
    assert KEY not in str(caught.value)


def test_rest_needs_no_reactor(server):
    """The SDK's package loads Twisted's reactor; the desk's own process has no use for it."""
    import subprocess

    code = (
        "from saudagar.brokers.kite import broker, client, feed; import sys\n"
        "assert not any(name.startswith(('kiteconnect', 'requests', 'twisted', 'numpy')) for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)
