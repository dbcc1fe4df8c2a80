"""The closed vocabularies of the desk. Brokers' own words are mapped to these in `saudagar.brokers`."""

from __future__ import annotations

from enum import StrEnum


class Exchange(StrEnum):
    NSE = "NSE"
    BSE = "BSE"
    MCX = "MCX"


class Segment(StrEnum):
    """Where an instrument trades: the unit of sessions, charges and rate limits."""

    NSE_EQ = "NSE_EQ"
    NSE_INDEX = "NSE_INDEX"
    NSE_FNO = "NSE_FNO"
    BSE_EQ = "BSE_EQ"
    BSE_INDEX = "BSE_INDEX"
    BSE_FNO = "BSE_FNO"
    MCX_COMM = "MCX_COMM"

    @property
    def exchange(self) -> Exchange:
        return _EXCHANGES[self]

    @property
    def tradable(self) -> bool:
        """An index is watched, never traded."""
        return self not in _INDICES


_INDICES = frozenset({Segment.NSE_INDEX, Segment.BSE_INDEX})
_EXCHANGES = {segment: Exchange(segment.partition("_")[0]) for segment in Segment}


class InstrumentKind(StrEnum):
    EQUITY = "EQUITY"
    INDEX = "INDEX"
    FUTURE = "FUTURE"
    OPTION = "OPTION"


class Right(StrEnum):
    CALL = "CE"
    PUT = "PE"


class Side(StrEnum):
    sign: int  # of the units it adds to a position

    def __new__(cls, word: str) -> Side:
        side = str.__new__(cls, word)
        side._value_, side.sign = word, 1 if word == "BUY" else -1
        return side

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> Side:
        return _SELL if self is _BUY else _BUY

    @staticmethod
    def of(quantity: int) -> Side:
        """The side that moves a position by a signed `quantity`."""
        return _BUY if quantity > 0 else _SELL


_BUY, _SELL = Side  # bound once: to look a member up in its class takes five times as long


class Product(StrEnum):
    """How long a position may live and how it is margined."""

    INTRADAY = "INTRADAY"  # Kite MIS, Upstox I
    DELIVERY = "DELIVERY"  # Kite and Dhan CNC, Upstox D
    MARGIN = "MARGIN"  # carried derivatives: Kite NRML, Dhan MARGIN, Upstox D
    MTF = "MTF"


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    SL = "SL"  # a limit order that wakes at the trigger price
    SL_M = "SL_M"  # a market order that wakes at the trigger price

    @property
    def has_price(self) -> bool:
        return self in _WITH_PRICE

    @property
    def has_trigger(self) -> bool:
        return self in _WITH_TRIGGER


_WITH_PRICE = frozenset({OrderType.LIMIT, OrderType.SL})
_WITH_TRIGGER = frozenset({OrderType.SL, OrderType.SL_M})


class Validity(StrEnum):
    DAY = "DAY"
    IOC = "IOC"


class Purpose(StrEnum):
    """Why an order exists. A reducing purpose can never open a position."""

    ENTRY = "ENTRY"
    EXIT = "EXIT"
    STOP = "STOP"

    @property
    def reduces(self) -> bool:
        return self is not Purpose.ENTRY


class TradingState(StrEnum):
    """What the desk may do. It survives a restart."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"  # only orders that make positions smaller
    HALTED = "HALTED"  # cancels only


class Source(StrEnum):
    """Who asked."""

    STRATEGY = "STRATEGY"
    PROTECTION = "PROTECTION"
    SESSION = "SESSION"
    LIMIT = "LIMIT"
    MANUAL = "MANUAL"
    WEBHOOK = "WEBHOOK"
    RECONCILIATION = "RECONCILIATION"
