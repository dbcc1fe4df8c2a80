"""`DhanBroker` and `UpstoxFeed` against the simulated exchange in a process of its own."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from saudagar.brokers.dhan.broker import DhanBroker, DhanSettings
from saudagar.brokers.supervisor import Watch
from saudagar.brokers.upstox.feed import UpstoxFeed, UpstoxSettings
from saudagar.exchange.pace import PaceClient
from saudagar.exchange.process import ExchangeConfig, ExchangeProcess, SyntheticSource
from saudagar.exchange.universe import listing, universe
from saudagar.execution.ports import LinkState
from saudagar.model import (
    MINUTE,
    ClientOrderId,
    InstrumentKind,
    NewOrder,
    Order,
    OrderStatus,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Side,
)
from saudagar.model.errors import (
    AuthError,
    RateLimited,
    RejectedByBroker,
    UnknownInstrument,
)

ALL = universe(6)
SHARES = [each for each in ALL if each.kind is InstrumentKind.EQUITY]
SHARE = SHARES[0]
BELOW = SHARE.round_price(
    listing(SHARE.id).previous_close * 0.9, Side.BUY
)  # rests: far below the market, inside the band
QUICK = Watch(silence=0, stale=0, back_off=0.02, longest=0.1)
BOTH = ("dhan orders", "upstox feed")
SOURCE = SyntheticSource(seed=3, instruments=6, start="09:20", end="09:30")


class Lookup:
    def get(self, instrument):
        for each in ALL:
            if each.id == instrument:
                return each
        raise UnknownInstrument(f"{instrument} is not known.")

    def by_dhan(self, segment, security_id):
        return next((i for i in ALL if (i.segment.value, i.dhan_id) == (segment, security_id)), None)

    def by_upstox(self, instrument_key):
        return next((i for i in ALL if i.upstox_id == instrument_key), None)

    def __iter__(self):
        return iter(ALL)


@pytest.fixture
def exchange():
    config = ExchangeConfig(source=SOURCE, lockstep=True, writes_per_second=0)
    with ExchangeProcess(config) as process:
        yield process


class Desk:
    """A broker, a feed and the pace channel; a desk that does nothing by itself."""

    def __init__(self, exchange: ExchangeProcess, token: str | None = None) -> None:
        account = exchange.config.account
        self.reports, self.frames, self.links = [], [], []
        self.changed = asyncio.Event()
        self.broker = DhanBroker(
            DhanSettings(
                client_id=account.client_id,
                token=token or account.dhan_token,
                rest_url=exchange.dhan_url,
                order_feed_url=exchange.order_feed_url,
            ),
            Lookup(),
            watch=QUICK,
        )
        self.feed = UpstoxFeed(
            UpstoxSettings(
                token=account.upstox_token, feed_url=exchange.feed_url, rest_host=exchange.upstox_url, depth=True
            ),
            QUICK,
        )
        self.broker.on_update_count = lambda _: self.changed.set()

    def on_frame(self, frame) -> None:
        self.frames.append(frame)
        self.changed.set()

    def status(self, link) -> None:
        self.links.append(link)
        self.changed.set()

    async def until(self, condition, seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def last_of(self, order_id: str):
        return next((r for r in reversed(self.reports) if r.order_id == order_id), None)


@asynccontextmanager
async def desk_at(exchange: ExchangeProcess, *, feed: bool = False, token: str | None = None):
    desk = Desk(exchange, token)
    await desk.broker.start(desk.reports.append, desk.status)
    if feed:
        await desk.feed.start(ALL, desk.on_frame, desk.status)
    try:
        yield desk
    finally:
        await desk.feed.stop()
        await desk.broker.stop()


def order(number: int, kind=OrderType.LIMIT, price=0, trigger=0, side=Side.BUY, quantity=1, share=SHARE) -> NewOrder:
    return NewOrder(
        order_id=ClientOrderId(f"T{number:05}"),
        instrument=share.id,
        side=side,
        terms=OrderTerms(quantity=quantity, order_type=kind, price=price, trigger_price=trigger),
        product=Product.INTRADAY,
        purpose=Purpose.ENTRY,
        position=PositionId(f"t@{share.id}"),
    )


async def run_steps(desk: Desk, pace: PaceClient, act, steps: int) -> None:
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


def test_an_orders_life_through_both_wires_in_lock_step(exchange):
    """Placed, resting, modified, filled, looked up; a stop that waits; a cancel; a refusal with its reason."""

    async def main():
        async with desk_at(exchange, feed=True) as desk:
            broker = desk.broker
            pace = await PaceClient.connect(exchange.pace_url)
            known: dict[str, Order] = {}

            async def act(step: int) -> None:
                ticks = {t.instrument: t for f in desk.frames for t in f.ticks}
                if step == 3:
                    price = SHARE.round_price(ticks[SHARE.id].ltp * 0.99, Side.BUY)
                    for new in (
                        order(1, price=price, quantity=5),
                        order(2, OrderType.SL_M, trigger=SHARE.round_price(price * 0.98, Side.SELL), side=Side.SELL),
                        order(3, OrderType.MARKET, quantity=3),
                    ):
                        report = await broker.submit(new)
                        known[new.order_id] = Order(new=new, terms=new.terms, broker_id=report.broker_id)
                    with pytest.raises(RejectedByBroker) as refused:
                        await broker.submit(order(4, price=price + 1))  # off the tick grid
                    assert refused.value.code == "DH-906"
                if step == 6:
                    assert desk.last_of("T00001").status is OrderStatus.OPEN
                    assert desk.last_of("T00002").status is OrderStatus.TRIGGER_PENDING
                    await broker.cancel(known["T00002"])
                    above = SHARE.round_price(ticks[SHARE.id].ltp * 1.005, Side.BUY)
                    await broker.modify(
                        known["T00001"], OrderTerms(quantity=5, order_type=OrderType.LIMIT, price=above)
                    )

            await run_steps(desk, pace, act, 12)
            assert desk.last_of("T00001").status is OrderStatus.FILLED
            assert desk.last_of("T00002").status is OrderStatus.CANCELLED
            assert desk.last_of("T00003").status is OrderStatus.FILLED
            assert desk.last_of("T00004") is None

            book = {r.order_id: r for r in await broker.orders()}
            assert set(book) == {"T00001", "T00002", "T00003"}
            for order_id, report in book.items():
                assert await broker.find(ClientOrderId(order_id)) == report
                assert (report.status, report.filled) == (
                    desk.last_of(order_id).status,
                    desk.last_of(order_id).filled,
                )
            assert await broker.find(ClientOrderId("NEVERSENT")) is None
            trades = await broker.trades_of(known["T00001"])
            assert sum(trade.quantity for trade in trades) == 5
            value = sum(trade.quantity * trade.price for trade in trades)
            assert book["T00001"].average_price == pytest.approx(value / 5, abs=0.01)
            (held,) = await broker.positions()
            assert (held.instrument, held.quantity) == (SHARE.id, 8)
            assert (await broker.funds()).used > 0
            assert await broker.holdings() == []
            assert desk.feed.refusals == broker.refusals == {}
            await pace.close()

            state = await asyncio.to_thread(exchange.state)
            assert state["updates"] == broker.updates_received
            assert {o["tag"] for o in state["orders"]} == set(book)

    asyncio.run(main())


def test_the_exchange_says_429_and_401_in_dhans_words():
    limited = ExchangeConfig(source=SOURCE, lockstep=True, writes_per_second=2)
    with ExchangeProcess(limited) as exchange:

        async def main():
            async with desk_at(exchange) as desk:
                ends = []
                for number in range(6):
                    try:
                        await desk.broker.submit(order(number, price=BELOW))
                    except (RateLimited, RejectedByBroker) as error:
                        ends.append(type(error))
                assert RateLimited in ends
                await asyncio.to_thread(exchange.set_tokens, dhan="another")
                with pytest.raises(AuthError, match="Log in again"):
                    await desk.broker.orders()
            async with desk_at(exchange) as desk:
                await desk.until(lambda: desk.links[-1].state is LinkState.AUTH)

        asyncio.run(main())


def test_streams_come_back_after_the_exchange_hung_up(exchange):
    async def main():
        async with desk_at(exchange, feed=True) as desk:

            def times(state: LinkState) -> Counter[str]:
                return Counter(link.link for link in desk.links if link.state is state)

            for round_ in range(1, 4):
                # a login is told as UP before the exchange has read it: hang up until both have noticed
                while min(times(LinkState.DOWN)[name] for name in BOTH) < round_:
                    await asyncio.to_thread(exchange.disconnect)
                    await asyncio.sleep(0.2)
                await desk.until(lambda: times(LinkState.UP) == times(LinkState.DOWN) + Counter(BOTH))
            assert min(times(LinkState.UP).values()) >= 4

    asyncio.run(main())


def test_past_bars_from_the_exchange(exchange):
    async def main():
        async with desk_at(exchange) as desk:
            # Thursday 19 November 2026, 09:15 to 15:30 IST and after
            start = 1_795_059_900_000_000_000
            bars = await desk.feed.bars(SHARE, 5 * MINUTE, start, start + 400 * MINUTE)
            assert len(bars) >= 70
            assert [bar.start for bar in bars] == sorted({bar.start for bar in bars})
            assert all(bar.low <= bar.open <= bar.high and bar.volume >= 0 for bar in bars)
            assert bars[0].start == start
            assert desk.feed.refusals == {}

    asyncio.run(main())


def test_a_token_that_expires_in_mid_session_is_renewed_without_a_restart(exchange):
    async def main():
        async with desk_at(exchange, feed=True) as desk:
            broker = desk.broker
            await broker.submit(order(1, price=BELOW))
            await asyncio.to_thread(exchange.set_tokens, dhan="new-dhan", upstox="new-upstox")
            await asyncio.to_thread(exchange.disconnect)
            with pytest.raises(AuthError, match="Log in again"):
                await broker.submit(order(2, price=BELOW))
            await desk.until(lambda: {each.link for each in desk.links if each.state is LinkState.AUTH} == set(BOTH))
            with pytest.raises(AuthError):
                await broker.renew("wrong")
            desk.links.clear()
            before = len(desk.frames)
            await broker.renew("new-dhan")
            await desk.feed.renew("new-upstox")
            assert Counter(each.link for each in desk.links if each.state is LinkState.UP) == Counter([*BOTH, "orders"])
            [resting] = await broker.orders()
            assert (resting.order_id, resting.status) == ("T00001", OrderStatus.OPEN)
            await broker.submit(order(2, price=BELOW))
            await desk.until(lambda: desk.last_of("T00002") is not None and len(desk.frames) > before)
            assert await desk.feed.bars(SHARE, 5 * MINUTE, 0, MINUTE) == []

    asyncio.run(main())
