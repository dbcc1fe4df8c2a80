"""How numbers and moments read on screen, in the report and in HTML. One spelling for all three."""

from __future__ import annotations

from datetime import date

from saudagar.model import SECOND, Nanos, group_digits, inr

NOTHING = "–"
_IST_OFFSET = 19_800  # seconds east of UTC; India has no summer time
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def clock(ts: Nanos) -> str:
    """UTC ns as IST time of day, ``09:15:03``."""
    seconds = (ts // SECOND + _IST_OFFSET) % 86_400
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def long_date(day: date) -> str:
    """``Friday 20 November 2026``, whatever the locale."""
    return f"{_WEEKDAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]} {day.year}"


def price(paise: float) -> str:
    """A price in rupees without the sign: ``1,234.55``; an average is rounded to the paisa; 0 is none."""
    return inr(round(paise)).replace("₹", "") if paise else NOTHING


def plain(paise: int) -> str:
    """An amount in a column that is headed ₹: ``1,234.50``, zero included."""
    return inr(paise).replace("₹", "")


def gain(paise: int) -> str:
    """An amount won or lost. The sign says which, so that colour is never needed."""
    return inr(paise, sign=True)


def one_line(text: str) -> str:
    """Somebody else's words without line breaks or control characters, which could repaint a terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def count(number: int) -> str:
    """A count in the Indian grouping."""
    return group_digits(number)


def duration(ns: int | None) -> str:
    """A latency in the unit that suits it: ``850 ns``, ``12.3 µs``, ``4.56 ms``, ``1.20 s``. None is not measured."""
    if ns is None:
        return NOTHING
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}" if ns < 1000 * size else f"{ns / size:.0f} {unit}"
    return f"{ns} ns"
