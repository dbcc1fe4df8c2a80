"""Orders when writes are short, when risk or the broker says no at the last moment, and after a restart."""

from __future__ import annotations

from msgspec.structs import replace
from tests.adversary import SETTINGS, World
from tests.unit.test_engine_intents import A, ask, target
from tests.unit.test_engine_orders import FLAT, LONG, QUIET, S, alerts, effects, entered, fail, held

from saudagar.execution.effects import CancelOrder, ModifyOrder, SubmitOrder
from saudagar.model import (
    MINUTE,
    SECOND,
    BrokerOrderId,
    CloseAll,
    LinkReported,
    LookUpMissed,
    OrderReport,
    OrderTerms,
    OrderType,
    StrategyId,
    TimeAdvanced,
)

# -- speed ------------------------------------------------------------------------------------------------------------


def test_exits_go_first_when_writes_are_short():
    world = World(QUIET)
    for strategy in "abcde":
        ask(world, LONG, strategy=StrategyId(strategy))
    for _ in range(4):
        world.trade()
        world.tick(0, 0)
    assert sum(world.truth().values()) == 250
    world.say(CloseAll(ts=world.now, reason="out"))
    for strategy in "xyz":
        ask(world, LONG, strategy=StrategyId(strategy))
    writes = effects(world, ModifyOrder) + effects(world, SubmitOrder)
    assert len(writes) <= SETTINGS.limits.orders_per_second
    assert all(isinstance(w, ModifyOrder) for w in writes)
    for _ in range(6):
        world.trade()
        world.tick(0, 0)
    assert sum(world.truth().values()) == 150  # nothing was forgotten


def test_a_late_answer_for_an_order_that_has_ended_is_nothing():
    world = World(QUIET)
    order = entered(world)
    world.end(0, S.CANCELLED)
    world.talk()
    before = world.engine.state.digest()
    for request in ("submit", "modify", "cancel"):
        fail(world, request, order.new.order_id, refused=True)
    world.say(LookUpMissed(world.now, order.new.order_id))
    assert world.engine.state.digest() == before


def test_the_broker_id_alone_is_kept():
    world = World(QUIET)
    ask(world, LONG)
    (order,) = world.engine.state.orders.values()
    world.say(
        OrderReport(order_id=order.id, status=S.PENDING, ts=world.now, broker_id=BrokerOrderId("B7"), terms=OrderTerms(
            quantity=1, order_type=OrderType.MARKET))
    )  # fmt: skip
    assert order.broker_id == "B7"
    world.say(TimeAdvanced(world.now + 30 * MINUTE + SECOND))


# -- risk at the last moment ------------------------------------------------------------------------------------------


def test_an_entry_that_risk_refuses_at_the_last_moment_is_dropped():
    world = World(replace(QUIET, limits=replace(SETTINGS.limits, orders_per_second=1, stale=SECOND)))
    ask(world, LONG)
    ask(world, LONG, strategy=StrategyId("b"))  # must wait for the next second, and by then its price is stale
    world.say(TimeAdvanced(world.now + 2 * SECOND))
    assert world.engine.state.denials == {"stale-price": 1}
    assert target(world, "b@NSE_EQ:SBIN") == 0
    assert target(world) == 50


def test_what_cannot_be_closed_now_is_said_and_tried_again():
    world = World(QUIET)
    held(world)
    world.now += 7 * 60 * MINUTE  # the market has closed
    world.say(TimeAdvanced(world.now))
    ask(world, FLAT)
    for _ in range(200):
        world.say(TimeAdvanced(world.now))
        world.now += SECOND
    assert 3 <= world.engine.state.denials["session"] <= 10
    assert len(alerts(world, "critical")) == 3
    assert not effects(world, ModifyOrder)


def test_a_refused_token_sends_nothing_until_the_book_comes_through():
    world = World(QUIET)
    held(world)
    world.say(LinkReported(ts=world.now, link="orders", up=False, blocks_entries=True, detail="token"))
    world.say(LinkReported(ts=world.now, link="orders", up=False, blocks_entries=True, detail="token"))
    assert len(alerts(world, "critical")) == 1
    ask(world, FLAT)
    assert not world.pending
    world.compare()
    assert effects(world, ModifyOrder)


def test_a_cancel_and_a_modification_under_way_at_a_restart_are_in_doubt():
    world = World(QUIET)
    held(world)
    ask(world, LONG, 80)
    world.talk()
    ask(world, FLAT)
    assert effects(world, CancelOrder)
    world.kill()
    world.settle(10)
    assert world.truth() == {A: 0}
    again = World(QUIET)
    stop = held(again)
    ask(again, FLAT)
    again.carry("ok")  # the broker has it; the desk dies before it hears
    again.kill()
    assert again.engine.state.orders[stop.new.order_id].modify_sent is not None
    again.settle(10)
    assert again.truth() == {A: 0}


def test_an_exit_that_falls_silent_is_asked_about():
    world = World(QUIET)
    held(world)
    ask(world, FLAT)
    world.talk()
    world.fill(0, 8)
    world.wire.clear()  # its fill is never told
    world.settle(10)
    assert world.truth() == {A: 0}
