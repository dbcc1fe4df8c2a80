"""What comes in at Upstox's order endpoints, and the strict reading of its words and rupees.

Nothing is guessed: what makes no sense is refused with Upstox's code and nothing is done.
"""

from __future__ import annotations

from math import isclose
from typing import Any

import msgspec

from saudagar.exchange.upstox.errors import Refused
from saudagar.exchange.upstox.words import order_type_of, product_of
from saudagar.model import Instrument, OrderTerms, OrderType, Paise, Product, Side, Validity, to_paise
from saudagar.model.errors import DataError

_TAG = 40  # characters
_PROTECTION = 25  # per cent, the most; -1 and 0 are automatic


class OrderBody(msgspec.Struct, kw_only=True):
    """`POST /v3/order/place`, also one entry of a multi-order request."""

    quantity: int
    product: str
    validity: str
    price: float
    instrument_token: str
    order_type: str
    transaction_type: str
    disclosed_quantity: int = 0
    trigger_price: float = 0.0
    is_amo: bool = False
    tag: str | None = None
    slice: bool = False
    market_protection: float | None = None
    correlation_id: str = ""

    def order(self, instrument: Instrument) -> dict[str, Any]:
        """All of an order but its instrument, as the matching core takes it. Raises `Refused`."""
        tag = self.tag or ""
        if len(tag) > _TAG:
            raise Refused("UDAPI100036", f"tag: at most {_TAG} characters, got {len(tag)}.")
        order_type = read_order_type(self.order_type)
        order: dict[str, Any] = {
            "tag": tag,
            "side": read_side(self.transaction_type),
            "terms": terms(self.quantity, order_type, self.price, self.trigger_price),
            "product": read_product(self.product, instrument),
            "validity": read_validity(self.validity),
            "after_market": self.is_amo,
        }
        ppm = protection(self.market_protection)
        return order if ppm is None else {**order, "protection_ppm": ppm}


class ModifyBody(msgspec.Struct, kw_only=True):
    """`PUT /v3/order/modify`; without a quantity the order keeps its own."""

    order_id: str
    order_type: str
    validity: str
    price: float
    trigger_price: float
    quantity: int | None = None
    disclosed_quantity: int | None = None
    market_protection: float | None = None

    def terms(self, quantity: int) -> OrderTerms:
        """The new terms; `quantity` is the order's own. Raises `Refused`."""
        read_validity(self.validity)
        protection(self.market_protection)
        wanted = quantity if self.quantity in (None, 0) else self.quantity
        assert wanted is not None, "None was replaced above"
        return terms(wanted, read_order_type(self.order_type), self.price, self.trigger_price)


def terms(quantity: int, order_type: OrderType, price: float, trigger: float) -> OrderTerms:
    """Raises `Refused` for a price that is no number of whole paise."""
    return OrderTerms(
        quantity=quantity,
        order_type=order_type,
        price=paise(price, "price") if order_type.has_price else 0,
        trigger_price=paise(trigger, "trigger_price") if order_type.has_trigger else 0,
    )


def paise(rupees: float, field: str) -> Paise:
    try:
        amount = to_paise(rupees)
    except DataError as problem:
        raise Refused("UDAPI100036", f"{field}: {problem}") from None
    if not isclose(amount, rupees * 100, abs_tol=1e-6):
        raise Refused("UDAPI1054", f"{field}: {rupees} is finer than a paisa.")
    return amount


def protection(percent: float | None) -> int | None:
    """Market protection in ppm; None is automatic."""
    if percent is None or percent in (-1, 0):
        return None
    if not 0 < percent <= _PROTECTION:
        raise Refused("UDAPI100036", f"market_protection: -1, or 0 to {_PROTECTION}, got {percent}.")
    return round(percent * 10_000)


def read_order_type(word: str) -> OrderType:
    found = order_type_of(word)
    if found is None:
        raise Refused("UDAPI100036", f"order_type: {word!r} is not known.")
    return found


def read_product(word: str, instrument: Instrument) -> Product:
    found = product_of(word, instrument)
    if found is None:
        raise Refused("UDAPI1007", f"product: {word!r} is not known.")
    return found


def read_side(word: str) -> Side:
    if word not in ("BUY", "SELL"):
        raise Refused("UDAPI100036", f"transaction_type: {word!r} is not known.")
    return Side(word)


def read_validity(word: str) -> Validity:
    if word not in ("DAY", "IOC"):
        raise Refused("UDAPI100036", f"validity: {word!r} is not known.")
    return Validity(word)
