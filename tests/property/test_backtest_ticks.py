"""A day of ticks replayed in a for-loop trades as the asynchronous desk does on paper, event by event."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import date

import msgspec
import pytest

from saudagar.backtest.costs import StatutoryCosts
from saudagar.backtest.data import Market
from saudagar.backtest.run import Backtest
from saudagar.backtest.tick_days import run_ticks
from saudagar.backtest.ticks import CoreBroker, replay_ticks
from saudagar.brokers.paper import PaperBroker
from saudagar.engine.engine import Engine
from saudagar.engine.ports import Entry
from saudagar.engine.runner import Runner
from saudagar.engine.settings import Hours, Plan, Settings
from saudagar.engine.state import State
from saudagar.exchange.core import MatchingCore
from saudagar.exchange.synthetic import SyntheticDay
from saudagar.exchange.universe import universe
from saudagar.execution.effects import CancelOrder, FindOrder
from saudagar.indicators import bar_arrays
from saudagar.market.ist import at, ist_day, midnight
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import (
    MINUTE,
    ClientOrderId,
    DayEnded,
    LookUpMissed,
    RequestFailed,
    SizeBy,
    Sizing,
    StrategyId,
    TickFrame,
)
from saudagar.model.events import Event
from saudagar.portfolio import Trade
from saudagar.risk import Limits
from saudagar.strategies import Exits
from saudagar.strategies.ema_cross import EmaCross
from saudagar.strategies.volume_breakout import VolumeBreakout

DAY = date(2026, 11, 20)
INSTRUMENTS = universe(6)
NAMES = tuple(each.id for each in INSTRUMENTS if each.segment.tradable)
MASTER = Master(DAY, INSTRUMENTS)


class ListJournal:
    """Events in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, events: Sequence[Event]) -> int:
        self.events += events
        return len(self.events)

    def entries(self, after: int = 0) -> Iterator[Entry]:
        return iter(())

    def close(self) -> None:
        """Nothing is open."""


def settings(exits: Exits) -> Settings:
    plans = tuple(
        Plan(
            id=StrategyId(name),
            strategy=strategy,
            instruments=NAMES,
            interval=MINUTE,
            sizing=Sizing(SizeBy.VALUE, 20_000_00),
            exits=exits,
        )
        for name, strategy in (("ema", EmaCross(fast=3, slow=8)), ("break", VolumeBreakout(lookback=5, burst=1.1)))
    )
    limits = Limits(allowed=frozenset(NAMES), orders_per_second=0)
    return Settings(desk="BT", plans=plans, limits=limits, hours=Hours(square_off="10:20"), reconcile=0)


def market(seed: int) -> tuple[SyntheticDay, MatchingCore, int]:
    source = SyntheticDay(seed, DAY, INSTRUMENTS, start="09:50", end="10:30")
    closes = {each.id: source.previous_close(each.id) for each in INSTRUMENTS}
    core = MatchingCore(INSTRUMENTS, Calendar(), capital=10**10, previous_close=closes)
    begin = next(source.steps())[0] - source.step_ns
    core.advance(begin)
    return source, core, begin


async def on_paper(seed: int, wanted: Settings) -> tuple[list[Trade], list[Event]]:
    """The desk's own loop around the paper broker, waiting between any two inputs as the demo does."""
    source, core, begin = market(seed)
    broker = PaperBroker(core)
    engine = Engine(wanted, MASTER, Calendar(), State(), lambda _: 0)
    journal = ListJournal()
    runner = Runner(engine, journal, broker)
    await broker.start(runner.put, lambda _: None)
    running = asyncio.create_task(runner.run(engine.start(DAY, begin)))
    await runner.quiet()
    for ts, ticks in source.steps():
        broker.on_market(ts, ticks)
        await runner.quiet()
        runner.put(TickFrame(ts, ticks))
        await runner.quiet()
    runner.put(DayEnded(engine.now))
    runner.stop()
    await running
    return engine.state.trades, journal.events


@pytest.mark.unmeasured
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    "exits", [Exits(), Exits(stop="0.3%", target="0.5%"), Exits(trail="0.3%")], ids=["none", "bracket", "trail"]
)
def test_a_for_loop_trades_as_the_desk_on_paper(seed: int, exits: Exits) -> None:
    wanted = settings(exits)
    trades, events = asyncio.run(on_paper(seed, wanted))
    source, core, begin = market(seed)
    told: list[Event] = []
    result = replay_ticks(
        wanted, DAY, source.steps(), core, MASTER, Calendar(), lambda _: 7, now=begin, on_events=told.extend
    )
    assert len(trades) > 5
    assert list(result.trades) == trades
    assert told == events
    assert result.costs == (7,) * len(trades)
    assert result.fills == len(core.trades)


def test_warm_bars_let_the_first_signal_count() -> None:
    wanted = settings(Exits())
    source, core, begin = market(3)
    list(source.steps())  # its history reaches as far as it has played
    past = {(name, MINUTE): source.history(name, MINUTE, 0, begin) for name in NAMES}
    warm = replay_ticks(
        wanted, DAY, source.steps(), core, MASTER, Calendar(), lambda _: 0, now=begin, warm=past, watched=[NAMES[0]]
    )
    source, core, _ = market(3)
    cold = replay_ticks(wanted, DAY, source.steps(), core, MASTER, Calendar(), lambda _: 0, now=begin)
    assert min(t.entry_ts for t in warm.trades) < min(t.entry_ts for t in cold.trades)


def test_days_of_ticks_stand_alone_and_tell_what_they_left_open() -> None:
    names = (NAMES[0],)
    days = [SyntheticDay(6, day, INSTRUMENTS, start="09:50", end="10:40") for day in (date(2026, 11, 19), DAY)]
    bars = []
    for day in days:
        for _ in day.steps():
            pass
        bars += [
            bar for bar in day.history(names[0], MINUTE, midnight(day.day), 1 << 62) if bar.start > at(day.day, "09:50")
        ]
    wanted = settings(Exits())
    plan = msgspec.structs.replace(wanted.plans[0], instruments=names)
    wanted = msgspec.structs.replace(wanted, plans=(plan,), hours=Hours())
    backtest = Backtest(
        settings=wanted,
        market=Market({names[0]: bar_arrays(bars)}, MASTER, Calendar()),
        costs=StatutoryCosts("zerodha", wanted.product),
        capital=10_000_000,
    )
    told = run_ticks(backtest, days)
    result = told.result
    assert result.driver == "ticks"
    assert len(result) > 3
    assert told.lost == 1
    assert {ist_day(int(ts)) for ts in result.exit_ts} == {day.day for day in days}
    assert (result.costs > 0).all()
    assert abs(sum(result.kinds.values()) - result.costs.sum()) < len(result)
    assert len(result.equity()) == len(bars)
    assert run_ticks(backtest, days[1:]).lost == 0


def test_requests_for_unknown_orders_are_refused() -> None:
    _, core, _ = market(1)
    broker = CoreBroker(core)
    nobody = ClientOrderId("NOBODY")
    (missed,) = broker.carry_out(FindOrder(nobody))
    assert isinstance(missed, LookUpMissed)
    (failed,) = broker.carry_out(CancelOrder(nobody))
    assert isinstance(failed, RequestFailed)
    assert failed.refused
    assert failed.request == "cancel"
