"""Dhan's forever orders (one trigger, or target and stop) and super orders (entry, target, stop) to our reports.

A forever order is told in one row a leg, without our id; a super order in one row with its exits inside, and our id.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from saudagar.brokers.dhan import words
from saudagar.brokers.dhan.parse import FIELDS, broker_id, count, instrument_of, ours, paise
from saudagar.brokers.fields import Row, naive_ist, text, units_per_lot
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import (
    ConditionalKind,
    ConditionalLeg,
    ConditionalReport,
    ConditionalStatus,
    InstrumentId,
    LegName,
    NewConditional,
    Product,
    Side,
)
from saudagar.model.errors import DataError

FOREVER = frozenset({ConditionalKind.SINGLE, ConditionalKind.OCO})
"""The kinds that Dhan keeps as forever orders; the others are super orders."""

T = TypeVar("T")

_ENDED_BADLY = frozenset({ConditionalStatus.REJECTED, ConditionalStatus.CANCELLED, ConditionalStatus.EXPIRED})
_FIRST = ("WORKING", "ACTIVE", "DONE", "REJECTED", "EXPIRED", "CANCELLED")  # of two legs, which one speaks for both


def forever_reports(rows: Iterable[Row], lookup: InstrumentLookup) -> list[ConditionalReport]:
    """Every forever order of the list.

    Raises
    ------
    DataError
        If a row is not a leg of one.
    """
    orders: dict[str, list[Row]] = {}
    for row in rows:
        orders.setdefault(str(broker_id(row.get("orderId"))), []).append(row)
    return [_forever(legs, lookup) for legs in orders.values()]


def _forever(rows: list[Row], lookup: InstrumentLookup) -> ConditionalReport:
    row = rows[0]
    oco = text(row.get("orderType")) == "OCO" or len(rows) > 1
    instrument, scale, side, product = _what(row, lookup)
    return ConditionalReport(
        broker_id=broker_id(row.get("orderId")),
        kind=ConditionalKind.OCO if oco else ConditionalKind.SINGLE,
        status=_both([state(words.FOREVER_STATUS, each.get("orderStatus")) for each in rows]),
        instrument=instrument,
        side=side,
        quantity=count(row, "quantity") * scale,
        product=product,
        legs=tuple(
            ConditionalLeg(
                name=_leg_name(each) if oco else LegName.ENTRY,
                trigger=paise(each.get("triggerPrice")),
                price=paise(each.get("price")),
            )
            for each in rows
        ),
        order_id=ours(row.get("correlationId")),  # not in the documentation
        ts=max(naive_ist(each.get("updateTime")) or naive_ist(each.get("createTime")) for each in rows),
    )


def _both(states: list[ConditionalStatus]) -> ConditionalStatus:
    if ConditionalStatus.DONE in states and ConditionalStatus.ACTIVE in states:
        return ConditionalStatus.WORKING  # one leg is through, and the other not yet withdrawn
    return min(states, key=_FIRST.index)


def super_report(row: Row, lookup: InstrumentLookup) -> ConditionalReport:
    """One super order.

    Raises
    ------
    DataError
        If it is none.
    """
    exits = exits_of(row)
    stop = next((each for each in exits if _leg_name(each) is LegName.STOP), {})
    trail = paise(stop.get("trailingJump"))
    entry_price = paise(row.get("price")) if text(row.get("orderType")) == "LIMIT" else 0
    instrument, scale, side, product = _what(row, lookup)
    status = _super_status(row, exits)
    return ConditionalReport(
        broker_id=broker_id(row.get("orderId")),
        kind=ConditionalKind.TRAILING if trail else ConditionalKind.BRACKET,
        status=status,
        instrument=instrument,
        side=side,
        quantity=count(row, "quantity") * scale,
        product=product,
        legs=(ConditionalLeg(name=LegName.ENTRY, price=entry_price), *map(_exit, exits)),
        order_id=ours(row.get("correlationId")),
        reason=text(row.get("omsErrorDescription")) if status in _ENDED_BADLY else "",
        ts=naive_ist(row.get("updateTime")) or naive_ist(row.get("createTime")),
    )


def _super_status(row: Row, exits: list[Row]) -> ConditionalStatus:
    status = state(words.SUPER_STATUS, row.get("orderStatus"))
    waits = any(live(each) for each in exits)
    if entered(row) and not waits:
        return ConditionalStatus.DONE
    if status is ConditionalStatus.CANCELLED and waits and count(row, "filledQty"):
        return ConditionalStatus.WORKING  # the rest of the entry was withdrawn; what it had bought is still guarded
    return status


def entered(row: Row) -> bool:
    """Whether the entry of a super order has traded whole."""
    return text(row.get("orderStatus")) == "TRADED"


def exits_of(row: Row) -> list[Row]:
    """Target and stop of a super order. Raises `DataError`."""
    legs = row.get("legDetails") or []
    if not isinstance(legs, list) or not all(isinstance(leg, dict) for leg in legs):
        raise DataError("Dhan gave a super order whose legs are no list of objects.")
    return [leg for leg in legs if _leg_name(leg) is not LegName.ENTRY]


def live(leg: Row) -> bool:
    """Whether an exit of a super order may still trade. Raises `DataError`."""
    return state(words.EXIT_LIVE, leg.get("orderStatus"))


def _exit(leg: Row) -> ConditionalLeg:
    """The target is a limit at its own price, the stop goes out at the market."""
    name, price = _leg_name(leg), paise(leg.get("price"))
    if name is LegName.TARGET:
        return ConditionalLeg(name=name, trigger=price, price=price)
    return ConditionalLeg(name=name, trigger=price, trail=paise(leg.get("trailingJump")))


def same(asked: NewConditional, told: ConditionalReport) -> bool:
    """Whether `told` is what `asked` would have become; for orders of which Dhan does not keep our id.

    What was asked for at the market may be told with a price: Dhan makes limits of market orders.
    """
    theirs = {leg.name: leg for leg in told.legs}
    whose = (asked.kind, asked.instrument, asked.side, asked.quantity, asked.product)
    if whose != (told.kind, told.instrument, told.side, told.quantity, told.product):
        return False
    return {leg.name for leg in asked.legs} == set(theirs) and all(
        theirs[leg.name].trigger == leg.trigger and leg.price in (0, theirs[leg.name].price) for leg in asked.legs
    )


def state(table: dict[str, T], word: object) -> T:
    """What `table` makes of a status word. Raises `DataError`."""
    return FIELDS.known(table, text(word).upper().replace(" ", "_"), "status of a conditional order")


def _what(row: Row, lookup: InstrumentLookup) -> tuple[InstrumentId, int, Side, Product]:
    """Instrument, units to a quantity of 1, side and product."""
    side = words.SIDE.get(text(row.get("transactionType")))
    product = words.PRODUCT_READ.get(text(row.get("productType")))
    if side is None or product is None:
        raise DataError(
            f"Dhan gave a conditional order of {row.get('transactionType')!r} as {row.get('productType')!r}."
        )
    instrument, name = instrument_of(row, lookup)
    return name, units_per_lot(instrument), side, product


def _leg_name(row: Row) -> LegName:
    return FIELDS.known(words.LEG_READ, row.get("legName"), "leg of a conditional order")
