"""What is looked at before anything goes to Dhan: may it be traded, are its numbers numbers."""

from __future__ import annotations

import operator
import re

from saudagar.brokers.dhan import parse, words
from saudagar.model import Instrument, OrderTerms, Paise, Product
from saudagar.model.errors import DataError, Unsupported

_ID = re.compile(r"[A-Za-z0-9 _-]{1,25}")  # documented as 30; the 26th was refused (sandbox, September 2026)


def own_id(order_id: str) -> str:
    """Our id, if Dhan can carry it. Raises `DataError`."""
    if not _ID.fullmatch(order_id):
        raise DataError(f"order id {order_id!r} is not 1 to 25 of A-Z, a-z, 0-9, blank, - and _.")
    return order_id


def tradable(instrument: Instrument, product: Product) -> str:
    """Dhan's word for the segment. Raises `Unsupported` if Dhan does not trade `instrument` as `product`."""
    segment = words.SEGMENT.get(instrument.segment)
    if segment is None or product not in words.PRODUCTS_OF[instrument.kind]:
        raise Unsupported(f"Dhan does not trade {instrument.id} as {product}.")
    if not instrument.dhan_id:
        raise Unsupported(f"{instrument.id} has no Dhan security id.", hint="Fetch the instrument master again.")
    return segment


def terms_of(terms: OrderTerms) -> tuple[int, float, float]:
    """Quantity, price and trigger price (rupees) as the SDK can send them: it fails on Decimal and NumPy's numbers.

    Raises
    ------
    DataError
        For what is no whole number, or not positive.
    """
    quantity, price, trigger = whole(terms.quantity, terms.price, terms.trigger_price)
    kind = terms.order_type
    if quantity <= 0 or (kind.has_price and price <= 0) or (kind.has_trigger and trigger <= 0):
        raise DataError(f"quantity and the prices of an order of type {kind} must be positive, got {terms!r}.")
    return quantity, _rupees(price, kind.has_price), _rupees(trigger, kind.has_trigger)


def whole(*numbers: int) -> tuple[int, ...]:
    """Each as Python's own int. Raises `DataError` for what is none."""
    try:
        return tuple(map(operator.index, numbers))
    except TypeError:
        raise DataError(f"quantity and prices must be whole numbers, got {numbers!r}.") from None


def on_grid(instrument: Instrument, quantity: int, *prices: Paise) -> None:
    """Whole lots, and every price that is not 0 on a tick. Raises `DataError`."""
    if quantity <= 0 or quantity % instrument.lot_size:
        raise DataError(
            f"{instrument.id} trades in whole lots of {instrument.lot_size}, and at least one; got {quantity}."
        )
    for price in prices:
        if price and not instrument.on_tick(price):
            raise DataError(f"{instrument.id} has a tick of {instrument.tick_size} paise, got a price of {price}.")


def _rupees(paise: Paise, wanted: bool) -> float:
    return parse.rupees(paise) if wanted else 0.0
