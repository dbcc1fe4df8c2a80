"""Wall time of `saudagar backtest`, the whole command, on one year of minute bars of one instrument in the catalog.

Cold is the first time ever, with nothing compiled; warm is every later one. ``auto`` takes the driver that is done
sooner, which on so few bars may be the engine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.measure import SCRATCH, Figure, least, timed
from benchmarks.research import walk
from saudagar.backtest.prepared import bar_at
from saudagar.model import MINUTE, InstrumentId
from saudagar.storage.catalog import Catalog

GROUP = "saudagar backtest, whole command: EMA 9/21 on one year of 1-minute bars of one instrument"
_NAME = InstrumentId("NSE_EQ:RELIANCE")
_YEAR = 248 * 375


def figures(rounds: int) -> Iterator[Figure]:
    """All figures of this file."""
    catalog, cache = SCRATCH / "catalog", SCRATCH / "cold"
    if not catalog.exists():
        _fill(catalog)
    for driver in ("auto", "kernel", "engine"):
        shutil.rmtree(cache, ignore_errors=True)
        work = partial(_run, catalog, cache, driver)
        cold = timed(1, work)
        yield least(GROUP, f"--driver {driver}, first ever", cold, "s")
        yield least(GROUP, f"--driver {driver}, later", timed(rounds, work), "s")


def _fill(folder: Path) -> None:
    columns = walk(_YEAR)
    bars = [bar_at(_NAME, columns, at) for at in range(len(columns))]
    with_end = int(columns.end[-1])
    store = Catalog(folder)
    try:
        store.add(_NAME, MINUTE, bars, (int(columns.start[0]), with_end), source="a seeded walk")
    finally:
        store.close()


def _run(catalog: Path, cache: Path, driver: str) -> None:
    program = Path(sys.executable).with_name("saudagar")
    command = [str(program), "backtest", "ema_cross", "--instruments", "NSE:RELIANCE", "--driver", driver]
    command += ["--directory", str(catalog), "--json", "-"]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "SAUDAGAR_CACHE": str(cache.resolve())})


if __name__ == "__main__":
    from benchmarks.measure import table

    SCRATCH.mkdir(parents=True, exist_ok=True)
    print(table(figures(5)))
