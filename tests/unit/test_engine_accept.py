"""A person takes the broker's book for the truth: what was traded there without the desk falls to its positions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.adversary import SBIN, SETTINGS, World
from tests.unit.test_engine_intents import A, ask, target
from tests.unit.test_engine_orders import alerts, effects, held

from saudagar.engine.reconciliation import allotted
from saudagar.engine.state import State
from saudagar.execution.effects import SubmitOrder
from saudagar.model import (
    MINUTE,
    AcceptBook,
    AccountSnapshot,
    BrokerPosition,
    Direction,
    OrderStatus,
    Product,
    RequestFailed,
    Side,
    StrategyId,
)
from saudagar.portfolio import Position

HAND = "hand@NSE_EQ:SBIN"


def found_out(world: World) -> None:
    """The books are compared until the difference is believed."""
    for _ in range(2):
        world.compare()
        world.wait(12)
        world.talk()
    world.compare()


def accept(world: World, ours: int, theirs: int, *trades: tuple[int, int]) -> None:
    world.say(
        AcceptBook(ts=world.now, instrument=SBIN.id, ours=ours, theirs=theirs, trades=trades, reason="squared off")
    )


def test_what_was_squared_off_while_the_desk_was_dead():
    world = World(SETTINGS)
    held(world)
    world.end(0, OrderStatus.CANCELLED)  # the broker takes the stop back and sells
    world.foreign[SBIN.id] = -50
    world.kill()
    world.talk()
    found_out(world)
    assert SBIN.id in world.engine.state.frozen
    assert world.engine.differences == {SBIN.id: 0}
    accept(world, 50, 0, (-30, 79_000), (-20, 79_100))
    position = world.engine.state.positions[A]
    assert (position.quantity, position.target) == (0, 0)
    (trade,) = world.engine.state.trades
    assert (trade.exit_value, trade.exit_reason) == (30 * 79_000 + 20 * 79_100, "squared off")
    assert world.engine.watch.realised == trade.gross
    assert not world.engine.state.frozen
    assert not world.engine.differences
    assert State.replay(world.events).digest() == world.engine.state.digest()
    ask(world, Direction.LONG)
    world.talk()
    assert target(world) == 50  # the instrument trades again


def test_what_is_left_keeps_its_stop_in_its_size():
    world = World(SETTINGS)
    held(world)
    world.foreign[SBIN.id] = -20
    world.wait(12)
    world.talk()
    found_out(world)
    accept(world, 50, 30, (-20, 79_000))
    world.talk()
    assert target(world) == 30
    assert [order.remaining for order in world.book.values() if order.status.working] == [30]
    world.wait(3)
    world.compare()
    assert not world.engine.state.frozen


@pytest.mark.parametrize(
    ("ours", "theirs", "trades"),
    [(40, 0, [(-50, 79_000)]), (50, 10, [(-40, 79_000)]), (50, 0, [(-40, 79_000)]), (50, 0, [])],
    ids=["other than ours", "other than theirs", "not all of it", "no trade"],
)
def test_what_is_not_what_the_person_saw_is_not_booked(ours, theirs, trades):
    world = World(SETTINGS)
    held(world)
    world.foreign[SBIN.id] = -50
    found_out(world)
    accept(world, ours, theirs, *trades)
    assert world.engine.state.positions[A].quantity == 50
    assert SBIN.id in world.engine.state.frozen
    assert "not accepted" in alerts(world, "warning")[-1]


def test_a_difference_that_nobody_has_found_is_not_booked():
    world = World(replace(SETTINGS, reconcile=MINUTE))
    held(world)
    accept(world, 50, 0, (-50, 79_000))
    assert world.engine.state.positions[A].quantity == 50


def test_nothing_is_booked_while_an_order_is_unknown():
    world = World(SETTINGS)
    held(world)
    world.foreign[SBIN.id] = -20
    found_out(world)
    world.talk()
    world.end(0, OrderStatus.CANCELLED)
    world.talk()
    while not effects(world, SubmitOrder):  # the stop, anew
        world.wait(1)
    world.pending = effects(world, SubmitOrder)
    world.carry("lost request")
    world.hear(0)
    accept(world, 50, 30, (-20, 79_000))
    assert world.engine.state.positions[A].quantity == 50
    assert "is UNKNOWN" in alerts(world, "warning")[-1]


def test_what_was_on_its_way_out_still_is():
    world = World(SETTINGS)
    held(world)
    world.foreign[SBIN.id] = -20
    found_out(world)
    ask(world, Direction.FLAT)
    accept(world, 50, 30, (-20, 79_000))
    position = world.engine.state.positions[A]
    assert (position.quantity, position.target) == (30, 0)
    world.trade()
    assert position.quantity == 0
    assert State.replay(world.events).digest() == world.engine.state.digest()


def test_a_fill_that_waits_for_its_price_is_not_booked_twice():
    world = World(SETTINGS)
    stop = held(world)
    world.fill_at(stop, 20, 79_000)
    world.lose(0)
    for _ in range(2):
        world.compare()  # the book tells the fill, and the trade that would price it does not come
        world.pending.clear()
        world.wait(12)
    assert world.engine.differences == {SBIN.id: 30}
    accept(world, 50, 30, (-20, 79_000))
    assert world.engine.state.positions[A].quantity == 50
    assert "not accepted" in alerts(world, "warning")[-1]


def test_what_is_bought_and_sold_by_hand_are_two_legs():
    world = World(SETTINGS)
    for theirs, made in ((20, (20, 80_000)), (0, (-20, 80_100))):
        world.foreign[SBIN.id] = theirs
        found_out(world)
        accept(world, 20 - theirs, theirs, made)
    (trade,) = world.engine.state.trades
    assert [(leg.side, leg.quantity, leg.value) for leg in trade.legs] == [
        (Side.BUY, 20, 20 * 80_000),
        (Side.SELL, 20, 20 * 80_100),
    ]


def test_what_may_be_our_own_trade_is_not_adopted():
    """An order whose answer was lost has traded: the book shows it before anybody knows what became of the order."""
    world = World(replace(SETTINGS, adopt=True))
    world.compare()
    ask(world, Direction.LONG)
    world.pending = effects(world, SubmitOrder)
    world.carry("lost answer")
    (order,) = world.book.values()
    world.fill_at(order, 50, 80_000)
    world.wire = [told for told in world.wire if isinstance(told, RequestFailed)]  # the stream says nothing
    world.hear(0)
    for _ in range(3):
        world.say(AccountSnapshot(ts=world.now, reports=(), positions=(bought(50),)))
        world.pending.clear()  # nor does the broker find it by its id
        world.wait(12)
    assert HAND not in world.engine.state.positions
    world.settle()
    assert world.engine.state.positions[A].quantity == 50


def bought(quantity: int) -> BrokerPosition:
    return BrokerPosition(instrument=SBIN.id, product=Product.INTRADAY, quantity=quantity)


def test_what_was_never_ours_and_is_gone_after_a_restart_freezes_nothing():
    world = World(SETTINGS)
    world.foreign[SBIN.id] = 30
    found_out(world)
    assert SBIN.id in world.engine.state.frozen
    world.foreign[SBIN.id] = 0
    world.kill()
    world.compare()
    assert not world.engine.state.frozen


@given(
    st.lists(st.integers(-100, 100), max_size=4),
    st.integers(-100, 100),
    st.lists(st.integers(-150, 150).filter(bool), max_size=4),
)
def test_every_unit_falls_to_somebody_and_no_strategy_gets_more(strategies, by_hand, trades):
    names = ["abcd"[n] for n in range(len(strategies))]
    positions = [
        Position(strategy=StrategyId(name), instrument=SBIN.id, quantity=quantity)
        for name, quantity in zip(names, strategies, strict=True)
    ]
    positions.insert(len(positions) // 2, Position(strategy=StrategyId("hand"), instrument=SBIN.id, quantity=by_hand))
    held = {each.id: each.quantity for each in positions}
    parts = [0] * len(trades)
    for name, quantity, place in allotted(positions, SBIN.id, trades):
        held[name] += quantity
        parts[place] += quantity
        assert quantity * trades[place] > 0
    assert parts == trades
    for each in positions:
        if each.id != HAND:
            low, high = sorted((0, each.quantity))
            assert low <= held[each.id] <= high  # nearer to flat, never through it
    moved = [each for each in positions if each.id != HAND and held[each.id] != each.quantity]
    assert all(held[HAND] * trade >= 0 or not moved for trade in trades[-1:])  # what was made by hand goes first
