"""A price beyond the day's band: what protects or closes goes to its edge instead of being refused again and again."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.adversary import SBIN, World
from tests.unit.test_engine_intents import A, ask, target
from tests.unit.test_engine_orders import QUIET, alerts, effects, fail, held
from tests.unit.test_engine_runner import FIRST, WANT, Bench, fill

from saudagar.execution.effects import FetchPriceBand
from saudagar.model import (
    AccountSnapshot,
    Direction,
    Offset,
    OrderStatus,
    OrderType,
    PriceBandTold,
    Protection,
    Purpose,
    Side,
    StrategyId,
)
from saudagar.model.errors import RejectedByBroker

LONG, SHORT, FLAT = Direction.LONG, Direction.SHORT, Direction.FLAT
LOW, HIGH = 79_800, 80_600


def locked(world: World, price: int, low: int = LOW, high: int = HIGH) -> None:
    world.bands[SBIN.id] = (low, high)
    world.at(SBIN, price)


def resting(world: World) -> list[tuple[OrderType, int, int]]:
    orders = [order for order in world.book.values() if order.status.working]
    return [(order.terms.order_type, order.terms.trigger_price, order.terms.price) for order in orders]


@pytest.mark.parametrize(
    ("direction", "edge", "side"), [(LONG, LOW, Side.SELL), (SHORT, HIGH, Side.BUY)], ids=["falls", "rises"]
)
@pytest.mark.parametrize("told", [True, False], ids=["band told", "band unknown"])
@pytest.mark.parametrize("protection", [Protection(), Protection(stop=Offset(ppm=1_000))], ids=["bare", "with a stop"])
def test_an_exit_at_the_circuit_limit_rests_there_after_one_refusal(direction, edge, side, told, protection):
    world = World(QUIET)
    world.tells_bands = told
    ask(world, direction, protection=protection)
    world.trade()
    locked(world, edge)
    ask(world, FLAT)
    world.talk()
    for _ in range(120):  # nobody comes
        world.wait(1)
        world.talk()
    assert world.refusals == 1
    assert resting(world) == [(OrderType.LIMIT, 0, edge)]
    (order,) = [each for each in world.book.values() if each.status.working]
    assert order.new.side is side
    world.fill_at(order, 50, edge)
    world.talk()
    assert world.truth() == {A: 0}
    assert world.engine.state.positions[A].quantity == 0


def test_a_stop_whose_limit_lies_beyond_is_drawn_in():
    world = World(QUIET)
    world.bands[SBIN.id] = (79_000, 90_000)
    ask(world, LONG, protection=Protection(stop=Offset(ppm=10_000)))  # its trigger is inside, its limit outside
    world.trade()
    world.wait(3)
    world.talk()
    stop = world.engine.state.positions[A].stop
    assert resting(world) == [(OrderType.SL, stop, 79_000)]
    assert world.refusals == 1
    assert len(alerts(world, "critical")) == 1


def test_a_stop_beyond_the_band_does_not_rest_and_the_desk_watches_it():
    world = World(QUIET)
    world.bands[SBIN.id] = (LOW, 90_000)
    ask(world, LONG, protection=Protection(stop=Offset(ppm=10_000)))
    world.trade()
    for _ in range(60):
        world.wait(1)
        world.talk()
    assert world.refusals == 1
    assert resting(world) == []
    world.bands[SBIN.id] = (70_000, 90_000)  # moved, as those of stocks with derivatives are
    for _ in range(60):
        world.wait(1)
        world.talk()
    stop = world.engine.state.positions[A].stop
    assert [order[:2] for order in resting(world)] == [(OrderType.SL, stop)]
    assert (target(world), world.refusals) == (50, 1)


def test_a_stop_whose_change_is_refused_stays_and_is_changed_ever_more_slowly():
    world = World(QUIET)
    world.tells_bands = False
    held(world)
    world.bands[SBIN.id] = (79_800, 90_000)  # the stop lies below by now
    ask(world, LONG, 80)
    world.trade()
    for _ in range(300):
        world.wait(1)
        world.talk()
    assert 5 < world.refusals <= 10
    assert len(alerts(world, "critical")) == 2
    (stop,) = [each for each in world.book.values() if each.remaining]
    assert stop.remaining == 50  # of 80: better than none
    world.bands.clear()
    world.wait(60)
    world.talk()
    assert stop.remaining == 80


def test_a_question_for_the_band_that_nobody_answers_is_asked_again():
    world = World(QUIET)
    world.bands[SBIN.id] = (LOW, 90_000)
    ask(world, LONG, protection=Protection(stop=Offset(ppm=10_000)))
    world.trade()
    world.wait(3)
    world.talk()
    world.bands[SBIN.id] = (70_000, 90_000)
    while not effects(world, FetchPriceBand):
        world.wait(1)
    world.pending.clear()  # its answer is lost
    for _ in range(120):
        world.wait(1)
        world.talk()
    assert [order[0] for order in resting(world)] == [OrderType.SL]


def test_a_stop_beyond_the_band_is_left_at_by_the_desk():
    world = World(QUIET)
    world.bands[SBIN.id] = (LOW, 90_000)
    ask(world, LONG, protection=Protection(stop=Offset(ppm=10_000)))
    world.trade()
    world.wait(3)
    world.talk()
    world.bands[SBIN.id] = (70_000, 90_000)
    world.at(SBIN, 79_100)
    world.at(SBIN, 79_000)
    world.trade()
    assert world.truth() == {A: 0}


def test_an_exit_waiting_at_an_edge_follows_a_band_that_has_moved():
    world = World(QUIET)
    ask(world, LONG, protection=Protection())
    world.trade()
    locked(world, LOW)
    ask(world, FLAT)
    world.talk()
    world.wait(10)
    world.talk()
    assert resting(world) == [(OrderType.LIMIT, 0, LOW)]
    locked(world, 79_000, low=70_000)
    world.wait(6)
    world.talk()
    assert resting(world) == [(OrderType.LIMIT, 0, 78_605)]


def test_a_trade_makes_the_next_order_reach_again():
    world = World(QUIET)
    world.tells_bands = False
    ask(world, LONG, protection=Protection())
    world.trade()
    locked(world, LOW)
    ask(world, FLAT)
    world.talk()
    world.wait(3)
    world.talk()
    (order,) = [each for each in world.book.values() if each.remaining]
    world.fill_at(order, 20, LOW)
    world.bands.clear()
    world.talk()
    world.wait(6)
    world.talk()
    assert resting(world) == [(OrderType.LIMIT, 0, 79_400)]


def test_the_band_is_asked_for_once_at_a_time():
    world = World(QUIET)
    for name in "ab":
        ask(world, LONG, strategy=StrategyId(name))
        world.trade()
    for _ in "ab":
        world.end(0, OrderStatus.REJECTED)
        world.hear(0)
    assert len(effects(world, FetchPriceBand)) == 1
    world.wait(2)
    world.talk()
    assert len(resting(world)) == 2
    world.end(0, OrderStatus.REJECTED)
    world.hear(0)
    assert len(effects(world, FetchPriceBand)) == 1


def test_a_band_is_forgotten_when_nothing_is_held_any_more():
    world = World(QUIET)
    ask(world, LONG, protection=Protection())
    world.trade()
    locked(world, LOW)
    ask(world, FLAT)
    world.talk()
    world.wait(3)
    world.trade()
    assert world.truth() == {A: 0}
    world.bands.clear()
    world.wait(61)
    assert not effects(world, FetchPriceBand)
    ask(world, SHORT, protection=Protection(stop=Offset(ppm=20_000)))  # its stop lies beyond what was the band
    world.trade()
    assert [kind for kind, _, _ in resting(world)] == [OrderType.SL]


@pytest.mark.parametrize("band", [(0, 0), (-5, -1), (90_000, 70_000), (81_000, 90_000), (79_999, 79_999)])
def test_a_band_that_makes_no_sense_is_none(band):
    world = World(QUIET)
    held(world)
    before = resting(world)
    world.say(PriceBandTold(ts=world.now, instrument=SBIN.id, low=band[0], high=band[1]))
    world.wait(2)
    world.talk()
    assert resting(world) == before


def test_a_refusal_for_speed_asks_for_no_band():
    world = World(QUIET)
    held(world)
    world.at(SBIN, 81_500)  # the stop follows
    (move,) = world.pending
    fail(world, "modify", move.order_id, refused=True, retry=True)
    assert not effects(world, FetchPriceBand)


def test_a_change_that_the_exchange_did_not_take_is_a_refusal_too():
    """Some brokers say yes to a modification that the exchange then refuses: their book is the first to tell."""
    world = World(QUIET)
    stop = held(world)
    (order,) = [each for each in world.engine.state.orders.values() if each.new.purpose is Purpose.STOP]
    world.wait(11)
    told = replace(stop.report(world.now, stream=False), terms=replace(stop.terms, price=stop.terms.price - 5))
    world.say(AccountSnapshot(ts=world.now, reports=(told,), positions=()))
    assert order.terms == told.terms
    assert len(effects(world, FetchPriceBand)) == 1


@pytest.mark.parametrize(
    "told", [(79_000, 81_000), (0, 0), RejectedByBroker("no data plan"), ZeroDivisionError("an SDK stumbled")]
)
def test_a_refused_exit_asks_for_the_band_and_goes_on_without(told):
    bench, asked = Bench(), []

    async def band(instrument):
        asked.append(instrument)
        if isinstance(told, Exception):
            raise told
        return told

    bench.runner._price_band = band
    first = bench.broker.report(FIRST, OrderStatus.PENDING)
    bench.broker.script["submit"] = [first, RejectedByBroker("circuit limit")]
    bench.run(bench.frame(), WANT, fill(FIRST, last_price=80_400, average_price=80_400.0), *map(bench.frame, (2, 3)))
    assert asked == [SBIN.id]
    stop = [*bench.engine.state.orders.values()][-1]
    if told == (79_000, 81_000):
        assert stop.terms.price == 79_000  # the band's edge
    else:
        assert stop.terms.price == stop.terms.trigger_price
