"""How prices, days and moments read for people: on screen, in the desk's reports and in those of research."""

from __future__ import annotations

from collections.abc import Sequence
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

_UNITS = ((1e7, " Cr"), (1e5, " L"), (1e3, "k"))
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


def amounts(paise: Sequence[float]) -> list[str]:
    """For an axis, all in one unit: ``₹1.25 Cr``, ``₹50 L``, ``₹20k``."""
    largest = max(abs(amount) for amount in paise) / 100
    size, unit = next(((size, unit) for size, unit in _UNITS if largest >= size), (1.0, ""))
    texts = apart([amount / 100 / size for amount in paise])
    return [f"{'-' if text[0] == '-' else ''}₹{text.lstrip('-')}{unit}" if float(text) else "₹0" for text in texts]


def apart(values: Sequence[float]) -> list[str]:
    """Numbers with as few decimals as tell each what it is."""
    room = max(values) - min(values)
    for decimals in range(7):
        if all(abs(round(value, decimals) - value) <= room * 0.001 for value in values):
            break
    return [f"{round(value, decimals) + 0.0:.{decimals}f}" for value in values]  # + 0.0: no minus before a zero
