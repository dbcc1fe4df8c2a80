"""Entries need cash: what is held and being opened counts, what was lost is gone, and a restart changes nothing."""

from __future__ import annotations

from datetime import date

import pytest
from msgspec.structs import replace
from tests.adversary import FUTURE, SBIN, Lookup, World
from tests.unit.test_engine_intents import A, ask, denied, target
from tests.unit.test_engine_orders import QUIET

from saudagar.engine.engine import Engine
from saudagar.engine.state import State
from saudagar.market.ist import at
from saudagar.market.sessions import Calendar
from saudagar.model import AccountSnapshot, Direction, Intent, Protection, StrategyId, Tick, TickFrame
from saudagar.model import events as ev

LONG, SHORT, FLAT = Direction.LONG, Direction.SHORT, Direction.FLAT
ENTRY = 50 * 80_400  # 50 at the limit of a market at 800 rupees, which is what they then cost
CHARGES = 100  # of a round trip in this world
MONDAY = date(2026, 11, 23)


def desk(capital: int, percent: int = 100) -> World:
    return World(replace(QUIET, limits=replace(QUIET.limits, capital=capital, leverage_percent=percent)))


def buy(world: World, strategy: str = "a", direction: Direction = LONG) -> None:
    """50 units without a stop, filled if risk lets them."""
    ask(world, direction, strategy=StrategyId(strategy), protection=Protection())
    world.trade()


@pytest.mark.parametrize(
    ("capital", "percent", "bought"), [(ENTRY, 100, 50), (ENTRY - 1, 100, 0), (ENTRY // 5, 500, 50), (0, 500, 0)]
)
def test_an_entry_may_take_all_there_is_and_no_paisa_more(capital: int, percent: int, bought: int) -> None:
    world = desk(capital, percent)
    buy(world)
    assert target(world) == bought
    assert denied(world) == ({} if bought else {"cash": 1})


def test_the_refusal_tells_what_is_needed_and_what_is_free() -> None:
    world = desk(ENTRY + 1_000_00)
    buy(world)
    buy(world, "b")
    (said,) = (each.message for each in world.events if isinstance(each, ev.IntentDenied))
    assert said == "₹40,200.00 is needed and ₹1,000.00 is free: ₹40,200.00 of ₹41,200.00 is in use."


def test_what_is_held_at_its_cost_and_what_is_being_opened_count() -> None:
    world = desk(2 * ENTRY - 50 * 400 - 1)  # what has not traded yet counts at the last price
    ask(world, LONG)
    ask(world, LONG, strategy=StrategyId("b"))
    assert (target(world), denied(world)) == (50, {"cash": 1})
    world.trade()
    world.at(SBIN, 70_000)
    buy(world, "b")
    assert denied(world) == {"cash": 1}


def test_a_loss_is_gone_and_its_charges_too() -> None:
    world = desk(ENTRY)
    buy(world)
    ask(world, FLAT)  # at 80_000 less the reach of the order, which needs no cash
    world.trade()
    (trade,) = world.engine.state.trades
    assert world.engine.watch.earned == trade.gross - CHARGES < 0
    buy(world)
    assert denied(world) == {"cash": 1}
    world = desk(ENTRY - trade.gross + CHARGES)
    for direction in (LONG, FLAT, LONG):
        buy(world, direction=direction)
    assert (target(world), denied(world)) == (50, {})


def test_what_is_being_opened_counts_after_a_restart_before_it_has_a_price_again() -> None:
    need = 65 * 2_412_000  # at the limit of a market at 24 000 rupees
    world = desk(need + 50 * 80_000 - 1)
    ask(world, LONG)
    world._begin()
    world.compare()
    world.now += 10**9
    world.say(TickFrame(world.now, [Tick(FUTURE.id, world.now, 2_400_000, 10)]))
    world.want("b", FUTURE, LONG, 1)
    assert denied(world) == {"cash": 1}


def test_to_stay_in_needs_no_cash() -> None:
    """Wanted again while it is on its way out, at a price at which it could not be bought again."""
    world = desk(ENTRY)
    buy(world)
    world.at(SBIN, 82_000)
    ask(world, FLAT)
    ask(world, LONG, protection=Protection())
    assert (target(world), denied(world)) == (50, {})


def test_a_reversal_frees_what_it_closes() -> None:
    world = desk(ENTRY + 50 * 400)
    buy(world)
    buy(world, direction=SHORT)
    assert (world.truth()[A], denied(world)) == (-50, {})
    buy(world, "b")
    assert denied(world) == {"cash": 1}


def test_a_reversal_that_the_cash_does_not_reach_still_closes() -> None:
    world = desk(ENTRY)
    buy(world)
    ask(world, SHORT, 60, protection=Protection())
    world.trade()
    assert (world.truth()[A], denied(world)) == (0, {"cash": 1})


def test_adding_counts_what_is_held_once() -> None:
    for more, bought in ((0, 50), (10 * 80_400, 60)):
        world = desk(ENTRY + more)
        buy(world)
        ask(world, LONG, 60, protection=Protection())
        world.trade()
        assert world.truth()[A] == bought


def test_a_restart_in_mid_day_counts_the_same() -> None:
    world = desk(2 * ENTRY)
    buy(world)
    ask(world, FLAT)
    world.trade()
    buy(world)
    earned = world.engine.watch.earned
    world.kill()
    assert world.engine.watch.earned == earned < 0
    world.trade()  # the first book comes
    buy(world, "b")
    assert denied(world) == {"cash": 1}


def test_another_day_of_the_same_journal_counts_what_was_lost_before() -> None:
    world = desk(ENTRY)
    buy(world)
    ask(world, FLAT)
    world.trade()
    for more, wanted in ((0, {"cash": 1}), (-world.engine.watch.earned, {})):
        state = State.replay(world.events)
        limits = replace(world.settings.limits, capital=ENTRY + more)
        settings = replace(world.settings, limits=limits)
        engine = Engine(settings, Lookup(SBIN, FUTURE), Calendar(), state, lambda _: CHARGES, watched=(SBIN.id,))
        now = at(MONDAY, "09:20")
        engine.start(MONDAY, now)
        engine.process(AccountSnapshot(ts=now, reports=(), positions=()))
        engine.process(TickFrame(now, [Tick(SBIN.id, now, 80_000, 1)]))
        assert (engine.watch.trades, engine.watch.realised) == (0, 0)
        wish = Intent(strategy=StrategyId("a"), instrument=SBIN.id, direction=LONG, ts=now, reason="test", quantity=50)
        engine.process(wish)
        assert state.denials == wanted
