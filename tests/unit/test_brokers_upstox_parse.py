"""Upstox's answers to our values: every status word, lots, times, sums; and what a reply means."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saudagar.brokers.lane import Reply
from saudagar.brokers.upstox import outcome, parse, words
from saudagar.exchange.upstox.words import WORDS
from saudagar.model import (
    ClientOrderId,
    Instrument,
    InstrumentKind,
    NewOrder,
    OrderStatus,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Segment,
    Side,
)
from saudagar.model.errors import AuthError, BrokerError, DataError, OutcomeUnknown, RateLimited, RejectedByBroker

SHARE = Instrument(
    segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5, upstox_id="NSE_EQ|INE062A01020"
)
GOLD = Instrument(
    segment=Segment.MCX_COMM,
    symbol="GOLDM",
    kind=InstrumentKind.FUTURE,
    tick_size=100,
    lot_size=10,
    upstox_id="MCX_FO|1",
)


class Lookup:
    def by_upstox(self, key):
        return next((each for each in (SHARE, GOLD) if each.upstox_id == key), None)


ROW = {  # the documentation's example of order details
    "exchange": "NSE", "product": "D", "price": 571.0, "quantity": 10, "status": "complete", "tag": "T1",
    "instrument_token": "NSE_EQ|INE062A01020", "placed_by": "******", "trading_symbol": "SBIN-EQ",
    "tradingsymbol": "SBIN-EQ", "order_type": "LIMIT", "validity": "DAY", "trigger_price": 0.0,
    "disclosed_quantity": 0, "transaction_type": "BUY", "average_price": 570.95, "filled_quantity": 10,
    "pending_quantity": 0, "status_message": None, "status_message_raw": None,
    "exchange_order_id": "1300000025660919", "parent_order_id": None, "order_id": "231019025562880",
    "variety": "SIMPLE", "order_timestamp": "2023-10-19 13:25:13", "exchange_timestamp": "2023-10-19 13:25:12",
    "is_amo": False, "order_request_id": "1", "order_ref_id": "GTT-C23191000044253",
}  # fmt: skip


def report(**changes):
    return parse.order_report(ROW | changes, Lookup())


def test_the_documented_order():
    got = report()
    assert (got.order_id, got.broker_id, got.status, got.filled) == ("T1", "231019025562880", OrderStatus.FILLED, 10)
    assert got.ts == 1_697_702_113_000_000_000
    assert got.average_price == pytest.approx(57_095)
    assert got.terms == OrderTerms(quantity=10, order_type=OrderType.LIMIT, price=57_100)
    assert (got.instrument, got.side, got.product, got.reason) == (SHARE.id, Side.BUY, Product.DELIVERY, "")


EXPECTED = {
    "put order req received": OrderStatus.PENDING,
    "validation pending": OrderStatus.PENDING,
    "open pending": OrderStatus.PENDING,
    "after market order req received": OrderStatus.PENDING,
    "modify after market order req received": OrderStatus.PENDING,
    "open": OrderStatus.OPEN,
    "trigger pending": OrderStatus.TRIGGER_PENDING,
    "modify validation pending": OrderStatus.OPEN,
    "modify pending": OrderStatus.OPEN,
    "modified": OrderStatus.OPEN,
    "not modified": OrderStatus.OPEN,
    "cancel pending": OrderStatus.OPEN,
    "not cancelled": OrderStatus.OPEN,
    "complete": OrderStatus.FILLED,
    "cancelled": OrderStatus.CANCELLED,
    "cancelled after market order": OrderStatus.CANCELLED,
    "rejected": OrderStatus.REJECTED,
}


def test_the_whole_table_of_statuses():
    assert set(words.STATUS) == set(EXPECTED) == set(WORDS)
    for word, ours in EXPECTED.items():
        assert parse.status(word, "LIMIT", 0, 10) is ours
        assert parse.status(word.title(), "LIMIT", 0, 10) is ours
        if ours is OrderStatus.OPEN:
            assert parse.status(word, "LIMIT", 3, 10) is OrderStatus.PARTIALLY_FILLED
    for word in words.ON_THE_WAY:
        assert parse.status(word, "SL", 0, 10) is OrderStatus.TRIGGER_PENDING
    assert parse.status("open", "SL", 0, 10) is OrderStatus.OPEN  # woken
    assert parse.status("sent to the moon", "LIMIT", 0, 1) is OrderStatus.UNKNOWN
    with pytest.raises(DataError, match="without a status"):
        parse.status(None, "LIMIT", 0, 1)


def test_a_refusal_keeps_upstoxs_words():
    assert report(status="rejected", filled_quantity=0, status_message="RMS: no").reason == "RMS: no"
    assert report(status="rejected", filled_quantity=0, status_message_raw="raw").reason == "raw"
    assert report(status="open", filled_quantity=0, status_message="fine").reason == ""


def test_lots_on_mcx_are_units_here():
    got = report(instrument_token="MCX_FO|1", quantity=3, filled_quantity=2, status="open", product="D")
    assert got.terms is not None
    assert (got.terms.quantity, got.filled, got.product) == (30, 20, Product.MARGIN)
    assert got.status is OrderStatus.PARTIALLY_FILLED
    [trade] = parse.trades(
        [{"trade_id": "1", "quantity": 2, "average_price": 7.0, "instrument_token": "MCX_FO|1"}], Lookup()
    )
    assert (trade.quantity, trade.price) == (20, 700)


def test_an_order_of_an_instrument_that_nobody_knows_is_still_told():
    got = report(instrument_token="NSE_FO|77", trading_symbol="NIFTY26NOVFUT", tag=None)
    assert (got.instrument, got.product, got.order_id) == ("NSE_FNO:NIFTY26NOVFUT", Product.MARGIN, "")


@pytest.mark.parametrize(
    "changes",
    [
        {"order_id": None},
        {"order_id": "NA"},
        {"quantity": -1},
        {"filled_quantity": 11},
        {"filled_quantity": 1.5},
        {"average_price": "x"},
        {"average_price": float("nan")},
        {"price": float("inf")},
        {"status": None},
    ],
)
def test_nonsense_is_a_data_error(changes):
    with pytest.raises(DataError):
        report(**changes)


@given(st.dictionaries(st.sampled_from(sorted(ROW)), st.none() | st.text() | st.integers() | st.floats()))
def test_any_row_is_read_or_refused(changes):
    with contextlib.suppress(DataError):
        assert report(**changes).broker_id


def test_trades_come_once_and_in_order():
    rows = [
        {"trade_id": "2", "quantity": 1, "average_price": 10.05, "exchange_timestamp": "2026-11-20 09:16:00"},
        {"trade_id": "1", "quantity": 2, "average_price": 10.0, "exchange_timestamp": "2026-11-20 09:15:00"},
        {"trade_id": "2", "quantity": 1, "average_price": 10.05, "exchange_timestamp": "2026-11-20 09:16:00"},
    ]
    assert [(t.trade_id, t.quantity, t.price) for t in parse.trades(rows, Lookup())] == [("1", 2, 1000), ("2", 1, 1005)]
    with pytest.raises(DataError, match="a trade of 0"):
        parse.trades([{"trade_id": "1", "quantity": 0, "average_price": 1.0}], Lookup())


def test_a_position_with_yesterdays_part():
    row = {
        "instrument_token": SHARE.upstox_id, "product": "D", "quantity": -5, "day_buy_quantity": 10,
        "day_buy_value": 1000.5, "overnight_buy_quantity": 5, "overnight_buy_amount": 400.0, "day_sell_quantity": 20,
        "day_sell_value": 2000.0, "overnight_sell_quantity": 0, "overnight_sell_amount": 0, "realised": -3.25,
        "unrealised": None,
    }  # fmt: skip
    got = parse.position(row, Lookup())
    assert (got.quantity, got.buy_quantity, got.buy_value) == (-5, 15, 140_050)
    assert (got.sell_quantity, got.sell_value, got.realised, got.unrealised) == (20, 200_000, -325, 0)
    with pytest.raises(DataError, match="unknown product 'X'"):
        parse.position(row | {"product": "X"}, Lookup())


@pytest.mark.parametrize("text", ["2026-11-20 15:03:42", "20-Nov-2026 15:03:42", "2026-11-20T15:03:42"])
def test_a_time_in_each_of_upstoxs_ways(text):
    assert parse.naive_ist(text) == 1_795_167_222_000_000_000


@pytest.mark.parametrize("text", [None, "", "NA", "soon", "0001-01-01 00:00:00", "32-Nov-2026 15:03:42", 7])
def test_what_is_no_time_is_zero(text):
    assert parse.naive_ist(text) == 0


def test_holdings_and_funds():
    row = {"instrument_token": SHARE.upstox_id, "quantity": 10, "cnc_used_quantity": 3, "collateral_quantity": 2}
    got = parse.holding(row | {"average_price": 1.5, "t1_quantity": 1, "isin": "INE1"}, Lookup())
    assert (got.quantity, got.sellable, got.average_price, got.t1_quantity, got.isin) == (11, 5, 150, 1, "INE1")
    cash = {"cash": {"opening_balance": 100.0}, "margin_used": {"total": 25.5}}
    funds = parse.funds({"available_to_trade": {"total": 74.5, "cash_available_to_trade": cash}})
    assert (funds.available, funds.used, funds.opening) == (7_450, 2_550, 10_000)
    pledged = {"margin_used": {"total": 1.8}}
    trade = {"total": 74.5, "cash_available_to_trade": cash, "pledge_available_to_trade": pledged}
    assert parse.funds({"available_to_trade": trade}).used == 2_730
    for nonsense in ({}, None, {"available_to_trade": {"total": 1}}, {"available_to_trade": [1]}):
        with pytest.raises(DataError, match="available_to_trade"):
            parse.funds(nonsense)


ORDER = NewOrder(
    order_id=ClientOrderId("T1"),
    instrument=SHARE.id,
    side=Side.BUY,
    terms=OrderTerms(quantity=1, order_type=OrderType.MARKET),
    product=Product.INTRADAY,
    purpose=Purpose.ENTRY,
    position=PositionId("p"),
)


@pytest.mark.parametrize("data", [None, [], {}, {"order_ids": []}, {"order_ids": ["1", "2"]}, {"order_ids": [None]}])
def test_a_placement_whose_answer_does_not_name_one_order_is_not_believed(data):
    assert parse.reply_report(ORDER, {"order_ids": ["77"]}, 5).broker_id == "77"
    with pytest.raises(DataError):
        parse.reply_report(ORDER, data, 5)


def refusal(status: int, code: str = "", message: str = "no") -> Reply:
    body = {"status": "error", "errors": [{"errorCode": code, "message": message}]}
    return Reply(status, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refusal(400, "UDAPI1052"), RejectedByBroker),
        (refusal(404, "UDAPI100010"), RejectedByBroker),
        (refusal(403, "UDAPI1154"), RejectedByBroker),
        (refusal(401, "UDAPI100050"), AuthError),
        (refusal(400, "UDAPI100016"), AuthError),
        (refusal(429, "UDAPI10005"), RateLimited),
        (refusal(500, "UDAPI100500"), OutcomeUnknown),
        (refusal(400, "UDAPI100500"), OutcomeUnknown),
        (refusal(503), OutcomeUnknown),
        (refusal(400, "UDAPI1052", "Request timed out"), OutcomeUnknown),
        (refusal(400, "UDAPI1", "Please check your orderbook before you place it again"), OutcomeUnknown),
        (refusal(200), OutcomeUnknown),
        (Reply(0, b"", "ReadTimeoutError"), OutcomeUnknown),
        (Reply(200, b""), OutcomeUnknown),
        (Reply(200, b"null"), OutcomeUnknown),
        (Reply(200, b'{"status":"partial_success","data":{}}'), OutcomeUnknown),
        (Reply(200, b'{"status":"success"}'), OutcomeUnknown),
        (Reply(400, b"<html>"), OutcomeUnknown),
        (Reply(502, b"<html>"), OutcomeUnknown),
        (Reply(429, b"<html>"), RateLimited),
        (Reply(401, b""), AuthError),
    ],
)
def test_what_a_reply_means(reply, kind):
    with pytest.raises(BrokerError, match=r"^Upstox, order: ") as told:
        outcome.content(reply, "order")
    assert type(told.value) is kind


def test_a_yes_is_its_data_and_a_no_keeps_upstoxs_words():
    assert outcome.content(Reply(200, b'{"status":"success","data":[1]}'), "order") == [1]
    with pytest.raises(RejectedByBroker, match=r"The price is invalid \(HTTP 400, UDAPI1054\)") as told:
        outcome.content(refusal(400, "UDAPI1054", "The price is invalid"), "order")
    assert told.value.code == "UDAPI1054"
    body = {"errors": [{"error_code": "UDAPI1", "message": "snake"}]}
    with pytest.raises(RejectedByBroker, match="snake"):
        outcome.content(Reply(400, json.dumps(body).encode()), "order")
