"""`KiteBroker` and `KiteFeed` against the simulated exchange in a process of its own, with Kite's real library."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from datetime import date

import pytest

from saudagar.brokers.governor import Governor
from saudagar.brokers.kite.broker import KiteBroker
from saudagar.brokers.kite.client import LIMITS, KiteSettings
from saudagar.brokers.kite.feed import KiteFeed
from saudagar.brokers.supervisor import Watch
from saudagar.exchange.pace import PaceClient
from saudagar.exchange.process import ExchangeConfig, ExchangeProcess, SyntheticSource
from saudagar.exchange.universe import listing, universe
from saudagar.execution.ports import LinkState
from saudagar.market.master import Master, read_kite
from saudagar.model import (
    MINUTE,
    BrokerOrderId,
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
from saudagar.model.errors import AuthError, RejectedByBroker

ALL = universe(6)
LOOKUP = Master(date(2026, 11, 20), tuple(ALL))
SHARES = [each for each in ALL if each.kind is InstrumentKind.EQUITY]
SHARE = SHARES[0]
BELOW = SHARE.round_price(listing(SHARE.id).previous_close * 0.9, Side.BUY)  # rests: far below, inside the band
QUICK = Watch(silence=0, stale=0, back_off=0.02, longest=0.1)
SOURCE = SyntheticSource(seed=3, instruments=6, start="09:20", end="09:30")


@pytest.fixture
def exchange():
    with ExchangeProcess(ExchangeConfig(source=SOURCE, lockstep=True, writes_per_second=0)) as process:
        yield process


class Desk:
    """A broker and a feed on one socket; a desk that does nothing by itself."""

    def __init__(self, exchange: ExchangeProcess, governor: Governor | None = None) -> None:
        account = exchange.config.account
        self.reports, self.frames, self.links = [], [], []
        self.changed = asyncio.Event()
        settings = KiteSettings(
            api_key=account.kite_key,
            token=account.kite_token,
            rest_url=exchange.kite_url,
            ticker_url=exchange.kite_ticker_url,
        )
        self.feed = KiteFeed(settings, QUICK, depth=True)
        self.broker = KiteBroker(settings, LOOKUP, feed=self.feed, watch=QUICK, governor=governor)
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

    @property
    def last_prices(self) -> dict[str, int]:
        return {t.instrument: t.ltp for f in self.frames for t in f.ticks}


@asynccontextmanager
async def desk_at(exchange: ExchangeProcess, *, feed: bool = True, governor: Governor | None = None):
    desk = Desk(exchange, governor)
    await desk.broker.start(desk.reports.append, desk.status)
    if feed:
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
        "position": PositionId("t"),
    }
    return NewOrder(**fields | more)


def known(new: NewOrder, number: str) -> Order:
    return Order(new=new, terms=new.terms, broker_id=BrokerOrderId(number))


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


def test_an_orders_life_over_one_socket_in_lock_step(exchange):
    """Placed, resting, modified, filled, looked up; a stop that waits; a cancel; a refusal with its reason."""

    async def main():
        async with desk_at(exchange) as desk:
            broker = desk.broker
            pace = await PaceClient.connect(exchange.pace_url)
            mine: dict[str, Order] = {}

            async def act(step: int) -> None:
                if step == 3:
                    price = SHARE.round_price(desk.last_prices[SHARE.id] * 0.99, Side.BUY)
                    for new in (
                        order(1, price=price, quantity=5),
                        order(2, OrderType.SL_M, trigger=SHARE.round_price(price * 0.98, Side.SELL), side=Side.SELL),
                        order(3, OrderType.MARKET, quantity=3),
                    ):
                        report = await broker.submit(new)
                        mine[new.order_id] = known(new, report.broker_id)
                    with pytest.raises(RejectedByBroker) as refused:
                        await broker.submit(order(4, price=price + 1))  # off the tick grid
                    assert refused.value.code == "InputException"
                if step == 6:
                    assert desk.last_of("T00001").status is OrderStatus.OPEN
                    assert desk.last_of("T00002").status is OrderStatus.TRIGGER_PENDING
                    lower = OrderTerms(
                        quantity=1,
                        order_type=OrderType.SL_M,
                        trigger_price=SHARE.round_price(desk.last_prices[SHARE.id] * 0.95, Side.SELL),
                    )
                    await broker.modify(mine["T00002"], lower)
                if step == 8:
                    assert desk.last_of("T00002").status is OrderStatus.TRIGGER_PENDING  # the stream said UPDATE
                    await broker.cancel(mine["T00002"])
                    above = SHARE.round_price(desk.last_prices[SHARE.id] * 1.005, Side.BUY)
                    await broker.modify(mine["T00001"], OrderTerms(quantity=5, order_type=OrderType.LIMIT, price=above))

            await run_steps(desk, pace, act, 14)
            assert desk.last_of("T00001").status is OrderStatus.FILLED
            assert desk.last_of("T00002").status is OrderStatus.CANCELLED
            assert desk.last_of("T00003").status is OrderStatus.FILLED
            assert desk.last_of("T00004") is None

            book = {r.order_id: r for r in await broker.orders()}
            assert set(book) == {"T00001", "T00002", "T00003"}
            for order_id, report in book.items():
                assert await broker.find(ClientOrderId(order_id)) == report
                last = desk.last_of(order_id)
                assert (report.status, report.filled, report.ts) == (last.status, last.filled, last.ts)
            assert await broker.find(ClientOrderId("NEVERSENT")) is None
            trades = await broker.trades_of(mine["T00001"])
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
            assert {o["tag"] for o in state["orders"]} == set(book)

    asyncio.run(main())


def test_no_tick_before_the_first_trade(exchange):
    """What Kite tells on subscribing is yesterday's close for a share that has not traded: no price to act on."""

    async def main():
        async with desk_at(exchange) as desk:
            pace = await PaceClient.connect(exchange.pace_url)

            async def nothing(step: int) -> None:
                pass

            await run_steps(desk, pace, nothing, 5)
            ticks = [tick for frame in desk.frames for tick in frame.ticks]
            assert ticks
            assert all(tick.ts and (tick.volume or tick.instrument not in {s.id for s in SHARES}) for tick in ticks)
            assert [frame.ts for frame in desk.frames] == sorted(frame.ts for frame in desk.frames)
            assert desk.feed.refusals == {}
            await pace.close()

    asyncio.run(main())


def test_limits_in_kites_words_and_how_the_governor_keeps_them():
    limited = ExchangeConfig(source=SOURCE, lockstep=True, writes_per_second=10)
    with ExchangeProcess(limited) as exchange:

        async def burst(desk: Desk, first: int) -> Counter[str]:
            ends = await asyncio.gather(
                *(desk.broker.submit(order(first + n, price=BELOW)) for n in range(14)), return_exceptions=True
            )
            return Counter(type(end).__name__ for end in ends)

        async def main():
            async with desk_at(exchange, feed=False) as desk:
                assert await burst(desk, 0) == {"OrderReport": 10, "RateLimited": 4}
            state = await asyncio.to_thread(exchange.state)
            assert len(state["orders"]) == 10

        asyncio.run(main())

    with ExchangeProcess(ExchangeConfig(source=SOURCE, lockstep=True, writes_per_second=0)) as exchange:

        async def governed():
            loop = asyncio.get_running_loop()
            async with desk_at(exchange, feed=False, governor=Governor(LIMITS)) as desk:
                begun = loop.time()
                assert await burst(desk, 0) == {"OrderReport": 14}
                assert loop.time() - begun > 1.0  # eight, and six a second later

        asyncio.run(governed())


def test_a_dead_token_a_new_one_and_a_wrong_address(exchange):
    async def main():
        async with desk_at(exchange) as desk:
            resting = order(1, price=BELOW)
            report = await desk.broker.submit(resting)
            await asyncio.to_thread(exchange.set_tokens, kite="another")
            await asyncio.to_thread(exchange.disconnect)
            with pytest.raises(AuthError, match="Log in again"):
                await desk.broker.submit(order(2, price=BELOW))
            await desk.until(lambda: desk.links[-1].state is LinkState.AUTH)
            assert {link.link for link in desk.links if link.state is LinkState.AUTH} == {"kite feed", "kite orders"}
            with pytest.raises(AuthError):
                await desk.broker.renew("wrong")
            seen = len(desk.frames)
            await desk.feed.renew("another")
            await desk.broker.renew("another")
            assert [link.link for link in desk.links if link.state is LinkState.UP][-1] == "orders"
            await desk.until(lambda: len(desk.frames) > seen)  # the same set is subscribed again
            await desk.broker.cancel(known(resting, report.broker_id))
            await desk.until(lambda: desk.last_of("T00001").status is OrderStatus.CANCELLED)
            await asyncio.to_thread(lambda: exchange.set_switches(kite={"wrong_ip": True}))
            with pytest.raises(RejectedByBroker, match="IP address"):
                await desk.broker.submit(order(3, price=BELOW))

    asyncio.run(main())


def test_a_new_token_for_a_broker_with_a_socket_of_its_own(exchange):
    async def main():
        desk = Desk(exchange)
        broker = KiteBroker(desk.broker._settings, LOOKUP, watch=QUICK)
        broker.on_update_count = lambda _: desk.changed.set()
        await broker.start(desk.reports.append, desk.status)
        await asyncio.to_thread(exchange.set_tokens, kite="another")
        await asyncio.to_thread(exchange.disconnect)
        await desk.until(lambda: desk.links[-1].state is LinkState.AUTH)
        await broker.renew("another")
        assert [(link.link, link.state) for link in desk.links[-2:]] == [
            ("kite orders", LinkState.UP),
            ("orders", LinkState.UP),
        ]
        await broker.submit(order(1, price=BELOW))
        await desk.until(lambda: desk.last_of("T00001") is not None)
        await broker.stop()

    asyncio.run(main())


def test_the_twenty_sixth_change_is_refused_for_good(exchange):
    """Kite says 429 to it, which no waiting cures."""

    async def main():
        async with desk_at(exchange, feed=False) as desk:
            new = order(1, price=BELOW)
            mine = known(new, (await desk.broker.submit(new)).broker_id)
            for number in range(25):
                price = BELOW - SHARE.tick_size * (number % 2 + 1)
                await desk.broker.modify(mine, OrderTerms(quantity=1, order_type=OrderType.LIMIT, price=price))
            with pytest.raises(RejectedByBroker, match="modifications"):
                await desk.broker.modify(mine, new.terms)

    asyncio.run(main())


def test_an_order_after_hours_in_the_session_is_refused_with_kites_words(exchange):
    async def main():
        async with desk_at(exchange, feed=False) as desk:
            with pytest.raises(RejectedByBroker, match="Markets are closed"):
                await desk.broker.submit(order(1, price=BELOW, after_market=True))

    asyncio.run(main())


def test_an_order_after_hours_keeps_its_door(scripted_market):
    """Kite's cancel and modify of such an order need its variety."""
    market = scripted_market(prices=(1_300_00,))
    market.exchange.core.advance(market.exchange.core.now + 9 * 60 * MINUTE)
    market.exchange.core.drain()
    account = ExchangeConfig(source=SOURCE).account
    url = f"http://127.0.0.1:{market.exchange.ports.kite}"
    settings = KiteSettings(api_key=account.kite_key, token=account.kite_token, rest_url=url)

    async def main():
        broker = KiteBroker(settings, LOOKUP, feed=KiteFeed(settings))
        await broker.start(lambda report: None, lambda status: None)
        new = order(1, price=1_290_00, after_market=True)
        mine = known(new, (await broker.submit(new)).broker_id)
        assert (await broker.find(new.order_id)).status is OrderStatus.PENDING
        await broker.modify(mine, OrderTerms(quantity=1, order_type=OrderType.LIMIT, price=1_291_00))
        await broker.cancel(mine)
        assert (await broker.find(new.order_id)).status is OrderStatus.CANCELLED
        await broker.stop()

    asyncio.run(main())


def test_the_stream_comes_back_after_the_exchange_hung_up(exchange):
    async def main():
        async with desk_at(exchange) as desk:

            def times(state: LinkState) -> int:
                return sum(1 for link in desk.links if link.state is state and link.link == "kite feed")

            for round_ in range(1, 6):
                await desk.until(lambda round_=round_: times(LinkState.UP) == round_)
                await asyncio.to_thread(exchange.disconnect)
                await desk.until(lambda round_=round_: times(LinkState.DOWN) == round_)
            await desk.until(lambda: times(LinkState.UP) == 6)
            frames = len(desk.frames)
            await desk.until(lambda: len(desk.frames) > frames)
            last = {tick.instrument for frame in desk.frames[frames:] for tick in frame.ticks}
            assert last == {tick.instrument for frame in desk.frames[:1] for tick in frame.ticks}

    asyncio.run(main())


def test_past_bars_and_the_instruments_from_the_exchange(exchange):
    async def main():
        async with desk_at(exchange, feed=False) as desk:
            start = 1_795_059_900_000_000_000  # Thursday 19 November 2026, 09:15 IST
            bars = await desk.feed.bars(SHARE, 5 * MINUTE, start, start + 400 * MINUTE)
            assert len(bars) >= 70
            assert [bar.start for bar in bars] == sorted({bar.start for bar in bars})
            assert all(bar.low <= bar.open <= bar.high and bar.volume >= 0 for bar in bars)
            assert bars[0].start == start
            assert desk.feed.refusals == {}
            reading = read_kite(await desk.feed.instrument_file())
            assert {row.key for row in reading.rows} >= {each.kite_id for each in ALL}

    asyncio.run(main())
