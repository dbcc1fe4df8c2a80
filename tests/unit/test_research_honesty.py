"""What a backtest must say about itself: leaks through a strategy's own memory, and bars or trips that cannot be."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from pydantic import PrivateAttr

import saudagar as sd
from saudagar.backtest.costs import FlatCosts, StatutoryCosts
from saudagar.backtest.data import Market
from saudagar.backtest.prepared import bar_at
from saudagar.backtest.remarks import remarks
from saudagar.backtest.run import Backtest, run
from saudagar.engine.plan_run import Graph, Run
from saudagar.engine.settings import Hours, Plan, Settings
from saudagar.indicators import BarArrays, BarFields, evaluate, indicator, lag, opening_range_high
from saudagar.market.ist import midnight
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar, session_open
from saudagar.model import (
    MINUTE,
    Bar,
    Direction,
    Instrument,
    InstrumentId,
    InstrumentKind,
    Product,
    Segment,
    SizeBy,
    Sizing,
    StrategyId,
)
from saudagar.model.errors import CalendarError, ConfigError, DataError
from saudagar.risk import Limits
from saudagar.strategies import Context, Signals, Strategy

Floats = np.ndarray[Any, np.dtype[np.float64]]


class Remembers(Strategy):
    """Buys new highs of all that it has ever seen."""

    _best: dict[str, int] = PrivateAttr(default_factory=dict)

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        best = self._best.get(bar.instrument, bar.high)
        if bar.close > best:
            ctx.want(Direction.LONG, "a new high")
        elif bar.close * 500 < best * 499:
            ctx.want(Direction.FLAT, "0.2 % below it")
        self._best[bar.instrument] = max(best, bar.high)


def test_a_strategy_object_remembers_nothing_of_the_run_before() -> None:
    data, strategy = sd.synthetic(1, "NSE:RELIANCE"), Remembers()
    first, second = sd.backtest(strategy, data), sd.backtest(strategy, data)
    assert len(first.result) == len(second.result) > 5
    assert first.result.net == second.result.net
    assert strategy._best == {}


SEEN: dict[tuple[str, int], int] = {}


class KnowsTheRunBefore(Strategy):
    def on_bar(self, ctx: Context, bar: Bar) -> None:
        SEEN[bar.instrument, bar.end] = bar.close
        if SEEN.get((bar.instrument, bar.end + bar.interval), 0) > bar.close:
            ctx.want(Direction.LONG, "it will rise")


def test_every_backtest_cuts_what_an_on_bar_decides() -> None:
    with pytest.raises(DataError, match="look-ahead: with the bars after it unknown"):
        sd.backtest(KnowsTheRunBefore(), sd.synthetic(1, "NSE:RELIANCE"))


def _each(x: Floats, edges: Floats, of: Any) -> Floats:
    """`of` the values of each stretch over which `edges` stands still, at all of its bars."""
    turns = [0, *(np.flatnonzero(np.diff(edges)) + 1).tolist(), len(x)]
    parts = [np.full(b - a, of(x[a:b])) for a, b in pairwise(turns)]
    return np.concatenate(parts)


@indicator
def high_of_the_day(x: Floats, day: Floats) -> Floats:
    """All of it, from the morning on."""
    return _each(x, day, np.max)


@indicator
def close_of_the_quarter_hour(x: Floats, since: Floats) -> Floats:
    """Labelled at its beginning."""
    return _each(x, since // (15 * MINUTE), lambda values: values[-1])


@indicator
def next_after_a_jump(x: Floats) -> Floats:
    """Sees ahead at a bar in a hundred."""
    jumped = np.abs(np.diff(x, prepend=x[0])) > 0.004 * x
    return np.where(jumped, np.append(x[1:], x[-1]), x - 1)


class Planted(Strategy):
    what: str

    def signals(self, bar: BarFields) -> Signals:
        line = {
            "high of the day": lambda: high_of_the_day(bar.close, bar.column("day")),
            "close of the quarter hour": lambda: close_of_the_quarter_hour(bar.close, bar.column("since")),
            "next after a jump": lambda: next_after_a_jump(bar.close),
        }[self.what]()
        above = bar.close < line
        return Signals(long=above & ~lag(above))


@pytest.mark.parametrize("seed", [1, 4])
@pytest.mark.parametrize("what", ["high of the day", "close of the quarter hour", "next after a jump"])
def test_a_backtest_refuses_what_knows_the_rest_of_the_day(what: str, seed: int) -> None:
    with pytest.raises((DataError, ConfigError), match=r"look-ahead|cannot be used"):
        sd.backtest(Planted(what=what), sd.synthetic(seed, "NSE:RELIANCE"))


@indicator
def shifted(x: Floats, ahead: int) -> Floats:
    """Sees ahead where a parameter says so, at the prices of this test."""
    return np.where(x > 110_000, np.append(x[1:], x[-1]), x) if ahead else x - 1


class Switched(Strategy):
    ahead: int = 0

    def signals(self, bar: BarFields) -> Signals:
        line = shifted(bar.close, self.ahead)
        return Signals(long=line > bar.close, exit_long=line < bar.close)


def test_the_best_set_of_a_sweep_is_cut_too() -> None:
    data = sd.synthetic(1, "NSE:RELIANCE", interval="5m")
    with pytest.raises(DataError, match="look-ahead"):
        sd.sweep(Switched(), data, {"ahead": [0, 1]}, driver="engine", workers=1)


# ---- bars and trips that cannot be ------------------------------------------------------------------------------


class Flips(Strategy):
    def signals(self, bar: BarFields) -> Signals:
        up = bar.close > lag(bar.close)
        return Signals(long=up, short=~up)


def frame(prices: list[float], start: str, step: timedelta) -> dict[str, Any]:
    first = datetime.fromisoformat(start)
    times = [(first + step * at).isoformat(" ") for at in range(len(prices))]
    return {"time": times, "open": prices, "high": prices, "low": prices, "close": prices}


WALK = [100 + (at * 7 % 11) / 10 for at in range(40)]


def test_an_unadjusted_split_is_told() -> None:
    run_of = sd.backtest(Flips(), frame([*WALK[:10], *(each / 5 for each in WALK)], "2024-01-01", timedelta(days=1)))
    told = [each for each in run_of.record.facts.warnings if "split" in each]
    assert len(told) == 1
    assert "looks like a split or bonus, 5 shares for 1" in told[0]
    calm = sd.backtest(Flips(), frame(WALK, "2024-01-01", timedelta(days=1)))
    assert not any("split" in each for each in calm.record.facts.warnings)


def test_sessions_without_bars_are_told() -> None:
    days = [frame(WALK, f"2024-01-{day:02} 09:15", timedelta(minutes=1)) for day in (2, 3, 8)]
    data = {name: [*days[0][name], *days[1][name], *days[2][name]] for name in days[0]}
    told = sd.backtest(Flips(), data, interval="1m").record.facts.warnings
    assert "Sessions without bars: NSE_EQ:DATA has none on 2 (the first is 2024-01-04)." in told
    whole = {name: [*days[0][name], *days[1][name]] for name in days[0]}
    assert not any("without bars" in each for each in sd.backtest(Flips(), whole, interval="1m").record.facts.warnings)


def test_charges_that_nobody_has_tabled_are_told_before_anything_is_traded() -> None:
    visited: list[float] = []
    market = Market({FUTURE.id: future_bars(2020)}, Master(date(2024, 1, 1), (FUTURE,)), Calendar())
    costs = StatutoryCosts("zerodha", Product.MARGIN)
    with pytest.raises(CalendarError, match=r"charges are tabled from .*--flat-cost"):
        run(flips(market, costs), "engine", progress=visited.append)
    assert not visited


@pytest.mark.parametrize(
    ("product", "quantity", "told"),
    [("delivery", 100, False), ("delivery", 200, True), ("intraday", 400, False), ("intraday", 700, True)],
)
def test_more_than_a_broker_lends_is_told(product: Any, quantity: int, told: bool) -> None:
    """Some ₹100 a share and ₹10,000 of capital, which nobody counts."""
    data = frame(WALK, "2024-01-02 09:15", timedelta(minutes=1))
    done = sd.backtest(Flips(), data, interval="1m", product=product, quantity=quantity, capital=10_000, leverage=0)
    assert any("times the capital" in each for each in done.record.facts.warnings) == told


def test_shares_sold_short_for_delivery_are_told() -> None:
    data = frame(WALK, "2024-01-02 09:15", timedelta(minutes=1))
    told = sd.backtest(Flips(), data, interval="1m", product="delivery").record.facts.warnings
    assert any("sold short for delivery" in each for each in told)
    bought = sd.backtest(Flips(), data, interval="1m", product="delivery", side="buy").record.facts.warnings
    assert not any("short" in each for each in bought)


def test_a_square_off_that_closes_nothing_is_told() -> None:
    """The bars end at 9:55 each day: there is none to leave in at 15:10, and the night is spent in the market."""
    days = [frame(WALK, f"2024-01-0{day} 09:15", timedelta(minutes=1)) for day in (2, 3)]
    data = {name: [*days[0][name], *days[1][name]] for name in days[0]}
    told = sd.backtest(Flips(), data, interval="1m", square_off="15:10", product="margin").record.facts.warnings
    assert any(each.startswith("Held overnight in spite of the square-off at 15:10: 1.") for each in told)
    assert not any("Held overnight" in each for each in sd.backtest(Flips(), data, interval="1m").record.facts.warnings)


FUTURE = Instrument(
    segment=Segment.NSE_FNO,
    symbol="NIFTY24JANFUT",
    kind=InstrumentKind.FUTURE,
    tick_size=5,
    lot_size=50,
    expiry=date(2024, 1, 25),
)


def future_bars(year: int = 2024) -> BarArrays:
    """In 2024 the day before the expiry, the day itself, and one when the contract is no more."""
    start = np.concatenate(
        [midnight(date(year, 1, day)) + (9 * 60 + 15 + np.arange(40)) * MINUTE for day in (24, 25, 29)]
    )
    prices = np.tile(np.array([20_000 + 5 * (at * 7 % 11) for at in range(40)]), 3)
    same = dict.fromkeys(("open", "high", "low", "close"), prices)
    return BarArrays.from_columns(interval=MINUTE, start=start, end=start + MINUTE, volume=np.ones(len(start)), **same)


def flips(market: Market, costs: FlatCosts | StatutoryCosts) -> Backtest:
    plan = Plan(
        id=StrategyId("flips"),
        strategy=Flips(),
        instruments=(FUTURE.id,),
        interval=MINUTE,
        sizing=Sizing(SizeBy.LOTS, 1),
    )
    limits = Limits(allowed=frozenset({FUTURE.id}))
    settings = Settings(desk="TEST", plans=(plan,), limits=limits, product=Product.MARGIN, hours=Hours())
    return Backtest(settings=settings, market=market, costs=costs, capital=10**9)


@pytest.mark.parametrize("driver", ["engine", "kernel"])
def test_a_contract_trades_to_its_expiry_and_not_beyond(driver: Any) -> None:
    market = Market({FUTURE.id: future_bars()}, Master(date(2024, 1, 1), (FUTURE,)), Calendar())
    assert (len(market.bars[FUTURE.id]), market.outside) == (80, [FUTURE.id])
    backtest = flips(market, FlatCosts(300))
    result = run(backtest, driver)
    assert len(result) > 10
    assert abs(result.open_quantity[0]) == 50
    assert [each for each in remarks(backtest, result) if "held to its expiry" in each]


def test_a_commodity_counts_from_the_open_of_its_own_session() -> None:
    """On MCX the first quarter of an hour begins at 9:00, in a backtest as at a desk."""
    gold = msgspec.structs.replace(FUTURE, segment=Segment.MCX_COMM, symbol="GOLD26JANFUT", expiry=date(2026, 1, 30))
    start = midnight(date(2026, 1, 5)) + (9 * 60 + np.arange(90)) * MINUTE
    prices = 20_000.0 + 5 * np.arange(90)
    columns = dict.fromkeys(("open", "high", "low", "close"), prices)
    given = BarArrays.from_columns(interval=MINUTE, start=start, end=start + MINUTE, volume=np.ones(90), **columns)
    market = Market({gold.id: given}, Master(date(2026, 1, 1), (gold,)), Calendar())
    bars = market.bars[gold.id]
    bar = BarFields()
    exprs = [opening_range_high(bar, 15), bar.at("1h").close]
    opening, hour = evaluate(exprs, bars)
    assert (int(np.isfinite(opening).argmax()), opening[14]) == (14, prices[14])
    assert int(np.isfinite(hour).argmax()) == 59
    plan = Plan(
        id=StrategyId("ranges"),
        strategy=Breaks(),
        instruments=(gold.id,),
        interval=MINUTE,
        sizing=Sizing(SizeBy.LOTS, 1),
    )
    graph = Graph([Run(plan, gold.id)])
    fired = [bool(graph.step(bar_at(gold.id, bars, at))) for at in range(90)]
    assert fired.index(True) == 15


class Breaks(Strategy):
    def signals(self, bar: BarFields) -> Signals:
        return Signals(long=bar.close > opening_range_high(bar, 15))


def test_every_segment_opens_when_the_calendar_says() -> None:
    day = date(2026, 1, 5)
    for segment in Segment:
        opens, _ = Calendar().open_close(segment, day)
        assert session_open(InstrumentId(f"{segment}:X")) == opens - midnight(day)


@pytest.mark.parametrize(
    ("product", "leverage", "size"),
    [
        ("delivery", None, "₹80,000.00"),
        ("intraday", None, "₹1,00,000.00"),
        ("intraday", 1, "₹80,000.00"),
        ("intraday", 0.5, "₹40,000.00"),
        ("delivery", 0, "₹1,00,000.00"),
    ],
)
def test_the_size_of_the_whole_capital_leaves_room_where_nothing_is_lent(
    product: Any, leverage: float | None, size: str
) -> None:
    data = frame(WALK, "2024-01-02 09:15", timedelta(minutes=1))
    done = sd.backtest(
        Flips(), data, interval="1m", product=product, side="buy", capital=100_000, leverage=leverage, flat_cost=0.5
    )
    assert done.record.facts.assumptions["size"].startswith(size)
    assert done.record.facts.refused_for_cash == 0, "half a percent of each is soon more than nothing to spare"
