"""Columns that show themselves and go on to numpy, pandas or polars: trades, equity, figures, parameter sets.

Money is rupees here and times are numpy's datetime64 of India's clock: this is the edge to notebooks. pandas and polars
get the zone with them; neither is needed until asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saudagar.model import IST_AHEAD, group_digits
from saudagar.model.errors import ConfigError
from saudagar.notebook import page

Column = NDArray[Any]

_ZONE = "Asia/Kolkata"
_SHOWN = 10
_LONGEST = 120  # letters of a cell


class Table:
    """Columns of one length by name.

    Parameters
    ----------
    columns
        In the order in which they show. Texts, whole numbers, floats, or datetime64 of India's clock.
    title
        Stands above it.
    """

    def __init__(self, columns: Mapping[str, Column], title: str = "") -> None:
        self._columns = dict(columns)
        self.title = title

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        """Rows, as of a frame."""
        return len(next(iter(self._columns.values()), ()))

    def keys(self) -> list[str]:
        """So that ``dict(table)`` is a dict of arrays."""
        return list(self._columns)

    @property
    def columns(self) -> list[str]:
        """Their names."""
        return list(self._columns)

    def to_numpy(self) -> NDArray[Any]:
        """One structured array."""
        columns = {name: _fixed(column) for name, column in self._columns.items()}
        found = np.empty(len(self), dtype=[(name, column.dtype) for name, column in columns.items()])
        for name, column in columns.items():
            found[name] = column
        return found

    def to_pandas(self) -> Any:
        """A pandas DataFrame; times in India's zone.

        Raises
        ------
        ConfigError
            pandas is not installed.
        """
        pandas = _library("pandas")
        frame = pandas.DataFrame(self._columns)
        for name, column in self._columns.items():
            if column.dtype.kind == "M":
                frame[name] = frame[name].dt.tz_localize(_ZONE)
        return frame

    def to_polars(self) -> Any:
        """A polars DataFrame; times in India's zone.

        Raises
        ------
        ConfigError
            polars is not installed.
        """
        polars = _library("polars")
        frame = polars.DataFrame({name: _listed(column) for name, column in self._columns.items()})
        times = [name for name, column in self._columns.items() if column.dtype.kind == "M"]
        zoned = [polars.col(name).dt.replace_time_zone(_ZONE) for name in times]
        return frame.with_columns(zoned) if zoned else frame

    def __repr__(self) -> str:
        head, rows, more = self._shown()
        wide = [max(map(len, each)) for each in zip(head, *rows, strict=True)] if rows else [len(name) for name in head]
        right = [self._columns[name].dtype.kind in "if" for name in head]
        lines = [
            "  ".join(
                text.rjust(size) if to_right else text.ljust(size) for text, size, to_right in zip(*each, strict=True)
            )
            for each in ((row, wide, right) for row in (head, *rows))
        ]
        return "\n".join([*([self.title] if self.title else []), *(line.rstrip() for line in lines), *more])

    def _repr_html_(self) -> str:
        head, rows, more = self._shown()
        right = [self._columns[name].dtype.kind in "if" for name in head]
        return page.framed(page.table(self.title, head, rows, right, "".join(more)))

    def _shown(self) -> tuple[list[str], list[list[str]], list[str]]:
        """Names, the first and the last rows as text, and how many are between."""
        count = len(self)
        rows = list(range(count)) if count <= _SHOWN else [*range(_SHOWN // 2), *range(count - _SHOWN // 2, count)]
        cells = [[text_of(column[row]) for column in self._columns.values()] for row in rows]
        return self.columns, cells, [f"{group_digits(count)} rows"] if count > _SHOWN else []


def moments(ns: Column) -> Column:
    """UTC ns as datetime64 of India's clock, as `frames` takes them in."""
    return (ns + IST_AHEAD).astype("datetime64[ns]")


def texts(values: Any) -> Column:
    """A column of text."""
    found = np.empty(len(values), dtype=object)
    found[:] = list(values)
    return found


def text_of(value: Any) -> str:
    """One cell."""
    if isinstance(value, np.datetime64):
        return str(value.astype("datetime64[m]")).replace("T", " ")
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return group_digits(int(value))
    if not isinstance(value, float | np.floating):
        text = str(value)
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    number = float(value)
    if not isfinite(number):
        return "–"
    if number and abs(number) < 0.01:
        return f"{number:.2g}"
    whole, _, rest = f"{abs(number):.2f}".partition(".")
    return f"{'-' if number < 0 else ''}{group_digits(int(whole))}.{rest}"


def _fixed(column: Column) -> Column:
    return column.astype(str) if column.dtype.kind == "O" else column


def _listed(column: Column) -> Any:
    return column.tolist() if column.dtype.kind == "O" else column


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise ConfigError(
            f"{name} is not installed.", hint=f"pip install {name}; or take the arrays as they are."
        ) from None
