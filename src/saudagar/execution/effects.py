"""What the engine asks the world to do. Carried out only after the events of the same step are on disk."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from saudagar.model import ClientOrderId, InstrumentId, NewOrder, OrderReport, OrderTerms


class SubmitOrder(msgspec.Struct, frozen=True, gc=False):
    order: NewOrder


class ModifyOrder(msgspec.Struct, frozen=True, gc=False):
    order_id: ClientOrderId
    terms: OrderTerms


class CancelOrder(msgspec.Struct, frozen=True, gc=False):
    order_id: ClientOrderId


class FindOrder(msgspec.Struct, frozen=True, gc=False):
    """Ask the broker for the order by our own id; answer with its report or `LookUpMissed`."""

    order_id: ClientOrderId


class FetchTrades(msgspec.Struct, frozen=True, gc=False):
    """The report's fill is not plain; get the order's executions and hand the report in again with them."""

    report: OrderReport


class FetchPriceBand(msgspec.Struct, frozen=True, gc=False):
    """Ask between which prices the exchange takes orders; answer with `PriceBandTold`."""

    instrument: InstrumentId


class TakeSnapshot(msgspec.Struct, frozen=True, gc=False):
    """Get orders and positions for reconciliation; answer with `AccountSnapshot`."""


Effect: TypeAlias = SubmitOrder | ModifyOrder | CancelOrder | FindOrder | FetchTrades | FetchPriceBand | TakeSnapshot
"""Submit, modify and cancel are writes and are carried out in order; the others are reads."""
