"""What is sent to Dhan: the fields of each request, checked before the wire. Pure; raises, and nothing was sent.

On MCX Dhan counts lots: its instrument files have a lot of 1 there, and a quantity of 100 is a hundred contracts.
"""

from __future__ import annotations

import re
from typing import Any

from saudagar.brokers import checks
from saudagar.brokers.checks import rupees
from saudagar.brokers.dhan import words
from saudagar.brokers.dhan.capabilities import CAPABILITIES
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import Instrument, NewOrder, OrderTerms, Paise, Product
from saudagar.model.errors import DataError

_ID = re.compile(r"[A-Za-z0-9 _-]{1,25}")  # documented as 30; the 26th was refused (sandbox, September 2026)


def order(new: NewOrder, lookup: InstrumentLookup) -> dict[str, Any]:
    """For `place_order`, within `Capabilities`; our id is its ``tag``, Dhan's ``correlationId``.

    Raises
    ------
    Unsupported, DataError
    """
    instrument = lookup.get(new.instrument)
    segment = tradable(instrument, new.product)
    quantity, price, trigger = terms(instrument, new.terms)
    return {
        "security_id": instrument.dhan_id,
        "exchange_segment": segment,
        "transaction_type": new.side.value,
        "quantity": quantity,
        "order_type": words.ORDER_TYPE[new.terms.order_type],
        "product_type": words.PRODUCT[new.product],
        "price": price,
        "trigger_price": trigger,
        "after_market_order": new.after_market,
        "validity": words.VALIDITY[new.validity],
        "tag": own_id(new.order_id),
    }


def margin(new: NewOrder, lookup: InstrumentLookup) -> dict[str, Any]:
    """One line of the margin calculator; raises as `order` does."""
    instrument = lookup.get(new.instrument)
    segment = tradable(instrument, new.product)
    CAPABILITIES.check(new)
    quantity, price, trigger = terms(instrument, new.terms)
    return {
        "securityId": instrument.dhan_id,
        "exchangeSegment": segment,
        "transactionType": new.side.value,
        "quantity": quantity,
        "productType": words.PRODUCT[new.product],
        "price": price or trigger,
        "triggerPrice": trigger,
    }


def terms(instrument: Instrument, asked: OrderTerms) -> tuple[int, float, float]:
    """Quantity (lots on MCX), price and trigger price (rupees). Raises `Unsupported` or `DataError`."""
    checks.taken_there(instrument, asked.order_type)
    quantity, price, trigger = checks.terms_of(asked)
    return checks.in_lots(instrument, quantity), rupees(price), rupees(trigger)


def own_id(order_id: str) -> str:
    """Our id, if Dhan can carry it. Raises `DataError`."""
    if not _ID.fullmatch(order_id):
        raise DataError(f"order id {order_id!r} is not 1 to 25 of A-Z, a-z, 0-9, blank, - and _.")
    return order_id


def tradable(instrument: Instrument, product: Product) -> str:
    """Dhan's word for the segment. Raises `Unsupported` if Dhan does not trade `instrument` as `product`."""
    segment = checks.tradable("Dhan", words.SEGMENT, instrument, product)
    checks.named(instrument, instrument.dhan_id, "Dhan security id")
    return segment


def on_grid(instrument: Instrument, quantity: int, *prices: Paise) -> None:
    """Whole lots, and every price that is not 0 on a tick. Raises `DataError`."""
    if quantity <= 0 or quantity % instrument.lot_size:
        raise DataError(
            f"{instrument.id} trades in whole lots of {instrument.lot_size}, and at least one; got {quantity}."
        )
    for price in prices:
        if price and not instrument.on_tick(price):
            raise DataError(f"{instrument.id} has a tick of {instrument.tick_size} paise, got a price of {price}.")
