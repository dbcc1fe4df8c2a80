"""Kite's GTTs, trade book and margin calculator to our values; see `fields` for its clock and its lots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from saudagar.brokers.fields import Row, naive_ist, part, text, units_per_lot
from saudagar.brokers.kite import words
from saudagar.brokers.kite.client import KiteLookup
from saudagar.brokers.kite.fields import (
    FIELDS,
    broker_id,
    count,
    instrument_of,
    objects,
    paise,
    product_of,
    side_of,
)
from saudagar.model import (
    AccountTrade,
    ClientOrderId,
    ConditionalKind,
    ConditionalLeg,
    ConditionalReport,
    ConditionalStatus,
    InstrumentId,
    LegName,
    Margin,
    Side,
)
from saudagar.model.errors import DataError


def conditional(row: Row, lookup: KiteLookup) -> ConditionalReport:
    """One GTT. What became of the order that a fired one sent is in the order book, not here.

    Raises
    ------
    DataError
        If it is none.
    """
    kind = words.GTT_TYPE_READ.get(text(row.get("type")))
    state = words.GTT_STATUS.get(text(row.get("status")).lower())
    if kind is None or state is None:
        raise DataError(f"Kite gave a trigger of type {row.get('type')!r} and status {row.get('status')!r}.")
    condition = part(row, "condition")
    instrument, name = instrument_of(condition, lookup)
    orders = objects(row, "orders")
    side, product = side_of(orders[0]), product_of(orders[0])
    sent = [part(part(order, "result"), "order_result") for order in orders]
    failed = any(text(each.get("status")) == "failed" for each in sent)
    return ConditionalReport(
        broker_id=broker_id(count(row, "id") or ""),
        kind=kind,
        status=ConditionalStatus.REJECTED if failed else state,
        instrument=name,
        side=side,
        quantity=count(orders[0], "quantity") * units_per_lot(instrument),
        product=product,
        legs=_legs(kind, side, condition.get("trigger_values"), orders),
        orders=tuple(broker_id(each["order_id"]) for each in sent if each.get("order_id")),
        reason=_reason(row, state, sent),
        ts=naive_ist(row.get("updated_at")),
    )


def trade(tags: Mapping[str, str], row: Row, lookup: KiteLookup) -> AccountTrade:
    """One execution of the trade book. `tags` are our ids by Kite's order id.

    Raises
    ------
    DataError
        If it is none.
    """
    instrument, _ = instrument_of(row, lookup)
    number = broker_id(row.get("order_id"))
    units = count(row, "quantity") * units_per_lot(instrument)
    quantity, price = FIELDS.execution(units, paise(row.get("average_price")))
    return AccountTrade(
        trade_id=text(row.get("trade_id")),
        broker_id=number,
        symbol=text(row.get("tradingsymbol")),
        side=side_of(row),
        product=product_of(row),
        quantity=quantity,
        price=price,
        ts=naive_ist(row.get("fill_timestamp")) or naive_ist(row.get("exchange_timestamp")),
        instrument=instrument.id if instrument else InstrumentId(""),
        order_id=ClientOrderId(tags.get(number, "")),
    )


def margin(body: Row) -> Margin:
    """A basket's margin after the benefit of its parts for each other, and its charges.

    Raises
    ------
    DataError
        If the answer holds none.
    """
    final = part(body, "final")
    if "total" not in final:
        raise DataError("Kite's margin calculator gave no total.")
    charges = [part(order, "charges") for order in objects(body, "orders")]
    return Margin(
        required=paise(final["total"]),
        span=paise(final.get("span")),
        exposure=paise(final.get("exposure")),
        charges=sum(paise(each.get("total")) for each in charges),
    )


def _legs(kind: ConditionalKind, side: Side, values: object, orders: Sequence[Row]) -> tuple[ConditionalLeg, ...]:
    """Kite gives the lower trigger first; of an exit by sale that is the stop."""
    names = {
        ConditionalKind.SINGLE: (LegName.ENTRY,),
        ConditionalKind.OCO: (LegName.STOP, LegName.TARGET) if side is Side.SELL else (LegName.TARGET, LegName.STOP),
    }[kind]
    if not isinstance(values, list) or len(values) != len(names) or len(orders) != len(names):
        raise DataError(f"Kite gave a {kind} trigger with values {values!r} and {len(orders)} orders.")
    pairs = sorted(
        ((paise(value), paise(order.get("price"))) for value, order in zip(values, orders, strict=True)),
        key=lambda pair: pair[0],
    )
    return tuple(
        ConditionalLeg(name=name, trigger=trigger, price=price)
        for name, (trigger, price) in zip(names, pairs, strict=True)
    )


def _reason(row: Row, state: ConditionalStatus, sent: Sequence[Row]) -> str:
    said = [text(each.get("rejection_reason")) for each in sent] + [text(part(row, "meta").get("rejection_reason"))]
    word = text(row.get("status"))
    told = next(filter(None, said), "")
    return told or (f"{word} by Kite" if state is ConditionalStatus.CANCELLED and word == "disabled" else "")
