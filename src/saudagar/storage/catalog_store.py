"""Parquet files that carry a note of the catalog's own, written and read through one DuckDB.

What the bars (`catalog`) and the ticks (`catalog_ticks`) have in common; each knows by itself what its rows and its
note are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from saudagar.model.errors import DataError
from saudagar.storage.catalog_files import connect, literal, no_glob, replacing

if TYPE_CHECKING:
    import numpy as np

_Note = TypeVar("_Note", bound=msgspec.Struct)


class Store:
    """The files under `directory`. Not for several threads; several processes may share the folder."""

    _remedy = ""  # what to do about a damaged file

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._connection: Any = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _duckdb(self) -> Any:
        if self._connection is None:
            self._connection = connect()
        return self._connection

    def _put(self, path: Path, columns: Mapping[str, np.ndarray], note: msgspec.Struct) -> None:
        words = msgspec.json.encode(note).decode().replace("'", "''")
        connection = self._duckdb()
        connection.register("columns_given", dict(columns))
        try:
            with replacing(path) as new:
                connection.execute(
                    f"COPY (SELECT * FROM columns_given) TO {literal(new)} "  # noqa: S608  # our own names
                    f"(FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false, KV_METADATA {{saudagar: '{words}'}})"
                )
        finally:
            connection.unregister("columns_given")

    def _noted(self, path: Path, kind: type[_Note]) -> _Note:
        import duckdb

        query = "SELECT decode(value) FROM parquet_kv_metadata($file) WHERE decode(key) = 'saudagar'"
        try:
            rows = self._duckdb().execute(query, {"file": no_glob(path)}).fetchall()
            return msgspec.json.decode(rows[0][0], type=kind)
        except (duckdb.Error, IndexError, msgspec.DecodeError) as error:
            raise self._damaged(path, error) from None

    def _damaged(self, path: Path, error: Exception) -> DataError:
        return DataError(
            f"{path} is damaged, or not a file of the catalog ({type(error).__name__}).", hint=self._remedy
        )
