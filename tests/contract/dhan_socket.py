"""A feed of our own for the tests of Dhan's market socket, and a desk that listens to it."""

import asyncio
import json
import struct
from contextlib import asynccontextmanager

from websockets.asyncio.server import serve

from saudagar.brokers.dhan.feed import DhanFeed, DhanFeedSettings
from saudagar.brokers.supervisor import Watch
from saudagar.model import Instrument, InstrumentKind, Segment

TOKEN = "CANARY-TOKEN"
UTC = 1_795_146_300  # 2026-11-20 09:15:00 IST
QUICK = Watch(silence=0, stale=0, back_off=0.02, longest=0.1)


def share(number: int) -> Instrument:
    return Instrument(
        segment=Segment.NSE_EQ, symbol=f"S{number}", kind=InstrumentKind.EQUITY, tick_size=5, dhan_id=str(number)
    )


SHARES = [share(number) for number in range(1, 4)]


def packet(number: int = 1, price: float = 100.05, second: int = 0) -> bytes:
    return struct.pack("<BHBIfI", 2, 16, 1, number, price, UTC + second + 19_800)


def goodbye(reason: int) -> bytes:
    return struct.pack("<BHBIH", 50, 10, 0, 0, reason)


class Desk:
    def __init__(self, feed: DhanFeed) -> None:
        self.feed = feed
        self.frames, self.links = [], []

    async def start(self, instruments) -> None:
        await self.feed.start(instruments, self.frames.append, self.links.append)

    @property
    def states(self):
        return [link.state for link in self.links]

    async def until(self, condition, seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  conditions on lists have no event
                await asyncio.sleep(0.01)


@asynccontextmanager
async def desk_at(handler, watch: Watch = QUICK, instruments=SHARES, settings=None, **options):
    async with serve(handler, "127.0.0.1", 0, close_timeout=0.1, **options) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/feed"
        desk = Desk(
            DhanFeed(DhanFeedSettings(client_id="1000000001", token=TOKEN, feed_url=url, **(settings or {})), watch)
        )
        await desk.start(instruments)
        try:
            yield desk
        finally:
            await desk.feed.stop()


async def asked(ws, count: int) -> list[tuple[int, str, str]]:
    """What a client subscribes to until it has named `count` instruments."""
    wanted: list[tuple[int, str, str]] = []
    while len(wanted) < count:
        message = json.loads(await ws.recv())
        assert message["InstrumentCount"] == len(message["InstrumentList"]) <= 100
        wanted += [
            (message["RequestCode"], each["ExchangeSegment"], each["SecurityId"]) for each in message["InstrumentList"]
        ]
    return wanted
