"""What is Kite's alone, against the simulated exchange in a process of its own, with Kite's real library."""

import asyncio
from collections import Counter
from datetime import date

import pytest
from tests.contract.lockstep import (
    ALL,
    BELOW,
    LOOKUP,
    SHARE,
    SHARES,
    Desk,
    config_of,
    desk_at,
    nothing,
    order,
    run_steps,
)

from saudagar.brokers.governor import Governor
from saudagar.brokers.kite.broker import KiteBroker
from saudagar.brokers.kite.client import LIMITS, KiteSettings
from saudagar.brokers.kite.feed import KiteFeed
from saudagar.exchange.pace import PaceClient
from saudagar.exchange.process import ExchangeConfig, ExchangeProcess
from saudagar.execution.ports import LinkState
from saudagar.market.ist import at
from saudagar.market.master import read_kite
from saudagar.model import MINUTE, BrokerOrderId, NewOrder, Order, OrderStatus, OrderTerms, OrderType
from saudagar.model.errors import AuthError, OutcomeUnknown, RejectedByBroker

pytestmark = pytest.mark.children_unmeasured


@pytest.fixture
def exchange():
    with ExchangeProcess(config_of()) as process:
        yield process


def known(new: NewOrder, number: str) -> Order:
    return Order(new=new, terms=new.terms, broker_id=BrokerOrderId(number))


def test_no_tick_before_the_first_trade(exchange):
    """What Kite tells on subscribing is yesterday's close for a share that has not traded: no price to act on."""

    async def main():
        async with desk_at("kite", exchange) as desk:
            pace = await PaceClient.connect(exchange.pace_url)

            await run_steps(desk, pace, nothing, 5)
            ticks = [tick for frame in desk.frames for tick in frame.ticks]
            assert ticks
            assert all(tick.ts and (tick.volume or tick.instrument not in {s.id for s in SHARES}) for tick in ticks)
            assert [frame.ts for frame in desk.frames] == sorted(frame.ts for frame in desk.frames)
            assert desk.feed.refusals == {}
            await pace.close()

    asyncio.run(main())


def test_limits_in_kites_words_and_how_the_governor_keeps_them():
    with ExchangeProcess(config_of(writes_per_second=10)) as exchange:

        async def burst(desk: Desk, first: int) -> Counter[str]:
            ends = await asyncio.gather(
                *(desk.broker.submit(order(first + n, price=BELOW)) for n in range(14)), return_exceptions=True
            )
            return Counter(type(end).__name__ for end in ends)

        async def main():
            pace = await PaceClient.connect(exchange.pace_url)  # the market begins, and stands still in one second
            while not (await asyncio.to_thread(exchange.state))["steps"]:  # noqa: ASYNC110  another process
                await asyncio.sleep(0.01)
            async with desk_at("kite", exchange, watching=False) as desk:
                assert await burst(desk, 0) == {"OrderReport": 10, "RateLimited": 4}
            state = await asyncio.to_thread(exchange.state)
            assert len(state["orders"]) == 10
            await pace.close()

        asyncio.run(main())

    with ExchangeProcess(config_of()) as exchange:

        async def governed():
            loop = asyncio.get_running_loop()
            async with desk_at("kite", exchange, watching=False, governor=Governor(LIMITS)) as desk:
                begun = loop.time()
                assert await burst(desk, 0) == {"OrderReport": 14}
                assert loop.time() - begun > 1.0  # eight, and six a second later

        asyncio.run(governed())


def test_a_dead_token_a_new_one_and_a_wrong_address(exchange):
    async def main():
        async with desk_at("kite", exchange) as desk:
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


def test_the_twenty_sixth_change_is_refused_for_good(exchange):
    """Kite says 429 to it, which no waiting cures."""

    async def main():
        async with desk_at("kite", exchange, watching=False) as desk:
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
        async with desk_at("kite", exchange, watching=False) as desk:
            with pytest.raises(RejectedByBroker, match="Markets are closed"):
                await desk.broker.submit(order(1, price=BELOW, after_market=True))

    asyncio.run(main())


def test_an_order_after_hours_keeps_its_door(scripted_market):
    """Kite's cancel and modify of such an order need its variety."""
    market = scripted_market(prices=(1_300_00,))
    market.exchange.core.advance(market.exchange.core.now + 9 * 60 * MINUTE)
    market.exchange.core.drain()
    account = ExchangeConfig().account
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


def test_an_order_after_hours_changes_its_door_in_the_morning(scripted_market):
    """Once it is at the exchange Kite takes changes through the regular door only; its book says `amo` for ever."""
    market = scripted_market(prices=(1_300_00,))
    core = market.exchange.core

    def advance(to):
        market.exchange.kite.ticker.publish(core.advance(to))

    advance(core.now + 9 * 60 * MINUTE)
    account = ExchangeConfig().account
    url = f"http://127.0.0.1:{market.exchange.ports.kite}"
    settings = KiteSettings(api_key=account.kite_key, token=account.kite_token, rest_url=url)

    async def main():
        broker = KiteBroker(settings, LOOKUP, feed=KiteFeed(settings))
        await broker.open()
        new = order(1, price=1_290_00, after_market=True)
        mine = known(new, (await broker.submit(new)).broker_id)
        advance(at(date(2026, 11, 23), "09:16"))
        market.exchange.kite.session.renew("MONDAY")
        await broker.renew("MONDAY")
        with pytest.raises(OutcomeUnknown, match="timed out"):
            await broker.cancel(mine)  # nobody has told us yet; the look-up that follows does
        assert (await broker.find(new.order_id)).status is OrderStatus.OPEN
        await broker.modify(mine, OrderTerms(quantity=1, order_type=OrderType.LIMIT, price=1_291_00))
        await broker.cancel(mine)
        assert (await broker.find(new.order_id)).status is OrderStatus.CANCELLED
        await broker.stop()

    asyncio.run(main())


def test_kites_own_time_out_is_no_refusal(scripted_market):
    """It comes as HTTP 400, and the order stands in the book."""
    rules = [{"kind": "5xx", "endpoint": "kite.orders.place", "count": 4}]
    market = scripted_market(prices=(1_300_00,), faults={"rules": rules})
    account = ExchangeConfig().account
    url = f"http://127.0.0.1:{market.exchange.ports.kite}"
    settings = KiteSettings(api_key=account.kite_key, token=account.kite_token, rest_url=url)

    async def main():
        broker = KiteBroker(settings, LOOKUP, feed=KiteFeed(settings))
        await broker.open()
        said = []
        for number in range(1, 5):
            new = order(number, price=1_290_00)
            with pytest.raises(OutcomeUnknown) as caught:
                await broker.submit(new)
            said.append(caught.value.message)
            assert (await broker.find(new.order_id)).status is OrderStatus.OPEN
        assert "Order request timed out" in said[-1]
        assert "HTTP 400" in said[-1]
        await broker.stop()

    asyncio.run(main())


def test_the_instruments_from_the_exchange(exchange):
    async def main():
        async with desk_at("kite", exchange, watching=False) as desk:
            reading = read_kite(await desk.feed.instrument_file())
            assert {row.key for row in reading.rows} >= {each.kite_id for each in ALL}

    asyncio.run(main())
