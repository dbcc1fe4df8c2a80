"""Conditional orders where the brokers' accounts agree: one that was just taken, and what of it can never change."""

from __future__ import annotations

from saudagar.model import (
    BrokerOrderId,
    ConditionalKind,
    ConditionalReport,
    ConditionalStatus,
    InstrumentId,
    Nanos,
    NewConditional,
    Product,
    Side,
)
from saudagar.model.errors import DataError

Gist = tuple[ConditionalKind, InstrumentId, Side, Product]


def taken(
    asked: NewConditional,
    broker_id: BrokerOrderId,
    ts: Nanos,
    status: ConditionalStatus = ConditionalStatus.ACTIVE,
    reason: str = "",
) -> ConditionalReport:
    """The report on `asked`, which the broker has answered at `ts` (UTC ns) with an id."""
    return ConditionalReport(
        broker_id=broker_id,
        kind=asked.kind,
        status=status,
        instrument=asked.instrument,
        side=asked.side,
        quantity=asked.quantity,
        product=asked.product,
        legs=asked.legs,
        order_id=asked.order_id,
        reason=reason,
        ts=ts,
    )


def gist(order: NewConditional | ConditionalReport) -> Gist:
    """What stays the same as long as `order` lives."""
    return order.kind, order.instrument, order.side, order.product


def unchanged(known: Gist, asked: Gist) -> None:
    """Refuse a change into another order. Raises `DataError`."""
    if known != asked:
        raise DataError(
            "kind, instrument, side and product of a conditional order cannot be changed;"
            f" they stay {', '.join(known)}, got {', '.join(asked)}."
        )
