"""The two drivers' common door: data in, refusals, costs by two rules, what a result says of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import msgspec
import pytest
from tests.backtests import CALENDAR, INSTRUMENTS, MASTER, bars, draw, lines, plan

from saudagar.backtest import kernel
from saudagar.backtest.costs import FlatCosts, StatutoryCosts
from saudagar.backtest.data import Market, from_catalog
from saudagar.backtest.fill_rules import Fill, FillRules
from saudagar.backtest.fills import Slippage
from saudagar.backtest.run import Backtest, objection, run
from saudagar.engine.settings import Settings
from saudagar.indicators import BarArrays
from saudagar.model import MINUTE, Bar, Product, SizeBy, Sizing, StrategyId, TradeSide
from saudagar.model.errors import ConfigError, DataError
from saudagar.storage.catalog import Catalog
from saudagar.strategies import Context, Exits
from saudagar.strategies.ema_cross import EmaCross

STOCK = INSTRUMENTS[0]
KERNELS = Path(__file__).resolve().parents[2] / "var" / "kernels"


@pytest.fixture(autouse=True)
def _kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAUDAGAR_CACHE", str(KERNELS))


class Hooked(EmaCross):
    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Watches."""


def simple(**changes: object) -> Backtest:
    """EMA cross on one stock for a day, no exits."""
    drawn = draw(1, 1)
    base = plan(Random(1), 0)
    base = msgspec.structs.replace(
        base, strategy=EmaCross(fast=3, slow=8), exits=Exits(), side=TradeSide.BOTH, sizing=Sizing(SizeBy.QUANTITY, 10)
    )
    settings = Settings(desk="BT", plans=(base,), limits=drawn.settings.limits)
    market = Market({STOCK.id: bars(5, 2, 0.0008, 0.0, 5, 375)}, MASTER, CALENDAR)
    backtest = Backtest(settings=settings, market=market, costs=FlatCosts(300))
    return msgspec.structs.replace(backtest, **changes)


def test_statutory_charges_are_the_same_by_both_drivers_and_shared_over_a_reversal() -> None:
    backtest = simple(costs=StatutoryCosts("zerodha", Product.INTRADAY))
    engine, told = run(backtest, "engine"), run(backtest)
    assert lines(told) == lines(engine)
    assert told.through.sum() > 5
    assert (told.costs > 0).all()
    assert told.net == told.gross - told.costs.sum()
    assert (told.data, told.config, told.version) == (engine.data, engine.config, engine.version)


def test_a_change_of_anything_changes_the_fingerprints() -> None:
    first = simple()
    others = [simple(capital=1), simple(slippage=Slippage(ticks=1)), simple(costs=FlatCosts(1))]
    assert len({first.digest, *(each.digest for each in others)}) == 4
    assert first.digest == simple().digest
    other = Market({STOCK.id: bars(6, 2, 0.0008, 0.0, 5, 375)}, MASTER, CALENDAR)
    assert other.digest != first.market.digest


def test_slippage_costs_money_and_cannot_be_negative() -> None:
    assert run(simple(slippage=Slippage(ticks=2))).gross < run(simple()).gross
    with pytest.raises(ConfigError, match="slippage"):
        Slippage(ticks=-1)


def test_what_the_kernel_cannot_do_is_refused_with_the_reason() -> None:
    base = simple()
    one = base.settings.plans[0]

    def of(**changes: object) -> Backtest:
        return msgspec.structs.replace(base, settings=msgspec.structs.replace(base.settings, **changes))

    twice = of(plans=(one, msgspec.structs.replace(one, id=StrategyId("other"))))
    hooked = of(plans=(msgspec.structs.replace(one, strategy=Hooked(fast=3, slow=8)),))
    limits = msgspec.structs.replace(base.settings.limits, day_loss=1)
    charged = msgspec.structs.replace(of(limits=limits), costs=StatutoryCosts("zerodha", Product.INTRADAY))
    shared = msgspec.structs.replace(
        of(limits=msgspec.structs.replace(base.settings.limits, max_trades=3)), fills=FillRules(fill=Fill.CLOSE)
    )
    for backtest, words in (
        (twice, "two strategies"),
        (hooked, "on_bar"),
        (charged, "flat share"),
        (msgspec.structs.replace(base, fills=FillRules(participation=10_000)), "fill in parts"),
        (msgspec.structs.replace(base, fills=FillRules(fill=Fill.LIMIT_TOUCH)), "queue"),
        (shared, "shared limits"),
    ):
        assert words in objection(backtest)
        with pytest.raises(ConfigError, match="compiled driver cannot"):
            run(backtest)
        said: list[str] = []
        assert run(backtest, "auto", say=said.append).driver == "engine"
        assert words in said[0]
    assert len(run(hooked, "engine")) == len(run(base))
    with pytest.raises(ConfigError, match="wants bars of"):
        run(of(plans=(msgspec.structs.replace(one, interval=5 * MINUTE),)))
    with pytest.raises(ConfigError, match="no bars"):
        run(of(plans=(msgspec.structs.replace(one, instruments=(INSTRUMENTS[1].id,)),)))


def test_nothing_to_trade_gives_an_empty_result() -> None:
    base = simple()
    for driver in ("kernel", "engine"):
        empty = msgspec.structs.replace(base, settings=msgspec.structs.replace(base.settings, plans=()))
        told = run(empty, driver)  # type: ignore[arg-type]
        assert (len(told), told.net, told.fills) == (0, 0, 0)


def test_the_first_compilation_is_announced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: list[str] = []
    text = "x = 1\n"
    monkeypatch.setenv("SAUDAGAR_CACHE", str(tmp_path))
    assert kernel.load(text, said.append).x == 1
    kernel._loaded.clear()
    assert kernel.load(text, said.append).x == 1
    assert len(said) == 1
    assert "Compiling" in said[0]


def test_without_numba_the_engine_runs_and_the_kernel_names_the_extra() -> None:
    root = Path(__file__).resolve().parents[2]
    code = (
        f"import sys; sys.path[:0] = [{str(root)!r}, {str(root / 'tests' / 'unit')!r}]; sys.modules['numba'] = None\n"
        "from test_backtest_run import simple, run\n"
        "from saudagar.model.errors import ConfigError\n"
        "assert len(run(simple(), 'engine')) > 5\n"
        "try: run(simple())\n"
        "except ConfigError as error: print(error, error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "saudagar[research]" in done.stdout, done.stdout + done.stderr


def test_bars_in_parts_of_a_paisa_are_refused() -> None:
    half = BarArrays.from_columns(
        interval=MINUTE, start=[0], end=[1], volume=[0], open=[1.5], high=[1.5], low=[1.5], close=[1.5]
    )
    with pytest.raises(DataError, match="whole numbers"):
        Market({STOCK.id: half}, MASTER, CALENDAR)


def test_the_catalog_gives_its_bars(tmp_path: Path) -> None:
    known = bars(5, 1, 0.0008, 0.0, 5, 30)
    rows = zip(
        *(getattr(known, name).tolist() for name in ("start", "end", "open", "high", "low", "close", "volume")),
        strict=True,
    )
    made = [Bar(STOCK.id, MINUTE, s, e, int(o), int(h), int(low), int(c), int(v)) for s, e, o, h, low, c, v in rows]
    catalog = Catalog(tmp_path)
    span = (int(known.start[0]), int(known.end[-1]))
    catalog.add(STOCK.id, MINUTE, made, span)
    read = from_catalog(catalog, STOCK.id, MINUTE, span)
    catalog.close()
    for name in ("start", "end", "open", "high", "low", "close", "volume"):
        assert getattr(read, name).tolist() == getattr(known, name).tolist()
