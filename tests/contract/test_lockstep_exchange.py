"""The three brokers' clients against the simulated exchange in a process of its own, in lock-step."""

import asyncio

import pytest
from tests.contract.lockstep import (
    ALL,
    BROKERS,
    SHARE,
    config_of,
    desk_at,
    feed_of,
    nothing,
    order,
    run_steps,
)

from saudagar.exchange.pace import PaceClient
from saudagar.exchange.process import ExchangeProcess
from saudagar.market.ist import DAY
from saudagar.model import MINUTE, ClientOrderId, Order, OrderStatus, OrderTerms, OrderType, Side
from saudagar.model.errors import AuthError, RejectedByBroker

pytestmark = pytest.mark.unmeasured

OPENED = 1_795_060_200_000_000_000  # Thursday 19 November 2026, 09:20 IST


@pytest.fixture
def exchange():
    with ExchangeProcess(config_of()) as process:
        yield process


@pytest.mark.parametrize(
    ("name", "feed", "refusal"),
    [
        ("dhan", "upstox", "DH-906"),
        ("upstox", "dhan", ""),  # takes an order off the tick grid and refuses it afterwards
        ("kite", "kite", "InputException"),
    ],
)
def test_an_orders_life_in_lock_step(exchange, name, feed, refusal):
    """Placed, resting, modified, filled, looked up; a stop that waits; a cancel; a refusal with its reason."""

    async def main():
        async with desk_at(name, exchange, feed=feed) as desk:
            broker = desk.broker
            pace = await PaceClient.connect(exchange.pace_url)
            known: dict[str, Order] = {}

            async def place(new):
                report = await broker.submit(new)
                known[new.order_id] = Order(new=new, terms=new.terms, broker_id=report.broker_id)

            async def act(step: int) -> None:
                if step == 3:
                    price = SHARE.round_price(desk.last_prices[SHARE.id] * 0.99, Side.BUY)
                    trigger = SHARE.round_price(price * 0.98, Side.SELL)
                    await place(order(1, price=price, quantity=5))
                    await place(order(2, OrderType.SL_M, trigger=trigger, side=Side.SELL))
                    await place(order(3, OrderType.MARKET, quantity=3))
                    off_grid = order(4, price=price + 1)
                    if refusal:
                        with pytest.raises(RejectedByBroker) as refused:
                            await place(off_grid)
                        assert refused.value.code == refusal
                    else:
                        await place(off_grid)
                if step == 6:
                    assert desk.last_of("T00001").status is OrderStatus.OPEN
                    assert desk.last_of("T00002").status is OrderStatus.TRIGGER_PENDING
                    if not refusal:
                        assert desk.last_of("T00004").status is OrderStatus.REJECTED
                        assert "tick" in desk.last_of("T00004").reason.lower()
                        with pytest.raises(RejectedByBroker) as refused:
                            await broker.cancel(known["T00004"])
                        assert refused.value.code == "UDAPI100040"
                    lower = SHARE.round_price(desk.last_prices[SHARE.id] * 0.95, Side.SELL)
                    terms = OrderTerms(quantity=1, order_type=OrderType.SL_M, trigger_price=lower)
                    await broker.modify(known["T00002"], terms)
                if step == 8:
                    assert desk.last_of("T00002").status is OrderStatus.TRIGGER_PENDING  # whatever the stream called it
                    await broker.cancel(known["T00002"])
                    above = SHARE.round_price(desk.last_prices[SHARE.id] * 1.005, Side.BUY)
                    terms = OrderTerms(quantity=5, order_type=OrderType.LIMIT, price=above)
                    await broker.modify(known["T00001"], terms)

            await run_steps(desk, pace, act, 14)
            assert desk.last_of("T00001").status is OrderStatus.FILLED
            assert desk.last_of("T00002").status is OrderStatus.CANCELLED
            assert desk.last_of("T00003").status is OrderStatus.FILLED
            assert refusal == "" or desk.last_of("T00004") is None

            book = {r.order_id: r for r in await broker.orders()}
            assert set(book) == set(known)
            for order_id, report in book.items():
                last = desk.last_of(order_id)
                assert await broker.find(ClientOrderId(order_id)) == report
                assert (report.status, report.filled, report.ts) == (last.status, last.filled, last.ts)
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
            assert {o["tag"] for o in state["orders"]} == {"T00001", "T00002", "T00003"}

    asyncio.run(main())


def test_two_feeds_tell_the_same_ticks_and_the_same_bars(exchange):
    """Two wires, two decoders, one market: to the paisa and the second."""

    async def main():
        other = feed_of("upstox", exchange)
        async with desk_at("upstox", exchange, feed="dhan") as desk:
            theirs: list[object] = []
            await other.start(ALL, theirs.append, desk.status)
            pace = await PaceClient.connect(exchange.pace_url)

            await run_steps(desk, pace, nothing, 60)
            async with asyncio.timeout(30):
                while not theirs or theirs[-1].ts < desk.frames[-1].ts:  # noqa: ASYNC110  a list has no event
                    await asyncio.sleep(0.01)
            ours = {(t.instrument, t.ts): t for frame in desk.frames for t in frame.ticks}
            others = {(t.instrument, t.ts): t for frame in theirs for t in frame.ticks}
            shared = ours.keys() & others.keys()
            assert len(shared) > 100
            assert all(ours[key] == others[key] for key in shared)
            assert desk.feed.refusals == other.refusals == {}
            for interval in (5 * MINUTE, DAY):
                span = (SHARE, interval, OPENED - 5 * DAY, OPENED + DAY // 2)
                mine = await desk.feed.bars(*span)
                assert mine == await other.bars(*span)
                assert len(mine) >= (200 if interval < DAY else 2)
            await pace.close()
        await other.stop()

    asyncio.run(main())


def test_past_bars_from_the_exchange_with_the_first_token_and_with_the_next(exchange):
    async def main():
        start = OPENED - 5 * MINUTE  # the opening; to the close and after
        span = (SHARE, 5 * MINUTE, start, start + 400 * MINUTE)
        for name in BROKERS:
            feed = feed_of(name, exchange)
            bars = await feed.bars(*span)
            assert len(bars) >= 70
            assert [bar.start for bar in bars] == sorted({bar.start for bar in bars})
            assert all(bar.low <= bar.open <= bar.high and bar.volume >= 0 for bar in bars)
            assert bars[0].start == start
            await asyncio.to_thread(exchange.set_tokens, **{name: "another"})
            if name != "upstox":  # which asks for no token here
                with pytest.raises(AuthError):
                    await feed.bars(*span)
            await feed.renew("another")
            assert await feed.bars(*span) == bars
            assert feed.refusals == {}
            await feed.stop()

    asyncio.run(main())
