"""`UpstoxBroker` and `DhanFeed` against the simulated exchange in a process of its own."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from saudagar.brokers.dhan.feed import DhanFeed, DhanFeedSettings
from saudagar.brokers.supervisor import Watch
from saudagar.brokers.upstox.broker import UpstoxBroker, UpstoxOrderSettings
from saudagar.brokers.upstox.feed import UpstoxFeed, UpstoxSettings
from saudagar.exchange.pace import PaceClient
from saudagar.exchange.process import ExchangeConfig, ExchangeProcess, SyntheticSource
from saudagar.exchange.universe import listing, universe
from saudagar.execution.ports import LinkState
from saudagar.market.ist import DAY
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
    RejectedByBroker,
    UnknownInstrument,
)

ALL = universe(6)
SHARE = next(each for each in ALL if each.kind is InstrumentKind.EQUITY)
BELOW = SHARE.round_price(listing(SHARE.id).previous_close * 0.9, Side.BUY)  # rests, inside the band
QUICK = Watch(silence=0, stale=0, back_off=0.02, longest=0.1)
SOURCE = SyntheticSource(seed=3, instruments=6, start="09:20", end="09:30")
OPENED = 1_795_060_200_000_000_000  # Thursday 19 November 2026, 09:20 IST
BOTH = ("upstox orders", "dhan feed")


class Lookup:
    def get(self, instrument):
        for each in ALL:
            if each.id == instrument:
                return each
        raise UnknownInstrument(f"{instrument} is not known.")

    def by_dhan(self, segment, security_id):
        return None

    def by_upstox(self, instrument_key):
        return next((each for each in ALL if each.upstox_id == instrument_key), None)

    def __iter__(self):
        return iter(ALL)


@pytest.fixture
def exchange():
    with ExchangeProcess(ExchangeConfig(source=SOURCE, lockstep=True, writes_per_second=0)) as process:
        yield process


class Desk:
    """A broker, a feed and the pace channel; a desk that does nothing by itself."""

    def __init__(self, exchange: ExchangeProcess) -> None:
        account = exchange.config.account
        self.reports, self.frames, self.links = [], [], []
        self.changed = asyncio.Event()
        self.broker = UpstoxBroker(
            UpstoxOrderSettings(
                token=account.upstox_token, rest_host=exchange.upstox_url, order_stream_url=exchange.portfolio_url
            ),
            Lookup(),
            watch=QUICK,
        )
        self.feed = DhanFeed(
            DhanFeedSettings(
                client_id=account.client_id,
                token=account.dhan_token,
                feed_url=exchange.dhan_feed_url,
                rest_url=exchange.dhan_url,
                depth=True,
            ),
            QUICK,
        )
        self.other = UpstoxFeed(
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

    def times(self, state: LinkState) -> Counter[str]:
        return Counter(link.link for link in self.links if link.state is state)


@asynccontextmanager
async def desk_at(exchange: ExchangeProcess, *, feed: bool = False):
    desk = Desk(exchange)
    await desk.broker.start(desk.reports.append, desk.status)
    if feed:
        await desk.feed.start(ALL, desk.on_frame, desk.status)
    try:
        yield desk
    finally:
        await desk.feed.stop()
        await desk.other.stop()
        await desk.broker.stop()


def order(number: int, kind=OrderType.LIMIT, price=0, trigger=0, side=Side.BUY, quantity=1) -> NewOrder:
    return NewOrder(
        order_id=ClientOrderId(f"T{number:05}"),
        instrument=SHARE.id,
        side=side,
        terms=OrderTerms(quantity=quantity, order_type=kind, price=price, trigger_price=trigger),
        product=Product.INTRADAY,
        purpose=Purpose.ENTRY,
        position=PositionId(f"t@{SHARE.id}"),
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


def test_an_orders_life_in_lock_step_orders_at_upstox_prices_from_dhan(exchange):
    """Placed, resting, modified, filled, looked up; a stop that waits; a cancel; refusals early and late."""

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
                        order(4, price=price + 1),  # off the tick grid: Upstox takes it and refuses afterwards
                    ):
                        report = await broker.submit(new)
                        known[new.order_id] = Order(new=new, terms=new.terms, broker_id=report.broker_id)
                if step == 6:
                    assert desk.last_of("T00001").status is OrderStatus.OPEN
                    assert desk.last_of("T00002").status is OrderStatus.TRIGGER_PENDING
                    assert desk.last_of("T00004").status is OrderStatus.REJECTED
                    assert "tick" in desk.last_of("T00004").reason.lower()
                    await broker.cancel(known["T00002"])
                    with pytest.raises(RejectedByBroker) as refused:
                        await broker.cancel(known["T00004"])
                    assert refused.value.code == "UDAPI100040"
                    above = SHARE.round_price(ticks[SHARE.id].ltp * 1.005, Side.BUY)
                    await broker.modify(
                        known["T00001"], OrderTerms(quantity=5, order_type=OrderType.LIMIT, price=above)
                    )

            await run_steps(desk, pace, act, 12)
            assert desk.last_of("T00001").status is OrderStatus.FILLED
            assert desk.last_of("T00002").status is OrderStatus.CANCELLED
            assert desk.last_of("T00003").status is OrderStatus.FILLED

            book = {r.order_id: r for r in await broker.orders()}
            assert set(book) == set(known)
            for order_id, report in book.items():
                assert await broker.find(ClientOrderId(order_id)) == report
                assert (report.status, report.filled) == (desk.last_of(order_id).status, desk.last_of(order_id).filled)
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
            assert {o["tag"] for o in state["orders"]} == set(book) - {"T00004"}

    asyncio.run(main())


def test_both_feeds_tell_the_same_ticks_and_the_same_bars(exchange):
    """Two wires, two decoders, one market: to the paisa and the second."""

    async def main():
        async with desk_at(exchange, feed=True) as desk:
            theirs: list[object] = []
            await desk.other.start(ALL, theirs.append, desk.status)
            pace = await PaceClient.connect(exchange.pace_url)

            await run_steps(desk, pace, nothing, 60)
            async with asyncio.timeout(5):
                while not theirs or theirs[-1].ts < desk.frames[-1].ts:  # noqa: ASYNC110  a list has no event
                    await asyncio.sleep(0.01)
            ours = {(t.instrument, t.ts): t for frame in desk.frames for t in frame.ticks}
            others = {(t.instrument, t.ts): t for frame in theirs for t in frame.ticks}
            shared = ours.keys() & others.keys()
            assert len(shared) > 100
            assert all(ours[key] == others[key] for key in shared)
            assert desk.feed.refusals == desk.other.refusals == {}
            for interval in (5 * MINUTE, DAY):
                span = (SHARE, interval, OPENED - 5 * DAY, OPENED + DAY // 2)
                mine = await desk.feed.bars(*span)
                assert mine == await desk.other.bars(*span)
                assert len(mine) >= (200 if interval < DAY else 2)
            await pace.close()

    asyncio.run(main())


async def nothing(step: int) -> None:
    """A desk that only watches."""


def test_a_token_that_expires_in_mid_session_is_renewed_without_a_restart(exchange):
    async def main():
        async with desk_at(exchange, feed=True) as desk:
            broker = desk.broker
            pace = await PaceClient.connect(exchange.pace_url)
            await broker.submit(order(1, price=BELOW))
            await desk.until(lambda: desk.last_of("T00001") is not None)
            await run_steps(desk, pace, nothing, 3)
            expired = {"expired": True}
            await asyncio.to_thread(exchange.set_switches, dhan=expired, upstox=expired)
            with pytest.raises(AuthError, match="Log in again"):
                await broker.submit(order(2, price=BELOW))
            await pace.ack(desk.frames[-1].ts, broker.updates_received)  # the next step finds Dhan's token expired
            await desk.until(lambda: desk.times(LinkState.AUTH)["dhan feed"] == 1)
            await asyncio.to_thread(exchange.disconnect)
            await desk.until(lambda: desk.times(LinkState.AUTH)["upstox orders"] == 1)
            with pytest.raises(AuthError):
                await broker.renew("wrong")
            desk.links.clear()
            before = len(desk.frames)
            await asyncio.to_thread(exchange.set_tokens, dhan="new-dhan", upstox="new-upstox")
            await broker.renew("new-upstox")
            await desk.feed.renew("new-dhan")
            assert desk.times(LinkState.UP) == Counter([*BOTH, "orders"])
            [resting] = await broker.orders()
            assert (resting.order_id, resting.status) == ("T00001", OrderStatus.OPEN)
            await broker.submit(order(2, price=BELOW))
            await desk.until(lambda: desk.last_of("T00002") is not None and len(desk.frames) > before)
            await pace.close()

    asyncio.run(main())


def test_the_order_stream_comes_back_after_the_exchange_hung_up(exchange):
    async def main():
        async with desk_at(exchange) as desk:
            for round_ in range(1, 4):
                await asyncio.to_thread(exchange.disconnect)
                await desk.until(lambda round_=round_: desk.times(LinkState.UP)["upstox orders"] == round_ + 1)
            assert desk.times(LinkState.DOWN)["upstox orders"] == 3

    asyncio.run(main())


def test_the_feed_comes_back_after_each_drop_and_garbage_costs_one_frame(exchange):
    rules = [
        {"kind": "disconnect", "endpoint": "dhan.feed", "count": 3, "skip": 2},
        {"kind": "garbled", "endpoint": "dhan.feed", "count": 1, "skip": 8},
    ]

    async def main():
        async with desk_at(exchange, feed=True) as desk:
            pace = await PaceClient.connect(exchange.pace_url)
            await asyncio.to_thread(exchange.set_faults, {"seed": 1, "rules": rules})
            await run_steps(desk, pace, nothing, 25)
            assert desk.times(LinkState.DOWN)["dhan feed"] == 3
            assert desk.times(LinkState.UP)["dhan feed"] == 4
            assert desk.feed.refusals == {"bad frame": 1}
            await pace.close()

    asyncio.run(main())
