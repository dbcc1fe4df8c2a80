"""One strategy on the same days, four ways: bars by kernel and by engine, ticks, and a desk that opens every morning.

The desk knows its journal and the bars of the days before; each of its days is a process of its own. Signals of a
session's last bar are among those that it trades, at the next session's first price, like everybody else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from saudagar.app.desk import first_day
from saudagar.backtest.costs import FlatCosts
from saudagar.backtest.data import Market
from saudagar.backtest.outcome import BacktestResult
from saudagar.backtest.run import Backtest, run
from saudagar.backtest.tick_days import run_ticks
from saudagar.brokers.paper import PaperBroker
from saudagar.engine.engine import Engine
from saudagar.engine.runner import Runner
from saudagar.engine.settings import Hours, Plan, Settings
from saudagar.engine.state import State
from saudagar.exchange.core import MatchingCore
from saudagar.exchange.recorded import PlayedDay, Row
from saudagar.exchange.universe import universe
from saudagar.indicators import BarFields, bar_arrays, lag
from saudagar.market.ist import DAY, at, midnight
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar, SpecialDay
from saudagar.model import (
    MINUTE,
    SECOND,
    Bar,
    DayEnded,
    Nanos,
    Product,
    Segment,
    SizeBy,
    Sizing,
    StrategyId,
    Tick,
    TickFrame,
)
from saudagar.portfolio import Trade
from saudagar.risk import Limits
from saudagar.storage.journal import SqliteJournal
from saudagar.strategies import Signals, Strategy

pytestmark = pytest.mark.unmeasured

INSTRUMENTS = universe(4)[1:3]
NAMES = tuple(each.id for each in INSTRUMENTS)
DAYS = Calendar().sessions(Segment.NSE_EQ, date(2026, 11, 2), date(2026, 11, 12))
OPENS, CLOSES = "09:15", "09:45"
CALENDAR = Calendar(extra=[SpecialDay(day=day, hours=f"{OPENS}-{CLOSES}") for day in DAYS])
MASTER = Master(DAYS[0], INSTRUMENTS)
FIVE = 5 * MINUTE


class Turns(Strategy):
    """Long after a rise from bar to bar, short after a fall; in between `leaves` goes flat."""

    leaves: bool = False

    def signals(self, bar: BarFields) -> Signals:
        before = lag(bar.close, 1)
        if not self.leaves:
            return Signals(long=bar.close > before, short=bar.close < before)
        return Signals(long=bar.close > before * 1.001, exit_long=bar.close < before)


def settings(interval: Nanos, *, leaves: bool, square_off: str) -> Settings:
    plan = Plan(
        id=StrategyId("turns"),
        strategy=Turns(leaves=leaves),
        instruments=NAMES,
        interval=interval,
        sizing=Sizing(SizeBy.QUANTITY, 10),
    )
    product = Product.DELIVERY if leaves and not square_off else Product.INTRADAY  # which paper lets stay
    hours = Hours(square_off=square_off)
    return Settings(
        desk="M", plans=(plan,), limits=Limits(allowed=frozenset(NAMES)), product=product, hours=hours, reconcile=0
    )


def played(seed: int) -> list[PlayedDay]:
    """Half an hour of each day, a tick a second."""
    return [PlayedDay(day, rows, CALENDAR) for day, rows in zip(DAYS, rows_of(seed), strict=True)]


@cache
def rows_of(seed: int) -> list[dict[object, list[Row]]]:
    days, random, price = [], Random(seed), dict.fromkeys(NAMES, 100000)
    for day in DAYS:
        rows: dict[object, list[Row]] = {}
        for instrument in INSTRUMENTS:
            name, volume, found = instrument.id, 0, rows.setdefault(instrument, [])
            price[name] = round(price[name] * random.uniform(0.995, 1.005))  # over night
            for second in range(30 * 60):
                price[name] += round(random.gauss(0, 25))
                shown = price[name] // instrument.tick_size * instrument.tick_size
                volume += random.randrange(1, 200)
                ts = at(day, OPENS) + second * SECOND
                found.append(Row(ts, Tick(name, ts, shown, volume)))
        days.append(rows)
    return days


def bars_of(days: Sequence[PlayedDay], interval: Nanos) -> dict[str, list[Bar]]:
    return {name: [bar for day in days for bar in day.bars(name, interval)] for name in NAMES}


async def a_morning(folder: Path, wanted: Settings, day: PlayedDay, past: dict[str, list[Bar]], *, dies: str) -> State:
    """One day of the desk on paper; it dies at `dies` and is started again ten seconds later."""
    closes = {name: day.previous_close(name) for name in NAMES}
    core = MatchingCore(INSTRUMENTS, CALENDAR, capital=10**15, previous_close=closes)
    steps, now = list(day.steps()), at(day.day, "09:00")
    core.advance(now)
    broker = PaperBroker(core)
    ends = [at(day.day, dies)] if dies else []
    state = State()
    for until in (*ends, 1 << 62):
        journal = SqliteJournal(folder / "journal.db", lambda: 0)
        state = State.replay(entry.event for entry in journal.entries())
        if not dies:
            broker.restore(state.orders.values())
        engine = Engine(wanted, MASTER, CALENDAR, state, lambda _: 0)
        for need in engine.analysis.needs():
            instrument = MASTER.get(need.instrument)
            first = midnight(first_day(CALENDAR, instrument, day.day, need))
            bars = [*past[need.instrument], *day.bars(need.instrument, need.interval)]
            bars = [bar for bar in bars if first <= bar.start and bar.end <= now]
            engine.analysis.warm(need.instrument, need.interval, bars)
        runner = Runner(engine, journal, broker)
        await broker.start(runner.put, lambda _: None)
        running = asyncio.create_task(runner.run(engine.start(day.day, now)))
        await runner.quiet()
        while steps and steps[0][0] < until:
            ts, ticks = steps.pop(0)
            broker.on_market(ts, ticks)
            await runner.quiet()
            runner.put(TickFrame(ts, ticks))
            await runner.quiet()
            now = ts
        if steps:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        else:
            runner.put(DayEnded(engine.now))
            runner.stop()
            await running
        journal.close()
    return state


def by_the_desk(folder: Path, wanted: Settings, days: Sequence[PlayedDay], *, dies: str = "") -> list[Trade]:
    past: dict[str, list[Bar]] = {name: [] for name in NAMES}
    interval = wanted.plans[0].interval
    for day in days:
        state = asyncio.run(a_morning(folder, wanted, day, past, dies=dies))
        for name, bars in bars_of([day], interval).items():
            past[name] += bars
    return state.trades


def backtest(wanted: Settings, days: Sequence[PlayedDay]) -> Backtest:
    bars = {name: bar_arrays(each) for name, each in bars_of(days, wanted.plans[0].interval).items()}
    return Backtest(settings=wanted, market=Market(bars, MASTER, CALENDAR), costs=FlatCosts(), capital=10**12)


def walked(entry: Nanos, exit_: Nanos, interval: Nanos) -> tuple[Nanos, Nanos]:
    """In which bar each happened: inside it a backtest's price walks by its own clock."""
    return entry // interval * interval, exit_ // interval * interval


def told(result: BacktestResult, interval: Nanos = SECOND) -> list[tuple[object, ...]]:
    columns = (result.position, result.sign, result.quantity, result.entry_ts, result.exit_ts)
    return sorted(
        (result.instruments[place], sign, quantity, *walked(entry, exit_, interval))
        for place, sign, quantity, entry, exit_ in zip(*(column.tolist() for column in columns), strict=True)
    )


def told_by_desk(trades: Sequence[Trade], interval: Nanos = SECOND) -> list[tuple[object, ...]]:
    return sorted(
        (trade.instrument, trade.side.sign, trade.quantity, *walked(trade.entry_ts, trade.exit_ts, interval))
        for trade in trades
    )


def at_the_opening(found: Sequence[tuple[object, ...]]) -> int:
    return sum(entry == at(day, OPENS) for _, _, _, entry, _ in found for day in DAYS)


@pytest.mark.parametrize("leaves", [False, True], ids=["turns", "leaves"])
@pytest.mark.parametrize("interval", [FIVE, DAY], ids=["5m", "1d"])
def test_four_ways_to_trade_the_same_days(tmp_path: Path, interval: Nanos, leaves: bool) -> None:
    wanted, days = settings(interval, leaves=leaves, square_off="09:42:30"), played(3)
    asked = backtest(wanted, days)
    by_engine, by_kernel = told(run(asked, "engine"), FIVE), told(run(asked, "kernel"), FIVE)
    ticks = run_ticks(asked, days)
    desk = by_the_desk(tmp_path, wanted, days)
    assert by_engine == by_kernel
    assert told(ticks.result, FIVE) == by_engine
    assert at_the_opening(by_engine) >= 4
    assert told_by_desk(desk) == told(ticks.result)
    values = [(t.entry_ts, t.instrument, t.entry_value, t.exit_value) for t in desk]
    of_ticks = ticks.result
    names = [of_ticks.instruments[place] for place in of_ticks.position.tolist()]
    columns = (of_ticks.entry_ts.tolist(), names, of_ticks.entry_value.tolist(), of_ticks.exit_value.tolist())
    assert sorted(values) == sorted(zip(*columns, strict=True))


@pytest.mark.parametrize(("interval", "dies"), [(FIVE, "09:15:00"), (DAY, "09:15:07"), (FIVE, "09:31:40")])
def test_a_desk_that_dies_trades_the_same(tmp_path: Path, interval: Nanos, dies: str) -> None:
    wanted, days = settings(interval, leaves=True, square_off="09:42:30"), played(3)
    assert told_by_desk(by_the_desk(tmp_path, wanted, days, dies=dies)) == told(
        run_ticks(backtest(wanted, days), days).result
    )


@pytest.mark.parametrize("leaves", [False, True], ids=["turns", "leaves"])
@pytest.mark.parametrize("interval", [FIVE, DAY], ids=["5m", "1d"])
def test_what_is_held_over_night_is_left_or_turned_at_the_opening(
    tmp_path: Path, interval: Nanos, leaves: bool
) -> None:
    wanted, days = settings(interval, leaves=leaves, square_off=""), played(3)
    asked = backtest(wanted, days)
    by_engine, by_kernel = told(run(asked, "engine"), FIVE), told(run(asked, "kernel"), FIVE)
    assert by_engine == by_kernel
    assert told_by_desk(by_the_desk(tmp_path, wanted, days), FIVE) == by_engine
    left = sum(exit_ == at(day, OPENS) for *_, exit_ in by_engine for day in DAYS)
    assert left >= 2
    assert at_the_opening(by_engine) >= 2


def daily(trading_day: Callable[..., Any], name: str, in_process: str = "false") -> Any:
    """Three minutes after the opening of the simulated exchange, for averages of daily bars."""
    day = trading_day(name, in_process=in_process, end="09:18", last_entry="09:16", square_off="09:17")
    file = day.folder / "desk.toml"
    file.write_text(file.read_text().replace('interval = "1m"', 'interval = "1d"'))
    return day


def test_daily_bars_trade_over_the_wire_and_once_though_the_desk_is_killed(
    trading_day: Callable[..., Any], forge: Any
) -> None:
    direct = daily(trading_day, "direct", "true").desk(forge.start).finish()["trades"]
    assert [trade["entry_ts"] for trade in direct] == [at(date(2026, 11, 20), OPENS)]
    day = daily(trading_day, "wire")
    day.open()
    desk = day.desk(forge.start)
    with day.rows() as last:
        while desk.running and not last("OrderFilled"):
            time.sleep(0.0005)
    desk.kill()
    assert day.desk(forge.start).finish()["trades"] == direct
    assert len([order for order in day.books().exchange["orders"] if order["side"] == direct[0]["side"]]) == 1
