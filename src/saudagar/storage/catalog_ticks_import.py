"""Ticks from other people's files, by instrument and day; see `catalog_tables`. Called by `saudagar data import`.

A file may hold one instrument or, with a column of symbols, many; one day or many. A day is one of the file's own if
it is a session and holds at least a hundredth of the rows that the fullest one has in its hours: files that were
recorded go on with the next morning's first seconds, and with rows of 1970. Such rows stay with the day that they stand
in, as dirt, for that is when they came.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import InvalidOperation
from pathlib import Path

import msgspec

from saudagar.exchange.recorded import arrival_times, listed, symbol_of
from saudagar.market.ist import ist_day
from saudagar.market.sessions import Calendar, Phase, continuous
from saudagar.model import InstrumentId, Nanos, Paise, Segment, segment_of
from saudagar.model.errors import CalendarError, DataError
from saudagar.storage.catalog_import import Shape
from saudagar.storage.catalog_tables import moment, number, paise, picked, places, read_table, refuse, why
from saudagar.storage.catalog_ticks import Ticks
from saudagar.storage.catalog_ticks_check import count_dirt

FIELDS = ("time", "price", "volume")
"""A file without a header has them in this order."""

NAMES: dict[str, tuple[str, ...]] = {
    "time": ("timestamp", "datetime", "time", "ts", "exchange_timestamp", "last_trade_time", "ltt", "date"),
    "price": ("ltp", "price", "last_price", "last_traded_price", "last"),
    "volume": ("volume", "vol", "volume_traded", "cumulative_volume", "ttq"),
    "quantity": ("ltq", "last_quantity", "last_traded_quantity", "quantity", "qty"),
    "symbol": ("symbol", "instrument", "ticker", "tradingsymbol"),
    "date": ("date", "day"),
}
"""Our fields; `volume` is the day's so far, `quantity` what a row traded, `date` stands beside a mere time of day."""

_OPTIONAL = ("volume", "quantity", "symbol", "date")
_CLOCK = re.compile(r"\d{1,2}:\d{2}")
_INDICES = tuple(f"{each}:" for each in Segment if not each.tradable)
_LEAST = 100  # the part of the fullest day's rows that makes a day
_FARTHEST: Nanos = 1 << 62

_Row = tuple[Nanos, Paise, int]


class TickPart(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's day out of a file."""

    instrument: InstrumentId
    day: date
    ticks: Ticks
    dirt: dict[str, int]  # rows that are no plain tick, by kind


def read_ticks(
    path: Path, shape: Shape, calendar: Calendar, *, symbol: str = "", skip_bad: bool = False
) -> tuple[list[TickPart], int]:
    """The ticks of the file at `path`, and how many rows were left out.

    Parameters
    ----------
    shape
        Its columns are `NAMES`.
    symbol
        Whose all rows are; else a column tells, or the name of the file begins with it.
    skip_bad
        Leave rows out that cannot be read, instead of refusing the file.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column, holds a row that cannot be read (all told, the first few shown), or
        none of an instrument's rows lies in a session.
    CalendarError
        If its years are not known.
    """
    names, table = read_table(path, shape.header, FIELDS)
    at = places(path, names, NAMES, shape.columns, _OPTIONAL)
    if symbol or "symbol" not in at:
        at.pop("symbol", None)
        symbol = symbol or symbol_of(path)
    _check_volume(path, at, symbol)
    found: dict[str, list[_Row]] = {}
    bad: list[str] = []
    stamps: dict[str, Nanos] = {}
    for line, row in picked(table, at, 1 + shape.header):
        try:
            if not (whose := row.get("symbol", symbol).strip()):
                raise ValueError("no symbol")
            whole = _time(row, shape, stamps), paise(row["price"], shape.scale), _units(row)
        except (ValueError, InvalidOperation, OverflowError) as error:
            bad.append(f"row {line}: {why(error)}")
            continue
        found.setdefault(whose, []).append(whole)
    refuse(path, bad, skip_bad=skip_bad)
    if not found:
        raise DataError(f"{path} holds no ticks.")
    summed = "volume" not in at
    return [
        part
        for word, rows in found.items()
        for part in parts_of(path.name, tick_instrument(word), rows, calendar, summed=summed)
    ], len(bad)


def parts_of(
    source: str, instrument: InstrumentId, rows: Sequence[_Row], calendar: Calendar, *, summed: bool = False
) -> Iterator[TickPart]:
    """The days of `rows` (time in UTC ns, paise, units so far), which are in the order of arrival.

    Parameters
    ----------
    summed
        The units are those of each row: their sum is what the day traded so far.
    """
    hours = _Hours(instrument, calendar)
    for day, mine in _by_day(source, instrument, rows, hours).items():
        whole = list(_summed(mine)) if summed else mine
        opening = continuous(hours.phases(day))[0][0]
        ts, ltp, volume = zip(*whole, strict=True)
        yield TickPart(
            instrument=instrument,
            day=day,
            ticks=Ticks.of(arrival_times(ts, day, opening), ts, ltp, volume),
            dirt=count_dirt(whole, day, hours.phases(day)),
        )


def tick_instrument(text: str) -> InstrumentId:
    """Whose ticks are called `text`: ``RELIANCE``, ``NSE:RELIANCE``, ``NIFTY50`` or ``NSE_FNO:…``.

    Raises
    ------
    DataError
        If it is nobody's name.
    """
    exchange, colon, name = text.strip().upper().partition(":")
    if not colon or exchange == "NSE":
        return listed(name or exchange, 0, date.max).id
    segment = f"{exchange}_EQ" if exchange == "BSE" else exchange
    if segment not in [each.value for each in Segment] or not name:
        raise DataError(f"expected an instrument such as NSE:RELIANCE or NSE_FNO:…, got {text!r}.")
    return InstrumentId(f"{segment}:{name}")


class _Hours:
    """The phases of one instrument by day."""

    def __init__(self, instrument: InstrumentId, calendar: Calendar) -> None:
        self._segment = segment_of(instrument)
        self._calendar = calendar
        self._known: dict[date, tuple[Phase, ...]] = {}
        self.trouble: CalendarError | None = None

    def phases(self, day: date) -> tuple[Phase, ...]:
        """None of a day that is no session, or of a year that nobody knows."""
        found = self._known.get(day)
        if found is None:
            try:
                found = self._calendar.phases(self._segment, day, closing_auction=self._segment is Segment.NSE_EQ)
            except CalendarError as error:
                found, self.trouble = (), error
            self._known[day] = found
        return found

    def inside(self, ts: Nanos) -> date | None:
        """The day in whose continuous trading `ts` lies."""
        day = ist_day(ts)
        return day if any(start <= ts < end for start, end in continuous(self.phases(day))) else None


def _by_day(source: str, instrument: InstrumentId, rows: Sequence[_Row], hours: _Hours) -> dict[date, list[_Row]]:
    counts = Counter(day for ts, _, _ in rows if (day := hours.inside(ts)) is not None)
    if not counts:
        words = f"{source}: none of the {len(rows)} rows of {instrument} lies within a session."
        raise DataError(
            words, hint=hours.trouble.message if hours.trouble else "Times without a zone are taken as India's."
        )
    most = max(counts.values())
    days: dict[date, list[_Row]] = {day: [] for day in sorted(counts) if counts[day] * _LEAST >= most}
    current = next(day for ts, _, _ in rows if (day := ist_day(ts)) in days)
    for row in rows:
        day = ist_day(row[0])
        current = day if day in days else current
        days[current].append(row)
    return days


def _summed(rows: Iterable[_Row]) -> Iterator[_Row]:
    total = 0
    for ts, ltp, units in rows:
        total += max(units, 0)
        yield ts, ltp, total


def _time(row: Mapping[str, str], shape: Shape, known: dict[str, Nanos]) -> Nanos:
    text = row["time"]
    if "date" in row and _CLOCK.match(text.strip()):
        text = f"{row['date'].strip()} {text.strip()}"
    ts = known.get(text)
    if ts is None:
        ts = known[text] = moment(text, shape.day)
        if abs(ts) > _FARTHEST:
            raise ValueError(f"{text[:40]!r} is no time")
    return ts


def _units(row: Mapping[str, str]) -> int:
    text = row.get("volume", row.get("quantity"))
    return 0 if text is None else int(number(text))


def _check_volume(path: Path, at: Mapping[str, int], symbol: str) -> None:
    """An index trades nothing; of everything else some column must tell what traded."""
    if at.keys() & {"volume", "quantity"} or (symbol and tick_instrument(symbol).startswith(_INDICES)):
        return
    raise DataError(
        f"{path} has no column for the volume.",
        hint="Name it: --columns volume=… (of the day so far) or --columns quantity=… (of each row).",
    )
