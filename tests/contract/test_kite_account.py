"""`KiteAccount` through the real SDK against the simulated exchange: what Kite has and has not, and broken wires."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import pytest
from tests.contract.kite_account import (
    DAY,
    conditional,
    conversion,
    fault,
    kite_market,
    leg,
    new_order,
    on_account,
    tidied,
)
from tests.contract.suite.floor import Floor
from tests.contract.suite.market import FUTURE, NIFTY, PRICE, RELIANCE

from saudagar.brokers.kite.broker import KiteBroker
from saudagar.brokers.kite.capabilities import CAPABILITIES
from saudagar.exchange.faults import FaultKind
from saudagar.execution.account_ports import AccountClient
from saudagar.model import (
    BrokerOrderId,
    ClientOrderId,
    ConditionalKind,
    ConditionalReport,
    ConditionalStatus,
    LegName,
    NewConditional,
    Product,
    Side,
)
from saudagar.model.errors import (
    AuthError,
    DataError,
    OutcomeUnknown,
    RejectedByBroker,
    Unsupported,
)


@pytest.fixture(scope="module")
def market() -> Iterator[Floor]:
    with kite_market() as made:
        yield made


@pytest.fixture
def floor(market: Floor) -> Iterator[Floor]:
    with tidied(market) as left:
        yield left


# -- what Kite has, and what it has not ----------------------------------------------------------------------------

REQUESTS = {
    "convert": lambda a: a.convert(conversion()),
    "place_conditional": lambda a: a.place_conditional(conditional()),
    "modify_conditional": lambda a: a.modify_conditional(report(conditional()), conditional()),
    "cancel_conditional": lambda a: a.cancel_conditional(report(conditional())),
    "conditionals": lambda a: a.conditionals(),
    "find_conditional": lambda a: a.find_conditional(conditional()),
    "margin": lambda a: a.margin([new_order()]),
    "trades": lambda a: a.trades(),
    "trade_history": lambda a: a.trade_history(DAY, DAY),
    "ledger": lambda a: a.ledger(DAY, DAY),
    "exit_all": lambda a: a.exit_all(),
    "kill_switch": lambda a: a.kill_switch(True),
    "profit_exit": lambda a: a.profit_exit(100, None),
    "sale_authorities": lambda a: a.sale_authorities(),
    "request_sale_pin": lambda a: a.request_sale_pin(),
    "sale_form": lambda a: a.sale_form(RELIANCE, 1),
}
ABSENT = {  # each with what says so in the table, if it has a word for it
    "trade_history": False,
    "ledger": False,
    "exit_all": CAPABILITIES.exit_all,
    "kill_switch": CAPABILITIES.kill_switch,
    "profit_exit": CAPABILITIES.profit_exit,
    "sale_authorities": CAPABILITIES.e_dis,
    "request_sale_pin": CAPABILITIES.e_dis,
    "sale_form": CAPABILITIES.e_dis,
}


def report(asked: NewConditional, number: str = "7") -> ConditionalReport:
    return ConditionalReport(
        broker_id=BrokerOrderId(number),
        kind=asked.kind,
        status=ConditionalStatus.ACTIVE,
        instrument=asked.instrument,
        side=asked.side,
        quantity=asked.quantity,
        product=asked.product,
        legs=asked.legs,
    )


def test_every_request_is_there_or_is_refused_as_the_table_says(floor: Floor):
    assert set(REQUESTS) == {name for name in vars(AccountClient) if not name.startswith("_")}
    assert not any(ABSENT.values())
    assert CAPABILITIES.conversion
    assert CAPABILITIES.conditional == {ConditionalKind.SINGLE, ConditionalKind.OCO}

    async def work(broker: KiteBroker):
        for name, request in REQUESTS.items():
            before = sum(floor.exchange.wire.calls.values())
            if name in ABSENT:
                with pytest.raises(Unsupported, match="Kite Connect has no") as refused:
                    await request(broker.account)
                assert refused.value.hint, "what to do instead"
                assert sum(floor.exchange.wire.calls.values()) == before, "nothing was sent"
                continue
            try:
                await request(broker.account)
            except RejectedByBroker:
                assert name in ("convert", "modify_conditional", "cancel_conditional")  # there was nothing to change
            assert sum(floor.exchange.wire.calls.values()) > before

    on_account(floor, work)


BRACKET = (leg(LegName.ENTRY, 0, PRICE), leg(LegName.TARGET, PRICE + 10_00), leg(LegName.STOP, PRICE - 10_00))


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        (conditional(*BRACKET, kind=ConditionalKind.BRACKET), Unsupported, "no BRACKET order; it has OCO, SINGLE"),
        (conditional(leg(LegName.ENTRY, PRICE - 10_00, 0)), Unsupported, "needs a price"),
        (conditional(instrument=NIFTY.id), Unsupported, "does not trade"),
        (conditional(product=Product.MARGIN), Unsupported, "as MARGIN"),
        (conditional(quantity=0), DataError, "quantity"),
        (conditional(quantity=1.5), DataError, "quantity"),
        (conditional(leg(LegName.ENTRY, 1_290_00.5)), DataError, "trigger of ENTRY"),
        (conditional(leg(LegName.ENTRY, PRICE - 10_00, float("nan"))), DataError, "price of ENTRY"),
        (conditional(last_price=1_300_00.25), DataError, "last price"),
        (conditional(instrument="NSE_EQ:GONE"), DataError, "not known"),
    ],
)
def test_a_conditional_order_that_kite_cannot_take_never_reaches_the_wire(floor, asked, error, words):
    before = floor.exchange.wire.calls["kite.gtt.place"]
    with pytest.raises(error, match=words):
        on_account(floor, lambda broker: broker.account.place_conditional(asked))
    assert floor.exchange.wire.calls["kite.gtt.place"] == before


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"quantity": 0}, DataError),
        ({"quantity": -1}, DataError),
        ({"quantity": 0.5}, DataError),
        ({"wanted": Product.INTRADAY}, DataError),
        ({"wanted": Product.MARGIN}, Unsupported),
        ({"instrument": NIFTY.id}, Unsupported),
        ({"instrument": FUTURE.id, "held": Product.MARGIN}, Unsupported),
    ],
)
def test_a_conversion_that_kite_cannot_mean_never_reaches_the_wire(floor: Floor, changes, error):
    before = floor.exchange.wire.calls["kite.positions.convert"]
    with pytest.raises(error):
        on_account(floor, lambda broker: broker.account.convert(conversion(**changes)))
    assert floor.exchange.wire.calls["kite.positions.convert"] == before


# -- conditional orders --------------------------------------------------------------------------------------------


def test_the_exits_of_a_long_position_are_a_stop_below_and_a_target_above(floor: Floor):
    target, stop = leg(LegName.TARGET, PRICE + 20_00, PRICE + 19_00), leg(LegName.STOP, PRICE - 20_00, PRICE - 25_00)
    asked = conditional(target, stop, side=Side.SELL, product=Product.INTRADAY, quantity=5)

    async def work(broker: KiteBroker):
        account = broker.account
        await broker.submit(new_order(5))
        placed = await account.place_conditional(asked)
        assert (placed.status, placed.order_id, placed.legs) == (ConditionalStatus.ACTIVE, asked.order_id, asked.legs)
        found = await account.find_conditional(asked)
        assert {each.name: (each.trigger, each.price) for each in found.legs} == {
            LegName.TARGET: (PRICE + 20_00, PRICE + 19_00),
            LegName.STOP: (PRICE - 20_00, PRICE - 25_00),
        }
        higher = msgspec.structs.replace(asked, legs=(target, leg(LegName.STOP, PRICE - 10_00, PRICE - 15_00)))
        await account.modify_conditional(placed, higher)
        assert await account.find_conditional(asked) is None
        assert (await account.find_conditional(higher)).broker_id == placed.broker_id
        floor.day.price = PRICE - 10_00
        await asyncio.to_thread(floor.step)
        await asyncio.to_thread(floor.step)
        (fired,) = [each for each in await account.conditionals() if each.broker_id == placed.broker_id]
        assert fired.status is ConditionalStatus.DONE
        (number,) = fired.orders
        (sale,) = [each for each in await account.trades() if each.broker_id == number]
        assert (sale.side, sale.quantity, sale.product) == (Side.SELL, 5, Product.INTRADAY)
        with pytest.raises(RejectedByBroker, match="triggered"):
            await account.cancel_conditional(placed)

    on_account(floor, work)


def test_what_the_exchange_refused_is_told_with_its_reason(floor: Floor):
    asked = conditional(leg(LegName.ENTRY, PRICE + 10_00, 2_000_00))  # outside the band

    async def work(broker: KiteBroker):
        placed = await broker.account.place_conditional(asked)
        floor.day.price = PRICE + 10_00
        await asyncio.to_thread(floor.step)
        await asyncio.to_thread(floor.step)
        (fired,) = [each for each in await broker.account.conditionals() if each.broker_id == placed.broker_id]
        assert (fired.status, fired.orders) == (ConditionalStatus.REJECTED, ())
        assert "band" in fired.reason

    on_account(floor, work)


def test_what_may_not_change_is_refused_before_the_wire(floor: Floor):
    async def work(broker: KiteBroker):
        asked = conditional()
        known = await broker.account.place_conditional(asked)
        for changes in ({"side": Side.SELL}, {"product": Product.INTRADAY}, {"instrument": FUTURE.id}):
            with pytest.raises(DataError, match="stay"):
                await broker.account.modify_conditional(known, msgspec.structs.replace(asked, **changes))
        nameless = msgspec.structs.replace(known, broker_id=BrokerOrderId(""))
        for request in (
            broker.account.modify_conditional(nameless, asked),
            broker.account.cancel_conditional(nameless),
        ):
            with pytest.raises(RejectedByBroker, match="not known"):
                await request
        assert (await broker.account.find_conditional(asked)).broker_id == known.broker_id
        await broker.account.cancel_conditional(known)
        assert await broker.account.find_conditional(asked) is None

    on_account(floor, work)


def test_of_several_equal_ones_the_newest_is_found(floor: Floor):
    async def work(broker: KiteBroker):
        asked = conditional()
        first, second = [await broker.account.place_conditional(asked) for _ in range(2)]
        assert (await broker.account.find_conditional(asked)).broker_id == second.broker_id
        await broker.account.cancel_conditional(second)
        assert (await broker.account.find_conditional(asked)).broker_id == first.broker_id
        await broker.account.cancel_conditional(first)

    on_account(floor, work)


def test_one_that_was_plainly_taken_is_not_what_another_became(floor: Floor):
    async def work(broker: KiteBroker):
        account, asked = broker.account, conditional()
        first = await account.place_conditional(asked)
        twin = msgspec.structs.replace(asked, order_id=ClientOrderId("TWIN"))
        assert await account.find_conditional(twin) is None
        fault(floor, FaultKind.DROP_AFTER_ACCEPT, "gtt.place")
        with pytest.raises(OutcomeUnknown, match="Look at the conditional orders"):
            await account.place_conditional(twin)
        second = await account.find_conditional(twin)
        assert (await account.find_conditional(asked)).order_id == asked.order_id
        assert {each.order_id for each in await account.conditionals()} >= {asked.order_id, ""}
        assert second.broker_id != first.broker_id
        for each in (first, second):
            await account.cancel_conditional(each)

    on_account(floor, work)


def test_a_wrong_token_and_a_wrong_address(floor: Floor):
    async def work(broker: KiteBroker):
        for name in REQUESTS.keys() - ABSENT.keys():
            with pytest.raises(AuthError, match="Log in again"):
                await REQUESTS[name](broker.account)

    before = len(floor.exchange.conditionals.all)
    on_account(floor, work, token="wrong")
    floor.exchange.switches["kite"].wrong_ip = True
    try:
        with pytest.raises(RejectedByBroker, match="IP address"):
            on_account(floor, lambda broker: broker.account.place_conditional(conditional()))
    finally:
        floor.exchange.switches["kite"].wrong_ip = False
    assert len(floor.exchange.conditionals.all) == before


# -- margins and trades ----------------------------------------------------------------------------------------------


def test_the_margin_of_a_basket_and_its_charges(floor: Floor):
    async def work(broker: KiteBroker):
        account = broker.account
        one = await account.margin([new_order(10, PRICE)])
        assert one.required == 10 * PRICE // 5
        assert one.charges > 0
        two = await account.margin([new_order(10, PRICE), new_order(10, PRICE, product=Product.DELIVERY)])
        assert two.required == 10 * PRICE // 5 + 10 * PRICE
        assert two.charges > 2 * one.charges
        future = await account.margin([new_order(65, 24_000_00, instrument=FUTURE.id, product=Product.MARGIN)])
        assert (future.required, future.span) == (65 * 24_000_00 // 5,) * 2
        with pytest.raises(DataError, match="no order"):
            await account.margin([])
        with pytest.raises(Unsupported):
            await account.margin([new_order(instrument=NIFTY.id)])
        with pytest.raises(RejectedByBroker):
            await account.margin([new_order(2**31)])

    orders = len(floor.exchange.core.orders)
    on_account(floor, work)
    assert len(floor.exchange.core.orders) == orders


def test_trades_carry_our_ids(floor: Floor):
    async def work(broker: KiteBroker):
        mine = new_order(150)  # two levels
        number = (await broker.submit(mine)).broker_id
        found = [each for each in await broker.account.trades() if each.broker_id == number]
        assert [each.quantity for each in found] == [100, 50]
        assert {(each.order_id, each.instrument, each.symbol) for each in found} == {
            (mine.order_id, RELIANCE.id, "RELIANCE")
        }

    on_account(floor, work)
