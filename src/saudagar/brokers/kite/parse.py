"""Kite's orders, executions, positions, holdings and money to our values. Its oddities end here and in `fields`.

The stream's messages are the book's rows with a few more fields.
"""

from __future__ import annotations

from collections.abc import Sequence

from saudagar.brokers.fields import Row, naive_ist, order_status, part, text, unheard, units_per_lot
from saudagar.brokers.kite import words
from saudagar.brokers.kite.client import KiteLookup
from saudagar.brokers.kite.fields import FIELDS, broker_id, count, instrument_of, number, paise, product_of
from saudagar.model import (
    BrokerPosition,
    ClientOrderId,
    Funds,
    Holding,
    Nanos,
    NewOrder,
    OrderReport,
    OrderStatus,
    OrderTerms,
    TradeReport,
)
from saudagar.model.errors import DataError

_ENDED_BADLY = frozenset({OrderStatus.REJECTED, OrderStatus.CANCELLED})


def status(word: object, kind: object, filled: int, quantity: int) -> OrderStatus:
    """Kite's status word; of a part that is filled it has none, and what is under way hides whether a stop is awake.

    Raises
    ------
    DataError
        If there is no word.
    """
    said = text(word).upper()
    known, order_type = FIELDS.status(words.STATUS, said), words.ORDER_TYPE_READ.get(str(kind))
    return order_status(known, said in words.IN_BETWEEN, order_type, filled, quantity)


def order_report(row: Row, lookup: KiteLookup) -> OrderReport:
    """One order of the book or the stream.

    Raises
    ------
    DataError
        If it is not an order.
    """
    instrument, name = instrument_of(row, lookup)
    scale = units_per_lot(instrument)
    filled, quantity = count(row, "filled_quantity") * scale, count(row, "quantity") * scale
    state = status(row.get("status"), row.get("order_type"), filled, quantity)
    FIELDS.withdrawn(row, "filled_quantity", state)
    return OrderReport(
        order_id=ClientOrderId(text(row.get("tag"))),
        status=state,
        ts=naive_ist(row.get("exchange_update_timestamp")) or naive_ist(row.get("order_timestamp")),
        broker_id=broker_id(row.get("order_id")),
        filled=filled,
        average_price=number(row.get("average_price")) * 100,
        terms=_terms(row, quantity),
        reason=_reason(row) if state in _ENDED_BADLY else unheard(state, row.get("status")),
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
    known = broker_id(body.get("order_id"))
    return OrderReport(order_id=order.order_id, status=OrderStatus.PENDING, ts=ts, broker_id=known)


def trades(rows: Sequence[Row], lookup: KiteLookup) -> tuple[TradeReport, ...]:
    """The executions of one order, oldest first, each once.

    Raises
    ------
    DataError
        If one of them is no execution.
    """
    return FIELDS.executions(_execution(row, lookup) for row in rows)


def _execution(row: Row, lookup: KiteLookup) -> TradeReport:
    units = count(row, "quantity") * units_per_lot(instrument_of(row, lookup)[0])
    quantity, price = FIELDS.execution(units, paise(row.get("average_price")))
    ts = naive_ist(row.get("fill_timestamp")) or naive_ist(row.get("exchange_timestamp"))
    return TradeReport(text(row.get("trade_id")), quantity, price, ts)


def position(row: Row, lookup: KiteLookup) -> BrokerPosition:
    """One row of the net positions.

    Raises
    ------
    DataError
        If it is none.
    """
    instrument, name = instrument_of(row, lookup)
    scale = units_per_lot(instrument)
    return BrokerPosition(
        instrument=name,
        product=product_of(row),
        quantity=count(row, "quantity", signed=True, needed=True) * scale,
        buy_quantity=count(row, "buy_quantity") * scale,
        buy_value=paise(row.get("buy_value")),
        sell_quantity=count(row, "sell_quantity") * scale,
        sell_value=paise(row.get("sell_value")),
        realised=paise(row.get("realised")),
        unrealised=paise(row.get("unrealised")),
    )


def holding(row: Row, lookup: KiteLookup) -> Holding:
    """One row of the holdings.

    ``quantity`` falls with every sale of today, which is a negative position as well: it is of no use here. What lies
    in the demat account, what is coming and ``opening_quantity`` are as of this morning; whether the last of them
    counts what is coming is documented nowhere.

    Raises
    ------
    DataError
        If it is none.
    """
    delivered, coming = count(row, "realised_quantity"), count(row, "t1_quantity")
    return Holding(
        instrument=instrument_of(row, lookup)[1],
        quantity=max(delivered + coming, count(row, "opening_quantity")),
        sellable=max(0, delivered - count(row, "used_quantity")),
        average_price=paise(row.get("average_price")),
        t1_quantity=coming,
        isin=text(row.get("isin")),
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
        available=sum(paise(FIELDS.told(each, "net")) for each in segments),
        used=sum(paise(part(each, "utilised").get("debits")) for each in segments),
        opening=sum(paise(part(each, "available").get("opening_balance")) for each in segments),
    )


def _terms(row: Row, quantity: int) -> OrderTerms | None:
    kind = words.ORDER_TYPE_READ.get(str(row.get("order_type")))
    if kind is None or not quantity:
        return None
    price, trigger = paise(row.get("price")), paise(row.get("trigger_price"))
    return OrderTerms(quantity=quantity, order_type=kind, price=price, trigger_price=trigger)


def _reason(row: Row) -> str:
    return text(row.get("status_message")) or text(row.get("status_message_raw"))
