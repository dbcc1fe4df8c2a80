"""Kite's words and ours, one table each."""

from __future__ import annotations

from saudagar.model import (
    ConditionalKind,
    ConditionalStatus,
    OrderStatus,
    OrderType,
    Product,
    Segment,
    Side,
    Validity,
)

STATUS: dict[str, OrderStatus] = {
    "PUT ORDER REQ RECEIVED": OrderStatus.PENDING,
    "VALIDATION PENDING": OrderStatus.PENDING,
    "OPEN PENDING": OrderStatus.PENDING,
    "AMO REQ RECEIVED": OrderStatus.PENDING,
    "MODIFY AMO REQ RECEIVED": OrderStatus.PENDING,  # these two as users' programs know them
    "CANCEL AMO REQ RECEIVED": OrderStatus.PENDING,
    "OPEN": OrderStatus.OPEN,  # or PARTIALLY_FILLED, for which Kite has no word: see `parse.status`
    "TRIGGER PENDING": OrderStatus.TRIGGER_PENDING,
    "COMPLETE": OrderStatus.FILLED,
    "CANCELLED": OrderStatus.CANCELLED,  # also what the day's end leaves
    "CANCELLED AMO": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
    "MODIFIED": OrderStatus.OPEN,
    "NOT MODIFIED": OrderStatus.OPEN,
    "MODIFY PENDING": OrderStatus.OPEN,
    "MODIFY VALIDATION PENDING": OrderStatus.OPEN,
    "CANCEL PENDING": OrderStatus.OPEN,
    "NOT CANCELLED": OrderStatus.OPEN,
    "UPDATE": OrderStatus.OPEN,  # the stream's word for a modification and for a partial fill
}
"""Order status, as in the book, its log and the stream."""

NOT_SENT_YET = frozenset(
    {"PUT ORDER REQ RECEIVED", "AMO REQ RECEIVED", "MODIFY AMO REQ RECEIVED", "CANCEL AMO REQ RECEIVED"}
)
"""Of an order given after hours: it waits at Kite for the opening."""

IN_BETWEEN = frozenset(
    {
        "MODIFIED",
        "NOT MODIFIED",
        "MODIFY PENDING",
        "MODIFY VALIDATION PENDING",
        "CANCEL PENDING",
        "NOT CANCELLED",
        "UPDATE",
    }
)
"""Words that say what is being done to a living order, and not whether its trigger has been reached."""

EXCHANGE: dict[Segment, str] = {
    Segment.NSE_EQ: "NSE",
    Segment.NSE_FNO: "NFO",
    Segment.BSE_EQ: "BSE",
    Segment.BSE_FNO: "BFO",
    Segment.MCX_COMM: "MCX",
}
"""Tradable segments."""

QUOTED: dict[Segment, str] = EXCHANGE | {Segment.NSE_INDEX: "NSE", Segment.BSE_INDEX: "BSE"}
"""Segments that have a price."""

PAISE_SEGMENTS = frozenset({1, 2, 4, 5, 7, 9})
"""Segment codes (an instrument token's last byte) whose prices travel in paise: NSE, NFO, BSE, BFO, MCX, indices."""

SIDE: dict[str, Side] = {side.value: side for side in Side}

ORDER_TYPE: dict[OrderType, str] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.SL: "SL",
    OrderType.SL_M: "SL-M",
}
ORDER_TYPE_READ: dict[str, OrderType] = {word: ours for ours, word in ORDER_TYPE.items()}

PRODUCT: dict[Product, str] = {
    Product.INTRADAY: "MIS",
    Product.DELIVERY: "CNC",
    Product.MARGIN: "NRML",
    Product.MTF: "MTF",
}
PRODUCT_READ: dict[str, Product] = {word: ours for ours, word in PRODUCT.items()} | {
    "CO": Product.INTRADAY,  # a cover order's, made by hand: recorded in positions
    "BO": Product.INTRADAY,
}

VALIDITY: dict[Validity, str] = {Validity.DAY: "DAY", Validity.IOC: "IOC"}

REGULAR, AMO = "regular", "amo"
"""Varieties: which of Kite's doors an order came through. Its changes must come through the same; but once Kite has
sent an after-hours order to the exchange, through the regular one, though the book says ``amo`` for ever
(kite.trade/forum 40302)."""

GTT_TYPE: dict[ConditionalKind, str] = {ConditionalKind.SINGLE: "single", ConditionalKind.OCO: "two-leg"}
GTT_TYPE_READ: dict[str, ConditionalKind] = {word: ours for ours, word in GTT_TYPE.items()}

GTT_STATUS: dict[str, ConditionalStatus] = {
    "active": ConditionalStatus.ACTIVE,
    "triggered": ConditionalStatus.DONE,  # its order lives in the order book; or REJECTED: see `parse_account`
    "disabled": ConditionalStatus.CANCELLED,  # by Kite, after a corporate action
    "expired": ConditionalStatus.EXPIRED,
    "cancelled": ConditionalStatus.CANCELLED,
    "rejected": ConditionalStatus.REJECTED,
    "deleted": ConditionalStatus.CANCELLED,
}
"""Status of a GTT (the SDK's constants)."""
