"""Kite's words and rows to our values, the tables walked whole."""

import json
from datetime import date
from pathlib import Path

import pytest

from saudagar.brokers import checks, fields
from saudagar.brokers.kite import parse, words
from saudagar.brokers.kite.capabilities import CAPABILITIES
from saudagar.market.master import Master
from saudagar.model import (
    SECOND,
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
    Validity,
)
from saudagar.model.errors import DataError

RECORDED = Path(__file__).resolve().parents[2] / "../shared/fixtures/kite/rest"

SHARE = Instrument(
    segment=Segment.NSE_EQ,
    symbol="SBIN",
    kind=InstrumentKind.EQUITY,
    tick_size=5,
    kite_id="779521",
    kite_symbol="SBIN",
)
LEAD = Instrument(
    segment=Segment.MCX_COMM,
    symbol="LEADMINI-2026-12-31-FUT",
    kind=InstrumentKind.FUTURE,
    tick_size=5,
    lot_size=1_000,
    kite_id="53496327",
    kite_symbol="LEADMINI26DECFUT",
)
LOOKUP = Master(date(2026, 11, 20), (SHARE, LEAD))


def row(**changes):
    return {
        "order_id": "2611200001",
        "status": "OPEN",
        "status_message": None,
        "status_message_raw": None,
        "order_timestamp": "2026-11-20 09:15:01",
        "exchange_update_timestamp": "2026-11-20 09:15:02",
        "instrument_token": 779521,
        "exchange": "NSE",
        "tradingsymbol": "SBIN",
        "order_type": "LIMIT",
        "transaction_type": "BUY",
        "product": "MIS",
        "quantity": 100,
        "filled_quantity": 0,
        "average_price": 0,
        "price": 812.5,
        "trigger_price": 0,
        "tag": "D26112000001",
    } | changes


MEANT = {
    "PUT ORDER REQ RECEIVED": OrderStatus.PENDING,
    "VALIDATION PENDING": OrderStatus.PENDING,
    "OPEN PENDING": OrderStatus.PENDING,
    "AMO REQ RECEIVED": OrderStatus.PENDING,
    "MODIFY AMO REQ RECEIVED": OrderStatus.PENDING,
    "CANCEL AMO REQ RECEIVED": OrderStatus.PENDING,
    "OPEN": OrderStatus.OPEN,
    "TRIGGER PENDING": OrderStatus.TRIGGER_PENDING,
    "COMPLETE": OrderStatus.FILLED,
    "CANCELLED": OrderStatus.CANCELLED,
    "CANCELLED AMO": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
    "MODIFIED": OrderStatus.OPEN,
    "NOT MODIFIED": OrderStatus.OPEN,
    "MODIFY PENDING": OrderStatus.OPEN,
    "MODIFY VALIDATION PENDING": OrderStatus.OPEN,
    "CANCEL PENDING": OrderStatus.OPEN,
    "NOT CANCELLED": OrderStatus.OPEN,
    "UPDATE": OrderStatus.OPEN,
}


def test_every_status_word():
    assert words.STATUS == MEANT
    for word, ours in MEANT.items():
        filled = 100 if word == "COMPLETE" else 0
        report = parse.order_report(row(status=word.lower(), filled_quantity=filled), LOOKUP)
        assert report.status is ours, word
    odd = parse.order_report(row(status="DANCING", filled_quantity=3), LOOKUP)
    assert (odd.status, odd.filled, odd.reason) == (OrderStatus.UNKNOWN, 3, "unknown status 'DANCING'")


@pytest.mark.parametrize("word", ["OPEN", *sorted(words.IN_BETWEEN)])
def test_a_part_that_is_filled_has_no_word_of_its_own(word):
    for kind in words.ORDER_TYPE.values():
        assert parse.status(word, kind, 30, 100) is OrderStatus.PARTIALLY_FILLED
    assert parse.status(word, "LIMIT", 0, 100) is OrderStatus.OPEN


@pytest.mark.parametrize("word", sorted(words.IN_BETWEEN))
def test_what_is_under_way_does_not_wake_a_stop(word):
    assert parse.status(word, "SL", 0, 100) is OrderStatus.TRIGGER_PENDING
    assert parse.status(word, "SL-M", 0, 100) is OrderStatus.TRIGGER_PENDING
    assert parse.status("OPEN", "SL", 0, 100) is OrderStatus.OPEN


def test_every_word_of_ours_has_one_of_theirs_and_back():
    for table, back, values in (
        (words.ORDER_TYPE, words.ORDER_TYPE_READ, OrderType),
        (words.PRODUCT, words.PRODUCT_READ, Product),
    ):
        assert set(table) == set(values)
        assert {ours: back[word] for ours, word in table.items()} == {ours: ours for ours in table}
    assert set(words.VALIDITY) == set(Validity)
    assert set(words.SIDE.values()) == set(Side)
    assert set(words.EXCHANGE) == {segment for segment in Segment if segment.tradable}
    assert set(checks.PRODUCTS_OF) == set(InstrumentKind)
    assert CAPABILITIES.id_length == 20


def test_an_orders_row():
    report = parse.order_report(row(filled_quantity=40, average_price=812.45), LOOKUP)
    assert report.order_id == "D26112000001"
    assert report.broker_id == "2611200001"
    assert (report.filled, report.average_price) == (40, pytest.approx(81_245))
    assert report.terms == OrderTerms(quantity=100, order_type=OrderType.LIMIT, price=81_250)
    assert (report.instrument, report.side, report.product) == (SHARE.id, Side.BUY, Product.INTRADAY)
    assert report.reason == ""


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_times_are_india_s_wherever_this_machine_is(monkeypatch, zone):
    import time

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        nine_fifteen = 1_795_146_300 * SECOND
        assert fields.naive_ist("2026-11-20 09:15:00") == nine_fifteen
        assert parse.order_report(row(), LOOKUP).ts == nine_fifteen + 2 * SECOND
        late = parse.order_report(row(exchange_update_timestamp=None), LOOKUP)
        assert late.ts == nine_fifteen + SECOND
    finally:
        monkeypatch.undo()
        time.tzset()
    for nothing in (None, "", "0001-01-01 00:00:00", "09:15:00", "soon", 5):
        assert fields.naive_ist(nothing) == 0


def test_reasons_are_kept_for_what_ended_badly():
    said = {"status_message": "Insufficient funds.", "status_message_raw": "RMS:..."}
    assert parse.order_report(row(status="REJECTED", **said), LOOKUP).reason == "Insufficient funds."
    raw = row(status="REJECTED", status_message_raw="RMS:...")
    assert parse.order_report(raw, LOOKUP).reason == "RMS:..."
    assert parse.order_report(row(status="OPEN", **said), LOOKUP).reason == ""


def test_an_order_that_is_not_ours():
    report = parse.order_report(row(tag=None, instrument_token=1, exchange="CDS", tradingsymbol="USDINR"), LOOKUP)
    assert (report.order_id, report.instrument) == ("", "CDS:USDINR")


def test_lots_of_mcx_are_units_here():
    report = parse.order_report(row(instrument_token=53496327, quantity=3, filled_quantity=1), LOOKUP)
    assert (report.terms.quantity, report.filled) == (3_000, 1_000)
    (trade,) = parse.trades([trade_row(instrument_token=53496327, quantity=2)], LOOKUP)
    assert trade.quantity == 2_000
    assert fields.units_per_lot(None) == fields.units_per_lot(SHARE) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"status": " "},
        {"status": None},
        {"order_id": None},
        {"order_id": ""},
        {"filled_quantity": -1},
        {"filled_quantity": 1.5},
        {"quantity": "many"},
        {"average_price": float("nan")},
        {"price": float("inf")},
        {"price": 1e300},
        {"trigger_price": {}},
    ],
)
def test_rows_that_make_no_sense(bad):
    with pytest.raises(DataError, match="Kite gave"):
        parse.order_report(row(**bad), LOOKUP)


def test_the_reply_to_a_placement():
    new = NewOrder(
        order_id=ClientOrderId("T1"),
        instrument=SHARE.id,
        side=Side.BUY,
        terms=OrderTerms(quantity=1, order_type=OrderType.MARKET),
        product=Product.INTRADAY,
        purpose=Purpose.ENTRY,
        position=PositionId("t"),
    )
    report = parse.reply_report(new, {"order_id": "77"}, 5)
    assert (report.order_id, report.broker_id, report.status, report.ts) == ("T1", "77", OrderStatus.PENDING, 5)
    for body in ({}, {"order_id": None}, [], None, "77"):
        with pytest.raises(DataError):
            parse.reply_report(new, body, 5)


def trade_row(**changes):
    return {
        "trade_id": "10000000",
        "order_id": "2611200001",
        "instrument_token": 779521,
        "quantity": 10,
        "average_price": 812.5,
        "fill_timestamp": "2026-11-20 09:15:02",
        "order_timestamp": "09:15:01",  # a time without a date, as recorded
    } | changes


def test_trades_are_told_once_and_in_order():
    late, early = trade_row(trade_id="2", fill_timestamp="2026-11-20 09:15:09"), trade_row()
    found = parse.trades([late, early, late], LOOKUP)
    assert [trade.trade_id for trade in found] == ["10000000", "2"]
    assert (found[0].price, found[0].quantity, found[0].ts) == (81_250, 10, 1_795_146_302 * SECOND)
    for bad in ({"quantity": 0}, {"average_price": 0}, {"quantity": "x"}):
        with pytest.raises(DataError):
            parse.trades([trade_row(**bad)], LOOKUP)


def test_positions_holdings_and_margins():
    held = parse.position(
        row(quantity=-5, buy_quantity=5, buy_value=4_000.5, sell_quantity=10, sell_value=8_100, unrealised=-3.25),
        LOOKUP,
    )
    assert (held.quantity, held.buy_value, held.sell_value, held.unrealised) == (-5, 400_050, 810_000, -325)
    with pytest.raises(DataError, match="unknown product"):
        parse.position(row(product="XX"), LOOKUP)

    shares = parse.holding(row(realised_quantity=12, used_quantity=2, t1_quantity=3, average_price=800.05), LOOKUP)
    assert (shares.quantity, shares.sellable, shares.t1_quantity, shares.average_price) == (15, 10, 3, 80_005)
    sold = row(quantity=0, opening_quantity=3, realised_quantity=0, used_quantity=3, t1_quantity=0, isin="INE1")
    shares = parse.holding(sold, LOOKUP)  # what was coming, if its sale took it from there
    assert (shares.quantity, shares.sellable, shares.isin) == (3, 0, "INE1")

    segment = {"net": 100.5, "available": {"opening_balance": 150}, "utilised": {"debits": 49.5}}
    both = parse.funds({"equity": segment, "commodity": segment})
    assert (both.available, both.used, both.opening) == (20_100, 9_900, 30_000)
    assert parse.funds({"equity": {"net": 1}}).opening == 0
    with pytest.raises(DataError):
        parse.funds({})


def recorded(name):
    path = RECORDED / f"{name}.json"
    if not path.exists():
        pytest.skip("Kite's mock answers are not part of the project")
    return json.loads(path.read_text())["data"]


def test_recorded_answers():
    reports = [parse.order_report(each, LOOKUP) for each in recorded("orders")]
    assert {report.status for report in reports} == {
        OrderStatus.CANCELLED,
        OrderStatus.FILLED,
        OrderStatus.REJECTED,
    }
    assert all(report.ts > 0 for report in reports)
    assert next(r for r in reports if r.status is OrderStatus.REJECTED).reason
    assert [parse.trades([each], LOOKUP)[0].ts > 0 for each in recorded("trades")]
    lead, guinea, *_ = (parse.position(each, LOOKUP) for each in recorded("positions")["net"])
    assert (lead.quantity, lead.buy_value) == (1_000, 16_105_000)
    assert guinea.quantity == 0
    assert [parse.holding(each, LOOKUP).sellable for each in recorded("holdings")] == [1, 16]
    assert [parse.holding(each, LOOKUP).quantity for each in recorded("holdings")] == [1, 16]
    assert parse.funds(recorded("margins")).opening == 24_543_160 + 10_066_170
