"""Kite's triggers, trades, margins and quotes to our values, our requests to its fields; the tables walked whole."""

import pytest
from tests.kite_account import INFY, LOOKUP, RAIN, ordered, recorded, trigger

from saudagar.brokers.fields import naive_ist
from saudagar.brokers.kite import parse_account, words
from saudagar.brokers.kite.quotes import quote
from saudagar.model import (
    SECOND,
    ConditionalKind,
    ConditionalLeg,
    ConditionalStatus,
    LegName,
    Product,
    Side,
)
from saudagar.model.errors import DataError

# -- triggers --------------------------------------------------------------------------------------------------------


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
