"""The results of sweeps on disk: what was computed once is not computed again, also after a kill.

One SQLite file holds any number of sweeps. A row is found by its bars and by its run (settings, costs, parameters and
the graph that they give), so that other data or an edited strategy never meets an old result.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import numpy as np

from saudagar.model.errors import DataError
from saudagar.research.sweep_grid import Params
from saudagar.research.sweep_study import Outcome

_TABLE = """
CREATE TABLE IF NOT EXISTS runs (
    data TEXT NOT NULL, run TEXT NOT NULL, params TEXT NOT NULL,
    trades INTEGER NOT NULL, wins INTEGER NOT NULL, gross INTEGER NOT NULL, costs INTEGER NOT NULL,
    daily BLOB NOT NULL, PRIMARY KEY (data, run)
)
"""
_SELECT = "SELECT run, trades, wins, gross, costs, daily FROM runs WHERE data = ?"
_INSERT = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_PAUSE = 0.5  # seconds between two commits


class Store:
    """Results on one set of bars in the file at `path`, which is made if it is not there.

    Raises
    ------
    DataError
        The file is no SQLite database, or one that cannot be written.
    """

    def __init__(self, path: Path, data: str) -> None:
        self._path = path
        self._data = data
        self._written = -inf
        self._rows: list[tuple[Any, ...]] = []  # a transaction left open would keep another sweep out of the file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute(_TABLE)
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._write()
        finally:
            self._db.close()

    def known(self, days: int) -> dict[str, Outcome]:
        """The outcomes on these bars by run; rows that do not hold `days` days are left out."""
        try:
            rows = self._db.execute(_SELECT, (self._data,)).fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from None
        return {row[0]: _outcome(*row[1:]) for row in rows if len(row[5]) == 8 * days}

    def add(self, found: Mapping[str, tuple[Params, Outcome]]) -> None:
        """Keep the outcomes of runs; on disk within half a second of more work."""
        self._rows += [
            (
                *(self._data, run, msgspec.json.encode(params).decode()),
                *each.trades_and_money,
                each.daily.astype("<i8").tobytes(),
            )
            for run, (params, each) in found.items()
        ]
        if time.monotonic() - self._written > _PAUSE:
            self._write()

    def _write(self) -> None:
        if not self._rows:
            return
        try:
            with self._db:
                self._db.executemany(_INSERT, self._rows)
        except sqlite3.Error as error:
            raise self._unusable(error) from None
        self._rows.clear()
        self._written = time.monotonic()

    def _unusable(self, error: Exception) -> DataError:
        return DataError(
            f"the results file {self._path} cannot be used: {error}.", hint="Name another file, or move it away."
        )


def _outcome(trades: int, wins: int, gross: int, costs: int, daily: bytes) -> Outcome:
    column = np.frombuffer(daily, "<i8").astype(np.int64)
    return Outcome(trades=trades, wins=wins, gross=gross, costs=costs, daily=column)
