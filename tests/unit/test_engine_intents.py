"""From what somebody wants to a target: what is taken, what is refused, and what a repetition does."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.adversary import DAY, FUTURE, SBIN, SETTINGS, STOP, Lookup, World

from saudagar.engine.engine import Engine
from saudagar.engine.settings import Hours, Plan
from saudagar.engine.state import State
from saudagar.market.sessions import Calendar
from saudagar.model import (
    MINUTE,
    SECOND,
    Direction,
    InstrumentId,
    Intent,
    LinkReported,
    Offset,
    Protection,
    SizeBy,
    Sizing,
    StrategyId,
    Tick,
    TickFrame,
    TimeAdvanced,
    TradeSide,
)
from saudagar.strategies import Strategy

LONG, SHORT, FLAT = Direction.LONG, Direction.SHORT, Direction.FLAT
A = "a@NSE_EQ:SBIN"


def ask(world: World, direction: Direction, quantity: int | None = 50, **changes) -> None:
    world.say(
        Intent(
            **{
                "strategy": StrategyId("a"),
                "instrument": SBIN.id,
                "direction": direction,
                "ts": world.now,
                "reason": "test",
                "quantity": quantity,
                "protection": STOP,
                **changes,
            }
        )
    )


def target(world: World, position: str = A) -> int:
    found = world.engine.state.positions.get(position)
    return found.target if found else 0


def denied(world: World) -> dict[str, int]:
    return world.engine.state.denials


def planned(sizing: Sizing, **changes) -> World:
    plan = Plan(
        id=StrategyId("a"), strategy=Strategy(), instruments=(SBIN.id,), interval=MINUTE, sizing=sizing, **changes
    )
    return World(replace(SETTINGS, plans=(plan,)))


def test_a_repeated_target_is_harmless():
    world = World()
    for _ in range(3):
        ask(world, LONG)
        world.trade()
    assert target(world) == 50
    assert world.truth() == {A: 50}


def test_a_target_with_a_size_is_a_target_too():
    world = World()
    for quantity in (50, 80, 20):
        ask(world, LONG, quantity)
        world.trade()
        assert target(world) == quantity
        assert world.truth() == {A: quantity}


def test_flat_when_flat_and_the_wrong_way_leave_no_trace():
    world = World()
    ask(world, FLAT)
    assert A not in world.engine.state.positions
    assert not world.pending[1:]  # the first is the look at the book


def test_a_reversal_closes_then_opens():
    world = World()
    ask(world, LONG)
    world.trade()
    ask(world, SHORT)
    world.trade()
    assert world.truth() == {A: -50}
    assert [t.gross for t in world.engine.state.trades]


def test_a_reversal_that_may_not_open_still_closes():
    world = World()
    ask(world, LONG)
    world.trade()
    for link, up in (("orders feed", False), ("feed", True)):  # another link's health does not lift it
        world.say(LinkReported(ts=world.now, link=link, up=up, blocks_entries=not up, detail="token"))
    ask(world, SHORT)
    assert denied(world) == {"frozen": 1}
    world.trade()
    assert world.truth() == {A: 0}
    world.say(LinkReported(ts=world.now, link="orders feed", up=True))
    ask(world, SHORT)
    world.trade()
    assert world.truth() == {A: -50}


@pytest.mark.parametrize(
    ("direction", "quantity", "more", "goal"),
    [(LONG, 50, 30, 80), (SHORT, 50, 30, 20), (SHORT, 50, 50, 0), (SHORT, 50, 80, -30)],
)
def test_more_on_top_counts_from_the_target_and_only_once(direction, quantity, more, goal):
    world = World()
    ask(world, LONG, quantity)
    world.trade()
    for _ in range(2):
        ask(world, direction, more, additional=True, key="k1", protection=Protection())
        world.trade()
    assert target(world) == goal
    assert world.truth()[A] == goal
    assert denied(world) == {"duplicate": 1}
    if goal == 80:
        assert world.engine.state.positions[A].protection == STOP  # more of the same keeps its exits


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"quantity": 0}, "grid"),
        ({"quantity": -5}, "grid"),
        ({"quantity": 2.0}, "grid"),
        ({"quantity": float("nan")}, "grid"),
        ({"quantity": None}, "size"),
        ({"instrument": FUTURE.id, "quantity": 64}, "grid"),
        ({"instrument": InstrumentId("NSE_EQ:NOBODY")}, "unknown"),
        ({"additional": True}, "key"),
    ],
)
def test_what_makes_no_sense_is_refused_and_costs_nothing(changes, rule):
    world = World()
    ask(world, LONG, **changes)
    assert denied(world) == {rule: 1}
    assert not world.engine.state.orders
    world.settle(3)


def test_limits_count_the_whole_entry_not_its_slices():
    limits = replace(SETTINGS.limits, max_order_quantity=150)
    world = World(replace(SETTINGS, limits=limits))
    ask(world, LONG, 200)
    assert denied(world) == {"quantity": 1}
    ask(world, LONG, 150)
    world.trade()
    assert world.truth() == {A: 150}


def test_without_a_price_nothing_is_opened():
    engine = Engine(SETTINGS, Lookup(SBIN, FUTURE), Calendar(), State(), lambda _: 0, watched=(SBIN.id,))
    engine.start(DAY, World().now)
    step = engine.process(
        Intent(strategy=StrategyId("a"), instrument=SBIN.id, direction=LONG, ts=0, reason="", quantity=5)
    )
    assert [event.rule for event in step.events] == ["stale-price"]


@pytest.mark.parametrize(
    ("sizing", "units"),
    [
        (Sizing(SizeBy.RISK, 80_000), 100),  # 1 % of ₹800 is ₹8: ₹800 at risk
        (Sizing(SizeBy.VALUE, 8_000_000), 100),
        (Sizing(SizeBy.QUANTITY, 33), 33),
        (Sizing(SizeBy.LOTS, 7), 7),
    ],
)
def test_a_plan_sizes_its_entries(sizing, units):
    world = planned(sizing)
    ask(world, LONG, None)
    world.trade()
    assert world.truth() == {A: units}


def test_no_size_without_a_lot_and_no_price_is_said_so():
    world = planned(Sizing(SizeBy.VALUE, 100))
    ask(world, LONG, None)
    assert denied(world) == {"size": 1}
    bare = Engine(world.settings, Lookup(SBIN, FUTURE), Calendar(), State(), lambda _: 0)
    bare.start(DAY, world.now)
    step = bare.process(Intent(strategy=StrategyId("a"), instrument=SBIN.id, direction=LONG, ts=0, reason=""))
    assert [event.rule for event in step.events] == ["stale-price"]


def test_the_largest_value_allowed_can_be_reached():
    world = planned(Sizing(SizeBy.VALUE, 8_000_000))
    limits = replace(SETTINGS.limits, max_order_value=8_000_000, max_order_quantity=90)
    world = World(replace(world.settings, limits=limits))
    ask(world, LONG, None)
    world.trade()
    assert world.truth() == {A: 90}
    assert not denied(world)


def test_a_plan_takes_only_its_side():
    world = planned(Sizing(SizeBy.LOTS, 50), side=TradeSide.BUY)
    ask(world, SHORT)
    assert target(world) == 0
    ask(world, LONG)
    world.trade()
    ask(world, SHORT)
    world.trade()
    assert world.truth() == {A: 0}


@pytest.mark.parametrize(
    ("hours", "rule"),
    [
        (Hours(no_entry_before="09:30"), {"entry-window": 1}),
        (Hours(no_entry_after="09:20"), {"entry-window": 1}),
        (Hours(square_off="09:19"), {"entry-window": 1}),
        (Hours(no_entry_before="09:15", no_entry_after="09:30", square_off="15:10"), {}),
    ],
)
def test_the_hours_of_entry(hours, rule):
    world = World(replace(SETTINGS, hours=hours))
    ask(world, LONG)
    assert denied(world) == rule


def test_square_off_leaves_everything_and_lets_nothing_in():
    world = World(replace(SETTINGS, hours=Hours(square_off="09:20:30")))
    ask(world, LONG)
    world.talk()  # the entry works, unfilled
    ask(world, SHORT, strategy=StrategyId("b"))
    world.trade()
    world.wait(40)
    world.trade()
    assert not any(world.truth().values())
    ask(world, LONG)
    assert denied(world) == {"entry-window": 1}
    assert {t.exit_reason for t in world.engine.state.trades} <= {"square-off"}


def test_open_positions_are_limited_even_within_one_moment():
    limits = replace(SETTINGS.limits, max_open_positions=2)
    world = World(replace(SETTINGS, limits=limits))
    for strategy in "abcd":
        ask(world, LONG, strategy=StrategyId(strategy))
    assert denied(world) == {"open-positions": 2}
    world.trade()
    ask(world, SHORT)  # one that is held may still turn
    world.settle(3)
    assert world.truth() == {A: -50, "b@NSE_EQ:SBIN": 50}


def test_two_strategies_hold_one_share_each_with_its_own_stop():
    world = World()
    ask(world, LONG)
    ask(world, SHORT, 30, strategy=StrategyId("b"))
    world.settle(3)
    assert world.truth() == {A: 50, "b@NSE_EQ:SBIN": -30}
    assert not world.engine.state.frozen


def test_a_stale_price_and_a_closed_session_stop_entries():
    world = World(replace(SETTINGS, limits=replace(SETTINGS.limits, stale=10 * SECOND)))
    world.say(TimeAdvanced(world.now + 11 * SECOND))
    ask(world, LONG)
    assert denied(world) == {"stale-price": 1}
    late = World()
    late.now += 7 * 3600 * SECOND
    late.say(TimeAdvanced(late.now))
    ask(late, LONG)
    assert denied(late) == {"session": 1}


def test_a_frame_from_another_day_moves_nothing():
    world = World()
    before = world.engine.now
    for ts in (0, before + 24 * 3600 * SECOND, -5):
        world.say(TickFrame(ts, [Tick(SBIN.id, ts, 1)]))
        world.say(TimeAdvanced(ts))
    assert world.engine.now == before
    assert world.engine.price(SBIN.id) == 80_000
    assert world.engine.screen.counts["day"] == 3


def test_unusable_ticks_are_counted_and_change_nothing():
    world = World()
    world.say(TickFrame(world.now, [Tick(SBIN.id, world.now, 0), Tick(InstrumentId("X:Y"), world.now, 5)]))
    assert world.engine.price(SBIN.id) == 80_000
    assert world.engine.screen.counts["price"] == world.engine.screen.counts["unknown"] == 1


def test_odd_prices_make_odd_levels_but_never_an_order_off_the_grid():
    for stop in (Offset(points=10**9), Offset(points=1), Offset(ppm=999_999), Offset(points=79_998)):
        world = World()
        ask(world, LONG, protection=Protection(stop=stop, target=stop, trail=Offset(points=10**8), break_even=stop))
        world.settle(3)
        (order,) = [o for o in world.book.values() if o.new.purpose == "STOP"]
        assert order.terms.trigger_price >= 5
        ask(world, SHORT, protection=Protection(stop=stop, target=stop))
        world.settle(3)
