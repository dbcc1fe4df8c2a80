"""From ticks to bars to intents: what signals become, and when bars close."""

from __future__ import annotations

from typing import ClassVar

import pytest
from msgspec.structs import replace
from tests.adversary import DAY, SBIN, SETTINGS, World

from saudagar.engine.plan_run import Run, Standing
from saudagar.engine.settings import Plan
from saudagar.market.ist import at
from saudagar.model import MINUTE, SECOND, Bar, Direction, SizeBy, Sizing, StrategyId, Tick, TickFrame, TimeAdvanced
from saudagar.strategies import Exits, Signals, Strategy

NINE = at(DAY, "09:15")
A = "a@NSE_EQ:SBIN"


class Above(Strategy):
    """Long above one line, short below another, out in between."""

    def signals(self, bar):
        return Signals(
            long=bar.close > 80_100,
            short=bar.close < 79_900,
            exit_long=bar.close < 80_050,
            exit_short=bar.close > 79_950,
        )


class ByHand(Strategy):
    """Overrides its signals with what it sees of its own position."""

    seen: ClassVar[list[tuple[int, int]]] = []

    def on_bar(self, ctx, bar):
        self.seen.append((ctx.position, ctx.entry_price))
        if not ctx.position:
            ctx.want(Direction.LONG, "by hand", 7)


def plan(strategy: Strategy, **changes) -> Plan:
    return Plan(
        **{
            "id": StrategyId("a"),
            "strategy": strategy,
            "instruments": (SBIN.id,),
            "interval": MINUTE,
            "sizing": Sizing(SizeBy.LOTS, 10),
            **changes,
        }
    )


def bar(close: int, n: int = 0) -> Bar:
    start = NINE + n * MINUTE
    return Bar(SBIN.id, MINUTE, start, start + MINUTE, close, close, close, close, 100)


@pytest.mark.parametrize(
    ("row", "target", "direction"),
    [
        ((1, 0, 0, 0), 0, Direction.LONG),
        ((0, 1, 0, 0), 0, Direction.SHORT),
        ((1, 1, 0, 0), 0, None),  # both is neither
        ((0, 0, 0, 0), 10, None),
        ((0, 0, 1, 0), 10, Direction.FLAT),
        ((0, 0, 1, 0), -10, None),
        ((0, 0, 0, 1), -10, Direction.FLAT),
        ((1, 0, 1, 0), 10, Direction.FLAT),  # leaving wins
        ((1, 0, 0, 1), 10, Direction.LONG),
        ((float("nan"), 0, 0, 0), 0, None),  # not known yet
        ((float("nan"), 1, 0, 0), 0, Direction.SHORT),
        ((0, 0, float("nan"), 0), 10, None),
        ((True, False, False, False), 0, Direction.LONG),
    ],
)
def test_what_signals_become(row, target, direction):
    run = Run(plan(Above()), SBIN.id)
    assert run.names == ["long", "short", "exit_long", "exit_short"]
    intent = run.decide(bar(80_000), row, lambda _: Standing(target, 80_000, target))
    assert (intent.direction if intent else None) == direction


@pytest.mark.parametrize(("atr", "taken"), [(float("nan"), False), (float("inf"), False), (12.5, True)])
def test_no_entry_while_the_atr_of_its_stop_is_unknown(atr, taken):
    run = Run(plan(Above(), exits=Exits(stop="2atr")), SBIN.id)
    intent = run.decide(bar(80_200), (1, 0, 0, 0, atr), lambda _: Standing(0, 0, 0))
    assert (intent is not None) is taken
    if intent:
        assert intent.protection.stop.points == 25
    assert run.decide(bar(80_000), (0, 0, 1, 0, atr), lambda _: Standing(9, 80_000, 9)).direction is Direction.FLAT


def feed(world: World, prices, start: int) -> None:
    for n, price in enumerate(prices):
        ts = start + n * 20 * SECOND
        world.volume += 10
        world.now = ts
        world.say(TickFrame(ts, [Tick(SBIN.id, ts, price, world.volume)]))


def test_bars_close_by_the_next_tick_or_by_the_clock():
    world = World(replace(SETTINGS, plans=(plan(Above()),)))
    analysis = world.engine.analysis
    assert analysis.needs() == [(SBIN.id, MINUTE, 1, 0)]
    start = at(DAY, "09:25")
    feed(world, [80_000, 80_150, 80_200, 80_200], start)
    assert world.engine.state.positions[A].target == 10
    closed = analysis.bars
    world.say(TimeAdvanced(start + 2 * MINUTE))
    assert analysis.bars == closed  # a late tick is still waited for
    world.say(TimeAdvanced(start + 2 * MINUTE + SECOND))
    assert analysis.bars == closed + 1
    world.say(TimeAdvanced(start + 5 * MINUTE))
    assert analysis.bars == closed + 1  # nothing traded: no bar
    world.settle(1)
    feed(world, [80_000, 80_000, 80_000, 80_000], start + 20 * MINUTE)
    world.settle(1)
    assert world.truth()[A] == 0
    assert isinstance(analysis.odd_ticks(), dict)


def test_a_clock_may_bring_the_signal():
    world = World(replace(SETTINGS, plans=(plan(Above()),)))
    feed(world, [80_000, 80_150, 80_200], at(DAY, "09:25"))
    world.say(TimeAdvanced(at(DAY, "09:26") + SECOND))
    assert world.engine.state.positions[A].target == 10


def test_a_strategy_may_decide_by_hand():
    ByHand.seen.clear()
    world = World(replace(SETTINGS, plans=(plan(ByHand()),)))
    for minute in range(4):
        for part in range(3):
            feed(world, [80_000], at(DAY, "09:25") + minute * MINUTE + part * 20 * SECOND)
            world.trade()
    assert world.truth() == {A: 7}
    assert world.engine.state.positions[A].entry_reason == "by hand"
    assert ByHand.seen[0] == (0, 0)
    assert ByHand.seen[-1] == (7, 80_400)


def test_history_warms_the_graph_and_is_not_acted_on():
    world = World(replace(SETTINGS, plans=(plan(Above(), exits=Exits(stop="1atr", atr=3)),)))
    need = world.engine.analysis.needs()[0]
    assert need.bars >= 3
    assert world.engine.analysis.warm(SBIN.id, MINUTE, [bar(80_200 + n, n) for n in range(4)]) == 4
    assert not world.engine.state.positions


def test_two_plans_share_one_series():
    world = World(replace(SETTINGS, plans=(plan(Above()), plan(Above(), id=StrategyId("b")))))
    feed(world, [80_200] * 4, at(DAY, "09:25"))
    assert {p.id for p in world.engine.state.positions.values()} == {A, "b@NSE_EQ:SBIN"}
    assert len(world.engine.analysis.needs()) == 1
