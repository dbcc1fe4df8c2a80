"""Dhan's words and ours, one table each. Dhan's REST and its order stream spell the same things differently."""

from __future__ import annotations

from saudagar.model import (
    ConditionalStatus,
    Instrument,
    InstrumentKind,
    LegName,
    OrderStatus,
    OrderType,
    Product,
    Segment,
    Side,
    Validity,
)

STATUS: dict[str, OrderStatus] = {
    "TRANSIT": OrderStatus.PENDING,
    "PENDING": OrderStatus.OPEN,  # or TRIGGER_PENDING, for which Dhan has no word: see `parse.status`
    "CONFIRM": OrderStatus.OPEN,  # forever orders
    "TRIGGERED": OrderStatus.OPEN,  # super orders
    "MODIFIED": OrderStatus.OPEN,  # in Dhan's OpenAPI file of July 2026; not seen yet
    "PART_TRADED": OrderStatus.PARTIALLY_FILLED,
    "TRADED": OrderStatus.FILLED,
    "CLOSED": OrderStatus.FILLED,  # super orders
    "CANCELLED": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
}
"""Order status, in capitals with underscores (the stream writes ``Part Traded``)."""

AWAKE = "TRIGGERED"
"""The word for a stop that has been triggered; any other of a living one leaves that open."""

FOREVER_STATUS: dict[str, ConditionalStatus] = {
    "TRANSIT": ConditionalStatus.ACTIVE,
    "PENDING": ConditionalStatus.ACTIVE,
    "CONFIRM": ConditionalStatus.ACTIVE,
    "TRIGGERED": ConditionalStatus.WORKING,
    "PART_TRADED": ConditionalStatus.WORKING,
    "TRADED": ConditionalStatus.DONE,
    "CLOSED": ConditionalStatus.DONE,
    "CANCELLED": ConditionalStatus.CANCELLED,
    "REJECTED": ConditionalStatus.REJECTED,
    "EXPIRED": ConditionalStatus.EXPIRED,
}
"""Of one leg of a forever order (dhanhq.co/docs/v2/forever)."""

SUPER_STATUS: dict[str, ConditionalStatus] = FOREVER_STATUS | {
    "TRANSIT": ConditionalStatus.WORKING,  # the entry is an order in the market from the first moment
    "PENDING": ConditionalStatus.WORKING,
    "CONFIRM": ConditionalStatus.WORKING,
    "TRADED": ConditionalStatus.WORKING,  # its exits wait, or it is over: see `conditional.super_report`
}
"""Of the entry of a super order (dhanhq.co/docs/v2/super-order)."""

EXIT_LIVE: dict[str, bool] = {
    "TRANSIT": True,
    "PENDING": True,
    "CONFIRM": True,
    "TRIGGERED": True,
    "PART_TRADED": True,
    "TRADED": False,
    "CLOSED": False,
    "CANCELLED": False,
    "REJECTED": False,
    "EXPIRED": False,
}
"""Whether an exit of a super order may still trade."""

LEG: dict[LegName, str] = {LegName.ENTRY: "ENTRY_LEG", LegName.TARGET: "TARGET_LEG", LegName.STOP: "STOP_LOSS_LEG"}
LEG_READ: dict[str, LegName] = {word: name for name, word in LEG.items()}

SEGMENT: dict[Segment, str] = {
    Segment.NSE_EQ: "NSE_EQ",
    Segment.NSE_FNO: "NSE_FNO",
    Segment.BSE_EQ: "BSE_EQ",
    Segment.BSE_FNO: "BSE_FNO",
    Segment.MCX_COMM: "MCX_COMM",
}
"""Tradable segments; Dhan keeps all indices in ``IDX_I``, which takes no orders."""

STREAM_SEGMENT: dict[tuple[str, str], str] = {
    ("NSE", "E"): "NSE_EQ",
    ("NSE", "D"): "NSE_FNO",
    ("BSE", "E"): "BSE_EQ",
    ("BSE", "D"): "BSE_FNO",
    ("MCX", "M"): "MCX_COMM",
    ("MCX", "D"): "MCX_COMM",
}
"""The stream's exchange and segment letter."""

SIDE: dict[str, Side] = {"BUY": Side.BUY, "SELL": Side.SELL, "B": Side.BUY, "S": Side.SELL}

ORDER_TYPE: dict[OrderType, str] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.SL: "STOP_LOSS",
    OrderType.SL_M: "STOP_LOSS_MARKET",
}
ORDER_TYPE_READ: dict[str, OrderType] = {word: ours for ours, word in ORDER_TYPE.items()} | {
    "MKT": OrderType.MARKET,
    "LMT": OrderType.LIMIT,
    "SL": OrderType.SL,
    "SLM": OrderType.SL_M,
}
"""Both spellings, REST's and the stream's."""

PRODUCT: dict[Product, str] = {
    Product.INTRADAY: "INTRADAY",
    Product.DELIVERY: "CNC",
    Product.MARGIN: "MARGIN",
    Product.MTF: "MTF",
}
PRODUCT_READ: dict[str, Product] = {word: ours for ours, word in PRODUCT.items()} | {
    "C": Product.DELIVERY,
    "I": Product.INTRADAY,
    "M": Product.MARGIN,
    "F": Product.MTF,
    "CO": Product.INTRADAY,  # cover and bracket orders, not offered any more, live on in old statements
    "V": Product.INTRADAY,
    "BO": Product.INTRADAY,
    "B": Product.INTRADAY,
}

VALIDITY: dict[Validity, str] = {Validity.DAY: "DAY", Validity.IOC: "IOC"}

DATA_SEGMENT: dict[Segment, str] = SEGMENT | {Segment.NSE_INDEX: "IDX_I", Segment.BSE_INDEX: "IDX_I"}
"""Segments of market data."""

FEED_SEGMENT: dict[Segment, int] = {
    Segment.NSE_INDEX: 0,
    Segment.BSE_INDEX: 0,
    Segment.NSE_EQ: 1,
    Segment.NSE_FNO: 2,
    Segment.BSE_EQ: 4,
    Segment.MCX_COMM: 5,
    Segment.BSE_FNO: 8,
}
"""The same as the market feed's numbers."""

INDICES = frozenset({"NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "SENSEX", "BANKEX", "SENSEX50"})
"""Underlyings of index derivatives (NSE and BSE contract specifications, November 2026)."""

_CONTRACTS = {
    InstrumentKind.FUTURE: ("FUTIDX", "FUTSTK", "FUTCOM"),
    InstrumentKind.OPTION: ("OPTIDX", "OPTSTK", "OPTFUT"),
}


def instrument_word(instrument: Instrument) -> str:
    """What Dhan's charts call an instrument of this kind (annexure "Instrument")."""
    if instrument.kind not in _CONTRACTS:
        return instrument.kind.value
    index, share, commodity = _CONTRACTS[instrument.kind]
    if instrument.segment is Segment.MCX_COMM:
        return commodity
    return index if instrument.underlying in INDICES else share
