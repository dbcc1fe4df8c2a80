"""Upstox's JSON to our values. Its clock and its oddities end here.

Times are IST without a zone. Quantities on MCX are lots, ours are units (documented for placing; taken to hold for
what is read as well). The portfolio stream's messages are the book's rows with a few more fields.
"""

from __future__ import annotations

from collections.abc import Sequence

from saudagar.brokers import fields
from saudagar.brokers.fields import Fields, Row, order_status, text, unheard, units_per_lot
from saudagar.brokers.upstox import words
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import (
    BrokerPosition,
    ClientOrderId,
    Funds,
    Holding,
    Instrument,
    InstrumentId,
    InstrumentKind,
    Nanos,
    NewOrder,
    OrderReport,
    OrderStatus,
    OrderTerms,
    TradeReport,
    to_paise,
)
from saudagar.model.errors import DataError

_ENDED_BADLY = frozenset({OrderStatus.REJECTED, OrderStatus.CANCELLED})
_TRADED = "%d-%b-%Y %H:%M:%S"  # of trades, in the documentation

FIELDS = Fields("Upstox", missing=("", "NA"), nameless=("", "NA", "0"))
number, paise, count, broker_id = FIELDS.number, FIELDS.paise, FIELDS.count, FIELDS.broker_id


def naive_ist(said: object) -> Nanos:
    """A time of Upstox in UTC ns; 0 where it is missing or no time at all."""
    return fields.naive_ist(said, _TRADED)


def status(word: object, kind: object, filled: int, quantity: int) -> OrderStatus:
    """Upstox's status word; of a part that is filled it has none, and what is under way hides whether a stop is awake.

    Raises
    ------
    DataError
        If there is no word.
    """
    said = text(word).lower()
    known, order_type = FIELDS.status(words.STATUS, said), words.ORDER_TYPE_READ.get(str(kind))
    return order_status(known, said in words.ON_THE_WAY, order_type, filled, quantity)


def order_report(row: Row, lookup: InstrumentLookup) -> OrderReport:
    """One order of the book, of a look-up or of the stream.

    Raises
    ------
    DataError
        If it is not an order.
    """
    instrument, name = instrument_of(row, lookup)
    scale = units_per_lot(instrument)
    filled, quantity = count(row, "filled_quantity") * scale, count(row, "quantity") * scale
    if filled > quantity:
        raise DataError(f"Upstox gave an order of {quantity} with {filled} filled.")
    state = status(row.get("status"), row.get("order_type"), filled, quantity)
    FIELDS.withdrawn(row, "filled_quantity", state)
    return OrderReport(
        order_id=ClientOrderId(text(row.get("tag"))),
        status=state,
        ts=max(naive_ist(row.get("exchange_timestamp")), naive_ist(row.get("order_timestamp"))),
        broker_id=broker_id(row.get("order_id")),
        filled=filled,
        average_price=number(row.get("average_price")) * 100,
        terms=_terms(row, quantity),
        reason=text(row.get("status_message") or row.get("status_message_raw"))
        if state in _ENDED_BADLY
        else unheard(state, row.get("status")),
        instrument=name,
        side=words.SIDE.get(str(row.get("transaction_type"))),
        product=words.product(row.get("product"), derivative(instrument, row)),
    )


def reply_report(order: NewOrder, data: object, ts: Nanos) -> OrderReport:
    """The answer to a placement. It tells that Upstox has the order, and nothing of the exchange.

    Raises
    ------
    DataError
        If the answer does not name one order.
    """
    ids = data.get("order_ids") if isinstance(data, dict) else None
    if not isinstance(ids, list) or len(ids) != 1:
        raise DataError("Upstox answered a placement with something that is not one order's id")
    return OrderReport(order_id=order.order_id, status=OrderStatus.PENDING, ts=ts, broker_id=broker_id(ids[0]))


def trades(rows: Sequence[Row], lookup: InstrumentLookup) -> tuple[TradeReport, ...]:
    """The executions of one order, oldest first, each once.

    Raises
    ------
    DataError
        If one of them is no execution.
    """
    return FIELDS.executions(_execution(row, lookup) for row in rows)


def _execution(row: Row, lookup: InstrumentLookup) -> TradeReport:
    units = count(row, "quantity") * units_per_lot(instrument_of(row, lookup)[0])
    quantity, price = FIELDS.execution(units, paise(row.get("average_price")))
    return TradeReport(text(row.get("trade_id")), quantity, price, naive_ist(row.get("exchange_timestamp")))


def position(row: Row, lookup: InstrumentLookup) -> BrokerPosition:
    """One row of the short-term positions; what was carried over counts with yesterday's value.

    Raises
    ------
    DataError
        If it is none.
    """
    instrument, name = instrument_of(row, lookup)
    product = words.product(row.get("product"), derivative(instrument, row))
    if product is None:
        raise DataError(f"Upstox gave a position with an unknown product {row.get('product')!r}.")
    scale = units_per_lot(instrument)
    bought = count(row, "day_buy_quantity") + count(row, "overnight_buy_quantity")
    sold = count(row, "day_sell_quantity") + count(row, "overnight_sell_quantity")
    return BrokerPosition(
        instrument=name,
        product=product,
        quantity=count(row, "quantity", signed=True, needed=True) * scale,
        buy_quantity=bought * scale,
        buy_value=to_paise(number(row.get("day_buy_value")) + number(row.get("overnight_buy_amount"))),
        sell_quantity=sold * scale,
        sell_value=to_paise(number(row.get("day_sell_value")) + number(row.get("overnight_sell_amount"))),
        realised=paise(row.get("realised")),
        unrealised=paise(row.get("unrealised")),
    )


def holding(row: Row, lookup: InstrumentLookup) -> Holding:
    """One row of the long-term holdings.

    ``quantity`` is what was delivered; what is coming is told beside it (as Upstox's own pages add them up). Orders of
    today, waiting or done, are in ``cnc_used_quantity`` and take nothing from it.
    """
    delivered, coming = count(row, "quantity"), count(row, "t1_quantity")
    return Holding(
        instrument=instrument_of(row, lookup)[1],
        quantity=delivered + coming,
        sellable=max(0, delivered - count(row, "cnc_used_quantity") - count(row, "collateral_quantity")),
        average_price=paise(row.get("average_price")),
        t1_quantity=coming,
        isin=text(row.get("isin")),
    )


def funds(data: object) -> Funds:
    """Funds and margin V3: what may be traded with, equity and commodity, cash and what is pledged together.

    Raises
    ------
    DataError
        If the amounts are not where they belong.
    """
    try:
        trade = data["available_to_trade"]  # type: ignore[index]  # whatever it is, what is missing is caught
        cash, pledged = trade["cash_available_to_trade"], trade.get("pledge_available_to_trade") or {}
        used, opening = cash["margin_used"]["total"], cash["cash"]["opening_balance"]
        more = (pledged.get("margin_used") or {}).get("total")
        available = trade["total"]
    except (KeyError, TypeError, AttributeError):
        raise DataError("Upstox's funds do not hold 'available_to_trade' as documented.") from None
    return Funds(available=paise(available), used=paise(used) + paise(more), opening=paise(opening))


def derivative(instrument: Instrument | None, row: Row) -> bool:
    """Whether product D means a carried position; an instrument that nobody knows is judged by its key."""
    if instrument is not None:
        return instrument.kind in (InstrumentKind.FUTURE, InstrumentKind.OPTION)
    return not _key(row).split("|")[0].endswith("_EQ")


def _terms(row: Row, quantity: int) -> OrderTerms | None:
    known = words.ORDER_TYPE_READ.get(str(row.get("order_type")))
    if known is None or not quantity:
        return None
    price, trigger = paise(row.get("price")), paise(row.get("trigger_price"))
    return OrderTerms(
        quantity=quantity,
        order_type=known,
        price=price if known.has_price else 0,
        trigger_price=trigger if known.has_trigger else 0,
    )


def instrument_of(row: Row, lookup: InstrumentLookup) -> tuple[Instrument | None, InstrumentId]:
    """What `row` is about; for one that the master does not know, an id made of its segment and symbol."""
    key = _key(row)
    known = lookup.by_upstox(key)
    if known is not None:
        return known, known.id
    segment = {word: ours for ours, word in words.SEGMENT.items()}.get(key.split("|")[0])
    symbol = text(row.get("trading_symbol") or row.get("tradingsymbol")) or key
    return None, InstrumentId(f"{segment.value if segment else key.split('|')[0]}:{symbol}")


def _key(row: Row) -> str:
    return text(row.get("instrument_token") or row.get("instrument_key"))
