"""Sweeps: the way taken changes no number, nothing is computed twice, and what cannot be is refused first."""

from __future__ import annotations

import inspect
import math
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.sweep_study import BRACKET, GRID, KERNELS, STOCK, Hooked, bars, study

from saudagar.backtest.costs import FlatCosts, StatutoryCosts
from saudagar.backtest.fill_rules import Fill, FillRules
from saudagar.backtest.fills import Slippage
from saudagar.backtest.run import Backtest
from saudagar.engine.settings import Hours
from saudagar.indicators import BarFields, indicator
from saudagar.model import InstrumentId, Product, SizeBy, Sizing
from saudagar.model.errors import ConfigError, DataError
from saudagar.research.sweep import Progress, Sweep, _fastest, sweep
from saudagar.research.sweep_grid import Params
from saudagar.research.sweep_lanes import run_lanes, suits
from saudagar.research.sweep_processes import pack, run_processes, run_threads, unpack
from saudagar.research.sweep_store import Store
from saudagar.research.sweep_study import Outcome, days_of, plan_of, run_key, run_one
from saudagar.risk import Limits
from saudagar.strategies import Signals, Strategy
from saudagar.strategies.ema_cross import EmaCross
from saudagar.strategies.registry import load


@pytest.fixture(autouse=True)
def _one_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAUDAGAR_CACHE", str(KERNELS))


def alike(one: Sweep, other: Sweep) -> bool:
    return one.sets == other.sets and all(a.same(b) for a, b in zip(one.outcomes, other.outcomes, strict=True))


def never(_: Backtest, __: Sequence[Params]) -> Iterator[tuple[int, Outcome]]:
    raise AssertionError("nothing was to be computed")


@pytest.mark.unmeasured
def test_every_way_gives_the_same() -> None:
    plain = study()
    lanes = sweep(plain, GRID, where=["fast < slow"], driver="lanes")
    assert len(lanes.sets) == 11
    assert alike(lanes, sweep(plain, GRID, where=["fast < slow"], driver="engine", workers=1))
    assert alike(lanes, sweep(plain, GRID, where=["fast < slow"], driver="kernel"))
    assert alike(lanes, sweep(plain, GRID, where=["fast < slow"]))
    assert all(each.trades > 20 for each in lanes.outcomes)
    assert {each.trades_and_money for each in lanes.outcomes} != {lanes.outcomes[0].trades_and_money}


@pytest.mark.unmeasured
def test_processes_give_what_one_process_gives() -> None:
    braced = study(exits=BRACKET, hours=Hours(square_off="13:30"), columns=bars(6))
    sets: list[Params] = [{"fast": 3, "exits.stop": "0.3%"}, {"fast": 5, "exits.stop": "1%"}, {"fast": 9}]
    found = dict(run_processes(braced, sets, 2))
    assert len(found) == 3
    compiled = dict(run_threads(braced, sets, 2))
    for place, params in enumerate(sets):
        assert found[place].same(run_one(braced, params))
        assert compiled[place].same(found[place])
    assert len({found[place].trades_and_money for place in found}) == 3


def test_the_days_add_up() -> None:
    for each in sweep(study(), GRID).outcomes:
        assert each.net == each.gross - each.costs
        assert 0 <= each.wins <= each.trades
    single = run_one(study(limits=Limits(allowed=frozenset({STOCK.id}), max_trades=3)), {})
    squared = run_one(study(hours=Hours(square_off="13:30")), {})
    assert squared.daily.sum() == squared.net
    assert len(single.daily) == len(days_of(study())) == 20


@pytest.mark.parametrize(
    "change",
    [
        {"exits": BRACKET},
        {"hours": Hours(square_off="13:30")},
        {"limits": Limits(allowed=frozenset({STOCK.id}), day_loss=1_000)},
        {"limits": Limits(allowed=frozenset({STOCK.id}), max_trades=1)},
        {"limits": Limits()},
        {"sizing": Sizing(SizeBy.VALUE, 1_000_000)},
        {"sizing": Sizing(SizeBy.QUANTITY, 10**12)},
        {"strategy": Hooked()},
        {"slippage": Slippage(ticks=1)},
        {"costs": StatutoryCosts("dhan", Product.INTRADAY)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_the_lanes_do_not_serve_goes_the_general_way(change: dict[str, Any]) -> None:
    special = study(**change, columns=bars(3))
    assert not suits(special, [{}])
    assert _fastest(special, [{}]) == ("engine" if change.get("strategy") else "kernel")
    with pytest.raises(ConfigError, match="the lanes serve"):
        sweep(special, {"fast": [3]}, driver="lanes")


def test_other_fills_and_swept_exits_do_not_suit() -> None:
    plain = study()
    assert not suits(msgspec.structs.replace(plain, fills=FillRules(fill=Fill.CLOSE)), [{}])
    assert suits(plain, [{}])
    assert not suits(plain, [{"exits.stop": "1%"}])


def test_what_was_computed_is_not_computed_again(tmp_path: Path) -> None:
    store, plain = tmp_path / "new" / "runs.db", study()
    fresh = sweep(plain, {"fast": [2, 3]}, store=store)
    wide = sweep(plain, {"fast": [2, 3, 4]}, store=store)
    assert (fresh.resumed, wide.resumed) == (0, 2)
    again = sweep(plain, {"fast": [4, 3, 2]}, store=store, runner=never)
    assert again.resumed == 3
    assert alike(again, sweep(plain, {"fast": [4, 3, 2]}))


def test_other_data_costs_or_graphs_meet_no_old_result(tmp_path: Path) -> None:
    store, plain = tmp_path / "runs.db", study()
    sweep(plain, {"fast": [2]}, store=store)

    class Edited(EmaCross):
        def signals(self, bar: BarFields) -> Signals:
            return Signals(long=super().signals(bar).long)

    Edited.__qualname__ = "EmaCross"
    for other in (study(columns=bars(seed=6)), study(costs=FlatCosts(301)), study(Edited()), study(exits=BRACKET)):
        found = sweep(other, {"fast": [2]}, store=store, driver="engine", workers=1)
        assert found.resumed == 0
        assert found.outcomes[0].same(run_one(other, {"fast": 2}))


@indicator(window=3)
def steadied(x: np.ndarray) -> np.ndarray:
    return x


class Steady(EmaCross):
    def signals(self, bar: BarFields) -> Signals:
        return Signals(long=super().signals(bar).long & (steadied(bar.close) > 0))


def test_an_indicator_that_was_edited_meets_no_old_result(monkeypatch: pytest.MonkeyPatch) -> None:
    before = run_key(study(Steady()), {})
    assert run_key(study(Steady()), {}) == before
    edited = inspect.getsource
    monkeypatch.setattr(inspect, "getsource", lambda what: edited(what).replace("return x", "return x + 1"))
    assert run_key(study(Steady()), {}) != before
    monkeypatch.setattr(inspect, "getsource", lambda _: (_ for _ in ()).throw(OSError()))
    assert run_key(study(Steady()), {}) != before  # typed by hand: it has a key all the same


def test_keys_are_the_same_in_every_process_and_differ_where_they_must() -> None:
    plain, hooked = study(), study(Hooked())
    assert run_key(plain, {}) == run_key(unpack(pack(plain)), {})
    assert plain.market.digest == unpack(pack(plain)).market.digest
    assert run_key(plain, {}) != run_key(hooked, {})
    assert run_key(plain, {"fast": 2}) == run_key(plain, {"fast": 2, "slow": 21})
    assert run_key(plain, {"fast": 2}) != run_key(plain, {"fast": 3})
    assert run_key(plain, {}) != run_key(plain, {"exits.stop": "1%"})


def test_a_killed_sweep_goes_on(tmp_path: Path) -> None:
    store, plain = tmp_path / "runs.db", study()

    def dies(study: Backtest, sets: Sequence[Params]) -> Iterator[tuple[int, Outcome]]:
        for place, outcome in run_lanes(study, sets, 1):
            if place == 3:
                raise KeyboardInterrupt
            yield place, outcome

    with pytest.raises(KeyboardInterrupt):
        sweep(plain, GRID, store=store, runner=dies)
    rest = sweep(plain, GRID, store=store)
    assert rest.resumed == 3
    assert alike(rest, sweep(plain, GRID))


@pytest.mark.parametrize("what", ["text", "folder", "gone"])
def test_a_results_file_that_is_none(tmp_path: Path, what: str) -> None:
    store = tmp_path / "runs.db"
    if what == "text":
        store.write_text("not a database, and long enough to be seen as none" * 20)
    elif what == "folder":
        store.mkdir()
    else:
        sweep(study(), {"fast": [2]}, store=store)
        with sqlite3.connect(store) as db:
            db.execute("DROP TABLE runs")
            db.execute("CREATE TABLE runs (other TEXT)")
        db.close()
    with pytest.raises(DataError, match="cannot be used"):
        sweep(study(), {"fast": [2]}, store=store)


def test_rows_of_another_length_are_run_again(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    sweep(study(), {"fast": [2, 3]}, store=store)
    with sqlite3.connect(store) as db:
        db.execute("UPDATE runs SET daily = x'00' WHERE params LIKE '%2%'")
    db.close()
    again = sweep(study(), {"fast": [2, 3]}, store=store)
    assert again.resumed == 1
    assert alike(again, sweep(study(), {"fast": [2, 3]}))


def test_a_store_writes_what_it_was_told(tmp_path: Path) -> None:
    outcome = Outcome(trades=2, wins=1, gross=-(10**15), costs=7, daily=np.array([-(2**60), 3]))
    with Store(tmp_path / "a.db", "s") as store:
        store.add({"r": ({"n": 1}, outcome)})
    with Store(tmp_path / "a.db", "s") as store:
        assert store.known(2)["r"].same(outcome)
        assert store.known(3) == {}
    with Store(tmp_path / "a.db", "other") as store:
        assert store.known(2) == {}


def test_two_sweeps_share_a_file(tmp_path: Path) -> None:
    """Neither holds it between two of its own results."""
    outcome = Outcome(trades=2, wins=1, gross=9, costs=7, daily=np.array([1, 2]))
    with Store(tmp_path / "a.db", "s") as first, Store(tmp_path / "a.db", "s") as second:
        for run in ("a", "b", "c"):
            first.add({run: ({"n": 1}, outcome)})
        second.add({"d": ({"n": 1}, outcome)})
    with Store(tmp_path / "a.db", "s") as store:
        assert sorted(store.known(2)) == ["a", "b", "c", "d"]


def test_progress_counts_and_expects(tmp_path: Path) -> None:
    seen: list[Progress] = []
    sweep(study(), {"fast": [2]}, store=tmp_path / "a.db")
    sweep(study(), {"fast": [2, 3, 4]}, store=tmp_path / "a.db", on_progress=seen.append)
    assert [(each.done, each.total) for each in seen] == [(1, 3), (2, 3), (3, 3)]
    assert math.isnan(seen[0].left)
    assert seen[1].left > 0
    assert seen[2].left == 0
    sweep(study(), {"fast": [2]}, store=tmp_path / "a.db", on_progress=seen.append)
    assert (seen[-1].done, seen[-1].left) == (1, 0)


def test_tables_and_heat_maps() -> None:
    found = sweep(study(), {"fast": [2, 3], "slow": [2, 10]}, where=["fast < slow"])
    table = found.table()
    assert table["fast"] == [2, 3]
    assert table["trades"] == [each.trades for each in found.outcomes]
    assert table["test_net"] == [each.daily[found.train :].sum() for each in found.outcomes]
    assert [a + b for a, b in zip(table["train_net"], table["test_net"], strict=True)] == [
        each.daily.sum() for each in found.outcomes
    ]
    x, y, net = sweep(study(), {"fast": [3, 2], "slow": [3, 10]}, where=["fast < slow"]).heat("fast", "slow", "net")
    assert (x, y) == ([2, 3], [3, 10])
    assert np.isnan(net).tolist() == [[False, True], [False, False]]
    mean = sweep(study(), {"fast": [2, 3], "slow": [10, 20]})
    for wrong in (("fast", "none"), ("fast", "fast")):
        with pytest.raises(ConfigError):
            mean.heat(*wrong)
    with pytest.raises(ConfigError):
        mean.heat("fast", "slow", part="future")


def test_a_sweep_is_judged_on_days_that_did_not_choose() -> None:
    found = sweep(study(), GRID, train=0.6)
    assert (found.train, len(found.days)) == (12, 20)
    verdict = found.verdict("net")
    assert (verdict.train_days, verdict.test_days, verdict.trials) == (12, 8, 12)
    best = max(range(12), key=lambda k: found.outcomes[k].daily[:12].sum())
    assert verdict.train_net == found.outcomes[best].daily[:12].sum()
    assert sum(each.test_net for each in found.walk(10, 5).windows) == found.walk(10, 5).net


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"quick": [1]}, "EmaCross has no parameter quick; its parameters: fast, slow"),
        ({"fast": [2, 1]}, "fast: Input should be greater than or equal to 2"),
        ({"fast": ["many"]}, "valid integer"),
        ({"exits.stopp": ["1%"]}, "exits has no parameter stopp"),
        ({"exits.stop": ["60%"]}, "no protection"),
    ],
)
def test_parameters_that_cannot_be_cost_nothing(grid: dict[str, list[Any]], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        sweep(study(), grid, runner=never)


def test_backtests_that_cannot_be_swept() -> None:
    plain = study()
    (plan,) = plain.settings.plans
    two = msgspec.structs.replace(plain.settings, plans=(plan, plan))
    nowhere = msgspec.structs.replace(plain.settings, plans=(msgspec.structs.replace(plan, instruments=()),))
    elsewhere = msgspec.structs.replace(plan, instruments=(InstrumentId("NSE_EQ:NONE"),))
    unknown = msgspec.structs.replace(plain.settings, plans=(elsewhere,))
    for wrong in (
        msgspec.structs.replace(plain, settings=two),
        msgspec.structs.replace(plain, settings=nowhere),
        msgspec.structs.replace(plain, settings=unknown),
        study(columns=bars(0)),
        study(capital=0),
    ):
        with pytest.raises(ConfigError):
            sweep(wrong, {"fast": [2]}, runner=never)
    for driver, workers in (("fastest", 0), ("auto", -1)):
        with pytest.raises(ConfigError):
            sweep(plain, {"fast": [2]}, driver=driver, workers=workers)


def test_a_users_file_travels_with_its_study(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from saudagar.strategies.ema_cross import EmaCross\n\n\nclass Mine(EmaCross):\n    extra: int = 1\n"
    )
    kind: type[Strategy] = load(str(file))
    packed = pack(study(kind(), exits=BRACKET, columns=bars(3)))
    file.unlink()
    del sys.modules[kind.__module__]
    again = unpack(packed)
    assert type(plan_of(again).strategy).__name__ == "Mine"
    assert run_one(again, {"extra": 2}).trades > 0
    del sys.modules[kind.__module__]
