"""`UpstoxBroker`'s order stream: the real SDK's streamer in its child process, against a small server."""

import asyncio
import http
import json

from tests.contract.streaming import NOTHING, QUICK, streaming

from saudagar.brokers.supervisor import Watch
from saudagar.brokers.upstox.broker import UpstoxBroker, UpstoxOrderSettings
from saudagar.execution.ports import LinkState
from saudagar.model import OrderStatus

TOKEN = "CANARY-TOKEN"
ROW = {
    "update_type": "order", "user_id": "U", "instrument_key": "NSE_EQ|X", "order_id": "52", "tag": "T1",
    "status": "open", "order_type": "LIMIT", "quantity": 10, "filled_quantity": 4, "price": 812.35, "product": "I",
    "transaction_type": "BUY", "average_price": 812.3, "order_timestamp": "2026-11-20 09:15:00",
}  # fmt: skip


def update(**changes) -> str:
    return json.dumps(ROW | changes)


def desk_at(handler, watch: Watch = QUICK, **options):
    def made(port: int) -> UpstoxBroker:
        settings = UpstoxOrderSettings(
            token=TOKEN,
            rest_host="http://127.0.0.1:9",
            order_stream_url=f"ws://127.0.0.1:{port}/v2/feed/portfolio-stream-feed",
        )
        return UpstoxBroker(settings, NOTHING, watch=watch)

    return streaming(handler, made, **options)


def test_updates_come_through_the_real_streamer_and_nothing_breaks_it():
    heard = []

    async def handler(ws):
        heard.append((ws.request.path, ws.request.headers["Authorization"]))
        for message in (
            update(),
            update(status="complete", filled_quantity=10).encode(),  # as a binary frame
            update()[:40],  # garbled
            "[]",
            update(status="sent to the moon"),
            update(order_id=None),
            update(update_type="position"),
            update(status="cancelled"),
        ):
            await ws.send(message)
        await ws.wait_closed()

    async def main():
        async with desk_at(handler) as desk:
            await desk.until(lambda: len(desk.counts) == 8)
            assert [(r.status, r.filled) for r in desk.reports] == [
                (OrderStatus.PARTIALLY_FILLED, 4),
                (OrderStatus.FILLED, 10),
                (OrderStatus.UNKNOWN, 4),
                (OrderStatus.CANCELLED, 4),
            ]
            assert {r.order_id for r in desk.reports} == {"T1"}
            assert desk.broker.refusals == {"bad order update": 3}
            assert desk.counts == [1, 2, 3, 4, 5, 6, 7, 8]  # every message counts, also a bad one
            assert desk.states == [LinkState.UP]

    asyncio.run(main())
    assert heard == [("/v2/feed/portfolio-stream-feed?update_types=order", f"Bearer {TOKEN}")]


def test_the_redirect_to_an_address_that_works_once_is_followed():
    async def handler(ws):
        await ws.send(update())
        await ws.wait_closed()

    def redirect(connection, request):
        if request.path.startswith("/v2"):
            answer = connection.respond(http.HTTPStatus.FOUND, "")
            port = connection.local_address[1]
            answer.headers["Location"] = f"ws://127.0.0.1:{port}/once?code=1"
            return answer
        return None

    async def main():
        async with desk_at(handler, process_request=redirect) as desk:
            await desk.until(lambda: desk.reports)

    asyncio.run(main())


def test_a_lost_stream_comes_back_and_its_count_begins_anew():
    async def handler(ws):
        await ws.send(update())
        await asyncio.sleep(0.05)

    async def main():
        async with desk_at(handler) as desk:
            await desk.until(lambda: len(desk.counts) >= 3)
            assert set(desk.counts) == {1}
            assert desk.states[:3] == [LinkState.UP, LinkState.DOWN, LinkState.UP]

    asyncio.run(main())


def test_a_refused_token_stops_it_and_a_new_one_starts_it_again():
    tries = []

    def door(connection, request):
        tries.append(request.headers["Authorization"])
        if request.headers["Authorization"] == "Bearer FRESH":
            return None
        return connection.respond(http.HTTPStatus.UNAUTHORIZED, "no")

    async def handler(ws):
        await ws.send(update())
        await ws.wait_closed()

    async def main():
        async with desk_at(handler, process_request=door) as desk:
            await desk.until(lambda: desk.states == [LinkState.AUTH])
            await asyncio.sleep(0.3)
            assert tries == [f"Bearer {TOKEN}"]  # no second try with a token that was refused
            assert TOKEN not in str(desk.links)

            async def good() -> None:
                return None

            desk.broker.funds = good  # no REST side here
            await desk.broker.renew("FRESH")
            await desk.until(lambda: desk.reports)
            assert desk.states == [LinkState.AUTH, LinkState.UP, LinkState.UP]  # the stream, and the orders

    asyncio.run(main())


def test_a_dead_silent_socket_is_noticed_and_a_quiet_one_is_left_alone():
    async def handler(ws):
        if len(seen) == 0:
            seen.append(ws)
            ws.transport.pause_reading()  # pings are never answered
            await asyncio.sleep(5)
        else:
            seen.append(ws)
            await ws.wait_closed()

    seen: list[object] = []

    async def main():
        watch = Watch(silence=1.0, stale=0, back_off=0.02, longest=0.1)
        async with desk_at(handler, watch) as desk:
            await desk.until(lambda: desk.states == [LinkState.UP, LinkState.DOWN, LinkState.UP])
            await asyncio.sleep(1.5)
            assert len(desk.states) == 3

    asyncio.run(main())
