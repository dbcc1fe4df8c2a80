"""Bars as arrays, the check that every bar must pass, and the cut into higher intervals.

Both drivers (`evaluate` over arrays, `Live` bar by bar) take their numbers from here, so that they agree on what a
bar, a trading day and a 15-minute bar are. Prices are paise as float64, exact up to `LIMIT`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from saudagar.model import DAY, HOUR, IST_AHEAD, MINUTE, Bar, Nanos, interval_ns
from saudagar.model.errors import ConfigError, DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_IntOrInts = TypeVar("_IntOrInts", int, Ints)

SESSION_OPEN: Nanos = 9 * HOUR + 15 * MINUTE
"""Where nothing else is said, the session is NSE's and BSE's; since midnight IST. The calendar knows them all."""

LIMIT = 2**40
"""Prices (paise) and volumes (units) of one bar must be below this; float64 holds all such whole numbers."""


def parse_interval(text: str) -> Nanos:
    """``"30s"``, ``"15m"``, ``"1h"`` or ``"1d"`` in nanoseconds; a day is the longest.

    Raises
    ------
    ConfigError
        For anything else.
    """
    interval = interval_ns(text) if isinstance(text, str) else 0
    if not 0 < interval <= DAY:
        raise ConfigError(f"an interval is written 30s, 15m, 1h or 1d (a day at most), got {text!r}.")
    return interval


class BarArrays(msgspec.Struct, frozen=True, eq=False):
    """Bars of one instrument and interval by column, oldest first. Made by `bar_arrays` or `from_columns`."""

    interval: Nanos
    start: Ints  # UTC ns
    end: Ints  # UTC ns
    open: Floats  # paise
    high: Floats
    low: Floats
    close: Floats
    volume: Floats  # units
    day: Ints  # days since 1970-01-01 in IST
    since: Ints  # from the day's session open to the bar's start, ns
    until: Ints  # from the day's session open to the bar's end, ns
    session_open: Nanos = SESSION_OPEN  # since midnight IST, ns

    def __len__(self) -> int:
        return len(self.start)

    @staticmethod
    def from_columns(
        *,
        interval: Nanos,
        start: ArrayLike,
        end: ArrayLike,
        open: ArrayLike,
        high: ArrayLike,
        low: ArrayLike,
        close: ArrayLike,
        volume: ArrayLike,
        session_open: Nanos = SESSION_OPEN,
    ) -> BarArrays:
        """Check columns (UTC ns; paise; units) and add the trading day.

        Raises
        ------
        DataError
            Columns of unequal length, a price that is no positive finite number, a high below the close, a time
            that does not move forward: names the first bad bar.
        """
        prices = [_column(column, np.float64) for column in (open, high, low, close, volume)]
        begins, ends = _column(start, np.int64), _column(end, np.int64)
        if len({len(column) for column in (*prices, begins, ends)}) != 1:
            raise DataError("the columns of the bars differ in length.")
        _check_prices(*prices)
        _check_times(begins, ends)
        day, since = trading_time(begins, session_open)
        o, h, lo, c, v = prices
        return BarArrays(interval, begins, ends, o, h, lo, c, v, day, since, since + (ends - begins), session_open)


def bar_arrays(bars: Sequence[Bar], *, session_open: Nanos = SESSION_OPEN) -> BarArrays:
    """Columns from bars.

    Parameters
    ----------
    bars
        Of one instrument and one interval, oldest first. Gaps are fine.
    session_open
        When the session opens, ns since midnight IST; higher intervals and opening ranges count from it.

    Raises
    ------
    DataError
        As `BarArrays.from_columns`; also for mixed instruments or intervals.
    """
    kinds = {(bar.instrument, bar.interval) for bar in bars}
    if len(kinds) > 1:
        raise DataError(f"bars of one instrument and interval are wanted, got {sorted(kinds)[:3]}.")
    names = ("start", "end", "open", "high", "low", "close", "volume")
    columns: dict[str, Any] = {name: [getattr(bar, name) for bar in bars] for name in names}
    return BarArrays.from_columns(interval=bars[0].interval if bars else MINUTE, session_open=session_open, **columns)


def check_bar(bar: Bar) -> None:
    """Refuse a bar that cannot be: NaN, infinite, zero or negative prices, a low above the high.

    Raises
    ------
    DataError
        Shows the bar.
    """
    low, high = bar.low, bar.high
    sound = 0 < low <= bar.open <= high < LIMIT and low <= bar.close <= high and 0 <= bar.volume < LIMIT
    if not (sound and bar.start < bar.end):
        raise DataError(f"this bar cannot be: {bar!r}.", hint=_RULE)


_RULE = "Prices must be positive paise with low ≤ open, close ≤ high; volume not negative; start before end."


def trading_time(start: _IntOrInts, session_open: Nanos) -> tuple[_IntOrInts, _IntOrInts]:
    """The IST day of `start`, and the time since that day's session open (ns; negative before it)."""
    local = start + IST_AHEAD
    day = local // DAY
    return day, local - day * DAY - session_open


def bucket_end(since: _IntOrInts, interval: Nanos, session_open: Nanos) -> _IntOrInts:
    """Where the higher bar that holds a bar begun at `since` ends, from the session open; a day ends at midnight."""
    if interval >= DAY:
        return since * 0 + (DAY - session_open)
    end = (since // interval + 1) * interval
    late = end - (DAY - session_open)
    return end - late * (late > 0)


def resample(bars: BarArrays, interval: Nanos) -> BarArrays:
    """The higher bars that `bars` make up, aligned to the session open. The last one may still be forming."""
    if interval == bars.interval or not len(bars):
        return bars
    until = bucket_end(bars.since, interval, bars.session_open)
    fresh = np.ones(len(bars), dtype=np.bool_)
    fresh[1:] = (bars.day[1:] != bars.day[:-1]) | (until[1:] != until[:-1])
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], len(bars)) - 1
    until = until[first]
    opens = bars.start[first] - bars.since[first]
    return BarArrays(
        interval=interval,
        start=opens + until - interval,
        end=opens + until,
        open=bars.open[first],
        high=np.maximum.reduceat(bars.high, first),
        low=np.minimum.reduceat(bars.low, first),
        close=bars.close[last],
        volume=np.add.reduceat(bars.volume.astype(np.int64), first).astype(np.float64),
        day=bars.day[first],
        since=until - interval,
        until=until,
        session_open=bars.session_open,
    )


def _column(values: ArrayLike, dtype: Any) -> NDArray[Any]:
    try:
        array = np.array(values, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"a column of the bars holds no numbers: {error}.") from None
    if array.ndim != 1:
        raise DataError(f"a column of the bars must have one dimension, got {array.ndim}.")
    array.flags.writeable = False
    return array


def _check_prices(open: Floats, high: Floats, low: Floats, close: Floats, volume: Floats) -> None:
    sound = (low > 0) & (low <= open) & (open <= high) & (high < LIMIT)  # a NaN fails every comparison
    sound &= (low <= close) & (close <= high) & (volume >= 0) & (volume < LIMIT)
    if not sound.all():
        at = int(np.argmin(sound))
        row = f"open {open[at]}, high {high[at]}, low {low[at]}, close {close[at]}, volume {volume[at]}"
        raise DataError(f"bar {at} cannot be: {row}.", hint=_RULE)


def _check_times(start: Ints, end: Ints) -> None:
    sound = start < end
    sound[1:] &= start[1:] >= end[:-1]
    if not sound.all():
        at = int(np.argmin(sound))
        raise DataError(f"bar {at} [{start[at]}, {end[at]}) is empty, or begins before the bar ahead of it ended.")
