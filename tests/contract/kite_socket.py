"""A ticker of our own for the tests of Kite's sockets, and a desk that listens to it."""

import asyncio
import json
import struct
from contextlib import asynccontextmanager

from websockets.asyncio.server import serve

from saudagar.brokers.kite.client import KiteSettings
from saudagar.brokers.kite.feed import KiteFeed
from saudagar.brokers.supervisor import Watch
from saudagar.execution.ports import LinkState
from saudagar.model import Instrument, InstrumentKind, Segment

TOKEN, KEY = "CANARY-TOKEN", "CANARY-KEY"
NOW = 1_795_146_300
QUICK = Watch(silence=0, stale=0, back_off=0.02, longest=0.1)
HEARTBEAT = b"\x00"


def share(number: int, code: int = 1) -> Instrument:
    return Instrument(
        segment=Segment.NSE_EQ,
        symbol=f"S{number}",
        kind=InstrumentKind.EQUITY,
        tick_size=5,
        kite_id=str((number + 1) * 256 + code),
        kite_symbol=f"S{number}",
    )


SHARES = [share(number) for number in range(3)]
TOKENS = [int(each.kite_id) for each in SHARES]


def frame(price: int = 10_005, now: int = NOW, tokens=TOKENS) -> bytes:
    packets = [
        struct.pack(">16I" + "IIHxx" * 10, token, price, 1, 1, 7, *([0] * 6), now - 1, 0, 0, 0, now, *([0] * 30))
        for token in tokens
    ]
    return struct.pack(">H", len(packets)) + b"".join(struct.pack(">H", len(each)) + each for each in packets)


def order_text(**changes) -> str:
    row = {
        "order_id": "77",
        "status": "COMPLETE",
        "tag": "D1",
        "variety": "regular",
        "order_type": "LIMIT",
        "quantity": 5,
        "filled_quantity": 5,
        "average_price": 100.05,
        "price": 101,
        "instrument_token": TOKENS[0],
        "transaction_type": "BUY",
        "product": "MIS",
        "order_timestamp": "2026-11-20 09:15:01",
    }
    return json.dumps({"type": "order", "id": "", "data": row | changes})


class Desk:
    def __init__(self, settings: KiteSettings, watch: Watch, depth: bool = False) -> None:
        self.feed = KiteFeed(settings, watch, depth=depth)
        self.frames, self.links = [], []

    async def start(self, instruments=SHARES) -> None:
        await self.feed.start(instruments, self.frames.append, lambda s: self.links.append((s.state, s.detail)))

    def times(self, state: LinkState) -> int:
        return [each for each, _ in self.links].count(state)

    async def until(self, condition, seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  conditions on lists have no event
                await asyncio.sleep(0.01)


@asynccontextmanager
async def server_at(handler, scheme="ws", **options):
    async with serve(handler, "127.0.0.1", 0, close_timeout=0.1, **options) as server:
        yield KiteSettings(
            api_key=KEY, token=TOKEN, ticker_url=f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        )


@asynccontextmanager
async def desk_at(handler, watch: Watch = QUICK, instruments=SHARES, **options):
    async with server_at(handler, **options) as settings:
        desk = Desk(settings, watch)
        await desk.start(instruments)
        try:
            yield desk
        finally:
            await desk.feed.stop()
