"""The real clients of the three brokers, pointed at a floor: orders and ticks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from tests.contract.suite.floor import Floor, token_of
from tests.contract.suite.market import Lookup

from saudagar.brokers.dhan.broker import DhanBroker, DhanSettings
from saudagar.brokers.dhan.feed import DhanFeed, DhanFeedSettings
from saudagar.brokers.dhan.quotes import DhanQuotes
from saudagar.brokers.governor import Governor
from saudagar.brokers.kite.broker import KiteBroker
from saudagar.brokers.kite.client import KiteSettings
from saudagar.brokers.kite.feed import KiteFeed
from saudagar.brokers.kite.quotes import KiteQuotes
from saudagar.brokers.supervisor import Watch
from saudagar.brokers.upstox.broker import UpstoxBroker, UpstoxOrderSettings
from saudagar.brokers.upstox.feed import UpstoxFeed, UpstoxSettings
from saudagar.brokers.upstox.quotes import UpstoxQuotes
from saudagar.execution.account_ports import QuoteClient
from saudagar.execution.ports import DataClient, ExecutionClient, LinkState, LinkStatus
from saudagar.model import (
    Instrument,
    Tick,
    TickFrame,
)

QUICK = Watch(silence=0, stale=0, back_off=0.02, longest=0.1)


def client_of(
    name: str,
    floor: Floor,
    *,
    token: str,
    watch: Watch = QUICK,
    timeout: tuple[float, float] = (2.0, 2.0),
    governor: Governor | None = None,
) -> ExecutionClient:
    lookup, account = Lookup(floor.day.instruments), floor.account
    http, ws = (f"{scheme}://127.0.0.1:{floor.wires[name].port}" for scheme in ("http", "ws"))
    if name == "dhan":
        dhan = DhanSettings(
            client_id=account.client_id,
            token=token,
            rest_url=f"{http}/v2",
            order_feed_url=f"{ws}/order-update",
            timeout=timeout,
        )
        return DhanBroker(dhan, lookup, watch=watch, governor=governor)
    if name == "upstox":
        upstox = UpstoxOrderSettings(
            token=token,
            rest_host=http,
            order_stream_url=f"{ws}/v2/feed/portfolio-stream-feed",
            timeout=timeout,
        )
        return UpstoxBroker(upstox, lookup, watch=watch, governor=governor)
    kite = KiteSettings(api_key=account.kite_key, token=token, rest_url=http, ticker_url=ws, timeout=timeout)
    return KiteBroker(kite, lookup, watch=watch, governor=governor)


def feed_of(name: str, floor: Floor, watch: Watch = QUICK) -> DataClient:
    account, token = floor.account, token_of(name, floor)
    http, ws = (f"{scheme}://127.0.0.1:{floor.wires[name].port}" for scheme in ("http", "ws"))
    if name == "dhan":
        dhan = DhanFeedSettings(client_id=account.client_id, token=token, feed_url=f"{ws}/feed", rest_url=f"{http}/v2")
        return DhanFeed(dhan, watch)
    if name == "upstox":
        upstox = UpstoxSettings(token=token, feed_url=f"{ws}/v3/feed/market-data-feed", rest_host=http)
        return UpstoxFeed(upstox, watch)
    return KiteFeed(KiteSettings(api_key=account.kite_key, token=token, rest_url=http, ticker_url=ws), watch)


def quotes_of(name: str, floor: Floor) -> QuoteClient:
    account, token, lookup = floor.account, token_of(name, floor), Lookup(floor.day.instruments)
    http = f"http://127.0.0.1:{floor.wires[name].port}"
    if name == "dhan":
        return DhanQuotes(DhanFeedSettings(client_id=account.client_id, token=token, rest_url=f"{http}/v2"), lookup)
    if name == "upstox":
        return UpstoxQuotes(UpstoxOrderSettings(token=token, rest_host=http), lookup)
    return KiteQuotes(KiteSettings(api_key=account.kite_key, token=token, rest_url=http), lookup)


class Ticks:
    """What a feed told."""

    def __init__(self) -> None:
        self.frames: list[TickFrame] = []
        self.links: list[LinkStatus] = []

    @property
    def ticks(self) -> list[Tick]:
        return [tick for frame in self.frames for tick in frame.ticks]

    def times(self, state: LinkState) -> int:
        return sum(link.state is state for link in self.links)

    async def until(self, ready: Callable[[], object], seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not ready():  # noqa: ASYNC110  conditions on lists have no event
                await asyncio.sleep(0.01)


@asynccontextmanager
async def feeding(
    name: str, floor: Floor, instruments: Sequence[Instrument], watch: Watch = QUICK
) -> AsyncIterator[tuple[DataClient, Ticks]]:
    """A started feed and what it tells."""
    feed, told = feed_of(name, floor, watch), Ticks()
    try:
        await feed.start(instruments, told.frames.append, told.links.append)
        yield feed, told
    finally:
        await feed.stop()
