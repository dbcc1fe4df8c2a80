"""Bars from other people's files: CSV, Parquet, or a CSV in a zip, with columns by name or by place.

Every value is read as text, so that paise are exact and thousands commas do no harm. Called by `saudagar data import`.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from saudagar.market.ist import IST, midnight
from saudagar.model import SECOND, Bar, InstrumentId, Nanos
from saudagar.model.errors import DataError
from saudagar.storage.catalog_files import no_glob

FIELDS = ("time", "open", "high", "low", "close", "volume")

_OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "time": ("time", "date", "datetime", "timestamp", "start", "ts"),
    "volume": ("volume", "vol", "qty", "quantity", "tottrdqty"),
}
_SHAPES = ("%Y%m%d %H:%M", "%Y%m%d", "%d-%m-%Y", "%d/%m/%Y", "%d-%b-%Y", "%d-%m-%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S")
_EPOCHS = ((10**17, 1), (10**14, 1_000), (10**11, 1_000_000), (10**8, SECOND))  # smallest value, ns per unit
_NUMBER = re.compile(r"\d+(\.0+)?")
_MANY = 5  # mistakes shown


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How to read a file.

    Parameters
    ----------
    columns
        Our field → the file's name of it; what is left out is found by its usual names.
    header
        Whether the first row holds names; without it the order is that of `FIELDS`.
    scale
        By how much the file's prices are larger than rupees: 1 for rupees, 100 for paise, 10000 in LEAN's files.
    day
        The date (India) whose midnight the times count from, in milliseconds; None if the times have dates.
    """

    columns: dict[str, str] = {}
    header: bool = True
    scale: int = 1
    day: date | None = None


def read_bars(
    path: Path, instrument: InstrumentId, interval: Nanos, shape: Shape, *, skip_bad: bool = False
) -> tuple[list[Bar], int]:
    """The bars of the file at `path`, oldest first, and how many rows were left out.

    Parameters
    ----------
    skip_bad
        Leave bad rows out instead of refusing the file.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column, or holds a bad row (all told, the first few shown).
    """
    if shape.scale < 1:
        raise DataError(f"the scale is a whole number from 1, got {shape.scale}.")
    found: dict[Nanos, Bar] = {}
    bad: list[str] = []
    for number, row in _rows(path, shape):
        try:
            bar = _bar(row, instrument, interval, shape)
            if found.setdefault(bar.start, bar) != bar:
                raise ValueError("another row has the same time and other values")
        except (ValueError, InvalidOperation, OverflowError) as error:
            words = "not a number" if isinstance(error, InvalidOperation) else error
            bad.append(f"row {number}: {words}")
    if bad and not skip_bad:
        more = f"; and {len(bad) - _MANY} more" if len(bad) > _MANY else ""
        raise DataError(f"{path}: {'; '.join(bad[:_MANY])}{more}.", hint="With --skip-bad they are left out.")
    return [found[start] for start in sorted(found)], len(bad)


def _bar(row: Mapping[str, str], instrument: InstrumentId, interval: Nanos, shape: Shape) -> Bar:
    start = _time(row["time"], shape.day)
    opened, high, low, close = (_paise(row[field], shape.scale) for field in ("open", "high", "low", "close"))
    volume = int(_number(row["volume"]))
    if not 0 < low <= min(opened, close) <= max(opened, close) <= high:
        raise ValueError("open, high, low and close contradict each other")
    if volume < 0:
        raise ValueError("a negative volume")
    return Bar(instrument, interval, start, start + interval, opened, high, low, close, volume)


def _paise(text: str, scale: int) -> int:
    return round(_number(text) * 100 / scale)


def _number(text: str) -> Decimal:
    value = Decimal(text.replace(",", "").strip())
    if not value.is_finite():
        raise ValueError("not a finite number")
    return value


def _time(text: str, day: date | None) -> Nanos:
    """UTC ns. A time without a zone is India's."""
    text = text.strip()
    if day is not None:
        return midnight(day) + int(_number(text)) * 1_000_000
    if _NUMBER.fullmatch(text) and not (len(text) == 8 and text.startswith(("19", "20"))):
        number = int(Decimal(text))
        for smallest, unit in _EPOCHS:
            if number >= smallest:
                return number * unit
        raise ValueError(f"{text!r} is no time")
    moment = _moment(text)
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=IST)
    return int(moment.timestamp()) * SECOND


def _moment(text: str) -> datetime:
    for shape in _SHAPES:
        try:
            return datetime.strptime(text, shape)  # noqa: DTZ007  # the zone is put on by the caller
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no time") from None


def _rows(path: Path, shape: Shape) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        names, rows = _parquet(path) if path.suffix == ".parquet" else _csv(path, shape.header)
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    places = _places(path, names, shape.columns)
    for number, row in enumerate(rows, 1 + shape.header):
        if row:
            yield number, {field: row[place] if place < len(row) else "" for field, place in places.items()}


def _places(path: Path, names: Sequence[str], given: Mapping[str, str]) -> dict[str, int]:
    folded = {name.strip().casefold(): place for place, name in reversed(list(enumerate(names)))}
    places: dict[str, int] = {}
    lacking: list[str] = []
    for field in FIELDS:
        wanted = (given[field],) if field in given else _OTHER_NAMES.get(field, (field,))
        place = next((folded[name.casefold()] for name in wanted if name.casefold() in folded), None)
        if place is None:
            lacking.append(given.get(field, field))
        else:
            places[field] = place
    if lacking:
        raise DataError(
            f"{path} has no column for {', '.join(lacking)}; it has {', '.join(names) or 'none'}.",
            hint="Name them: --columns time=Date,volume=Qty …",
        )
    return places


def _csv(path: Path, header: bool) -> tuple[Sequence[str], list[list[str]]]:
    rows = list(csv.reader(io.StringIO(_text(path), newline="")))
    if header:
        return (rows[0], rows[1:]) if rows else ([], [])
    return FIELDS, rows


def _text(path: Path) -> str:
    if path.suffix != ".zip":
        return path.read_text(encoding="utf-8-sig")
    with zipfile.ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.endswith((".csv", ".txt"))]
        if len(members) != 1:
            raise DataError(f"{path}: expected one CSV in the zip, found {len(members)}.")
        return archive.read(members[0]).decode("utf-8-sig")


def _parquet(path: Path) -> tuple[Sequence[str], list[list[str]]]:
    import duckdb

    with closing(duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": False})) as connection:
        try:
            query = connection.execute("SELECT * FROM read_parquet($file)", {"file": no_glob(path)})
            names = [column[0] for column in query.description or ()]
            return names, [[_as_text(value) for value in row] for row in query.fetchall()]
        except duckdb.Error as error:
            raise DataError(f"{path} cannot be read as Parquet: {type(error).__name__}.") from None


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
