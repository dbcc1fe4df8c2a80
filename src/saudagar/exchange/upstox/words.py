"""Upstox's words: statuses, products, order types, segments."""

from __future__ import annotations

from collections.abc import Mapping

from saudagar.exchange.core_orders import ExchangeOrder, Update
from saudagar.exchange.upstox.masters import segment_word
from saudagar.model import Instrument, InstrumentKind, OrderStatus, OrderType, Product

__all__ = [
    "ORDER_TYPE",
    "STATUS",
    "WORDS",
    "order_type_of",
    "product_of",
    "product_word",
    "segment_word",
    "status_word",
]

WORDS = (
    "put order req received",
    "validation pending",
    "open pending",
    "open",
    "modify validation pending",
    "modify pending",
    "modified",
    "not modified",
    "cancel pending",
    "not cancelled",
    "cancelled",
    "trigger pending",
    "complete",
    "rejected",
    "after market order req received",
    "modify after market order req received",
    "cancelled after market order",
)
"""Every status that Upstox documents; the steps on the way show in an order's history only."""

STATUS: Mapping[OrderStatus, str] = {
    OrderStatus.SUBMITTED: "put order req received",
    OrderStatus.UNKNOWN: "put order req received",
    OrderStatus.PENDING: "after market order req received",
    OrderStatus.OPEN: "open",
    OrderStatus.TRIGGER_PENDING: "trigger pending",
    OrderStatus.PARTIALLY_FILLED: "open",
    OrderStatus.FILLED: "complete",
    OrderStatus.CANCELLED: "cancelled",
    OrderStatus.REJECTED: "rejected",
    OrderStatus.EXPIRED: "cancelled",  # the day's end; Upstox has no word of its own for it
}
ORDER_TYPE: Mapping[OrderType, str] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.SL: "SL",
    OrderType.SL_M: "SL-M",
}
_ORDER_TYPE = {word: kind for kind, word in ORDER_TYPE.items()}
_PRODUCT = {Product.INTRADAY: "I", Product.DELIVERY: "D", Product.MARGIN: "D", Product.MTF: "MTF"}


def status_word(order: ExchangeOrder | Update) -> str:
    """The status as Upstox says it now."""
    if order.after_market and order.status is OrderStatus.CANCELLED and not order.filled:
        return "cancelled after market order"
    return STATUS[order.status]


def order_type_of(word: str) -> OrderType | None:
    return _ORDER_TYPE.get(word)


def product_word(product: Product) -> str:
    return _PRODUCT[product]


def product_of(word: str, instrument: Instrument) -> Product | None:
    """D is delivery for shares and a carried position for derivatives."""
    if word == "D":
        derivative = instrument.kind in (InstrumentKind.FUTURE, InstrumentKind.OPTION)
        return Product.MARGIN if derivative else Product.DELIVERY
    return {"I": Product.INTRADAY, "MTF": Product.MTF}.get(word)
