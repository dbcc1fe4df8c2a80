"""Dhan's JSON to our values. Its clock oddities, spellings and sentinels end here.

Times are IST without a zone; ``0001-01-01`` and ``NA`` mean none. Quantities on MCX are lots, ours are units. The order
stream writes the same things with other keys, and in PascalCase by its documentation but camelCase by its SDK: its keys
are read in lower case.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from saudagar.brokers.dhan import words
from saudagar.brokers.fields import Fields, Row, naive_ist, text, unheard, units_per_lot
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import (
    BrokerPosition,
    ClientOrderId,
    Funds,
    Holding,
    Instrument,
    InstrumentId,
    Nanos,
    NewOrder,
    OrderReport,
    OrderStatus,
    OrderTerms,
    Paise,
    TradeReport,
)
from saudagar.model.errors import DataError

_ENDED_BADLY = frozenset({OrderStatus.REJECTED, OrderStatus.CANCELLED, OrderStatus.EXPIRED})
NONE = ("", "NA", "0")
"""How Dhan writes that there is no id."""

FIELDS = Fields("Dhan", missing=("", "NA"), nameless=NONE)
number, paise, count, broker_id = FIELDS.number, FIELDS.paise, FIELDS.count, FIELDS.broker_id


def status(word: object, order_type: object, filled: int) -> OrderStatus:
    """Dhan's status word; a stop order that waits for its trigger is simply PENDING there.

    Raises
    ------
    DataError
        If there is no word.
    """
    said = text(word).upper().replace(" ", "_")
    known, kind = FIELDS.status(words.STATUS, said), words.ORDER_TYPE_READ.get(str(order_type))
    sleeps = kind is not None and kind.has_trigger and not filled and said != words.AWAKE
    if known is OrderStatus.OPEN and sleeps:
        return OrderStatus.TRIGGER_PENDING
    return known


def book_report(row: Row, lookup: InstrumentLookup) -> OrderReport:
    """One order of the book, or of a look-up.

    Raises
    ------
    DataError
        If it is not an order.
    """
    instrument, name = instrument_of(row, lookup)
    scale = units_per_lot(instrument)
    filled, kind = count(row, "filledQty") * scale, row.get("orderType")
    state = status(row.get("orderStatus"), kind, filled)
    FIELDS.withdrawn(row, "filledQty", state)
    return OrderReport(
        order_id=ours(row.get("correlationId")),
        status=state,
        ts=naive_ist(row.get("updateTime")) or naive_ist(row.get("exchangeTime")) or naive_ist(row.get("createTime")),
        broker_id=broker_id(row.get("orderId")),
        filled=filled,
        average_price=number(row.get("averageTradedPrice")) * 100,
        terms=_terms(row, kind, scale),
        reason=text(row.get("omsErrorDescription"))
        if state in _ENDED_BADLY
        else unheard(state, row.get("orderStatus")),
        instrument=name,
        side=words.SIDE.get(str(row.get("transactionType"))),
        product=words.PRODUCT_READ.get(str(row.get("productType"))),
    )


def stream_report(message: Row, lookup: InstrumentLookup) -> OrderReport:
    """The content of one ``order_alert``, its keys in lower case.

    Raises
    ------
    DataError
        If it is not an order.
    """
    place = (str(message.get("exchange")), str(message.get("segment")))
    segment = words.STREAM_SEGMENT.get(place, "_".join(place))
    instrument, name = _instrument(lookup, segment, message.get("securityid"), message.get("symbol"))
    scale = units_per_lot(instrument)
    filled, kind = count(message, "tradedqty") * scale, message.get("ordertype")
    state = status(message.get("status"), kind, filled)
    FIELDS.withdrawn(message, "tradedqty", state)
    last = paise(message.get("tradedprice"))
    return OrderReport(
        order_id=ours(message.get("correlationid")),
        status=state,
        ts=naive_ist(message.get("lastupdatedtime"))
        or naive_ist(message.get("exchordertime"))
        or naive_ist(message.get("orderdatetime")),
        broker_id=broker_id(message.get("orderno")),
        filled=filled,
        last_price=last if filled else 0,
        average_price=number(message.get("avgtradedprice")) * 100,
        terms=_terms(message, kind, scale, lower=True),
        reason=text(message.get("reasondescription"))
        if state in _ENDED_BADLY
        else unheard(state, message.get("status")),
        instrument=name,
        side=words.SIDE.get(str(message.get("txntype"))),
        product=words.PRODUCT_READ.get(str(message.get("product"))),
    )


def reply_report(order: NewOrder, body: object, ts: Nanos) -> OrderReport:
    """The answer to a placement. It tells that Dhan has the order, and no quantities: fills come from elsewhere.

    Raises
    ------
    DataError
        If the answer does not hold an order id and a known status.
    """
    if not isinstance(body, dict):
        raise DataError("Dhan answered a placement with something that is not an order.")
    state = status(body.get("orderStatus"), words.ORDER_TYPE[order.terms.order_type], 0)
    if state is OrderStatus.UNKNOWN:
        raise DataError(f"Dhan answered a placement with {unheard(state, body.get('orderStatus'))}.")
    told = {OrderStatus.REJECTED, OrderStatus.OPEN, OrderStatus.TRIGGER_PENDING}
    return OrderReport(
        order_id=order.order_id,
        status=state if state in told else OrderStatus.PENDING,
        ts=ts,
        broker_id=broker_id(body.get("orderId")),
        reason=text(body.get("omsErrorDescription")) if state is OrderStatus.REJECTED else "",
    )


def trades(rows: Sequence[Row], lookup: InstrumentLookup) -> tuple[TradeReport, ...]:
    """The executions of one order, oldest first, each once."""
    return FIELDS.executions(map(partial(_execution, lookup), rows))


def _execution(lookup: InstrumentLookup, row: Row) -> TradeReport:
    units = count(row, "tradedQuantity") * units_per_lot(instrument_of(row, lookup)[0])
    quantity, price = FIELDS.execution(units, paise(row.get("tradedPrice")))
    return TradeReport(text(row.get("exchangeTradeId")), quantity, price, naive_ist(row.get("exchangeTime")))


def position(row: Row, lookup: InstrumentLookup) -> BrokerPosition:
    """One row of the positions."""
    product = FIELDS.known(words.PRODUCT_READ, row.get("productType"), "product")
    instrument, name = instrument_of(row, lookup)
    scale = units_per_lot(instrument)
    bought, sold = count(row, "buyQty") * scale, count(row, "sellQty") * scale
    return BrokerPosition(
        instrument=name,
        product=product,
        quantity=count(row, "netQty", signed=True, needed=True) * scale,
        buy_quantity=bought,
        buy_value=_value(bought, row.get("buyAvg")),
        sell_quantity=sold,
        sell_value=_value(sold, row.get("sellAvg")),
        realised=paise(row.get("realizedProfit")),
        unrealised=paise(row.get("unrealizedProfit")),
    )


def holding(row: Row, lookup: InstrumentLookup) -> Holding:
    """One row of the holdings. Dhan names the exchange ``ALL``; NSE's instrument is taken where there is one.

    It counts what earlier sessions left (documented); a sale of today lowers what is available only.
    """
    security = str(row.get("securityId"))
    known = lookup.by_dhan("NSE_EQ", security) or lookup.by_dhan("BSE_EQ", security)
    return Holding(
        instrument=known.id if known else InstrumentId(f"NSE_EQ:{row.get('tradingSymbol')}"),
        quantity=max(count(row, "totalQty"), count(row, "dpQty") + count(row, "t1Qty")),
        sellable=count(row, "availableQty"),
        average_price=paise(row.get("avgCostPrice")),
        t1_quantity=count(row, "t1Qty"),
        isin=text(row.get("isin")),
    )


def funds(row: Row) -> Funds:
    """The fund limit, with Dhan's spelling of the balance."""
    return Funds(
        available=paise(FIELDS.told(row, "availabelBalance")),
        used=paise(row.get("utilizedAmount")),
        opening=paise(row.get("sodLimit")),
    )


def _terms(row: Row, kind: object, scale: int, *, lower: bool = False) -> OrderTerms | None:
    known = words.ORDER_TYPE_READ.get(str(kind))
    quantity = count(row, "quantity") * scale
    if known is None or not quantity:
        return None
    price = paise(row.get("price"))
    trigger = paise(row.get("triggerprice" if lower else "triggerPrice"))
    return OrderTerms(quantity=quantity, order_type=known, price=price, trigger_price=trigger)


def instrument_of(row: Row, lookup: InstrumentLookup) -> tuple[Instrument | None, InstrumentId]:
    """What a row of REST is about, None if the master does not hold it; and an id in either case."""
    return _instrument(lookup, str(row.get("exchangeSegment")), row.get("securityId"), row.get("tradingSymbol"))


def _instrument(
    lookup: InstrumentLookup, segment: str, security: object, symbol: object
) -> tuple[Instrument | None, InstrumentId]:
    known = lookup.by_dhan(segment, text(security))
    return known, known.id if known else InstrumentId(f"{segment}:{symbol}")


def ours(value: object) -> ClientOrderId:
    """Our own id as Dhan echoes it; empty for its ``NA``."""
    return ClientOrderId(text(value) if text(value) != "NA" else "")


def _value(quantity: int, average: object) -> Paise:
    return round(quantity * number(average) * 100)
