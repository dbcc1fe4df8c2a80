"""A desk that does nothing by itself, at the simulated exchange in a process of its own that waits for each answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

from saudagar.brokers.dhan.broker import DhanBroker, DhanSettings
from saudagar.brokers.dhan.feed import DhanFeed, DhanFeedSettings
from saudagar.brokers.kite.broker import KiteBroker
from saudagar.brokers.kite.client import KiteSettings
from saudagar.brokers.kite.feed import KiteFeed
from saudagar.brokers.supervisor import Watch
from saudagar.brokers.upstox.broker import UpstoxBroker, UpstoxOrderSettings
from saudagar.brokers.upstox.feed import UpstoxFeed, UpstoxSettings
from saudagar.exchange.pace import PaceClient
from saudagar.exchange.process import ExchangeConfig, ExchangeProcess, SyntheticSource
from saudagar.exchange.universe import listing, universe
from saudagar.execution.ports import DataClient, LinkState, LinkStatus
from saudagar.market.master import Master
from saudagar.model import (
    ClientOrderId,
    InstrumentKind,
    NewOrder,
    OrderReport,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Side,
    TickFrame,
)

ALL = universe(6)
LOOKUP = Master(date(2026, 11, 20), tuple(ALL))
SHARES = [each for each in ALL if each.kind is InstrumentKind.EQUITY]
SHARE = SHARES[0]
BELOW = SHARE.round_price(listing(SHARE.id).previous_close * 0.9, Side.BUY)  # rests: far below, inside the band
QUICK = Watch(silence=0, stale=0, back_off=0.02, longest=0.1)
SOURCE = SyntheticSource(seed=3, instruments=6, start="09:20", end="09:30")
BROKERS = ("dhan", "upstox", "kite")


def config_of(writes_per_second: int = 0) -> ExchangeConfig:
    return ExchangeConfig(source=SOURCE, lockstep=True, writes_per_second=writes_per_second)


def feed_of(name: str, exchange: ExchangeProcess) -> DataClient:
    account = exchange.config.account
    if name == "dhan":
        return DhanFeed(
            DhanFeedSettings(
                client_id=account.client_id,
                token=account.dhan_token,
                feed_url=exchange.dhan_feed_url,
                rest_url=exchange.dhan_url,
                depth=True,
            ),
            QUICK,
        )
    if name == "upstox":
        urls = {"feed_url": exchange.feed_url, "rest_host": exchange.upstox_url}
        return UpstoxFeed(UpstoxSettings(token=account.upstox_token, depth=True, **urls), QUICK)
    return KiteFeed(kite_settings(exchange), QUICK, depth=True)


def kite_settings(exchange: ExchangeProcess) -> KiteSettings:
    account = exchange.config.account
    urls = {"rest_url": exchange.kite_url, "ticker_url": exchange.kite_ticker_url}
    return KiteSettings(api_key=account.kite_key, token=account.kite_token, **urls)


def broker_of(name: str, exchange: ExchangeProcess, feed: DataClient, **options: Any) -> Any:
    account = exchange.config.account
    if name == "dhan":
        urls = {"rest_url": exchange.dhan_url, "order_feed_url": exchange.order_feed_url}
        dhan = DhanSettings(client_id=account.client_id, token=account.dhan_token, **urls)
        return DhanBroker(dhan, LOOKUP, watch=QUICK, **options)
    if name == "upstox":
        urls = {"rest_host": exchange.upstox_url, "order_stream_url": exchange.portfolio_url}
        return UpstoxBroker(UpstoxOrderSettings(token=account.upstox_token, **urls), LOOKUP, watch=QUICK, **options)
    assert isinstance(feed, KiteFeed)
    return KiteBroker(kite_settings(exchange), LOOKUP, feed=feed, watch=QUICK, **options)


class Desk:
    """A broker, a feed (Kite's on one socket with its orders), and what they told.

    `feed` names the feed's broker; by default the order desk's own.
    """

    def __init__(self, name: str, exchange: ExchangeProcess, feed: str = "", **options: Any) -> None:
        self.reports: list[OrderReport] = []
        self.frames: list[TickFrame] = []
        self.links: list[LinkStatus] = []
        self.changed = asyncio.Event()
        self.feed = feed_of(feed or name, exchange)
        self.broker = broker_of(name, exchange, self.feed, **options)
        self.broker.on_update_count = lambda _: self.changed.set()

    def on_frame(self, frame: TickFrame) -> None:
        self.frames.append(frame)
        self.changed.set()

    def status(self, link: LinkStatus) -> None:
        self.links.append(link)
        self.changed.set()

    async def until(self, condition: Callable[[], object], seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def last_of(self, order_id: str) -> Any:
        return next((r for r in reversed(self.reports) if r.order_id == order_id), None)

    def times(self, state: LinkState) -> Counter[str]:
        return Counter(link.link for link in self.links if link.state is state)

    @property
    def last_prices(self) -> dict[str, int]:
        return {t.instrument: t.ltp for f in self.frames for t in f.ticks}


@asynccontextmanager
async def desk_at(
    name: str, exchange: ExchangeProcess, *, watching: bool = True, **options: Any
) -> AsyncIterator[Desk]:
    """A started desk; `watching` starts its feed too."""
    desk = Desk(name, exchange, **options)
    await desk.broker.start(desk.reports.append, desk.status)
    if watching:
        await desk.feed.start(ALL, desk.on_frame, desk.status)
    try:
        yield desk
    finally:
        await desk.feed.stop()
        await desk.broker.stop()


def order(number: int, kind=OrderType.LIMIT, price=0, trigger=0, side=Side.BUY, quantity=1, **more) -> NewOrder:
    fields = {
        "order_id": ClientOrderId(f"T{number:05}"),
        "instrument": SHARE.id,
        "side": side,
        "terms": OrderTerms(quantity=quantity, order_type=kind, price=price, trigger_price=trigger),
        "product": Product.INTRADAY,
        "purpose": Purpose.ENTRY,
        "position": PositionId(f"t@{SHARE.id}"),
    }
    return NewOrder(**fields | more)


async def nothing(step: int) -> None:
    """A desk that only watches."""


async def run_steps(desk: Desk, pace: PaceClient, act: Callable[[int], Awaitable[None]], steps: int) -> None:
    """Drive the market in lock-step for `steps` frames; `act(step)` is what the desk does at each."""
    seen = 0
    while seen < steps:
        if len(desk.frames) > seen:
            seen = len(desk.frames)
            await act(seen)
        acked = desk.broker.updates_received
        if desk.frames:
            await pace.ack(desk.frames[-1].ts, acked)
        now = (seen, acked)
        await desk.until(lambda now=now: (len(desk.frames), desk.broker.updates_received) != now)
