"""The comparison with the broker's book: trades by hand, orders of others, differences that heal."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.adversary import DAY, OPEN, SBIN, World
from tests.unit.test_engine_day import FLAT, LONG, SHORT
from tests.unit.test_engine_intents import A, ask, denied
from tests.unit.test_engine_orders import QUIET, alerts, entered, held

from saudagar.engine.state import State
from saudagar.model import (
    AccountSnapshot,
    BrokerOrderId,
    BrokerPosition,
    ClientOrderId,
    OrderReport,
    OrderStatus,
    Product,
    Protection,
    StrategyId,
    TradingState,
)

# -- the broker's book -----------------------------------------------------------------------------------------------


def test_a_hand_made_sale_freezes_the_share_and_shrinks_the_stop():
    world = World()
    stop = held(world)
    world.foreign[SBIN.id] = -20
    for _ in range(125):
        world.talk()
        world.tick(0, 0)
    assert SBIN.id in world.engine.state.frozen
    assert stop.remaining == 30  # what is not there cannot be sold
    ask(world, LONG, 80)
    assert "frozen" in denied(world)
    ask(world, FLAT)
    world.trade()
    assert world.truth()[A] == 20
    assert not [o for o in world.book.values() if o.remaining]
    world.foreign[SBIN.id] = 0
    for _ in range(65):
        world.trade()
        world.tick(0, 0)
    assert not world.engine.state.frozen
    assert world.truth()[A] == 0


@pytest.mark.parametrize(("by_hand", "rests"), [(-50, 0), (-20, 0), (0, 50), (30, 50)])
def test_what_is_closed_by_hand_while_trading_is_halted_leaves_no_stop_that_would_open(by_hand, rests):
    world = World()
    stop = held(world)
    world.switch(TradingState.HALTED, flatten=False)
    world.foreign[SBIN.id] = by_hand
    for _ in range(125):
        world.talk()
        world.tick(0, 0)
    assert stop.remaining == rests


@pytest.mark.parametrize(("b", "foreign", "closed"), [(30, -20, 60), (-30, -20, 80)])
def test_two_strategies_share_what_the_broker_holds(b, foreign, closed):
    world = World()
    held(world)
    ask(world, LONG if b > 0 else SHORT, abs(b), strategy=StrategyId("b"))
    world.trade()
    world.foreign[SBIN.id] = foreign
    for _ in range(125):
        world.talk()
        world.tick(0, 0)
    assert sum(o.remaining for o in world.book.values()) == closed


def test_a_difference_seen_once_may_be_a_message_under_way():
    world = World()
    entered(world)
    world.foreign[SBIN.id] = 5
    world.compare()
    assert not world.engine.state.frozen
    world.foreign[SBIN.id] = 0
    world.compare()
    world.compare()
    assert not world.engine.state.frozen


def test_a_book_that_was_long_on_its_way_is_no_news_of_what_has_traded_meanwhile():
    world = World(QUIET)
    world.compare()
    entry = entered(world)
    was = AccountSnapshot(ts=world.now, reports=(entry.report(world.now, stream=False),), positions=())
    world.at(SBIN, 80_000)
    world.trade()
    for _ in range(15):
        world.tick(0, 0)
        world.talk()
    world.say(was)
    world.talk()
    assert not world.engine.state.frozen
    assert not alerts(world, "critical")
    assert [o.remaining for o in world.book.values() if o.remaining] == [50]


def test_one_garbled_book_keeps_no_exit_back():
    world = World()
    ask(world, LONG, protection=Protection())
    world.trade()
    world.wait(15)
    world.say(AccountSnapshot(ts=world.now, reports=(), positions=()))  # its positions were left out
    assert not world.engine.state.frozen
    ask(world, FLAT)
    world.trade()
    assert world.truth() == {A: 0}


def test_a_book_that_tells_of_something_new_is_read_again_soon():
    world = World()
    ask(world, LONG, protection=Protection())
    world.trade()
    world.wait(15)
    world.foreign[SBIN.id] = -50
    world.compare()
    for _ in range(6):
        world.tick(0, 0)
        world.talk()
    assert SBIN.id in world.engine.state.frozen


def test_what_is_closed_by_hand_beside_a_stop_that_rests_is_found_in_seconds():
    world = World()
    stop = held(world)
    world.wait(15)
    world.foreign[SBIN.id] = -50
    world.compare()
    for _ in range(14):
        world.tick(0, 0)
        world.talk()
    assert SBIN.id in world.engine.state.frozen
    assert not stop.remaining  # it would open a position


def test_orders_of_others_are_shown_once_and_left_alone():
    world = World(QUIET)
    report = OrderReport(
        order_id=ClientOrderId(""), status=OrderStatus.OPEN, ts=1, broker_id=BrokerOrderId("F1"), instrument=SBIN.id
    )
    world.pending.clear()
    for _ in range(3):
        world.say(report)
    world.say(replace(report, broker_id=BrokerOrderId("")))
    world.say(AccountSnapshot(ts=1, reports=(report,), positions=()))
    assert len(alerts(world, "warning")) == 1
    assert not world.pending


def test_an_order_changed_by_hand_is_taken_as_it_is_and_put_right():
    world = World()
    stop = held(world)
    stop.terms = replace(stop.terms, quantity=120)
    world.check = lambda: None  # the person has broken the rule, not the desk
    for _ in range(70):
        world.talk()
        world.tick(0, 0)
    assert stop.terms.quantity == 50
    assert any("was changed at the broker" in text for text in alerts(world, "warning"))


@pytest.mark.parametrize("told_before", [0, 10])
def test_an_order_made_smaller_by_hand_that_then_trades_in_full_is_over(told_before):
    world = World(QUIET)
    order = entered(world)
    order.terms = replace(order.terms, quantity=30)
    for part in filter(None, (told_before, 30 - told_before)):
        world.fill_at(order, part, 80_000)
        world.talk()
    assert world.engine.state.orders[order.new.order_id].status is OrderStatus.FILLED
    world.settle(15)
    assert world.truth() == {A: 30}


def test_an_order_that_ended_here_and_lives_there_is_taken_back():
    world = World()
    order = entered(world)
    world.end(0, OrderStatus.CANCELLED)
    world.talk()
    order.status = OrderStatus.OPEN
    for _ in range(70):
        world.talk()
        world.tick(0, 0)
    assert order.status is OrderStatus.CANCELLED
    assert len([a for a in alerts(world, "critical") if "lives at the broker" in a]) == 1


def test_other_products_and_flat_lines_are_not_ours():
    world = World(QUIET)
    lines = tuple(
        BrokerPosition(instrument=SBIN.id, product=p, quantity=q)
        for p, q in ((Product.DELIVERY, 9), (Product.INTRADAY, 0))
    )
    for _ in range(3):
        world.say(AccountSnapshot(ts=1, reports=(), positions=lines))
    assert not world.engine.state.frozen


def test_the_state_tells_itself():
    world = World(QUIET)
    held(world)
    told = world.engine.state.as_dict()
    assert told["day"] == DAY
    assert told["positions"][A].quantity == 50
    assert world.engine.now == world.now > OPEN
    assert State.replay(world.events).digest() == world.engine.state.digest() != State().digest()
