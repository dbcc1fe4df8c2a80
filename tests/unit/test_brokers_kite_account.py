"""Kite's triggers, trades, margins and quotes to our values, our requests to its fields; the tables walked whole."""

import asyncio
import json
from datetime import date
from pathlib import Path

import pytest

from saudagar.brokers.fields import naive_ist
from saudagar.brokers.kite import outcome, parse_account, request, words
from saudagar.brokers.kite.account import KiteAccount
from saudagar.brokers.kite.client import KiteSettings
from saudagar.brokers.kite.quotes import KiteQuotes, quote
from saudagar.brokers.lane import Reply
from saudagar.brokers.lanes import Lanes
from saudagar.market.master import Master
from saudagar.model import (
    SECOND,
    ClientOrderId,
    ConditionalKind,
    ConditionalLeg,
    ConditionalStatus,
    Conversion,
    Instrument,
    InstrumentKind,
    LegName,
    NewConditional,
    NewOrder,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Segment,
    Side,
)
from saudagar.model.errors import BrokerError, DataError, OutcomeUnknown

RECORDED = Path(__file__).resolve().parents[2] / "../shared/fixtures/kite/rest"


def known(segment, symbol, kind, number, **more) -> Instrument:
    return Instrument(
        segment=segment, symbol=symbol, kind=kind, tick_size=5, kite_id=number, kite_symbol=symbol, **more
    )


INFY = known(Segment.NSE_EQ, "INFY", InstrumentKind.EQUITY, "408065")
RAIN = known(Segment.NSE_EQ, "RAIN", InstrumentKind.EQUITY, "3926273")
LEAD = known(Segment.MCX_COMM, "LEAD", InstrumentKind.FUTURE, "53496327", lot_size=1_000)
LOOKUP = Master(date(2026, 11, 20), (INFY, RAIN, LEAD))


def recorded(name):
    path = RECORDED / f"{name}.json"
    if not path.exists():
        pytest.skip("Kite's mock answers are not part of the project")
    return json.loads(path.read_text())["data"]


# -- triggers --------------------------------------------------------------------------------------------------------


def ordered(price=702.5, result=None, **changes):
    return {
        "product": "CNC",
        "order_type": "LIMIT",
        "transaction_type": "BUY",
        "quantity": 3,
        "price": price,
        "result": result,
    } | changes


def trigger(*orders, values=(702.0,), kind="single", **changes):
    condition = {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "instrument_token": 408065,
        "trigger_values": list(values),
        "last_price": 798,
    }
    return {
        "id": 112127,
        "type": kind,
        "status": "active",
        "created_at": "2026-11-20 09:15:00",
        "updated_at": "2026-11-20 09:15:02",
        "condition": condition,
        "orders": list(orders or [ordered()]),
        "meta": {},
    } | changes


MEANT = {
    "active": ConditionalStatus.ACTIVE,
    "triggered": ConditionalStatus.DONE,
    "disabled": ConditionalStatus.CANCELLED,
    "expired": ConditionalStatus.EXPIRED,
    "cancelled": ConditionalStatus.CANCELLED,
    "rejected": ConditionalStatus.REJECTED,
    "deleted": ConditionalStatus.CANCELLED,
}


def test_every_status_word_of_a_trigger():
    """The SDK's constants, each with its meaning."""
    from kiteconnect.connect import KiteConnect

    constants = {value for name, value in vars(KiteConnect).items() if name.startswith("GTT_STATUS_")}
    assert set(words.GTT_STATUS) == constants
    assert words.GTT_STATUS == MEANT
    for word, ours in MEANT.items():
        assert parse_account.conditional(trigger(status=word.upper()), LOOKUP).status is ours
    types = {value for name, value in vars(KiteConnect).items() if name.startswith("GTT_TYPE_")}
    assert set(words.GTT_TYPE_READ) == types


def test_a_waiting_trigger():
    found = parse_account.conditional(trigger(), LOOKUP)
    assert (found.broker_id, found.kind, found.instrument) == ("112127", ConditionalKind.SINGLE, INFY.id)
    assert (found.side, found.quantity, found.product) == (Side.BUY, 3, Product.DELIVERY)
    assert found.legs == (ConditionalLeg(name=LegName.ENTRY, trigger=702_00, price=702_50),)
    assert (found.ts, found.order_id, found.orders, found.reason) == (1_795_146_302 * SECOND, "", (), "")


@pytest.mark.parametrize(
    ("side", "names"), [("SELL", [LegName.STOP, LegName.TARGET]), ("BUY", [LegName.TARGET, LegName.STOP])]
)
@pytest.mark.parametrize("turned", [False, True])
def test_which_of_two_legs_is_the_stop_tells_the_side(side, names, turned):
    low, high = ordered(690, transaction_type=side), ordered(810, transaction_type=side)
    values, orders = ((810, 690), (high, low)) if turned else ((690, 810), (low, high))
    found = parse_account.conditional(trigger(*orders, values=values, kind="two-leg"), LOOKUP)
    assert [(leg.name, leg.trigger, leg.price) for leg in found.legs] == [
        (names[0], 690_00, 690_00),
        (names[1], 810_00, 810_00),
    ]


def test_a_trigger_that_fired_names_its_order_or_why_there_is_none():
    done = {"order_result": {"status": "success", "order_id": "77", "rejection_reason": ""}}
    found = parse_account.conditional(trigger(ordered(result=done), status="triggered"), LOOKUP)
    assert (found.status, found.orders, found.reason) == (ConditionalStatus.DONE, ("77",), "")
    failed = {"order_result": {"status": "failed", "order_id": "", "rejection_reason": "no money"}}
    found = parse_account.conditional(trigger(ordered(result=failed), status="triggered"), LOOKUP)
    assert (found.status, found.orders, found.reason) == (ConditionalStatus.REJECTED, (), "no money")
    said = parse_account.conditional(trigger(status="rejected", meta={"rejection_reason": "why"}), LOOKUP)
    assert said.reason == "why"
    assert parse_account.conditional(trigger(status="disabled", meta=None), LOOKUP).reason == "disabled by Kite"


def test_a_trigger_of_mcx_is_told_in_units_and_one_of_a_stranger_by_kites_name():
    row = trigger(ordered(product="NRML"))
    row["condition"] |= {"instrument_token": 53496327}
    assert parse_account.conditional(row, LOOKUP).quantity == 3_000
    row["condition"] |= {"instrument_token": 1}
    assert parse_account.conditional(row, LOOKUP).instrument == "NSE:INFY"


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "three-leg"},
        {"status": "thinking"},
        {"status": None},
        {"id": None},
        {"id": 0},
        {"id": "abc"},
        {"orders": []},
        {"orders": None},
        {"orders": [7]},
        {"orders": [ordered(), ordered()]},
        {"orders": [ordered(transaction_type="HOLD")]},
        {"orders": [ordered(product="XX")]},
        {"orders": [ordered(quantity=1.5)]},
        {"orders": [ordered(price="NaN")]},
        {"condition": {}},
        {"condition": {"trigger_values": 702}},
        {"condition": {"trigger_values": ["near"]}},
    ],
)
def test_a_trigger_that_makes_no_sense_is_an_error(bad):
    with pytest.raises(DataError):
        parse_account.conditional(trigger(**bad), LOOKUP)


def test_recorded_triggers():
    waiting, fired = (parse_account.conditional(each, LOOKUP) for each in recorded("gtt_get_orders"))
    assert (waiting.kind, waiting.status, waiting.legs[0].trigger, waiting.legs[0].price) == (
        ConditionalKind.SINGLE,
        ConditionalStatus.ACTIVE,
        702_00,
        702_50,
    )
    assert (fired.kind, fired.status, fired.instrument) == (
        ConditionalKind.OCO,
        ConditionalStatus.REJECTED,
        RAIN.id,
    )
    assert {leg.name: leg.trigger for leg in fired.legs} == {LegName.STOP: 102_00, LegName.TARGET: 103_70}
    assert "lower circuit limit" in fired.reason
    assert 0 < fired.ts < waiting.ts


# -- trades, margins, quotes -----------------------------------------------------------------------------------------


def traded(**changes):
    return {
        "trade_id": "10000000",
        "order_id": "77",
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "instrument_token": 408065,
        "product": "MIS",
        "average_price": 1412.95,
        "quantity": 10,
        "transaction_type": "SELL",
        "fill_timestamp": "2026-11-20 09:15:02",
        "order_timestamp": "09:15:01",
    } | changes


def test_a_trade():
    found = parse_account.trade({"77": "D1"}, traded(), LOOKUP)
    assert (found.trade_id, found.broker_id, found.order_id) == ("10000000", "77", "D1")
    assert (found.side, found.product, found.quantity, found.price) == (Side.SELL, Product.INTRADAY, 10, 1_412_95)
    assert (found.symbol, found.instrument, found.ts) == ("INFY", INFY.id, 1_795_146_302 * SECOND)
    stranger = parse_account.trade({}, traded(instrument_token=1), LOOKUP)
    assert (stranger.symbol, stranger.instrument, stranger.order_id) == ("INFY", "", "")
    for bad in ({"quantity": 0}, {"average_price": 0}, {"average_price": "x"}, {"product": "?"}, {"order_id": ""}):
        with pytest.raises(DataError):
            parse_account.trade({}, traded(**bad), LOOKUP)


def test_recorded_trades():
    found = [parse_account.trade({}, each, LOOKUP) for each in recorded("trades")]
    assert all(each.ts and each.price for each in found)
    assert {each.symbol for each in found} >= {"SBIN"}


def test_a_margin_is_what_is_left_after_the_benefit_of_the_basket():
    basket = {
        "initial": {"total": 188854.77},
        "final": {"span": 26000.52, "exposure": 9452.69, "total": 35453.21},
        "orders": [{"charges": {"total": 1.5}}, {"charges": {"total": 2.25}}, {}],
    }
    found = parse_account.margin(basket)
    assert (found.required, found.span, found.exposure, found.charges) == (3_545_321, 2_600_052, 945_269, 375)
    for bad in ({}, {"final": {}}, {"final": {"total": 1}}, {"final": {"total": "x"}, "orders": [{}]}):
        with pytest.raises(DataError):
            parse_account.margin(bad)


def test_recorded_quotes():
    found = quote(INFY, recorded("quote")["NSE:INFY"])
    assert (found.ltp, found.open, found.high, found.low, found.previous_close) == (
        1_412_95,
        1_396_00,
        1_421_75,
        1_395_55,
        1_389_65,
    )
    assert (found.bid, found.ask, found.volume, found.open_interest) == (0, 1_412_95, 7_360_198, 0)
    assert found.ts == naive_ist("2021-06-08 15:45:52")


@pytest.mark.parametrize(
    "bad",
    [
        {"last_price": "x"},
        {"last_price": float("nan")},
        {"last_price": -1},
        {"ohlc": {"high": -1}},
        {"volume": 1.5},
        {"volume": -1},
        {"depth": {"buy": [{"price": -5}]}},
    ],
)
def test_a_quote_that_makes_no_sense_is_an_error(bad):
    with pytest.raises(DataError):
        quote(INFY, {"last_price": 100.0} | bad)
    assert quote(INFY, {"last_price": 100.0}).ltp == 100_00
    assert quote(INFY, {"depth": {"buy": [], "sell": [7]}, "ohlc": None}).ltp == 0


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
