"""Market data as it moves through the desk: ticks from a feed, bars from ticks."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from saudagar.model.ids import InstrumentId
from saudagar.model.money import Paise

Nanos: TypeAlias = int
"""Nanoseconds since 1970-01-01 UTC."""

SECOND: Nanos = 1_000_000_000
MINUTE: Nanos = 60 * SECOND

Levels: TypeAlias = tuple[tuple[Paise, int], ...]
"""Price and quantity (units) of each depth level, the best first."""


class Tick(msgspec.Struct, frozen=True, gc=False):
    """The state of one instrument at one moment."""

    instrument: InstrumentId
    ts: Nanos  # exchange time
    ltp: Paise
    volume: int = 0  # units traded since the day began; 0 for an index
    bids: Levels = ()
    asks: Levels = ()


class TickFrame(msgspec.Struct, frozen=True):
    """What one message of a feed held. Ticks travel and are decoded by the frame."""

    ts: Nanos  # the feed's own clock when it sent the frame
    ticks: list[Tick]
    received: int = 0  # `time.monotonic_ns()` when the socket handed it over; measures latency, never decides


class Bar(msgspec.Struct, frozen=True, gc=False):
    """Open, high, low, close and volume of `[start, end)`.

    A bar of which nothing traded does not exist: quiet intervals leave gaps.
    """

    instrument: InstrumentId
    interval: Nanos
    start: Nanos
    end: Nanos  # `start + interval`, or earlier where the session ends
    open: Paise
    high: Paise
    low: Paise
    close: Paise
    volume: int
    ticks: int = 0
