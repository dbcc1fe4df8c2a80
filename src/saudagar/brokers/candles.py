"""Past bars out of a broker's candles: what cannot be true is counted and left out, each bar comes once.

Called by the `history` modules of Dhan, Upstox and Kite, which know how candles are asked for and laid out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from math import isfinite
from typing import Any

from saudagar.model import SECOND, Bar, Instrument, Nanos

Candle = tuple[Nanos, Sequence[Any], Any]
"""Start (UTC ns); open, high, low and close (rupees); volume (units)."""


class Candles:
    """The bars of one instrument that were found so far.

    Parameters
    ----------
    refusals
        Where bad rows are counted, as ``bad candle``.
    """

    def __init__(self, instrument: Instrument, interval: Nanos, refusals: dict[str, int]) -> None:
        self._instrument, self._interval, self._refusals = instrument, interval, refusals
        self._found: dict[Nanos, Bar] = {}

    def take(self, rows: Iterable[Any], read: Callable[[Any], Candle]) -> None:
        """Add `rows` as `read` lays them out; it may fail on a bad one."""
        for row in rows:
            try:
                bar = self._bar(*read(row))
            except (ValueError, TypeError, IndexError, KeyError, OverflowError):
                self._refusals["bad candle"] = self._refusals.get("bad candle", 0) + 1
            else:
                self._found[bar.start] = bar

    def within(self, start: Nanos, end: Nanos) -> list[Bar]:
        """Closed bars of `[start, end)`, oldest first."""
        return [self._found[ts] for ts in sorted(self._found) if start <= ts and ts + self._interval <= end]

    def _bar(self, start: Nanos, rupees: Sequence[Any], traded: Any) -> Bar:
        prices = [float(value) for value in rupees]
        if not all(isfinite(price) for price in prices):
            raise ValueError("not a price")
        opened, high, low, close = (round(price * 100) for price in prices)
        volume = int(traded)
        if start <= 0 or not 0 < low <= min(opened, close) <= max(opened, close) <= high or volume < 0:
            raise ValueError("impossible bar")
        end = start + self._interval
        return Bar(self._instrument.id, self._interval, start, end, opened, high, low, close, volume)


def zoned(row: Any) -> Candle:
    """A row of Kite's or Upstox's: a time with its zone, four prices, the volume."""
    when = datetime.fromisoformat(row[0])
    if when.tzinfo is None:
        raise ValueError("no time zone")
    return int(when.timestamp()) * SECOND, row[1:5], row[5]
