"""Other people's files: exact paise, India's time, and a clear word for each bad row."""

from __future__ import annotations

import zipfile
from datetime import date
from pathlib import Path

import duckdb
import pytest

from saudagar.market.ist import DAY, at, ist, midnight
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, Bar, InstrumentId, Segment
from saudagar.model.errors import DataError
from saudagar.storage.catalog_check import check_bars
from saudagar.storage.catalog_import import Shape, read_bars

NAME = InstrumentId("NSE_EQ:SBIN")
PRICES = Path(__file__).resolve().parents[2] / "../shared/fixtures/prices"
HEAD = "time,open,high,low,close,volume\n"


def read(path: Path, text: str, **shape: object) -> list[Bar]:
    path.write_text(text)
    return read_bars(path, NAME, MINUTE, Shape(**shape))[0]  # type: ignore[arg-type]  # made by the tests below


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bars.csv"


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("2026-11-20T09:15:00+05:30", "2026-11-20 09:15"),
        ("2026-11-20 03:45:00+00:00", "2026-11-20 09:15"),
        ("2026-11-20 09:15", "2026-11-20 09:15"),
        ("2026-11-20", "2026-11-20 00:00"),
        ("20261120", "2026-11-20 00:00"),
        ("20261120 00:00", "2026-11-20 00:00"),
        ("20-11-2026", "2026-11-20 00:00"),
        ("20-Nov-2026", "2026-11-20 00:00"),
        ("1795146300", "2026-11-20 09:15"),
        ("1795146300.0", "2026-11-20 09:15"),
        ("1795146300000", "2026-11-20 09:15"),
        ("1795146300000000", "2026-11-20 09:15"),
        ("1795146300000000000", "2026-11-20 09:15"),
    ],
)
def test_times(file: Path, text: str, clock: str) -> None:
    (bar,) = read(file, f"{HEAD}{text},1,1,1,1,1\n")
    assert f"{ist(bar.start):%Y-%m-%d %H:%M}" == clock
    assert bar.end == bar.start + MINUTE


def test_paise_are_exact_and_commas_do_no_harm(file: Path) -> None:
    text = 'Date,Open,High,Low,Close,Vol\n2026-11-20,"1,234.15","1,234.35",1234.05,1234.29,"12,34,567"\n'
    (bar,) = read(file, text)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (123415, 123435, 123405, 123429, 1234567)


def test_columns_by_name_by_place_and_scale(file: Path) -> None:
    (bar,) = read(file, "a,b,open,high,low,close\n5,2026-11-20,1,2,1,2\n", columns={"time": "B", "volume": "a"})
    assert (bar.volume, bar.high) == (5, 200)
    (bar,) = read(
        file, "33300000,42350000,42350000,41160000,41300000,9318\n", header=False, scale=10_000, day=date(2019, 1, 1)
    )
    assert bar == Bar(
        NAME, MINUTE, at(date(2019, 1, 1), "09:15"), at(date(2019, 1, 1), "09:16"), 423500, 423500, 411600, 413000, 9318
    )


def test_rows_are_sorted_and_the_same_row_twice_is_once(file: Path) -> None:
    rows = "2026-11-20 09:16,1,1,1,1,1\n2026-11-20 09:15,1,1,1,1,1\n2026-11-20 09:15,1,1,1,1,1\n\n"
    assert [f"{ist(bar.start):%M}" for bar in read(file, HEAD + rows)] == ["15", "16"]


BAD = {
    "2026-11-20,nan,1,1,1,1": "not a finite number",
    "2026-11-20,x,1,1,1,1": "not a number",
    "2026-11-20,-1,1,1,1,1": "contradict",
    "2026-11-20,2,1,1,1,1": "contradict",
    "2026-11-20,0,0,0,0,1": "contradict",
    "2026-11-20,1,1,1,1,-1": "a negative volume",
    "2026-11-20,1,1,1,1,1.5": "no whole number",
    "2026-11-20,1,1,1": "not a number",
    "tomorrow,1,1,1,1,1": "'tomorrow' is no time",
    "12,1,1,1,1,1": "'12' is no time",
}


@pytest.mark.parametrize("row", BAD)
def test_a_bad_row_is_named(file: Path, row: str) -> None:
    good = "2026-11-19,1,1,1,1,1\n"
    with pytest.raises(DataError, match="row 3: ") as caught:
        read(file, f"{HEAD}{good}{row}\n")
    assert BAD[row] in caught.value.message
    bars, left_out = read_bars(file, NAME, MINUTE, Shape(), skip_bad=True)
    assert (len(bars), left_out) == (1, 1)


def test_many_bad_rows_are_counted(file: Path) -> None:
    rows = "".join(f"2026-11-20,{n},0,0,0,0\n" for n in range(1, 10))
    with pytest.raises(DataError, match="and 4 more"):
        read(file, HEAD + rows)


def test_a_contradiction_between_rows_is_named(file: Path) -> None:
    with pytest.raises(DataError, match="another row has the same time"):
        read(file, f"{HEAD}2026-11-20,1,1,1,1,1\n2026-11-20,2,2,2,2,1\n")


def test_files_that_cannot_be_used(tmp_path: Path, file: Path) -> None:
    with pytest.raises(DataError, match="no column for close, volume; it has time, open, high, low"):
        read(file, "time,open,high,low\n")
    with pytest.raises(DataError, match="it has none"):
        read(file, "")
    with pytest.raises(DataError, match="No such file"):
        read_bars(tmp_path / "none.csv", NAME, DAY, Shape())
    with pytest.raises(DataError, match="scale"):
        read_bars(file, NAME, DAY, Shape(scale=0))
    for name in ("bad.zip", "bad.parquet", "bad.csv"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00")
        with pytest.raises(DataError, match="cannot be read"):
            read_bars(tmp_path / name, NAME, DAY, Shape())
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "")
        archive.writestr("b.csv", "")
    with pytest.raises(DataError, match="expected one CSV"):
        read_bars(tmp_path / "two.zip", NAME, DAY, Shape())


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    row = "TIMESTAMP '2026-11-20 09:15:00' AS time, 1.15 AS open, 1.2 AS high, 1.1 AS low, 1.19 AS close, 7 AS volume"
    duckdb.execute(f"COPY (SELECT {row}) TO '{path}' (FORMAT parquet)")
    (bar,) = read_bars(path, NAME, MINUTE, Shape())[0]
    assert (bar.start, bar.open, bar.close, bar.volume) == (at(date(2026, 11, 20), "09:15"), 115, 119, 7)


def needs(path: Path) -> Path:
    if not path.exists():
        pytest.skip("the folder ../shared/fixtures is absent")
    return path


def test_real_daily_bars_with_commas() -> None:
    bars, left_out = read_bars(needs(PRICES / "daily/RELIANCE.csv"), NAME, DAY, Shape())
    assert left_out == 0
    assert len(bars) > 1_000
    assert bars[0] == Bar(
        NAME, DAY, midnight(date(2015, 1, 1)), midnight(date(2015, 1, 2)), 88630, 89200, 88365, 88790, 677439
    )
    findings = check_bars(bars, Segment.NSE_EQ, Calendar())
    assert "a split or bonus, 2 shares for 1" in " ".join(each.detail for each in findings if each.kind == "jump")


def test_real_lean_zips() -> None:
    minutes = needs(PRICES / "lean/Data/equity/india/minute/yesbank/20190709_trade.zip")
    bars, _ = read_bars(minutes, NAME, MINUTE, Shape(header=False, scale=10_000, day=date(2019, 7, 9)))
    assert f"{ist(bars[0].start):%F %T}" == "2019-07-09 09:15:00"
    assert len(bars) == 377  # 375 minutes of trading, two of the closing price
    assert check_bars(bars, Segment.NSE_EQ, Calendar()) == []
    days = needs(PRICES / "lean/Data/equity/india/daily/cccl.zip")
    bars, _ = read_bars(days, NAME, DAY, Shape(header=False, scale=10_000))
    assert (f"{ist(bars[0].start):%F}", bars[0].open) == ("2010-01-04", 42350)
