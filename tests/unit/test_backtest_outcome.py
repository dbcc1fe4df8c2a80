"""What a result tells beyond its round trips: equity, what was held, orders; and which driver is chosen."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import pytest
from tests.backtests import CALENDAR, INSTRUMENTS, MASTER, bars, draw, in_detail, plan

from saudagar.app import research_commands
from saudagar.app.research_record import record_of
from saudagar.backtest import choice, kernel
from saudagar.backtest.choice import chosen, sooner
from saudagar.backtest.costs import FlatCosts
from saudagar.backtest.data import Market
from saudagar.backtest.detail import check_detail, closing_bars
from saudagar.backtest.fill_rules import Fill, FillRules
from saudagar.backtest.remarks import remarks
from saudagar.backtest.run import Backtest, BacktestResult, run
from saudagar.engine.settings import Hours, Settings
from saudagar.indicators.bars import resample
from saudagar.model import MINUTE, SizeBy, Sizing, TradeSide
from saudagar.model.errors import ConfigError, DataError
from saudagar.research.report_input import Facts
from saudagar.risk import Limits
from saudagar.strategies import Exits
from saudagar.strategies.ema_cross import EmaCross

STOCK, OTHER = INSTRUMENTS[:2]
CAPITAL = 100_000_000
KERNELS = Path(__file__).resolve().parents[2] / "var" / "kernels"


@pytest.fixture(autouse=True)
def _kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAUDAGAR_CACHE", str(KERNELS))


def simple(minutes: int = 375, **changes: object) -> Backtest:
    """EMA cross on two stocks for two days."""
    one = msgspec.structs.replace(
        plan(Random(1), 0),
        strategy=EmaCross(fast=3, slow=8),
        exits=Exits(),
        side=TradeSide.BOTH,
        sizing=Sizing(SizeBy.QUANTITY, 10),
        instruments=(STOCK.id, OTHER.id),
    )
    settings = Settings(desk="BT", plans=(one,), limits=Limits(allowed=frozenset({STOCK.id, OTHER.id})))
    columns = {STOCK.id: bars(5, 2, 0.0008, 0.2, 5, minutes), OTHER.id: bars(6, 2, 0.0008, 0.1, 5, minutes)}
    backtest = Backtest(
        settings=settings, market=Market(columns, MASTER, CALENDAR), costs=FlatCosts(300), capital=CAPITAL
    )
    return msgspec.structs.replace(backtest, **changes)


def walked(result: BacktestResult) -> list[int]:
    """Equity bar by bar, the slow way, from the orders."""
    orders, equity = result.orders(), result.equity()
    cash, units = float(CAPITAL), dict.fromkeys(result.instruments, 0)
    value, at_order, at_trip = [], 0, 0
    for ts in equity.ts.tolist():
        while at_order < len(orders) and orders.ts[at_order] < ts:
            name = result.instruments[orders.position[at_order]]
            units[name] += int(orders.units[at_order])
            cash -= np.sign(orders.units[at_order]) * orders.value[at_order]
            at_order += 1
        while at_trip < len(result) and result.exit_ts[at_trip] < ts:
            cash -= result.costs[at_trip]
            at_trip += 1
        worth = 0.0
        for name, count in units.items():
            columns = result.market.bars[name]
            last = int(np.searchsorted(columns.end, ts, side="right")) - 1
            worth += count * columns.close[last] if count else 0.0
        value.append(round(cash + worth))
    return value


def test_equity_is_cash_and_what_is_held_at_the_last_close() -> None:
    for driver in ("engine", "kernel"):
        result = run(simple(90), driver)  # type: ignore[arg-type]
        equity = result.equity()
        assert len(result) > 10
        assert result.open_quantity.any()
        assert equity.value.tolist() == walked(result)
        highest = np.maximum.accumulate([CAPITAL, *equity.value.tolist()])[1:]
        assert equity.drawdown.tolist() == (highest - equity.value).tolist()
        assert equity.drawdown.max() > 0


def test_equity_of_other_fills_and_finer_bars() -> None:
    close = simple(90, fills=FillRules(fill=Fill.CLOSE))
    for backtest in (close, in_detail(5, 3), draw(2, 1)):
        result = run(msgspec.structs.replace(backtest, capital=CAPITAL), "engine")
        assert len(result)
        record = record_of(result, result.market, Facts(title="", command="", version="", data_hash=""))
        assert record.equity.tolist() == walked(result)


def test_what_is_held_follows_the_trips() -> None:
    result = run(simple(90), "engine")
    for k, name in enumerate(result.instruments):
        held, columns = result.held(k), result.market.bars[name]
        assert held.ts is columns.end
        mine = result.position == k
        for at in (0, 20, 60, len(columns) - 1):
            inside = mine & (result.entry_ts < columns.end[at]) & (result.exit_ts >= columns.end[at])
            units = int((result.sign * result.quantity)[inside].sum())
            still = int(result.open_quantity[k]) if result.open_ts[k] < columns.end[at] else 0
            assert held.units[at] == units + still
        assert set(np.unique(held.units)) <= {-10, 0, 10}


def test_orders_join_an_exit_with_the_entry_that_it_opened() -> None:
    result = run(simple(90), "engine")
    orders = result.orders()
    assert (np.diff(orders.ts) >= 0).all()
    joined = int(result.through.sum())
    still = int((result.open_quantity != 0).sum())
    assert joined > 5
    assert len(orders) == 2 * len(result) + still - joined
    assert len(orders) == result.fills
    for k in range(2):
        assert orders.units[orders.position == k].sum() == result.open_quantity[k]
    nothing = run(msgspec.structs.replace(simple(), settings=msgspec.structs.replace(simple().settings, plans=())))
    assert len(nothing.orders()) == len(nothing.equity()) == 0


def test_small_work_goes_to_the_engine_until_the_kernel_is_at_hand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    backtest = simple()
    monkeypatch.setattr(kernel, "_loaded", {})
    monkeypatch.setenv("SAUDAGAR_CACHE", str(tmp_path))
    assert chosen(backtest) == ("engine", "")
    monkeypatch.setattr(choice, "COMPILE", 0.0)
    assert chosen(backtest).driver == "kernel"
    monkeypatch.setenv("SAUDAGAR_CACHE", str(KERNELS))
    run(backtest, "kernel")
    assert chosen(backtest).driver == "engine"  # loading takes longer
    monkeypatch.setattr(choice, "LOAD", 0.0)
    assert chosen(backtest).driver == "kernel"
    assert run(backtest, "auto").driver == "kernel"


def test_an_estimate_grows_with_signals_and_with_stops_that_follow() -> None:
    backtest = simple()
    assert sooner(backtest, 0.05)
    assert not sooner(backtest, 0.0001)
    (one,) = backtest.settings.plans
    plans = (msgspec.structs.replace(one, exits=Exits(trail="1%")),)
    following = msgspec.structs.replace(backtest, settings=msgspec.structs.replace(backtest.settings, plans=plans))
    assert not sooner(following, 0.012)
    assert sooner(backtest, 0.012)


def test_a_machine_code_on_disk_is_found_without_loading_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAUDAGAR_CACHE", str(tmp_path))
    monkeypatch.setattr(kernel, "_loaded", {})
    assert not kernel.ready("x = 1\n")
    name = kernel.load("x = 1\n").__name__
    assert kernel.ready("x = 1\n")
    kernel._loaded.clear()
    assert not kernel.ready("x = 1\n")  # the text is there, its code is not
    (tmp_path / "kernels" / "__pycache__").mkdir(exist_ok=True)
    (tmp_path / "kernels" / "__pycache__" / f"{name}.run-7.py311.nbi").touch()
    assert kernel.ready("x = 1\n")


def test_signals_act_after_the_bar_that_gave_them_or_at_its_last_detail() -> None:
    fine = bars(5, 2, 0.0008, 0.3, 5, 60)
    coarse = resample(fine, 5 * MINUTE)
    check_detail(STOCK.id, coarse, fine)
    after, within = (closing_bars(coarse, fine, at_close=at_close) for at_close in (False, True))
    for k in range(len(coarse)):
        (last,) = np.flatnonzero(within == k)
        assert fine.end[last] <= coarse.end[k]
        assert last + 1 == len(fine) or fine.end[last + 1] > coarse.end[k]
        following = np.flatnonzero(after == k).tolist()
        assert following == ([last + 1] if last + 1 < len(fine) else [])
    assert closing_bars(fine, fine, at_close=False).tolist() == [-1, *range(len(fine) - 1)]


def test_detail_that_does_not_fit_is_refused() -> None:
    fine = bars(5, 1, 0.0008, 0.0, 5, 60)
    coarse = resample(fine, 5 * MINUTE)
    with pytest.raises(DataError, match="must divide"):
        Market({STOCK.id: fine}, MASTER, CALENDAR, {STOCK.id: fine})
    with pytest.raises(DataError, match="has no detail"):
        Market({STOCK.id: coarse}, MASTER, CALENDAR, {STOCK.id: bars(5, 1, 0.0008, 0.0, 5, 50)})
    with pytest.raises(DataError, match="lies in no bar"):
        Market({STOCK.id: resample(bars(5, 1, 0.0008, 0.0, 5, 50), 5 * MINUTE)}, MASTER, CALENDAR, {STOCK.id: fine})


def test_a_run_without_trades_is_explained() -> None:
    base = simple()
    (one,) = base.settings.plans

    def of(backtest: Backtest = base, **changes: object) -> Backtest:
        plans = (msgspec.structs.replace(one, **changes),)
        return msgspec.structs.replace(backtest, settings=msgspec.structs.replace(base.settings, plans=plans))

    (night,) = remarks(base, run(base))
    assert night.startswith("Intraday round trips held overnight: 2.")
    for driver in ("kernel", "engine"):
        small = of(sizing=Sizing(SizeBy.VALUE, 1))
        (said,) = remarks(small, run(small, driver))  # type: ignore[arg-type]
        assert "refused" in said
        assert "less than one lot" in said
    slow = of(simple(150), strategy=EmaCross(fast=300, slow=499))
    few, none = remarks(slow, run(slow))
    assert few.startswith("Too few bars: s0 needs")
    assert "and 1 more likewise" in few
    assert "no signal" in none
    late = msgspec.structs.replace(base.settings, hours=Hours(no_entry_before="15:29"))
    closed = msgspec.structs.replace(base, settings=late)
    (said,) = remarks(closed, run(closed))
    assert "outside the hours" in said


def test_the_engine_tells_how_far_it_is() -> None:
    shares: list[float] = []
    run(simple(90), "engine", progress=shares.append)
    assert len(shares) == 2
    assert 0 <= shares[0] < 0.1 < shares[1] < 1
    said: list[str] = []
    told = research_commands._left(time.perf_counter() - 10, said.append)
    told(0.0)
    told(0.25)
    assert said == ["trading: 25% of the time, 30 s left"]


def test_an_unknown_driver_or_fill_is_refused() -> None:
    backtest = simple(fills=FillRules(fill=Fill.LIMIT_TOUCH))
    with pytest.raises(ConfigError, match="queue"):
        run(backtest, "kernel")
    assert run(backtest, "auto").driver == "engine"
