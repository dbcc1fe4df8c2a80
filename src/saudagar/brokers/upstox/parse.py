"""Upstox's JSON to our values. Its clock and its oddities end here.

Times are IST without a zone. Quantities on MCX are lots, ours are units (documented for placing; taken to hold for
what is read as well). The portfolio stream's messages are the book's rows with a few more fields.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from saudagar.brokers.upstox import words
from saudagar.execution.ports import InstrumentLookup
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
    InstrumentKind,
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

_TIMES = (datetime.fromisoformat, lambda written: datetime.strptime(written, "%d-%b-%Y %H:%M:%S"))  # noqa: DTZ007

Row = Mapping[str, Any]


def naive_ist(value: object) -> Nanos:
    """A time of Upstox in UTC ns; 0 where it is missing or no time at all. Trades have it as ``03-Aug-2017 15:03:42``
    in the documentation, orders in ISO's form."""
    for reader in _TIMES:
        try:
            moment = reader(str(value))
        except ValueError:
            continue
        break
    else:
        return 0
    return int(moment.replace(tzinfo=IST).timestamp()) * SECOND if moment.year > 1970 else 0


def status(word: object, kind: object, filled: int, quantity: int) -> OrderStatus:
    """Upstox's status word; of a part that is filled it has none, and what is under way hides whether a stop is awake.

    Raises
    ------
    DataError
        For a word that is not in the table.
    """
    said = str(word).strip().lower()
    known = words.STATUS.get(said)
    if known is None:
        raise DataError(f"Upstox gave an unknown order status {word!r}; known are {', '.join(words.STATUS)}.")
    if known is not OrderStatus.OPEN:
        return known
    if 0 < filled < quantity:
        return OrderStatus.PARTIALLY_FILLED
    order_type = words.ORDER_TYPE_READ.get(str(kind))
    if said in words.ON_THE_WAY and order_type is not None and order_type.has_trigger:
        return OrderStatus.TRIGGER_PENDING
    return known


def order_report(row: Row, lookup: InstrumentLookup) -> OrderReport:
    """One order of the book, of a look-up or of the stream.

    Raises
    ------
    DataError
        If it is not an order.
    """
    instrument, name = instrument_of(row, lookup)
    scale = units_per_lot(instrument)
    filled, quantity = count_of(row, "filled_quantity") * scale, count_of(row, "quantity") * scale
    if filled > quantity:
        raise DataError(f"Upstox gave an order of {quantity} with {filled} filled.")
    state = status(row.get("status"), row.get("order_type"), filled, quantity)
    return OrderReport(
        order_id=ClientOrderId(text_of(row.get("tag"))),
        status=state,
        ts=max(naive_ist(row.get("exchange_timestamp")), naive_ist(row.get("order_timestamp"))),
        broker_id=broker_id(row.get("order_id")),
        filled=filled,
        average_price=_rupees(row.get("average_price")) * 100,
        terms=_terms(row, quantity),
        reason=text_of(row.get("status_message") or row.get("status_message_raw")) if state in _ENDED_BADLY else "",
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
    found: dict[object, TradeReport] = {}
    for number, row in enumerate(rows):
        name = text_of(row.get("trade_id"))
        quantity = count_of(row, "quantity") * units_per_lot(instrument_of(row, lookup)[0])
        price = paise_of(row.get("average_price"))
        if quantity <= 0 or price <= 0:
            raise DataError(f"Upstox gave a trade of {quantity} at {price} paise.")
        found[name or number] = TradeReport(name, quantity, price, naive_ist(row.get("exchange_timestamp")))
    return tuple(sorted(found.values(), key=lambda trade: trade.ts))


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
    bought = count_of(row, "day_buy_quantity") + count_of(row, "overnight_buy_quantity")
    sold = count_of(row, "day_sell_quantity") + count_of(row, "overnight_sell_quantity")
    return BrokerPosition(
        instrument=name,
        product=product,
        quantity=count_of(row, "quantity", signed=True) * scale,
        buy_quantity=bought * scale,
        buy_value=to_paise(_rupees(row.get("day_buy_value")) + _rupees(row.get("overnight_buy_amount"))),
        sell_quantity=sold * scale,
        sell_value=to_paise(_rupees(row.get("day_sell_value")) + _rupees(row.get("overnight_sell_amount"))),
        realised=paise_of(row.get("realised")),
        unrealised=paise_of(row.get("unrealised")),
    )


def holding(row: Row, lookup: InstrumentLookup) -> Holding:
    """One row of the long-term holdings."""
    quantity, sold = count_of(row, "quantity"), count_of(row, "cnc_used_quantity")
    return Holding(
        instrument=instrument_of(row, lookup)[1],
        quantity=quantity,
        sellable=max(0, quantity - sold - count_of(row, "collateral_quantity")),
        average_price=paise_of(row.get("average_price")),
        t1_quantity=count_of(row, "t1_quantity"),
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
    return Funds(available=paise_of(available), used=paise_of(used) + paise_of(more), opening=paise_of(opening))


def units_per_lot(instrument: Instrument | None) -> int:
    """What one of Upstox's quantity is in units: a lot on MCX, one elsewhere."""
    return instrument.lot_size if instrument is not None and instrument.segment is Segment.MCX_COMM else 1


def in_lots(instrument: Instrument, quantity: int) -> int:
    """`quantity` (units) as Upstox counts it.

    Raises
    ------
    DataError
        If it is not positive and whole, or breaks a lot on MCX.
    """
    units, per_lot = whole(quantity, "a quantity"), units_per_lot(instrument)
    if units <= 0:
        raise DataError(f"a quantity must be positive, got {units}.")
    if units % per_lot:
        raise DataError(f"{instrument.id} trades in lots of {per_lot}, got {units}.")
    return units // per_lot


def derivative(instrument: Instrument | None, row: Row) -> bool:
    """Whether product D means a carried position; an instrument that nobody knows is judged by its key."""
    if instrument is not None:
        return instrument.kind in (InstrumentKind.FUTURE, InstrumentKind.OPTION)
    return not _key(row).split("|")[0].endswith("_EQ")


def broker_id(text: object) -> BrokerOrderId:
    """Upstox's id of an order; raises `DataError` for none."""
    if text_of(text) in ("", "NA", "0"):
        raise DataError("Upstox gave an order without an order id.")
    return BrokerOrderId(text_of(text))


def _terms(row: Row, quantity: int) -> OrderTerms | None:
    known = words.ORDER_TYPE_READ.get(str(row.get("order_type")))
    if known is None or not quantity:
        return None
    price, trigger = paise_of(row.get("price")), paise_of(row.get("trigger_price"))
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
    symbol = text_of(row.get("trading_symbol") or row.get("tradingsymbol")) or key
    return None, InstrumentId(f"{segment.value if segment else key.split('|')[0]}:{symbol}")


def _key(row: Row) -> str:
    return text_of(row.get("instrument_token") or row.get("instrument_key"))


def text_of(value: object) -> str:
    """`value` as it would be printed, blanks off; nothing for None."""
    return "" if value is None else str(value).strip()


def _rupees(value: object) -> float:
    try:
        number = float(str(value)) if value not in (None, "", "NA") else 0.0
    except ValueError:
        number = float("nan")
    if not -_MOST < number < _MOST:  # false for NaN as well
        raise DataError(f"Upstox gave {value!r} for an amount.")
    return number


def paise_of(value: object) -> Paise:
    """Rupees as Upstox writes them; 0 where there are none. Raises `DataError`."""
    return to_paise(_rupees(value))


def count_of(row: Row, key: str, *, signed: bool = False) -> int:
    """A whole number of units; 0 where there is none. Raises `DataError`."""
    number = _rupees(row.get(key))
    if number != int(number) or (number < 0 and not signed):
        raise DataError(f"Upstox gave {row.get(key)!r} for {key}.")
    return int(number)


def whole(value: Any, what: str) -> int:
    """`value` as the SDK can send it: it fails on Decimal and on NumPy's numbers.

    Raises
    ------
    DataError
        If it is not a whole number.
    """
    try:
        return operator.index(value)
    except TypeError:
        raise DataError(f"{what} must be a whole number, got {value!r}.") from None


def rupees(paise: Paise) -> float:
    """Paise as Upstox wants them. The quotient of a whole number by 100 prints with two digits at most."""
    return paise / 100
