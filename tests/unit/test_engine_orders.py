"""One order at a time, and everything that can go wrong with it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.adversary import SBIN, SETTINGS, Book, World
from tests.unit.test_engine_intents import A, ask, target

from saudagar.execution.effects import CancelOrder, FetchTrades, FindOrder, ModifyOrder, SubmitOrder
from saudagar.model import (
    SECOND,
    CloseAll,
    Direction,
    OrderStatus,
    Protection,
    Purpose,
    RequestFailed,
    StrategyId,
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


def test_more_than_was_asked_for_is_not_sold_though_the_trade_book_says_so():
    world = World(QUIET)
    order = entered(world)
    world.fill_at(order, 50, 80_000)
    told = order.report(world.now, stream=False)
    world.wire.clear()
    world.say(replace(told, filled=250_000, trades=(replace_trade(250_000, 80_000),)))
    assert world.engine.state.positions.get(A).quantity == 0
    assert not effects(world, SubmitOrder)
    world.settle(5)
    assert world.engine.state.positions[A].quantity == 50


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


def refused_for_long(world: World) -> None:
    """The stop of a half-filled entry is refused until it is tried every half a minute only."""
    ask(world, LONG, 100)
    world.talk()
    world.fill_at(next(iter(world.book.values())), 50, 80_000)
    world.bands[SBIN.id] = (79_900, 80_500)  # and nobody tells it
    world.tells_bands = False
    for _ in range(35):
        world.talk()
        world.tick(0, 0)
    assert world.refusals == 6
    world.bands.clear()


def test_what_trades_makes_a_refused_stop_be_tried_at_once():
    world = World(replace(QUIET, tactics=replace(QUIET.tactics, entry_rest=300 * SECOND)))
    refused_for_long(world)
    world.fill_at(next(iter(world.book.values())), 10, 80_000)
    world.talk()
    assert [o.remaining for o in world.book.values() if o.new.purpose is Purpose.STOP] == [60]


def test_a_person_who_closes_everything_need_not_wait_for_the_next_try():
    world = World(QUIET)
    ask(world, LONG, protection=Protection())
    world.trade()
    world.bands[SBIN.id] = (80_100, 90_000)
    world.tells_bands = False
    ask(world, FLAT)
    for _ in range(40):
        world.talk()
        world.tick(0, 0)
    world.bands.clear()
    world.say(CloseAll(ts=world.now, reason="out"))
    world.trade()
    assert world.truth() == {A: 0}


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
