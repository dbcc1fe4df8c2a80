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
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_EVER: Nanos = 1 << 62
_NAMES = {"NIFTY50": "NIFTY", "NIFTYBANK": "BANKNIFTY"}


class Row(NamedTuple):
    """A tick, and when it arrived (UTC ns)."""

    arrival: Nanos
    tick: Tick


class PlayedDay:
    """A day of ticks at hand, played back in the order in which they arrived.

    Parameters
    ----------
    rows
        Per instrument, in the order of their arrival.

    Raises
    ------
    CalendarError
        If the day is no session, or of a year that the calendar does not know.
    """

    step_ns: Nanos = SECOND

    def __init__(self, day: date, rows: Mapping[Instrument, Sequence[Row]], calendar: SourceCalendar) -> None:
        self.day = day
        self.instruments = tuple(rows)
        self._opening, self._close = trading_hours(self.instruments, day, calendar)
        self._windows = {each.id: continuous_window(calendar.phases_of(each, day)) for each in self.instruments}
        self._of = {instrument.id: each for instrument, each in rows.items()}
        every = (row for each in rows.values() for row in each)
        self._rows = sorted(every, key=itemgetter(0))  # stable: the order of each instrument stays
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
            raise UnknownInstrument(f"there are no ticks of {instrument!r} on this day.")
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

    def bars(self, instrument: InstrumentId, interval: Nanos) -> list[Bar]:
        """All bars of the day, however far it has been played."""
        now, self._now = self._now, _EVER
        try:
            return self.history(instrument, interval, 0, _EVER)
        finally:
            self._now = now

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


class RecordedDay(PlayedDay):
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

    def __init__(self, files: Sequence[str | Path], *, calendar: SourceCalendar | None = None) -> None:
        if not files:
            raise DataError("no tick file was given; expected one per instrument.")
        calendar = calendar or Calendar()
        read = {path: _read(path) for path in dict.fromkeys(map(Path, files))}
        day = _common_day(read)
        instruments = tuple(_instrument(path, rows, day) for path, rows in read.items())
        _check_distinct(list(read), instruments)
        opening, _ = trading_hours(instruments, day, calendar)
        every = zip(instruments, read.values(), strict=True)
        super().__init__(day, {each: _arrived(each.id, rows, day, opening) for each, rows in every}, calendar)


def trading_hours(instruments: Sequence[Instrument], day: date, calendar: SourceCalendar) -> tuple[Nanos, Nanos]:
    """The first opening and the last close of continuous trading of any of `instruments`.

    Raises
    ------
    CalendarError
        If `day` is no session of theirs.
    """
    windows = [window for each in instruments if (window := continuous_window(calendar.phases_of(each, day)))]
    if not windows:
        raise CalendarError(f"{day:%a %Y-%m-%d} is no session, so its ticks cannot be played.")
    return min(opening for opening, _ in windows), max(close for _, close in windows)


def arrival_times(stamps: Iterable[Nanos], day: date, opening: Nanos) -> list[Nanos]:
    """When rows with these timestamps arrived, in their order; the rule stands at the head of this module."""
    stamps = list(stamps)
    end = midnight(day) + DAY
    clock = next((ts for ts in stamps if opening <= ts < end), opening)
    times: list[Nanos] = []
    for ts in stamps:
        if clock < ts < end:
            clock = ts
        times.append(clock)
    return times


def listed(symbol: str, price: Paise, day: date) -> Instrument:
    """The index or share that recorded ticks call `symbol`, on the tick grid of that `price` and `day`.

    Raises
    ------
    DataError
        If it is no symbol of an exchange.
    """
    found = by_symbol(_NAMES.get(symbol, symbol))
    return msgspec.structs.replace(found, tick_size=equity_tick(price, day)) if found.segment.tradable else found


def _bar(instrument: InstrumentId, start: Nanos, prices: Sequence[Paise], volume: int) -> Bar:
    first, high, low, last = prices[0], max(prices), min(prices), prices[-1]
    return Bar(instrument, MINUTE, start, start + MINUTE, first, high, low, last, volume, len(prices))


def _arrived(
    instrument: InstrumentId, rows: Sequence[tuple[Nanos, Paise, int]], day: date, opening: Nanos
) -> list[Row]:
    times = arrival_times((ts for ts, _, _ in rows), day, opening)
    return [Row(at, Tick(instrument, *row)) for at, row in zip(times, rows, strict=True)]


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
    price = next((ltp for _, ltp, _ in rows if ltp > 0), 0)
    return listed(symbol_of(path), price, day)


def symbol_of(path: Path) -> str:
    """The symbol that the name of a tick file begins with."""
    return path.name.split(".", 1)[0].split("_", 1)[0].upper()


def _check_distinct(paths: Sequence[Path], instruments: Sequence[Instrument]) -> None:
    seen: dict[InstrumentId, Path] = {}
    for path, instrument in zip(paths, instruments, strict=True):
        if instrument.id in seen:
            raise DataError(f"{path.name} and {seen[instrument.id].name} are both of {instrument.id}; give one.")
        seen[instrument.id] = path
