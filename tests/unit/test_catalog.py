"""The catalog gives back what it was given, knows what it was never asked, and is never half written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saudagar.market.ist import DAY, at, midnight
from saudagar.model import MINUTE, SECOND, Bar, InstrumentId
from saudagar.model.errors import DataError
from saudagar.storage import catalog_files
from saudagar.storage.catalog import Catalog, interval_name, interval_of

SBIN = InstrumentId("NSE_EQ:SBIN")
OPEN = at(date(2026, 10, 30), "09:15")
MONTH = (midnight(date(2026, 10, 1)), midnight(date(2026, 11, 1)))
OCTOBER = "1m/NSE_EQ/SBIN/2026-10.parquet"


def bars(start: int = OPEN, count: int = 5, name: InstrumentId = SBIN, price: int = 800_00) -> list[Bar]:
    return [
        Bar(name, MINUTE, ts, ts + MINUTE, price, price + 5, price - 5, price + 1, n)
        for n, ts in enumerate(range(start, start + count * MINUTE, MINUTE))
    ]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(tmp_path / "the [catalog]'s *")
    yield catalog
    catalog.close()


def test_what_goes_in_comes_out(catalog: Catalog) -> None:
    series = bars(count=6_000)  # four days: into November
    span = (OPEN, OPEN + 6_000 * MINUTE)
    assert catalog.add(SBIN, MINUTE, series, span, source="upstox") == 6_000
    assert catalog.read(SBIN, MINUTE, span) == series
    assert catalog.read(SBIN, MINUTE, (OPEN + 1, OPEN + 2 * MINUTE)) == series[1:2]
    names = sorted(path.name for path in catalog.directory.rglob("*") if path.is_file())
    assert names == [".lock", "2026-10.parquet", "2026-11.parquet"]
    columns = catalog.columns(SBIN, MINUTE, span)
    assert columns["close"].dtype == "int64"
    assert columns["close"][0] == 800_01


def test_odd_symbols_have_files_of_their_own(catalog: Catalog) -> None:
    names = ("NSE_EQ:M&M", "NSE_INDEX:NIFTY BANK", "NSE_FNO:../../x", "NSE_FNO:A'B", "NSE_EQ:A*", "NSE_EQ:A[1]")
    for number, name in enumerate(names):
        catalog.add(InstrumentId(name), MINUTE, bars(name=InstrumentId(name), price=100 + number * 50), MONTH)
    for number, name in enumerate(names):
        assert catalog.read(InstrumentId(name), MINUTE, MONTH)[0].open == 100 + number * 50
    assert {entry.instrument for entry in catalog.contents()} == set(names)
    assert all(catalog.directory in path.resolve().parents for path in catalog.directory.rglob("*.parquet"))


def test_a_span_without_bars_is_known_too(catalog: Catalog) -> None:
    catalog.add(SBIN, MINUTE, [], MONTH, source="dhan")
    assert catalog.missing(SBIN, MINUTE, MONTH) == []
    assert catalog.read(SBIN, MINUTE, MONTH) == []
    (entry,) = catalog.contents()
    assert (entry.bars, entry.first, entry.covered, entry.sources) == (0, 0, (MONTH,), ("dhan",))
    assert catalog.missing(SBIN, DAY, MONTH) == [MONTH]


def test_a_later_answer_replaces_the_span_and_no_more(catalog: Catalog) -> None:
    catalog.add(SBIN, MINUTE, bars(), MONTH, source="upstox")
    new = bars(OPEN + MINUTE, 2, price=900_00)
    catalog.add(SBIN, MINUTE, new, (OPEN + MINUTE, OPEN + 4 * MINUTE), source="file.csv")
    found = catalog.read(SBIN, MINUTE, MONTH)
    assert found == [bars()[0], *new, bars()[4]]
    assert catalog.contents()[0].sources == ("upstox", "file.csv")


spans = st.lists(st.tuples(st.integers(0, 90), st.integers(1, 30)), max_size=6)


@given(spans)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_missing_is_what_was_not_added(tmp_path: Path, given: list[tuple[int, int]]) -> None:
    """Days of three months, against a plain set."""
    catalog = Catalog(tmp_path / str(abs(hash(tuple(given)))))
    begin = midnight(date(2026, 9, 1))
    known: set[int] = set()
    for start, length in given:
        catalog.add(SBIN, DAY, [], (begin + start * DAY, begin + (start + length) * DAY))
        known |= set(range(start, start + length))
    holes = catalog.missing(SBIN, DAY, (begin, begin + 100 * DAY))
    found = {day for start, end in holes for day in range((start - begin) // DAY, (end - begin) // DAY)}
    assert found == set(range(100)) - known
    assert all(first[1] < second[0] for first, second in pairwise(holes))
    catalog.close()


@pytest.mark.parametrize(
    "bar",
    [
        Bar(SBIN, MINUTE, OPEN, OPEN + MINUTE, 10, 9, 8, 9, 1),
        Bar(SBIN, MINUTE, OPEN, OPEN + MINUTE, 10, 11, 0, 10, 1),
        Bar(SBIN, MINUTE, OPEN, OPEN + MINUTE, 10, 11, 9, 10, -1),
        Bar(SBIN, MINUTE, OPEN, OPEN, 10, 11, 9, 10, 1),
        Bar(SBIN, DAY, OPEN, OPEN + DAY, 10, 11, 9, 10, 1),
        Bar(InstrumentId("NSE_EQ:X"), MINUTE, OPEN, OPEN + MINUTE, 10, 11, 9, 10, 1),
        Bar(SBIN, MINUTE, MONTH[1], MONTH[1] + MINUTE, 10, 11, 9, 10, 1),
    ],
)
def test_a_bad_bar_is_refused_and_nothing_is_written(catalog: Catalog, bar: Bar) -> None:
    with pytest.raises(DataError, match="cannot be right or does not belong"):
        catalog.add(SBIN, MINUTE, [bar], MONTH)
    assert not catalog.directory.exists()


def test_bars_at_one_time_and_empty_spans_are_refused(catalog: Catalog) -> None:
    with pytest.raises(DataError, match="two bars"):
        catalog.add(SBIN, MINUTE, bars(count=1) * 2, MONTH)
    with pytest.raises(DataError, match="covers no time"):
        catalog.add(SBIN, MINUTE, [], (5, 5))
    with pytest.raises(DataError, match="expected an instrument"):
        catalog.add(InstrumentId("SBIN"), MINUTE, [], MONTH)


def test_a_damaged_file_is_named(catalog: Catalog) -> None:
    catalog.add(SBIN, MINUTE, bars(), MONTH)
    path = catalog.directory / OCTOBER
    path.write_bytes(path.read_bytes()[:-40])
    for look in (
        lambda: catalog.read(SBIN, MINUTE, MONTH),
        lambda: catalog.missing(SBIN, MINUTE, MONTH),
        lambda: catalog.contents(),
        lambda: catalog.add(SBIN, MINUTE, bars(), MONTH),
    ):
        with pytest.raises(DataError, match=r"2026-10.parquet is damaged"):
            look()
    duckdb.execute(f"COPY (SELECT 1 AS start) TO '{str(path).replace(chr(39), chr(39) * 2)}' (FORMAT parquet)")
    with pytest.raises(DataError, match="not a file of the catalog"):
        catalog.read(SBIN, MINUTE, MONTH)


def test_a_failure_while_writing_leaves_the_old_file(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.add(SBIN, MINUTE, bars(), MONTH)

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(catalog_files, "sync", full)
        with pytest.raises(OSError, match="No space left"):
            catalog.add(SBIN, MINUTE, bars(price=100), MONTH)
    assert catalog.read(SBIN, MINUTE, MONTH) == bars()
    assert [path.name for path in (catalog.directory / OCTOBER).parent.iterdir()] == ["2026-10.parquet"]


def test_what_a_killed_writer_left_is_swept_and_never_read(catalog: Catalog) -> None:
    catalog.add(SBIN, MINUTE, bars(), MONTH)
    left = (catalog.directory / OCTOBER).with_name(".2026-10.parquet-abc123")
    left.write_bytes(b"PAR1 half")
    assert catalog.read(SBIN, MINUTE, MONTH) == bars()
    assert len(catalog.contents()) == 1
    catalog.add(SBIN, MINUTE, bars(), MONTH)
    assert not left.exists()


WRITER = """
import sys
from pathlib import Path
from saudagar.model import MINUTE, Bar
from saudagar.storage.catalog import Catalog
directory, opening, first = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
catalog = Catalog(directory)
for start in range(opening + first * MINUTE, opening + 20 * MINUTE, 2 * MINUTE):
    end = start + MINUTE
    catalog.add("NSE_EQ:SBIN", MINUTE, [Bar("NSE_EQ:SBIN", MINUTE, start, end, 10, 10, 10, 10, 1)], (start, end))
"""


def test_two_processes_may_write_one_month(catalog: Catalog) -> None:
    command = [sys.executable, "-c", WRITER, str(catalog.directory), str(OPEN)]
    writers = [subprocess.Popen([*command, first]) for first in ("0", "1")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert [bar.start for bar in catalog.read(SBIN, MINUTE, MONTH)] == [OPEN + n * MINUTE for n in range(20)]


def test_export(catalog: Catalog, tmp_path: Path) -> None:
    catalog.add(SBIN, MINUTE, bars(), MONTH)
    out = tmp_path / "out" / "it's.csv"
    assert catalog.export(SBIN, MINUTE, (OPEN, OPEN + 2 * MINUTE), out) == 2
    assert out.read_text().splitlines() == [
        "time,open,high,low,close,volume",
        "2026-10-30T09:15:00+05:30,800.00,800.05,799.95,800.01,0",
        "2026-10-30T09:16:00+05:30,800.00,800.05,799.95,800.01,1",
    ]
    assert catalog.export(SBIN, MINUTE, MONTH, tmp_path / "out.parquet") == 5
    with pytest.raises(DataError, match=r"ends in \.csv or \.parquet"):
        catalog.export(SBIN, MINUTE, MONTH, tmp_path / "out.xls")
    with pytest.raises(DataError, match="no bars of NSE_EQ:SBIN at 1d"):
        catalog.export(SBIN, DAY, MONTH, tmp_path / "out.csv")


def test_intervals_have_names() -> None:
    for name in ("1s", "90s", "1m", "5m", "1h", "1d"):
        assert interval_name(interval_of(name)) == name
    for wrong in ("", "m", "0m", "1w", "-1m", "1.5m", "1M"):
        with pytest.raises(DataError):
            interval_of(wrong)
    for ns in (0, -1, SECOND // 2):
        with pytest.raises(DataError):
            interval_name(ns)
