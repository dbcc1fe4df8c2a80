"""What is shown to a person as wrong in a series, and what is not."""

from __future__ import annotations

from datetime import date

import pytest

from saudagar.market.ist import DAY, at, ist, midnight
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, Bar, InstrumentId, Segment
from saudagar.storage.catalog_check import check_bars

NAME = InstrumentId("NSE_EQ:SBIN")
CALENDAR = Calendar()
MONDAY = date(2026, 11, 16)


def daily(prices: dict[str, float]) -> list[Bar]:
    """Day → opening price in rupees; it closes where it opened."""
    return [
        Bar(
            NAME,
            DAY,
            midnight(date.fromisoformat(day)),
            midnight(date.fromisoformat(day)) + DAY,
            *[round(p * 100)] * 4,
            1,
        )
        for day, p in prices.items()
    ]


def minutes(day: date, first: str, last: str) -> list[Bar]:
    """A bar for each minute of `[first, last)`."""
    return [
        Bar(NAME, MINUTE, ts, ts + MINUTE, 100, 100, 100, 100, 1) for ts in range(at(day, first), at(day, last), MINUTE)
    ]


def found(bars: list[Bar], now: int | None = None) -> list[str]:
    return [
        f"{each.kind}: {ist(each.start):%d %H:%M}-{ist(each.end):%d %H:%M} {each.detail}"
        for each in check_bars(bars, Segment.NSE_EQ, CALENDAR, now)
    ]


def test_a_whole_week_is_right() -> None:
    days = [f"2026-11-{day}" for day in (16, 17, 18, 19, 20, 23)]
    assert found(daily(dict.fromkeys(days, 100.0))) == []
    assert found([]) == []


def test_the_rest_of_a_session_that_goes_on_is_not_missed() -> None:
    bars = minutes(MONDAY, "09:15", "10:00")
    assert found(bars, at(MONDAY, "10:01")) == []
    assert found(bars, at(MONDAY, "10:20")) == ["hole: 16 10:00-16 10:20 20 minutes of the session without a bar"]
    assert (
        found(bars, at(MONDAY, "16:00"))
        == found(bars)
        == ["hole: 16 10:00-16 15:15 315 minutes of the session without a bar"]
    )
    assert found(bars, at(MONDAY, "08:00")) == []  # a clock that is wrong hides what is to come, and no more
    gap = [bar for bar in bars if not at(MONDAY, "09:20") <= bar.start < at(MONDAY, "09:50")]
    assert found(gap, at(MONDAY, "10:01")) == ["hole: 16 09:20-16 09:50 30 minutes of the session without a bar"]


def test_missing_sessions_are_told_together() -> None:
    assert found(daily(dict.fromkeys(["2026-11-16", "2026-11-19", "2026-11-23", "2026-11-25"], 100.0))) == [
        "missing days: 17 00:00-19 00:00 2 sessions without a bar",
        "missing days: 20 00:00-21 00:00 1 session without a bar",
    ], "24 November 2026 is a holiday"


def test_a_bar_on_a_holiday_is_told() -> None:
    assert found(daily(dict.fromkeys(["2026-11-13", "2026-11-14", "2026-11-16"], 100.0))) == [
        "outside hours: 14 00:00-15 00:00 1 bar on a day without a session"
    ]


def test_years_that_the_calendar_does_not_know_are_not_guessed() -> None:
    (only,) = found(daily(dict.fromkeys(["2013-01-01", "2013-01-04"], 100.0)))
    assert only.startswith("not checked: 01 00:00-05 00:00 the NSE holidays of 2013 are not known")


def test_holes_in_a_session() -> None:
    whole = minutes(MONDAY, "09:15", "15:30")
    assert found(whole) == []
    quiet = [bar for bar in whole if not at(MONDAY, "11:00") <= bar.start < at(MONDAY, "11:14")]
    assert found(quiet) == []
    late = minutes(MONDAY, "09:40", "11:00") + minutes(MONDAY, "12:00", "14:00")
    assert found(late) == [
        "hole: 16 09:15-16 09:40 25 minutes of the session without a bar",
        "hole: 16 11:00-16 12:00 60 minutes of the session without a bar",
        "hole: 16 14:00-16 15:15 75 minutes of the session without a bar",
    ]


def test_bars_outside_the_session() -> None:
    strays = minutes(MONDAY, "08:00", "08:02") + minutes(MONDAY, "09:15", "15:30") + minutes(MONDAY, "18:00", "18:01")
    assert found(strays) == ["outside hours: 16 08:00-16 18:01 3 bars outside the session"]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (1000.0, 100.5, "looks like a split or bonus, 10 shares for 1"),
        (1000.0, 510.0, "looks like a split or bonus, 2 shares for 1"),
        (900.0, 600.0, "looks like a bonus of 1 for 2"),
        (600.0, 500.0, "looks like a bonus of 1 for 5"),
        (10.0, 100.0, "looks like a consolidation, 1 share for 10"),
        (100.0, 60.0, "(-40.0%); looks like a bonus of 2 for 3"),
        (100.0, 70.0, "opens at 70.00 after 100.00 (-30.0%)"),
    ],
)
def test_jumps(before: float, after: float, words: str) -> None:
    (only,) = found(daily({"2026-11-16": before, "2026-11-17": after}))
    assert only.startswith("jump: 16 00:00-17 00:00 opens at")
    assert only.endswith(words)


def test_ordinary_days_do_not_jump() -> None:
    assert found(daily({"2026-11-16": 100.0, "2026-11-17": 113.9, "2026-11-18": 100.0})) == []


def test_a_fall_within_a_day_is_no_corporate_action() -> None:
    bars = minutes(MONDAY, "09:15", "15:30")
    bars[200:] = [Bar(NAME, MINUTE, bar.start, bar.end, 50, 50, 50, 50, 1) for bar in bars[200:]]
    assert found(bars) == []
