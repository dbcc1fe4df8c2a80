"""Market data as it moves through the desk: ticks from a feed, bars from ticks."""

from __future__ import annotations

import re
from datetime import date
from typing import TypeAlias

import msgspec

from saudagar.model.enums import Right
from saudagar.model.ids import InstrumentId
from saudagar.model.money import Paise

Nanos: TypeAlias = int
"""Nanoseconds since 1970-01-01 UTC."""

SECOND: Nanos = 1_000_000_000
MINUTE: Nanos = 60 * SECOND
HOUR: Nanos = 60 * MINUTE
DAY: Nanos = 24 * HOUR

INTERVAL_UNITS: dict[str, Nanos] = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND}
"""The letters with which intervals are written, the longest first."""
_INTERVAL = re.compile(r"([1-9][0-9]{0,8})([dhms])")

IST_AHEAD: Nanos = 5 * HOUR + 30 * MINUTE
"""India is this far ahead of UTC, all year, since 1945."""


def interval_ns(text: str) -> Nanos:
    """An interval as people write it (``30s``, ``5m``, ``1h``, ``1d``), in ns; 0 for any other text."""
    match = _INTERVAL.fullmatch(text)
    return int(match[1]) * INTERVAL_UNITS[match[2]] if match else 0


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


class TickFrame(msgspec.Struct, frozen=True, gc=False):
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


class DepthLevel(msgspec.Struct, frozen=True, gc=False):
    """One level of an order book."""

    price: Paise
    quantity: int  # units
    orders: int


class Depth(msgspec.Struct, frozen=True):
    """An order book deeper than the five levels a tick carries, the best level first. A side not told is empty."""

    instrument: InstrumentId
    ts: Nanos  # exchange time, or that of receipt where the feed has none
    bids: tuple[DepthLevel, ...] = ()
    asks: tuple[DepthLevel, ...] = ()


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """A price asked for, not streamed."""

    instrument: InstrumentId
    ltp: Paise
    open: Paise = 0
    high: Paise = 0
    low: Paise = 0
    previous_close: Paise = 0
    volume: int = 0
    bid: Paise = 0  # 0: none
    ask: Paise = 0
    open_interest: int = 0
    lower_limit: Paise = 0  # of the day's price band; 0 where the broker does not say
    upper_limit: Paise = 0
    ts: Nanos = 0  # of the last trade; 0 where the broker does not say


class OptionQuote(msgspec.Struct, frozen=True, kw_only=True):
    """One contract of an option chain. `iv` and the greeks are None where the broker has none.

    `iv` is in percent a year, theta in rupees a day, vega in rupees per percent.
    """

    strike: Paise
    right: Right
    ltp: Paise
    bid: Paise = 0
    ask: Paise = 0
    volume: int = 0
    open_interest: int = 0
    iv: float | None = None
    delta: float | None = None
    theta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    instrument: InstrumentId = InstrumentId("")  # empty: not in today's master


class OptionChain(msgspec.Struct, frozen=True, kw_only=True):
    """All contracts of one underlying and expiry, by strike, calls before puts."""

    underlying: InstrumentId
    expiry: date
    spot: Paise
    rows: tuple[OptionQuote, ...]
