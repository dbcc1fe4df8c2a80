"""Dhan's JSON to our values. Its clock oddities, spellings and sentinels end here.

Times are IST without a zone; ``0001-01-01`` and ``NA`` mean none. The order stream writes the same things with other
keys, and in PascalCase by its documentation but camelCase by its SDK: its keys are read in lower case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from saudagar.brokers.dhan import words
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import (
    BrokerOrderId,
    BrokerPosition,
    ClientOrderId,
    Funds,
    Holding,
    InstrumentId,
    Nanos,
    NewOrder,
    OrderReport,
    OrderStatus,
    OrderTerms,
    Paise,
    TradeReport,
    to_paise,
)
from saudagar.model.errors import DataError

_IST = timezone(timedelta(hours=5, minutes=30))
_ENDED_BADLY = frozenset({OrderStatus.REJECTED, OrderStatus.CANCELLED, OrderStatus.EXPIRED})
NONE = ("", "NA", "0")
"""How Dhan writes that there is no id."""

_MOST = 1e13  # rupees or units: beyond any account, and far from where floats lose the paisa

Row = Mapping[str, Any]


def ist(moment_text: object) -> Nanos:
    """A time of Dhan in UTC ns; 0 where it is missing, a sentinel, or no time at all."""
    try:
        moment = datetime.fromisoformat(str(moment_text))
    except ValueError:
        return 0
    return int(moment.replace(tzinfo=_IST).timestamp()) * 1_000_000_000 if moment.year > 1970 else 0


def status(word: object, order_type: object, filled: int) -> OrderStatus:
    """Dhan's status word; a stop order that waits for its trigger is simply PENDING there.

    Raises
    ------
    DataError
        For a word that is not in the table.
    """
    known = words.STATUS.get(str(word).strip().upper().replace(" ", "_"))
    if known is None:
        raise DataError(f"Dhan gave an unknown order status {word!r}; known are {', '.join(words.STATUS)}.")
    kind = words.ORDER_TYPE_READ.get(str(order_type))
    if known is OrderStatus.OPEN and kind is not None and kind.has_trigger and not filled:
        return OrderStatus.TRIGGER_PENDING
    return known


def book_report(row: Row, lookup: InstrumentLookup) -> OrderReport:
    """One order of the book, or of a look-up.

    Raises
    ------
    DataError
        If it is not an order.
    """
    filled, kind = count(row, "filledQty"), row.get("orderType")
    state = status(row.get("orderStatus"), kind, filled)
    segment, security = str(row.get("exchangeSegment")), str(row.get("securityId"))
    return OrderReport(
        order_id=ours(row.get("correlationId")),
        status=state,
        ts=ist(row.get("updateTime")) or ist(row.get("exchangeTime")) or ist(row.get("createTime")),
        broker_id=broker_id(row.get("orderId")),
        filled=filled,
        average_price=amount(row.get("averageTradedPrice")) * 100,
        terms=_terms(row, kind),
        reason=text(row.get("omsErrorDescription")) if state in _ENDED_BADLY else "",
        instrument=instrument_id(lookup, segment, security, str(row.get("tradingSymbol"))),
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
    filled, kind = count(message, "tradedqty"), message.get("ordertype")
    state = status(message.get("status"), kind, filled)
    place = (str(message.get("exchange")), str(message.get("segment")))
    last = to_paise(amount(message.get("tradedprice")))
    return OrderReport(
        order_id=ours(message.get("correlationid")),
        status=state,
        ts=ist(message.get("lastupdatedtime"))
        or ist(message.get("exchordertime"))
        or ist(message.get("orderdatetime")),
        broker_id=broker_id(message.get("orderno")),
        filled=filled,
        last_price=last if filled else 0,
        average_price=amount(message.get("avgtradedprice")) * 100,
        terms=_terms(message, kind, lower=True),
        reason=text(message.get("reasondescription")) if state in _ENDED_BADLY else "",
        instrument=instrument_id(
            lookup,
            words.STREAM_SEGMENT.get(place, "_".join(place)),
            str(message.get("securityid")),
            str(message.get("symbol")),
        ),
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
    told = {OrderStatus.REJECTED, OrderStatus.OPEN, OrderStatus.TRIGGER_PENDING}
    return OrderReport(
        order_id=order.order_id,
        status=state if state in told else OrderStatus.PENDING,
        ts=ts,
        broker_id=broker_id(body.get("orderId")),
        reason=text(body.get("omsErrorDescription")) if state is OrderStatus.REJECTED else "",
    )


def trades(rows: Sequence[Row]) -> tuple[TradeReport, ...]:
    """The executions of one order, oldest first, each once."""
    found: dict[object, TradeReport] = {}
    for number, row in enumerate(rows):
        name = text(row.get("exchangeTradeId"))
        quantity, price = count(row, "tradedQuantity"), to_paise(amount(row.get("tradedPrice")))
        if quantity <= 0 or price <= 0:
            raise DataError(f"Dhan gave a trade of {quantity} at {price} paise.")
        found[name if name not in NONE else number] = TradeReport(name, quantity, price, ist(row.get("exchangeTime")))
    return tuple(sorted(found.values(), key=lambda trade: trade.ts))


def position(row: Row, lookup: InstrumentLookup) -> BrokerPosition:
    """One row of the positions."""
    product = words.PRODUCT_READ.get(str(row.get("productType")))
    if product is None:
        raise DataError(f"Dhan gave a position with an unknown product {row.get('productType')!r}.")
    bought, sold = count(row, "buyQty"), count(row, "sellQty")
    return BrokerPosition(
        instrument=instrument_id(
            lookup, str(row.get("exchangeSegment")), str(row.get("securityId")), str(row.get("tradingSymbol"))
        ),
        product=product,
        quantity=count(row, "netQty", signed=True),
        buy_quantity=bought,
        buy_value=_value(bought, row.get("buyAvg")),
        sell_quantity=sold,
        sell_value=_value(sold, row.get("sellAvg")),
        realised=to_paise(amount(row.get("realizedProfit"))),
        unrealised=to_paise(amount(row.get("unrealizedProfit"))),
    )


def holding(row: Row, lookup: InstrumentLookup) -> Holding:
    """One row of the holdings. Dhan names the exchange ``ALL``; NSE's instrument is taken where there is one."""
    security = str(row.get("securityId"))
    known = lookup.by_dhan("NSE_EQ", security) or lookup.by_dhan("BSE_EQ", security)
    return Holding(
        instrument=known.id if known else InstrumentId(f"NSE_EQ:{row.get('tradingSymbol')}"),
        quantity=count(row, "totalQty"),
        sellable=count(row, "availableQty"),
        average_price=to_paise(amount(row.get("avgCostPrice"))),
        t1_quantity=count(row, "t1Qty"),
    )


def funds(row: Row) -> Funds:
    """The fund limit, with Dhan's spelling of the balance."""
    if "availabelBalance" not in row:
        raise DataError("Dhan's fund limit holds no 'availabelBalance'.")
    names = ("availabelBalance", "utilizedAmount", "sodLimit")
    available, used, opening = (to_paise(amount(row.get(name))) for name in names)
    return Funds(available=available, used=used, opening=opening)


def rupees(paise: Paise) -> float:
    """Paise as Dhan wants them. The quotient of a whole number by 100 prints with two digits at most."""
    return paise / 100


def _terms(row: Row, kind: object, *, lower: bool = False) -> OrderTerms | None:
    known = words.ORDER_TYPE_READ.get(str(kind))
    quantity = count(row, "quantity")
    if known is None or not quantity:
        return None
    price = to_paise(amount(row.get("price")))
    trigger = to_paise(amount(row.get("triggerprice" if lower else "triggerPrice")))
    return OrderTerms(quantity=quantity, order_type=known, price=price, trigger_price=trigger)


def instrument_id(lookup: InstrumentLookup, segment: str, security: str, symbol: str) -> InstrumentId:
    """Our id; Dhan's own words for what the master does not know."""
    known = lookup.by_dhan(segment, security)
    return known.id if known else InstrumentId(f"{segment}:{symbol}")


def ours(value: object) -> ClientOrderId:
    """Our own id as Dhan echoes it; empty for its ``NA``."""
    return ClientOrderId(text(value) if text(value) != "NA" else "")


def broker_id(value: object) -> BrokerOrderId:
    """Raises `DataError` where there is none."""
    if text(value) in NONE:
        raise DataError("Dhan gave an order without an order id.")
    return BrokerOrderId(text(value))


def text(value: object) -> str:
    """Without blanks around it; empty for null."""
    return "" if value is None else str(value).strip()


def amount(value: object) -> float:
    """Rupees (or units) out of a number or a text; 0 for what is missing. Raises `DataError`."""
    try:
        number = float(str(value)) if value not in (None, "", "NA") else 0.0
    except ValueError:
        number = float("nan")
    if not -_MOST < number < _MOST:  # false for NaN as well
        raise DataError(f"Dhan gave {value!r} for an amount.")
    return number


def count(row: Row, key: str, *, signed: bool = False) -> int:
    """Whole units. Raises `DataError`, also for a negative number unless `signed`."""
    number = amount(row.get(key))
    if number != int(number) or (number < 0 and not signed):
        raise DataError(f"Dhan gave {row.get(key)!r} for {key}.")
    return int(number)


def _value(quantity: int, average: object) -> Paise:
    return round(quantity * amount(average) * 100)
