"""An entry that could not leave in time is given up and told; an exit is never late."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.adversary import SBIN, SETTINGS, World
from tests.unit.test_engine_intents import A, ask, denied, target
from tests.unit.test_engine_orders import QUIET, fail, held

from saudagar.engine.state import State
from saudagar.execution.steering import Tactics
from saudagar.model import (
    SECOND,
    CloseAll,
    Direction,
    LinkReported,
    Protection,
    Purpose,
    StrategyId,
)
from saudagar.model import events as ev

LONG, SHORT, FLAT = Direction.LONG, Direction.SHORT, Direction.FLAT
HURRIED = replace(QUIET, tactics=Tactics(entry_age=3 * SECOND))


def entries(world: World) -> list[int]:
    """Units of each entry sent."""
    orders = world.engine.state.orders.values()
    return [order.new.terms.quantity for order in orders if order.new.purpose is Purpose.ENTRY]


def last_denial(world: World) -> ev.IntentDenied:
    return [event for event in world.events if isinstance(event, ev.IntentDenied)][-1]


@pytest.mark.parametrize(("age", "sent"), [(3, 4), (30, 8), (0, 8)])
def test_what_the_throttle_holds_back_for_too_long_is_given_up(age, sent):
    settings = replace(
        QUIET, limits=replace(QUIET.limits, orders_per_second=1), tactics=Tactics(entry_age=age * SECOND)
    )
    world = World(settings)
    for name in "abcdefgh":  # one leaves each second
        ask(world, LONG, strategy=StrategyId(name), protection=Protection())
    world.wait(12)
    assert len(entries(world)) == sent
    assert denied(world) == ({"late": 8 - sent} if sent < 8 else {})
    assert {target(world, f"{name}@NSE_EQ:SBIN") for name in "abcdefgh"[sent:]} <= {0}
    assert State.replay(world.events).digest() == world.engine.state.digest()


def test_it_is_told_how_late_it_was():
    world = World(HURRIED)
    ask(world, LONG)
    (order,) = world.engine.state.orders.values()
    world.pending.clear()
    fail(world, "submit", order.id, refused=True, retry=True)  # too fast: the next second, says the broker
    world.say(LinkReported(ts=world.now, link="orders", up=False, blocks_entries=True, detail="log in"))
    world.wait(100)
    world.say(LinkReported(ts=world.now, link="orders", up=True))
    world.talk()  # the broker's book has come
    told = last_denial(world)
    assert (told.rule, told.position) == ("late", A)
    assert told.message == "the signal is 100 s old; an entry is sent within 3 s or not at all."
    assert (entries(world), target(world)) == ([50], 0)


def test_what_has_filled_of_a_late_entry_stays_with_its_exits():
    world = World(HURRIED)
    ask(world, LONG, 300)  # three slices of 100
    for _ in range(2):
        world.talk()
        (entry,) = [each for each in world.book.values() if each.remaining and each.new.purpose is Purpose.ENTRY]
        world.wait(2)
        world.fill_at(entry, 100, 80_400)
    world.talk()
    assert (entries(world), denied(world)) == ([100, 100], {"late": 1})
    assert (target(world), world.truth()) == (200, {A: 200})
    stops = [order.remaining for order in world.book.values() if order.status.working]
    assert stops == [100, 100]
    world.settle(5)


def test_the_second_half_of_a_reversal_may_be_late_and_the_first_never_is():
    world = World(HURRIED)
    held(world)
    ask(world, SHORT)
    world.talk()
    (exit_,) = [order for order in world.book.values() if order.remaining]
    for _ in range(60):
        world.wait(1)
        world.talk()
    assert exit_.remaining == 50  # still on its way out, moved after the price
    world.fill_at(exit_, 50, 80_000)
    world.talk()
    assert (denied(world), target(world)) == ({"late": 1}, 0)
    world.settle(5)
    assert world.truth() == {A: 0}


def test_an_exit_that_had_to_wait_is_sent():
    world = World(HURRIED)
    held(world)
    world.say(LinkReported(ts=world.now, link="orders", up=False, blocks_entries=True, detail="log in"))
    world.say(CloseAll(ts=world.now, reason="enough"))
    world.wait(120)
    world.say(LinkReported(ts=world.now, link="orders", up=True))
    world.compare()
    world.wait(1)
    world.trade()
    assert world.truth() == {A: 0}
    assert denied(world) == {}


def test_a_wish_that_is_said_again_in_time_counts_from_then():
    world = World(replace(SETTINGS, tactics=Tactics(entry_age=3 * SECOND)))
    ask(world, LONG)
    world.trade()
    world.wait(10)
    ask(world, LONG, 80)
    world.trade()
    assert world.truth() == {A: 80}
    assert world.engine.state.positions[A].decided == world.engine.now
    assert SBIN.id not in world.engine.state.frozen
