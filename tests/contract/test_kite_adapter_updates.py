"""Order updates over Kite's ticker, through the real SDK in its child process."""

import asyncio
import datetime
import json
import threading
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from tests.contract.kite_socket import HEARTBEAT, QUICK, SHARES, TOKEN, Desk, desk_at, order_text, server_at

from saudagar.brokers.kite import feed as feed_module
from saudagar.brokers.kite.broker import KiteBroker
from saudagar.execution.ports import LinkState
from saudagar.market.master import Master
from saudagar.model import OrderStatus

pytestmark = pytest.mark.children_unmeasured


@asynccontextmanager
async def broker_at(handler, *, shared: bool):
    async with server_at(handler) as settings:
        desk = Desk(settings, QUICK)
        lookup = Master(datetime.date(2026, 11, 20), tuple(SHARES))
        broker = KiteBroker(settings, lookup, feed=desk.feed if shared else None, watch=QUICK)
        reports, links, counts = [], [], []
        broker.on_update_count = counts.append
        await broker.start(reports.append, links.append)
        if shared:
            await desk.start()
        try:
            yield desk, broker, reports, links, counts
        finally:
            await desk.feed.stop()
            await broker.stop()


@pytest.mark.parametrize("shared", [False, True])
def test_order_updates_come_over_the_ticker(shared):
    asked = []

    async def handler(ws):
        if shared:
            asked.append([json.loads(await ws.recv()), json.loads(await ws.recv())])
        await ws.send(HEARTBEAT)
        await ws.send(order_text())
        await ws.send('{"type":"message","data":"maintenance tonight"}')
        await ws.send(order_text(status="DANCING"))
        await ws.send(order_text()[:40])
        await ws.send('{"type":"order"}')
        await ws.send("[]")
        await ws.send(order_text(tag=None, order_id="88", variety="co"))
        await ws.wait_closed()

    async def main():
        async with broker_at(handler, shared=shared) as (desk, broker, reports, links, counts):
            await desk.until(lambda: len(reports) == 3)
            mine, odd, other = reports
            assert (mine.order_id, mine.status, mine.filled) == ("D1", OrderStatus.FILLED, 5)
            assert (odd.order_id, odd.status) == ("D1", OrderStatus.UNKNOWN)  # never taken for an end
            assert (other.order_id, other.broker_id) == ("", "88")
            assert broker.refusals == {"bad order update": 3}
            assert counts == [1, 2, 3, 4, 5, 6]
            assert [(each.link, each.state) for each in links] == [("kite orders", LinkState.UP)]
            assert broker._variety["88"] == "co"

    asyncio.run(main())
    assert bool(asked) is shared


def test_each_connection_counts_its_own_updates_and_more_sockets_do_not_double_them(monkeypatch):
    monkeypatch.setattr(feed_module, "TOKENS", 2)
    sockets = []

    async def handler(ws):
        sockets.append(ws)
        await ws.recv()
        await ws.recv()
        await ws.wait_closed()

    async def main():
        async with broker_at(handler, shared=True) as (desk, broker, reports, links, _):
            await desk.until(lambda: len(sockets) == 2)
            for ws in sockets:  # Kite sends every update to every socket
                await ws.send(order_text())
            await desk.until(lambda: reports)
            await asyncio.sleep(0.1)
            assert (len(reports), broker.updates_received) == (1, 1)
            sockets[0].transport.abort()
            await desk.until(lambda: len(sockets) == 3 and len(links) == 3)
            assert broker.updates_received == 0
            await sockets[2].send(order_text())
            await desk.until(lambda: broker.updates_received == 1)

    asyncio.run(main())


def test_a_new_token_connects_anew():
    paths = []

    async def handler(ws):
        paths.append(ws.request.path)
        await ws.wait_closed()

    async def main():
        async with broker_at(handler, shared=True) as (desk, _, _, links, _):
            await desk.feed.renew("SECOND")
            await desk.until(lambda: len(paths) == 2)
            assert Counter(each.state for each in links)[LinkState.UP] >= 1

    asyncio.run(main())
    assert [path.rpartition("=")[2] for path in paths] == [TOKEN, "SECOND"]


def test_the_desk_s_end_ends_the_child():
    gone = threading.Event()

    async def handler(ws):
        await ws.wait_closed()
        gone.set()

    async def main():
        async with desk_at(handler) as desk:
            assert desk.times(LinkState.UP) == 1

    asyncio.run(main())
    assert gone.wait(30)
