"""Past ticks on disk: Parquet files, one per instrument and day, beside the catalog's bars.

Rows stay as they were found, in the order in which they arrived, dirt and all: screening them is the desk's work, in a
backtest as live. Each file tells how many of its rows are dirty, by kind. Layout:
``ticks/NSE_EQ/RELIANCE/2026-11-20.parquet``; times are UTC ns, prices paise, volumes those of the day so far. Filled by
`saudagar data import --ticks` and by a desk that records; read by backtests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from saudagar.market.ist import DAY, midnight
from saudagar.model import IST_AHEAD, InstrumentId
from saudagar.model.errors import DataError
from saudagar.storage.catalog_files import alone, export_to, folder_of, instrument_of, no_glob
from saudagar.storage.catalog_store import Store

if TYPE_CHECKING:
    import numpy as np

TICKS = "ticks"
"""The catalog's folder of them."""

COLUMNS = ("arrival", "ts", "ltp", "volume")
_DAY_FILES = "????-??-??.parquet"
_EXPORT = f"""
    SELECT strftime(make_timestamp((ts + {IST_AHEAD}) // 1000), '%Y-%m-%d %H:%M:%S.%f') AS timestamp,
           (ltp / 100)::DECIMAL(18, 2) AS ltp, volume
    FROM read_parquet($files, filename=true, file_row_number=true) ORDER BY filename, file_row_number
"""  # noqa: S608  # our own number


class Ticks(msgspec.Struct, frozen=True, eq=False):
    """One instrument's day by column, all int64, in the order of arrival."""

    arrival: np.ndarray  # UTC ns; never falls
    ts: np.ndarray  # the row's own time, UTC ns; may be nonsense
    ltp: np.ndarray  # paise
    volume: np.ndarray  # units of the day so far

    def __len__(self) -> int:
        return len(self.ts)

    @classmethod
    def of(cls, *columns: Sequence[int]) -> Ticks:
        """From plain columns. Raises `DataError` if one holds what 64 bits cannot."""
        import numpy as np

        try:
            return cls(*(np.array(column, dtype=np.int64) for column in columns))
        except OverflowError:
            raise DataError("a time, a price or a volume is too large to be one.") from None


class TickDay(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog holds of one instrument's day."""

    instrument: InstrumentId
    day: date
    rows: int
    dirt: dict[str, int]  # rows that are no plain tick, by kind
    source: str
    bytes: int


class _Note(msgspec.Struct, frozen=True):
    """The catalog's own words in a file's metadata."""

    rows: int
    dirt: dict[str, int]
    source: str = ""


class TickCatalog(Store):
    """The ticks of the catalog at `directory`. Not for several threads; several processes may share the folder."""

    _remedy = "Move it away and bring that day in again."

    def put(
        self, instrument: InstrumentId, day: date, ticks: Ticks, *, dirt: Mapping[str, int], source: str = ""
    ) -> TickDay:
        """Keep `ticks` as all that came of `instrument` on `day` (India's); what was there is replaced.

        Parameters
        ----------
        dirt
            How many of them are no plain ticks, by kind.
        source
            Where they come from, for people.

        Returns
        -------
        What is there now.

        Raises
        ------
        DataError
            If there are none, or they did not arrive on that day in this order; nothing is written.
        """
        begin, arrival = midnight(day), ticks.arrival
        if not len(arrival) or {len(getattr(ticks, name)) for name in COLUMNS} != {len(arrival)}:
            raise DataError(f"{instrument}: a day of ticks has rows, and columns of one length.")
        if arrival[0] < begin or arrival[-1] >= begin + DAY or (arrival[1:] < arrival[:-1]).any():
            raise DataError(f"{instrument}: these ticks did not arrive on {day} in this order.")
        path = self._path(instrument, day)
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(self.directory, path.parent):
            self._put(path, {name: getattr(ticks, name) for name in COLUMNS}, _Note(len(arrival), dict(dirt), source))
        return self._told(path)

    def read(self, instrument: InstrumentId, day: date) -> Ticks:
        """All rows of the day. Raises `DataError` if the catalog does not hold it, or the file is damaged."""
        import duckdb

        path = self._there(instrument, day)
        query = f"SELECT {', '.join(COLUMNS)} FROM read_parquet($file, file_row_number=true) ORDER BY file_row_number"  # noqa: S608  # our own names
        try:
            found = self._duckdb().execute(query, {"file": no_glob(path)}).fetchnumpy()
            return Ticks(*(found[name] for name in COLUMNS))
        except duckdb.Error as error:
            raise self._damaged(path, error) from None

    def export(self, instrument: InstrumentId, first: date, last: date, out: Path) -> int:
        """Write the days from `first` to `last` as recorded ticks: CSV with ``timestamp`` (India's), ``ltp`` (rupees)
        and ``volume``, or Parquet, by the name of `out`.

        Returns
        -------
        How many rows were written.
        """
        days = [day for day in self.days(instrument) if first <= day <= last]
        if not days:
            raise DataError(f"the catalog has no ticks of {instrument} in that time.")
        for day in days:
            self.held(instrument, day)  # a damaged file is named, not glossed over
        files = [no_glob(self._path(instrument, day)) for day in days]
        return export_to(out, self._duckdb(), _EXPORT, {"files": files})

    def days(self, instrument: InstrumentId) -> list[date]:
        """The days that are there, oldest first."""
        folder = folder_of(self.directory / TICKS, instrument)
        return sorted(_day_of(path) for path in folder.glob(_DAY_FILES))

    def contents(self) -> list[TickDay]:
        """All that is there, by instrument and day."""
        folders = sorted(path for path in (self.directory / TICKS).glob("*/*") if path.is_dir())
        return [self._told(path) for folder in folders for path in sorted(folder.glob(_DAY_FILES))]

    def held(self, instrument: InstrumentId, day: date) -> TickDay:
        """What is there of one day. Raises `DataError` if there is nothing, or the file is damaged."""
        return self._told(self._there(instrument, day))

    def _path(self, instrument: InstrumentId, day: date) -> Path:
        return folder_of(self.directory / TICKS, instrument) / f"{day}.parquet"

    def _there(self, instrument: InstrumentId, day: date) -> Path:
        path = self._path(instrument, day)
        if not path.exists():
            raise DataError(f"the catalog has no ticks of {instrument} on {day}.")
        return path

    def _told(self, path: Path) -> TickDay:
        note = self._noted(path, _Note)
        return TickDay(
            instrument=instrument_of(path.parent),
            day=_day_of(path),
            rows=note.rows,
            dirt=note.dirt,
            source=note.source,
            bytes=path.stat().st_size,
        )


def _day_of(path: Path) -> date:
    try:
        return date.fromisoformat(path.stem)
    except ValueError:
        raise DataError(f"{path}: its name is no day.", hint="Move it away.") from None
