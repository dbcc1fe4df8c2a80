"""Other people's tick files: whose, of which day, in which order, and how dirty."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saudagar.backtest.tick_days import StoredDays
from saudagar.exchange.recorded import RecordedDay, listed
from saudagar.market.ist import DAY, at, ist
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, InstrumentId, Segment
from saudagar.model.errors import DataError
from saudagar.storage.catalog_import import Shape
from saudagar.storage.catalog_ticks import TickCatalog
from saudagar.storage.catalog_ticks_check import KINDS, count_dirt
from saudagar.storage.catalog_ticks_import import TickPart, read_ticks, tick_instrument

FRIDAY = date(2026, 11, 20)
THURSDAY = date(2026, 11, 19)
SBIN = InstrumentId("NSE_EQ:SBIN")
HEAD = "timestamp,ltp,volume\n"
CALENDAR = Calendar()

Read = Callable[..., list[TickPart]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(text: str, name: str = "SBIN.csv", symbol: str = "", **shape: Any) -> list[TickPart]:
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return read_ticks(path, Shape(**shape), CALENDAR, symbol=symbol)[0]

    return read


def told(part: TickPart) -> list[tuple[str, str, int, int]]:
    """When it came, its own time, price, volume."""
    ticks = part.ticks
    columns = (column.tolist() for column in (ticks.arrival, ticks.ts, ticks.ltp, ticks.volume))
    return [
        (f"{ist(came):%H:%M:%S}", f"{ist(ts):%d %H:%M:%S.%f}"[:13], *row)
        for came, ts, *row in zip(*columns, strict=True)
    ]


def test_rows_stay_as_they_are_found_when_they_came(read: Read) -> None:
    (part,) = read(
        HEAD + "2026-11-20 09:15:07,800.05,10\n1970-01-01 05:30:00,800.05,10\n2026-11-20 09:15:05,800.10,9\n"
        "2026-11-21 09:15:00,801,1\n2026-11-20 09:15:08.250,-1,11\n"
    )
    assert (part.instrument, part.day) == (SBIN, FRIDAY)
    assert told(part) == [
        ("09:15:07", "20 09:15:07.0", 80005, 10),
        ("09:15:07", "01 05:30:00.0", 80005, 10),
        ("09:15:07", "20 09:15:05.0", 80010, 9),
        ("09:15:07", "21 09:15:00.0", 80100, 1),
        ("09:15:08", "20 09:15:08.2", -100, 11),
    ]
    assert part.dirt == {"1970": 1, "late": 1, "another day": 1, "no price": 1}


ONE = ("09:15:07", "20 09:15:07.0", 80005, 10)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (f"{HEAD}2026-11-20 09:15:07,800.05,10\n", {}),
        ("Volume,When,Rate\n10,2026-11-20T03:45:07+00:00,800.05\n", {"columns": {"time": "when", "price": "Rate"}}),
        ("date,time,price,vol\n20-11-2026,09:15:07,800.05,10\n", {}),
        ("Day,Clock,ltp,vol\n20/11/2026,9:15:07,800.05,10\n", {"columns": {"date": "Day", "time": "clock"}}),
        ("ts,last_price,volume_traded\n1795146307000,800.05,10\n", {}),
        ("2026-11-20 09:15:07,80005,10\n", {"header": False, "scale": 100}),
        ("time,price,volume\n33307000,800.05,10\n", {"day": FRIDAY}),
        ("symbol,timestamp,ltp,volume\nNSE:SBIN,2026-11-20 09:15:07,800.05,10\n", {}),
        ("timestamp,ltp,ltq\n2026-11-20 09:15:07,800.05,10\n", {}),
    ],
)
def test_columns_by_many_names(read: Read, text: str, shape: dict[str, Any]) -> None:
    (part,) = read(text, **shape)
    assert told(part) == [ONE]
    assert part.instrument == SBIN


def test_files_of_all_kinds(read: Read, tmp_path: Path) -> None:
    text = f"{HEAD}2026-11-20 09:15:07,800.05,10\n"
    assert told(read(text, "sbin_2026.csv.gz")[0]) == [ONE]
    with zipfile.ZipFile(tmp_path / "SBIN.zip", "w") as archive:
        archive.writestr("any.csv", text)
    path = tmp_path / "SBIN.parquet"
    row = "TIMESTAMP '2026-11-20 09:15:07' AS timestamp, 800.05 AS ltp, 10 AS volume"
    duckdb.execute(f"COPY (SELECT {row}) TO '{path}' (FORMAT parquet)")
    for name in ("SBIN.zip", "SBIN.parquet"):
        assert told(read_ticks(tmp_path / name, Shape(), CALENDAR)[0][0]) == [ONE]


def test_what_each_row_traded_is_summed_by_day(read: Read) -> None:
    days = read(
        "time,price,quantity\n2026-11-19 10:00:00,1,5\n2026-11-19 10:00:01,1,7\n2026-11-20 10:00:00,1,3\n"
        "2026-11-20 10:00:01,1,-2\n2026-11-20 10:00:02,1,4\n"
    )
    assert [part.ticks.volume.tolist() for part in days] == [[5, 12], [3, 3, 7]]


def test_many_symbols_and_days_in_one_file(read: Read) -> None:
    text = "symbol,timestamp,ltp,volume\n" + "".join(
        f"{symbol},2026-11-{day} 10:00:{second:02d},{price},{second}\n"
        for day in (19, 20)
        for second in range(3)
        for symbol, price in (("SBIN", 800), ("NIFTY50", 25_000), ("NSE_FNO:NIFTY-2026-11-24-24000-CE", 90))
    )
    parts = read(text, "all.csv")
    names = {"NSE_EQ:SBIN", "NSE_INDEX:NIFTY", "NSE_FNO:NIFTY-2026-11-24-24000-CE"}
    assert {(part.instrument, part.day) for part in parts} == {(n, day) for n in names for day in (THURSDAY, FRIDAY)}
    assert all(len(part.ticks) == 3 for part in parts)
    (whole,) = {part.instrument for part in read(text, "all.csv", symbol="BSE:SBIN")}
    assert whole == "BSE_EQ:SBIN"


def test_the_next_mornings_first_rows_are_no_day(read: Read) -> None:
    today = "".join(f"2026-11-20 10:{n // 60:02d}:{n % 60:02d},1,{n}\n" for n in range(200))
    tail = "2026-11-23 06:00:00,1,0\n" * 300 + "2026-11-23 09:15:00,1,0\n"
    (part,) = read(HEAD + today + tail)
    assert (part.day, len(part.ticks), part.dirt) == (FRIDAY, 501, {"another day": 301})
    monday = "".join(f"2026-11-23 10:00:{n:02d},1,{n}\n" for n in range(2))
    assert [(each.day.day, len(each.ticks)) for each in read(HEAD + today + tail + monday)] == [(20, 200), (23, 303)]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("2026-11-20 10:00:00,nan,1", "row 3: not a finite number"),
        ("2026-11-20 10:00:00,x,1", "row 3: not a number"),
        ("2026-11-20 10:00:00,1", "row 3: not a number"),
        ("yesterday,1,1", "row 3: 'yesterday' is no time"),
        ("9999999999999999999999,1,1", "is no time"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(read: Read, tmp_path: Path, row: str, words: str) -> None:
    text = f"{HEAD}2026-11-20 10:00:00,1,1\n{row}\n"
    with pytest.raises(DataError, match=words):
        read(text)
    parts, left_out = read_ticks(tmp_path / "SBIN.csv", Shape(), CALENDAR, skip_bad=True)
    assert (len(parts[0].ticks), left_out) == (1, 1)


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("", "SBIN.csv", "no column for time, price"),
        (HEAD, "SBIN.csv", "holds no ticks"),
        ("timestamp,ltp\n", "SBIN.csv", "no column for the volume"),
        (HEAD + "2026-11-21 10:00:00,1,1\n", "SBIN.csv", "none of the 1 rows of NSE_EQ:SBIN lies within a session"),
        (HEAD + "1980-11-21 10:00:00,1,1\n", "SBIN.csv", "1980"),
        (HEAD + "2026-11-20 10:00:00,1,1\n", "what is this.csv", "symbol"),
        ("symbol,timestamp,ltp,volume\n,2026-11-20 10:00:00,1,1\n", "x.csv", "row 2: no symbol"),
        ("symbol,timestamp,ltp,volume\nXYZ:A,2026-11-20 10:00:00,1,1\n", "x.csv", "expected an instrument"),
        (HEAD + "2026-11-20 10:00:00,99999999999999999999,1\n", "SBIN.csv", "too large"),
    ],
)
def test_files_that_cannot_be_used(read: Read, text: str, name: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(text, name)
    assert words in str(caught.value)


def test_an_index_trades_nothing(read: Read) -> None:
    (part,) = read("timestamp,ltp\n2026-11-20 10:00:00,25000.5\n", "NIFTY50_today.csv")
    assert (part.instrument, part.ticks.volume.tolist()) == ("NSE_INDEX:NIFTY", [0])


def test_a_torn_archive_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "SBIN.csv.gz"
    path.write_bytes(gzip.compress(HEAD.encode() * 100)[:-20])
    with pytest.raises(DataError, match="cannot be read"):
        read_ticks(path, Shape(), CALENDAR)


def test_instruments_by_name() -> None:
    for text, name in (("sbin", "NSE_EQ:SBIN"), ("NSE:M&M", "NSE_EQ:M&M"), ("NIFTYBANK", "NSE_INDEX:BANKNIFTY")):
        assert tick_instrument(text) == name
    for text in ("MCX_COMM:GOLD", "NSE_EQ:SBIN", "BSE_EQ:SBIN"):
        assert tick_instrument(text) == text
    for text in ("", "NSE_EQ:", ":X", "X Y", "BSE:"):
        with pytest.raises(DataError):
            tick_instrument(text)


# -- dirt ----------------------------------------------------------------------------------------------------------

stamps = st.one_of(
    st.integers(0, 40).map(lambda n: at(FRIDAY, "09:15") + n * 10**9),
    st.integers(0, 20).map(lambda n: at(FRIDAY, "15:29:50") + n * 60 * 10**9),
    st.sampled_from([0, at(THURSDAY, "20:00"), at(FRIDAY, "08:59:59"), at(FRIDAY, "09:05"), at(FRIDAY, "09:15") + DAY]),
)
found_rows = st.lists(st.tuples(stamps, st.integers(-1, 3), st.integers(-1, 6)), max_size=60)
PHASES = CALENDAR.phases(Segment.NSE_EQ, FRIDAY, closing_auction=True)


@given(found_rows)
def test_what_is_no_dirt_is_in_order(rows: list[tuple[int, int, int]]) -> None:
    """Taking dirt away row by row leaves a series that grows, and nothing of it is dirt; every kind is listed."""
    counts = count_dirt(rows, FRIDAY, PHASES)
    assert counts.keys() <= set(KINDS)
    clean: list[tuple[int, int, int]] = []
    for row in rows:
        if not count_dirt([*clean, row], FRIDAY, PHASES):
            clean.append(row)
    assert len(clean) + sum(counts.values()) == len(rows)
    assert all(a[0] <= b[0] and a[2] <= b[2] and a != b for a, b in pairwise(clean))
    assert all(price > 0 for _, price, _ in clean)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_dirt(kind: str) -> None:
    good = (at(FRIDAY, "10:00"), 100, 5)
    rows = {
        "no price": (good[0], 0, 5),
        "no volume": (good[0], 100, -1),
        "1970": (0, 100, 5),
        "another day": (good[0] - DAY, 100, 5),
        "before the open": (at(FRIDAY, "08:59"), 100, 5),
        "after the close": (at(FRIDAY, "15:55"), 100, 5),
        "duplicate": good,
        "late": (good[0] - 1, 100, 5),
        "falling volume": (good[0], 100, 4),
    }
    assert count_dirt([good, rows[kind]], FRIDAY, PHASES) == {kind: 1}


# -- the same day from the catalog as from the file ----------------------------------------------------------------


@given(found_rows.filter(lambda rows: sum(at(FRIDAY, "09:15") <= ts < at(FRIDAY, "15:00") for ts, _, _ in rows) > 0))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
def test_a_stored_day_plays_as_its_file(tmp_path: Path, rows: list[tuple[int, int, int]]) -> None:
    """Every step of the day, tick by tick, and the bars; the file's own reader tells its day by the most rows."""
    rows = rows + [(at(FRIDAY, "10:00"), 2, 6)] * len(rows)
    file = tmp_path / "SBIN.csv"
    lines = [f"{ist(ts):%Y-%m-%d %H:%M:%S},{ltp / 100:.2f},{volume}" for ts, ltp, volume in rows]
    file.write_text("\n".join(["timestamp,ltp,volume", *lines]))
    catalog = TickCatalog(tmp_path / "catalog")
    (part,), _ = read_ticks(file, Shape(), CALENDAR)
    catalog.put(part.instrument, part.day, part.ticks, dirt=part.dirt)
    (stored,) = StoredDays(
        catalog, [SBIN], [FRIDAY], lambda name, price, day: listed(name.partition(":")[2], price, day), CALENDAR
    )
    recorded = RecordedDay([file])
    assert stored.instruments == recorded.instruments
    assert stored.previous_close(SBIN) == recorded.previous_close(SBIN)
    assert list(stored.steps()) == list(recorded.steps())
    assert stored.bars(SBIN, MINUTE) == recorded.bars(SBIN, MINUTE)
    catalog.close()
