"""`DhanDepth`: the real SDK's `FullDepth` in its child processes, against the simulated exchange and a small server."""

import asyncio
import http
import json
import struct
import threading
from contextlib import asynccontextmanager

import pytest
from dhanhq import DhanContext, FullDepth
from tests.contract.conftest import IDEA, NIFTY, RELIANCE
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import serve

from saudagar.brokers.dhan.depth import DhanDepth, DhanFeedSettings
from saudagar.brokers.supervisor import Watch
from saudagar.execution.ports import LinkState
from saudagar.model import Instrument, InstrumentKind, Segment
from saudagar.model.errors import DataError, Unsupported

TOKEN = "CANARY-TOKEN"
QUICK = Watch(silence=0, stale=0, back_off=0.02, longest=0.1)
UP, DOWN, AUTH = LinkState.UP, LinkState.DOWN, LinkState.AUTH


def shares(count: int) -> list[Instrument]:
    return [
        Instrument(segment=Segment.NSE_EQ, symbol=f"S{n}", kind=InstrumentKind.EQUITY, tick_size=5, dhan_id=str(n))
        for n in range(1, count + 1)
    ]


def packet(code: int, number: int, price: float) -> bytes:
    return struct.pack("<hBBiI", 28, code, 1, number, 0) + struct.pack("<dII", price, 100, 1)


def goodbye(reason: int) -> bytes:
    return struct.pack("<hBBiIH", 14, 50, 0, 0, reason, reason)


class Desk:
    def __init__(self, url: str, token: str = TOKEN, **options) -> None:
        settings = DhanFeedSettings(client_id="1000000001", token=token, feed_url=url)
        self.depth = DhanDepth(settings, QUICK, clock=lambda: 7, **options)
        self.books, self.links = [], []
        self._changed = asyncio.Event()

    async def start(self, instruments) -> None:
        await self.depth.start(instruments, self._book, self._link)

    def _book(self, book) -> None:
        self.books.append(book)
        self._changed.set()

    def _link(self, link) -> None:
        self.links.append(link)
        self._changed.set()

    @property
    def states(self):
        return [link.state for link in self.links]

    async def until(self, ready, seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not ready():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def desk_at(url: str, instruments, **options):
    desk = Desk(url, **options)
    try:
        await desk.start(instruments)
        yield desk
    finally:
        await desk.depth.stop()


@asynccontextmanager
async def served(handler, instruments, **options):
    async with serve(handler, "127.0.0.1", 0, close_timeout=0.1, **options) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/depth"
        async with desk_at(url, instruments) as desk:
            yield desk


def test_twenty_levels_of_the_simulated_exchange(scripted_market):
    market = scripted_market()
    account = market.exchange.config.account
    url = f"ws://127.0.0.1:{market.exchange.ports.dhan}/twentydepth"

    async def main():
        async with desk_at(url, [RELIANCE, IDEA], token=account.dhan_token) as desk:
            await desk.until(lambda: len(desk.books) == 2)
            book = next(each for each in desk.books if each.instrument == RELIANCE.id)
            assert (len(book.bids), len(book.asks), book.ts) == (20, 20, 7)
            assert (book.bids[0].price, book.bids[19].price) == (1_299_90, 1_298_00)
            assert (book.asks[0].price, book.asks[0].quantity, book.asks[0].orders) == (1_300_10, 100, 1)
            await asyncio.to_thread(market.step, 2)
            await desk.until(lambda: len(desk.books) >= 4)
            assert desk.depth.refusals == {}
            assert desk.states == [UP]

    asyncio.run(main())


def test_two_hundred_levels_of_the_simulated_exchange_each_on_its_own_socket(scripted_market):
    market = scripted_market()
    account = market.exchange.config.account
    url = f"ws://127.0.0.1:{market.exchange.ports.dhan}/twohundreddepth"

    async def main():
        async with desk_at(url, [RELIANCE, IDEA], token=account.dhan_token, levels=200) as desk:
            await desk.until(lambda: len(desk.books) == 2)
            assert {len(book.bids) for book in desk.books} == {200}
            assert {link.link for link in desk.links} == {"dhan depth", "dhan depth 2"}

    asyncio.run(main())


def test_sides_garbage_and_a_socket_that_breaks_with_the_same_set_after_it():
    heard = []

    async def handler(ws):
        heard.append((ws.request.path, json.loads(await ws.recv())))
        if len(heard) > 1:
            await ws.send(packet(51, 1, 100.1))
            await ws.wait_closed()
            return
        await ws.send(packet(41, 1, 100.0) + packet(41, 2, 50.0))
        await ws.send("a text")
        await ws.send(packet(51, 9, 1.0))

    async def main():
        async with served(handler, shares(2)) as desk:
            await desk.until(lambda: len(desk.books) == 3 and len(heard) == 2)
            first, _, last = desk.books
            assert (first.instrument, first.bids[0].price, first.asks) == ("NSE_EQ:S1", 100_00, ())
            assert last.asks[0].price == 100_10
            assert desk.depth.refusals == {"bad frame": 1, "unknown instrument": 1}
            assert desk.states[:3] == [UP, DOWN, UP]
        assert heard[0] == heard[1]

    asyncio.run(main())
    path, message = heard[0]
    assert path == f"/depth?token={TOKEN}&clientId=1000000001&authType=2"
    assert message == {
        "RequestCode": 23,
        "InstrumentCount": 2,
        "InstrumentList": [{"ExchangeSegment": "NSE_EQ", "SecurityId": str(number)} for number in (1, 2)],
    }


@pytest.mark.parametrize("reason", [807, 0])
def test_a_refused_token_is_not_tried_again(reason):  # D5
    calls = []

    def refuse(connection, request):
        calls.append(request.path)
        return None if reason else connection.respond(http.HTTPStatus.UNAUTHORIZED, f"not with {TOKEN}")

    async def handler(ws):
        await ws.recv()
        await ws.send(goodbye(reason))

    async def main():
        async with served(handler, shares(1), process_request=refuse) as desk:
            await desk.until(lambda: desk.states == [AUTH])
            await asyncio.wait({desk.depth.streams[0]._task}, timeout=10)
            assert desk.depth.streams[0]._task.done()
            assert TOKEN not in repr(desk.links)

    asyncio.run(main())
    assert len(calls) == 1


def test_too_many_sockets_is_tried_again():
    count = 0

    async def handler(ws):
        nonlocal count
        count += 1
        await ws.recv()
        if count == 1:
            await ws.send(goodbye(805))
        else:
            await ws.send(packet(41, 1, 1.0))
            await ws.wait_closed()

    async def main():
        async with served(handler, shares(1)) as desk:
            await desk.until(lambda: desk.books)
            assert (desk.states, count) == ([DOWN, UP], 2)
            assert "805" in desk.links[0].detail

    asyncio.run(main())


def test_another_set_is_another_connection():  # D8
    """The SDK cannot change a subscription: it dies on the library it uses. So the desk connects anew."""
    subscribed, left = [], threading.Event()

    async def handler(ws):
        subscribed.append([each["SecurityId"] for each in json.loads(await ws.recv())["InstrumentList"]])
        await ws.send(packet(41, 1, 1.0))
        await ws.wait_closed()
        left.set()

    async def main():
        async with served(handler, shares(51)) as desk:
            await desk.until(lambda: [len(ids) for ids in subscribed] == [50, 1])  # what a socket holds
            await desk.start([RELIANCE])
            assert await asyncio.to_thread(left.wait, 10)
            assert len(desk.depth.streams) == 1
            await desk.until(lambda: len(subscribed) == 3)

    asyncio.run(main())
    assert subscribed[2] == [RELIANCE.dhan_id]


def test_the_sdk_cannot_change_what_a_socket_is_subscribed_to():  # D8
    """The trap itself: should an SDK of a later day be free of it, sets could change without a new connection."""
    sdk = FullDepth(DhanContext("1", TOKEN), [(1, "1")])
    asyncio.set_event_loop(None)
    sdk.loop.close()
    sdk.ws = ClientConnection.__new__(ClientConnection)
    with pytest.raises(AttributeError, match="closed"):
        sdk.subscribe_symbols([(1, "2")])
    del sdk.ws


def test_what_dhan_has_no_depth_of():
    depth = DhanDepth(DhanFeedSettings(client_id="1", token=TOKEN), levels=20, clock=lambda: 7)

    async def refused(client, instruments, kind, words):
        with pytest.raises(kind, match=words):
            await client.start(instruments, print, print)
        assert client.streams == []

    async def main():
        await refused(depth, [NIFTY], Unsupported, "NSE's shares and derivatives")
        await refused(depth, shares(251), Unsupported, "250 instruments at 20 levels")
        await refused(depth, [RELIANCE, RELIANCE], DataError, "twice")
        deep = DhanDepth(DhanFeedSettings(client_id="1", token=TOKEN), levels=200, clock=lambda: 7)
        await refused(deep, shares(6), Unsupported, "5 instruments at 200 levels")

    asyncio.run(main())
    with pytest.raises(Unsupported, match="no depth of 50 levels"):
        DhanDepth(DhanFeedSettings(client_id="1", token=TOKEN), levels=50, clock=lambda: 7)
