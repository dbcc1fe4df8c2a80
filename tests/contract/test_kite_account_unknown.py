"""Kite's account when nobody knows: what was not answered is looked for, and done once at most."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import pytest
from tests.contract.kite_account import (
    conditional,
    conversion,
    fault,
    held,
    kite_market,
    leg,
    new_order,
    on_account,
    tidied,
)
from tests.contract.suite.floor import Floor
from tests.contract.suite.market import PRICE
from tests.contract.suite.wire import Break

from saudagar.brokers.kite.broker import KiteBroker
from saudagar.exchange.faults import FaultKind
from saudagar.model import (
    SECOND,
    ClientOrderId,
    ConditionalStatus,
    LegName,
    Product,
)
from saudagar.model.errors import (
    OutcomeUnknown,
    RateLimited,
)


@pytest.fixture(scope="module")
def market() -> Iterator[Floor]:
    with kite_market() as made:
        yield made


@pytest.fixture
def floor(market: Floor) -> Iterator[Floor]:
    with tidied(market) as left:
        yield left


LOST = [FaultKind.DROP_AFTER_ACCEPT, FaultKind.GARBLED, FaultKind.SERVER_ERROR, FaultKind.DROP_BEFORE_ACCEPT]
SURE = [(FaultKind.TOO_MANY, RateLimited)]


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
