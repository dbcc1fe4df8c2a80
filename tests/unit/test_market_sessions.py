"""The calendar against the exchanges' circulars, day by day."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from saudagar.market.ist import at, ist, ist_day, midnight, since_midnight
from saudagar.market.session_tables import HOLIDAYS, SPECIAL_DAYS
from saudagar.market.sessions import Calendar, PhaseKind, SpecialDay, evening_close
from saudagar.model import Exchange, Instrument, InstrumentKind, Right, Segment
from saudagar.model.errors import CalendarError, DataError

DAILY = Path(__file__).resolve().parents[2] / "../shared/fixtures/prices/daily"
CALENDAR = Calendar()
STOCK = Instrument(segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5, closing_auction=True)
SMALL = Instrument(segment=Segment.NSE_EQ, symbol="SMALL", kind=InstrumentKind.EQUITY, tick_size=1)
NIFTY = Instrument(segment=Segment.NSE_INDEX, symbol="NIFTY", kind=InstrumentKind.INDEX, tick_size=5)
FUTURE = Instrument(segment=Segment.NSE_FNO, symbol="NIFTY-F", kind=InstrumentKind.FUTURE, tick_size=10)
OPTION = Instrument(
    segment=Segment.NSE_FNO, symbol="NIFTY-C", kind=InstrumentKind.OPTION, tick_size=5, right=Right.CALL
)


def day(text: str) -> date:
    return date.fromisoformat(text)


def hours(segment: Segment, on: str, closing_auction: bool = False, calendar: Calendar = CALENDAR) -> list[str]:
    """`KIND HH:MM-HH:MM` of each phase."""
    return [
        f"{phase.kind} {ist(phase.start):%H:%M}-{ist(phase.end):%H:%M}"
        for phase in calendar.phases(segment, day(on), closing_auction)
    ]


OLD_CASH = [
    "PRE_OPEN 09:00-09:08",
    "PRE_OPEN_MATCH 09:08-09:12",
    "BUFFER 09:12-09:15",
    "CONTINUOUS 09:15-15:30",
    "POST_CLOSE 15:40-16:00",
]
AUCTION = [
    "CONTINUOUS 09:15-15:15",
    "CLOSE_REFERENCE 15:15-15:20",
    "CLOSE_ENTRY 15:20-15:25",
    "CLOSE_LIMIT 15:25-15:30",
    "CLOSE_MATCH 15:30-15:35",
]
NEW_PRE_OPEN = [
    "PRE_OPEN 09:00-09:05",
    "PRE_OPEN_LIMIT 09:05-09:10",
    "PRE_OPEN_MATCH 09:10-09:12",
    "BUFFER 09:12-09:15",
]
LATE_POST = ["POST_CLOSE 15:50-16:00"]


@pytest.mark.parametrize(
    ("segment", "on", "closing_auction", "expected"),
    [
        (Segment.NSE_EQ, "2026-07-31", True, OLD_CASH),  # the Friday before the closing auction began
        (Segment.NSE_EQ, "2026-08-03", True, OLD_CASH[:3] + AUCTION + LATE_POST),
        (Segment.NSE_EQ, "2026-08-03", False, OLD_CASH[:4] + LATE_POST),
        (Segment.BSE_EQ, "2026-09-04", True, OLD_CASH[:3] + AUCTION + LATE_POST),
        (Segment.BSE_EQ, "2026-09-07", True, NEW_PRE_OPEN + AUCTION + LATE_POST),
        (Segment.NSE_EQ, "2026-11-20", False, [*NEW_PRE_OPEN, "CONTINUOUS 09:15-15:30", *LATE_POST]),
        (Segment.NSE_INDEX, "2026-07-31", False, ["CONTINUOUS 09:15-15:30"]),
        (Segment.NSE_INDEX, "2026-11-20", False, AUCTION),
        (Segment.NSE_FNO, "2025-12-05", False, ["CONTINUOUS 09:15-15:30"]),
        (Segment.NSE_FNO, "2025-12-08", False, OLD_CASH[:4]),
        (Segment.NSE_FNO, "2026-08-03", True, [*OLD_CASH[:3], "CONTINUOUS 09:15-15:40"]),
        (Segment.BSE_FNO, "2026-07-31", False, ["CONTINUOUS 09:15-15:30"]),
        (Segment.BSE_FNO, "2026-08-03", False, ["CONTINUOUS 09:15-15:40"]),
        (Segment.MCX_COMM, "2026-11-20", False, ["CONTINUOUS 09:00-23:55"]),
        (Segment.MCX_COMM, "2026-07-01", False, ["CONTINUOUS 09:00-23:30"]),
        (Segment.MCX_COMM, "2026-05-01", False, ["CONTINUOUS 17:00-23:30"]),
        (Segment.MCX_COMM, "2026-11-24", False, ["CONTINUOUS 17:00-23:55"]),
        (Segment.MCX_COMM, "2026-01-01", False, ["CONTINUOUS 09:00-17:00"]),
        (Segment.MCX_COMM, "2025-02-01", False, ["CONTINUOUS 09:00-17:00"]),
        (Segment.NSE_EQ, "2024-11-01", False, ["CONTINUOUS 18:00-19:00"]),
        (Segment.NSE_FNO, "2025-10-21", False, ["CONTINUOUS 13:45-14:45"]),
        (Segment.MCX_COMM, "2025-10-21", False, ["CONTINUOUS 13:45-14:45"]),
        (Segment.NSE_EQ, "2023-11-12", False, ["CONTINUOUS 18:15-19:15"]),
        (Segment.BSE_EQ, "2024-03-02", False, ["CONTINUOUS 09:15-10:00", "CONTINUOUS 11:30-12:30"]),
        (Segment.NSE_FNO, "2024-05-18", False, ["CONTINUOUS 09:15-10:00", "CONTINUOUS 11:30-12:30"]),
        (Segment.NSE_EQ, "2021-02-24", False, ["CONTINUOUS 09:15-11:40", "CONTINUOUS 15:45-17:00"]),
        (Segment.NSE_EQ, "2026-02-01", False, OLD_CASH),
        (Segment.NSE_EQ, "2024-01-20", False, OLD_CASH),
        (Segment.NSE_EQ, "2021-04-16", False, OLD_CASH),
        (Segment.NSE_EQ, "2026-11-24", False, []),
        (Segment.NSE_EQ, "2026-11-21", False, []),
        (Segment.MCX_COMM, "2026-12-25", False, []),
    ],
)
def test_phases_of_a_day(segment: Segment, on: str, closing_auction: bool, expected: list[str]) -> None:
    assert hours(segment, on, closing_auction) == expected
    assert CALENDAR.is_session(segment, day(on)) is bool(expected)


@pytest.mark.parametrize(
    ("year", "count"),
    # Weekdays less holidays, plus weekend sessions.
    [(2024, 246 + 3), (2025, 248 + 1), (2026, 245 + 2)],
)
def test_sessions_of_a_year(year: int, count: int) -> None:
    days = CALENDAR.sessions(Segment.NSE_EQ, date(year, 1, 1), date(year, 12, 31))
    assert len(days) == count
    assert days == CALENDAR.sessions(Segment.BSE_EQ, date(year, 1, 1), date(year, 12, 31))


def test_every_tabled_holiday_is_a_weekday_once_and_in_order() -> None:
    for years in HOLIDAYS.values():
        for year, text in years.items():
            days = [day(f"{year}-{part}") for part in text.split()]
            assert days == sorted(set(days))
            assert all(each.weekday() < 5 for each in days)


def test_no_special_day_is_tabled_twice_and_every_one_is_in_a_known_year() -> None:
    seen = [(exchange, special.day) for special in SPECIAL_DAYS for exchange in special.exchanges]
    assert len(seen) == len(set(seen))
    assert all(each.year in CALENDAR.known_years(exchange) for exchange, each in seen)


def test_known_years_are_told() -> None:
    assert CALENDAR.known_years(Exchange.NSE) == tuple(range(2015, 2027))
    assert CALENDAR.known_years(Exchange.MCX) == (2025, 2026)


@pytest.mark.parametrize(
    ("segment", "on", "line"),
    [
        (Segment.NSE_EQ, "2027-01-04", '`2027: "MM-DD MM-DD …",` to HOLIDAYS[Exchange.NSE]'),
        (Segment.BSE_FNO, "2014-12-31", '`2014: "MM-DD MM-DD …",` to HOLIDAYS[Exchange.BSE]'),
        (Segment.MCX_COMM, "2024-06-03", '`2024: "MM-DD MM-DD …",` to HOLIDAYS[Exchange.MCX]'),
        (Segment.NSE_EQ, "2027-01-02", "Calendar(holidays={(Exchange.NSE, 2027):"),  # a Saturday is not known either
    ],
)
def test_an_unknown_year_is_refused_with_the_line_to_add(segment: Segment, on: str, line: str) -> None:
    questions: list[Callable[[], object]] = [
        lambda: CALENDAR.is_session(segment, day(on)),
        lambda: CALENDAR.phases(segment, day(on)),
        lambda: CALENDAR.open_close(segment, day(on)),
        lambda: CALENDAR.phase_at(segment, at(day(on), "12:00")),
    ]
    for ask in questions:
        with pytest.raises(CalendarError) as told:
            ask()
        assert line in str(told.value)


def test_the_last_known_session_has_no_next_one() -> None:
    with pytest.raises(CalendarError, match="holidays of 2027"):
        CALENDAR.next_session(Segment.NSE_EQ, day("2026-12-31"))


def test_muhurat_2026_is_a_session_whose_hours_must_be_added() -> None:
    muhurat = day("2026-11-08")
    assert CALENDAR.is_session(Segment.NSE_EQ, muhurat)
    with pytest.raises(CalendarError) as told:
        CALENDAR.phases(Segment.NSE_EQ, muhurat)
    assert "SpecialDay(day=date(2026, 11, 8), hours=" in str(told.value)
    own = Calendar(extra=[SpecialDay(day=muhurat, hours="18:00-19:00")])
    assert hours(Segment.NSE_FNO, "2026-11-08", calendar=own) == ["CONTINUOUS 18:00-19:00"]
    with pytest.raises(CalendarError):
        own.phases(Segment.MCX_COMM, muhurat)  # added for the share markets only


def test_user_added_years_and_days() -> None:
    own = Calendar(
        extra=[
            SpecialDay(day=day("2026-11-25"), hours="closed", name="ad hoc"),
            SpecialDay(day=day("2027-10-29"), hours="18:00-19:00 20:00-20:30"),
            SpecialDay(day=day("2028-01-01"), hours="regular"),
        ],
        holidays={(Exchange.NSE, 2027): "01-26"},
    )
    assert not own.is_session(Segment.NSE_EQ, day("2026-11-25"))
    assert own.is_session(Segment.NSE_EQ, day("2028-01-01"))  # known although its year is not
    assert own.next_session(Segment.NSE_EQ, day("2027-01-25")) == day("2027-01-27")
    assert len(own.phases(Segment.NSE_EQ, day("2027-10-29"))) == 2
    with pytest.raises(CalendarError):
        own.is_session(Segment.BSE_EQ, day("2027-01-25"))


@pytest.mark.parametrize(
    "wrong", ["", "noon", "18:00", "19:00-18:00", "09:15-10:00 09:30-11:00", "18:00-19:00-20:00", "25:00-26:00"]
)
def test_added_hours_that_make_no_sense_are_refused(wrong: str) -> None:
    with pytest.raises(CalendarError, match="expected hours"):
        Calendar(extra=[SpecialDay(day=day("2026-11-08"), hours=wrong)])


def test_added_holidays_that_make_no_sense_are_refused() -> None:
    with pytest.raises(CalendarError, match="02-30"):
        Calendar(holidays={(Exchange.NSE, 2027): "01-26 02-30"})


def test_neighbours_of_a_session() -> None:
    assert CALENDAR.next_session(Segment.NSE_EQ, day("2026-11-20")) == day("2026-11-23")
    assert CALENDAR.next_session(Segment.NSE_EQ, day("2026-11-23")) == day("2026-11-25")
    assert CALENDAR.previous_session(Segment.NSE_EQ, day("2024-03-04")) == day("2024-03-02")
    closed = [SpecialDay(day=day("2026-11-01") + timedelta(days=n), hours="closed") for n in range(40)]
    with pytest.raises(CalendarError, match="30 days without a session"):
        Calendar(extra=closed).next_session(Segment.NSE_EQ, day("2026-11-01"))


def test_open_close_spans_all_windows_and_refuses_a_closed_day() -> None:
    drill = day("2024-03-02")
    assert CALENDAR.open_close(Segment.NSE_EQ, drill) == (at(drill, "09:15"), at(drill, "12:30"))
    friday = day("2026-11-20")
    assert CALENDAR.open_close(Segment.NSE_EQ, friday, True) == (at(friday, "09:15"), at(friday, "15:15"))
    with pytest.raises(CalendarError, match="no session on Sat 2026-11-21"):
        CALENDAR.open_close(Segment.NSE_EQ, day("2026-11-21"))


@pytest.mark.parametrize(
    ("where", "clock", "kind"),
    [
        (STOCK, "08:59:59", None),
        (STOCK, "09:00", PhaseKind.PRE_OPEN),
        (STOCK, "09:09:59", PhaseKind.PRE_OPEN_LIMIT),
        (STOCK, "09:14", PhaseKind.BUFFER),
        (STOCK, "09:15", PhaseKind.CONTINUOUS),
        (STOCK, "15:14:59", PhaseKind.CONTINUOUS),
        (STOCK, "15:15", PhaseKind.CLOSE_REFERENCE),
        (STOCK, "15:24", PhaseKind.CLOSE_ENTRY),
        (STOCK, "15:29", PhaseKind.CLOSE_LIMIT),
        (STOCK, "15:34", PhaseKind.CLOSE_MATCH),
        (STOCK, "15:40", None),
        (STOCK, "15:55", PhaseKind.POST_CLOSE),
        (SMALL, "15:29:59", PhaseKind.CONTINUOUS),
        (SMALL, "15:30", None),
        (FUTURE, "09:05", PhaseKind.PRE_OPEN),
        (OPTION, "09:05", None),
        (OPTION, "09:14", None),
        (OPTION, "15:39:59", PhaseKind.CONTINUOUS),
        (NIFTY, "15:20", PhaseKind.CLOSE_ENTRY),
        (Segment.BSE_FNO, "15:39", PhaseKind.CONTINUOUS),
        (Segment.BSE_FNO, "09:05", None),
    ],
)
def test_phase_at(where: Instrument | Segment, clock: str, kind: PhaseKind | None) -> None:
    ts = at(day("2026-11-20"), clock)
    assert CALENDAR.phase_at(where, ts) is kind
    if isinstance(where, Instrument):
        assert CALENDAR.is_continuous(where, ts) is (kind is PhaseKind.CONTINUOUS)


def test_is_continuous_follows_the_day_and_both_windows_of_a_drill() -> None:
    calendar = Calendar()
    for on, clock, expected in [
        ("2026-11-20", "10:00", True),
        ("2026-11-21", "10:00", False),
        ("2024-03-02", "10:30", False),
        ("2024-03-02", "11:30", True),
        ("2026-11-20", "15:15", False),
    ]:
        assert calendar.is_continuous(STOCK, at(day(on), clock)) is expected
        assert calendar.is_continuous(STOCK, at(day(on), clock)) is expected  # and once more from the cache
    with pytest.raises(CalendarError):
        calendar.is_continuous(STOCK, at(day("2027-06-01"), "10:00"))


def test_bounds_are_the_phases_of_one_instrument() -> None:
    assert CALENDAR.bounds(OPTION)(day("2026-11-20")) == CALENDAR.phases_of(OPTION, day("2026-11-20"))


@pytest.mark.parametrize(
    ("on", "close"),
    [
        ("2026-03-06", "23:55"),
        ("2026-03-09", "23:30"),  # the Monday after 8 March, the second Sunday
        ("2026-10-30", "23:30"),
        ("2026-11-02", "23:55"),  # the Monday after 1 November, the first Sunday
        ("2025-03-10", "23:30"),
        ("2025-11-03", "23:55"),
    ],
)
def test_mcx_closes_by_american_daylight_saving(on: str, close: str) -> None:
    assert evening_close(day(on)) == close


def test_phase_kinds_say_what_they_allow() -> None:
    collecting = {kind for kind in PhaseKind if kind.collects_orders}
    assert collecting == {
        PhaseKind.PRE_OPEN,
        PhaseKind.PRE_OPEN_LIMIT,
        PhaseKind.CLOSE_ENTRY,
        PhaseKind.CLOSE_LIMIT,
    }
    assert not any(kind.opening_auction and kind.closing_auction for kind in PhaseKind)


@pytest.mark.skipif(not DAILY.is_dir(), reason="the price files are not beside the repository")
def test_sessions_of_2015_to_2021_are_the_days_on_which_shares_traded() -> None:
    with (DAILY / "SBIN.csv").open() as file:
        traded = [day(row["date"]) for row in csv.DictReader(file)]
    assert CALENDAR.sessions(Segment.NSE_EQ, date(2015, 1, 1), date(2021, 12, 31)) == traded


def test_ist_at_the_edges() -> None:
    friday = day("2026-11-20")
    assert f"{ist(at(friday, '15:10:30')):%Y-%m-%d %H:%M:%S%z}" == "2026-11-20 15:10:30+0530"
    assert ist(midnight(friday) + 1_234_567_890).microsecond == 234_567
    assert ist_day(midnight(friday)) == friday
    assert ist_day(midnight(friday) - 1) == day("2026-11-19")
    assert ist_day(0) == day("1970-01-01")
    for beyond in (10**21, -(10**21), 10**40):
        with pytest.raises(DataError, match="years 1 and 9999"):
            ist_day(beyond)


@pytest.mark.parametrize("wrong", ["", "9:15", "24:00", "09:60", "09:15:60", "0915", "09:15:00:00", "ab:cd", "-9:15"])
def test_a_wrong_clock_is_refused(wrong: str) -> None:
    with pytest.raises(DataError, match="expected an IST time"):
        since_midnight(wrong)
