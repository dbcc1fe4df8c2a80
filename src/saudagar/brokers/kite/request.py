"""What is sent to Kite: the fields of each request, checked before the wire. Pure; raises, and nothing has been sent.

Prices leave as rupees, quantities as Kite counts them (lots on MCX). The SDK's own checks must never have anything to
find: whatever it raises before it sends looks like an outcome that nobody knows.
"""

from __future__ import annotations

import re
from typing import Any

from saudagar.brokers import checks
from saudagar.brokers.checks import in_lots, positive, rupees
from saudagar.brokers.kite import words
from saudagar.brokers.kite.capabilities import CAPABILITIES
from saudagar.brokers.kite.client import KiteLookup
from saudagar.model import (
    ConditionalLeg,
    Conversion,
    Instrument,
    NewConditional,
    NewOrder,
    OrderTerms,
    Product,
    Segment,
    Validity,
)
from saudagar.model.errors import DataError, Unsupported

_TAG = re.compile(r"[A-Za-z0-9]{1,20}")  # a longer one is refused (kite.trade/forum 52970)


def order(new: NewOrder, lookup: KiteLookup, protection: float) -> dict[str, Any]:
    """For `place_order`, within `Capabilities`; our id is its ``tag``. `protection` as in `KiteSettings`.

    Raises
    ------
    Unsupported, DataError
    """
    instrument = lookup.get(new.instrument)
    exchange = exchange_of(instrument, new.product)
    if not _TAG.fullmatch(new.order_id):
        raise DataError(f"order id {new.order_id!r} is not 1 to 20 of A-Z, a-z and 0-9.")
    if new.validity is Validity.IOC and instrument.segment is Segment.MCX_COMM:
        raise Unsupported("Kite takes no IOC orders of programs on MCX.")  # kite.trade/forum 15912
    return terms(instrument, new.terms, protection) | {
        "variety": words.AMO if new.after_market else words.REGULAR,
        "exchange": exchange,
        "tradingsymbol": instrument.kite_symbol,
        "transaction_type": new.side.value,
        "product": words.PRODUCT[new.product],
        "validity": words.VALIDITY[new.validity],
        "tag": new.order_id,
    }


def terms(instrument: Instrument, asked: OrderTerms, protection: float) -> dict[str, Any]:
    """Quantity, prices and protection as the SDK can send them: plain numbers, and only those that belong.

    Raises
    ------
    Unsupported, DataError
    """
    quantity, price, trigger = checks.terms_of(asked)
    kind = asked.order_type
    checks.taken_there(instrument, kind)
    return {
        "quantity": in_lots(instrument, quantity),
        "order_type": words.ORDER_TYPE[kind],
        "price": rupees(price) if kind.has_price else None,
        "trigger_price": rupees(trigger) if kind.has_trigger else None,
        "market_protection": None if kind.has_price else protection,
    }


def margin(new: NewOrder, lookup: KiteLookup) -> dict[str, Any]:
    """One order of `basket_order_margins`; raises as `order` does."""
    CAPABILITIES.check(new)
    fields = order(new, lookup, 0)
    left_out = ("validity", "tag", "market_protection")
    return {name: value for name, value in fields.items() if value is not None and name not in left_out}


def conversion(asked: Conversion, lookup: KiteLookup) -> dict[str, Any]:
    """For `convert_position`.

    Raises
    ------
    Unsupported, DataError
    """
    instrument = lookup.get(asked.instrument)
    exchange = exchange_of(instrument, asked.held)
    exchange_of(instrument, asked.wanted)
    checks.conversion(asked)
    return {
        "exchange": exchange,
        "tradingsymbol": instrument.kite_symbol,
        "transaction_type": asked.side.value,
        "position_type": "overnight" if asked.overnight else "day",
        "quantity": in_lots(instrument, positive(asked.quantity, "quantity")),
        "old_product": words.PRODUCT[asked.held],
        "new_product": words.PRODUCT[asked.wanted],
    }


def trigger(asked: NewConditional, lookup: KiteLookup) -> dict[str, Any]:
    """For `place_gtt` and `modify_gtt`: the lower trigger first. Our id has no place in it.

    Raises
    ------
    Unsupported, DataError
    """
    if asked.kind not in CAPABILITIES.conditional:
        offered = ", ".join(sorted(CAPABILITIES.conditional))
        raise Unsupported(f"Kite has no {asked.kind} order; it has {offered}.", hint="Enter first, then place an OCO.")
    asked.check()
    instrument = lookup.get(asked.instrument)
    exchange = exchange_of(instrument, asked.product)
    quantity = in_lots(instrument, positive(asked.quantity, "quantity"))
    legs = sorted(asked.legs, key=lambda leg: leg.trigger)
    return {
        "trigger_type": words.GTT_TYPE[asked.kind],
        "tradingsymbol": instrument.kite_symbol,
        "exchange": exchange,
        "trigger_values": [rupees(positive(leg.trigger, f"trigger of {leg.name}")) for leg in legs],
        "last_price": rupees(positive(asked.last_price, "last price")),
        "orders": [
            {
                "transaction_type": asked.side.value,
                "quantity": quantity,
                "order_type": "LIMIT",
                "product": words.PRODUCT[asked.product],
                "price": rupees(_limit(leg)),
            }
            for leg in legs
        ],
    }


def exchange_of(instrument: Instrument, product: Product) -> str:
    """Kite's exchange of something that can be traded as `product`; `Unsupported` if it cannot."""
    exchange = checks.tradable("Kite", words.EXCHANGE, instrument, product)
    checks.named(instrument, instrument.kite_symbol, "Kite symbol")
    return exchange


def _limit(leg: ConditionalLeg) -> int:
    if not leg.price:
        raise Unsupported(
            f"Kite's conditional orders are limit orders: leg {leg.name} needs a price.",
            hint="Give one beyond the trigger, so that it trades.",
        )
    return positive(leg.price, f"price of {leg.name}")
