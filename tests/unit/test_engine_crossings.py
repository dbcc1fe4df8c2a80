"""Messages that cross, and orders that others touch: rare, each able to leave an order that would open a position."""

from __future__ import annotations

from msgspec.structs import replace
from tests.adversary import SBIN, Book, World
from tests.unit.test_engine_intents import A, ask, target
from tests.unit.test_engine_orders import QUIET, alerts, effects, entered, fail, held

from saudagar.execution.effects import CancelOrder, ModifyOrder, SubmitOrder
from saudagar.model import (
    Direction,
    LookUpMissed,
    ModifyAccepted,
    OrderStatus,
    OrderType,
    Protection,
    Purpose,
    Side,
)

LONG, FLAT = Direction.LONG, Direction.FLAT
S = OrderStatus


def live(world: World) -> list[Book]:
    return [order for order in world.book.values() if order.remaining]


def revive(world: World, order: Book, quantity: int) -> None:
    """An order that had ended has traded after all, and the desk hears of it."""
    world.check = lambda: None  # the broker has broken the rule, not the desk
    order.status = S.OPEN
    world.fill_at(order, quantity, 80_000)
    while world.wire:
        world.hear(0)


def cancelled_by_others(world: World, order: Book) -> None:
    order.status = S.CANCELLED
    world._tell(order)
    world.talk()
    world.wait(2)
    world.talk()


# -- a closing order on the wrong side --------------------------------------------------------------------------------


def test_an_exit_that_a_late_fill_made_an_entry_is_taken_back():
    world = World(QUIET)
    first = held(world)
    ask(world, FLAT)
    world.talk()
    cancelled_by_others(world, first)
    (second,) = live(world)
    world.fill_at(second, 20, 80_000)
    world.hear(0)
    revive(world, first, 50)  # 50 − 20 − 50, and 30 more are still for sale
    assert world.engine.state.positions[A].quantity == -20
    assert [effect.order_id for effect in effects(world, CancelOrder)] == [second.new.order_id]
    world.talk()
    assert [(order.new.side, order.remaining) for order in live(world)] == [(Side.BUY, 20)]
    world.settle(5)
    assert world.truth() == {A: 0}


def test_a_stop_that_a_late_fill_made_an_entry_is_taken_back():
    world = World(QUIET)
    first = held(world)
    ask(world, FLAT)
    world.talk()
    cancelled_by_others(world, first)
    world.trade()
    ask(world, LONG, 30)
    world.trade()
    (stop,) = live(world)
    assert (stop.new.purpose, stop.new.side) == (Purpose.STOP, Side.SELL)
    revive(world, first, 50)
    assert world.engine.state.positions[A].quantity == -20
    world.talk()
    assert stop.status is S.CANCELLED
    world.settle(10)
    assert world.truth() == {A: 30}


# -- a stop on its way to a limit -------------------------------------------------------------------------------------


def leaving_in_part() -> tuple[World, Book]:
    """Of 50 held, 20 are wanted: the stop is asked to sell 30 at once, and the answer is under way."""
    world = World(QUIET)
    stop = held(world)
    ask(world, LONG, 20)
    (asked,) = effects(world, ModifyOrder)
    world.pending.remove(asked)
    stop.terms = asked.terms
    return world, stop


def test_a_part_that_leaves_is_no_stop_though_its_fill_outruns_the_answer():
    world, stop = leaving_in_part()
    world.fill_at(stop, 30, 80_000)
    world.hear(0)
    assert target(world) == 20
    world.say(ModifyAccepted(world.now, stop.new.order_id))
    world.settle(5)
    assert world.truth() == {A: 20}


def test_a_stop_that_fires_before_its_change_closes_all():
    world, stop = leaving_in_part()
    stop.terms = replace(stop.terms, quantity=50, order_type=OrderType.SL)
    for part in (20, 30):
        world.fill_at(stop, part, 79_100)
        world.hear(0)
    assert target(world) == 0
    fail(world, "modify", stop.new.order_id, refused=True)
    world.settle(5)
    assert world.truth() == {A: 0}
    assert [trade.exit_reason for trade in world.engine.state.trades] == ["stop"]


# -- orders that others cancel ----------------------------------------------------------------------------------------


def test_a_stop_that_others_cancel_again_and_again_is_renewed_ever_more_slowly():
    world = World(QUIET)
    held(world)
    for _ in range(60):
        for order in live(world):
            order.status, order.reason = S.CANCELLED, "risk desk"
            world._tell(order)
        world.talk()
        world.tick(0, 0)
    assert 5 <= len(world.sent) <= 8
    assert "cancelled: risk desk" in alerts(world, "critical")[0]
    world.settle(70)
    assert world.truth() == {A: 50}


def test_an_order_that_lives_on_is_taken_back_until_it_is_gone():
    world = World()
    order = entered(world)
    world.end(0, S.CANCELLED)
    world.talk()
    order.status = S.OPEN
    lost = 0
    for _ in range(200):
        while world.pending or world.wire:
            while world.wire:
                world.hear(0)
            if world.pending:
                first_cancel = isinstance(world.pending[0], CancelOrder) and not lost
                lost += first_cancel
                world.carry("lost request" if first_cancel else "ok")
        world.tick(0, 0)
    assert lost
    assert order.status is S.CANCELLED


# -- look-ups ---------------------------------------------------------------------------------------------------------


def test_an_exit_that_is_still_on_its_way_out_is_never_given_up():
    world = World(QUIET)
    ask(world, LONG, protection=Protection())
    world.trade()
    ask(world, FLAT)
    (exit_,) = effects(world, SubmitOrder)
    world.pending.clear()  # the wire is slow beyond all measure
    order = world.engine.state.orders[exit_.order.order_id]
    for _ in range(120):
        world.tick(0, 0)
        world.pending.clear()
        world.say(LookUpMissed(world.now, order.id))
    assert order.status is S.SUBMITTED
    assert len(world.sent) == 2
    assert SBIN.id not in world.engine.state.frozen


def test_fills_that_no_book_tells_of_are_not_asked_for_for_ever():
    world = World(QUIET)
    order = entered(world)
    world.end(0, S.CANCELLED)
    world.talk()
    told = replace(order.report(world.now, stream=False), filled=20, average_price=80_000.0)
    world.say(replace(told, trades=()))  # its trades have not come
    for _ in range(60):
        world.tick(0, 0)
        world.say(LookUpMissed(world.now, order.new.order_id))
        world.pending.clear()
    world.wait(60)
    assert not world.pending
