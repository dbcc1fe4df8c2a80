"""Dhan's words and JSON to ours: every table walked whole, every recorded answer read."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saudagar.brokers import checks
from saudagar.brokers.dhan import parse, words
from saudagar.brokers.fields import naive_ist
from saudagar.model import (
    Instrument,
    InstrumentKind,
    NewOrder,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Purpose,
    Segment,
    Side,
    Validity,
    to_paise,
)
from saudagar.model.errors import DataError, UnknownInstrument

RELIANCE = Instrument(
    segment=Segment.NSE_EQ, symbol="RELIANCE", kind=InstrumentKind.EQUITY, tick_size=10, dhan_id="2885"
)
ETF = Instrument(segment=Segment.NSE_EQ, symbol="NIFTYBEES", kind=InstrumentKind.EQUITY, tick_size=1, dhan_id="10576")


class Lookup:
    def __init__(self, *instruments: Instrument) -> None:
        self._all = instruments

    def get(self, instrument):
        for each in self._all:
            if each.id == instrument:
                return each
        raise UnknownInstrument(f"{instrument} is not known.")

    def by_dhan(self, segment, security_id):
        return next((i for i in self._all if (i.segment.value, i.dhan_id) == (segment, security_id)), None)

    def by_upstox(self, instrument_key):
        return None

    def __iter__(self):
        return iter(self._all)


CRUDE = Instrument(
    segment=Segment.MCX_COMM,
    symbol="CRUDEOIL-2026-12-17-FUT",
    kind=InstrumentKind.FUTURE,
    tick_size=100,
    lot_size=100,
    dhan_id="466583",
)
LOOKUP = Lookup(RELIANCE, ETF, CRUDE)
ROW = {
    "orderId": "112111182198",
    "correlationId": "DEMO26112000001",
    "orderStatus": "PART_TRADED",
    "transactionType": "BUY",
    "exchangeSegment": "NSE_EQ",
    "productType": "INTRADAY",
    "orderType": "LIMIT",
    "tradingSymbol": "RELIANCE",
    "securityId": "2885",
    "quantity": 20,
    "price": 1234.5,
    "triggerPrice": 0.0,
    "createTime": "2026-11-20 09:15:00",
    "updateTime": "2026-11-20 09:15:01",
    "exchangeTime": "0001-01-01 00:00:00",
    "omsErrorDescription": "CONFIRMED",
    "averageTradedPrice": 1234.45,
    "filledQty": 5,
}
ALERT = {
    "exchange": "NSE",
    "segment": "E",
    "securityid": "2885",
    "orderno": "112111182198",
    "correlationid": "DEMO26112000001",
    "status": "Part Traded",
    "txntype": "S",
    "product": "I",
    "ordertype": "LMT",
    "quantity": 20,
    "tradedqty": 5,
    "price": 1234.5,
    "triggerprice": 0,
    "tradedprice": "1234.45",
    "avgtradedprice": 1234.45,
    "lastupdatedtime": "2026-11-20 09:15:01",
    "reasondescription": "CONFIRMED",
}

# Dhan's word, type, filled: ours. Every row of words.STATUS is here.
STATUSES = [
    ("TRANSIT", "LIMIT", 0, OrderStatus.PENDING),
    ("PENDING", "LIMIT", 0, OrderStatus.OPEN),
    ("PENDING", "STOP_LOSS", 0, OrderStatus.TRIGGER_PENDING),
    ("Pending", "SLM", 0, OrderStatus.TRIGGER_PENDING),
    ("PENDING", "STOP_LOSS", 1, OrderStatus.OPEN),
    ("CONFIRM", "LIMIT", 0, OrderStatus.OPEN),
    ("TRIGGERED", "LIMIT", 0, OrderStatus.OPEN),
    ("TRIGGERED", "STOP_LOSS", 0, OrderStatus.OPEN),  # it says itself that it is awake
    ("MODIFIED", "LIMIT", 0, OrderStatus.OPEN),
    ("PART_TRADED", "LIMIT", 1, OrderStatus.PARTIALLY_FILLED),
    ("Part Traded", "LMT", 1, OrderStatus.PARTIALLY_FILLED),
    ("TRADED", "MARKET", 1, OrderStatus.FILLED),
    ("CLOSED", "LIMIT", 1, OrderStatus.FILLED),
    ("Cancelled", "LMT", 0, OrderStatus.CANCELLED),
    ("REJECTED", "LIMIT", 0, OrderStatus.REJECTED),
    ("EXPIRED", "LIMIT", 0, OrderStatus.EXPIRED),
]


def fixture(name: str):
    folder = Path(__file__).resolve().parents[2] / "../shared/fixtures/dhan/rest"
    if not folder.is_dir():
        pytest.skip("the recorded answers of Dhan lie outside the repository and are not here")
    return json.loads((folder / name).read_text())["response_body"]


@pytest.mark.parametrize(("word", "kind", "filled", "ours"), STATUSES)
def test_status(word, kind, filled, ours):
    assert parse.status(word, kind, filled) is ours


def test_the_status_table_is_walked_whole():
    assert {word.upper().replace(" ", "_") for word, *_ in STATUSES} == set(words.STATUS)
    assert parse.status("QUEUED", "LIMIT", 0) is OrderStatus.UNKNOWN
    odd = parse.book_report(ROW | {"orderStatus": "QUEUED"}, LOOKUP)
    assert (odd.status, odd.reason) == (OrderStatus.UNKNOWN, "unknown status 'QUEUED'")
    assert parse.stream_report(ALERT | {"status": "Queued"}, LOOKUP).status is OrderStatus.UNKNOWN
    with pytest.raises(DataError, match="without a status"):
        parse.book_report(ROW | {"orderStatus": None}, LOOKUP)


def test_every_word_of_ours_has_one_of_dhans_and_comes_back():
    assert {words.ORDER_TYPE_READ[words.ORDER_TYPE[kind]] for kind in OrderType} == set(OrderType)
    assert {words.PRODUCT_READ[words.PRODUCT[product]] for product in Product} == set(Product)
    assert set(words.VALIDITY) == set(Validity)
    assert set(words.SIDE.values()) == set(Side)
    assert set(words.SEGMENT) == {segment for segment in Segment if segment.tradable}
    assert set(words.STREAM_SEGMENT.values()) == set(words.SEGMENT.values())
    assert set(checks.PRODUCTS_OF) == set(InstrumentKind)


def test_an_order_of_the_book():
    report = parse.book_report(ROW, LOOKUP)
    assert (report.order_id, report.broker_id) == ("DEMO26112000001", "112111182198")
    assert (report.status, report.filled, report.average_price) == (OrderStatus.PARTIALLY_FILLED, 5, 123_445.0)
    assert report.terms == OrderTerms(quantity=20, order_type=OrderType.LIMIT, price=123_450)
    assert (report.instrument, report.side, report.product) == (RELIANCE.id, Side.BUY, Product.INTRADAY)
    assert report.ts == 1_795_146_301_000_000_000  # 09:15:01 IST is 03:45:01 UTC
    assert report.reason == ""  # "CONFIRMED" on a living order is no reason


def test_an_order_update_of_the_stream():
    report = parse.stream_report(ALERT, LOOKUP)
    assert (report.order_id, report.status, report.filled) == ("DEMO26112000001", OrderStatus.PARTIALLY_FILLED, 5)
    assert (report.last_price, report.average_price) == (123_445, 123_445.0)
    assert report.terms == OrderTerms(quantity=20, order_type=OrderType.LIMIT, price=123_450)
    assert (report.instrument, report.side, report.product) == (RELIANCE.id, Side.SELL, Product.INTRADAY)
    refused = parse.stream_report(ALERT | {"status": "Rejected", "reasondescription": "RMS: margin"}, LOOKUP)
    assert refused.reason == "RMS: margin"


def test_an_order_that_is_not_ours_keeps_a_name():
    row = ROW | {"correlationId": "NA", "securityId": "539310", "exchangeSegment": "BSE_EQ", "tradingSymbol": "X"}
    report = parse.book_report(row, LOOKUP)
    assert (report.order_id, report.instrument) == ("", "BSE_EQ:X")


def test_the_recorded_answers():
    (recorded,) = fixture("models__orders__all__0.json")
    report = parse.book_report(recorded, LOOKUP)
    assert (report.status, report.order_id, report.broker_id) == (OrderStatus.OPEN, "", "952502167319")
    assert report.terms == OrderTerms(quantity=20, order_type=OrderType.LIMIT, price=36)
    (holding,) = (parse.holding(row, LOOKUP) for row in fixture("models__holdings__0.json"))
    assert (holding.instrument, holding.quantity, holding.sellable, holding.t1_quantity) == (ETF.id, 2, 2, 1)
    assert (holding.average_price, holding.isin) == (25_205, "INF204KB14I2")
    assert parse.funds(fixture("models__funds__0.json")).available == 11_564
    traded = parse.trades(fixture("models__trade_history__0.json"), LOOKUP)
    assert all(trade.quantity > 0 and trade.price > 0 and trade.ts > 0 for trade in traded)


def test_the_answer_to_a_placement_never_claims_fills():
    order = NewOrder(
        order_id="DEMO26112000001",
        instrument=RELIANCE.id,
        side=Side.BUY,
        terms=OrderTerms(quantity=1, order_type=OrderType.SL_M, trigger_price=100),
        product=Product.INTRADAY,
        purpose=Purpose.STOP,
        position="x@y",
    )
    for word, ours in (
        ("TRANSIT", OrderStatus.PENDING),
        ("PENDING", OrderStatus.TRIGGER_PENDING),
        ("TRADED", OrderStatus.PENDING),
        ("EXPIRED", OrderStatus.PENDING),
        ("REJECTED", OrderStatus.REJECTED),
    ):
        report = parse.reply_report(order, {"orderId": "1", "orderStatus": word}, 5)
        assert (report.status, report.filled, report.broker_id, report.ts) == (ours, 0, "1", 5)
    for bad in ([], {}, {"orderId": "1"}, {"orderStatus": "TRANSIT"}, {"orderId": None, "orderStatus": "TRANSIT"}):
        with pytest.raises(DataError):
            parse.reply_report(order, bad, 5)


def test_positions_and_their_values():
    row = {
        "tradingSymbol": "RELIANCE",
        "securityId": "2885",
        "exchangeSegment": "NSE_EQ",
        "productType": "INTRADAY",
        "buyQty": 3,
        "buyAvg": 100.3333,
        "sellQty": 5,
        "sellAvg": 101.0,
        "netQty": -2,
        "realizedProfit": 2.0,
        "unrealizedProfit": -1.25,
    }
    position = parse.position(row, LOOKUP)
    assert (position.quantity, position.buy_value, position.sell_value) == (-2, 30_100, 50_500)
    assert (position.realised, position.unrealised) == (200, -125)
    with pytest.raises(DataError, match="product"):
        parse.position(row | {"productType": "BO?"}, LOOKUP)


def test_lots_of_mcx_are_units_here():
    """Dhan's files have a lot of 1 there: three lots of a hundred barrels are a quantity of 3."""
    place = {"exchangeSegment": "MCX_COMM", "securityId": "466583"}
    told = parse.book_report(ROW | place | {"quantity": 3, "filledQty": 1}, LOOKUP)
    assert (told.instrument, told.terms.quantity, told.filled) == (CRUDE.id, 300, 100)
    place = {"exchange": "MCX", "segment": "M", "securityid": "466583"}
    told = parse.stream_report(ALERT | place | {"quantity": 3, "tradedqty": 1}, LOOKUP)
    assert (told.instrument, told.terms.quantity, told.filled) == (CRUDE.id, 300, 100)
    (trade,) = parse.trades(
        [{"exchangeSegment": "MCX_COMM", "securityId": "466583", "tradedQuantity": 2, "tradedPrice": 5_800.0}], LOOKUP
    )
    assert (trade.quantity, trade.price) == (200, 580_000)
    row = {"exchangeSegment": "MCX_COMM", "securityId": "466583", "productType": "MARGIN", "netQty": -2, "sellQty": 2}
    held = parse.position(row | {"sellAvg": 5_800.0}, LOOKUP)
    assert (held.quantity, held.sell_quantity, held.sell_value) == (-200, 200, 200 * 580_000)


def test_trades_come_oldest_first_and_once():
    rows = [
        {"exchangeTradeId": "2", "tradedQuantity": 3, "tradedPrice": 10.1, "exchangeTime": "2026-11-20 09:16:00"},
        {"exchangeTradeId": "1", "tradedQuantity": 5, "tradedPrice": 10.0, "exchangeTime": "2026-11-20 09:15:00"},
        {"exchangeTradeId": "1", "tradedQuantity": 5, "tradedPrice": 10.0, "exchangeTime": "2026-11-20 09:15:00"},
    ]
    assert [(trade.quantity, trade.price) for trade in parse.trades(rows, LOOKUP)] == [(5, 1000), (3, 1010)]
    nameless = [row | {"exchangeTradeId": "0"} for row in rows]
    assert len(parse.trades(nameless, LOOKUP)) == 3  # "0" names nothing: they cannot be told apart, so none is dropped
    with pytest.raises(DataError):
        parse.trades([rows[0] | {"tradedQuantity": 0}], LOOKUP)


@pytest.mark.parametrize(
    "text", ["0001-01-01 00:00:00", "NA", "", None, "1970-01-01 00:00:00", "yesterday", 12, "2026-13-40 00:00:00"]
)
def test_times_that_are_none(text):
    assert naive_ist(text) == 0


@pytest.mark.parametrize(
    "damage",
    [
        {"orderId": None},
        {"orderId": "0"},
        {"orderStatus": None},
        {"filledQty": -1},
        {"filledQty": "many"},
        {"filledQty": 1.5},
        {"averageTradedPrice": "NaN"},
        {"price": "Infinity"},
        {"price": 1e308},  # finite, until it is counted in paise
        {"filledQty": 1e308},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(damage):
    with pytest.raises(DataError):
        parse.book_report(ROW | damage, LOOKUP)


@given(
    st.dictionaries(
        st.sampled_from(sorted(ROW)), st.none() | st.text() | st.integers() | st.floats() | st.lists(st.none())
    )
)
def test_no_content_breaks_the_parsers_otherwise(damage):
    for parser, good in ((parse.book_report, ROW), (parse.stream_report, ALERT), (parse.position, ROW)):
        lowered = {key.lower() if good is ALERT else key: value for key, value in damage.items()}
        with suppress(DataError):
            parser({**good, **lowered}, LOOKUP)


@given(st.integers(0, 10**10))
def test_prices_survive_the_edge_to_the_paisa(paise):
    text = json.dumps(checks.rupees(paise))
    assert to_paise(float(text)) == paise
    assert len(text.partition(".")[2]) <= 2
