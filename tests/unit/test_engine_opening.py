"""The signal of a session's last bar: it waits for the next session's first price and is acted on there, once."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

import pytest
from msgspec.structs import replace
from tests.adversary import SBIN, SETTINGS
from tests.mornings import DOWN, FRIDAY, MONDAY, STILL, THURSDAY, UP, Desk, Lines, holding, last_bar, settings

from saudagar.engine.analysis import Analysis
from saudagar.engine.plan_run import Standing
from saudagar.engine.settings import Hours
from saudagar.market.ist import DAY, at
from saudagar.market.sessions import Calendar, SpecialDay
from saudagar.model import (
    MINUTE,
    SECOND,
    CloseAll,
    Direction,
    Instrument,
    InstrumentKind,
    Segment,
    Source,
    Tick,
    TradeSide,
    TradingState,
)
from saudagar.model import events as ev
from saudagar.strategies import Signals, Strategy

MUHURAT = date(2026, 11, 8)
DRILL = date(2024, 3, 2)
GOLD = Instrument(
    segment=Segment.MCX_COMM, symbol="GOLDM-2026-12-04-FUT", kind=InstrumentKind.FUTURE, tick_size=100, lot_size=1
)
DAILY = settings(interval=DAY)


def targets(events: list[ev.Event]) -> list[tuple[int, str]]:
    return [(event.quantity, event.key) for event in events if isinstance(event, ev.TargetSet)]


# -- one session's end, and the next one's beginning ------------------------------------------------------------------


def test_at_the_close_nothing_is_asked_for_and_nothing_refused():
    desk = Desk(FRIDAY, "09:00", [], journal=holding(THURSDAY), wanted=settings(Lines(leaves=True)))
    for second in range(0, 60, 10):
        desk.tick(f"15:29:{second:02}", DOWN)
    before = len(desk.journal)
    assert desk.time("15:30:01") == []  # an exit would be refused, again and again, for the market is closed
    assert desk.engine.analysis.bars == 1
    assert desk.journal[before:] == []
    assert desk.target == 10


def test_the_next_desk_trades_it_at_the_first_price():
    desk = Desk(FRIDAY, "09:00", [last_bar(THURSDAY, STILL, end="15:29"), last_bar(THURSDAY)])
    assert targets(desk.tick("09:05", 79_990)) == []  # the pre-open is no trading
    (event,) = [event for event in desk.tick("09:15:00", 80_050) if isinstance(event, ev.TargetSet)]
    assert (event.quantity, event.reference, event.reason) == (10, 80_050, "a")
    assert event.key == f"a@NSE_EQ:SBIN {at(THURSDAY, '15:29')}"
    assert targets(desk.tick("09:15:01", 80_060)) == []


def test_only_a_bar_that_ended_with_the_session_waits():
    for bars in ([last_bar(THURSDAY, end="15:29")], [last_bar(THURSDAY, end="15:25", interval=5 * MINUTE)], []):
        desk = Desk(FRIDAY, "09:00", bars)
        desk.tick("09:15:00")
        assert (desk.target, desk.denials) == (0, {})


def test_a_bar_that_the_close_cuts_short_may_be_told_at_its_full_length():
    hour = 60 * MINUTE
    desk = Desk(FRIDAY, "09:00", [last_bar(THURSDAY, end="16:15", interval=hour)], wanted=settings(interval=hour))
    desk.tick("09:15:00")
    assert desk.target == 10


def test_an_instrument_that_does_not_trade_for_the_first_minutes():
    desk = Desk(FRIDAY, "09:00", [last_bar(THURSDAY)])
    desk.time("09:39:59")
    assert desk.target == 0
    desk.tick("09:40:00")
    assert desk.target == 10


def test_the_exchanges_clock_may_be_ahead_of_ours():
    desk = Desk(FRIDAY, "09:00", [last_bar(THURSDAY)])
    assert desk.tick("09:15:00", heard="09:14:59") == []
    assert targets(desk.time("09:15:00"))[0][0] == 10
    assert desk.denials == {}


def test_a_price_that_comes_when_all_is_over_buys_nothing():
    desk = Desk(FRIDAY, "09:00", [last_bar(THURSDAY)])
    desk.tick("15:29:59", heard="15:30:02")
    assert (desk.target, desk.denials) == (0, {"session": 1})


class Turns(Strategy):
    """In and out by the same sign: which of them depends on what is held."""

    def signals(self, bar):
        return Signals(long=bar.close > 80_100, exit_long=bar.close > 80_100)


@pytest.mark.parametrize("closed", [False, True])
def test_it_is_decided_at_the_opening_by_what_is_held_then(closed):
    """As in a backtest: a stop that the opening has jumped over fills before the signal is asked."""
    desk = Desk(FRIDAY, "09:00", [last_bar(THURSDAY)], journal=holding(THURSDAY), wanted=settings(Turns()))
    if closed:
        desk.take(desk.engine.process(CloseAll(ts=at(FRIDAY, "09:05"), reason="by hand")))
    desk.tick("09:15:00")
    assert desk.target == (10 if closed else 0)


# -- leaving ----------------------------------------------------------------------------------------------------------


def test_an_exit_waits_likewise():
    desk = Desk(
        FRIDAY, "09:00", [last_bar(THURSDAY, DOWN)], journal=holding(THURSDAY), wanted=settings(Lines(leaves=True))
    )
    assert targets(desk.tick("09:15:00")) == [(0, f"a@NSE_EQ:SBIN {at(THURSDAY, '15:29')}")]


def test_a_reversal_waits_likewise():
    desk = Desk(FRIDAY, "09:00", [last_bar(THURSDAY, DOWN)], journal=holding(THURSDAY))
    desk.tick("09:15:00")
    assert desk.target == -10


@pytest.mark.parametrize("strategy", [Lines(leaves=True), Lines()], ids=["exit", "reversal"])
def test_a_desk_that_comes_hours_late_leaves_and_does_not_turn_round(strategy):
    wanted = settings(strategy, interval=DAY)
    bars = [last_bar(THURSDAY, DOWN, interval=DAY)]
    desk = Desk(FRIDAY, "11:00", bars, journal=holding(THURSDAY), wanted=wanted)
    desk.tick("11:00:01")
    assert (desk.target, desk.denials) == (0, {})
    desk = desk.again("11:10", bars)
    desk.tick("11:10:01")
    assert (desk.target, desk.denials) == (0, {})


def test_what_was_opened_since_then_is_not_left_for_it():
    """A history that lacks today would otherwise close what today's bars have opened."""
    journal = holding(FRIDAY)
    for strategy, denials in ((Lines(leaves=True), {}), (Lines(), {"late": 1})):
        desk = Desk(FRIDAY, "13:00", [last_bar(THURSDAY, DOWN)], journal=journal, wanted=settings(strategy))
        desk.tick("13:00:01")
        assert (desk.target, desk.denials) == (10, denials)


# -- once, and not late -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "clock", "taken"),
    [
        (MINUTE, "09:15:59", True),
        (MINUTE, "09:16", False),
        (5 * MINUTE, "09:19:59", True),
        (5 * MINUTE, "09:20", False),
        (DAY, "09:19:59", True),
        (DAY, "09:20", False),
        (DAY, "11:00", False),
    ],
)
def test_a_desk_that_starts_late_chases_nothing(interval, clock, taken):
    bars = [last_bar(THURSDAY, interval=interval)]
    desk = Desk(FRIDAY, clock, bars, wanted=settings(interval=interval))
    desk.tick("11:30:00" if clock == "11:00" else "09:21")
    assert desk.target == (10 if taken else 0)
    assert desk.denials == ({} if taken else {"late": 1})
    desk = desk.again("11:40", bars)
    desk.tick("11:40:01")
    assert desk.denials == ({} if taken else {"late": 1})  # it is said once


def test_a_restart_just_after_the_opening_finds_it_done():
    bars = [last_bar(THURSDAY, interval=DAY)]
    desk = Desk(FRIDAY, "09:00", bars, wanted=DAILY)
    desk.tick("09:15:00")
    desk = desk.again("09:17", bars)
    before = len(desk.journal)
    desk.tick("09:17:01")
    assert targets(desk.journal[before:]) == []
    assert (desk.target, desk.denials) == (10, {})


def test_a_restart_before_the_first_price_finds_it_undone():
    bars = [last_bar(THURSDAY, interval=DAY)]
    desk = Desk(FRIDAY, "09:00", bars, wanted=DAILY).again("09:16", bars)
    desk.tick("09:16:01")
    assert desk.target == 10


@pytest.mark.parametrize("clock", ["09:18", "11:00"])
def test_a_desk_that_was_stopped_out_does_not_enter_again(clock):
    bars = [last_bar(THURSDAY, interval=DAY)]
    desk = Desk(FRIDAY, "09:00", bars, wanted=DAILY)
    desk.tick("09:15:00")
    core = desk.engine._core
    core.set_target(desk.engine.state.positions["a@NSE_EQ:SBIN"], 0, "stop", Source.PROTECTION)
    desk.time("09:15:02")
    desk = desk.again(clock, bars)
    desk.tick("11:00:01")
    assert (desk.target, desk.denials) == (0, {})


def test_what_risk_refused_at_the_opening_is_not_asked_again():
    bars = [last_bar(THURSDAY, interval=DAY)]
    wanted = replace(DAILY, hours=Hours(no_entry_before="09:16"))
    desk = Desk(FRIDAY, "09:00", bars, wanted=wanted)
    desk.tick("09:15:00")
    assert desk.denials == {"entry-window": 1}  # as in a backtest whose first bar opens before the hours of entry
    desk = desk.again("09:17", bars)
    desk.tick("09:17:01")
    assert (desk.target, desk.denials) == (0, {"entry-window": 1})


def test_switches_and_sides_hold_for_it_too():
    wanted = settings(interval=DAY, side=TradeSide.SELL)
    desk = Desk(FRIDAY, "09:00", [last_bar(THURSDAY, interval=DAY)], wanted=wanted)
    desk.tick("09:15:00")
    assert (desk.target, desk.denials) == (0, {})
    halted = ev.TradingStateChanged(
        ts=at(THURSDAY, "16:00"), state=TradingState.REDUCING, reason="by hand", source=Source.MANUAL
    )
    desk = Desk(FRIDAY, "09:00", [last_bar(THURSDAY)], journal=[halted])
    desk.tick("09:15:00")
    assert (desk.target, desk.denials) == (0, {"reducing": 1})


def test_a_restart_in_mid_day_has_newer_bars():
    bars = [last_bar(THURSDAY), last_bar(FRIDAY, STILL, end="10:59"), last_bar(FRIDAY, end="11:00")]
    desk = Desk(FRIDAY, "11:00:20", bars)
    desk.tick("11:00:21")
    assert (desk.target, desk.denials) == (0, {})


# -- days ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "day", "waits"),
    [
        (FRIDAY, MONDAY, True),  # over a weekend
        (MONDAY, date(2026, 11, 25), True),  # over a holiday
        (THURSDAY, MONDAY, False),  # Friday's bars are not there: nobody knows what became of it
        (date(2026, 11, 6), date(2026, 11, 9), True),  # over a muhurat session whose hours nobody knows
    ],
)
def test_the_session_before_counts_whether_or_not_the_desk_ran(before, day, waits):
    for interval in (MINUTE, DAY):
        desk = Desk(day, "08:50", [last_bar(before, interval=interval)], wanted=settings(interval=interval))
        desk.tick("09:15:00")
        assert (desk.target > 0) is waits


def test_before_the_first_year_that_is_known_nothing_is():
    desk = Desk(date(2015, 1, 1), "09:00", [last_bar(date(2014, 12, 31))])
    desk.tick("09:15:00")
    assert (desk.target, desk.denials) == (0, {})


def test_a_muhurat_session_is_a_session():
    calendar = Calendar(extra=[SpecialDay(day=MUHURAT, hours="18:00-19:00")])
    desk = Desk(MUHURAT, "17:30", [last_bar(date(2026, 11, 6))], calendar=calendar)
    desk.tick("18:00:00")
    assert desk.target == 10
    desk = Desk(date(2026, 11, 9), "09:00", [last_bar(MUHURAT, end="19:00")], calendar=calendar)
    desk.tick("09:15:00")
    assert desk.target == 10
    desk = Desk(date(2026, 11, 9), "09:00", [last_bar(date(2026, 11, 6))], calendar=calendar)
    desk.tick("09:15:00")
    assert desk.target == 0


@pytest.mark.parametrize(
    ("before", "close", "day", "opens"),
    [
        (THURSDAY, "23:55", FRIDAY, "09:00"),
        (date(2026, 10, 29), "23:30", date(2026, 10, 30), "09:00"),  # while New York keeps daylight saving time
        (MONDAY, "23:55", date(2026, 11, 24), "17:00"),  # the evening session of a holiday
    ],
)
def test_mcx_has_hours_of_its_own(before, close, day, opens):
    wanted = settings(instrument=GOLD)
    bars = [last_bar(before, end=close, of=GOLD)]
    desk = Desk(day, "08:00", bars, wanted=wanted, instrument=GOLD)
    desk.tick(f"{opens}:00")
    assert desk.target == 10
    desk = Desk(day, "08:00", [last_bar(before, end="15:30", of=GOLD)], wanted=wanted, instrument=GOLD)
    desk.tick(f"{opens}:00")
    assert desk.target == 0


def test_a_session_in_two_parts():
    desk = Desk(DRILL, "09:00", [], wanted=settings())
    for second in range(0, 60, 20):
        desk.tick(f"09:59:{second:02}", UP)
    assert desk.time("10:00:01") == []
    desk.time("11:29")
    assert (desk.target, desk.denials) == (0, {})
    desk.tick("11:30:00", STILL)
    assert desk.target == 10
    desk = desk.again("11:30:20", [last_bar(DRILL, end="10:00")])
    before = len(desk.journal)
    desk.tick("11:30:21")
    assert targets(desk.journal[before:]) == []


# -- strategies -------------------------------------------------------------------------------------------------------


class ByHand(Strategy):
    """Asks for a fixed quantity at its first bar."""

    seen: ClassVar[list[tuple[int, int]]] = []

    def on_bar(self, ctx, bar):
        self.seen.append((bar.start, ctx.position))
        if not ctx.position:
            ctx.want(Direction.LONG, "by hand", 7)


def test_a_hook_sees_the_last_bar_once_and_none_before_it():
    ByHand.seen.clear()
    bars = [last_bar(THURSDAY, STILL, end="15:29"), last_bar(THURSDAY)]
    desk = Desk(FRIDAY, "09:00", bars, wanted=settings(ByHand()))
    assert ByHand.seen == []
    for clock in ("09:15:00", "09:15:30", "09:16:00"):
        desk.tick(clock)
    assert ByHand.seen == [(bars[-1].start, 0), (at(FRIDAY, "09:15"), 0)]
    assert targets(desk.journal) == [(7, f"a@NSE_EQ:SBIN {bars[-1].start}")]


def test_a_hook_at_the_close_is_asked_by_the_next_desk():
    ByHand.seen.clear()
    desk = Desk(FRIDAY, "09:00", [], wanted=settings(ByHand()))
    desk.tick("15:29:30")
    desk.time("15:30:01")
    assert ByHand.seen == []


class Fails(Strategy):
    """Wrong at the first bar."""

    def on_bar(self, ctx, bar):
        raise ZeroDivisionError("a user's mistake")


def test_a_strategy_that_raises_at_the_opening_is_stopped():
    desk = Desk(FRIDAY, "09:00", [last_bar(THURSDAY)], wanted=settings(Fails()))
    alerts = [event.message for event in desk.tick("09:15:00") if isinstance(event, ev.Alerted)]
    assert len(alerts) == 1
    assert "ZeroDivisionError" in alerts[0]
    for clock in ("09:16:00", "09:17:00"):
        assert not [event for event in desk.tick(clock) if isinstance(event, ev.Alerted)]


def test_where_nobody_is_to_be_told_it_raises():
    analysis = Analysis(settings(Fails()).plans, lambda _: SBIN, Calendar(), lambda _: Standing(0, 0, 0), SECOND)
    analysis.warm(SBIN.id, MINUTE, [last_bar(THURSDAY)])
    ts = at(FRIDAY, "09:15")
    with pytest.raises(ZeroDivisionError):
        analysis.on_tick(Tick(SBIN.id, ts, STILL, 1))


def test_a_strategy_changed_overnight_decides_by_its_new_rules():
    desk = Desk(FRIDAY, "09:00", [last_bar(THURSDAY)], wanted=settings(Lines(upper=90_000)))
    desk.tick("09:15:00")
    assert desk.target == 0


def test_two_plans_of_one_share_decide_each_for_itself():
    one = settings().plans[0]
    two = replace(settings(Lines(upper=90_000)).plans[0], id="b")
    three = replace(one, id="c")
    desk = Desk(FRIDAY, "09:00", [last_bar(THURSDAY)], wanted=replace(settings(), plans=(one, two, three)))
    desk.tick("09:15:00")
    assert {name: each.target for name, each in desk.engine.state.positions.items()} == {
        "a@NSE_EQ:SBIN": 10,
        "c@NSE_EQ:SBIN": 10,
    }


def test_the_last_bar_is_wanted_even_where_a_strategy_needs_no_history():
    (need,) = Desk(FRIDAY, "09:00", [], wanted=settings(ByHand())).engine.analysis.needs()
    assert (need.bars, need.days) == (1, 0)
    assert SETTINGS.limits.stale > 10 * SECOND  # the tests above have the usual one
    assert SBIN.id == need.instrument
