"""Kite's account: requests on their way out, and answers that prove nothing."""

import asyncio
import json

import pytest
from tests.kite_account import INFY, LEAD, LOOKUP, RAIN, trigger

from saudagar.brokers.kite import outcome, parse_account, request
from saudagar.brokers.kite.account import KiteAccount
from saudagar.brokers.kite.client import KiteSettings
from saudagar.brokers.kite.quotes import KiteQuotes
from saudagar.brokers.lane import Reply
from saudagar.brokers.lanes import Lanes
from saudagar.model import (
    ClientOrderId,
    ConditionalKind,
    ConditionalLeg,
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
from saudagar.model.errors import BrokerError, DataError, OutcomeUnknown

# -- requests --------------------------------------------------------------------------------------------------------


def asked(*legs, **changes) -> NewConditional:
    wanted = {
        "order_id": ClientOrderId("G1"),
        "kind": ConditionalKind.OCO,
        "instrument": INFY.id,
        "side": Side.SELL,
        "quantity": 5,
        "product": Product.DELIVERY,
        "legs": legs
        or (
            ConditionalLeg(name=LegName.TARGET, trigger=1_500_05, price=1_499_00),
            ConditionalLeg(name=LegName.STOP, trigger=1_300_00, price=1_295_00),
        ),
        "last_price": 1_400_10,
    }
    return NewConditional(**wanted | changes)


def test_a_trigger_on_its_way_out():
    leg = {"transaction_type": "SELL", "quantity": 5, "order_type": "LIMIT", "product": "CNC"}
    assert request.trigger(asked(), LOOKUP) == {
        "trigger_type": "two-leg",
        "tradingsymbol": "INFY",
        "exchange": "NSE",
        "trigger_values": [1300.0, 1500.05],
        "last_price": 1400.1,
        "orders": [leg | {"price": 1295.0}, leg | {"price": 1499.0}],
    }
    mcx = request.trigger(asked(instrument=LEAD.id, product=Product.MARGIN, quantity=2_000), LOOKUP)
    assert (mcx["exchange"], [each["quantity"] for each in mcx["orders"]]) == ("MCX", [2, 2])
    with pytest.raises(DataError, match="whole lots"):
        request.trigger(asked(instrument=LEAD.id, product=Product.MARGIN, quantity=500), LOOKUP)


def test_the_sdk_finds_nothing_to_refuse_in_it():
    """What it refused would look like an outcome that nobody knows."""
    from kiteconnect.connect import KiteConnect

    sent = request.trigger(asked(), LOOKUP)
    condition, orders = KiteConnect("key")._get_gtt_payload(**sent)
    assert condition["trigger_values"] == [1300.0, 1500.05]
    assert [each["price"] for each in orders] == [1295.0, 1499.0]


def test_what_is_sent_comes_back_the_same():
    sent = request.trigger(asked(), LOOKUP)
    row = trigger(*sent["orders"], values=sent["trigger_values"], kind=sent["trigger_type"])
    found = parse_account.conditional(row, LOOKUP)
    assert frozenset(found.legs) == frozenset(asked().legs)
    assert (found.kind, found.side, found.quantity, found.product) == (
        ConditionalKind.OCO,
        Side.SELL,
        5,
        Product.DELIVERY,
    )


def test_a_conversion_on_its_way_out():
    wanted = Conversion(
        instrument=LEAD.id,
        side=Side.SELL,
        quantity=3_000,
        held=Product.INTRADAY,
        wanted=Product.MARGIN,
        overnight=True,
    )
    assert request.conversion(wanted, LOOKUP) == {
        "exchange": "MCX",
        "tradingsymbol": "LEAD",
        "transaction_type": "SELL",
        "position_type": "overnight",
        "quantity": 3,
        "old_product": "MIS",
        "new_product": "NRML",
    }


def test_an_order_of_a_basket_on_its_way_out():
    new = NewOrder(
        order_id=ClientOrderId("D1"),
        instrument=INFY.id,
        side=Side.BUY,
        terms=OrderTerms(quantity=5, order_type=OrderType.SL, price=1_400_05, trigger_price=1_400_00),
        product=Product.MTF,
        purpose=Purpose.ENTRY,
        position=PositionId("t"),
    )
    assert request.margin(new, LOOKUP) == {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "variety": "regular",
        "product": "MTF",
        "order_type": "SL",
        "quantity": 5,
        "price": 1400.05,
        "trigger_price": 1400.0,
    }


# -- answers that prove nothing --------------------------------------------------------------------------------------


class Yes:
    """A lane to a broker that says yes to everything, with a body of its own."""

    def __init__(self, body) -> None:
        self.body = body

    async def ask(self, call, *, urgent=False):
        return Reply(200, json.dumps({"status": "success", "data": self.body}).encode())


@pytest.mark.parametrize("body", [None, False, {}, [], {"trigger_id": None}, {"trigger_id": ""}, "123", 1])
def test_a_yes_that_names_nothing_leaves_the_outcome_unknown(body):
    account = KiteAccount(Lanes("Kite", Yes(body), Yes(body), outcome.content, LOOKUP), lambda: 0)
    waiting = parse_account.conditional(trigger(), LOOKUP)
    conversion = Conversion(
        instrument=INFY.id, side=Side.BUY, quantity=1, held=Product.INTRADAY, wanted=Product.DELIVERY
    )
    single = asked(
        ConditionalLeg(name=LegName.ENTRY, trigger=702_00, price=702_50), kind=ConditionalKind.SINGLE, side=Side.BUY
    )
    for request_of in (
        lambda: account.convert(conversion),
        lambda: account.place_conditional(single),
        lambda: account.modify_conditional(waiting, single),
        lambda: account.cancel_conditional(waiting),
    ):
        with pytest.raises(OutcomeUnknown):
            asyncio.run(request_of())


def test_quotes_that_make_no_sense_are_counted_and_left_out(monkeypatch):
    quotes = KiteQuotes(KiteSettings(api_key="k", token="t"), LOOKUP)

    async def rows(names):
        assert names == ["NSE:INFY", "NSE:RAIN", "MCX:LEAD"]
        return {
            "NSE:INFY": {"last_price": 1_400.5},
            "NSE:RAIN": {"last_price": 0},  # has never traded
            "MCX:LEAD": {"last_price": "soon"},
            "NSE:ELSE": {"last_price": 1},
            "NSE:SOME": None,
        }

    monkeypatch.setattr(quotes, "_rows", rows)
    found = asyncio.run(quotes.quotes([INFY, RAIN, LEAD]))
    assert {name: quote.ltp for name, quote in found.items()} == {INFY.id: 1_400_50}
    assert quotes.refusals == {"bad quote": 3}


def test_quotes_are_asked_for_once_a_second_at_kite_itself():
    real, simulated = (
        KiteQuotes(KiteSettings(api_key="k", token="t", rest_url=url), LOOKUP) for url in (None, "http://x")
    )
    assert real._reads._reads._governor is not None
    assert simulated._reads._reads._governor is None


def test_a_list_is_no_answer_to_quotes():
    quotes = KiteQuotes(KiteSettings(api_key="k", token="t"), LOOKUP)

    quotes._reads._reads = Yes([])
    with pytest.raises(BrokerError, match="expected an object"):
        asyncio.run(quotes.quotes([INFY]))
