"""`UpstoxDepth` through the real streamer in its child process: thirty simulated levels, and frames of all kinds."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from tests.contract.conftest import IDEA, NIFTY, RELIANCE
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as pb
from websockets.asyncio.server import serve

from saudagar.brokers.supervisor import Watch
from saudagar.brokers.upstox.depth import MOST, UpstoxDepth
from saudagar.brokers.upstox.feed import UpstoxSettings
from saudagar.exchange.process import Account
from saudagar.execution.ports import LinkState
from saudagar.model import Depth, DepthLevel, Instrument, InstrumentKind, Segment
from saudagar.model.errors import DataError, Unsupported

QUICK = Watch(silence=0, stale=0, back_off=0.02, longest=0.1)
CANARY = "CANARY-TOKEN"
NOW = 1_795_060_500_123


class Desk:
    """A depth client, and what it heard."""

    def __init__(self, url, token):
        self.client = UpstoxDepth(UpstoxSettings(token=token, feed_url=url), QUICK)
        self.depths, self.links = [], []
        self.changed = asyncio.Event()

    def heard(self, into, what):
        into.append(what)
        self.changed.set()

    async def start(self, instruments):
        await self.client.start(
            instruments,
            lambda depth: self.heard(self.depths, depth),
            lambda link: self.heard(self.links, link),
        )

    async def until(self, condition, seconds=20.0):
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def last(self, instrument):
        return next((each for each in reversed(self.depths) if each.instrument == instrument.id), None)

    def times(self, state):
        return sum(link.state is state for link in self.links)


@asynccontextmanager
async def desk_at(url, instruments, token=CANARY):
    desk = Desk(url, token)
    await desk.start(instruments)
    try:
        yield desk
    finally:
        await desk.client.stop()


def expected(levels, step):
    """The five that the market shows, and one per tick below them, as large as the last."""
    rows = list(levels)
    while len(rows) < 30 and rows[-1][0] + step > 0:
        rows.append((rows[-1][0] + step, rows[-1][1]))
    return tuple(DepthLevel(price, quantity, 0) for price, quantity in rows)


def test_thirty_levels_each_way_and_again_after_a_drop(scripted_market):
    market = scripted_market()
    exchange = market.exchange
    url = f"ws://127.0.0.1:{exchange.ports.upstox}/v3/feed/market-data-feed"

    async def main():
        async with desk_at(url, [RELIANCE, IDEA], Account().upstox_token) as desk:
            await desk.until(lambda: desk.last(RELIANCE) and desk.last(IDEA))
            for instrument in (RELIANCE, IDEA):
                tick, step = exchange.tape.lines[instrument.id].tick, instrument.tick_size
                depth = desk.last(instrument)
                assert (depth.bids, depth.asks) == (expected(tick.bids, -step), expected(tick.asks, step))
                assert (len(depth.bids), len(depth.asks)) == (30, 30)
                assert depth.ts == exchange.tape.now
            before = len(desk.depths)  # before the link is up again: its first books may come along with the news
            await asyncio.to_thread(lambda: market.call(hang_up(exchange)))
            await desk.until(lambda: desk.times(LinkState.UP) == 2)
            await desk.until(lambda: {each.instrument for each in desk.depths[before:]} == {RELIANCE.id, IDEA.id})
            await asyncio.to_thread(market.step)
            now = exchange.tape.now
            await desk.until(lambda: desk.depths[-1].ts == now)
            assert desk.client.refusals == {}

    asyncio.run(main())


async def hang_up(exchange):
    exchange.feed.disconnect()


def test_a_refused_token_is_told_and_not_tried_again(scripted_market):
    market = scripted_market()
    url = f"ws://127.0.0.1:{market.exchange.ports.upstox}/v3/feed/market-data-feed"

    async def main():
        async with desk_at(url, [RELIANCE]) as desk:
            await desk.until(lambda: desk.times(LinkState.AUTH) == 1)
            assert desk.client.stream.restarts == 0
            assert CANARY not in repr(desk.links)

    asyncio.run(main())


def frame(kind=1, now=NOW, **feeds):
    message = pb.FeedResponse(type=kind, currentTs=now)
    for name, quotes in feeds.items():
        key = {"reliance": RELIANCE.upstox_id, "idea": IDEA.upstox_id, "other": "NSE_EQ|OTHER"}[name]
        level = message.feeds[key].fullFeed.marketFF.marketLevel
        level.SetInParent()  # a book without a level is one
        for bid, bid_quantity, ask, ask_quantity in quotes:
            level.bidAskQuote.add(bidP=bid, bidQ=bid_quantity, askP=ask, askQ=ask_quantity)
    return message.SerializeToString()


def bare(key):
    message = pb.FeedResponse(type=1, currentTs=NOW)
    message.feeds[key].ltpc.ltp = 1.0
    return message.SerializeToString()


def test_bad_frames_and_levels_are_left_out_and_the_stream_lives_on():
    nan = float("nan")
    asked = []

    async def handler(ws):
        asked.append(json.loads(await ws.recv()))
        await ws.send(frame(kind=2))  # a market status
        for bad in (b"\xff\xff garbage", "text", frame(now=0), frame(now=-5), bare(IDEA.upstox_id)):
            await ws.send(bad)
        await ws.send(frame(other=[(1.0, 1, 1.1, 1)]))
        await ws.send(frame(reliance=[(nan, 5, 10.0, -1), (0.0, 5, -3.0, 2), (1e12, 1, 9.95, 0), (9.9, 3, 10.05, 4)]))
        await ws.send(frame(idea=[(9.9, 3, 0, 0)], reliance=[]))
        await ws.wait_closed()

    async def main():
        async with serve(handler, "127.0.0.1", 0, close_timeout=0.1) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v3/feed/market-data-feed"
            async with desk_at(url, [RELIANCE, IDEA]) as desk:
                await desk.until(lambda: len(desk.depths) == 3)
                ts = NOW * 1_000_000
                assert desk.depths == [
                    Depth(RELIANCE.id, ts, (DepthLevel(990, 3, 0),), (DepthLevel(1005, 4, 0),)),
                    Depth(RELIANCE.id, ts),
                    Depth(IDEA.id, ts, (DepthLevel(990, 3, 0),)),
                ]
                assert desk.client.refusals == {"bad frame": 4, "no book": 1, "unknown instrument": 1}
                assert desk.times(LinkState.UP) == 1

    asyncio.run(main())
    [request] = asked
    assert (request["method"], request["data"]["mode"]) == ("sub", "full_d30")
    assert set(request["data"]["instrumentKeys"]) == {RELIANCE.upstox_id, IDEA.upstox_id}


def share(number):
    return Instrument(
        segment=Segment.NSE_EQ,
        symbol=f"S{number}",
        kind=InstrumentKind.EQUITY,
        tick_size=5,
        upstox_id=f"NSE_EQ|{number}",
    )


@pytest.mark.parametrize(
    ("instruments", "kind"),
    [
        ([NIFTY], Unsupported),
        ([share(number) for number in range(MOST + 1)], Unsupported),
        ([RELIANCE, RELIANCE], DataError),
        ([Instrument(segment=Segment.NSE_EQ, symbol="NEW", kind=InstrumentKind.EQUITY, tick_size=5)], DataError),
    ],
)
def test_what_cannot_be_watched_is_refused_before_the_wire(instruments, kind):
    desk = Desk("ws://127.0.0.1:9", CANARY)
    with pytest.raises(kind):
        asyncio.run(desk.start(instruments))
    assert desk.client.stream is None
