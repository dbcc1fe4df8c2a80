"""What can go wrong with a change of an order, or with its end."""

from __future__ import annotations

import pytest
from tests.adversary import SBIN, World
from tests.unit.test_engine_intents import LONG, A, ask
from tests.unit.test_engine_orders import FLAT, QUIET, S, alerts, effects, entered, fail, held

from saudagar.execution.effects import CancelOrder, ModifyOrder
from saudagar.model import (
    ModifyAccepted,
    OrderReport,
    OrderType,
)

# -- modify -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["lost answer", "lost request", "refused", "too fast"])
def test_a_modification_of_any_outcome_ends_in_an_exit(outcome):
    world = World(QUIET)
    held(world)
    ask(world, FLAT)
    assert len(effects(world, ModifyOrder)) == 1
    world.carry(outcome)
    world.settle(10)
    assert world.truth() == {A: 0}


def test_a_crossed_report_does_not_end_a_modification_of_unknown_outcome_twice():
    world = World(QUIET)
    stop = held(world)
    ask(world, FLAT)
    world.carry("lost answer")
    world.wire.clear()
    fail(world, "modify", stop.new.order_id, refused=False)
    known = world.engine.state.orders[stop.new.order_id]
    assert known.modify_sent is not None
    world.say(OrderReport(order_id=stop.new.order_id, status=S.OPEN, ts=world.now))  # says nothing of terms
    assert known.modify_sent is not None
    world.talk()
    assert known.modify_sent is None
    assert known.terms.order_type is OrderType.LIMIT
    world.say(ModifyAccepted(world.now, stop.new.order_id))  # late: nothing is under way
    assert known.terms.order_type is OrderType.LIMIT


@pytest.mark.parametrize("news", ["none", "another price", "another target"])
def test_what_is_asked_while_a_stop_moves_is_done_once_it_has_moved(news):
    world = World(QUIET)
    stop = held(world)
    world.at(SBIN, 82_000)
    assert [effect.order_id for effect in effects(world, ModifyOrder)] == [stop.new.order_id]
    if news == "another price":
        world.at(SBIN, 82_500)
    elif news == "another target":
        ask(world, FLAT)
    assert len(effects(world, ModifyOrder)) == 1  # one at a time
    world.carry("ok")
    while world.wire:
        world.hear(0)
    again = effects(world, ModifyOrder)
    assert [effect.order_id for effect in again] == ([] if news == "none" else [stop.new.order_id])
    assert stop.terms.trigger_price == 82_000 - 965
    world.talk()
    assert stop.terms.order_type is (OrderType.LIMIT if news == "another target" else OrderType.SL)
    if news == "another price":
        assert stop.terms.trigger_price == 82_500 - 965


def test_a_modification_that_crosses_the_last_fill():
    world = World(QUIET)
    stop = held(world)
    ask(world, FLAT)
    world.fill_at(stop, 50, 79_200)
    world.settle(5)
    assert world.truth() == {A: 0}


def deliver(world: World, outcome: str, kind: type) -> None:
    """Carry out and deliver everything; requests of `kind` have that outcome."""
    while world.pending or world.wire:
        while world.wire:
            world.hear(0)
        world.carry(outcome if world.pending and isinstance(world.pending[0], kind) else "ok")


def test_a_stop_that_may_not_become_the_exit_makes_room_for_one():
    world = World(QUIET)
    stop = held(world)
    ask(world, FLAT)
    for _ in range(12):
        deliver(world, "refused", ModifyOrder)
        world.tick(0, 0)
    assert stop.status is S.CANCELLED
    world.trade()
    assert world.truth() == {A: 0}


def test_a_stop_for_more_than_is_held_that_may_not_become_smaller_is_taken_back():
    world = World(QUIET)
    stop = held(world)
    world.wait(15)
    world.foreign[SBIN.id] = -20
    world.compare()
    world.wait(11)
    world.compare()
    for _ in range(12):
        deliver(world, "refused", ModifyOrder)
        world.tick(0, 0)
    assert stop.status is S.CANCELLED
    assert [order.remaining for order in world.book.values() if order.remaining] == [30]


# -- cancel -----------------------------------------------------------------------------------------------------------


def test_an_exit_waits_no_longer_once_the_entry_that_could_not_be_cancelled_is_over():
    world = World(QUIET)
    held(world)
    ask(world, LONG, 80)
    world.talk()
    (entry,) = [order for order in world.book.values() if order.new.terms.quantity == 30]
    ask(world, FLAT)
    for _ in range(40):
        deliver(world, "refused", CancelOrder)
        world.tick(0, 0)
    entry.status = S.CANCELLED
    world.say(OrderReport(order_id=entry.new.order_id, status=S.CANCELLED, ts=world.now, filled=0))
    world.trade()
    assert world.truth() == {A: 0}


@pytest.mark.parametrize("outcome", ["lost answer", "lost request", "refused"])
def test_a_cancel_of_any_outcome_ends_in_a_cancel(outcome):
    world = World(QUIET)
    order = entered(world)
    ask(world, FLAT)
    world.carry(outcome)
    for _ in range(5):
        world.talk()
        world.tick(0, 0)
    assert order.status is S.CANCELLED
    assert not world.engine.state.working[A]


def test_a_cancel_whose_result_is_lost_is_asked_about():
    world = World(QUIET)
    entered(world)
    ask(world, FLAT)
    world.carry("ok")
    world.wire.clear()
    assert world.engine.state.working[A]
    world.settle(5)
    assert not world.engine.state.working[A]


def test_a_cancel_crosses_a_fill():
    world = World(QUIET)
    order = entered(world)
    ask(world, FLAT)
    world.fill_at(order, 50, 80_400)
    world.settle(5)
    assert world.truth() == {A: 0}


def test_a_cancel_that_is_refused_again_and_again_leaves_writes_to_others():
    world = World(QUIET)
    order = entered(world)
    ask(world, FLAT)
    asked = 0
    for _ in range(60):
        while world.pending:
            refuse = isinstance(world.pending[0], CancelOrder)
            asked += refuse
            world.carry("refused" if refuse else "ok")
            while world.wire:
                world.hear(0)
        world.tick(0, 0)
    assert asked <= 7
    assert "cancel" in alerts(world, "critical")[0]
    world.settle(70)
    assert order.status is S.CANCELLED
