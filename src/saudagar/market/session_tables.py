"""When Indian markets trade: the dated tables that `sessions.Calendar` reads. Data, and the few words it is told in.

Kept apart from the code because these lines change when an exchange issues a circular, not when the desk does. All
times are IST. A year that is not in `HOLIDAYS` is not guessed: the calendar refuses it. Of 2027 nothing is known yet;
the lists come out each December.

Sources. *day plan*: NSE CMTR74969 (pre-open from 2026-09-07), CMTR74466 and BSE 20260801-1 (closing auction from
2026-08-03), FAOP74467 (F&O until 15:40 from 2026-08-03), FAOP71092 (F&O pre-open from 2025-12-08).
*Holidays*: 2026 NSE CMTR71775 (2025-12-12) and the January ad-hoc holiday; 2024 and 2025 exchange lists; 2015 to 2021
the weekdays on which no share traded, found in daily prices, and equal to the published lists; 2022 and 2023 the
published lists as pandas-market-calendars has them. BSE keeps NSE's list. *MCX*: the published lists of 2025 and 2026.
Muhurat hours before 2021 are from the press of the day (2016, 2019, 2020) and from pandas-market-calendars.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import TypeAlias

import msgspec

from saudagar.model import Exchange


class PhaseKind(StrEnum):
    """What an exchange lets one do at a time of the day."""

    PRE_OPEN = "PRE_OPEN"  # limit and market orders are collected for the opening price
    PRE_OPEN_LIMIT = "PRE_OPEN_LIMIT"  # limit orders only; closes at random within its last two minutes
    PRE_OPEN_MATCH = "PRE_OPEN_MATCH"  # one price is found; no orders
    BUFFER = "BUFFER"  # nothing happens between the opening price and 09:15
    CONTINUOUS = "CONTINUOUS"  # trading
    CLOSE_REFERENCE = "CLOSE_REFERENCE"  # the reference price (VWAP 15:00-15:15) is made; no orders
    CLOSE_ENTRY = "CLOSE_ENTRY"  # limit and market orders are collected for the closing price; no SL, no IOC
    CLOSE_LIMIT = "CLOSE_LIMIT"  # limit orders only; closes at random within its last two minutes
    CLOSE_MATCH = "CLOSE_MATCH"  # one price is found; no orders
    POST_CLOSE = "POST_CLOSE"  # trading at the closing price

    @property
    def opening_auction(self) -> bool:
        return self in (PhaseKind.PRE_OPEN, PhaseKind.PRE_OPEN_LIMIT, PhaseKind.PRE_OPEN_MATCH)

    @property
    def closing_auction(self) -> bool:
        return self in (
            PhaseKind.CLOSE_REFERENCE,
            PhaseKind.CLOSE_ENTRY,
            PhaseKind.CLOSE_LIMIT,
            PhaseKind.CLOSE_MATCH,
        )

    @property
    def collects_orders(self) -> bool:
        """Orders are taken for an auction and not matched yet."""
        return self in (
            PhaseKind.PRE_OPEN,
            PhaseKind.PRE_OPEN_LIMIT,
            PhaseKind.CLOSE_ENTRY,
            PhaseKind.CLOSE_LIMIT,
        )


Timetable: TypeAlias = tuple[tuple[PhaseKind, str], ...]
"""The phases of a day in order, each with its hours ``HH:MM-HH:MM``; ``close`` is MCX's evening close of that day."""

_CASH_PRE_OPEN: Timetable = (
    (PhaseKind.PRE_OPEN, "09:00-09:08"),
    (PhaseKind.PRE_OPEN_MATCH, "09:08-09:12"),
    (PhaseKind.BUFFER, "09:12-09:15"),
)
_CASH_PRE_OPEN_2026: Timetable = (
    (PhaseKind.PRE_OPEN, "09:00-09:05"),
    (PhaseKind.PRE_OPEN_LIMIT, "09:05-09:10"),
    (PhaseKind.PRE_OPEN_MATCH, "09:10-09:12"),
    (PhaseKind.BUFFER, "09:12-09:15"),
)
_DAY: Timetable = ((PhaseKind.CONTINUOUS, "09:15-15:30"),)

CLOSING_AUCTION_FROM = date(2026, 8, 3)
CLOSING_AUCTION: Timetable = (
    (PhaseKind.CONTINUOUS, "09:15-15:15"),
    (PhaseKind.CLOSE_REFERENCE, "15:15-15:20"),
    (PhaseKind.CLOSE_ENTRY, "15:20-15:25"),
    (PhaseKind.CLOSE_LIMIT, "15:25-15:30"),
    (PhaseKind.CLOSE_MATCH, "15:30-15:35"),
)
"""Takes the place of 09:15-15:30 for stocks with derivatives (`Instrument.closing_auction`) and for the indices made
of them: an index stands still from 15:15 and jumps to the auction price at 15:28 to 15:30."""

CASH: dict[date, Timetable] = {
    date.min: (*_CASH_PRE_OPEN, *_DAY, (PhaseKind.POST_CLOSE, "15:40-16:00")),
    date(2026, 8, 3): (*_CASH_PRE_OPEN, *_DAY, (PhaseKind.POST_CLOSE, "15:50-16:00")),
    date(2026, 9, 7): (*_CASH_PRE_OPEN_2026, *_DAY, (PhaseKind.POST_CLOSE, "15:50-16:00")),
}
INDEX: dict[date, Timetable] = {date.min: _DAY}
NSE_FNO: dict[date, Timetable] = {
    date.min: _DAY,
    # Futures of the current month (and the next in the last five days before expiry); options have no pre-open.
    date(2025, 12, 8): (*_CASH_PRE_OPEN, *_DAY),
    date(2026, 8, 3): (*_CASH_PRE_OPEN, (PhaseKind.CONTINUOUS, "09:15-15:40")),
}
BSE_FNO: dict[date, Timetable] = {
    date.min: _DAY,
    date(2026, 8, 3): ((PhaseKind.CONTINUOUS, "09:15-15:40"),),
}
MCX: dict[date, Timetable] = {date.min: ((PhaseKind.CONTINUOUS, "09:00-close"),)}
"""Non-agricultural commodities; agricultural ones close at 17:00 or 21:00 and are not told apart here."""

MCX_CLOSE_SUMMER, MCX_CLOSE_WINTER = "23:30", "23:55"
"""The evening close while the United States keep daylight saving time, and while they do not."""

_SHARES: dict[int, str] = {
    2015: "01-26 02-17 03-06 04-02 04-03 04-14 05-01 09-17 09-25 10-02 10-22 11-12 11-25 12-25",
    2016: "01-26 03-07 03-24 03-25 04-14 04-15 04-19 07-06 08-15 09-05 09-13 10-11 10-12 10-31 11-14",
    2017: "01-26 02-24 03-13 04-04 04-14 05-01 06-26 08-15 08-25 10-02 10-20 12-25",
    2018: "01-26 02-13 03-02 03-29 03-30 05-01 08-15 08-22 09-13 09-20 10-02 10-18 11-08 11-23 12-25",
    2019: "03-04 03-21 04-17 04-19 04-29 05-01 06-05 08-12 08-15 09-02 09-10 10-02 10-08 10-21 10-28 11-12 12-25",
    2020: "02-21 03-10 04-02 04-06 04-10 04-14 05-01 05-25 10-02 11-16 11-30 12-25",
    2021: "01-26 03-11 03-29 04-02 04-14 04-21 05-13 07-21 08-19 09-10 10-15 11-05 11-19",
    2022: "01-26 03-01 03-18 04-14 04-15 05-03 08-09 08-15 08-31 10-05 10-26 11-08",
    2023: "01-26 03-07 03-30 04-04 04-07 04-14 05-01 06-29 08-15 09-19 10-02 10-24 11-14 11-27 12-25",
    2024: "01-22 01-26 03-08 03-25 03-29 04-11 04-17 05-01 05-20 06-17 07-17 08-15 10-02 11-15 11-20 12-25",
    2025: "02-26 03-14 03-31 04-10 04-14 04-18 05-01 08-15 08-27 10-02 10-22 11-05 12-25",
    2026: "01-15 01-26 03-03 03-26 03-31 04-03 04-14 05-01 05-28 06-26 09-14 10-02 10-20 11-10 11-24 12-25",
}
HOLIDAYS: dict[Exchange, dict[int, str]] = {
    Exchange.NSE: _SHARES,
    Exchange.BSE: _SHARES,
    Exchange.MCX: {
        2025: "04-18 08-15 10-02 12-25",
        2026: "01-26 04-03 10-02 12-25",
    },
}
"""Weekdays (``MM-DD``) without any session, per exchange and year."""


class SpecialDay(msgspec.Struct, frozen=True, kw_only=True):
    """A day that does not follow the weekday rule.

    `hours` (IST) is one or more windows of continuous trading, ``18:00-19:00`` or ``09:15-10:00 11:30-12:30``; or
    ``regular`` for a whole session on a weekend, ``closed`` for an ad-hoc holiday, ``unknown`` for a session that is
    announced without its hours. Of special sessions only continuous trading is tabled, not their auctions.
    """

    day: date
    hours: str
    name: str = ""
    exchanges: tuple[Exchange, ...] = (Exchange.NSE, Exchange.BSE)


_SHARE_MARKETS = (Exchange.NSE, Exchange.BSE)
_NSE, _MCX = (Exchange.NSE,), (Exchange.MCX,)
_ALL = (Exchange.NSE, Exchange.BSE, Exchange.MCX)


def _special(day: str, hours: str, name: str, exchanges: tuple[Exchange, ...] = _SHARE_MARKETS) -> SpecialDay:
    return SpecialDay(day=date.fromisoformat(day), hours=hours, name=name, exchanges=exchanges)


def _each(year: int, days: str, hours: str, name: str) -> tuple[SpecialDay, ...]:
    return tuple(_special(f"{year}-{day}", hours, name, _MCX) for day in days.split())


SPECIAL_DAYS: tuple[SpecialDay, ...] = (
    _special("2015-02-28", "regular", "Budget Saturday"),
    _special("2015-11-11", "17:45-18:45", "Muhurat"),
    _special("2016-10-30", "18:30-19:30", "Muhurat"),
    _special("2017-10-19", "18:30-19:30", "Muhurat"),
    _special("2018-11-07", "17:30-18:30", "Muhurat"),
    _special("2019-10-27", "18:15-19:15", "Muhurat"),
    _special("2020-02-01", "regular", "Budget Saturday"),
    _special("2020-11-14", "18:15-19:15", "Muhurat"),
    # NSE's links failed; what BSE's hours were that evening is not tabled.
    _special("2021-02-24", "09:15-11:40 15:45-17:00", "Interruption", _NSE),
    _special("2021-11-04", "18:15-19:15", "Muhurat"),
    _special("2022-10-24", "18:15-19:15", "Muhurat"),
    _special("2023-11-12", "18:15-19:15", "Muhurat"),
    _special("2024-01-20", "regular", "Saturday session"),
    _special("2024-03-02", "09:15-10:00 11:30-12:30", "Disaster-recovery drill"),
    _special("2024-05-18", "09:15-10:00 11:30-12:30", "Disaster-recovery drill"),
    _special("2024-11-01", "18:00-19:00", "Muhurat"),
    _special("2025-02-01", "regular", "Budget Saturday"),
    _special("2025-02-01", "09:00-17:00", "Budget Saturday", _MCX),
    _special("2025-10-21", "13:45-14:45", "Muhurat", _ALL),
    _special("2026-02-01", "regular", "Budget Sunday"),
    _special("2026-02-01", "unknown", "Budget Sunday", _MCX),
    _special("2026-11-08", "unknown", "Muhurat", _ALL),
    *_each(2025, "01-01", "09:00-17:00", "Morning session only"),
    *_each(2025, "02-26 03-14 03-31 04-10 04-14 05-01 08-27 10-22 11-05", "17:00-close", "Evening session only"),
    *_each(2026, "01-01", "09:00-17:00", "Morning session only"),
    *_each(
        2026,
        "01-15 03-03 03-26 03-31 04-14 05-01 05-28 06-26 09-14 10-20 11-10 11-24",
        "17:00-close",
        "Evening session only",
    ),
)
