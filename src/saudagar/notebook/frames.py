"""Bars out of whatever tables a notebook holds: pandas, polars, Arrow, dicts of arrays, structured arrays.

Only what these libraries have in common is used (columns by name, `to_numpy`), so none of them is needed. Prices are
rupees, times without a zone are India's. Rows that cannot be are refused with their numbers. Called by `saudagar.data`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saudagar.indicators import BarArrays
from saudagar.indicators.bars import LIMIT
from saudagar.market.ist import IST, ist
from saudagar.model import DAY, HOUR, IST_AHEAD, SECOND, Nanos
from saudagar.model.errors import DataError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PRICES = ("open", "high", "low", "close")
TIMES = ("time", "datetime", "timestamp", "date", "start", "ts", "index")
_VOLUMES = ("volume", "vol", "qty", "quantity")
_SHOWN = 5
_EPOCH_NS = 10**17  # smaller whole numbers are no nanoseconds since 1970, or of before 1973
_NOWHEN = np.iinfo(np.int64).min  # what numpy makes of a missing time


def is_table(value: Any) -> bool:
    """Whether `value` has columns of prices."""
    try:
        return {"close"} <= {name.lower() for name in columns_of(value)}
    except DataError:
        return False


def bars_of(table: Any, interval: Nanos = 0, symbol: str = "") -> dict[str, BarArrays]:
    """The bars of `table` by symbol, oldest first.

    Parameters
    ----------
    table
        Has open, high, low and close in rupees, perhaps volume in units, and the bars' starts: as a column called
        time, datetime, timestamp, date, start or ts, or as the index of a pandas frame. Names in any case. A column
        called symbol says whose each row is.
    interval
        Of the bars, ns; 0 finds it from their times.
    symbol
        Whose all rows are; wins over a column.

    Raises
    ------
    DataError
        A column is missing or holds something else; or rows that cannot be: not a number, zero or negative prices, a
        low above the high, a time that does not come after the row before. The first few are named by their number.
    """
    columns = {name.lower(): column for name, column in columns_of(table).items()}
    when = next((name for name in TIMES if name in columns), None)
    lacking = [name for name in PRICES if name not in columns]
    if lacking or when is None:
        wanted = lacking if lacking else [f"for the time ({', '.join(TIMES[:-1])})"]
        raise DataError(f"the table has no column {', '.join(wanted)}; it has {', '.join(columns) or 'none'}.")
    start = _moments(columns[when], when)
    units = next((name for name in _VOLUMES if name in columns), None)
    numbers = {name: _numbers(columns[name], name) for name in PRICES}
    numbers["volume"] = np.zeros(len(start)) if units is None else _numbers(columns[units], units)
    if len({len(start), *map(len, numbers.values())}) > 1:
        raise DataError("the columns of the table differ in length.")
    if not len(start):
        raise DataError("the table has no rows.")
    rows = _rows(columns, symbol, len(start))
    wrong = [each for mine in rows.values() for each in _wrong(mine, start[mine], _taken(numbers, mine))]
    if wrong:
        _refuse(wrong, len(start))
    return {name: _bars(start[mine], _taken(numbers, mine), interval) for name, mine in rows.items()}


def _rows(columns: Mapping[str, Any], symbol: str, count: int) -> dict[str, Ints]:
    """Which rows are whose."""
    if symbol or "symbol" not in columns:
        return {symbol: np.arange(count)}
    names = [str(name) for name in np.asarray(_plain(columns["symbol"])).tolist()]
    if len(names) != count:
        raise DataError("the columns of the table differ in length.")
    found: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        found.setdefault(name, []).append(row)
    return {name: np.array(rows) for name, rows in found.items()}


def _taken(columns: Mapping[str, Floats], rows: Ints) -> dict[str, Floats]:
    return {name: column[rows] for name, column in columns.items()}


def _bars(start: Ints, numbers: Mapping[str, Floats], interval: Nanos) -> BarArrays:
    length = interval or _interval(start)
    columns: dict[str, Any] = {name: np.rint(numbers[name] * 100) for name in PRICES}
    return BarArrays.from_columns(interval=length, start=start, end=start + length, volume=numbers["volume"], **columns)


def columns_of(table: Any) -> dict[str, Any]:
    """Its columns by name; the index of a pandas frame that holds times is one of them.

    Raises
    ------
    DataError
        It has no columns by name.
    """
    fields = getattr(getattr(table, "dtype", None), "names", None)
    if fields:
        return {name: table[name] for name in fields}
    if isinstance(table, Mapping):
        return {str(name): column for name, column in table.items()}
    names = getattr(table, "column_names", None)  # Arrow; else pandas and polars
    names = getattr(table, "columns", None) if names is None else names
    if names is None or callable(names):
        raise DataError(
            f"bars come as a table with columns by name, got {type(table).__name__}.",
            hint="Give a pandas or polars frame, a dict of arrays, or a structured array.",
        )
    found = {str(name): table[name] for name in names}
    index = getattr(table, "index", None)
    dated = index is not None and getattr(getattr(index, "dtype", None), "kind", "") == "M"
    return {"index": index, **found} if dated else found


def _numbers(column: Any, name: str) -> Floats:
    try:
        values = np.asarray(_plain(column), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"the column {name} must hold numbers: {error}.") from None
    if values.ndim != 1:
        raise DataError(f"the column {name} must have one dimension, got {values.ndim}.")
    return values


def _moments(column: Any, name: str) -> Ints:
    """UTC ns; `_NOWHEN` where a time is missing."""
    kind = getattr(column, "dtype", None) or getattr(column, "type", None)
    zoned = any(getattr(kind, zone, None) is not None for zone in ("tz", "time_zone"))
    # pandas makes objects of zoned times unless it is told not to
    values = (
        column.to_numpy(dtype="datetime64[ns]")
        if zoned and hasattr(column, "tz_localize")
        else np.asarray(_plain(column))
    )
    if values.ndim != 1:
        raise DataError(f"the column {name} must have one dimension, got {values.ndim}.")
    if values.dtype.kind == "M":
        found: Ints = values.astype("datetime64[ns]").astype(np.int64)
        return found if zoned else np.where(found == _NOWHEN, found, found - IST_AHEAD)
    if values.dtype.kind in "iu":
        if len(values) and int(values.min()) < _EPOCH_NS:
            raise DataError(f"whole numbers in {name} are UTC nanoseconds since 1970, got {values.min()}.")
        return values.astype(np.int64)
    return np.array([_moment(value, name) for value in values.tolist()], dtype=np.int64)


def _moment(value: Any, name: str) -> Nanos:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise DataError(
                f"the column {name} holds {value[:40]!r}, which is no time like 2026-01-31 09:15."
            ) from None
    if not isinstance(value, date):
        raise DataError(f"the column {name} must hold times, got {type(value).__name__}.")
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    whole = (moment if moment.tzinfo else moment.replace(tzinfo=IST)).astimezone(UTC)
    return int(whole.replace(microsecond=0).timestamp()) * SECOND + whole.microsecond * 1_000


def _plain(column: Any) -> Any:
    """As numpy knows it."""
    return column.to_numpy() if hasattr(column, "to_numpy") else column


def _wrong(rows: Ints, start: Ints, numbers: Mapping[str, Floats]) -> Iterator[tuple[int, str]]:
    """Every row that cannot be, with the reason; `rows` are their numbers."""
    o, h, lo, c = (numbers[name] for name in PRICES)
    volume = numbers["volume"]
    before = np.append(start[:1] - 1, start[:-1])
    with np.errstate(invalid="ignore"):
        checks = {
            "a price is missing or no finite number": ~np.isfinite(o + h + lo + c),
            "prices must be above 0 and below ₹1,000 crore": (np.minimum(lo, np.minimum(o, c)) < 0.005) | (h >= 1e10),
            "open, high, low and close contradict each other": ~((lo <= np.minimum(o, c)) & (h >= np.maximum(o, c))),
            "the volume must be whole and not below 0": ~(
                (volume >= 0) & (volume < LIMIT) & (volume == np.rint(volume))
            ),
            "the time is missing": start == _NOWHEN,
            "the same time as the row before": start == before,
            "the time goes back": start < before,
        }
    told = np.zeros(len(rows), np.bool_)
    for reason, hits in checks.items():
        for at in np.flatnonzero(hits & ~told).tolist():
            told[at] = True
            moment = "" if start[at] == _NOWHEN else f", {ist(int(start[at])):%Y-%m-%d %H:%M}"
            values = f"open {o[at]:g}, high {h[at]:g}, low {lo[at]:g}, close {c[at]:g}, volume {volume[at]:g}"
            yield int(rows[at]), f"row {rows[at]}{moment}: {reason} ({values})"


def _refuse(wrong: list[tuple[int, str]], count: int) -> None:
    said = [sentence for _, sentence in sorted(wrong)[:_SHOWN]]
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    raise DataError(f"{len(wrong)} of {count} rows cannot be: {'; '.join(said)}{more}.")


def _interval(start: Ints) -> Nanos:
    """The step that all bars of a day share; a day where there is one bar a day."""
    steps = np.diff(start)
    within = steps[steps < 12 * HOUR]
    if len(steps) and not len(within) and steps.min() <= 4 * DAY:
        return DAY
    shortest = int(within.min()) if len(within) else 0
    if shortest < SECOND or shortest % SECOND or (within % shortest).any():
        raise DataError(
            "the bars' interval cannot be told from their times.", hint='Say it: interval="5m". Ticks are no bars.'
        )
    return shortest
