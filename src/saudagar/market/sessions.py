"""The trading calendar: which days are sessions, and which phase a moment belongs to.

Answers come from the dated tables in `session_tables` and from what the user adds; a year that is in neither is
refused, because a calendar that guesses sends orders into a closed market. Called by the engine and the risk rules
(is the market open?), by the bars (where does a bar begin and end?) and by the simulated exchange.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from functools import lru_cache, partial
from typing import TypeAlias

import msgspec

from saudagar.market import session_tables as tables
from saudagar.market.ist import DAY, ist_day, midnight, since_midnight
from saudagar.market.session_tables import PhaseKind, SpecialDay, Timetable
from saudagar.model import Exchange, Instrument, InstrumentId, InstrumentKind, Nanos, Segment, segment_of
from saudagar.model.errors import CalendarError, DataError

__all__ = ["Calendar", "Phase", "PhaseKind", "SessionBounds", "SpecialDay"]

_TIMETABLES: dict[Segment, dict[date, Timetable]] = {
    Segment.NSE_EQ: tables.CASH,
    Segment.NSE_INDEX: tables.INDEX,
    Segment.NSE_FNO: tables.NSE_FNO,
    Segment.BSE_EQ: tables.CASH,
    Segment.BSE_INDEX: tables.INDEX,
    Segment.BSE_FNO: tables.BSE_FNO,
    Segment.MCX_COMM: tables.MCX,
}
_AUCTIONED = (Segment.NSE_EQ, Segment.NSE_INDEX, Segment.BSE_EQ, Segment.BSE_INDEX)
_HOURS_ALLOWED = "`18:00-19:00`, `09:15-10:00 11:30-12:30`, `regular`, `closed` or `unknown`"
_LONGEST_BREAK = 30  # days; no exchange has been closed for longer


class Phase(msgspec.Struct, frozen=True):
    """One phase of one day: `[start, end)` in UTC ns."""

    kind: PhaseKind
    start: Nanos
    end: Nanos


SessionBounds: TypeAlias = Callable[[date], tuple[Phase, ...]]
"""The phases of an IST day in order, empty when there is no session: all that bars and screens know of a calendar."""


class Calendar:
    """Sessions per segment, from the dated tables and the user's own additions.

    Parameters
    ----------
    extra
        Days that differ from the tables: a muhurat session's hours, an ad-hoc holiday. They win over the tables.
    holidays
        Further years, ``{(Exchange.NSE, 2027): "01-26 03-22 …"}``: the weekdays (``MM-DD``) without a session.

    Raises
    ------
    CalendarError
        If a date or the hours in `extra` or `holidays` make no sense.
    """

    def __init__(
        self, extra: Iterable[SpecialDay] = (), holidays: Mapping[tuple[Exchange, int], str] | None = None
    ) -> None:
        self._special: dict[tuple[Exchange, date], SpecialDay] = {}
        for special in (*tables.SPECIAL_DAYS, *extra):
            _check_hours(special)
            for exchange in special.exchanges:
                self._special[exchange, special.day] = special
        self._holidays: dict[tuple[Exchange, int], frozenset[date]] = {}
        given = {(exchange, year): days for exchange, years in tables.HOLIDAYS.items() for year, days in years.items()}
        for (exchange, year), days in {**given, **(holidays or {})}.items():
            self._holidays[exchange, year] = frozenset(_dates(year, days))
        self._phases: dict[tuple[Segment, bool, bool, date], tuple[Phase, ...]] = {}
        self._open: dict[tuple[Segment, bool], tuple[Nanos, Nanos, tuple[tuple[Nanos, Nanos], ...]]] = {}

    def known_years(self, exchange: Exchange) -> tuple[int, ...]:
        """The years whose holidays are known; all others are refused."""
        return tuple(sorted(year for known, year in self._holidays if known is exchange))

    def is_session(self, segment: Segment, day: date) -> bool:
        """Whether `segment` trades on `day` (IST), be it for an hour.

        Raises
        ------
        CalendarError
            If the holidays of that year are not known.
        """
        special = self._special.get((segment.exchange, day))
        if special is not None:
            return special.hours != "closed"
        holidays = self._holidays.get((segment.exchange, day.year))
        if holidays is None:
            raise self._unknown_year(segment.exchange, day.year)
        return day.weekday() < 5 and day not in holidays

    def phases(self, segment: Segment, day: date, closing_auction: bool = False) -> tuple[Phase, ...]:
        """The phases of `day` in order; empty when there is no session. Gaps between phases are closed hours.

        Parameters
        ----------
        closing_auction
            For a stock with derivatives (`Instrument.closing_auction`); an index always has its members' hours.

        Raises
        ------
        CalendarError
            If the year, or the hours of a special session, are not known; the message names what to add.
        """
        return self._cached(segment, closing_auction, False, day)

    def phases_of(self, instrument: Instrument, day: date) -> tuple[Phase, ...]:
        """Like `phases`, for one instrument: options have no pre-open."""
        return self._cached(
            instrument.segment, instrument.closing_auction, instrument.kind is InstrumentKind.OPTION, day
        )

    def bounds(self, instrument: Instrument) -> SessionBounds:
        """`phases_of` for this instrument, as bars and screens take it."""
        return partial(self.phases_of, instrument)

    def phase_at(self, where: Instrument | Segment, ts: Nanos) -> PhaseKind | None:
        """The phase at `ts` (UTC ns), None in closed hours."""
        day = ist_day(ts)
        phases = self.phases(where, day) if isinstance(where, Segment) else self.phases_of(where, day)
        return next((phase.kind for phase in phases if phase.start <= ts < phase.end), None)

    def is_continuous(self, instrument: Instrument, ts: Nanos) -> bool:
        """Whether `instrument` trades continuously at `ts` (UTC ns)."""
        return self.window(instrument, ts) is not None

    def window(self, instrument: Instrument, ts: Nanos) -> tuple[Nanos, Nanos] | None:
        """The span of continuous trading, `[start, end)` in UTC ns, that holds `ts`; None in other hours.

        On the order's path, hence cached per day.
        """
        day = self._open.get((instrument.segment, instrument.closing_auction))
        if day is None or not day[0] <= ts < day[1]:
            day = self._load_day(instrument, ts)
        for window in day[2]:
            if window[0] <= ts < window[1]:
                return window
        return None

    def open_close(self, segment: Segment, day: date, closing_auction: bool = False) -> tuple[Nanos, Nanos]:
        """Start of the first and end of the last continuous phase of `day`, UTC ns.

        Raises
        ------
        CalendarError
            If `day` is no session, or not known.
        """
        windows = continuous(self.phases(segment, day, closing_auction))
        if not windows:
            raise CalendarError(f"{segment} has no session on {day:%a %Y-%m-%d}.")
        return windows[0][0], windows[-1][1]

    def sessions(self, segment: Segment, first: date, last: date) -> list[date]:
        """The session days from `first` to `last`, both included."""
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return [day for day in days if self.is_session(segment, day)]

    def next_session(self, segment: Segment, day: date) -> date:
        """The first session after `day`."""
        return self._step(segment, day, timedelta(days=1))

    def previous_session(self, segment: Segment, day: date) -> date:
        """The last session before `day`."""
        return self._step(segment, day, timedelta(days=-1))

    def _step(self, segment: Segment, day: date, step: timedelta) -> date:
        for _ in range(_LONGEST_BREAK):
            day += step
            if self.is_session(segment, day):
                return day
        raise CalendarError(f"{segment}: {_LONGEST_BREAK} days without a session up to {day}; check the added days.")

    def _load_day(self, instrument: Instrument, ts: Nanos) -> tuple[Nanos, Nanos, tuple[tuple[Nanos, Nanos], ...]]:
        day = ist_day(ts)
        start = midnight(day)
        loaded = (start, start + DAY, continuous(self.phases_of(instrument, day)))
        self._open[instrument.segment, instrument.closing_auction] = loaded
        return loaded

    def _cached(self, segment: Segment, closing_auction: bool, option: bool, day: date) -> tuple[Phase, ...]:
        key = (segment, closing_auction, option, day)
        phases = self._phases.get(key)
        if phases is None:
            phases = self._phases[key] = tuple(self._make(segment, closing_auction, option, day))
        return phases

    def _make(self, segment: Segment, closing_auction: bool, option: bool, day: date) -> Iterable[Phase]:
        if not self.is_session(segment, day):
            return
        begin = midnight(day)
        for kind, hours in self._timetable(segment, closing_auction or not segment.tradable, day):
            if not (option and (kind.opening_auction or kind is PhaseKind.BUFFER)):
                start, end = _span(hours.replace("close", evening_close(day)) if "close" in hours else hours)
                yield Phase(kind, begin + start, begin + end)

    def _timetable(self, segment: Segment, closing_auction: bool, day: date) -> Timetable:
        special = self._special.get((segment.exchange, day))
        if special is not None and special.hours != "regular":
            if special.hours == "unknown":
                raise _unknown_hours(special, segment.exchange)
            return tuple((PhaseKind.CONTINUOUS, window) for window in special.hours.split())
        dated = _TIMETABLES[segment]
        regular = dated[list(dated)[bisect_right(list(dated), day) - 1]]
        if closing_auction and segment in _AUCTIONED and day >= tables.CLOSING_AUCTION_FROM:
            rows = (tables.CLOSING_AUCTION if row[0] is PhaseKind.CONTINUOUS else (row,) for row in regular)
            return tuple(row for group in rows for row in group)
        return regular

    def _unknown_year(self, exchange: Exchange, year: int) -> CalendarError:
        known = self.known_years(exchange)
        return CalendarError(
            f"the {exchange} holidays of {year} are not known (known: {', '.join(map(str, known))}).",
            hint=f'Add the line `{year}: "MM-DD MM-DD …",` to HOLIDAYS[Exchange.{exchange}] in '
            f'saudagar/market/session_tables.py, or Calendar(holidays={{(Exchange.{exchange}, {year}): "MM-DD …"}}).',
        )


def continuous(phases: Iterable[Phase]) -> tuple[tuple[Nanos, Nanos], ...]:
    """The windows of continuous trading among `phases`."""
    return tuple((phase.start, phase.end) for phase in phases if phase.kind is PhaseKind.CONTINUOUS)


@lru_cache(maxsize=4096)
def session_open(name: InstrumentId) -> Nanos:
    """When continuous trading of an instrument opens on a usual day, since midnight IST: by the newest timetable.

    One number for all days, as higher intervals and opening ranges count from it. Raises `DataError` for an id without
    a segment.
    """
    newest = list(_TIMETABLES[segment_of(name)].values())[-1]
    return since_midnight(next(hours for kind, hours in newest if kind is PhaseKind.CONTINUOUS).partition("-")[0])


def evening_close(day: date) -> str:
    """MCX's close of `day`: 23:30 while the United States keep daylight saving time, else 23:55.

    That is from the second Sunday of March to the first Sunday of November (Energy Policy Act of 2005).
    """
    march, november = date(day.year, 3, 8), date(day.year, 11, 1)
    begins, ends = (first + timedelta(days=(6 - first.weekday()) % 7) for first in (march, november))
    return tables.MCX_CLOSE_SUMMER if begins <= day < ends else tables.MCX_CLOSE_WINTER


@lru_cache(maxsize=256)
def _span(hours: str) -> tuple[Nanos, Nanos]:
    start, end = hours.split("-")
    return since_midnight(start), since_midnight(end)


def _clock(part: str, day: date) -> str:
    return evening_close(day) if part == "close" else part


def _unknown_hours(special: SpecialDay, exchange: Exchange) -> CalendarError:
    day = special.day
    return CalendarError(
        f"the hours of the {exchange} session on {day} ({special.name}) are not known.",
        hint=f"Add Calendar(extra=[SpecialDay(day=date({day.year}, {day.month}, {day.day}), "
        f'hours="HH:MM-HH:MM", exchanges=(Exchange.{exchange},))]) with the hours of the exchange\'s circular.',
    )


def _dates(year: int, days: str) -> list[date]:
    try:
        return [date.fromisoformat(f"{year}-{day}") for day in days.split()]
    except ValueError:
        raise CalendarError(f"holidays of {year}: expected dates such as `01-26 03-06`, got {days!r}.") from None


def _check_hours(special: SpecialDay) -> None:
    if special.hours in ("regular", "closed", "unknown"):
        return
    last = -1
    try:
        for window in special.hours.split() or [""]:
            start, end = (since_midnight(_clock(part, special.day)) for part in window.split("-"))
            if not last < start < end:
                raise DataError(f"{window} does not follow what is before it")
            last = end
    except (DataError, ValueError):
        raise CalendarError(f"{special.day}: expected hours {_HOURS_ALLOWED}, got {special.hours!r}.") from None
