"""What comes in at Dhan's REST: request bodies, and the strict reading of their words and rupees.

Nothing is guessed: a word that is not known, a number that is none, an empty text where a number belongs is refused as
Dhan refuses it, with DH-905 and nothing done.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from saudagar.exchange.core_orders import Refusal
from saudagar.exchange.dhan.shapes import ORDER_TYPE, PRODUCT
from saudagar.exchange.face import decode
from saudagar.model import MINUTE, Nanos, OrderTerms, OrderType, Paise, Product, Side, Validity, to_paise
from saudagar.model.errors import DataError

BAD_INPUT = "Missing required fields, bad values for parameters etc."

_CORRELATION = 25  # characters; documented as 30, but the 26th was refused (Dhan's sandbox, September 2026)

# after the opening of continuous trading; None is the pre-open call (dhanhq.co/docs/v2/orders)
_AMO_DELAYS: dict[str | None, Nanos | None] = {
    None: 0,
    "": 0,
    "PRE_OPEN": None,
    "OPEN": 0,
    "OPEN_30": 30 * MINUTE,
    "OPEN_60": 60 * MINUTE,
}

K = TypeVar("K")
T = TypeVar("T")

_ORDER_TYPE = {word: kind for kind, word in ORDER_TYPE.items()}
_PRODUCT = {word: product for product, word in PRODUCT.items()}
_SIDES = {side.value: side for side in Side}
_VALIDITY = {validity.value: validity for validity in Validity}


class BadInput(Exception):
    """The request makes no sense: DH-905. Its text goes into the answer."""


class ModifyBody(msgspec.Struct, rename="camel"):
    """`PUT /orders/{order-id}`. `quantity` is the total, filled part included."""

    order_type: str
    quantity: int
    price: float | None = 0.0
    trigger_price: float | None = 0.0

    def terms(self, quantity: int) -> OrderTerms:
        """The terms for `quantity` units.

        Raises
        ------
        BadInput, Refusal
            For an unknown order type, and for a price that is no number of whole paise.
        """
        kind = look_up(_ORDER_TYPE, self.order_type, "orderType")
        return OrderTerms(
            quantity=quantity,
            order_type=kind,
            price=paise(self.price, "price") if kind.has_price else 0,
            trigger_price=paise(self.trigger_price, "triggerPrice") if kind.has_trigger else 0,
        )


class PlaceBody(ModifyBody, rename="camel", kw_only=True):
    """`POST /orders`. Fields not named here are accepted and have no effect."""

    transaction_type: str
    exchange_segment: str
    product_type: str
    security_id: str | int
    validity: str = "DAY"
    after_market_order: bool = False
    amo_time: str | None = None
    correlation_id: str = ""

    def order(self, quantity: int) -> dict[str, Any]:
        """All of an order for `quantity` units but its instrument, as the matching core takes it.

        Raises
        ------
        BadInput, Refusal
            See `terms`; also for unknown words and an id that is too long.
        """
        if len(self.correlation_id) > _CORRELATION:
            raise BadInput
        delay = look_up(_AMO_DELAYS, self.amo_time, "amoTime") if self.after_market_order else None
        return {
            "tag": self.correlation_id,
            "side": look_up(_SIDES, self.transaction_type, "transactionType"),
            "terms": self.terms(quantity),
            "product": look_up(_PRODUCT, self.product_type, "productType"),
            "validity": look_up(_VALIDITY, self.validity, "validity"),
            "after_market": self.after_market_order,
            "amo_delay": delay,
        }


async def read_body(request: web.Request, kind: type[T]) -> T:
    """The JSON body of `request`. Raises `BadInput`."""
    try:
        return decode(await request.read(), kind)
    except msgspec.DecodeError as problem:
        raise BadInput(f"{BAD_INPUT} {problem}") from None


def look_up(table: Mapping[K, T], key: K, field: str) -> T:
    """`table[key]`. Raises `BadInput` naming the `field`."""
    try:
        return table[key]
    except KeyError:
        raise BadInput(f"{field}: {key!r} is not known.") from None


def paise(rupees: float | None, field: str) -> Paise:
    """Whole paise. Raises `BadInput`, or `Refusal` for what is finer."""
    asked = rupees or 0.0
    try:
        amount = to_paise(asked)
    except DataError as problem:
        raise BadInput(f"{field}: {problem}") from None
    if not isclose(amount, asked * 100, abs_tol=1e-6):
        raise Refusal("tick", f"{field} {asked} is finer than a paisa.")
    return amount


def product_of(word: str, field: str = "productType") -> Product:
    """Raises `BadInput`."""
    return look_up(_PRODUCT, word, field)


def side_of(word: str) -> Side:
    """Raises `BadInput`."""
    return look_up(_SIDES, word, "transactionType")


def order_type_of(word: str) -> OrderType:
    """Raises `BadInput`."""
    return look_up(_ORDER_TYPE, word, "orderType")
