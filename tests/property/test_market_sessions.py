"""Laws of the calendar over every known day."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from saudagar.market.ist import at, date_of, day_number, ist, ist_day, midnight, next_at, number_of
from saudagar.market.sessions import Calendar, PhaseKind
from saudagar.model import Instrument, InstrumentKind, Segment

CALENDAR = Calendar()
SEGMENTS = st.sampled_from([segment for segment in Segment if segment is not Segment.MCX_COMM])
UNTABLED = {date(2026, 11, 8)}  # a session whose hours are not known
DAYS = st.dates(date(2015, 1, 5), date(2026, 12, 24)).filter(lambda day: day not in UNTABLED)
MCX_DAYS = st.dates(date(2025, 1, 1), date(2026, 12, 31)).filter(lambda day: day not in UNTABLED | {date(2026, 2, 1)})


@given(
    st.one_of(st.tuples(SEGMENTS, DAYS), st.tuples(st.just(Segment.MCX_COMM), MCX_DAYS)),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_phases_follow_one_another_within_the_day(where: tuple[Segment, date], auction: bool) -> None:
    segment, day = where
    phases = CALENDAR.phases(segment, day, auction)
    assert bool(phases) is CALENDAR.is_session(segment, day)
    edges = [edge for phase in phases for edge in (phase.start, phase.end)]
    assert edges == sorted(edges)
    assert all(ist_day(edge) == day for edge in edges)
    assert all(phase.start < phase.end for phase in phases)
    assert bool(phases) is any(phase.kind is PhaseKind.CONTINUOUS for phase in phases)


@given(SEGMENTS, DAYS, st.integers(0, 86_399_999), st.booleans(), st.sampled_from(InstrumentKind))
@settings(max_examples=300, deadline=None)
def test_is_continuous_says_what_phase_at_says(
    segment: Segment, day: date, millisecond: int, auction: bool, kind: InstrumentKind
) -> None:
    instrument = Instrument(segment=segment, symbol="X", kind=kind, tick_size=5, closing_auction=auction)
    ts = midnight(day) + millisecond * 1_000_000
    expected = CALENDAR.phase_at(instrument, ts) is PhaseKind.CONTINUOUS
    assert CALENDAR.is_continuous(instrument, ts) is expected


@given(SEGMENTS, DAYS)
@settings(max_examples=200, deadline=None)
def test_neighbours_have_nothing_between_them(segment: Segment, day: date) -> None:
    after = CALENDAR.next_session(segment, day)
    assert CALENDAR.sessions(segment, day + timedelta(days=1), after) == [after]
    if CALENDAR.is_session(segment, day):
        assert CALENDAR.previous_session(segment, after) == day


@given(st.dates(), st.integers(0, 86_399))
def test_ist_goes_there_and_back(day: date, second: int) -> None:
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    ts = at(day, clock)
    assert ist_day(ts) == day
    if 1 < day.year < 9999:
        assert f"{ist(ts):%H:%M:%S}" == clock
        assert ist(ts).date() == day


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1))
def test_days_of_a_column_are_those_of_its_moments(moments: list[int]) -> None:
    days = [ist_day(ts) for ts in moments]
    assert [date_of(day_number(ts)) for ts in moments] == days
    assert day_number(np.array(moments)).tolist() == [number_of(day) for day in days]


@given(st.integers(-(2**62), 2**62), st.integers(0, 1439))
def test_the_next_time_of_a_clock_is_ahead_by_a_day_at_most(now: int, minute: int) -> None:
    clock = f"{minute // 60:02d}:{minute % 60:02d}"
    then = next_at(now, clock)
    assert 0 < then - now <= 86_400 * 10**9
    assert f"{ist(then):%H:%M:%S.%f}" == f"{clock}:00.000000"
