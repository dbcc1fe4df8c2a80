"""How the catalog treats its files: where an instrument's are, one writer at a time, each replaced as a whole.

Shared by the bars (`catalog`) and the ticks (`catalog_ticks`), which lie side by side in one folder.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from saudagar.model import InstrumentId
from saudagar.model.errors import DataError

EXPORTS = {".csv": "FORMAT csv, HEADER", ".parquet": "FORMAT parquet, COMPRESSION zstd"}
"""What DuckDB writes for whom, by the end of the file's name."""


def folder_of(root: Path, instrument: InstrumentId) -> Path:
    """Where the files of `instrument` lie under `root`. Raises `DataError` if it is no instrument."""
    segment, _, symbol = instrument.partition(":")
    if not (segment and symbol):
        raise DataError(f"expected an instrument such as NSE_EQ:RELIANCE, got {instrument!r}.")
    return root / quote(segment, safe="") / quote(symbol, safe=" &")


def instrument_of(folder: Path) -> InstrumentId:
    """Whose files lie in `folder`, the reverse of `folder_of`."""
    return InstrumentId(f"{unquote(folder.parent.name)}:{unquote(folder.name)}")


def connect() -> Any:
    """A DuckDB of two threads that loads nothing from outside."""
    import duckdb

    return duckdb.connect(config={"threads": 2, "autoinstall_known_extensions": False})


def no_glob(path: Path) -> str:
    """DuckDB takes file names for patterns."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def literal(path: Path) -> str:
    """`path` as SQL has it."""
    return "'" + str(path).replace("'", "''") + "'"


def export_to(out: Path, connection: Any, query: str, values: dict[str, Any]) -> int:
    """Write what `query` finds to `out`, CSV or Parquet by its name, and return how many rows that are.

    Raises
    ------
    DataError
        If the name ends in something else.
    """
    if out.suffix not in EXPORTS:
        raise DataError(f"expected a file name that ends in .csv or .parquet, got {out.name!r}.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as new:
        copy = f"COPY ({query}) TO {literal(new)} ({EXPORTS[out.suffix]}, USE_TMP_FILE false)"
        return int(connection.execute(copy, values).fetchall()[0][0])


@contextmanager
def alone(directory: Path, folder: Path) -> Iterator[None]:
    """One writer at a time in the catalog at `directory`; what a killed one left in `folder` is removed."""
    handle = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for left in folder.glob(".*.parquet-*"):
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file to write beside `path`; it takes its place, synced, when the block ends well."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.fchmod(handle, 0o644)
    os.close(handle)
    new = Path(name)
    try:
        yield new
        sync(new)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """`path`, a file or a folder, is on disk when this returns."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
