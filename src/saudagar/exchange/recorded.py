"""A day that was recorded: tick files played back through the same exchange, dirt and all.

A file is CSV (or CSV.gz) with the columns ``timestamp`` (IST, without a zone), ``ltp`` (rupees) and ``volume``
(cumulative); one file per instrument, named by it: ``RELIANCE_2021_16_April.csv.gz``, ``RELIANCE.csv``. Rows go over
the wire in the file's order and as found, each tick with its row's own timestamp: screening them is the desk's work.

When a row arrives
------------------
A row's timestamp cannot be trusted (1970, other days, disorder), so each file has an arrival clock: the highest
plausible timestamp so far, plausible meaning on the day and not before its opening. A row arrives at that clock's
value after reading it; rows before the first plausible one arrive with it. Hence a row of 1970 arrives with its
neighbours, and a row that is late by two seconds arrives after the newer one, as it did when it was recorded. Until
the close rows are gathered into steps of one second: the step at `ts` holds what arrived in `(ts - 1 s, ts]`. What
arrives later (stale rows, the next morning's) is gathered by the minute, 2,000 rows at most, for nothing happens any
more.

What the files do not have
--------------------------
Depth (the exchange makes a book up, see `book`), earlier days (the history holds today only) and the previous close
(the day's first price is taken).
"""

from __future__ import annotations

import csv
import gzip
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from math import isfinite
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, TextIO

import msgspec

from saudagar.exchange.market_feed import SourceCalendar, check_interval, continuous_window, resample
from saudagar.exchange.universe import by_symbol, equity_tick
from saudagar.market.ist import DAY, IST, ist_day, midnight
from saudagar.market.sessions import Calendar
from saudagar.model import (
    MINUTE,
    SECOND,
    Bar,
    Instrument,
    InstrumentId,
    Nanos,
    Paise,
    Tick,
)
from saudagar.model.errors import CalendarError, DataError, UnknownInstrument

_COLUMNS = ("timestamp", "ltp", "volume")
_GATHERED = 2_000  # rows of one step after the close
_NAMES = {"NIFTY50": "NIFTY", "NIFTYBANK": "BANKNIFTY"}


class _Row(NamedTuple):
    arrival: Nanos
    tick: Tick


class RecordedDay:
    """The day of `files`.

    Parameters
    ----------
    files
        One per instrument, all of one day.
    calendar
        The exchange's calendar; it must know the year.

    Raises
    ------
    DataError
        If a file is missing, empty or not in the format, if two are of one instrument, or if the days differ; the
        message names the file and the line.
    CalendarError
        If the day is no session, or of a year that the calendar does not know.
    """

    step_ns: Nanos = SECOND

    def __init__(self, files: Sequence[str | Path], *, calendar: SourceCalendar | None = None) -> None:
        if not files:
            raise DataError("no tick file was given; expected one per instrument.")
        calendar = calendar or Calendar()
        read = {path: _read(path) for path in dict.fromkeys(map(Path, files))}
        self.day = _common_day(read)
        self.instruments = tuple(_instrument(path, rows, self.day) for path, rows in read.items())
        _check_distinct(list(read), self.instruments)
        window = continuous_window(calendar.phases_of(self.instruments[0], self.day))
        if window is None:
            raise CalendarError(f"{self.day:%a %Y-%m-%d} is no session, so its ticks cannot be played.")
        self._opening, self._close = window
        self._windows = {each.id: continuous_window(calendar.phases_of(each, self.day)) for each in self.instruments}
        self._of: dict[InstrumentId, list[_Row]] = {
            instrument.id: list(_arrivals(instrument.id, rows, self.day, self._opening))
            for instrument, rows in zip(self.instruments, read.values(), strict=True)
        }
        every = (row for rows in self._of.values() for row in rows)
        self._rows = sorted(every, key=itemgetter(0))  # stable: the order of each file stays
        self._now: Nanos = 0

    def steps(self) -> Iterator[tuple[Nanos, list[Tick]]]:
        """Every second from the opening to the close, then every minute until the last row has arrived."""
        place, ts, count = 0, self._opening, len(self._rows)
        while True:
            end = bisect_right(self._rows, ts, lo=place, key=itemgetter(0))
            if ts > self._close:
                end = min(end, place + _GATHERED)
            self._now = ts
            yield ts, [row.tick for row in self._rows[place:end]]
            place = end
            if ts >= self._close and place == count:
                return
            ts += SECOND if ts < self._close else MINUTE

    def previous_close(self, instrument: InstrumentId) -> Paise:
        """The day's first price: the files do not know yesterday."""
        rows = self._of.get(instrument)
        if rows is None:
            raise UnknownInstrument(f"no tick file of {instrument!r} was given.")
        return next((tick.ltp for _, tick in rows if tick.ltp > 0), 0)

    def history(self, instrument: InstrumentId, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        """Closed bars of today, as far as market time has come; from rows of the day in order, bad ones left out."""
        check_interval(interval)
        self.previous_close(instrument)  # raises for an unknown one
        window = self._windows[instrument]
        if window is None:
            return []
        bars = resample(list(self._minutes(instrument, window)), interval, *window)
        return [bar for bar in bars if bar.end <= self._now and start <= bar.start < end]

    def _minutes(self, instrument: InstrumentId, window: tuple[Nanos, Nanos]) -> Iterator[Bar]:
        prices: list[Paise] = []
        minute = volume = counted = 0
        for tick in self._good_ticks(instrument, window):
            start = tick.ts - (tick.ts - window[0]) % MINUTE
            if start != minute and prices:
                yield _bar(instrument, minute, prices, volume - counted)
                prices, counted = [], volume
            minute, volume = start, tick.volume
            prices.append(tick.ltp)
        if prices:
            yield _bar(instrument, minute, prices, volume - counted)

    def _good_ticks(self, instrument: InstrumentId, window: tuple[Nanos, Nanos]) -> Iterator[Tick]:
        newest, volume = window[0], 0
        for arrival, tick in self._of[instrument]:
            if arrival > self._now:
                return
            if tick.ltp > 0 and newest <= tick.ts < window[1] and tick.volume >= volume:
                newest, volume = tick.ts, tick.volume
                yield tick


def _bar(instrument: InstrumentId, start: Nanos, prices: Sequence[Paise], volume: int) -> Bar:
    first, high, low, last = prices[0], max(prices), min(prices), prices[-1]
    return Bar(instrument, MINUTE, start, start + MINUTE, first, high, low, last, volume, len(prices))


def _arrivals(
    instrument: InstrumentId, rows: Sequence[tuple[Nanos, Paise, int]], day: date, opening: Nanos
) -> Iterator[_Row]:
    end = midnight(day) + DAY
    clock = next((ts for ts, _, _ in rows if opening <= ts < end), opening)
    for ts, ltp, volume in rows:
        if clock < ts < end:
            clock = ts
        yield _Row(clock, Tick(instrument, ts, ltp, volume))


def _read(path: Path) -> list[tuple[Nanos, Paise, int]]:
    """Timestamp (UTC ns), price (paise) and cumulative volume of each row, as found."""
    try:
        with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as stream:
            rows = list(_parse(path, stream))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read as a tick file: {reason}.") from None
    if not rows:
        raise DataError(f"{path}: holds no tick.")
    return rows


def _parse(path: Path, stream: TextIO) -> Iterator[tuple[Nanos, Paise, int]]:
    reader = csv.reader(stream)
    heading = [name.strip().lower() for name in next(reader, [])]
    if not set(_COLUMNS) <= set(heading):
        raise DataError(f"{path}: expected the columns {', '.join(_COLUMNS)}, got {', '.join(heading) or 'nothing'}.")
    pick = itemgetter(*map(heading.index, _COLUMNS))
    moments: dict[str, Nanos] = {}
    for row in reader:
        try:
            stamp, price, volume = pick(row)
            ts = moments.get(stamp)
            if ts is None:
                ts = moments[stamp] = _moment(stamp)
            yield ts, _paise(price), int(float(volume))
        except (ValueError, IndexError, OverflowError):
            raise DataError(
                f"{path}, line {reader.line_num}: expected e.g. 2021-04-16 09:15:04,32152.0,0, got {','.join(row)!r}."
            ) from None


def _moment(stamp: str) -> Nanos:
    moment = datetime.fromisoformat(stamp)
    whole = int(moment.replace(microsecond=0, tzinfo=moment.tzinfo or IST).timestamp())
    return whole * SECOND + moment.microsecond * 1000


def _paise(price: str) -> Paise:
    rupees = float(price)
    if not isfinite(rupees):
        raise ValueError(price)
    return round(rupees * 100)


def _common_day(read: dict[Path, list[tuple[Nanos, Paise, int]]]) -> date:
    """The day that most rows of each file belong to; it must be the same for all."""
    days = {path: _day_of(rows) for path, rows in read.items()}
    if len(set(days.values())) > 1:
        said = ", ".join(f"{path.name}: {day}" for path, day in days.items())
        raise DataError(f"the tick files must be of one day, got {said}.")
    return next(iter(days.values()))


def _day_of(rows: Sequence[tuple[Nanos, Paise, int]]) -> date:
    counts: dict[date, int] = {}
    for ts, _, _ in rows:
        day = ist_day(ts)
        counts[day] = counts.get(day, 0) + 1
    return max(counts, key=lambda day: (counts[day], day))


def _instrument(path: Path, rows: Sequence[tuple[Nanos, Paise, int]], day: date) -> Instrument:
    """The instrument that the file's name begins with, on the tick grid of that day."""
    word = path.name.split(".", 1)[0].split("_", 1)[0].upper()
    found = by_symbol(_NAMES.get(word, word))
    if not found.segment.tradable:
        return found
    price = next((ltp for _, ltp, _ in rows if ltp > 0), 0)
    return msgspec.structs.replace(found, tick_size=equity_tick(price, day))


def _check_distinct(paths: Sequence[Path], instruments: Sequence[Instrument]) -> None:
    seen: dict[InstrumentId, Path] = {}
    for path, instrument in zip(paths, instruments, strict=True):
        if instrument.id in seen:
            raise DataError(f"{path.name} and {seen[instrument.id].name} are both of {instrument.id}; give one.")
        seen[instrument.id] = path
