"""saudagar in a notebook: what comes back is what the command line would say, and shows itself."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import saudagar as sd
from saudagar.app.research_setup import Asked, prepare
from saudagar.backtest.run import run
from saudagar.model.errors import ConfigError, DataError
from saudagar.notebook import Data, Options, Run
from saudagar.notebook.tables import Table
from saudagar.research.walkforward import measured
from saudagar.strategies.ema_cross import EmaCross

SEED = 7
MINE = """
from saudagar.indicators import BarFields, crosses_above, crosses_below, sma
from saudagar.strategies import Signals, Strategy

class Mine(Strategy):
    length: int = 30

    def signals(self, bar: BarFields) -> Signals:
        line = sma(bar.close, self.length)
        return Signals(long=crosses_above(bar.close, line), short=crosses_below(bar.close, line))
"""


@pytest.fixture(scope="module")
def bars() -> Data:
    return sd.synthetic(SEED, "NSE:RELIANCE", interval="5m")


@pytest.fixture(scope="module")
def ran(bars: Data) -> Run:
    return sd.backtest("ema_cross", bars, params={"fast": 5}, stop="1%", driver="engine")


def test_it_is_the_backtest_of_the_command_line(ran: Run) -> None:
    asked = Asked(
        strategy="ema_cross",
        assignments=("fast=5",),
        stop="1%",
        instruments="NSE:RELIANCE",
        interval="5m",
        synthetic=SEED,
    )
    theirs = run(prepare(asked).backtest, "engine")
    assert (ran.result.net, len(ran.result), ran.result.config) == (theirs.net, len(theirs), theirs.config)
    assert ran.result.data == theirs.data


def test_trades_equity_and_figures_are_columns(ran: Run) -> None:
    trades, result = ran.trades, ran.result
    assert len(trades) == len(result) > 20
    assert np.rint(trades["net"] * 100).sum() == result.net
    assert np.rint(trades["entry_price"] * trades["quantity"] * 100).tolist() == result.entry_value.tolist()
    assert set(trades["side"]) == {"long", "short"}
    assert str(trades["entry"][0])[11:16] >= "09:15"
    assert ran.equity["equity"][-1] * 100 == ran.report.final
    assert ran.metrics["max_drawdown_any_bar"] == pytest.approx(ran.equity["drawdown"].min())
    assert ran.metrics["net_profit"] == pytest.approx(ran.report.metrics.net_profit / 100)
    assert ran.metrics["deflated_sharpe"] is None
    assert len(ran.metrics) == len(list(ran.metrics))
    assert trades.to_numpy()["exit"].dtype.kind == "M"
    assert dict(trades)["net"] is trades["net"]


def test_columns_go_to_pandas_and_come_back(ran: Run, bars: Data) -> None:
    frame = ran.trades.to_pandas()
    assert str(frame["exit"].dt.tz) == "Asia/Kolkata"
    assert frame["net"].tolist() == ran.trades["net"].tolist()
    assert ran.metrics.to_pandas().loc["sharpe", "value"] == ran.metrics["sharpe"]
    assert sd.data(bars.to_pandas()).market.digest == bars.market.digest
    again = sd.backtest(EmaCross(fast=5), bars.to_pandas(), stop="1%", driver="engine")
    assert again.result.net == ran.result.net


def test_columns_go_to_polars_and_come_back(ran: Run, bars: Data) -> None:
    assert ran.trades.to_polars()["net"].to_list() == ran.trades["net"].tolist()
    assert sd.data(bars.to_polars()).market.digest == bars.market.digest


def test_a_library_that_is_missing_is_named(ran: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.setitem(sys.modules, "pandas", None)
    for work in (ran.trades.to_polars, ran.metrics.to_polars):
        with pytest.raises(ConfigError, match=r"polars is not installed.*pip install polars"):
            work()
    with pytest.raises(ConfigError, match="pandas is not installed"):
        ran.equity.to_pandas()


def test_a_strategy_may_be_a_name_a_file_a_class_or_one_with_its_parameters(bars: Data, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    nets = [
        sd.backtest(strategy, bars, params=params, driver="engine").result.net
        for strategy, params in (
            ("ema_cross", {"fast": 3, "slow": 40}),
            (EmaCross, {"fast": 3, "slow": 40}),
            (EmaCross(fast=3), {"slow": 40}),
            (EmaCross(fast=3, slow=40), None),
        )
    ]
    assert len(set(nets)) == 1
    assert len(sd.backtest(str(file), bars, driver="engine").trades)
    assert len(sd.backtest(f"{file}:Mine", bars, params={"length": 9}, driver="engine").trades)


def test_bars_come_from_files_symbols_dicts_and_markets(bars: Data, tmp_path: Path) -> None:
    frame = bars.to_pandas().drop(columns="symbol")
    frame["time"] = frame["time"].dt.tz_localize(None)
    file = tmp_path / "reliance.csv"
    frame.to_csv(file, index=False)
    digest = bars.market.digest
    assert sd.data(str(file)).market.digest == sd.data(file).market.digest == digest
    assert sd.data({"RELIANCE": frame}).market.digest == digest
    assert sd.data({"NSE:RELIANCE": bars.market.bars[next(iter(bars.market.bars))]}).market.digest == digest
    assert sd.data(bars.market).interval == "5m"
    assert sd.data(bars) is bars
    half = sd.data(frame, symbol="RELIANCE", first="2026-11-09", last="2026-11-12")
    assert 0 < len(half) < len(bars)
    assert str(half["RELIANCE"]["time"][0]).startswith("2026-11-09")
    assert half.symbols == ["NSE_EQ:RELIANCE"]
    assert "NSE_EQ:DATA" in sd.data(frame).symbols


def test_symbols_are_looked_up_in_the_catalog(tmp_path: Path) -> None:
    for source in ("NSE:RELIANCE", ["NSE:RELIANCE", "NSE:TCS"]):
        with pytest.raises(DataError, match="holds no bars of NSE_EQ:RELIANCE at 1m"):
            sd.data(source, directory=tmp_path)


FRAME = {
    "time": ["2026-11-05 09:15", "2026-11-05 09:20"],
    **{name: [10.0, 11.0] for name in ("open", "high", "low", "close")},
}


@pytest.mark.parametrize(
    ("work", "error", "words"),
    [
        (lambda: sd.data(7), DataError, "no bars in a int"),
        (lambda: sd.data({}), DataError, "no bars in a dict"),
        (lambda: sd.data("nowhere.csv"), DataError, r"nowhere\.csv does not exist"),
        (lambda: sd.data(Path("nowhere")), DataError, "nowhere does not exist"),
        (lambda: sd.data({"TCS": {"close": [1]}}), DataError, "TCS: the table has no column"),
        (lambda: sd.data({"TCS": FRAME, "NSE:TCS": FRAME}), DataError, "there twice"),
        (lambda: sd.data(FRAME, symbol="TCS,INFY"), ConfigError, "one symbol"),
        (lambda: sd.data(FRAME, symbol="NSE_FNO:NIFTY26NOVFUT"), DataError, "needs the instrument master"),
        (lambda: sd.data(FRAME, interval="5 minutes"), ConfigError, "interval"),
        (lambda: sd.data(FRAME, first="soon"), ConfigError, "2026-01-31"),
        (lambda: sd.data(FRAME, first="2026-02-01", last="2026-01-01"), ConfigError, "must not be after"),
        (lambda: sd.data(FRAME, first="2026-12-01"), DataError, "no bars in that time"),
        (
            lambda: sd.data({**FRAME, "time": ["2026-11-05 03:45", "2026-11-05 03:50"]}),
            DataError,
            "lies within continuous trading.* India's",
        ),
        (lambda: sd.backtest("ema_cros", FRAME), ConfigError, "Did you mean 'ema_cross'"),
        (lambda: sd.backtest(7, FRAME), ConfigError, "a strategy is a name"),  # type: ignore[arg-type]  # meant
        (lambda: sd.backtest(int, FRAME), ConfigError, "a strategy is a name"),  # type: ignore[arg-type]  # meant
        (lambda: sd.backtest("ema_cross", FRAME, params={"fats": 5}), ConfigError, "no parameter fats"),
        (lambda: sd.backtest("ema_cross", FRAME, side="up"), ConfigError, "side is one of both, buy, sell, got 'up'"),
        (lambda: sd.backtest("ema_cross", FRAME, capital=0), ConfigError, "capital"),
        (lambda: sd.backtest("ema_cross", FRAME, stp="1%"), TypeError, "no option stp"),  # type: ignore[call-arg]  # meant
        (lambda: sd.sweep("ema_cross", FRAME, {"fast": []}, driver="engine"), ConfigError, "axis 'fast'"),
        (lambda: sd.sweep("ema_cross", FRAME, {"fast": [3]}, measure="luck"), ConfigError, "measure is one of"),
        (lambda: sd.synthetic(7, "NSE:NOSUCH"), DataError, "NOSUCH"),
    ],
)
def test_what_cannot_be_is_refused_in_words(work: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        work()


def test_every_problem_of_a_refusal_is_shown(bars: Data) -> None:
    with pytest.raises(ConfigError) as caught:
        sd.backtest("ema_cross", bars, params={"fast": -1, "slow": "x"}, driver="engine")
    assert len(caught.value.__notes__) == 2


def test_an_unknown_symbol_of_data_is_refused(bars: Data) -> None:
    with pytest.raises(ConfigError, match="no bars of 'TCS'"):
        bars["TCS"]


def test_a_sweep_is_a_table_with_a_verdict(bars: Data, tmp_path: Path) -> None:
    grid = {"fast": range(3, 6), "slow": [20, 30]}
    once = sd.sweep("ema_cross", bars, grid, where=["fast < slow"], driver="engine", workers=1, resume=tmp_path)
    again = sd.sweep("ema_cross", bars, grid, driver="engine", workers=1, resume=tmp_path)
    assert (len(once), again.sweep.resumed) == (6, 6)
    assert again.table["train_net"].tolist() == once.table["train_net"].tolist()
    assert once.best == once.sweep.sets[once.verdict.best]
    assert once.table["gross"].sum() * 100 == pytest.approx(sum(each.gross for each in once.sweep.outcomes))
    heat = once.heat("fast", "slow", "net")
    assert heat.shape == (2, 3)
    assert heat.loc[20, 3] == once.sweep.heat("fast", "slow", "net")[2][0, 0]
    assert once.to_pandas().shape[0] == 6
    assert any("Few days" in warning for warning in once.warnings)
    assert "fast" in repr(once)
    found = sd.sweep("ema_cross", bars, grid, trials=3, seed=2, driver="engine", resume=tmp_path / "search")
    assert 1 <= len(found) <= 3
    assert "trials=3, seed=2" in found.found.facts.command


def test_orders_are_walked_along_finer_bars(bars: Data) -> None:
    minutes = sd.synthetic(SEED, "NSE:RELIANCE")
    plain, fine = (sd.backtest("ema_cross", bars, stop="0.3%", **more) for more in ({}, {"detail": minutes}))
    assert plain.result.config == fine.result.config
    assert plain.result.data != fine.result.data
    assert "detail='1m'" in fine.report.facts.command
    assert any("1m" in words for words in fine.report.facts.assumptions.values())
    with pytest.raises(DataError):
        sd.backtest("ema_cross", minutes, detail=bars)
    with pytest.raises(DataError, match="finer bars are of NSE_EQ:TCS"):
        sd.backtest("ema_cross", bars, detail=sd.synthetic(SEED, "NSE:TCS"))
    slow = sd.backtest("ema_cross", bars, fill="close", slippage="5bps", participation=10.0)
    assert slow.result.net != plain.result.net


def test_runs_are_compared(ran: Run, bars: Data) -> None:
    other = sd.backtest("ema_cross", bars, params={"fast": 8}, driver="engine")
    both = sd.compare(ran, other)
    line = both.to_pandas().loc["net_profit"]
    assert line["first"] == ran.metrics["net_profit"]
    assert line["difference"] == pytest.approx(line["second"] - line["first"])
    assert both.warnings == ()
    assert "Sharpe" in repr(both)


def test_the_report_is_one_page(ran: Run, tmp_path: Path) -> None:
    page = sd.report(ran, tmp_path / "deep" / "report.html")
    assert (tmp_path / "deep" / "report.html").read_text("utf-8") == page.html == ran.html()
    assert "kB" in repr(page)
    assert page._repr_html_().count("<iframe") == 1
    assert "<script" not in page._repr_html_().replace("&lt;script", "")
    assert "saudagar.backtest(&#x27;ema_cross&#x27;, saudagar.synthetic(7" in page.html
    assert b'"metrics"' in ran.json()


def test_everything_shows_itself_small_and_alone(ran: Run, bars: Data) -> None:
    sweep = sd.sweep("ema_cross", bars, {"fast": [3, 4]}, driver="engine", workers=1)
    for shown in (ran, ran.trades, ran.equity, ran.metrics, bars, sd.strategies(), sweep, sd.compare(ran, ran)):
        text, html = repr(shown), shown._repr_html_()
        assert text
        assert len(html) < 60_000
        assert not re.search(r"<script|https?:|@import|url\(", html)
        assert html.count("<table") == html.count("</table>")


def test_words_from_outside_are_escaped() -> None:
    table = Table({"<b>": np.array(["<script>alert(1)</script>"], dtype=object)}, "<i>")
    assert "<script" not in table._repr_html_()
    assert "<b>" not in table._repr_html_()
    assert "<i>" not in table._repr_html_()


def test_a_run_without_trades_shows_itself() -> None:
    still = {"time": pd.date_range("2026-11-05 09:15", periods=60, freq="min")}
    ran = sd.backtest(
        "ema_cross", {**still, **{name: [10.0] * 60 for name in ("open", "high", "low", "close")}}, driver="engine"
    )
    assert len(ran.trades) == 0
    assert "0" in repr(ran)
    assert "<svg" in ran._repr_html_()
    assert repr(ran.trades).startswith("Round trips")
    assert len(ran.trades.to_numpy()) == len(ran.trades.to_pandas()) == 0


def test_the_built_in_strategies_are_listed() -> None:
    table = sd.strategies()
    assert "ema_cross" in table["name"].tolist()
    assert "fast = 9, slow = 21" in table["parameters"].tolist()


def test_importing_saudagar_is_light_and_its_rooms_can_be_called() -> None:
    code = """
import sys
import saudagar as sd
assert not {"numpy", "rich", "pydantic", "saudagar.notebook"} & set(sys.modules), "import saudagar loads too much"
import saudagar.backtest.run
import saudagar.strategies.registry as registry
assert callable(sd.backtest) and callable(sd.strategies) and registry.load
assert len(sd.strategies()) >= 8
assert {"backtest", "sweep", "data"} <= set(dir(sd))
try:
    sd.nothing
except AttributeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "no attribute 'nothing'" in done.stdout


def test_the_signature_is_that_of_the_function() -> None:
    assert "params" in inspect.signature(sd.backtest).parameters
    assert inspect.signature(sd.strategies).parameters == {}


def test_the_options_are_those_of_the_command_line() -> None:
    ours = set(Options.__annotations__) - {"interval", "symbol", "first", "last", "directory", "masters"}
    assert ours <= set(Asked.__struct_fields__)


def test_a_sweep_and_a_report_measure_alike(bars: Data) -> None:
    sets = {"fast": [5], "slow": [20, 30]}
    swept = sd.sweep("ema_cross", bars, sets, driver="engine", workers=1).sweep
    for place, params in enumerate(swept.sets):
        ran = sd.backtest("ema_cross", bars, params=params, driver="engine")
        assert measured(swept.daily, swept.capital, "sharpe")[place] == pytest.approx(ran.metrics["sharpe"], rel=1e-9)
        assert swept.outcomes[place].daily.sum() == ran.report.metrics.net_profit
