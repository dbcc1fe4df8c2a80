"""Backtests count the cash: over days, by both drivers, and where the fast way has to prove that it need not."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from tests.backtests import CALENDAR, INSTRUMENTS, MASTER, bars, lines, plan
from tests.unit.test_backtest_replay import DOWN, STOCK, UP, Levels, columns, flat, trade

from saudagar.backtest import run as runs
from saudagar.backtest.costs import FlatCosts, StatutoryCosts
from saudagar.backtest.data import Market
from saudagar.backtest.fill_rules import Fill, FillRules
from saudagar.backtest.fills import Slippage
from saudagar.backtest.means import never_short
from saudagar.backtest.remarks import remarks
from saudagar.backtest.run import Backtest, run
from saudagar.engine.settings import Hours, Settings
from saudagar.execution.steering import Tactics
from saudagar.market.master import Master
from saudagar.model import MINUTE, OrderType, Product, SizeBy, Sizing, TradeSide
from saudagar.research import sweep_lanes
from saudagar.research.sweep_cash import ample_cash
from saudagar.research.sweep_grid import Params
from saudagar.research.sweep_lanes import run_lanes
from saudagar.research.sweep_study import run_one
from saudagar.risk import Limits
from saudagar.strategies import Exits
from saudagar.strategies.ema_cross import EmaCross

KERNELS = Path(__file__).resolve().parents[2] / "var" / "kernels"
ONE, TWO = INSTRUMENTS[:2]


@pytest.fixture(autouse=True)
def _kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAUDAGAR_CACHE", str(KERNELS))


@pytest.mark.parametrize(("more", "trips"), [(0, 2), (-1, 1)])
def test_what_one_day_loses_is_missing_the_next(more: int, trips: int) -> None:
    """10 at ₹100 each day; the first day loses 10 × ₹0.50 and its charges of ₹1.20 (0.06 % of two sides of ₹1,000)."""
    charges = (300 * (100_000 + 99_500) + 500_000) // 1_000_000
    limits = Limits(
        allowed=frozenset({STOCK.id}), capital=100_000 + 500 + charges + more, leverage_percent=100, max_trades=1
    )
    begin = [flat(10_000), UP]
    result = trade(columns([*begin, DOWN, flat(9_950), flat(9_960)], [*begin, flat(10_000)]), limits=limits)
    assert len(result.trades) + len(result.open) == trips
    assert result.denials.get("cash", 0) == 2 - trips


def simple(percent: int, capital: int, *, count: int = 2, **changes: Any) -> Backtest:
    """EMA cross on some stocks for two days, 10 units each: about ₹10,000 a position."""
    names = [each.id for each in INSTRUMENTS[:count]]
    one = msgspec.structs.replace(
        plan(Random(1), 0),
        strategy=EmaCross(fast=3, slow=8),
        exits=Exits(),
        side=TradeSide.BOTH,
        sizing=changes.pop("sizing", Sizing(SizeBy.QUANTITY, 10)),
        instruments=tuple(names),
    )
    limits = Limits(allowed=frozenset(names), capital=capital, leverage_percent=percent)
    known = {name: bars(5 + k, 2, 0.0008, 0.2, 5, 200) for k, name in enumerate(names)}
    settings = Settings(
        desk="BT",
        plans=(one,),
        limits=limits,
        hours=changes.pop("hours", Hours()),
        tactics=Tactics(entry_type=changes.pop("entry", OrderType.MARKET)),
    )
    market = Market(known, changes.pop("master", MASTER), CALENDAR)
    given: dict[str, Any] = {"costs": FlatCosts(300), "capital": capital} | changes
    return Backtest(settings=settings, market=market, **given)


CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "kernel"),
    ({"count": 1}, "kernel"),
    ({"hours": Hours(square_off="10:40")}, "kernel"),
    ({"slippage": Slippage(ticks=2, ppm=200), "entry": OrderType.LIMIT}, "kernel"),
    ({"count": 1, "fills": FillRules(fill=Fill.CLOSE)}, "kernel"),
    ({"fills": FillRules(fill=Fill.CLOSE)}, "engine"),
    ({"costs": StatutoryCosts("zerodha", Product.INTRADAY)}, "engine"),
    ({"costs": StatutoryCosts("zerodha", Product.INTRADAY), "hours": Hours(square_off="10:40")}, "engine"),
]


@pytest.mark.parametrize(("changes", "driver"), CASES)
def test_little_money_is_counted_alike_by_both_drivers(changes: dict[str, Any], driver: str) -> None:
    """Enough for one position; the kernel hands over where only the engine can tell what follows."""
    backtest = simple(100, 1_010_000, **changes)
    said: list[str] = []
    kernel, engine = run(backtest, "kernel", say=said.append), run(backtest, "engine")
    assert kernel.driver == driver
    assert lines(kernel) == lines(engine)
    assert kernel.denials["cash"] == engine.denials["cash"] > 0
    assert any("the cash runs short" in each for each in said) == (driver == "engine")
    assert len(kernel) < len(run(simple(0, 0, **changes), "engine"))


@pytest.mark.parametrize("changes", [changes for changes, _ in CASES])
def test_where_money_is_ample_one_fast_run_proves_it(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    backtest, free = simple(500, 2_500_000, **changes), run(simple(0, 0, **changes))
    monkeypatch.setattr(runs, "_by_engine", None)
    told = run(backtest)
    assert lines(told) == lines(free)
    assert (told.driver, told.denials) == ("kernel", {})


def test_the_proof_is_on_the_safe_side() -> None:
    """Whatever it lets pass the engine refuses nothing of; it lets pass what is plainly enough."""
    passed = 0
    for seed in range(12):
        random = Random(seed)
        changes: dict[str, Any] = {
            "slippage": random.choice((Slippage(), Slippage(ticks=3, ppm=500))),
            "entry": random.choice((OrderType.MARKET, OrderType.LIMIT)),
            "costs": random.choice((FlatCosts(300), StatutoryCosts("dhan", Product.INTRADAY))),
            "count": random.choice((1, 2)),
        }
        free = run(simple(0, 0, **changes))
        for capital in range(900_000, 2_600_000, 100_000):
            backtest = simple(100, capital, **changes)
            if never_short(backtest, free):
                passed += 1
                assert not run(backtest, "engine").denials
                break
    assert passed == 12


def test_to_stay_in_needs_no_cash() -> None:
    """Time is up at the very open at which the same is wanted again, for more than it has cost."""
    wait = [flat(10_000)] * 4
    bars = columns([flat(10_000), UP, *wait, UP, flat(10_060), flat(10_070), flat(10_070)])
    known = Market({STOCK.id: bars}, Master(MASTER.day, (STOCK,)), CALENDAR)
    one = msgspec.structs.replace(
        plan(Random(1), 0),
        strategy=Levels(),
        instruments=(STOCK.id,),
        sizing=Sizing(SizeBy.QUANTITY, 10),
        exits=Exits(max_minutes=5),
        side=TradeSide.BUY,
    )
    limits = Limits(allowed=frozenset({STOCK.id}), capital=100_000, leverage_percent=100)
    backtest = Backtest(
        settings=Settings(desk="BT", plans=(one,), limits=limits, tactics=Tactics(entry_type=OrderType.MARKET)),
        market=known,
        costs=FlatCosts(0),
    )
    kernel, engine = run(backtest), run(backtest, "engine")
    assert kernel.denials == engine.denials == {}
    assert lines(kernel) == lines(engine)
    assert (engine.exit_ts - engine.entry_ts > 5 * MINUTE).all()


def test_entries_that_are_cut_into_slices_are_left_to_the_engine() -> None:
    cut = [msgspec.structs.replace(each, freeze_quantity=4) for each in INSTRUMENTS]
    backtest = simple(100, 1_010_000, master=Master(MASTER.day, tuple(cut)), slippage=Slippage(ticks=1))
    said: list[str] = []
    told = run(backtest, say=said.append)
    assert told.driver == "engine"
    assert "cut into slices" in said[0]
    assert told.denials["cash"] > 0


def test_refusals_are_told_and_without_the_rule_what_a_broker_would_have_refused() -> None:
    backtest = simple(100, 1_010_000)
    told = run(backtest)
    (said,) = (each for each in remarks(backtest, told) if "cash" in each)
    assert said.startswith(f"Entries refused for want of cash: {told.denials['cash']}.")
    free = simple(0, 300_000)
    assert any("times the capital: no broker lends" in each for each in remarks(free, run(free)))
    nothing = simple(100, 100)
    (why,) = (each for each in remarks(nothing, run(nothing)) if each.startswith("No trade"))
    assert "because the cash is short" in why


def test_lanes_run_again_only_what_may_have_lacked_cash(monkeypatch: pytest.MonkeyPatch) -> None:
    sets: list[Params] = [{"fast": fast, "slow": 8} for fast in (2, 3, 4)]
    short = simple(100, 1_010_000)
    found = dict(run_lanes(short, sets, workers=1))
    for place, params in enumerate(sets):
        assert found[place].same(run_one(short, params))
    free = run_one(simple(0, 1_010_000), sets[0])
    assert not found[0].same(free)
    monkeypatch.setattr(sweep_lanes, "run_one", None)
    rich = dict(run_lanes(simple(500, 5_000_000), sets, workers=1))
    assert rich[0].same(free)


def test_the_bound_of_the_lanes_falls_with_the_account() -> None:
    backtest = simple(100, 5_000_000)
    ample = ample_cash(backtest, {ONE.id: 10, TWO.id: 10}, 300)
    daily = run_one(backtest, {}).daily
    assert ample(daily)
    lost = daily.copy()
    lost[0] -= 4_500_000
    assert not ample(lost)


def test_the_digest_knows_the_money() -> None:
    digests = {simple(percent, capital).digest for percent in (0, 100, 500) for capital in (1, 2)}
    assert len(digests) == 6
