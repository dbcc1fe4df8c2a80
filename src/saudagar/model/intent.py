"""The one way in: what somebody wants, before size, risk and orders."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from saudagar.model.data import Nanos
from saudagar.model.enums import Source
from saudagar.model.ids import InstrumentId, StrategyId
from saudagar.model.money import Paise


class Direction(IntEnum):
    SHORT = -1
    FLAT = 0
    LONG = 1


class Offset(msgspec.Struct, frozen=True):
    """A distance from a price: parts per million of it, plus points in paise. 1 % is 10,000 ppm."""

    ppm: int = 0
    points: Paise = 0

    def of(self, price: Paise) -> Paise:
        return price * self.ppm // 1_000_000 + self.points


class Protection(msgspec.Struct, frozen=True, kw_only=True):
    """The exits that an entry brings with it, ATR already turned into points. Absent ones are None.

    `break_even` is the gain at which the stop moves to the entry price.
    """

    stop: Offset | None = None
    target: Offset | None = None
    trail: Offset | None = None
    break_even: Offset | None = None
    max_age: Nanos = 0  # leave after this long; 0 means never


class Intent(msgspec.Struct, frozen=True, kw_only=True):
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
