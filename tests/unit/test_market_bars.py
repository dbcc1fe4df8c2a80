"""Bars from ticks: what feeds get wrong, told as tables."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest

from saudagar.market.bars import BarBuilder
from saudagar.market.ist import DAY, IST, at, ist
from saudagar.market.screen import TickScreen
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, SECOND, Bar, Instrument, InstrumentKind, Segment, Tick, to_paise
from saudagar.model.errors import CalendarError, DataError

TICKS = Path(__file__).resolve().parents[2] / "../shared/fixtures/prices/ticks"
CALENDAR = Calendar()
FRIDAY = date(2026, 11, 20)
STOCK = Instrument(segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5, closing_auction=True)
INDEX = Instrument(segment=Segment.NSE_INDEX, symbol="NIFTY", kind=InstrumentKind.INDEX, tick_size=5)
OPTION = Instrument(segment=Segment.NSE_FNO, symbol="NIFTY-C", kind=InstrumentKind.OPTION, tick_size=5)


def builder(interval: int = MINUTE, instrument: Instrument = STOCK) -> BarBuilder:
    return BarBuilder(instrument.id, interval, CALENDAR.bounds(instrument))


def tick(clock: str, price: int, volume: int, day: date = FRIDAY, instrument: Instrument = STOCK) -> Tick:
    return Tick(instrument.id, at(day, clock), price, volume)


def told(bar: Bar | None) -> str:
    """A bar as a line: times, prices, volume, ticks."""
    if bar is None:
        return "-"
    prices = f"{bar.open} {bar.high} {bar.low} {bar.close}"
    return f"{ist(bar.start):%H:%M:%S}-{ist(bar.end):%H:%M:%S} {prices} v{bar.volume} n{bar.ticks}"


def run(built: BarBuilder, rows: str, day: date = FRIDAY) -> list[str]:
    """Feed `clock price volume` rows, then end the day; the bars in order."""
    closed = []
    for row in rows.split(","):
        clock, price, volume = row.split()
        bar = built.on_tick(tick(clock, int(price), int(volume), day))
        closed += [told(bar)] if bar else []
    last = built.close_until(at(day, "23:59"))
    return closed + ([told(last)] if last else [])


def odd(built: BarBuilder) -> dict[str, int]:
    return {kind: count for kind, count in built.counts.items() if count}


@pytest.mark.parametrize(
    ("rows", "bars", "counts"),
    [
        pytest.param(
            "09:15:01 100 10, 09:15:20 105 30, 09:15:40 99 35, 09:16:00 101 40",
            ["09:15:00-09:16:00 100 105 99 99 v35 n3", "09:16:00-09:17:00 101 101 101 101 v5 n1"],
            {},
            id="the first bar takes the opening auction's volume",
        ),
        pytest.param(
            "11:03:10 100 5000, 11:03:20 101 5010, 11:04:00 102 5030",
            ["11:03:00-11:04:00 100 101 100 101 v10 n2", "11:04:00-11:05:00 102 102 102 102 v20 n1"],
            {},
            id="joined mid-day: the first volume is the base",
        ),
        pytest.param(
            "09:10:00 99 500, 09:20:00 100 700",
            ["09:20:00-09:21:00 100 100 100 100 v700 n1"],
            {"outside": 1},
            id="heard before the open: nothing was missed",
        ),
        pytest.param(
            "09:15:01 100 10, 09:20:00 101 20",
            ["09:15:00-09:16:00 100 100 100 100 v10 n1", "09:20:00-09:21:00 101 101 101 101 v10 n1"],
            {},
            id="quiet intervals leave gaps",
        ),
        pytest.param(
            "09:15:01 100 10, 09:15:01 100 10, 09:15:30 100 10, 09:16:30 100 10",
            ["09:15:00-09:16:00 100 100 100 100 v10 n1"],
            {"duplicate": 1, "quiet": 2},
            id="repeats make no bar",
        ),
        pytest.param(
            "09:15:30 100 20, 09:15:10 90 10, 09:15:20 110 15, 09:15:40 101 30",
            ["09:15:00-09:16:00 90 110 90 101 v30 n4"],
            {"disordered": 2},
            id="disorder within the bar moves open, high and low",
        ),
        pytest.param(
            "11:00:30 100 500, 11:00:10 90 480, 11:00:40 101 510",
            ["11:00:00-11:01:00 90 100 90 101 v30 n3".replace("100 90", "101 90")],
            {"disordered": 1},
            id="disorder in the bar of joining lowers the base",
        ),
        pytest.param(
            "09:15:01 100 10, 09:16:01 101 20, 09:15:59 50 15, 09:16:30 102 30",
            ["09:15:00-09:16:00 100 100 100 100 v10 n1", "09:16:00-09:17:00 101 102 101 102 v20 n2"],
            {"late": 1},
            id="a late tick changes nothing",
        ),
        pytest.param(
            "09:15:01 100 10, 09:15:02 500 4, 09:15:01 99 9, 09:16:00 900 3, 09:16:01 102 12",
            ["09:15:00-09:16:00 99 100 99 100 v10 n2", "09:16:00-09:17:00 102 102 102 102 v2 n1"],
            {"falling": 2, "disordered": 1},
            id="falling volume is no trade, unless it is the same second",
        ),
        pytest.param(
            "09:15:10 100 10, 09:16:10 101 20, 09:16:05 90 5, 09:16:05 90 25",
            ["09:15:00-09:16:00 100 100 100 100 v10 n1", "09:16:00-09:17:00 101 101 101 101 v10 n1"],
            {"falling": 2},
            id="an older tick whose volume belongs elsewhere",
        ),
        pytest.param(
            "09:15:10 100 10, 09:15:11 0 20, 09:15:12 -5 30, 09:15:13 100 -1, 09:16:00 0 40, 09:15:20 101 12",
            ["09:15:00-09:16:00 100 101 100 101 v12 n2"],
            {"unusable": 4},
            id="prices and volumes that cannot be",
        ),
        pytest.param(
            "15:14:59 100 10, 15:15:00 101 20, 15:29:00 130 90, 15:55:00 130 95",
            ["15:14:00-15:15:00 100 100 100 100 v0 n1"],
            {"outside": 3},
            id="the closing auction is no part of intraday bars",
        ),
    ],
)
def test_minute_bars(rows: str, bars: list[str], counts: dict[str, int]) -> None:
    built = builder()
    assert run(built, rows) == bars
    assert odd(built) == counts


def test_a_source_without_volume_makes_bars_from_every_new_time() -> None:
    built = builder(instrument=INDEX)
    rows = "09:15:01 100 0, 09:15:01 100 0, 09:15:02 100 0, 09:16:02 100 0"
    assert run(built, rows) == [
        "09:15:00-09:16:00 100 100 100 100 v0 n2",
        "09:16:00-09:17:00 100 100 100 100 v0 n1",
    ]
    assert odd(built) == {"duplicate": 1}


def test_a_changed_price_without_volume_is_a_trade() -> None:
    assert run(builder(), "09:15:01 100 10, 09:16:01 101 10") == [
        "09:15:00-09:16:00 100 100 100 100 v10 n1",
        "09:16:00-09:17:00 101 101 101 101 v0 n1",
    ]


@pytest.mark.parametrize(
    ("interval", "clock", "span"),
    [
        (SECOND, "10:00:07", "10:00:07-10:00:08"),
        (5 * MINUTE, "09:19:59", "09:15:00-09:20:00"),
        (60 * MINUTE, "10:14:00", "09:15:00-10:15:00"),
        (60 * MINUTE, "15:14:59", "14:15:00-15:15:00"),
        (7 * MINUTE, "15:14:59", "15:12:00-15:15:00"),  # the fifty-second bar would run to 15:19
        (100 * MINUTE, "15:00:00", "14:15:00-15:15:00"),
        (DAY, "12:00:00", "09:15:00-15:35:00"),
    ],
)
def test_bars_are_aligned_to_the_session_and_end_with_it(interval: int, clock: str, span: str) -> None:
    built = builder(interval)
    built.on_tick(tick(clock, 100, 10))
    assert told(built.close_until(at(FRIDAY, "23:00"))).split()[0] == span


def test_the_day_bar_takes_the_closing_auction_and_nothing_after_it() -> None:
    built = builder(DAY)
    rows = "09:08:00 90 5, 09:15:01 100 10, 15:14:00 95 70, 15:29:00 110 90, 15:34:00 111 99, 15:55:00 999 120"
    assert run(built, rows) == ["09:15:00-15:35:00 100 111 95 111 v99 n4"]
    assert odd(built) == {"outside": 2}


def test_a_drill_day_has_two_windows_on_one_grid() -> None:
    drill = date(2024, 3, 2)
    rows = "09:59:00 100 10, 10:30:00 105 20, 11:30:00 101 30, 11:30:00 101 30, 12:15:00 102 40, 12:30:00 103 50"
    assert run(builder(60 * MINUTE), rows, drill) == [
        "09:15:00-10:00:00 100 100 100 100 v10 n1",
        "11:30:00-12:15:00 101 101 101 101 v20 n1",
        "12:15:00-12:30:00 102 102 102 102 v10 n1",
    ]
    assert run(builder(DAY), rows, drill) == ["09:15:00-12:30:00 100 102 100 102 v40 n3"]


def test_a_new_day_closes_the_bar_and_starts_volume_again() -> None:
    built = builder()
    built.on_tick(tick("15:14:30", 100, 900))
    monday = date(2026, 11, 23)
    assert told(built.on_tick(tick("09:15:05", 102, 40, monday))) == "15:14:00-15:15:00 100 100 100 100 v0 n1"
    assert built.on_tick(tick("15:14:40", 500, 950)) is None  # Friday is over
    assert told(built.close_until(at(monday, "09:16"))) == "09:15:00-09:16:00 102 102 102 102 v40 n1"
    assert odd(built) == {"late": 1}


def test_a_tick_on_a_closed_day_ends_the_bar_but_makes_none() -> None:
    built = builder()
    built.on_tick(tick("15:14:30", 100, 900))
    assert built.on_tick(tick("10:00:00", 100, 950, date(2026, 11, 21))) is not None
    assert odd(built) == {"outside": 1}
    assert built.close_until(at(date(2026, 11, 22), "00:00")) is None


def test_an_unknown_day_is_refused_and_changes_nothing() -> None:
    built = builder()
    with pytest.raises(CalendarError):
        built.on_tick(Tick(STOCK.id, 0, 100, 10))
    built.on_tick(tick("09:15:05", 100, 10))
    with pytest.raises(CalendarError):
        built.on_tick(tick("09:15:05", 100, 10, date(2027, 1, 4)))
    assert told(built.close_until(at(FRIDAY, "09:16"))) == "09:15:00-09:16:00 100 100 100 100 v10 n1"
    assert built.on_tick(Tick(STOCK.id, -1, 100, 10)) is None
    assert odd(built) == {"late": 1}


def test_time_closes_a_bar_and_what_comes_after_is_late() -> None:
    built = builder()
    assert built.close_until(at(FRIDAY, "09:00")) is None
    built.on_tick(tick("09:15:05", 100, 10))
    assert built.close_until(at(FRIDAY, "09:15:59")) is None
    assert built.close_until(at(FRIDAY, "09:16")) is not None
    assert built.close_until(at(FRIDAY, "09:18:30")) is None
    for clock in ("09:15:59", "09:17:59"):  # the bar that was closed, and one that time passed by
        assert built.on_tick(tick(clock, 200, 20)) is None
    assert odd(built) == {"late": 2}
    built.on_tick(tick("09:18:10", 101, 30))  # its bar ends after 09:18:30
    assert told(built.close_until(at(FRIDAY, "09:19"))) == "09:18:00-09:19:00 101 101 101 101 v20 n1"


def test_the_end_of_the_open_bar_is_told() -> None:
    built = builder()
    assert built.open_end == 0
    built.on_tick(tick("09:15:05", 100, 10))
    assert built.open_end == at(FRIDAY, "09:16")
    built.close_until(built.open_end)
    assert built.open_end == 0


def test_time_that_passed_before_the_first_tick_counts_too() -> None:
    built = builder()
    built.close_until(at(FRIDAY, "09:20"))
    assert built.on_tick(tick("09:19:59", 100, 10)) is None
    assert odd(built) == {"late": 1}


@pytest.mark.parametrize("interval", [0, -MINUTE, SECOND // 2, SECOND + 1, DAY + SECOND])
def test_an_interval_that_makes_no_sense_is_refused(interval: int) -> None:
    with pytest.raises(DataError, match="whole seconds"):
        builder(interval)


# A recorded day, as dirty as it was found


def recorded(path: Path, instrument: Instrument) -> Iterator[Tick]:
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            ts = int(datetime.fromisoformat(row["timestamp"]).replace(tzinfo=IST).timestamp()) * SECOND
            yield Tick(instrument.id, ts, to_paise(row["ltp"]), int(row["volume"]))


RECORDED = [
    ("RELIANCE", Instrument(segment=Segment.NSE_EQ, symbol="R", kind=InstrumentKind.EQUITY, tick_size=5)),
    ("TATAMOTORS", Instrument(segment=Segment.NSE_EQ, symbol="T", kind=InstrumentKind.EQUITY, tick_size=5)),
    ("NIFTY50", INDEX),
    ("BANKNIFTY", INDEX),
]


@pytest.mark.unmeasured
@pytest.mark.skipif(not TICKS.is_dir(), reason="the recorded ticks are not beside the repository")
@pytest.mark.parametrize(("name", "instrument"), RECORDED)
def test_a_recorded_day(name: str, instrument: Instrument) -> None:
    day = date(2021, 4, 16)
    opening, closing = CALENDAR.open_close(instrument.segment, day)
    rows = list(recorded(TICKS / f"{name}_2021_16_April.csv.gz", instrument))
    screening = TickScreen([instrument], CALENDAR)
    built = BarBuilder(instrument.id, MINUTE, CALENDAR.bounds(instrument))
    now, passed, bars = opening, list[Tick](), list[Bar]()
    for row in rows:
        if row.ts < at(day, "23:59"):
            now = max(now, row.ts)
        if (usable := screening.check(row, now)) is None:
            continue
        passed.append(usable)
        bar = built.on_tick(usable)
        bars += [bar] if bar else []
    last = built.close_until(closing)
    bars += [last] if last else []

    years = Counter(ist(row.ts).date() for row in rows)
    assert screening.counts["day"] == years[date(1970, 1, 1)]
    assert screening.counts["future"] == years[date(2021, 4, 19)] > 0
    assert screening.counts["late"] > 0
    assert screening.counts["session"] > 0
    assert sum(screening.counts.values()) + len(passed) == len(rows)
    assert all(opening <= bar.start < bar.end <= closing for bar in bars)
    assert [bar.start for bar in bars] == sorted({row.ts - row.ts % MINUTE for row in passed if row.ts < closing})
    assert sum(bar.volume for bar in bars) == max(row.volume for row in passed)
    prices = [row.ltp for row in passed]
    assert (max(bar.high for bar in bars), min(bar.low for bar in bars)) == (max(prices), min(prices))
