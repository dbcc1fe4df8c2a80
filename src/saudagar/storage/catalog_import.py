"""Bars from other people's files, see `catalog_tables`. Called by `saudagar data import` and the notebook."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import InvalidOperation
from pathlib import Path

import msgspec

from saudagar.model import SECOND, Bar, InstrumentId, Nanos
from saudagar.model.errors import DataError
from saudagar.storage.catalog_tables import moment, number, paise, picked, places, read_table, refuse, why

FIELDS = ("time", "open", "high", "low", "close", "volume")

_NAMES: dict[str, tuple[str, ...]] = {field: (field,) for field in FIELDS} | {
    "time": ("time", "date", "datetime", "timestamp", "start", "ts"),
    "volume": ("volume", "vol", "qty", "quantity", "tottrdqty"),
}


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

    def __post_init__(self) -> None:
        if self.scale < 1:
            raise DataError(f"the scale is a whole number from 1, got {self.scale}.")


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
    found: dict[Nanos, Bar] = {}
    bad: list[str] = []
    names, rows = read_table(path, shape.header, FIELDS)
    for line, row in picked(rows, places(path, names, _NAMES, shape.columns), 1 + shape.header):
        try:
            bar = _bar(row, instrument, interval, shape)
            if found.setdefault(bar.start, bar) != bar:
                raise ValueError("another row has the same time and other values")
        except (ValueError, InvalidOperation, OverflowError) as error:
            bad.append(f"row {line}: {why(error)}")
    refuse(path, bad, skip_bad=skip_bad)
    return [found[start] for start in sorted(found)], len(bad)


def _bar(row: Mapping[str, str], instrument: InstrumentId, interval: Nanos, shape: Shape) -> Bar:
    start = moment(row["time"], shape.day)
    start -= start % SECOND
    opened, high, low, close = (paise(row[field], shape.scale) for field in ("open", "high", "low", "close"))
    units = number(row["volume"])
    volume = int(units)
    if not 0 < low <= min(opened, close) <= max(opened, close) <= high:
        raise ValueError("open, high, low and close contradict each other")
    if volume < 0:
        raise ValueError("a negative volume")
    if volume != units:
        raise ValueError("a volume that is no whole number")
    return Bar(instrument, interval, start, start + interval, opened, high, low, close, volume)
