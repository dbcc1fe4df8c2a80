"""Recorded days: rows go out as found, in file order, when they arrived; and what is no tick file."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from saudagar.exchange.recorded import RecordedDay
from saudagar.market.ist import DAY, at, ist
from saudagar.model import MINUTE, InstrumentId
from saudagar.model.errors import CalendarError, DataError, UnknownInstrument

REAL = Path(__file__).resolve().parents[2] / "../shared/fixtures/prices/ticks"
TODAY = date(2021, 4, 16)
RELIANCE = InstrumentId("NSE_EQ:RELIANCE")
NIFTY = InstrumentId("NSE_INDEX:NIFTY")
EVER = 2**62

DIRTY = """timestamp,ltp,volume
2021-04-15 15:29:59,1900.0,5
2021-04-16 09:15:05,1933.35,56296
2021-04-16 09:15:07,1933.6,56400
2021-04-16 09:15:05,1933.35,56296
1970-01-01 05:30:00,1933.6,56400
2021-04-16 09:15:07,1933.6,56400
2021-04-16 09:16:01,1934.0,56000
2021-04-16 09:16:02,1935.0,57000
2021-04-16 15:30:55,1932.1,57000
2021-04-19 09:15:16,1906.65,100
"""


@pytest.fixture
def write(tmp_path):
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


def arrivals(source: RecordedDay) -> list[tuple[str, str, int]]:
    """When it arrived, the row's own time, its price."""
    clock, stamp = "%H:%M:%S", "%y-%m-%d %H:%M:%S"
    return [
        (ist(ts).strftime(clock), ist(tick.ts).strftime(stamp), tick.ltp)
        for ts, ticks in source.steps()
        for tick in ticks
    ]


@pytest.mark.parametrize("name", ["RELIANCE_2021_16_April.csv.gz", "reliance.csv"])
def test_rows_go_out_as_found_when_they_arrived(write, name):
    source = RecordedDay([write(name, DIRTY)])
    assert source.day == TODAY
    assert arrivals(source) == [
        ("09:15:05", "21-04-15 15:29:59", 190_000),
        ("09:15:05", "21-04-16 09:15:05", 193_335),
        ("09:15:07", "21-04-16 09:15:07", 193_360),
        ("09:15:07", "21-04-16 09:15:05", 193_335),
        ("09:15:07", "70-01-01 05:30:00", 193_360),
        ("09:15:07", "21-04-16 09:15:07", 193_360),
        ("09:16:01", "21-04-16 09:16:01", 193_400),
        ("09:16:02", "21-04-16 09:16:02", 193_500),
        ("15:31:00", "21-04-16 15:30:55", 193_210),
        ("15:31:00", "21-04-19 09:15:16", 190_665),
    ]


def test_steps_are_seconds_until_the_close_then_minutes(write):
    steps = [ts for ts, _ in RecordedDay([write("RELIANCE.csv", DIRTY)]).steps()]
    assert steps[0] == at(TODAY, "09:15")
    assert steps[22_500] == at(TODAY, "15:30")
    assert steps[22_501:] == [at(TODAY, "15:31")]


def test_files_are_merged_by_arrival(write):
    head = "timestamp,ltp,volume\n"
    one = write("RELIANCE.csv", head + "2021-04-16 09:15:01,1.0,1\n2021-04-16 09:15:03,3.0,3\n")
    two = write("NIFTY50.csv", head + "2021-04-16 09:15:02,2.0,0\n2021-04-16 09:15:03,4.0,0\n")
    source = RecordedDay([one, two])
    assert [price for _, _, price in arrivals(source)] == [100, 200, 300, 400]
    assert [each.id for each in source.instruments] == [RELIANCE, NIFTY]


def test_instruments_have_the_tick_of_their_day(write):
    rows = "timestamp,ltp,volume\n{day} 09:15:05,1933.35,56296\n"
    old = RecordedDay([write("RELIANCE.csv", rows.format(day="2021-04-16"))])
    new = RecordedDay([write("RELIANCE.csv", rows.format(day="2026-11-20"))])
    assert (old.instruments[0].tick_size, new.instruments[0].tick_size) == (5, 10)


def test_history_is_today_so_far(write):
    source = RecordedDay([write("RELIANCE.csv", DIRTY)])
    assert source.previous_close(RELIANCE) == 190_000
    assert source.history(RELIANCE, MINUTE, 0, EVER) == []
    for ts, _ in source.steps():
        if ts == at(TODAY, "09:16:30"):
            break
    (bar,) = source.history(RELIANCE, MINUTE, 0, EVER)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (193_335, 193_360, 193_335, 193_360, 56_400)
    list(source.steps())
    second = source.history(RELIANCE, MINUTE, 0, EVER)[1]
    assert (second.open, second.close, second.volume) == (193_500, 193_500, 600), "a falling volume is no trade"
    (day,) = source.history(RELIANCE, DAY, 0, EVER)
    assert (day.open, day.close, day.volume, day.ticks) == (193_335, 193_500, 57_000, 4)
    assert ist(day.end).strftime("%H:%M") == "15:30"
    with pytest.raises(UnknownInstrument):
        source.history(NIFTY, MINUTE, 0, EVER)
    with pytest.raises(DataError, match="whole minutes"):
        source.history(RELIANCE, 1, 0, EVER)


HEAD = "timestamp,ltp,volume\n"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("RELIANCE.csv", "", "columns"),
        ("RELIANCE.csv", "a,b\n1,2\n", "columns timestamp, ltp, volume, got a, b"),
        ("RELIANCE.csv", HEAD, "no tick"),
        ("RELIANCE.csv", HEAD + "2021-04-16 09:15:05,nan,1\n", "line 2"),
        ("RELIANCE.csv", HEAD + "2021-04-16 09:15:05,1,inf\n", "line 2"),
        ("RELIANCE.csv", HEAD + "2021-04-16 09:15:05,1,1\nyesterday,1,1\n", "line 3"),
        ("RELIANCE.csv", HEAD + "2021-04-16 09:15:05,1\n", "line 2"),
        ("REL IANCE.csv", HEAD + "2021-04-16 09:15:05,1,1\n", "symbol"),
    ],
)
def test_what_is_no_tick_file(write, name, text, said):
    with pytest.raises(DataError, match=said):
        RecordedDay([write(name, text)])


def test_files_that_cannot_be_read(write, tmp_path):
    torn = write("RELIANCE.csv.gz", DIRTY)
    torn.write_bytes(torn.read_bytes()[:-20])
    binary = tmp_path / "TCS.csv"
    binary.write_bytes(b"\xff\xfe\x00" * 50)
    for path in (torn, binary, tmp_path / "INFY.csv", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            RecordedDay([path])


def test_files_that_do_not_belong_together(write):
    row = HEAD + "2021-04-{day} 09:15:05,1,1\n"
    first, second = write("TCS.csv", row.format(day=16)), write("INFY.csv", row.format(day=15))
    with pytest.raises(DataError, match="one day"):
        RecordedDay([first, second])
    with pytest.raises(DataError, match=r"both of NSE_EQ:TCS"):
        RecordedDay([first, write("TCS_2.csv", row.format(day=16))])
    with pytest.raises(DataError, match="no tick file"):
        RecordedDay([])
    with pytest.raises(CalendarError, match="no session"):
        RecordedDay([write("WIPRO.csv", row.format(day=17))])


@pytest.mark.unmeasured
@pytest.mark.skipif(not REAL.is_dir(), reason="the recorded tick files (../shared/fixtures/prices/ticks) are not here")
def test_the_real_files():
    files = sorted(REAL.glob("*.csv.gz"))
    source = RecordedDay(files)
    assert source.day == TODAY
    counts, years, last = Counter(), Counter(), 0
    for ts, ticks in source.steps():
        assert ts > last
        assert len(ticks) <= 2_000
        last = ts
        counts.update(tick.instrument for tick in ticks)
        years.update(ist(tick.ts).year for tick in ticks)
    assert len(counts) == len(files) == 4
    for path, instrument in zip(files, source.instruments, strict=True):
        with gzip.open(path, "rt") as stream:
            assert counts[instrument.id] == sum(1 for _ in stream) - 1, "every row went out"
    assert years[1970] == 6_014
    bars = source.history(RELIANCE, MINUTE, 0, EVER)
    assert len(bars) > 360
    assert sum(bar.volume for bar in bars) > 7_000_000
