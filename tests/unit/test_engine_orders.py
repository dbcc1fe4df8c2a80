"""One order at a time, and everything that can go wrong with it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.adversary import SBIN, SETTINGS, Book, World
from tests.unit.test_engine_intents import A, ask, target

from saudagar.execution.effects import CancelOrder, FetchTrades, FindOrder, ModifyOrder, SubmitOrder
from saudagar.model import (
    MINUTE,
    SECOND,
    BrokerOrderId,
    CloseAll,
    Direction,
    LinkReported,
    LookUpMissed,
    ModifyAccepted,
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    Purpose,
    RequestFailed,
    StrategyId,
    TimeAdvanced,
)

LONG, SHORT, FLAT = Direction.LONG, Direction.SHORT, Direction.FLAT
S = OrderStatus
QUIET = replace(SETTINGS, reconcile=0)  # nothing heals by itself


def held(world: World, quantity: int = 50) -> Book:
    """A long position with its resting stop."""
    ask(world, LONG, quantity)
    world.trade()
    return next(o for o in world.book.values() if o.remaining)


def entered(world: World) -> Book:
    """A working entry."""
    ask(world, LONG)
    world.talk()
    return next(o for o in world.book.values() if o.remaining)


def effects(world: World, kind: type) -> list:
    return [effect for effect in world.pending if isinstance(effect, kind)]


def alerts(world: World, level: str) -> list[str]:
    return [a.message for a in world.engine.state.alerts if a.level == level]


def fail(world: World, request: str, order_id: str, *, refused: bool, retry: bool = False) -> None:
    world.say(
        RequestFailed(ts=world.now, order_id=order_id, request=request, refused=refused, reason="because", retry=retry)
    )


# -- fills ------------------------------------------------------------------------------------------------------------


def test_a_fill_after_the_cancel_is_kept_and_brought_home():
    world = World(QUIET)
    order = entered(world)
    world.end(0, S.CANCELLED)
    world.talk()
    assert target(world) == 0
    order.status = S.OPEN
    world.fill_at(order, 50, 80_400)
    world.settle(10)
    assert world.truth() == {A: 0}
    assert len(world.engine.state.trades) == 1


def test_an_entry_refused_after_a_part_keeps_the_part_and_its_stop():
    world = World(QUIET)
    order = entered(world)
    world.fill_at(order, 20, 80_400)
    order.status, order.reason = S.REJECTED, "circuit"
    world._tell(order)
    world.settle(5)
    assert world.truth() == {A: 20}
    assert target(world) == 20
    assert world.engine.state.orders[order.new.order_id].status is S.CANCELLED


def test_part_of_an_entry_then_square_off():
    world = World(QUIET)
    order = entered(world)
    world.fill_at(order, 20, 80_400)
    world.say(CloseAll(ts=world.now, reason="enough"))
    world.settle(5)
    assert world.truth() == {A: 0}
    assert world.engine.state.trades[0].exit_reason == "enough"


def test_close_all_keeps_what_it_is_told_to_keep():
    world = World(QUIET)
    held(world)
    world.say(CloseAll(ts=world.now, reason="enough", keep=(SBIN.id,)))
    world.trade()
    assert world.truth() == {A: 50}


def test_an_entry_that_does_not_fill_is_withdrawn():
    world = World(QUIET)
    order = entered(world)
    world.wait(6)
    world.talk()
    assert order.status is S.CANCELLED
    assert target(world) == 0


def test_the_stop_fills_while_a_reversal_is_under_way():
    world = World(QUIET)
    stop = held(world)
    ask(world, SHORT)  # the stop is being turned into the exit
    assert effects(world, ModifyOrder)
    world.fill_at(stop, 50, 79_195)
    world.settle(5)
    assert world.truth() == {A: -50}


def test_the_stop_fills_in_parts_and_the_rest_follows_at_once():
    world = World(QUIET)
    stop = held(world)
    world.fill_at(stop, 20, 79_000)
    world.talk()
    assert target(world) == 0
    world.wait(6)
    world.trade()
    assert world.truth() == {A: 0}
    assert world.engine.state.trades[0].exit_reason == "stop"


def test_a_fill_that_cannot_be_priced_is_asked_for():
    world = World(QUIET)
    order = entered(world)
    order.trades += [replace_trade(20, 80_300), replace_trade(30, 80_400)]
    order.status = S.FILLED
    world.say(order.report(world.now, stream=True))
    assert world.truth() == {A: 50}
    assert target(world) == 50
    assert not world.engine.state.positions[A].quantity
    assert effects(world, FetchTrades)
    world.pending.clear()  # and the answer is lost: then it is asked for once more
    world.wait(2)
    assert effects(world, FindOrder)
    world.settle(5)
    assert world.engine.state.positions[A].entry_value == 20 * 80_300 + 30 * 80_400


def replace_trade(quantity: int, price: int):
    from saudagar.model import TradeReport

    return TradeReport(f"T{price}", quantity, price, 0)


def test_a_trade_book_that_lags_is_asked_again():
    world = World(QUIET)
    order = entered(world)
    order.trades += [replace_trade(20, 80_300), replace_trade(30, 80_400)]
    order.status = S.FILLED
    report = order.report(world.now, stream=False)
    world.say(replace(report, trades=tuple(order.trades[:1])))
    assert world.engine.state.positions[A].quantity == 20
    world.settle(5)
    assert world.truth() == {A: 50}


# -- submit -----------------------------------------------------------------------------------------------------------


def test_a_refused_entry_is_dropped_and_told():
    world = World(QUIET)
    ask(world, LONG)
    order = effects(world, SubmitOrder)[0].order
    world.pending.clear()
    fail(world, "submit", order.order_id, refused=True)
    assert target(world) == 0
    assert world.engine.state.orders[order.order_id].status is S.REJECTED
    assert "rejected: because" in alerts(world, "warning")[0]
    world.settle(5)


def test_a_refusal_for_speed_is_repeated_as_a_new_order():
    world = World(QUIET)
    ask(world, LONG)
    world.pending.pop(0)
    world.carry("too fast")
    world.hear(0)
    assert target(world) == 50
    assert not effects(world, SubmitOrder)
    world.settle(3)
    assert world.truth() == {A: 50}
    assert len(world.sent) == 3  # refused, entry, stop


@pytest.mark.parametrize(("outcome", "kept"), [("lost answer", 50), ("limbo", 0)])  # one is found too late to be wanted
def test_an_order_of_unknown_fate_is_found(outcome, kept):
    world = World(QUIET)
    ask(world, LONG)
    world.pending.pop(0)
    world.carry(outcome)
    world.wire[:] = [m for m in world.wire if isinstance(m, RequestFailed)]  # the stream is silent
    world.hear(0)
    (order,) = world.engine.state.orders.values()
    assert order.status is S.UNKNOWN
    ask(world, SHORT, strategy=StrategyId("b"))
    assert world.engine.state.denials == {"frozen": 1}  # no entries there until it is known
    world.settle(30)
    assert world.truth() == {A: kept}
    assert len([o for o in world.book.values() if o.new.purpose is Purpose.ENTRY]) == 1


def test_an_order_the_broker_never_had_is_given_up_late_and_never_sent_again():
    world = World(QUIET)
    ask(world, LONG)
    world.pending.pop(0)
    world.carry("lost request")
    world.hear(0)
    (order,) = world.engine.state.orders.values()
    for _ in range(29):
        world.talk()
        assert order.status is S.UNKNOWN
        world.tick(0, 0)
    for _ in range(20):
        world.talk()
        world.tick(0, 0)
    assert order.status is S.REJECTED
    assert "the broker never had it" in alerts(world, "warning")[-1]
    assert target(world) == 0
    assert len(world.sent) == 1


def test_an_order_given_up_that_comes_alive_is_taken_back():
    world = World(QUIET)
    ask(world, LONG)
    order = effects(world, SubmitOrder)[0].order
    world.pending.clear()
    fail(world, "submit", order.order_id, refused=True)
    world._accept(order)  # it was not refused after all
    world.fill_at(world.book[order.order_id], 20, 80_400)
    world.hear(0)
    assert effects(world, CancelOrder)
    assert alerts(world, "critical")
    world.settle(10)
    assert world.book[order.order_id].status is S.CANCELLED
    assert world.truth() == {A: 0}


def test_the_stream_may_be_faster_than_the_refusal():
    world = World(QUIET)
    order = entered(world)
    fail(world, "submit", order.new.order_id, refused=True)
    assert world.engine.state.orders[order.new.order_id].status is S.OPEN


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


# -- cancel -----------------------------------------------------------------------------------------------------------


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


# -- stops ------------------------------------------------------------------------------------------------------------


def test_a_refused_stop_does_not_leave_the_position_bare():
    world = World(QUIET)
    ask(world, LONG)
    for _ in range(4):  # the book, the entry, and its answer
        world.carry("ok")
    world.fill_at(next(iter(world.book.values())), 50, 80_400)
    while world.wire:
        world.hear(0)
    (submit,) = effects(world, SubmitOrder)
    assert submit.order.purpose is Purpose.STOP
    world.carry("refused")
    world.hear(0)
    assert alerts(world, "critical")
    world.at(SBIN, 79_500)  # beyond the stop: the desk leaves by itself, and does not wait
    (exit_,) = effects(world, SubmitOrder)
    assert exit_.order.purpose is Purpose.EXIT
    world.settle(3)
    assert world.truth() == {A: 0}


def test_a_stop_refused_again_and_again_is_tried_ever_more_slowly():
    world = World(QUIET)
    ask(world, LONG)
    world.talk()
    world.fill_at(next(iter(world.book.values())), 50, 80_400)
    tries = []
    for second in range(120):
        while world.wire:
            world.hear(0)
        while world.pending:
            if isinstance(world.pending[0], SubmitOrder):
                tries.append(second)
            world.carry("refused")
        world.tick(0, 0)
    assert 5 <= len(tries) <= 9
    assert len(alerts(world, "critical")) == 3
    world.settle(70)
    assert world.truth() == {A: 50}


def test_a_stop_that_does_not_fill_is_chased():
    world = World(QUIET)
    held(world)
    for _ in range(8):
        world.at(SBIN, 79_000)
        world.talk()
    world.trade()
    assert world.truth() == {A: 0}
    assert world.engine.state.trades[0].exit_reason == "stop"


def test_an_order_the_broker_forgot_is_replaced():
    world = World()
    stop = held(world)
    del world.book[stop.new.order_id]
    world.sent.discard("")
    for _ in range(120):
        world.talk()
        world.tick(0, 0)
    assert world.engine.state.orders[stop.new.order_id].status is S.EXPIRED
    (again,) = [o for o in world.book.values() if o.remaining]
    assert (again.new.purpose, again.remaining) == (Purpose.STOP, 50)


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
