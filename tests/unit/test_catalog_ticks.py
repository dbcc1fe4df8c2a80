"""Days of ticks go in and come out as they were, row by row; a file is whole or not there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pytest

from saudagar.exchange.recorded import RecordedDay
from saudagar.market.ist import DAY, at, midnight
from saudagar.model import MINUTE, SECOND, Bar, InstrumentId
from saudagar.model.errors import DataError
from saudagar.storage import catalog_files
from saudagar.storage.catalog import Catalog
from saudagar.storage.catalog_ticks import COLUMNS, TickCatalog, Ticks

SBIN = InstrumentId("NSE_EQ:SBIN")
FRIDAY = date(2026, 11, 20)
OPEN = at(FRIDAY, "09:15")
FILE = "ticks/NSE_EQ/SBIN/2026-11-20.parquet"


def rows(count: int = 5, price: int = 800_00, start: int = OPEN) -> Ticks:
    times = [start + number * SECOND for number in range(count)]
    return Ticks.of(times, [0, *times[1:]], [price + n for n in range(count)], range(count))


def plain(ticks: Ticks) -> list[list[int]]:
    return [getattr(ticks, name).tolist() for name in COLUMNS]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[TickCatalog]:
    catalog = TickCatalog(tmp_path / "the [catalog]'s *")
    yield catalog
    catalog.close()


def test_what_goes_in_comes_out_in_its_order(catalog: TickCatalog) -> None:
    order = np.random.default_rng(1).permutation(30_000)
    ticks = Ticks.of(np.sort(order) * 10**6 + OPEN, order * 10**6 + OPEN, order + 1, order)
    catalog.put(SBIN, FRIDAY, ticks, dirt={"late": 7}, source="it's a file.csv")
    assert plain(catalog.read(SBIN, FRIDAY)) == plain(ticks)
    assert catalog.days(SBIN) == [FRIDAY]
    (held,) = catalog.contents()
    assert (held.instrument, held.day, held.rows, held.dirt) == (SBIN, FRIDAY, 30_000, {"late": 7})
    assert held.source == "it's a file.csv"
    assert held == catalog.held(SBIN, FRIDAY)
    assert held.bytes == (catalog.directory / FILE).stat().st_size
    again = TickCatalog(catalog.directory)
    assert plain(again.read(SBIN, FRIDAY)) == plain(ticks)
    again.close()


def test_bars_and_ticks_lie_side_by_side(catalog: TickCatalog) -> None:
    bars = Catalog(catalog.directory)
    bar = Bar(SBIN, MINUTE, OPEN, OPEN + MINUTE, 10, 10, 10, 10, 1)
    bars.add(SBIN, MINUTE, [bar], (midnight(FRIDAY), midnight(FRIDAY) + DAY))
    catalog.put(SBIN, FRIDAY, rows(), dirt={})
    assert [entry.bars for entry in bars.contents()] == [1]
    assert [held.rows for held in catalog.contents()] == [5]
    bars.close()


def test_a_day_is_replaced_as_a_whole_and_others_stay(catalog: TickCatalog) -> None:
    thursday = date(2026, 11, 19)
    catalog.put(SBIN, thursday, rows(start=at(thursday, "09:15")), dirt={})
    catalog.put(SBIN, FRIDAY, rows(), dirt={"late": 1}, source="a")
    catalog.put(SBIN, FRIDAY, rows(2, 900_00), dirt={}, source="b")
    assert plain(catalog.read(SBIN, FRIDAY)) == plain(rows(2, 900_00))
    assert [(held.day, held.rows, held.source) for held in catalog.contents()] == [(thursday, 5, ""), (FRIDAY, 2, "b")]


@pytest.mark.parametrize(
    "ticks",
    [
        Ticks.of([], [], [], []),
        Ticks.of([OPEN], [OPEN], [1], [1, 2]),
        rows(start=OPEN - DAY),
        rows(start=OPEN + DAY),
        Ticks.of([OPEN + 1, OPEN], [OPEN, OPEN], [1, 1], [0, 0]),
    ],
)
def test_ticks_that_are_not_of_the_day_are_refused(catalog: TickCatalog, ticks: Ticks) -> None:
    with pytest.raises(DataError, match=r"NSE_EQ:SBIN: (a day of ticks|these ticks)"):
        catalog.put(SBIN, FRIDAY, ticks, dirt={})
    assert catalog.contents() == []


def test_what_64_bits_cannot_hold_is_refused() -> None:
    with pytest.raises(DataError, match="too large"):
        Ticks.of([1 << 63], [1], [1], [1])


def test_a_day_that_is_not_there_is_told(catalog: TickCatalog) -> None:
    assert catalog.days(SBIN) == []
    for look in (catalog.read, catalog.held):
        with pytest.raises(DataError, match="no ticks of NSE_EQ:SBIN on 2026-11-20"):
            look(SBIN, FRIDAY)
    with pytest.raises(DataError, match="no ticks of NSE_EQ:SBIN in that time"):
        catalog.export(SBIN, FRIDAY, FRIDAY, Path("x.csv"))
    with pytest.raises(DataError, match="expected an instrument"):
        catalog.days(InstrumentId("SBIN"))


def test_a_damaged_file_is_named(catalog: TickCatalog, tmp_path: Path) -> None:
    catalog.put(SBIN, FRIDAY, rows(), dirt={})
    path = catalog.directory / FILE
    path.write_bytes(path.read_bytes()[:-40])
    for look in (
        lambda: catalog.read(SBIN, FRIDAY),
        lambda: catalog.contents(),
        lambda: catalog.export(SBIN, FRIDAY, FRIDAY, tmp_path / "x.csv"),
    ):
        with pytest.raises(DataError, match=r"2026-11-20.parquet is damaged"):
            look()
    duckdb.execute(f"COPY (SELECT 1 AS ts) TO '{str(path).replace(chr(39), chr(39) * 2)}' (FORMAT parquet)")
    for look in (lambda: catalog.read(SBIN, FRIDAY), lambda: catalog.held(SBIN, FRIDAY)):
        with pytest.raises(DataError, match="not a file of the catalog"):
            look()
    catalog.put(SBIN, FRIDAY, rows(), dirt={})
    assert len(catalog.read(SBIN, FRIDAY)) == 5


def test_a_file_that_is_no_day_is_named(catalog: TickCatalog) -> None:
    catalog.put(SBIN, FRIDAY, rows(), dirt={})
    path = catalog.directory / FILE
    path.rename(path.with_name("2026-02-31.parquet"))
    for look in (lambda: catalog.days(SBIN), lambda: catalog.contents()):
        with pytest.raises(DataError, match=r"2026-02-31\.parquet: its name is no day"):
            look()


def test_a_failure_while_writing_leaves_the_old_file(catalog: TickCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.put(SBIN, FRIDAY, rows(), dirt={})

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(catalog_files, "sync", full)
        with pytest.raises(OSError, match="No space left"):
            catalog.put(SBIN, FRIDAY, rows(3), dirt={})
    assert len(catalog.read(SBIN, FRIDAY)) == 5
    assert [path.name for path in (catalog.directory / FILE).parent.iterdir()] == ["2026-11-20.parquet"]


def test_an_export_is_a_file_of_recorded_ticks(catalog: TickCatalog, tmp_path: Path) -> None:
    stamps = [OPEN + 5 * SECOND, OPEN + 4 * SECOND, OPEN + 6 * SECOND + 250_000_000]
    catalog.put(
        SBIN, FRIDAY, Ticks.of([stamps[0], stamps[0], stamps[2]], stamps, [80005, 80010, 5], [7, 6, 8]), dirt={}
    )
    out = tmp_path / "SBIN.csv"
    assert catalog.export(SBIN, FRIDAY, FRIDAY, out) == 3
    assert out.read_text().splitlines() == [
        "timestamp,ltp,volume",
        "2026-11-20 09:15:05.000000,800.05,7",
        "2026-11-20 09:15:04.000000,800.10,6",
        "2026-11-20 09:15:06.250000,0.05,8",
    ]
    played = [tick for _, ticks in RecordedDay([out]).steps() for tick in ticks]
    assert [(tick.ts, tick.ltp, tick.volume) for tick in played] == list(
        zip(stamps, (80005, 80010, 5), (7, 6, 8), strict=True)
    )
    assert catalog.export(SBIN, date(2026, 1, 1), FRIDAY, tmp_path / "x.parquet") == 3
    with pytest.raises(DataError, match=r"ends in \.csv or \.parquet"):
        catalog.export(SBIN, FRIDAY, FRIDAY, tmp_path / "x.xls")
