"""Upstox's words and ours, one table each (API documentation of orders V3, portfolio stream and instruments)."""

from __future__ import annotations

from saudagar.brokers import checks
from saudagar.model import Instrument, OrderStatus, OrderType, Product, Segment, Side, Validity

STATUS: dict[str, OrderStatus] = {
    "put order req received": OrderStatus.PENDING,
    "validation pending": OrderStatus.PENDING,
    "open pending": OrderStatus.PENDING,
    "after market order req received": OrderStatus.PENDING,
    "modify after market order req received": OrderStatus.PENDING,
    "open": OrderStatus.OPEN,  # or PARTIALLY_FILLED, for which Upstox has no word: see `parse.status`
    "trigger pending": OrderStatus.TRIGGER_PENDING,
    "modify validation pending": OrderStatus.OPEN,
    "modify pending": OrderStatus.OPEN,
    "modified": OrderStatus.OPEN,
    "not modified": OrderStatus.OPEN,
    "cancel pending": OrderStatus.OPEN,
    "not cancelled": OrderStatus.OPEN,
    "complete": OrderStatus.FILLED,
    "cancelled": OrderStatus.CANCELLED,
    "cancelled after market order": OrderStatus.CANCELLED,
    "rejected": OrderStatus.REJECTED,
}
"""Order status, in small letters."""

ON_THE_WAY = frozenset(
    {"modify validation pending", "modify pending", "modified", "not modified", "cancel pending", "not cancelled"}
)
"""Words that tell of a request and not whether a stop has been triggered yet."""

SEGMENT: dict[Segment, str] = {
    Segment.NSE_EQ: "NSE_EQ",
    Segment.NSE_FNO: "NSE_FO",
    Segment.BSE_EQ: "BSE_EQ",
    Segment.BSE_FNO: "BSE_FO",
    Segment.MCX_COMM: "MCX_FO",
}
"""Tradable segments, as instrument keys begin."""

SIDE: dict[str, Side] = {"BUY": Side.BUY, "SELL": Side.SELL}

ORDER_TYPE: dict[OrderType, str] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.SL: "SL",
    OrderType.SL_M: "SL-M",
}
ORDER_TYPE_READ: dict[str, OrderType] = {word: ours for ours, word in ORDER_TYPE.items()}

PRODUCT: dict[Product, str] = {
    Product.INTRADAY: "I",
    Product.DELIVERY: "D",
    Product.MARGIN: "D",
    Product.MTF: "MTF",
}
"""D is delivery for shares and a carried position for derivatives."""

_PRODUCT_READ: dict[str, Product] = {
    "I": Product.INTRADAY,
    "MTF": Product.MTF,
    "CO": Product.INTRADAY,  # a cover order's, made by hand
    "OCO": Product.INTRADAY,
}

VALIDITY: dict[Validity, str] = {Validity.DAY: "DAY", Validity.IOC: "IOC"}


def product(word: object, derivative: bool) -> Product | None:
    """Our product for Upstox's `word`; None if there is none."""
    if word == "D":
        return Product.MARGIN if derivative else Product.DELIVERY
    return _PRODUCT_READ.get(str(word))


def check_tradable(instrument: Instrument, product: Product) -> None:
    """Refuse what Upstox does not trade; raises `Unsupported`."""
    checks.tradable("Upstox", SEGMENT, instrument, product)
    checks.named(instrument, instrument.upstox_id, "Upstox key")
