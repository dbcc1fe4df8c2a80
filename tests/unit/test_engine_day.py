"""The day's limits, the switches and the restart."""

from __future__ import annotations

from datetime import date

import pytest
from msgspec.structs import replace
from tests.adversary import DAY, FUTURE, SBIN, SETTINGS, Lookup, World
from tests.unit.test_engine_intents import A, ask, denied, target
from tests.unit.test_engine_orders import QUIET, alerts, effects, held

from saudagar.engine.engine import Engine
from saudagar.engine.settings import Hours
from saudagar.engine.state import State
from saudagar.execution.effects import CancelOrder, FindOrder, ModifyOrder, SubmitOrder, TakeSnapshot
from saudagar.market.ist import at
from saudagar.market.sessions import Calendar
from saudagar.model import (
    SECOND,
    AccountSnapshot,
    CloseAll,
    DayEnded,
    Direction,
    Funds,
    LinkReported,
    Offset,
    OrderStatus,
    Protection,
    Purpose,
    StrategyId,
    Tick,
    TickFrame,
    TradingState,
)

LONG, SHORT, FLAT = Direction.LONG, Direction.SHORT, Direction.FLAT
ACTIVE, REDUCING, HALTED = TradingState


# -- limits of the day -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "price"), [({"day_loss": 22_000}, 79_900), ({"day_profit": 20_000}, 80_900)])
def test_a_limit_of_the_day_closes_everything_and_keeps_it_closed(limit, price):
    world = World(replace(QUIET, limits=replace(SETTINGS.limits, **limit)))
    ask(world, LONG, protection=Protection())
    world.trade()  # at 80_400
    ask(world, LONG, strategy=StrategyId("b"), quantity=1)
    world.at(SBIN, price)
    assert world.engine.state.trading is REDUCING
    assert "day" in alerts(world, "critical")[0]
    world.trade()
    assert not any(world.truth().values())
    ask(world, LONG)
    assert denied(world) == {"reducing": 1}
    world.kill()
    assert world.engine.state.trading is REDUCING


def test_a_desk_that_has_lost_its_days_worth_is_not_resumed_to_buy_and_sell_at_once():
    world = World(replace(QUIET, limits=replace(SETTINGS.limits, day_loss=22_000)))
    ask(world, LONG, protection=Protection())
    world.trade()
    world.at(SBIN, 79_900)
    world.trade()
    world.switch(ACTIVE, flatten=False)
    ask(world, LONG)
    world.trade()
    assert denied(world) == {"reducing": 1}
    assert len(world.book) == 2
    assert "day loss limit" in alerts(world, "critical")[-1]


def test_charges_count_once_and_a_restart_does_not_forget_them():
    world = World(replace(QUIET, limits=replace(SETTINGS.limits, max_trades=2)))
    for _ in range(2):
        ask(world, LONG)
        world.trade()
        ask(world, FLAT)
        world.trade()
    seen = world.engine.watch
    numbers = (seen.realised, seen.charges, seen.trades, seen.profit)
    assert numbers[1:3] == (200, 2)
    assert numbers[3] == numbers[0] - 200
    world.kill()
    again = world.engine.watch
    assert (again.realised, again.charges, again.trades, again.profit) == numbers
    ask(world, LONG)
    assert denied(world) == {"trades": 1}


def test_what_is_open_counts_at_the_last_price():
    world = World(QUIET)
    ask(world, LONG, protection=Protection())
    world.trade()
    world.at(SBIN, 80_500)
    assert world.engine.watch.open_profit == 50 * 100
    ask(world, LONG, 20)  # part of it leaves, at 80_095
    world.trade()
    assert world.engine.watch.open_profit == 20 * 80_500 + 30 * 80_095 - 50 * 80_400
    ask(world, SHORT, 20)
    world.trade()
    assert world.engine.watch.open_profit == 20 * (80_095 - 80_500)


# -- protective exits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "prices", "reason"),
    [
        (Protection(target=Offset(points=500)), (80_895, 80_900), "target"),
        (Protection(max_age=3 * SECOND), (80_400,) * 3, "time"),
        (Protection(stop=Offset(points=500)), (79_905, 79_900), "stop"),
        (Protection(trail=Offset(points=500)), (80_900, 80_405, 80_400), "trailing stop"),
        (Protection(stop=Offset(points=900), break_even=Offset(points=300)), (80_700, 80_400), "break-even"),
    ],
)
def test_the_desk_runs_the_exits_that_do_not_rest(plan, prices, reason):
    world = World(replace(QUIET, tactics=replace(SETTINGS.tactics, rest_stop=False)))
    ask(world, LONG, protection=plan)
    world.trade()
    for price in prices:
        assert not world.engine.state.trades
        world.at(SBIN, price)
        world.trade()
    assert [t.exit_reason for t in world.engine.state.trades] == [reason]


def test_a_trailing_stop_moves_its_order_in_steps_and_survives_a_restart():
    world = World()
    held(world)
    for price in (80_500, 80_600, 80_700, 81_200, 81_600):
        world.at(SBIN, price)
        world.talk()
    position = world.engine.state.positions[A]
    assert position.trailed
    assert position.stop == 81_600 - 965  # 1.2 % of the entry at 80,400, on the grid
    level = position.stop
    world.kill()
    world.settle(3)
    assert world.engine.state.positions[A].stop == level


CLOSER = Protection(stop=Offset(ppm=5_000))


def test_what_is_held_keeps_its_exits_until_what_was_to_be_added_is_there():
    world = World(QUIET)
    held(world)
    position = world.engine.state.positions[A]
    levels = position.stop, position.target_price
    ask(world, LONG, 80, protection=CLOSER)
    world.wait(6)  # not filled, and withdrawn
    world.talk()
    assert (target(world), position.stop, position.target_price) == (50, *levels)
    world.kill()
    position = world.engine.state.positions[A]
    assert (position.stop, position.target_price) == levels


def test_what_is_added_brings_its_exits_though_it_costs_the_same():
    world = World(QUIET)
    held(world)
    entry = world.engine.state.positions[A].average_price
    ask(world, LONG, 80, protection=CLOSER)
    world.talk()
    (order,) = [each for each in world.book.values() if each.new.purpose is Purpose.ENTRY and each.remaining]
    world.fill_at(order, 30, entry)
    world.talk()
    position = world.engine.state.positions[A]
    assert (position.stop, position.target_price) == (entry * 995 // 1000 // 5 * 5, 0)
    levels = position.stop, position.target_price
    world.kill()
    position = world.engine.state.positions[A]
    assert (position.stop, position.target_price) == levels


def test_touching_the_stop_once_is_forgiven_when_the_price_comes_back():
    world = World(QUIET)
    stop = held(world)
    for price in (stop.terms.trigger_price, 80_000, stop.terms.trigger_price, 80_000):
        world.at(SBIN, price)
        world.wait(4)
    assert target(world) == 50


# -- switches --------------------------------------------------------------------------------------------------------


def test_halted_sends_only_cancels_and_resuming_goes_on():
    world = World(QUIET)
    held(world)
    ask(world, LONG, 100)
    world.talk()
    world.switch(HALTED, flatten=False)
    assert {type(e) for e in world.pending} == {CancelOrder}
    world.talk()
    assert [o.new.purpose.value for o in world.book.values() if o.remaining] == ["STOP"]
    assert target(world) == 50
    world.at(SBIN, 79_000)
    world.wait(10)
    assert not effects(world, ModifyOrder)
    world.switch(ACTIVE, flatten=False)
    world.trade()
    assert world.truth() == {A: 0}


@pytest.mark.parametrize("by", ["square-off", "close-all"])
def test_what_halted_keeps_from_closing_is_told(by):
    world = World(replace(QUIET, hours=Hours(square_off="09:21")))
    held(world)
    world.switch(HALTED, flatten=False)
    if by == "close-all":
        world.say(CloseAll(ts=world.now, reason="out"))
    else:
        world.wait(60)
    (told,) = alerts(world, "critical")
    assert told.startswith(f"{by}: trading is HALTED, which leaves {A} open")
    assert not effects(world, ModifyOrder)
    world.switch(ACTIVE, flatten=False)
    world.trade()
    assert world.truth() == {A: 0}


def test_halted_waits_for_an_order_in_flight_before_it_cancels():
    world = World(QUIET)
    ask(world, LONG)
    world.switch(HALTED, flatten=False)
    assert not effects(world, CancelOrder)
    world.talk()
    assert not [o for o in world.book.values() if o.remaining]


def test_the_kill_switch_with_flatten_is_flat_first_and_then_halted():
    world = World(QUIET)
    held(world, 100)
    world.fill_at(entered_more(world), 20, 80_400)
    world.switch(HALTED, flatten=True)
    assert world.engine.state.trading is REDUCING
    for _ in range(10):
        world.trade()
        world.tick(0, 0)
    assert world.truth() == {A: 0}
    assert world.engine.state.trading is HALTED
    world.switch(ACTIVE, flatten=False)
    world.switch(HALTED, flatten=True)  # nothing to wait for
    assert world.engine.state.trading is HALTED


def entered_more(world: World):
    ask(world, LONG, 150)
    world.talk()
    return next(o for o in world.book.values() if o.remaining and o.new.purpose.value == "ENTRY")


def test_reducing_drops_the_half_that_would_open():
    world = World(QUIET)
    held(world)
    ask(world, SHORT)
    world.switch(REDUCING, flatten=False)
    world.trade()
    assert world.truth() == {A: 0}


def test_a_link_that_comes_back_asks_for_the_book_and_one_refused_blocks():
    world = World(QUIET)
    world.pending.clear()
    world.say(LinkReported(ts=world.now, link="orders", up=False, detail="lost"))
    assert "orders is down: lost" in alerts(world, "warning")
    ask(world, LONG)
    world.trade()
    world.say(LinkReported(ts=world.now, link="orders", up=False, blocks_entries=True, detail="token"))
    ask(world, LONG, strategy=StrategyId("b"))
    assert denied(world) == {"frozen": 1}
    world.say(LinkReported(ts=world.now, link="feed", up=True))
    assert effects(world, TakeSnapshot)
    world.talk()  # the book came: the token is good after all
    ask(world, LONG, strategy=StrategyId("b"))
    assert denied(world) == {"frozen": 1}


def test_the_days_end_says_what_is_left():
    world = World(replace(QUIET, hours=Hours(square_off="15:10")))
    held(world)
    world.say(DayEnded(world.now + SECOND))
    assert "still open with 50" in alerts(world, "critical")[-1]
    quiet = World(QUIET)
    held(quiet)
    quiet.say(DayEnded(quiet.now + SECOND))
    assert not alerts(quiet, "critical")


# -- restart ---------------------------------------------------------------------------------------------------------


def test_after_a_restart_nothing_is_sent_before_the_broker_has_spoken():
    world = World(QUIET)
    held(world)
    world.kill()
    world.at(SBIN, 79_000)
    assert {type(e) for e in world.pending} <= {TakeSnapshot, FindOrder}
    world.talk()
    world.wait(6)
    assert effects(world, ModifyOrder)
    world.settle(5)
    assert world.truth() == {A: 0}


def test_after_a_restart_a_silent_broker_is_not_waited_for_for_ever():
    world = World(QUIET)
    held(world)
    world.kill()
    world.at(SBIN, 81_600)  # the stop wants to follow
    world.pending.clear()
    world.wait(2)
    assert not effects(world, ModifyOrder)
    world.wait(3)
    assert effects(world, ModifyOrder)


def test_an_exit_without_a_price_goes_out_with_the_first_one():
    world = World(QUIET)
    held(world)
    ask(world, FLAT)
    world.pending.clear()
    state = State.replay(world.events)
    engine = Engine(QUIET, Lookup(SBIN, FUTURE), Calendar(), state, lambda _: 0, watched=(SBIN.id,))
    world.engine = engine
    world.pending = []
    world._take(engine.start(DAY, world.now))
    world.talk()
    assert not effects(world, ModifyOrder)
    world.settle(5)
    assert world.truth() == {A: 0}


def test_the_orders_of_another_day_are_over_and_its_positions_are_not_sold_twice():
    world = World(QUIET)
    held(world)
    next_day = date(2026, 11, 23)
    now = at(next_day, "09:20")
    state = State.replay(world.events)
    engine = Engine(QUIET, Lookup(SBIN, FUTURE), Calendar(), state, lambda _: 0, watched=(SBIN.id,))
    engine.start(next_day, now)
    assert {o.status for o in state.orders.values()} == {OrderStatus.FILLED, OrderStatus.EXPIRED}
    engine.process(AccountSnapshot(ts=now, reports=(), positions=()))  # squared off by the broker
    assert SBIN.id in state.frozen
    for n in range(1, 20):
        ts = now + n * SECOND
        step = engine.process(TickFrame(ts, [Tick(SBIN.id, ts, 79_000 - 5 * n, n)]))
        assert not [e for e in step.effects if isinstance(e, SubmitOrder)]


def test_an_account_short_of_margin_opens_nothing_until_it_is_paid_up():
    world = World(QUIET)

    def told(available: int | None) -> None:
        funds = None if available is None else Funds(available=available, used=0, opening=0)
        world.say(AccountSnapshot(ts=world.engine.now, reports=(), positions=(), funds=funds))

    told(-250_000)
    told(-260_000)
    assert alerts(world, "critical") == ["the account is short of ₹2,500.00 of margin. No entries until that is paid."]
    ask(world, LONG)
    assert denied(world) == {"frozen": 1}
    told(None)  # nothing was said of money
    ask(world, LONG)
    assert denied(world) == {"frozen": 2}
    told(0)
    assert alerts(world, "info")[-1] == "the margin is paid up again; entries go on."
    ask(world, LONG)
    assert target(world) == 50


def test_exits_go_on_while_the_account_is_short_of_margin():
    world = World(QUIET)
    held(world)
    world.funds = Funds(available=-1, used=0, opening=0)
    world.compare()
    assert "short of" in alerts(world, "critical")[-1]
    ask(world, FLAT)
    world.trade()
    assert not any(world.truth().values())
