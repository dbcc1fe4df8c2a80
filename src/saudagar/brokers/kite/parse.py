"""Kite's JSON to our values. Its clock and its oddities end here.

Times are IST without a zone, a trade's `order_timestamp` even without a date. Quantities on MCX are lots, ours are
units (recorded: LEADMINI, a tonne, is quantity 1 with multiplier 1000). The stream's messages are the book's rows with
a few more fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from saudagar.brokers.kite import words
from saudagar.brokers.kite.client import KiteLookup
from saudagar.market.ist import IST
from saudagar.model import (
    SECOND,
    BrokerOrderId,
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
    Segment,
    TradeReport,
    to_paise,
)
from saudagar.model.errors import DataError

_ENDED_BADLY = frozenset({OrderStatus.REJECTED, OrderStatus.CANCELLED})
_MOST = 1e13  # rupees or units: beyond any account, and far from where floats lose the paisa

Row = Mapping[str, Any]


def naive_ist(text: object) -> Nanos:
    """A time of Kite in UTC ns, whatever zone this machine is in; 0 where it is missing or no time at all."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return 0
    return int(moment.replace(tzinfo=IST).timestamp()) * SECOND if moment.year > 1970 else 0


def status(word: object, kind: object, filled: int, quantity: int) -> OrderStatus:
    """Kite's status word; of a part that is filled it has none, and what is under way hides whether a stop is awake.

    Raises
    ------
    DataError
        For a word that is not in the table.
    """
    said = str(word).strip().upper()
    known = words.STATUS.get(said)
    if known is None:
        raise DataError(f"Kite gave an unknown order status {word!r}; known are {', '.join(words.STATUS)}.")
    if known is not OrderStatus.OPEN:
        return known
    if 0 < filled < quantity:
        return OrderStatus.PARTIALLY_FILLED
    order_type = words.ORDER_TYPE_READ.get(str(kind))
    if said in words.IN_BETWEEN and order_type is not None and order_type.has_trigger:
        return OrderStatus.TRIGGER_PENDING
    return known


def order_report(row: Row, lookup: KiteLookup) -> OrderReport:
    """One order of the book or the stream.

    Raises
    ------
    DataError
        If it is not an order.
    """
    instrument, name = _instrument(row, lookup)
    scale = units_per_lot(instrument)
    filled, quantity = _count(row, "filled_quantity") * scale, _count(row, "quantity") * scale
    state = status(row.get("status"), row.get("order_type"), filled, quantity)
    return OrderReport(
        order_id=ClientOrderId(_text(row.get("tag"))),
        status=state,
        ts=naive_ist(row.get("exchange_update_timestamp")) or naive_ist(row.get("order_timestamp")),
        broker_id=broker_id(row.get("order_id")),
        filled=filled,
        average_price=_rupees(row.get("average_price")) * 100,
        terms=_terms(row, quantity),
        reason=_reason(row) if state in _ENDED_BADLY else "",
        instrument=name,
        side=words.SIDE.get(str(row.get("transaction_type"))),
        product=words.PRODUCT_READ.get(str(row.get("product"))),
    )


def reply_report(order: NewOrder, body: object, ts: Nanos) -> OrderReport:
    """The answer to a placement. It tells that Kite's order system has the order, and nothing of the exchange.

    Raises
    ------
    DataError
        If the answer does not hold an order id.
    """
    if not isinstance(body, dict):
        raise DataError("Kite answered a placement with something that is not an order.")
    number = broker_id(body.get("order_id"))
    return OrderReport(order_id=order.order_id, status=OrderStatus.PENDING, ts=ts, broker_id=number)


def trades(rows: Sequence[Row], lookup: KiteLookup) -> tuple[TradeReport, ...]:
    """The executions of one order, oldest first, each once.

    Raises
    ------
    DataError
        If one of them is no execution.
    """
    found: dict[object, TradeReport] = {}
    for number, row in enumerate(rows):
        name = _text(row.get("trade_id"))
        quantity = _count(row, "quantity") * units_per_lot(_instrument(row, lookup)[0])
        price = to_paise(_rupees(row.get("average_price")))
        if quantity <= 0 or price <= 0:
            raise DataError(f"Kite gave a trade of {quantity} at {price} paise.")
        ts = naive_ist(row.get("fill_timestamp")) or naive_ist(row.get("exchange_timestamp"))
        found[name or number] = TradeReport(name, quantity, price, ts)
    return tuple(sorted(found.values(), key=lambda trade: trade.ts))


def position(row: Row, lookup: KiteLookup) -> BrokerPosition:
    """One row of the net positions.

    Raises
    ------
    DataError
        If it is none.
    """
    product = words.PRODUCT_READ.get(str(row.get("product")))
    if product is None:
        raise DataError(f"Kite gave a position with an unknown product {row.get('product')!r}.")
    instrument, name = _instrument(row, lookup)
    scale = units_per_lot(instrument)
    return BrokerPosition(
        instrument=name,
        product=product,
        quantity=_count(row, "quantity", signed=True) * scale,
        buy_quantity=_count(row, "buy_quantity") * scale,
        buy_value=to_paise(_rupees(row.get("buy_value"))),
        sell_quantity=_count(row, "sell_quantity") * scale,
        sell_value=to_paise(_rupees(row.get("sell_value"))),
        realised=to_paise(_rupees(row.get("realised"))),
        unrealised=to_paise(_rupees(row.get("unrealised"))),
    )


def holding(row: Row, lookup: KiteLookup) -> Holding:
    """One row of the holdings: what lies in the demat account, less what was sold today, plus what is coming.

    Raises
    ------
    DataError
        If it is none.
    """
    sellable = _count(row, "realised_quantity") - _count(row, "used_quantity")
    coming = _count(row, "t1_quantity")
    return Holding(
        instrument=_instrument(row, lookup)[1],
        quantity=sellable + coming,
        sellable=sellable,
        average_price=to_paise(_rupees(row.get("average_price"))),
        t1_quantity=coming,
    )


def funds(body: Row) -> Funds:
    """The margins of both segments together.

    Raises
    ------
    DataError
        If there is no segment.
    """
    segments = [body[name] for name in ("equity", "commodity") if isinstance(body.get(name), dict)]
    if not segments:
        raise DataError("Kite's margins hold neither 'equity' nor 'commodity'.")
    return Funds(
        available=sum(to_paise(_rupees(each.get("net"))) for each in segments),
        used=sum(to_paise(_rupees(_part(each, "utilised").get("debits"))) for each in segments),
        opening=sum(to_paise(_rupees(_part(each, "available").get("opening_balance"))) for each in segments),
    )


def units_per_lot(instrument: Instrument | None) -> int:
    """What Kite's quantity 1 is, in units."""
    if instrument is None or instrument.segment is not Segment.MCX_COMM:
        return 1
    return max(instrument.lot_size, 1)


def rupees(paise: Paise) -> float:
    """Paise as Kite wants them. The quotient of a whole number by 100 prints with two digits at most."""
    return paise / 100


def broker_id(text: object) -> BrokerOrderId:
    """Kite's order id.

    Raises
    ------
    DataError
        If there is none.
    """
    if not _text(text):
        raise DataError("Kite gave an order without an order id.")
    return BrokerOrderId(_text(text))


def _terms(row: Row, quantity: int) -> OrderTerms | None:
    kind = words.ORDER_TYPE_READ.get(str(row.get("order_type")))
    if kind is None or not quantity:
        return None
    price, trigger = to_paise(_rupees(row.get("price"))), to_paise(_rupees(row.get("trigger_price")))
    return OrderTerms(quantity=quantity, order_type=kind, price=price, trigger_price=trigger)


def _instrument(row: Row, lookup: KiteLookup) -> tuple[Instrument | None, InstrumentId]:
    known = lookup.by_kite(_text(row.get("instrument_token")))
    return known, known.id if known else InstrumentId(f"{row.get('exchange')}:{row.get('tradingsymbol')}")


def _reason(row: Row) -> str:
    return _text(row.get("status_message")) or _text(row.get("status_message_raw"))


def _part(row: Row, key: str) -> Row:
    part = row.get(key)
    return part if isinstance(part, dict) else {}


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _rupees(value: object) -> float:
    try:
        number = float(str(value)) if value not in (None, "") else 0.0
    except ValueError:
        number = float("nan")
    if not -_MOST < number < _MOST:  # false for NaN as well
        raise DataError(f"Kite gave {value!r} for an amount.")
    return number


def _count(row: Row, key: str, *, signed: bool = False) -> int:
    number = _rupees(row.get(key))
    if number != int(number) or (number < 0 and not signed):
        raise DataError(f"Kite gave {row.get(key)!r} for {key}.")
    return int(number)
