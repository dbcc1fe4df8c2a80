"""Other people's tables: CSV (plain, .gz, in a zip) or Parquet, with columns by name or by place.

Every value is read as text, so that paise are exact and thousands commas do no harm. Called by the readers of bars
and of ticks.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from saudagar.market.ist import IST, midnight
from saudagar.model import SECOND, Nanos, Paise
from saudagar.model.errors import DataError
from saudagar.storage.catalog_files import no_glob

_SHAPES = ("%Y%m%d %H:%M", "%Y%m%d", "%d-%m-%Y", "%d/%m/%Y", "%d-%b-%Y", "%d-%m-%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S")
_FINER = ("%d-%m-%Y %H:%M:%S.%f", "%d/%m/%Y %H:%M:%S.%f", "%d-%b-%Y %H:%M:%S", "%Y%m%d %H:%M:%S")
_EPOCHS = ((10**17, 1), (10**14, 1_000), (10**11, 1_000_000), (10**8, SECOND))  # smallest value, ns per unit
_NUMBER = re.compile(r"\d+(\.\d+)?")
_MANY = 5  # mistakes shown


def read_table(path: Path, header: bool, order: Sequence[str]) -> tuple[Sequence[str], Iterable[Sequence[str]]]:
    """The names of the columns of `path` and its rows; without a header the names are `order`.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        return _parquet(path) if path.suffix == ".parquet" else _csv(path, header, order)
    except (OSError, EOFError, UnicodeDecodeError, zipfile.BadZipFile, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def places(
    path: Path,
    names: Sequence[str],
    fields: Mapping[str, Sequence[str]],
    given: Mapping[str, str],
    optional: Collection[str] = (),
) -> dict[str, int]:
    """Where each of `fields` stands among `names`.

    Parameters
    ----------
    fields
        Our field → the names by which it usually goes, the likeliest first.
    given
        Our field → the file's name of it, from a person.

    Raises
    ------
    DataError
        If a field has no column and is not optional, or was named and is not there.
    """
    folded = {name.strip().casefold(): place for place, name in reversed(list(enumerate(names)))}
    found: dict[str, int] = {}
    lacking: list[str] = []
    for field, usual in fields.items():
        wanted = (given[field],) if field in given else usual
        place = next((folded[name.casefold()] for name in wanted if name.casefold() in folded), None)
        if place is not None:
            found[field] = place
        elif field in given or field not in optional:
            lacking.append(given.get(field, field))
    if lacking:
        raise DataError(
            f"{path} has no column for {', '.join(lacking)}; it has {', '.join(names) or 'none'}.",
            hint="Name them: --columns time=Date,volume=Qty …",
        )
    return found


def picked(rows: Iterable[Sequence[str]], at: Mapping[str, int], first: int) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows by field, numbered from `first`; what a short row lacks is empty, and an empty row no row."""
    for number, row in enumerate(rows, first):
        if row:
            yield number, {field: row[place] if place < len(row) else "" for field, place in at.items()}


def refuse(path: Path, bad: Sequence[str], *, skip_bad: bool) -> None:
    """Raise `DataError` if there are bad rows that nobody wants left out."""
    if bad and not skip_bad:
        more = f"; and {len(bad) - _MANY} more" if len(bad) > _MANY else ""
        raise DataError(f"{path}: {'; '.join(bad[:_MANY])}{more}.", hint="With --skip-bad they are left out.")


def why(error: Exception) -> str:
    """What is wrong with a row, in words."""
    return "not a number" if isinstance(error, InvalidOperation) else str(error)


def paise(text: str, scale: int) -> Paise:
    """Of rupees times `scale`."""
    return round(number(text) * 100 / scale)


def number(text: str) -> Decimal:
    """Raises `ValueError` or `InvalidOperation` if it is not a finite number."""
    value = Decimal(text.replace(",", "").strip())
    if not value.is_finite():
        raise ValueError("not a finite number")
    return value


def moment(text: str, day: date | None) -> Nanos:
    """UTC ns, to the microsecond. A time without a zone is India's; with `day`, milliseconds from its midnight there.

    Raises
    ------
    ValueError
        If it is no time.
    """
    text = text.strip()
    if day is not None:
        return midnight(day) + int(number(text) * 1_000_000)
    if _NUMBER.fullmatch(text) and not (len(text) == 8 and text.startswith(("19", "20"))):
        count = Decimal(text)
        for smallest, unit in _EPOCHS:
            if count >= smallest:
                return int(count * unit)
        raise ValueError(f"{text!r} is no time")
    read = _read(text)
    read = read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=IST)
    return int(read.replace(microsecond=0).timestamp()) * SECOND + read.microsecond * 1_000


def _read(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for shape in (*_SHAPES, *_FINER):
        try:
            return datetime.strptime(text, shape)  # noqa: DTZ007  # the zone is put on by the caller
        except ValueError:
            continue
    raise ValueError(f"{text[:40]!r} is no time")


def _csv(path: Path, header: bool, order: Sequence[str]) -> tuple[Sequence[str], list[list[str]]]:
    rows = list(csv.reader(io.StringIO(_text(path), newline="")))
    if header:
        return (rows[0], rows[1:]) if rows else ([], [])
    return order, rows


def _text(path: Path) -> str:
    if path.suffix == ".gz":
        with gzip.open(path) as stream:
            return stream.read().decode("utf-8-sig")
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
