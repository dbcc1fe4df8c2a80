"""The one way in: what somebody wants, before size, risk and orders."""

from __future__ import annotations

from enum import IntEnum, StrEnum

import msgspec

from saudagar.model.data import Nanos
from saudagar.model.enums import Source
from saudagar.model.ids import InstrumentId, StrategyId
from saudagar.model.money import Paise


class Direction(IntEnum):
    SHORT = -1
    FLAT = 0
    LONG = 1


class Offset(msgspec.Struct, frozen=True, gc=False):
    """A distance from a price: parts per million of it, plus points in paise. 1 % is 10,000 ppm."""

    ppm: int = 0
    points: Paise = 0

    def of(self, price: Paise) -> Paise:
        return price * self.ppm // 1_000_000 + self.points


class Protection(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The exits that an entry brings with it, ATR already turned into points. Absent ones are None.

    `break_even` is the gain at which the stop moves to the entry price.
    """

    stop: Offset | None = None
    target: Offset | None = None
    trail: Offset | None = None
    break_even: Offset | None = None
    max_age: Nanos = 0  # leave after this long; 0 means never


class SizeBy(StrEnum):
    """How an entry is sized."""

    RISK = "risk"  # paise lost if the stop is hit
    VALUE = "value"  # paise of turnover
    QUANTITY = "quantity"  # units
    LOTS = "lots"


class Sizing(msgspec.Struct, frozen=True):
    """A sizing rule: `amount` is paise for RISK and VALUE, units for QUANTITY, lots for LOTS."""

    by: SizeBy
    amount: int


class TradeSide(StrEnum):
    """Which directions a strategy may take."""

    BOTH = "BOTH"
    BUY = "BUY"
    SELL = "SELL"

    def allows(self, direction: Direction) -> bool:
        return self is TradeSide.BOTH or direction is Direction.FLAT or (direction > 0) is (self is TradeSide.BUY)


class Intent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """ "Be long RELIANCE for strategy ema": a target, harmless when repeated.

    `quantity` (units, unsigned) fixes the size; None lets the strategy's sizing rule decide. An intent with
    `additional=True` asks for *more* on top of the present position; it needs a `key`,
    and a key seen before is refused.
    """

    strategy: StrategyId
    instrument: InstrumentId
    direction: Direction
    ts: Nanos
    reason: str
    source: Source = Source.STRATEGY
    quantity: int | None = None
    protection: Protection = Protection()
    additional: bool = False
    key: str = ""
