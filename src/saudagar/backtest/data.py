"""Past bars for a backtest: read from tables, files and the catalog, and checked once for everything that runs on them.

A `Market` is what `run` takes; making one costs a look at every bar, using it costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saudagar.backtest.days import in_session
from saudagar.backtest.detail import check_detail
from saudagar.execution.ports import InstrumentLookup
from saudagar.indicators import BarArrays
from saudagar.indicators.bars import SESSION_OPEN
from saudagar.market.ist import ist
from saudagar.market.sessions import Calendar
from saudagar.model import InstrumentId, Nanos
from saudagar.model.errors import DataError
from saudagar.storage.catalog import Catalog

_IST: Nanos = 19_800_000_000_000
_COLUMNS = ("start", "end", "open", "high", "low", "close", "volume", "day", "since", "until")
_PRICES = ("open", "high", "low", "close")
_TIMES = ("start", "time", "timestamp", "datetime", "date")


class Market:
    """Bars of several instruments, in whole paise and units.

    Parameters
    ----------
    bars
        Per instrument; their order decides who comes first where two want the same moment. Each is cut to the hours
        in which it trades, see `days`; one with no such hours is left out.
    detail
        Finer bars of any of them, along which orders and exits are walked; see `detail`.

    Raises
    ------
    DataError
        Prices or volumes that are not whole numbers; not one bar in trading hours; detail that does not fit.
    UnknownInstrument
        One that the lookup does not have.

    Attributes
    ----------
    outside
        Instruments of which some bars were left out.
    """

    def __init__(
        self,
        bars: Mapping[InstrumentId, BarArrays],
        instruments: InstrumentLookup,
        calendar: Calendar,
        detail: Mapping[InstrumentId, BarArrays] | None = None,
    ) -> None:
        self.instruments = instruments
        self.calendar = calendar
        self.outside: list[InstrumentId] = []
        self.bars = {name: self._in_hours(name, each) for name, each in bars.items()}
        self.detail = {name: self._in_hours(name, each) for name, each in (detail or {}).items()}
        for name, each in self.detail.items():
            check_detail(name, self.bars[name], each)

    def _in_hours(self, name: InstrumentId, given: BarArrays) -> BarArrays:
        _check_whole(name, given)
        bars, held = in_session(given, self.instruments.get(name), self.calendar)
        if held.all():
            return bars
        if not held.any():
            raise DataError(
                f"none of the {len(bars)} bars of {name} lies within continuous trading; the first starts at "
                f"{ist(int(bars.start[0])):%Y-%m-%d %H:%M} IST.",
                hint="Times without a zone are taken as India's.",
            )
        if name not in self.outside:
            self.outside.append(name)
        columns = {column: getattr(bars, column)[held] for column in _COLUMNS}
        return BarArrays(interval=bars.interval, session_open=bars.session_open, **columns)

    @cached_property
    def digest(self) -> str:
        """A fingerprint of all bars."""
        return bars_digest(self.bars, self.detail)


def bars_digest(*bars: Mapping[InstrumentId, BarArrays]) -> str:
    """A fingerprint of `bars`: names in their order, intervals, times, prices and volumes."""
    state = blake2b(digest_size=16)
    for name, each in chain.from_iterable(part.items() for part in bars):
        state.update(f"{name} {each.interval} {len(each)} ".encode())
        for column in ("start", "end", *_PRICES, "volume"):
            state.update(np.ascontiguousarray(getattr(each, column)).data)
    return state.hexdigest()


def from_table(table: Any, interval: Nanos, *, rupees: bool = True, session_open: Nanos = SESSION_OPEN) -> BarArrays:
    """Bars from anything with columns by name: pandas, polars, a dict of sequences, a structured NumPy array.

    Parameters
    ----------
    table
        Has open, high, low, close, perhaps volume (units; 0 without), and the bars' starts as ``start``, ``time``,
        ``timestamp``, ``datetime`` or ``date``: UTC ns as whole numbers, or times, which without a zone are India's.
        An ``end`` (UTC ns) is taken if there is one, else a bar lasts `interval`.
    interval
        Of the bars, ns.
    rupees
        Whether prices are rupees; else paise. Rounded to whole paise.

    Raises
    ------
    DataError
        A column is missing, or a bar cannot be; see `BarArrays.from_columns`.
    """
    names = _names(table)
    given = {name.lower(): name for name in names}
    missing = [name for name in _PRICES if name not in given]
    times = next((given[name] for name in _TIMES if name in given), None)
    if missing or times is None:
        wanted = ", ".join(missing) or f"one of {', '.join(_TIMES)}"
        raise DataError(f"the table has no column {wanted}; it has {', '.join(names)}.")
    start = _moments(table[times])
    scale = 100.0 if rupees else 1.0
    columns: dict[str, Any] = {name: np.rint(np.asarray(table[given[name]], np.float64) * scale) for name in _PRICES}
    volume = np.asarray(table[given["volume"]], np.float64) if "volume" in given else np.zeros(len(start))
    end = np.asarray(table[given["end"]], np.int64) if "end" in given else start + interval
    return BarArrays.from_columns(
        interval=interval, start=start, end=end, volume=volume, session_open=session_open, **columns
    )


def from_parquet(path: Path, interval: Nanos, *, rupees: bool = True) -> BarArrays:
    """Bars from one Parquet file; columns as in `from_table`."""
    import duckdb

    try:
        with duckdb.connect() as connection:
            table = connection.execute("SELECT * FROM read_parquet($1)", [str(path)]).fetchnumpy()
    except duckdb.Error as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from None
    return from_table(table, interval, rupees=rupees)


def from_catalog(catalog: Catalog, instrument: InstrumentId, interval: Nanos, span: tuple[Nanos, Nanos]) -> BarArrays:
    """The catalog's bars of `[start, end)`, UTC ns."""
    columns = catalog.columns(instrument, interval, span)
    wanted: dict[str, Any] = {name: columns[name] for name in ("start", "end", *_PRICES, "volume")}
    return BarArrays.from_columns(interval=interval, **wanted)


def _names(table: Any) -> list[str]:
    dtype = getattr(table, "dtype", None)
    if dtype is not None and dtype.names:
        return list(dtype.names)
    columns = getattr(table, "columns", None)
    return [str(name) for name in (table.keys() if columns is None else columns)]


def _moments(column: Any) -> NDArray[np.int64]:
    """Times as UTC ns."""
    kind = getattr(column, "dtype", None)
    zone = getattr(kind, "tz", None) or getattr(kind, "time_zone", None)
    if zone is not None and hasattr(column, "dt") and hasattr(column.dt, "tz_convert"):  # pandas gives objects else
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    values = np.asarray(column)
    if values.dtype.kind == "M":
        moments = values.astype("datetime64[ns]").astype(np.int64)
        return moments if zone is not None else moments - _IST
    if values.dtype.kind not in "iu":
        raise DataError(f"times must be UTC ns or datetimes, got {values.dtype}.")
    return values.astype(np.int64)


def _check_whole(name: InstrumentId, bars: BarArrays) -> None:
    for column in (*_PRICES, "volume"):
        values = getattr(bars, column)
        if not (values == np.rint(values)).all():
            raise DataError(f"{name}: the {column} column must hold whole numbers (paise, units).")
