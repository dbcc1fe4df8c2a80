"""`KiteAccount` through the real SDK against the simulated exchange: what Kite has and has not, and broken wires."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date
from itertools import count

import msgspec
import pytest
from tests.contract.suite.floor import Floor
from tests.contract.suite.market import FUTURE, NIFTY, PRICE, RELIANCE, CalledDay, Lookup
from tests.contract.suite.wire import Break

from saudagar.brokers.kite.broker import KiteBroker
from saudagar.brokers.kite.capabilities import CAPABILITIES
from saudagar.brokers.kite.client import KiteSettings
from saudagar.exchange.faults import FaultKind, FaultRule
from saudagar.execution.account_ports import AccountClient
from saudagar.model import (
    SECOND,
    BrokerOrderId,
    ClientOrderId,
    ConditionalKind,
    ConditionalLeg,
    ConditionalReport,
    ConditionalStatus,
    Conversion,
    LegName,
    NewConditional,
    NewOrder,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Side,
)
from saudagar.model.errors import (
    AuthError,
    DataError,
    OutcomeUnknown,
    RateLimited,
    RejectedByBroker,
    Unsupported,
)

DAY = date(2026, 11, 20)
_numbers = count(1)


@pytest.fixture(scope="module")
def market() -> Iterator[Floor]:
    made = Floor(CalledDay(), names=("kite",))
    yield made
    made.close()


@pytest.fixture
def floor(market: Floor) -> Iterator[Floor]:
    yield market
    market.faults()
    market.wires["kite"].next = None
    market.day.price = PRICE
    market.step()


def on_account(floor: Floor, work, **changes):
    """`work(broker)` with the REST side only."""
    account = floor.account
    fields = {
        "api_key": account.kite_key,
        "token": account.kite_token,
        "rest_url": f"http://127.0.0.1:{floor.wires['kite'].port}",
        "timeout": (1.0, 0.4),
    }

    async def main():
        broker = KiteBroker(KiteSettings(**fields | changes), Lookup(), clock=lambda: floor.exchange.core.now)
        await broker.open()
        try:
            return await work(broker)
        finally:
            await broker.stop()

    return asyncio.run(main())


def new_order(quantity: int = 1, price: int = 0, **changes) -> NewOrder:
    fields = {
        "order_id": ClientOrderId(f"A{next(_numbers):05}"),
        "instrument": RELIANCE.id,
        "side": Side.BUY,
        "terms": OrderTerms(quantity=quantity, order_type=OrderType.LIMIT if price else OrderType.MARKET, price=price),
        "product": Product.INTRADAY,
        "purpose": Purpose.ENTRY,
        "position": PositionId("t"),
    }
    return NewOrder(**fields | changes)


def leg(name: LegName, trigger: int, price: int | None = None) -> ConditionalLeg:
    return ConditionalLeg(name=name, trigger=trigger, price=trigger if price is None else price)


def conditional(*legs: ConditionalLeg, **changes) -> NewConditional:
    fields = {
        "order_id": ClientOrderId(f"G{next(_numbers):05}"),
        "kind": ConditionalKind.SINGLE if len(legs) < 2 else ConditionalKind.OCO,
        "instrument": RELIANCE.id,
        "side": Side.BUY,
        "quantity": next(_numbers),  # no two alike: Kite tells them apart by what was asked
        "product": Product.DELIVERY,
        "legs": legs or (leg(LegName.ENTRY, PRICE - 20_00),),
        "last_price": PRICE,
    }
    return NewConditional(**fields | changes)


def conversion(**changes) -> Conversion:
    fields = {
        "instrument": RELIANCE.id,
        "side": Side.BUY,
        "quantity": 1,
        "held": Product.INTRADAY,
        "wanted": Product.DELIVERY,
    }
    return Conversion(**fields | changes)


async def held(broker: KiteBroker, product: Product) -> int:
    positions = await broker.positions()
    return sum(each.quantity for each in positions if each.instrument == RELIANCE.id and each.product is product)


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


# -- when nobody knows -----------------------------------------------------------------------------------------------

LOST = [FaultKind.DROP_AFTER_ACCEPT, FaultKind.GARBLED, FaultKind.SERVER_ERROR, FaultKind.DROP_BEFORE_ACCEPT]
SURE = [(FaultKind.TOO_MANY, RateLimited)]


def fault(floor: Floor, kind: FaultKind, endpoint: str) -> None:
    floor.faults(FaultRule(kind=kind, endpoint=f"kite.{endpoint}", count=1))


@pytest.mark.parametrize("kind", LOST)
def test_a_conversion_without_an_answer_is_unknown_and_done_once_at_most(floor: Floor, kind: FaultKind):
    async def work(broker: KiteBroker):
        await broker.submit(new_order(3))
        before = await held(broker, Product.DELIVERY)
        fault(floor, kind, "positions.convert")
        with pytest.raises(OutcomeUnknown):
            await broker.account.convert(conversion(quantity=3))
        assert await held(broker, Product.DELIVERY) - before == (0 if kind is FaultKind.DROP_BEFORE_ACCEPT else 3)

    calls = floor.exchange.wire.calls["kite.positions.convert"]
    on_account(floor, work)
    assert floor.exchange.wire.calls["kite.positions.convert"] == calls + 1


def test_a_conversion_whose_answer_never_comes_is_unknown(floor: Floor):
    async def work(broker: KiteBroker):
        await broker.submit(new_order(2))
        before = await held(broker, Product.DELIVERY)
        floor.wires["kite"].next = Break.STALL
        with pytest.raises(OutcomeUnknown, match=r"no reply.* Look at the positions"):
            await broker.account.convert(conversion(quantity=2))
        assert await held(broker, Product.DELIVERY) == before + 2

    on_account(floor, work)


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("name", ["place", "modify", "delete"])
def test_a_conditional_order_without_an_answer_is_unknown_and_there_once_at_most(floor, kind, name):
    calls = floor.exchange.wire.calls[f"kite.gtt.{name}"]

    async def work(broker: KiteBroker):
        account, asked = broker.account, conditional()
        moved = msgspec.structs.replace(asked, legs=(leg(LegName.ENTRY, PRICE - 30_00),))
        known = None if name == "place" else await account.place_conditional(asked)
        before = len(await account.conditionals())
        fault(floor, kind, f"gtt.{name}")
        requests = {
            "place": lambda: account.place_conditional(asked),
            "modify": lambda: account.modify_conditional(known, moved),
            "delete": lambda: account.cancel_conditional(known),
        }
        with pytest.raises(OutcomeUnknown):
            await requests[name]()
        taken = kind is not FaultKind.DROP_BEFORE_ACCEPT
        now = await account.conditionals()
        assert len(now) - before == {"place": 1, "modify": 0, "delete": -1}[name] * taken
        found = await account.find_conditional(moved if name == "modify" else asked)
        assert (found is None) is (taken if name == "delete" else not taken)
        if found is not None:
            await account.cancel_conditional(found)

    on_account(floor, work)
    made = floor.exchange.wire.calls[f"kite.gtt.{name}"] - calls
    assert made == (1 if name != "delete" or kind is not FaultKind.DROP_BEFORE_ACCEPT else 2)


def test_one_that_fired_before_it_could_be_looked_for_is_found_and_an_older_equal_one_is_not(floor: Floor):
    async def fire() -> None:
        floor.day.price = PRICE - 20_00
        await asyncio.to_thread(floor.step)
        await asyncio.to_thread(floor.step)
        floor.day.price = PRICE
        await asyncio.to_thread(floor.step)

    async def work(broker: KiteBroker):
        account, asked = broker.account, conditional()
        fault(floor, FaultKind.DROP_AFTER_ACCEPT, "gtt.place")
        with pytest.raises(OutcomeUnknown):
            await account.place_conditional(asked)
        await fire()
        found = await account.find_conditional(asked)
        assert (found.status, len(found.orders)) == (ConditionalStatus.DONE, 1)
        later = msgspec.structs.replace(asked, order_id=ClientOrderId("LATER"))
        assert await account.find_conditional(later) is None  # never asked for
        floor.day.not_before = floor.exchange.core.now + 600 * SECOND
        await asyncio.to_thread(floor.step)
        fault(floor, FaultKind.DROP_BEFORE_ACCEPT, "gtt.place")
        with pytest.raises(OutcomeUnknown):
            await account.place_conditional(later)
        assert await account.find_conditional(later) is None  # the one that fired is ten minutes old

    on_account(floor, work)


@pytest.mark.parametrize(("kind", "error"), SURE)
def test_a_clear_no_is_told_as_such_and_nothing_is_done(floor: Floor, kind, error):
    async def work(broker: KiteBroker):
        account, asked = broker.account, conditional()
        fault(floor, kind, "gtt.place")
        with pytest.raises(error):
            await account.place_conditional(asked)
        assert await account.find_conditional(asked) is None
        fault(floor, kind, "positions.convert")
        with pytest.raises(error):
            await account.convert(conversion())

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
