"""What a broker says it can do, it does; what it does not say is refused before the wire, in clear words."""

from __future__ import annotations

import msgspec
import pytest
from tests.contract.suite.market import FUTURE, NIFTY, RELIANCE
from tests.contract.suite.stage import Stage

from saudagar.execution.ports import Capabilities, LookUp
from saudagar.model import ClientOrderId, OrderType, Product, Side, Validity
from saudagar.model.errors import BrokerError, RejectedByBroker, Unsupported

pytestmark = pytest.mark.children_unmeasured

LESS: list[tuple[dict[str, frozenset], dict, str]] = [
    ({"order_types": frozenset({OrderType.LIMIT})}, {"kind": OrderType.SL_M, "trigger": 1_310_00}, "SL_M"),
    ({"products": frozenset({Product.INTRADAY})}, {"product": Product.MTF}, "MTF"),
    ({"validities": frozenset({Validity.DAY})}, {"validity": Validity.IOC}, "IOC"),
    ({"after_market": False}, {"after_market": True}, "after the market"),
]


@pytest.mark.parametrize(("lacks", "asked", "words"), LESS)
def test_what_the_table_does_not_have_is_refused_before_the_wire(stage: Stage, lacks, asked, words):
    """All four have all of these today: a table with less shows that the table is what decides."""
    has = stage.client.capabilities

    async def main():
        new = stage.order(**asked)
        stage.client.capabilities = msgspec.structs.replace(has, **lacks)
        try:
            with pytest.raises(Unsupported, match=words) as refused:
                await stage.client.submit(new)
        finally:
            del stage.client.capabilities  # the class's own again
        assert has.name in str(refused.value)
        assert stage.core.by_tag(new.order_id) is None

    stage.run(main())
    assert stage.client.capabilities is has


def test_an_id_that_the_broker_would_cut_off_is_refused_and_the_longest_one_kept(stage: Stage):
    async def main():
        most = stage.client.capabilities.id_length
        for wrong in ("", "X" * (most + 1)):
            new = msgspec.structs.replace(stage.order(), order_id=ClientOrderId(wrong))
            with pytest.raises(Unsupported, match=str(most)):
                await stage.client.submit(new)
            assert stage.core.by_tag(wrong) is None
        longest = await stage.place(stage.order(order_id="L" * most))
        assert (await stage.client.find(longest.id)).broker_id == longest.broker_id

    stage.run(main())


@pytest.mark.parametrize(
    ("instrument", "product"),
    [(NIFTY, Product.INTRADAY), (RELIANCE, Product.MARGIN), (FUTURE, Product.DELIVERY), (FUTURE, Product.MTF)],
)
def test_what_cannot_be_traded_so_is_refused_in_clear_words(stage: Stage, instrument, product):
    async def main():
        new = stage.order(
            OrderType.LIMIT, 24_000_00, instrument=instrument, product=product, quantity=instrument.lot_size
        )
        with pytest.raises((Unsupported, RejectedByBroker)) as refused:
            await stage.client.submit(new)
        assert instrument.id in str(refused.value)
        assert stage.core.by_tag(new.order_id) is None

    stage.run(main())


def test_a_change_of_an_order_whose_broker_id_is_not_known_is_refused(stage: Stage):
    async def main():
        order = await stage.place(stage.order())
        order.broker_id = ""
        for change in (stage.client.modify(order, order.terms), stage.client.cancel(order)):
            with pytest.raises(BrokerError, match=r"not known yet|no such order"):
                await change
        assert stage.truth(order.id).status.working

    stage.run(main())


def test_the_table_is_whole(stage: Stage):
    can = stage.client.capabilities
    assert isinstance(can, Capabilities)
    assert can.name == stage.name
    assert can.order_types <= frozenset(OrderType)
    assert OrderType.LIMIT in can.order_types
    assert Product.INTRADAY in can.products
    assert Validity.DAY in can.validities
    assert can.id_length >= 20, "our ids have up to twenty characters"
    assert 0 < can.writes_per_second <= 10, "SEBI's line between a person and an algo"
    assert can.look_up is not LookUp.NONE, "an order that is not known must be found by our id"
    msgspec.json.decode(msgspec.json.encode(can), type=Capabilities)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("kind", list(OrderType))
def test_every_type_of_the_table_is_taken(stage: Stage, kind, side):
    async def main():
        assert kind in stage.client.capabilities.order_types
        away = 10_00 * side.sign
        trigger = 1_300_00 + away if kind.has_trigger else 0
        price = (trigger + away) if kind is OrderType.SL else 0
        order = await stage.place(stage.order(kind, price, trigger=trigger, side=side))
        assert stage.core.by_tag(order.id) is not None

    stage.run(main())
