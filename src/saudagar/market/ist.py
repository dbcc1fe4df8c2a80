"""Indian Standard Time at the edges: days and wall-clock times to UTC nanoseconds and back.

Inside saudagar time is an int of UTC nanoseconds; people, calendars and brokers speak IST. IST has been UTC+05:30
without daylight saving since 1945, so a fixed offset is exact and no time-zone database is needed. Called by the
calendar, the bars, the backtest (whole columns of times at once), and whatever prints or reads a time. Reads no clock.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from saudagar.model import DAY, IST_AHEAD, SECOND, Nanos
from saudagar.model.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "DAY",
    "IST",
    "at",
    "date_of",
    "day_number",
    "ist",
    "ist_day",
    "midnight",
    "next_at",
    "number_of",
    "since_midnight",
]

IST = timezone(timedelta(microseconds=IST_AHEAD // 1000), "IST")

_EPOCH = date(1970, 1, 1).toordinal()
_IntOrInts = TypeVar("_IntOrInts", int, "NDArray[np.int64]")


def ist(ns: Nanos) -> datetime:
    """The IST wall clock at `ns` (UTC ns), cut to microseconds."""
    return datetime.fromtimestamp(ns // SECOND, UTC).astimezone(IST).replace(microsecond=ns % SECOND // 1000)


def day_number(ns: _IntOrInts) -> _IntOrInts:
    """The IST day at `ns` (UTC ns), of one moment or of each in an array: days since 1970-01-01."""
    return (ns + IST_AHEAD) // DAY


def date_of(number: int) -> date:
    """The date with that `day_number`."""
    return date.fromordinal(_EPOCH + number)


def number_of(day: date) -> int:
    """The `day_number` of all moments of the IST `day`."""
    return day.toordinal() - _EPOCH


def ist_day(ns: Nanos) -> date:
    """The IST date at `ns` (UTC ns).

    Raises
    ------
    DataError
        Outside the years 1 to 9999.
    """
    try:
        return date_of(day_number(ns))
    except (ValueError, OverflowError):
        raise DataError(f"the time {ns} ns is not a date between the years 1 and 9999.") from None


def midnight(day: date) -> Nanos:
    """The UTC ns at which the IST `day` begins."""
    return number_of(day) * DAY - IST_AHEAD


def at(day: date, clock: str) -> Nanos:
    """The UTC ns of an IST wall-clock time such as ``15:10`` or ``15:10:30`` on `day`.

    Raises
    ------
    DataError
        If `clock` is not ``HH:MM`` or ``HH:MM:SS``.
    """
    return midnight(day) + since_midnight(clock)


def next_at(now: Nanos, clock: str) -> Nanos:
    """The first time after `now` (UTC ns) that it is `clock` (``HH:MM``) in India."""
    today = at(ist_day(now), clock)
    return today if today > now else today + DAY


@lru_cache(maxsize=256)
def since_midnight(clock: str) -> Nanos:
    """Nanoseconds from midnight to a wall-clock time ``HH:MM`` or ``HH:MM:SS``.

    Raises
    ------
    DataError
        If `clock` is anything else.
    """
    parts = clock.split(":")
    if len(parts) in (2, 3) and all(len(part) == 2 and part.isdecimal() for part in parts):
        hour, minute, second = (*map(int, parts), 0)[:3]
        if hour < 24 and minute < 60 and second < 60:
            return (hour * 3600 + minute * 60 + second) * SECOND
    raise DataError(f"expected an IST time such as 15:10 or 15:10:30, got {clock!r}.")
