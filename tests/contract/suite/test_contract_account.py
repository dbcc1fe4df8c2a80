"""The contract of `AccountClient`: conversion, conditional orders, exit-all, margins and the day's trade book."""

from __future__ import annotations

import pytest
from tests.contract.suite.accounts import FAR, NEAR, asked, buy, conversion, held, leg, now, offered, orders_of
from tests.contract.suite.market import NIFTY, PRICE, RELIANCE
from tests.contract.suite.stage import Stage

from saudagar.model import (
    ConditionalKind,
    ConditionalStatus,
    LegName,
    OrderStatus,
    OrderType,
    Product,
    Side,
)
from saudagar.model.errors import (
    BrokerError,
    DataError,
    RejectedByBroker,
    Unsupported,
)

pytestmark = pytest.mark.children_unmeasured

KINDS = tuple(ConditionalKind)


# -- conversion --------------------------------------------------------------------------------------------------


def test_a_converted_position_has_moved_to_the_other_product(stage: Stage):
    async def main():
        await buy(stage, 10)
        before = [await held(stage, product) for product in (Product.INTRADAY, Product.DELIVERY)]
        await stage.client.account.convert(conversion(4))
        after = [await held(stage, product) for product in (Product.INTRADAY, Product.DELIVERY)]
        assert [b - a for a, b in zip(before, after, strict=True)] == [-4, 4]
        await stage.client.account.convert(conversion(4, held=Product.DELIVERY, wanted=Product.INTRADAY))
        await buy(stage, 10, side=Side.SELL)

    stage.run(main())


def test_more_than_is_held_is_not_converted(stage: Stage):
    async def main():
        there = await held(stage, Product.INTRADAY)
        with pytest.raises(RejectedByBroker) as refused:
            await stage.client.account.convert(conversion(there + 1_000))
        assert refused.value.message
        assert await held(stage, Product.INTRADAY) == there

    stage.run(main())


@pytest.mark.parametrize(
    "wrong", [{"quantity": 0}, {"quantity": -5}, {"wanted": Product.INTRADAY}, {"instrument": NIFTY.id}]
)
def test_a_conversion_that_means_nothing_is_refused(stage: Stage, wrong):
    async def main():
        with pytest.raises((DataError, Unsupported, RejectedByBroker)):
            await stage.client.account.convert(conversion(**{"quantity": 1} | wrong))

    stage.run(main())


# -- conditional orders ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_conditional_order_waits_is_changed_and_withdrawn_or_is_clearly_not_to_be_had(stage: Stage, kind):
    async def main():
        account, new = stage.client.account, asked(stage, kind)
        before = len(await account.conditionals())
        if kind not in stage.client.capabilities.conditional:
            with pytest.raises(Unsupported, match=stage.client.capabilities.name.title()):
                await account.place_conditional(new)
            assert len(await account.conditionals()) == before
            return
        placed = await account.place_conditional(new)
        listed = await now(stage, placed)
        assert listed.status.live
        assert (listed.kind, listed.instrument, listed.side, listed.quantity, listed.product) == (
            kind,
            new.instrument,
            new.side,
            new.quantity,
            new.product,
        )
        assert {each.name: each.trigger for each in listed.legs} == {each.name: each.trigger for each in new.legs}
        assert (await account.find_conditional(new)).broker_id == placed.broker_id
        await account.cancel_conditional(placed)
        gone = [
            each for each in await account.conditionals() if each.broker_id == placed.broker_id and each.status.live
        ]
        if kind in (ConditionalKind.SINGLE, ConditionalKind.OCO):
            assert gone == []
            with pytest.raises(BrokerError):
                await account.cancel_conditional(placed)

    stage.run(main())


@pytest.mark.parametrize("kind", [ConditionalKind.SINGLE, ConditionalKind.OCO])
def test_a_reached_trigger_sends_one_order(stage: Stage, kind):
    offered(stage, kind)

    async def main():
        placed = await stage.client.account.place_conditional(asked(stage, kind))
        before = orders_of(stage)
        await stage.step(PRICE - NEAR)
        assert orders_of(stage) == before
        await stage.step(PRICE - FAR)
        await stage.step(PRICE - FAR - NEAR)
        assert orders_of(stage) == before + 1
        fired = await now(stage, placed)
        assert fired.status in (ConditionalStatus.WORKING, ConditionalStatus.DONE)
        await stage.step(PRICE + FAR)
        await stage.step(PRICE)
        assert orders_of(stage) == before + 1, "the other leg died with it"

    stage.run(main())


@pytest.mark.parametrize("kind", [ConditionalKind.BRACKET, ConditionalKind.TRAILING])
@pytest.mark.parametrize("outcome", [LegName.TARGET, LegName.STOP])
def test_a_bracket_enters_and_leaves_by_one_of_its_exits(stage: Stage, kind, outcome):
    offered(stage, kind)

    async def main():
        before, position = orders_of(stage), await held(stage, Product.INTRADAY)
        placed = await stage.client.account.place_conditional(asked(stage, kind))
        await stage.step()
        assert await held(stage, Product.INTRADAY) == position + 3
        assert (await now(stage, placed)).status.live
        way = 1 if outcome is LegName.TARGET else -1
        for distance in (FAR, 2 * FAR, 3 * FAR):
            await stage.step(PRICE + way * distance)
        assert await held(stage, Product.INTRADAY) == position
        assert orders_of(stage) == before + 2
        assert not (await now(stage, placed)).status.live
        await stage.step(PRICE)

    stage.run(main())


def test_a_trailing_stop_follows_the_price_and_not_back(stage: Stage):
    offered(stage, ConditionalKind.TRAILING)

    async def main():
        position = await held(stage, Product.INTRADAY)
        placed = await stage.client.account.place_conditional(asked(stage, ConditionalKind.TRAILING))
        await stage.step()
        await stage.step(PRICE + FAR + NEAR // 2)  # two whole steps
        await stage.step(PRICE)
        stop = next(each for each in (await now(stage, placed)).legs if each.name is LegName.STOP)
        assert stop.trigger in (PRICE - 2 * FAR, PRICE - FAR), "as it was asked, or as it stands"
        await stage.step(PRICE - FAR)  # where the moved stop lies, and the first one does not
        await stage.step()
        assert await held(stage, Product.INTRADAY) == position
        await stage.step(PRICE)

    stage.run(main())


def test_a_moved_trigger_is_the_one_that_counts(stage: Stage):
    offered(stage, ConditionalKind.SINGLE)

    async def main():
        account, new = stage.client.account, asked(stage, ConditionalKind.SINGLE)
        placed = await account.place_conditional(new)
        before = orders_of(stage)
        moved = (leg(LegName.ENTRY, PRICE - NEAR, PRICE - NEAR),)
        await account.modify_conditional(
            placed, asked(stage, ConditionalKind.SINGLE, moved, order_id=new.order_id, quantity=2)
        )
        changed = await now(stage, placed)
        assert (changed.legs[0].trigger, changed.quantity) == (PRICE - NEAR, 2)
        await stage.step(PRICE - NEAR)
        await stage.step(PRICE)
        assert orders_of(stage) == before + 1

    stage.run(main())


WRONG = [
    ({"quantity": 0}, "quantity"),
    ({"last_price": 0}, "last price"),
    ({"legs": (leg(LegName.ENTRY),)}, "trigger"),
    ({"legs": (leg(LegName.STOP, PRICE),)}, "legs"),
    ({"legs": (leg(LegName.ENTRY, -5, PRICE),)}, "negative"),
    ({"legs": (leg(LegName.ENTRY, PRICE, PRICE, 5),)}, "trails"),
]


@pytest.mark.parametrize(("wrong", "words"), WRONG)
def test_a_conditional_order_that_means_nothing_is_refused_before_the_wire(stage: Stage, wrong, words):
    async def main():
        account = stage.client.account
        before = len(await account.conditionals())
        with pytest.raises(DataError, match=words):
            await account.place_conditional(asked(stage, ConditionalKind.SINGLE, **wrong))
        assert len(await account.conditionals()) == before

    stage.run(main())


def test_an_oco_whose_target_lies_behind_its_stop_is_refused(stage: Stage):
    async def main():
        legs = (leg(LegName.TARGET, PRICE + FAR, PRICE + FAR), leg(LegName.STOP, PRICE - FAR, PRICE - FAR))
        with pytest.raises(DataError, match="below the stop"):
            await stage.client.account.place_conditional(asked(stage, ConditionalKind.OCO, legs))

    stage.run(main())


# -- the rest of the account -------------------------------------------------------------------------------------


def test_exit_all_leaves_nothing_open_or_is_clearly_not_to_be_had(stage: Stage):
    async def main():
        account = stage.client.account
        if not stage.client.capabilities.exit_all:
            with pytest.raises(Unsupported, match="exit"):
                await account.exit_all()
            return
        await buy(stage, 7)
        assert await held(stage, Product.INTRADAY)
        await account.exit_all()
        await stage.step()
        assert await held(stage, Product.INTRADAY) == 0

    stage.run(main())


def test_the_margin_of_an_order_is_asked_for_and_nothing_is_placed(stage: Stage):
    async def main():
        before = orders_of(stage)
        account = stage.client.account
        one, ten = [
            await account.margin([stage.order(OrderType.LIMIT, PRICE, quantity=quantity)]) for quantity in (1, 10)
        ]
        assert 0 < one.required < ten.required
        assert orders_of(stage) == before

    stage.run(main())


def test_the_trade_book_has_every_execution_of_the_day(stage: Stage):
    async def main():
        order = await stage.place(stage.order(OrderType.MARKET, quantity=2))
        await stage.reported(order.id, OrderStatus.FILLED, 2)
        trades = [each for each in await stage.client.account.trades() if each.broker_id == order.broker_id]
        truth = stage.truth(order.id)
        assert [(t.trade_id, t.quantity, t.price) for t in trades] == [
            (t.trade_id, t.quantity, t.price) for t in truth.trades
        ]
        assert {(t.instrument, t.side, t.product) for t in trades} == {(RELIANCE.id, Side.BUY, Product.INTRADAY)}
        assert all(abs(t.ts - truth.updated) <= 1_000_000_000 for t in trades)

    stage.run(main())
