"""Past bars on disk: Parquet files, one per instrument, interval and month, each replaced as a whole.

Each file also says which spans of time it covers, so that "nothing traded" and "never asked for" are told apart, and
an interrupted download goes on where it stopped. Layout: ``5m/NSE_EQ/RELIANCE/2026-11.parquet``; months are India's.
Any program that reads Parquet can read them: times are UTC ns, prices paise. Filled by `saudagar data`; read by
whoever wants history.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from saudagar.market.ist import ist_day, midnight
from saudagar.model import INTERVAL_UNITS, IST_AHEAD, Bar, InstrumentId, Nanos, interval_ns
from saudagar.model.errors import DataError
from saudagar.storage.catalog_files import alone, export_to, folder_of, instrument_of, no_glob
from saudagar.storage.catalog_store import Store

if TYPE_CHECKING:
    import numpy as np

Span: TypeAlias = tuple[Nanos, Nanos]
"""`[start, end)` in UTC ns."""

COLUMNS = ("start", "end", "open", "high", "low", "close", "volume", "ticks")

_SORTED = "SELECT * FROM read_parquet($files) WHERE start >= $start AND start < $end ORDER BY start"
_EXPORT = f"""
    SELECT strftime(make_timestamp((start + {IST_AHEAD}) // 1000), '%Y-%m-%dT%H:%M:%S') || '+05:30' AS time,
           (open / 100)::DECIMAL(18, 2) AS open, (high / 100)::DECIMAL(18, 2) AS high,
           (low / 100)::DECIMAL(18, 2) AS low, (close / 100)::DECIMAL(18, 2) AS close, volume
"""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog holds of one instrument at one interval. Times in UTC ns."""

    instrument: InstrumentId
    interval: Nanos
    bars: int
    first: Nanos  # start of the first bar; 0 if there is none
    last: Nanos  # start of the last
    covered: tuple[Span, ...]
    sources: tuple[str, ...]
    bytes: int


class _Note(msgspec.Struct, frozen=True):
    """The catalog's own words in a file's metadata."""

    covered: tuple[Span, ...] = ()
    source: str = ""


def interval_name(interval: Nanos) -> str:
    """``5m`` for five minutes, in ns."""
    for unit, size in INTERVAL_UNITS.items():
        if interval > 0 and interval % size == 0:
            return f"{interval // size}{unit}"
    raise DataError(f"an interval is a whole number of seconds, got {interval} ns.")


def interval_of(name: str) -> Nanos:
    """``5m`` in ns.

    Raises
    ------
    DataError
        If it is no number with s, m, h or d.
    """
    if interval := interval_ns(name):
        return interval
    raise DataError(f"expected an interval such as 1m, 5m, 1h or 1d, got {name!r}.")


class Catalog(Store):
    """The bars under `directory`. Not for several threads; several processes may share the folder."""

    _remedy = "Move it away and fetch that month again."

    def add(
        self, instrument: InstrumentId, interval: Nanos, bars: Sequence[Bar], covered: Span, *, source: str = ""
    ) -> int:
        """Say that `bars` is all that traded in `covered`: what was there in that span is replaced.

        Parameters
        ----------
        source
            Where they come from, for people: a broker or a file.

        Returns
        -------
        How many bars were written.

        Raises
        ------
        DataError
            If a bar is not of this instrument, interval and span, or makes no sense; nothing of its month is written.
        """
        self._check(instrument, interval, bars, covered)
        by_month = {month: list(group) for month, group in groupby(sorted(bars, key=_start), key=_month_of)}
        for month, span in _months(covered):
            self._replace(instrument, interval, month, by_month.get(month, []), span, source)
        return len(bars)

    def missing(self, instrument: InstrumentId, interval: Nanos, span: Span) -> list[Span]:
        """The parts of `span` that were never added, oldest first."""
        holes: list[Span] = []
        for month, part in _months(span):
            at = part[0]
            for start, end in self._note(self._path(instrument, interval, month)).covered:
                if at < start < part[1]:
                    holes.append((at, start))
                at = max(at, end)
            if at < part[1]:
                holes.append((at, part[1]))
        return _merged(holes)

    def columns(self, instrument: InstrumentId, interval: Nanos, span: Span) -> dict[str, np.ndarray]:
        """The bars that start in `span` as int64 arrays by the names of `COLUMNS`, oldest first; paise and UTC ns."""
        files = self._files(instrument, interval, span)
        if not files:
            import numpy as np

            return {name: np.empty(0, np.int64) for name in COLUMNS}
        query = self._duckdb().execute(_SORTED, {"files": files, "start": span[0], "end": span[1]})
        arrays: dict[str, np.ndarray] = query.fetchnumpy()
        return {name: arrays[name] for name in COLUMNS}

    def read(self, instrument: InstrumentId, interval: Nanos, span: Span) -> list[Bar]:
        """The bars that start in `span`, oldest first."""
        columns = self.columns(instrument, interval, span)
        rows = zip(*(columns[name].tolist() for name in COLUMNS), strict=True)
        return [Bar(instrument, interval, *row) for row in rows]

    def contents(self) -> list[Entry]:
        """All that is there, by interval and instrument."""
        folders = sorted(path for path in self.directory.glob("*/*/*") if path.is_dir())
        return [entry for folder in folders if (entry := self._entry(folder)) is not None]

    def export(self, instrument: InstrumentId, interval: Nanos, span: Span, out: Path) -> int:
        """Write the bars of `span` for other programs: times with +05:30, prices in rupees; CSV or Parquet by name.

        Returns
        -------
        How many rows were written.
        """
        files = self._files(instrument, interval, span)
        if not files:
            raise DataError(f"the catalog has no bars of {instrument} at {interval_name(interval)} in that time.")
        values = {"files": files, "start": span[0], "end": span[1]}
        return export_to(out, self._duckdb(), f"{_EXPORT} FROM ({_SORTED})", values)

    def _path(self, instrument: InstrumentId, interval: Nanos, month: date) -> Path:
        folder = folder_of(self.directory / interval_name(interval), instrument)
        return folder / f"{month:%Y-%m}.parquet"

    def _files(self, instrument: InstrumentId, interval: Nanos, span: Span) -> list[str]:
        folder = self._path(instrument, interval, date.min).parent
        if not folder.is_dir() or span[0] >= span[1]:
            return []
        first, last = f"{ist_day(span[0]):%Y-%m}", f"{ist_day(span[1] - 1):%Y-%m}"
        paths = sorted(path for path in folder.glob("????-??.parquet") if first <= path.stem <= last)
        for path in paths:
            self._note(path)  # a damaged file is named, not glossed over
        return [no_glob(path) for path in paths]

    def _replace(
        self, instrument: InstrumentId, interval: Nanos, month: date, bars: list[Bar], span: Span, source: str
    ) -> None:
        path = self._path(instrument, interval, month)
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(self.directory, path.parent):
            note = self._note(path)
            if path.exists():
                whole = (midnight(month), midnight(_next(month)))
                kept = self.read(instrument, interval, whole)
                bars = sorted([*bars, *(bar for bar in kept if not span[0] <= bar.start < span[1])], key=_start)
            covered = tuple(_merged([*note.covered, span]))
            self._put(path, _columns(bars), _Note(covered, _joined(note.source, source)))

    def _note(self, path: Path) -> _Note:
        return self._noted(path, _Note) if path.exists() else _Note()

    def _entry(self, folder: Path) -> Entry | None:
        files = sorted(folder.glob("????-??.parquet"))
        if not files:
            return None
        interval = folder.relative_to(self.directory).parts[0]
        notes = [self._note(path) for path in files]
        query = "SELECT count(*), coalesce(min(start), 0), coalesce(max(start), 0) FROM read_parquet($files)"
        ((bars, first, last),) = self._duckdb().execute(query, {"files": [no_glob(path) for path in files]}).fetchall()
        return Entry(
            instrument=instrument_of(folder),
            interval=interval_of(interval),
            bars=bars,
            first=first,
            last=last,
            covered=tuple(_merged([span for note in notes for span in note.covered])),
            sources=tuple(dict.fromkeys(name for note in notes for name in note.source.split(", ") if name)),
            bytes=sum(path.stat().st_size for path in files),
        )

    def _check(self, instrument: InstrumentId, interval: Nanos, bars: Sequence[Bar], covered: Span) -> None:
        if not 0 <= covered[0] < covered[1]:
            raise DataError(f"{instrument}: the span {covered} covers no time.")
        seen: set[Nanos] = set()
        for bar in bars:
            sound = 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
            fits = bar.instrument == instrument and bar.interval == interval and bar.start < bar.end
            if not (sound and fits and bar.volume >= 0 and covered[0] <= bar.start < covered[1]):
                raise DataError(f"{instrument}: this bar cannot be right or does not belong here: {bar}.")
            if bar.start in seen:
                raise DataError(f"{instrument}: two bars begin at {bar.start}.")
            seen.add(bar.start)


def _start(bar: Bar) -> Nanos:
    return bar.start


def _columns(bars: Sequence[Bar]) -> dict[str, np.ndarray]:
    import numpy as np

    return {name: np.fromiter((getattr(bar, name) for bar in bars), np.int64, len(bars)) for name in COLUMNS}


def _month_of(bar: Bar) -> date:
    return ist_day(bar.start).replace(day=1)


def _next(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _months(span: Span) -> Iterator[tuple[date, Span]]:
    """`span` cut at the months of India."""
    start, end = span
    while start < end:
        month = ist_day(start).replace(day=1)
        until = min(end, midnight(_next(month)))
        yield month, (start, until)
        start = until


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _joined(before: str, source: str) -> str:
    names = [name for name in before.split(", ") if name]
    return ", ".join(names if not source or source in names else [*names, source])
