"""How prices, days and moments read for people: on screen, in the desk's reports and in those of research."""

from __future__ import annotations

from datetime import date

from saudagar.market.ist import ist
from saudagar.model import Nanos, inr

NOTHING = "–"
"""Stands where a figure is not defined, or where there is none."""

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
SHORT_MONTHS = tuple(name[:3] for name in MONTHS)

CHARGE_NAMES = {
    "brokerage": "brokerage",
    "stt": "STT",
    "exchange": "exchange",
    "ipft": "IPFT",
    "sebi": "SEBI",
    "stamp": "stamp",
    "gst": "GST",
    "dp": "DP",
}
"""Of the fields of `charges.Charges`."""

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def plain(paise: float) -> str:
    """An amount or price without the sign of its money: ``1,234.50``; an average is rounded to the paisa."""
    return inr(round(paise)).replace("₹", "")


def clock(ts: Nanos) -> str:
    """UTC ns as IST time of day, ``09:15:03``."""
    return f"{ist(ts):%H:%M:%S}"


def moment(ts: Nanos) -> str:
    """IST, ``2024-01-31 09:15``."""
    return f"{ist(ts):%Y-%m-%d %H:%M}"


def day(ts: Nanos) -> str:
    """IST, ``31 Jan 2024``."""
    when = ist(ts)
    return f"{when.day} {SHORT_MONTHS[when.month - 1]} {when.year}"


def long_date(day: date) -> str:
    """``Friday 20 November 2026``, whatever the locale."""
    return f"{_WEEKDAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]} {day.year}"


def symbol(instrument: str) -> str:
    """The name of an instrument without its segment."""
    return instrument.partition(":")[2] or instrument
