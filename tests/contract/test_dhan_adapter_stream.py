"""Dhan's order-update stream: the real SDK in its child process, against a small WebSocket server."""

import asyncio
import json
import os
import sys

import pytest
from tests.contract.streaming import NOTHING, QUICK, streaming
from websockets.asyncio.server import serve

from saudagar.brokers.dhan.broker import DhanBroker, DhanSettings
from saudagar.brokers.supervisor import Watch
from saudagar.execution.ports import LinkState
from saudagar.model import OrderStatus

TOKEN = "CANARY-TOKEN"
ALERT = {
    "Exchange": "NSE",
    "Segment": "E",
    "SecurityId": "3045",
    "OrderNo": "52",
    "CorrelationId": "DEMO26112000001",
    "Status": "Part Traded",
    "TxnType": "B",
    "Product": "I",
    "OrderType": "LMT",
    "Quantity": 10,
    "TradedQty": 4,
    "Price": 812.35,
    "TradedPrice": 812.3,
    "AvgTradedPrice": 812.3,
    "LastUpdatedTime": "2026-11-20 09:15:01",
    "Symbol": "SBIN",
}


def alert(**changes) -> str:
    return json.dumps({"Type": "order_alert", "Data": ALERT | changes})


def desk_at(handler, watch: Watch = QUICK, **options):
    def made(port: int) -> DhanBroker:
        settings = DhanSettings(
            client_id="1000000001",
            token=TOKEN,
            rest_url="http://127.0.0.1:9/v2",
            order_feed_url=f"ws://127.0.0.1:{port}/order-update",
        )
        return DhanBroker(settings, NOTHING, watch=watch)

    return streaming(handler, made, **options)


def test_updates_arrive_whatever_the_case_of_their_keys_and_nothing_breaks_the_stream():
    logins, connections = [], []

    async def handler(ws):
        connections.append(ws)
        logins.append(json.loads(await ws.recv()))
        camel = {key[0].lower() + key[1:]: value for key, value in ALERT.items()}
        for message in (
            alert(),
            json.dumps({"type": "Order_Alert", "data": camel | {"status": "TRADED", "tradedQty": 10}}),
            alert()[:40],  # garbled
            "[]",
            json.dumps({"Type": "order_alert", "Data": None}),
            json.dumps({"Type": "order_alert", "Data": {"OrderNo": "", "Status": "Traded"}}),
            alert(Status="Whatever"),
            json.dumps({"Type": "greeting", "Data": {}}),
            alert(Status="Cancelled"),
        ):
            await ws.send(message)
        await ws.wait_closed()

    async def main():
        async with desk_at(handler) as desk:
            await desk.until(lambda: len(desk.reports) == 4)
            assert [(r.status, r.filled) for r in desk.reports] == [
                (OrderStatus.PARTIALLY_FILLED, 4),
                (OrderStatus.FILLED, 10),
                (OrderStatus.UNKNOWN, 4),
                (OrderStatus.CANCELLED, 4),
            ]
            assert {r.order_id for r in desk.reports} == {"DEMO26112000001"}
            assert desk.reports[0].last_price == 81_230
            assert desk.broker.refusals == {"bad order update": 4}
            assert desk.counts == [
                1,
                2,
                3,
                4,
                5,
                6,
                7,
                8,
            ]  # every order message counts, also a bad one; a greeting does not
            assert desk.broker.updates_received == 8
            assert [state for state, _ in desk.links] == [LinkState.UP]
        assert len(connections) == 1

    asyncio.run(main())
    assert logins == [{"LoginReq": {"MsgCode": 42, "ClientId": "1000000001", "Token": TOKEN}, "UserType": "SELF"}]


@pytest.mark.parametrize("how", ["abort", "close 1000", "close 1011"])
def test_a_lost_stream_logs_in_again_and_counts_from_nothing(how):  # D7: the SDK never reconnects
    logins = []

    async def handler(ws):
        logins.append(await ws.recv())
        await ws.send(alert(TradedQty=len(logins)))
        await asyncio.sleep(0.1)
        if how == "abort":
            ws.transport.abort()
        else:
            await ws.close(int(how.split()[1]))

    async def main():
        async with desk_at(handler) as desk:
            await desk.until(lambda: len(desk.reports) == 4)
            assert [state for state, _ in desk.links[:5]] == [LinkState.UP, LinkState.DOWN] * 2 + [LinkState.UP]
            assert desk.counts == [1, 1, 1, 1]

    asyncio.run(main())
    assert len(set(logins)) == 1


@pytest.mark.parametrize("how", ["http 401", "close 1008", "message 807"])
def test_a_refused_login_is_told_and_not_tried_again(how):
    logins = []

    async def handler(ws):
        logins.append(await ws.recv())
        if how == "message 807":
            await ws.send(json.dumps({"Type": "error", "code": 807, "message": f"Token expired {TOKEN}"}))
            await ws.wait_closed()
        await ws.close(1008, "login refused")

    def process_request(connection, request):
        logins.append("http")
        return connection.respond(401, "no")

    async def main():
        options = {"process_request": process_request} if how == "http 401" else {}
        async with desk_at(handler, **options) as desk:
            await desk.until(lambda: desk.states[-1:] == [LinkState.AUTH])
            await asyncio.sleep(0.3)
            assert TOKEN not in str(desk.links)

    asyncio.run(main())
    assert len(logins) == 1


def test_a_dead_peer_is_noticed_by_pings_and_a_quiet_one_is_left_alone():
    deaf: list[bool] = []

    async def handler(ws):
        await ws.recv()
        if deaf:
            ws.transport.pause_reading()  # the socket is open and nobody answers pings
        await ws.wait_closed()

    async def main():
        async with desk_at(handler, Watch(silence=0.8, stale=0, back_off=0.02, longest=0.1)) as desk:
            await asyncio.sleep(1.5)
            assert [state for state, _ in desk.links] == [LinkState.UP]
        deaf.append(True)
        async with desk_at(handler, Watch(silence=0.8, stale=0, back_off=0.02, longest=0.1)) as desk:
            await desk.until(lambda: len(desk.links) >= 2)
            assert desk.links[1][0] is LinkState.DOWN

    asyncio.run(main())


def test_the_child_prints_nothing_at_all():  # D7
    """The bare SDK prints its login message, token included; ours is run with its output caught."""

    async def handler(ws):
        await ws.recv()
        await ws.send(alert())
        await ws.send(json.dumps({"Type": "greeting"}))
        await ws.close()

    async def main():
        async with serve(handler, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            reader, writer = os.pipe()
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "saudagar.brokers.child", "saudagar.brokers.dhan.stream"),
                *(str(writer), str(os.getpid())),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(writer,),
            )
            os.close(writer)
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(json.dumps({"client_id": "1", "token": TOKEN, "url": url}).encode() + b"\n")
            output = await child.stdout.read()
            handed = os.read(reader, 1 << 16)
            os.close(reader)
            assert await child.wait() == 0
            child.stdin.close()
            return output, handed

    output, handed = asyncio.run(main())
    assert output == b""
    assert b"CorrelationId" in handed
    assert TOKEN.encode() not in handed
