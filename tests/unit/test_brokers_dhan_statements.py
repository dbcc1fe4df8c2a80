"""Dhan's statements and conditional orders to ours: every table walked whole, every recorded answer read."""

import json
from contextlib import suppress
from datetime import date
from itertools import product as crossed
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saudagar.brokers.dhan import conditional, statements, words
from saudagar.model import (
    ConditionalKind,
    ConditionalLeg,
    ConditionalStatus,
    Instrument,
    InstrumentKind,
    LegName,
    NewConditional,
    Product,
    Segment,
    Side,
)
from saudagar.model.errors import DataError

SHARE = Instrument(segment=Segment.NSE_EQ, symbol="HDFCBANK", kind=InstrumentKind.EQUITY, tick_size=5, dhan_id="1333")
ACTIVE, WORKING, DONE, CANCELLED, EXPIRED, REJECTED = ConditionalStatus


GOLD = Instrument(
    segment=Segment.MCX_COMM,
    symbol="GOLD-2026-08-31-135000-PE",
    kind=InstrumentKind.OPTION,
    tick_size=50,
    lot_size=100,
    dhan_id="566396",
)


class Lookup:
    def by_dhan(self, segment, security_id):
        return {("NSE_EQ", "1333"): SHARE, ("MCX_COMM", "566396"): GOLD}.get((segment, security_id))


LOOKUP = Lookup()


def fixture(name: str):
    folder = Path(__file__).resolve().parents[2] / "../shared/fixtures/dhan/rest"
    if not folder.is_dir():
        pytest.skip("the recorded answers of Dhan lie outside the repository and are not here")
    return json.loads((folder / name).read_text())["response_body"]


def test_a_recorded_history_of_trades():
    rows = fixture("models__trade_history__0.json")
    told = [statements.trade(row, LOOKUP) for row in rows]
    assert len(told) == len(rows) > 2
    first = told[0]
    assert (first.side, first.product, first.quantity, first.price) == (Side.BUY, Product.MARGIN, 25, 1_75)
    assert (first.symbol, first.trade_id, first.instrument) == ("FINNIFTY 31 DEC 23450 PUT", "", "")
    assert first.charges == 23_62  # 20.0 + 3.6028 + 0.0153
    assert first.ts == 1_735_634_231 * 10**9  # 2024-12-31 14:07:11 IST


def test_a_trade_of_mcx_is_told_in_lots_today_and_in_units_later():
    """So an account's own fill of 2026-08-27 stands in its history: four lots of GOLD, 400, with the STT of 400."""
    row = {
        "orderId": "228260827162002",
        "transactionType": "SELL",
        "exchangeSegment": "MCX_COMM",
        "securityId": "566396",
        "productType": "MARGIN",
        "tradedPrice": 19.75,
        "stt": 3.95,
    }
    assert statements.trade(row | {"tradedQuantity": 400}, LOOKUP).quantity == 400
    assert statements.trade_of_today(row | {"tradedQuantity": 4}, LOOKUP).quantity == 400


def test_the_recorded_ledger_and_margin():
    lines = statements.ledger(fixture("models__ledger_entry__0.json"), date(2024, 7, 1), date(2024, 7, 31))
    assert [(line.day, line.narration) for line in lines] == [
        (date(2024, 7, 1), "OPENING BALANCE"),
        (date(2024, 7, 31), "CLOSING BALANCE"),
    ]
    assert {(line.debit, line.credit, line.balance, line.voucher) for line in lines} == {(0, 0, 0, "")}
    told = statements.margin(fixture("base_api__margin_calculator__0.json"), LOOKUP)
    assert (told.required, told.available, told.charges) == (7_140_00, 0, None)


def test_the_ledger_is_told_oldest_first_and_as_it_was_within_a_day():
    days = ["Jun 22, 2022", "Jun 22, 2022", "Jun 21, 2022"]
    rows = [{"narration": str(place), "voucherdate": day} for place, day in enumerate(days)]
    told = statements.ledger(rows, date(2022, 6, 1), date(2022, 6, 30))
    assert [line.narration for line in told] == ["2", "1", "0"]


def test_what_may_be_sold_comes_in_numbers_or_texts():
    row = {"isin": "INE00IN01015", "totalQty": "10", "aprvdQty": 4, "status": "SUCCESS", "remarks": None}
    told = statements.authority(row, LOOKUP)
    assert (told.isin, told.held, told.authorised, told.status, told.remarks) == ("INE00IN01015", 10, 4, "SUCCESS", "")
    for wrong in ({"isin": ""}, {"totalQty": "-1"}, {"aprvdQty": "many"}):
        with pytest.raises(DataError):
            statements.authority(row | wrong, LOOKUP)


TRADE = {
    "orderId": "212212307731",
    "exchangeTradeId": "407958",
    "transactionType": "SELL",
    "exchangeSegment": "NSE_EQ",
    "productType": "CNC",
    "tradingSymbol": "HDFCBANK",
    "securityId": "1333",
    "tradedQuantity": 1,
    "tradedPrice": 390.9,
    "exchangeTime": "2026-11-20 10:00:46",
}


def test_a_trade_of_the_day():
    told = statements.trade(TRADE, LOOKUP)
    assert (told.trade_id, told.instrument, told.price, told.charges) == ("407958", SHARE.id, 390_90, None)
    for wrong in (
        {"tradedQuantity": 0},
        {"tradedPrice": "NaN"},
        {"tradedPrice": -1},
        {"transactionType": "HOLD"},
        {"productType": "XYZ"},
        {"orderId": "0"},
    ):
        with pytest.raises(DataError):
            statements.trade(TRADE | wrong, LOOKUP)
    assert statements.trade(TRADE | {"productType": "BO"}, LOOKUP).product is Product.INTRADAY


FOREVER = {
    "orderId": "1132208051115",
    "orderStatus": "CONFIRM",
    "transactionType": "BUY",
    "exchangeSegment": "NSE_EQ",
    "productType": "CNC",
    "orderType": "SINGLE",
    "tradingSymbol": "HDFCBANK",
    "securityId": "1333",
    "quantity": 10,
    "price": 1428,
    "triggerPrice": 1427,
    "legName": "ENTRY_LEG",
    "createTime": "2022-08-05 12:41:19",
    "updateTime": None,
}


def test_a_forever_order_as_documented():
    [told] = conditional.forever_reports([FOREVER], LOOKUP)
    assert (told.kind, told.status, told.instrument) == (ConditionalKind.SINGLE, ACTIVE, SHARE.id)
    assert told.legs == (ConditionalLeg(name=LegName.ENTRY, trigger=1_427_00, price=1_428_00),)
    assert (told.order_id, told.ts) == ("", 1_659_683_479 * 10**9)


LEGS = [
    ("CONFIRM", "CONFIRM", ACTIVE),
    ("TRANSIT", "PENDING", ACTIVE),
    ("TRIGGERED", "CONFIRM", WORKING),
    ("TRADED", "CONFIRM", WORKING),
    ("TRADED", "CANCELLED", DONE),
    ("CANCELLED", "PART_TRADED", WORKING),
    ("REJECTED", "CANCELLED", REJECTED),
    ("EXPIRED", "CANCELLED", EXPIRED),
    ("CANCELLED", "CANCELLED", CANCELLED),
    ("CLOSED", "CANCELLED", DONE),
]


@pytest.mark.parametrize(("first", "second", "status"), LEGS)
def test_two_legs_are_one_order(first, second, status):
    target = FOREVER | {"orderType": "OCO", "legName": "TARGET_LEG", "orderStatus": first}
    stop = FOREVER | {"orderType": "OCO", "legName": "STOP_LOSS_LEG", "orderStatus": second, "triggerPrice": 1400}
    for rows in ([target, stop], [stop, target]):
        [told] = conditional.forever_reports([FOREVER | {"orderId": "7"}, *rows][1:], LOOKUP)
        assert (told.kind, told.status) == (ConditionalKind.OCO, status)
        assert {leg.name: leg.trigger for leg in told.legs} == {LegName.TARGET: 1_427_00, LegName.STOP: 1_400_00}


def test_the_table_of_forever_orders_is_walked_whole():
    assert {word for first, second, _ in LEGS for word in (first, second)} == set(words.FOREVER_STATUS)
    assert set(words.FOREVER_STATUS) == set(words.SUPER_STATUS) == set(words.EXIT_LIVE)
    assert set(words.FOREVER_STATUS.values()) == set(ConditionalStatus)
    for name, wrong in crossed(("orderStatus", "legName", "productType", "transactionType"), ("", "QUEUED", None)):
        with pytest.raises(DataError):
            conditional.forever_reports([FOREVER | {"orderType": "OCO", name: wrong}], LOOKUP)


def super_row(entry: str = "PENDING", stop: str = "PENDING", target: str = "PENDING", **changes):
    legs = [
        {"legName": "STOP_LOSS_LEG", "price": 1400, "orderStatus": stop, "trailingJump": 10},
        {"legName": "TARGET_LEG", "price": 1550, "orderStatus": target, "trailingJump": 0},
    ]
    return {
        "orderId": "5925022734212",
        "correlationId": "DEMO",
        "orderStatus": entry,
        "transactionType": "BUY",
        "exchangeSegment": "NSE_EQ",
        "productType": "CNC",
        "orderType": "LIMIT",
        "tradingSymbol": "HDFCBANK",
        "securityId": "1333",
        "quantity": 10,
        "price": 1500,
        "updateTime": "2025-02-27 19:09:42",
        "omsErrorDescription": "because",
        "filledQty": 0,
        "legDetails": legs,
    } | changes


def test_a_super_order_as_documented():
    told = conditional.super_report(super_row(), LOOKUP)
    assert (told.kind, told.status, told.order_id, told.reason) == (ConditionalKind.TRAILING, WORKING, "DEMO", "")
    assert {leg.name: (leg.trigger, leg.price, leg.trail) for leg in told.legs} == {
        LegName.ENTRY: (0, 1_500_00, 0),
        LegName.TARGET: (1_550_00, 1_550_00, 0),
        LegName.STOP: (1_400_00, 0, 10_00),
    }
    plain = super_row(orderType="MARKET", legDetails=super_row()["legDetails"][1:])
    told = conditional.super_report(plain, LOOKUP)
    assert (told.kind, told.legs[0].price) == (ConditionalKind.BRACKET, 0)
    for wrong in ({"legDetails": "none"}, {"legDetails": [7]}, {"legDetails": [{"legName": "LEFT"}]}):
        with pytest.raises(DataError):
            conditional.super_report(super_row(**wrong), LOOKUP)


SUPERS = [
    (super_row("TRANSIT"), WORKING),
    (super_row("PENDING"), WORKING),
    (super_row("CONFIRM"), WORKING),
    (super_row("PART_TRADED"), WORKING),
    (super_row("TRIGGERED"), WORKING),
    (super_row("TRADED"), WORKING),
    (super_row("TRADED", "TRIGGERED", "CANCELLED"), WORKING),
    (super_row("TRADED", "CANCELLED", "TRADED"), DONE),
    (super_row("TRADED", "CANCELLED", "CANCELLED"), DONE),
    (super_row("CLOSED", "TRIGGERED", "CANCELLED"), DONE),
    (super_row("CANCELLED", "CANCELLED", "CANCELLED"), CANCELLED),
    (super_row("CANCELLED", filledQty=4), WORKING),
    (super_row("REJECTED"), REJECTED),
    (super_row("EXPIRED", "EXPIRED", "EXPIRED"), EXPIRED),
]


@pytest.mark.parametrize(("row", "status"), SUPERS)
def test_where_a_super_order_stands(row, status):
    told = conditional.super_report(row, LOOKUP)
    assert told.status is status
    assert bool(told.reason) is (status in (REJECTED, CANCELLED, EXPIRED))


def test_the_table_of_super_orders_is_walked_whole():
    assert {row["orderStatus"] for row, _ in SUPERS} == set(words.SUPER_STATUS)
    for word, live in words.EXIT_LIVE.items():
        told = conditional.super_report(super_row("TRADED", word, "CANCELLED"), LOOKUP)
        assert told.status is (WORKING if live else DONE)


def test_only_all_that_was_asked_is_the_same():
    legs = (ConditionalLeg(name=LegName.ENTRY, trigger=1_427_00, price=1_428_00),)
    fields = {
        "order_id": "X",
        "kind": ConditionalKind.SINGLE,
        "instrument": SHARE.id,
        "side": Side.BUY,
        "quantity": 10,
        "product": Product.DELIVERY,
        "legs": legs,
        "last_price": 1_430_00,
    }
    [told] = conditional.forever_reports([FOREVER], LOOKUP)
    assert conditional.same(NewConditional(**fields), told)
    at_market = (ConditionalLeg(name=LegName.ENTRY, trigger=1_427_00),)
    assert conditional.same(NewConditional(**fields | {"legs": at_market}), told)
    for other in (
        {"side": Side.SELL},
        {"quantity": 9},
        {"product": Product.MTF},
        {"instrument": "NSE_EQ:SBIN"},
        {"legs": (ConditionalLeg(name=LegName.ENTRY, trigger=1_427_00, price=1_429_00),)},
        {"legs": (ConditionalLeg(name=LegName.ENTRY, trigger=1_426_00, price=1_428_00),)},
        {"legs": (*legs, ConditionalLeg(name=LegName.STOP, trigger=1))},
    ):
        assert not conditional.same(NewConditional(**fields | other), told)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_garbage_is_a_data_error(data):
    """Whatever a row holds, the answer is a value or a `DataError`."""
    for sample, read in (
        (FOREVER, lambda row: conditional.forever_reports([row], LOOKUP)),
        (super_row(), lambda row: conditional.super_report(row, LOOKUP)),
        (TRADE, lambda row: statements.trade(row, LOOKUP)),
        ({"voucherdate": "Jun 22, 2022"}, lambda row: statements.ledger([row], date(2022, 6, 1), date(2022, 6, 2))),
        ({"isin": "X"}, lambda row: statements.authority(row, LOOKUP)),
        ({"totalMargin": 1}, lambda row: statements.margin(row, LOOKUP)),
        ({"total_margin": 1}, lambda row: statements.margin_of_several(row, LOOKUP)),
    ):
        key = data.draw(st.sampled_from(sorted(sample)))
        with suppress(DataError):
            read(sample | {key: data.draw(ANYTHING)})
