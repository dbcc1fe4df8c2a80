"""Ticks in ``saudagar data``: bring them in from files, tell what is there and how dirty it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

from saudagar.app.data_words import dirt_words
from saudagar.app.recording import SUFFIX, recorded_parts
from saudagar.app.research_ticks import tick_files
from saudagar.backtest.tick_days import StoredDays
from saudagar.market.ist import DAY, midnight
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, Instrument, InstrumentId, InstrumentKind, Paise, Segment, segment_of
from saudagar.model.errors import DataError
from saudagar.storage.catalog_check import Finding, check_bars
from saudagar.storage.catalog_import import Shape
from saudagar.storage.catalog_ticks import TICKS, TickCatalog, TickDay
from saudagar.storage.catalog_ticks_import import read_ticks

ENDINGS = (".csv", ".csv.gz", ".parquet", ".zip")
"""The files that stand for a folder."""

Told = Callable[[float, str], None]
"""Told the share that is done, and what comes next."""


def bring_in(
    directory: Path, files: Sequence[Path], shape: Shape, told: Told, *, symbol: str = "", skip_bad: bool = False
) -> tuple[list[TickDay], int]:
    """Keep the ticks of `files` (folders: the files in them) in the catalog, each day in place of what was there.

    Returns
    -------
    The days that came in, and how many rows could not be read and were left out (of a desk's recording: the bytes of
    its torn end).

    Raises
    ------
    DataError
        A file that cannot be used, or two that hold one instrument's day. What came before it is kept.
    """
    calendar, catalog, paths = Calendar(), TickCatalog(directory), tick_files(files, ENDINGS)
    came: dict[tuple[InstrumentId, date], tuple[Path, TickDay]] = {}
    left_out = 0
    try:
        for number, path in enumerate(paths):
            told(number / len(paths), path.name)
            if path.suffix == SUFFIX:
                parts, bad = recorded_parts(path, calendar)
            else:
                parts, bad = read_ticks(path, shape, calendar, symbol=symbol, skip_bad=skip_bad)
            left_out += bad
            for part in parts:
                if before := came.get((part.instrument, part.day)):
                    raise DataError(f"{before[0]} and {path} both hold {part.instrument} on {part.day}; give one.")
                held = catalog.put(part.instrument, part.day, part.ticks, dirt=part.dirt, source=path.name)
                came[part.instrument, part.day] = path, held
    finally:
        catalog.close()
    return [day for _, day in came.values()], left_out


def series(days: Collection[TickDay]) -> list[dict[str, Any]]:
    """One row per instrument: how much there is, and how much of it is dirt."""
    ordered = sorted(days, key=lambda each: (each.instrument, each.day))
    return [_series(name, list(mine)) for name, mine in groupby(ordered, key=lambda each: each.instrument)]


def _series(name: InstrumentId, days: list[TickDay]) -> dict[str, Any]:
    dirt: Counter[str] = Counter()
    for each in days:
        dirt.update(each.dirt)
    return {
        "instrument": name,
        "interval": TICKS,
        "rows": sum(each.rows for each in days),
        "days": len(days),
        "from": days[0].day.isoformat(),
        "to": days[-1].day.isoformat(),
        "dirt": dict(dirt),
        "sources": list(dict.fromkeys(each.source for each in days if each.source)),
        "bytes": sum(each.bytes for each in days),
    }


def check_ticks(catalog: TickCatalog, days: Sequence[TickDay]) -> list[Finding]:
    """What looks wrong in one instrument's `days`: dirt, and what `check_bars` sees in the minutes they make up."""
    name, calendar = days[0].instrument, Calendar()
    stored = StoredDays(catalog, [name], [each.day for each in days], _plain, calendar)
    minutes = [bar for day in stored for bar in day.bars(name, MINUTE)]
    found = [*_dirt(days), *check_bars(minutes, segment_of(name), calendar)]
    return sorted(found, key=lambda finding: finding.start)


def _dirt(days: Sequence[TickDay]) -> Iterator[Finding]:
    for each in days:
        if each.dirt:
            start = midnight(each.day)
            words = f"{sum(each.dirt.values())} of {each.rows} ({dirt_words(each.dirt)})"
            yield Finding(kind="dirty rows", start=start, end=start + DAY, detail=words)


def _plain(name: InstrumentId, price: Paise, day: date) -> Instrument:
    """Enough of an instrument to know its hours."""
    segment = segment_of(name)
    kind = InstrumentKind.EQUITY if segment.tradable else InstrumentKind.INDEX
    auction = segment is Segment.NSE_EQ
    return Instrument(segment=segment, symbol=name.partition(":")[2], kind=kind, tick_size=1, closing_auction=auction)
