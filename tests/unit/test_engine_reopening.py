"""A desk that opens again: on another day, with another journal or master, or with the day half over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import count

import pytest
from msgspec.structs import replace
from tests.adversary import DAY, FUTURE, SBIN, SETTINGS, Lookup, World
from tests.unit.test_engine_intents import A, ask, denied, target
from tests.unit.test_engine_orders import QUIET, alerts, effects, held

from saudagar.engine.engine import Engine, Step
from saudagar.engine.settings import Hours, Settings
from saudagar.engine.state import State
from saudagar.execution.effects import SubmitOrder
from saudagar.market.ist import at
from saudagar.market.sessions import Calendar
from saudagar.model import (
    MINUTE,
    SECOND,
    AccountSnapshot,
    BrokerPosition,
    ClientOrderId,
    CloseAll,
    DayEnded,
    Direction,
    OrderReport,
    OrderStatus,
    PriceBandTold,
    Product,
    Protection,
    Purpose,
    StrategyId,
    Tick,
    TickFrame,
    TimeAdvanced,
    TradingState,
    client_order_id,
    order_sequence,
)

LONG, SHORT, FLAT = Direction.LONG, Direction.SHORT, Direction.FLAT
MONDAY = date(2026, 11, 23)


def reopened(world: World, *, lookup: Lookup | None = None) -> tuple[Engine, list[Step]]:
    """Monday's engine on `world`'s journal, after a minute's ticks and an empty book."""
    state = State.replay(world.events)
    engine = Engine(QUIET, lookup or Lookup(SBIN, FUTURE), Calendar(), state, lambda _: 0, watched=(FUTURE.id,))
    now = at(MONDAY, "09:20")
    steps = [engine.start(MONDAY, now), engine.process(AccountSnapshot(ts=now, reports=(), positions=()))]
    for n in range(1, 60):
        ts = now + n * SECOND
        ticks = [Tick(SBIN.id, ts, 80_000, n), Tick(FUTURE.id, ts, 2_400_000, n)]
        steps.append(engine.process(TickFrame(ts, ticks)))
    return engine, steps


# -- another day ------------------------------------------------------------------------------------------------------


def test_what_another_day_wanted_and_did_not_get_is_not_opened_today():
    world = World(replace(QUIET, limits=replace(SETTINGS.limits, orders_per_second=1)))
    ask(world, LONG)
    ask(world, LONG, strategy=StrategyId("b"))  # waits for the next second, which the desk does not see
    assert target(world, "b@NSE_EQ:SBIN") == 50
    engine, steps = reopened(world)
    assert {position.target for position in engine.state.positions.values()} == {0}
    assert not [effect for step in steps for effect in step.effects if isinstance(effect, SubmitOrder)]


def test_a_reversal_under_way_ends_flat_on_another_day():
    world = World(QUIET)
    held(world)
    ask(world, SHORT)
    engine, _ = reopened(world)
    assert engine.state.positions[A].target == 0


def test_a_stop_is_placed_when_the_market_opens_and_nobody_is_told_that_it_was_closed():
    world = World(QUIET)
    held(world)
    engine = Engine(QUIET, Lookup(SBIN, FUTURE), Calendar(), State.replay(world.events), lambda _: 0)
    now, opening = at(MONDAY, "08:50"), at(MONDAY, "09:15")
    engine.start(MONDAY, now)
    line = BrokerPosition(instrument=SBIN.id, product=Product.INTRADAY, quantity=50)
    told = len(engine.state.alerts)
    while now < opening:
        assert not [e for e in engine.process(TimeAdvanced(now)).effects if isinstance(e, SubmitOrder)]
        if now % MINUTE == 0:
            engine.process(AccountSnapshot(ts=now, reports=(), positions=(line,)))
        now += SECOND
    (sent,) = engine.process(TimeAdvanced(now)).effects
    assert sent.order.terms == next(o for o in world.book.values() if o.remaining).terms
    assert len(engine.state.alerts) == told
    assert not engine.state.denials


def test_a_stop_that_ends_with_the_session_is_nothing_to_be_told():
    world = World(QUIET)
    stop = held(world)
    world.now = at(DAY, "15:30")
    world.say(TimeAdvanced(world.now))
    stop.status = OrderStatus.EXPIRED
    world._tell(stop)
    for _ in range(300):
        world.talk()
        world.now += SECOND
        world.say(TimeAdvanced(world.now))
    assert not alerts(world, "critical")
    assert not denied(world)
    assert not effects(world, SubmitOrder)


def test_an_instrument_that_todays_master_does_not_know_is_told_and_left_alone():
    world = World(QUIET)
    held(world)
    engine, steps = reopened(world, lookup=Lookup(FUTURE))
    told = [alert.message for alert in engine.state.alerts if alert.level == "critical"]
    assert f"{A} holds 50, and today's master has no such instrument." in told
    assert not [effect for step in steps for effect in step.effects if isinstance(effect, SubmitOrder)]
    (stop,) = [order for order in engine.state.orders.values() if order.new.purpose is Purpose.STOP]
    late = OrderReport(order_id=stop.id, status=OrderStatus.FILLED, ts=engine.now, filled=50, average_price=79_000.0)
    engine.process(replace(late, last_price=79_000))  # told on the morning after
    assert engine.state.positions[A].quantity == 0
    assert engine.watch.trades == 1


@pytest.mark.parametrize("status", [OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.OPEN])
def test_what_brokers_say_of_an_instrument_that_the_master_does_not_know_stops_no_desk(status):
    world = World(QUIET)
    stop = held(world)
    engine = Engine(QUIET, Lookup(FUTURE), Calendar(), State.replay(world.events), lambda _: 0)
    engine.start(DAY, world.now)  # again on the same day, with another master
    stop.status, stop.terms = status, replace(stop.terms, quantity=40)
    report = stop.report(world.now, stream=False)
    engine.process(report)
    for now in (world.now + 30 * SECOND, world.now + 60 * SECOND):
        engine.process(AccountSnapshot(ts=now, reports=(report,), positions=()))
        engine.process(PriceBandTold(ts=now, instrument=SBIN.id, low=70_000, high=90_000))
        engine.process(TimeAdvanced(now))
    assert engine.state.positions[A].quantity == 50


def test_an_order_that_is_unknown_when_the_day_ends_is_told():
    world = World(QUIET)
    ask(world, LONG)
    world.pending.pop(0)
    world.carry("lost answer")
    world.wire[:] = world.wire[1:]  # the stream's word of it is lost as well
    world.hear(0)
    (order,) = world.engine.state.orders.values()
    assert order.status is OrderStatus.UNKNOWN
    world.say(DayEnded(world.now + SECOND))
    assert f"order {order.id} NSE_EQ:SBIN is still UNKNOWN at the day's end" in alerts(world, "critical")[-1]


# -- another journal --------------------------------------------------------------------------------------------------


def test_a_new_journal_never_uses_an_order_id_of_the_old_one_again():
    former, world = World(), World()
    held(former)
    ask(former, FLAT)
    former.trade()
    world.book, world.sent = former.book, former.sent
    ask(world, LONG)
    assert not effects(world, SubmitOrder)  # first the broker's book: it tells which ids are taken
    world.trade()
    assert sorted(world.sent) == [client_order_id("TEST", DAY, n) for n in (1, 2, 3, 4)]
    assert world.truth() == {A: 50}
    world.kill()
    assert world.engine.state.sequence == 4


@pytest.mark.parametrize("number", [1, 35, 36, 1_679_615])
def test_the_number_in_an_order_id_is_read_back(number):
    order_id = client_order_id("TEST", DAY, number)
    assert order_sequence("TEST", DAY, order_id) == number
    assert order_sequence("OTHER", DAY, order_id) == order_sequence("TEST", MONDAY, order_id) == 0


@pytest.mark.parametrize("text", ["", "1", "TEST261120", "TEST2611200000a", "TEST261120ZZZZZ", "TEST261120 0001"])
def test_what_is_none_of_our_order_ids_has_no_number(text):
    assert order_sequence("TEST", DAY, ClientOrderId(text)) == 0


# -- the profit of a day that begins with positions -------------------------------------------------------------------


def carried(price: int, *, closed: bool = True) -> tuple[Engine, Callable[[int], None]]:
    """Monday, with 50 shares bought on Friday at 804.00 that ended that day at `price`; and how a price is told."""
    settings = replace(QUIET, limits=replace(SETTINGS.limits, day_loss=22_000))
    world = World(settings)
    ask(world, LONG, protection=Protection())
    world.trade()
    world.at(SBIN, price)
    if closed:
        world.say(DayEnded(world.now))
    return morning(settings, State.replay(world.events))


def morning(settings: Settings, state: State, minute: int = 20) -> tuple[Engine, Callable[[int], None]]:
    engine = Engine(settings, Lookup(SBIN, FUTURE), Calendar(), state, lambda _: 100, watched=(SBIN.id,))
    times = count(at(MONDAY, f"09:{minute}"), SECOND)
    engine.start(MONDAY, next(times))
    (position,) = state.positions.values()
    theirs = BrokerPosition(instrument=SBIN.id, product=Product.INTRADAY, quantity=position.quantity)
    engine.process(AccountSnapshot(ts=engine.now, reports=(), positions=(theirs,)))

    def tell(price: int) -> None:
        now = next(times)
        engine.process(TickFrame(now, [Tick(SBIN.id, now, price, now // SECOND)]))

    return engine, tell


def test_the_loss_of_a_day_is_that_days():
    engine, tell = carried(80_100)
    assert engine.watch.profit == 0
    tell(80_100)
    assert engine.watch.profit == 0
    tell(79_900)  # 100 paise less than at the last close, 250 less than at the entry
    assert engine.watch.profit == -10_000
    assert engine.state.trading is TradingState.ACTIVE
    tell(79_660)
    assert engine.watch.profit == -22_000
    assert engine.state.trading is TradingState.REDUCING


def test_a_restart_counts_the_day_from_the_same_close():
    engine, tell = carried(80_100)
    tell(80_000)
    (step,) = [engine.process(CloseAll(ts=engine.now, reason="out"))]
    (sent,) = step.effects
    sold = OrderReport(order_id=sent.order.order_id, status=OrderStatus.FILLED, ts=engine.now, filled=50)
    engine.process(replace(sold, last_price=80_000, average_price=80_000.0))
    assert engine.watch.profit == -5_000 - 100
    again, _ = morning(engine._core.settings, engine.state, minute=40)
    assert again.watch.profit == -5_000 - 100


def test_gains_and_losses_of_the_day_before_are_looked_at_together():
    settings = replace(QUIET, limits=replace(SETTINGS.limits, day_loss=22_000, day_profit=22_000))
    world = World(replace(settings, limits=SETTINGS.limits))
    for name, direction in (("a", LONG), ("b", SHORT)):
        ask(world, direction, strategy=StrategyId(name), protection=Protection())
        world.trade()
    world.at(SBIN, 79_000)
    world.say(DayEnded(world.now))
    engine = Engine(settings, Lookup(SBIN, FUTURE), Calendar(), State.replay(world.events), lambda _: 0)
    engine.start(MONDAY, at(MONDAY, "09:20"))
    assert engine.state.trading is TradingState.ACTIVE
    without = Engine(settings, Lookup(FUTURE), Calendar(), State.replay(world.events), lambda _: 0)
    without.start(MONDAY, at(MONDAY, "09:20"))
    assert without.state.trading is TradingState.ACTIVE
    assert engine.watch.profit == without.watch.profit == 0


def test_where_nobody_saw_the_close_the_day_counts_from_the_entry():
    engine, tell = carried(80_100, closed=False)
    tell(80_100)
    assert engine.watch.profit == -15_000


def test_a_day_whose_master_lacks_what_is_held_does_not_forget_its_close():
    settings = replace(QUIET, limits=replace(SETTINGS.limits, day_loss=22_000))
    world = World(replace(settings, limits=SETTINGS.limits))
    ask(world, LONG, protection=Protection())
    world.trade()
    world.at(SBIN, 79_000)
    world.say(DayEnded(world.now))
    without = Engine(settings, Lookup(FUTURE), Calendar(), State.replay(world.events), lambda _: 0)
    without.start(MONDAY, at(MONDAY, "09:20"))
    without.process(DayEnded(at(MONDAY, "15:31")))
    day = date(2026, 11, 25)
    engine = Engine(settings, Lookup(SBIN, FUTURE), Calendar(), without.state, lambda _: 0, watched=(SBIN.id,))
    engine.start(day, at(day, "09:20"))
    now = at(day, "09:21")
    engine.process(TickFrame(now, [Tick(SBIN.id, now, 79_000, 1)]))
    assert engine.watch.profit == 0
    assert engine.state.trading is TradingState.ACTIVE


# -- the day half over ------------------------------------------------------------------------------------------------


def test_a_paused_desk_still_heeds_the_loss_of_the_day():
    world = World(replace(QUIET, limits=replace(SETTINGS.limits, day_loss=22_000)))
    ask(world, LONG, protection=Protection())
    world.trade()
    world.switch(TradingState.REDUCING, flatten=False)
    world.at(SBIN, 79_900)
    assert "day loss limit" in world.engine.state.trading_reason
    world.at(SBIN, 79_800)
    assert len([text for text in alerts(world, "critical") if "day loss" in text]) == 1
    world.trade()
    assert world.truth() == {A: 0}


def test_an_entry_that_had_to_wait_is_not_sent_after_the_hours_of_entry():
    world = World(replace(QUIET, hours=Hours(no_entry_after="09:20:03")))
    held(world)
    ask(world, SHORT)  # closes through its stop first
    world.talk()
    (exit_,) = [order for order in world.book.values() if order.remaining]
    world.wait(3)
    world.fill_at(exit_, 50, 80_000)
    world.talk()
    assert denied(world) == {"entry-window": 1}
    assert target(world) == 0
    world.settle(5)
    assert world.truth() == {A: 0}


def test_a_book_that_lags_is_not_believed_however_often_it_is_read():
    world = World(replace(SETTINGS, adopt=True))
    held(world)
    world.wait(12)
    world.talk()
    ask(world, FLAT)
    world.trade()
    lagging = (BrokerPosition(instrument=SBIN.id, product=Product.INTRADAY, quantity=50),)
    for _ in range(3):  # a stream that comes and goes asks for the book each time
        world.say(AccountSnapshot(ts=world.now, reports=(), positions=lagging))
    assert set(world.engine.state.positions) == {A}
    assert not world.engine.state.frozen
    for _ in range(2):
        world.now += MINUTE
        world.tick(0, 0)
        world.say(AccountSnapshot(ts=world.now, reports=(), positions=lagging))
    assert world.engine.state.positions["hand@NSE_EQ:SBIN"].quantity == 50


def test_a_key_is_used_up_even_where_there_was_nothing_to_do():
    world = World(QUIET)
    ask(world, FLAT, None, key="out")  # nothing is held yet
    ask(world, LONG, key="in")
    ask(world, LONG, None, key="again")
    ask(world, LONG, 50, key="once more")
    world.trade()
    ask(world, FLAT, None, key="out")
    assert target(world) == 50
    ask(world, FLAT, None)
    world.trade()
    for key in ("again", "once more"):
        ask(world, LONG, key=key)
    world.trade()
    assert world.truth() == {A: 0}
    assert denied(world) == {"duplicate": 3}
