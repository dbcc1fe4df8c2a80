"""The contract of `ExecutionClient` in quiet weather: an order's life, the same at every broker."""

from __future__ import annotations

import asyncio

import pytest
from tests.contract.suite.market import FUTURE, IDEA, LEVEL, PRICE, RELIANCE
from tests.contract.suite.stage import Stage

from saudagar.execution.steering import slices
from saudagar.model import OrderStatus, OrderTerms, OrderType, Product, Side, Validity
from saudagar.model.errors import RejectedByBroker

pytestmark = pytest.mark.children_unmeasured

BUY, SELL = Side.BUY, Side.SELL
ABOVE, BELOW = 1_310_00, 1_290_00


@pytest.mark.parametrize(
    ("kind", "side", "price", "trigger", "status"),
    [
        (OrderType.MARKET, BUY, 0, 0, OrderStatus.FILLED),
        (OrderType.MARKET, SELL, 0, 0, OrderStatus.FILLED),
        (OrderType.LIMIT, BUY, BELOW, 0, OrderStatus.OPEN),
        (OrderType.LIMIT, SELL, BELOW, 0, OrderStatus.FILLED),
        (OrderType.SL, BUY, ABOVE + 100, ABOVE, OrderStatus.TRIGGER_PENDING),
        (OrderType.SL, SELL, BELOW - 100, BELOW, OrderStatus.TRIGGER_PENDING),
        (OrderType.SL_M, BUY, 0, ABOVE, OrderStatus.TRIGGER_PENDING),
        (OrderType.SL_M, SELL, 0, BELOW, OrderStatus.TRIGGER_PENDING),
    ],
)
def test_every_order_type_gets_to_where_it_belongs(stage: Stage, kind, side, price, trigger, status):
    async def main():
        new = stage.order(kind, price, trigger=trigger, side=side, quantity=7)
        order = await stage.place(new)
        report = await stage.reported(order.id, status)
        truth = stage.truth(order.id)
        assert (truth.side, truth.terms.quantity, truth.product) == (side, 7, new.product)
        if kind is not OrderType.MARKET:  # which a broker may turn into a limit with protection
            assert truth.terms == new.terms
        assert report.broker_id == order.broker_id
        assert (report.filled, report.side) == (7 if status is OrderStatus.FILLED else 0, side)
        assert (report.instrument, report.product) == (RELIANCE.id, Product.INTRADAY)
        found = await stage.client.find(order.id)
        assert found is not None
        assert (found.status, found.filled, found.broker_id) == (status, report.filled, order.broker_id)

    stage.run(main())


@pytest.mark.parametrize(
    ("instrument", "product"),
    [
        (RELIANCE, Product.INTRADAY),
        (RELIANCE, Product.DELIVERY),
        (RELIANCE, Product.MTF),
        (FUTURE, Product.INTRADAY),
        (FUTURE, Product.MARGIN),
    ],
)
def test_every_product_is_traded_and_stands_in_the_positions(stage: Stage, instrument, product):
    async def main():
        quantity = 3 * instrument.lot_size
        before = {(p.instrument, p.product): p for p in await stage.client.positions()}.get((instrument.id, product))
        new = stage.order(OrderType.MARKET, side=BUY, quantity=quantity, instrument=instrument, product=product)
        order = await stage.place(new)
        report = await stage.reported(order.id, OrderStatus.FILLED, quantity)
        assert (report.instrument, report.product) == (instrument.id, product)
        assert stage.truth(order.id).product is product
        (held,) = [p for p in await stage.client.positions() if (p.instrument, p.product) == (instrument.id, product)]
        assert held.quantity - (before.quantity if before else 0) == quantity
        assert held.buy_quantity - (before.buy_quantity if before else 0) == quantity
        (trade,) = await stage.client.trades_of(order)
        assert (trade.quantity, trade.price) == (quantity, stage.truth(order.id).trades[0].price)

    stage.run(main())


def test_an_immediate_order_takes_what_is_there_and_the_rest_is_cancelled(stage: Stage):
    async def main():
        order = await stage.place(stage.order(OrderType.LIMIT, PRICE + 10, quantity=LEVEL + 50, validity=Validity.IOC))
        report = await stage.reported(order.id, OrderStatus.CANCELLED)
        assert report.filled == LEVEL

    stage.run(main())


def test_partial_fills_add_up_level_by_level(stage: Stage):
    async def main():
        quantity = 3 * LEVEL + 20
        order = await stage.place(stage.order(OrderType.LIMIT, PRICE + 20, quantity=quantity))
        await stage.reported(order.id, OrderStatus.PARTIALLY_FILLED, 2 * LEVEL)
        assert (await stage.client.find(order.id)).status is OrderStatus.PARTIALLY_FILLED
        await stage.step()
        await stage.reported(order.id, OrderStatus.FILLED, quantity)
        trades = await stage.client.trades_of(order)
        truth = stage.truth(order.id)
        assert [(t.quantity, t.price) for t in trades] == [(t.quantity, t.price) for t in truth.trades]
        assert sum(t.quantity for t in trades) == quantity
        assert len({t.trade_id for t in trades}) == len(trades) >= 3
        assert [t.ts for t in trades] == sorted(t.ts for t in trades)
        filled = [r.filled for r in stage.said(order.id)]
        assert filled == sorted(filled), "the cumulative quantity never falls"
        found = await stage.client.find(order.id)
        assert found.average_price == pytest.approx(truth.average_price, abs=1.0)

    stage.run(main())


def test_price_quantity_and_type_are_modified(stage: Stage):
    async def main():
        order = await stage.place(stage.order(OrderType.LIMIT, BELOW, quantity=10))
        await stage.reported(order.id, OrderStatus.OPEN)
        for terms in (
            OrderTerms(quantity=10, order_type=OrderType.LIMIT, price=BELOW - 100),
            OrderTerms(quantity=25, order_type=OrderType.LIMIT, price=BELOW - 100),
            OrderTerms(quantity=25, order_type=OrderType.SL, price=ABOVE + 50, trigger_price=ABOVE),
            OrderTerms(quantity=5, order_type=OrderType.SL_M, trigger_price=ABOVE + 100),
            OrderTerms(quantity=5, order_type=OrderType.LIMIT, price=BELOW),
        ):
            await stage.client.modify(order, terms)
            assert stage.truth(order.id).terms == terms
            found = await stage.client.find(order.id)
            expected = OrderStatus.TRIGGER_PENDING if terms.order_type.has_trigger else OrderStatus.OPEN
            assert (found.status, found.terms) == (expected, terms)
            order.terms = terms
        await stage.client.modify(order, OrderTerms(quantity=5, order_type=OrderType.MARKET))
        await stage.reported(order.id, OrderStatus.FILLED, 5)

    stage.run(main())


def test_the_quantity_of_a_modification_is_the_total_filled_part_included(stage: Stage):
    async def main():
        order = await stage.place(stage.order(OrderType.LIMIT, PRICE + 10, quantity=LEVEL + 40))
        await stage.reported(order.id, OrderStatus.PARTIALLY_FILLED, LEVEL)
        await stage.client.modify(order, OrderTerms(quantity=LEVEL + 10, order_type=OrderType.LIMIT, price=PRICE + 10))
        assert stage.truth(order.id).remaining == 10
        with pytest.raises(RejectedByBroker):
            await stage.client.modify(order, OrderTerms(quantity=LEVEL, order_type=OrderType.LIMIT, price=PRICE))
        assert stage.truth(order.id).remaining == 10
        await stage.step()
        await stage.reported(order.id, OrderStatus.FILLED, LEVEL + 10)

    stage.run(main())


def test_cancelled_is_cancelled_and_a_second_time_is_refused(stage: Stage):
    async def main():
        order = await stage.place(stage.order())
        await stage.client.cancel(order)
        assert (await stage.reported(order.id, OrderStatus.CANCELLED)).filled == 0
        with pytest.raises(RejectedByBroker):
            await stage.client.cancel(order)

    stage.run(main())


def test_a_stop_wakes_and_trades(stage: Stage):
    async def main():
        order = await stage.place(stage.order(OrderType.SL_M, trigger=BELOW, side=SELL, quantity=3))
        await stage.reported(order.id, OrderStatus.TRIGGER_PENDING)
        await stage.step(BELOW)
        await stage.reported(order.id, OrderStatus.FILLED, 3)
        await stage.step(PRICE)

    stage.run(main())


def test_a_cancel_that_crosses_the_fill_is_refused_and_the_fill_stands(stage: Stage):
    async def main():
        order = await stage.place(stage.order(OrderType.LIMIT, BELOW, quantity=4))
        await stage.reported(order.id, OrderStatus.OPEN)
        await stage.step(BELOW - 100)  # it trades; the desk that cancels has not heard of it
        with pytest.raises(RejectedByBroker) as refused:
            await stage.client.cancel(order)
        assert refused.value.message
        await stage.reported(order.id, OrderStatus.FILLED, 4)
        found = await stage.client.find(order.id)
        assert (found.status, found.filled) == (OrderStatus.FILLED, 4)
        assert OrderStatus.CANCELLED not in {r.status for r in stage.said(order.id)}
        await stage.step(PRICE)

    stage.run(main())


@pytest.mark.parametrize(
    ("what", "asked", "words"),
    [
        ("the band", {"price": 2_000_00}, ("band", "circuit", "price range", "2000", "2,000")),
        ("the tick", {"price": 1_290_03}, ("tick", "multiple")),
        ("funds", {"price": PRICE - 100, "quantity": 50_00_000}, ("fund", "margin", "short", "insufficient")),
        ("freeze", {"price": 9_50, "quantity": 1_001, "instrument": IDEA}, ("freeze",)),
        ("the lot", {"price": 24_000_00, "quantity": 66, "instrument": FUTURE}, ("lot",)),
    ],
)
def test_a_refusal_keeps_the_brokers_own_reason_and_leaves_nothing(stage: Stage, what, asked, words):
    async def main():
        new = stage.order(**asked)
        reason = await stage.refusal(new)
        assert any(word in reason.lower() for word in words), (what, reason)
        there = stage.core.by_tag(new.order_id)
        assert there is None or not there.status.working

    stage.run(main())


def test_what_is_above_the_freeze_quantity_goes_in_slices(stage: Stage):
    async def main():
        parts = slices(2_500, IDEA)
        assert (sum(parts), max(parts)) == (2_500, IDEA.freeze_quantity)
        orders = [
            await stage.place(stage.order(OrderType.LIMIT, 9_50, quantity=part, instrument=IDEA)) for part in parts
        ]
        assert len({order.broker_id for order in orders}) == len(parts) == 3
        for order, part in zip(orders, parts, strict=True):
            assert (await stage.client.find(order.id)).terms.quantity == part
            assert stage.truth(order.id).terms.quantity == part

    stage.run(main())


def test_writes_are_carried_out_in_the_order_of_the_calls(stage: Stage):
    async def main():
        news = [stage.order(quantity=number) for number in range(1, 9)]
        await asyncio.gather(*(stage.client.submit(new) for new in news))
        ids = [new.order_id for new in news]
        seen = [each.tag for each in stage.core.orders.values() if each.tag in set(ids)]
        assert seen == ids

    stage.run(main())


def test_the_books_agree_with_the_exchange(stage: Stage):
    async def main():
        resting = await stage.place(stage.order())
        done = await stage.place(stage.order(OrderType.MARKET, quantity=2))
        await stage.reported(done.id, OrderStatus.FILLED)
        book = {report.order_id: report for report in await stage.client.orders()}
        for order in (resting, done):
            truth = stage.truth(order.id)
            report = book[order.id]
            assert (report.status, report.filled, report.terms) == (truth.status, truth.filled, truth.terms)
            assert report.broker_id == order.broker_id
            assert report.ts == truth.updated or abs(report.ts - truth.updated) <= 1_000_000_000
        assert set(book) >= {each.tag for each in stage.core.orders.values()}
        funds, true = await stage.client.funds(), stage.core.funds()
        assert (funds.available, funds.opening) == (true.available, true.opening)
        assert funds.used > 0  # Kite counts the day's losses in
        assert await stage.client.find(stage.order().order_id) is None, "never sent"
        assert await stage.client.holdings() == []

    stage.run(main())
