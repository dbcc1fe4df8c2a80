"""The screen before the bars: what feeds get wrong, told as tables."""

from __future__ import annotations

from datetime import date

import pytest
from tests.unit.test_market_bars import CALENDAR, FRIDAY, INDEX, OPTION, STOCK, builder, tick

from saudagar.market.bars import ODD_TICKS
from saudagar.market.ist import at
from saudagar.market.screen import REFUSALS, TickScreen
from saudagar.model import Instrument, InstrumentKind, Segment, Tick
from saudagar.model.errors import CalendarError, DataError

# The screen


def screen(**options: int) -> TickScreen:
    return TickScreen([STOCK, INDEX, OPTION], CALENDAR, **options)


@pytest.mark.parametrize(
    ("refused", "kind"),
    [
        (tick("10:00:00", 0, 10), "price"),
        (tick("10:00:00", -5, 10), "price"),
        (tick("10:00:00", 10**12, 10), "price"),
        (tick("10:00:00", 100, -1), "volume"),
        (tick("10:00:00", 100, 2**62), "volume"),
        (tick("10:00:03", 100, 10), "future"),
        (tick("10:00:00", 100, 10, date(2026, 11, 19)), "day"),
        (Tick(STOCK.id, 0, 100, 10), "day"),
        (Tick(STOCK.id, -(10**18), 100, 10), "day"),
        (tick("08:59:59", 100, 10), "session"),
        (tick("09:59:57", 100, 10), "late"),
        (tick("10:00:00", 121, 10), "jump"),
        (tick("10:00:00", 79, 10), "jump"),
        (
            Tick(Instrument(segment=Segment.NSE_EQ, symbol="Y", kind=InstrumentKind.EQUITY, tick_size=5).id, 0, 1),
            "unknown",
        ),
    ],
)
def test_a_tick_that_cannot_be_used_is_counted_by_kind(refused: Tick, kind: str) -> None:
    screening = screen()
    now = at(FRIDAY, "10:00:00")
    first = tick("09:59:58", 100, 5)
    assert screening.check(first, now) is first
    assert screening.check(refused, now) is None
    assert {name: count for name, count in screening.counts.items() if count} == {kind: 1}
    good = tick("10:00:00", 120, 10)
    assert screening.usable([refused, good], now) == [good]


@pytest.mark.parametrize(
    ("clock", "passes"),
    [("09:00:00", True), ("09:14:00", True), ("15:34:59", True), ("15:35:00", False), ("15:55:00", False)],
)
def test_auctions_pass_and_the_post_close_does_not(clock: str, passes: bool) -> None:
    screening = screen()
    assert (screening.check(tick(clock, 100, 10), at(FRIDAY, clock)) is not None) is passes


def test_the_hours_between_two_windows_are_closed() -> None:
    drill = date(2024, 3, 2)
    screening = screen()
    verdicts = [
        screening.check(tick(clock, 100, 10, drill), at(drill, clock)) is not None
        for clock in ("09:59:59", "10:30:00", "11:30:00")
    ]
    assert verdicts == [True, False, True]


def test_a_premium_may_double() -> None:
    screening = screen()
    for price in (100, 300, 20):
        assert screening.check(tick("10:00:00", price, 10, instrument=OPTION), at(FRIDAY, "10:00:00")) is not None


def test_three_ticks_that_agree_are_believed() -> None:
    """A wrong first price must not shut an instrument out for the day, nor two wrong ones in a row move it."""
    screening, now = screen(), at(FRIDAY, "10:00:00")
    prices = [100, 500, 501, 101, 500, 900, 901, 902, 905]
    passed = [price for price in prices if screening.check(tick("10:00:00", price, 1), now)]
    assert passed == [100, 101, 902, 905]
    assert screening.counts["jump"] == 5


def test_a_new_day_opens_new_sessions_and_an_unknown_one_is_refused() -> None:
    screening = screen()
    monday = date(2026, 11, 23)
    assert screening.check(tick("10:00:00", 100, 10), at(FRIDAY, "10:00:00"))
    assert screening.check(tick("10:00:00", 101, 10, monday), at(monday, "10:00:00"))
    assert screening.check(tick("10:00:00", 101, 10), at(monday, "10:00:01")) is None
    assert screening.counts["day"] == 1
    saturday = date(2026, 11, 28)
    assert screening.check(tick("10:00:00", 101, 10, saturday), at(saturday, "10:00:00")) is None
    assert screening.counts["session"] == 1
    with pytest.raises(CalendarError):
        screening.check(tick("10:00:00", 101, 10), at(date(2027, 1, 4), "10:00"))


def test_negative_limits_are_refused() -> None:
    with pytest.raises(DataError, match="negative"):
        screen(skew=-1)
    with pytest.raises(DataError, match="negative"):
        TickScreen([STOCK], CALENDAR, jump_percent={InstrumentKind.EQUITY: -1})


def test_the_kinds_are_told_even_when_nothing_happened() -> None:
    assert tuple(screen().counts) == REFUSALS
    assert tuple(builder().counts) == ODD_TICKS
