"""``saudagar backtest``, ``compare`` and ``sweep`` as a newcomer and a careful user meet them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from math import sin
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.typed import Run, Said, typed

from saudagar.exchange.synthetic import DEFAULT_DAY
from saudagar.exchange.synthetic_history import past_bars
from saudagar.exchange.universe import listing as listed
from saudagar.exchange.universe import universe
from saudagar.market.ist import IST, at
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, Bar, InstrumentId
from saudagar.storage.catalog import Catalog
from saudagar.strategies import BUILT_IN

FIVE = 5 * MINUTE
OPEN = at(date(2026, 11, 12), "09:15")
QUICK = ("--synthetic", "7", "-i", "5m", "--driver", "engine")
RAISES = """
from saudagar.strategies import Signals, Strategy

class Raises(Strategy):
    def signals(self, bar):
        raise RuntimeError("no such thing")
"""
PEEKS = """
import numpy as np
from saudagar.indicators import crosses_above, indicator
from saudagar.strategies import Signals, Strategy

@indicator
def peek(x):
    return np.where(x > 110_000, np.roll(x, -1), x - 1)

class Peeks(Strategy):
    fast: int = 2

    def signals(self, bar):
        return Signals(long=crosses_above(bar.close, peek(bar.close)))
"""
HOOKED = """
from saudagar.strategies import Strategy

class Hooked(Strategy):
    def on_bar(self, ctx, bar):
        pass
"""


@pytest.fixture
def saudagar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """``saudagar ARGUMENTS`` in this process and an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return typed(monkeypatch, capsys)


def report(said: Said) -> dict[str, Any]:
    assert said.code == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_a_newcomer_needs_no_data(saudagar: Run, tmp_path: Path) -> None:
    said = saudagar("backtest", "ema_cross", *QUICK, "--set", "fast=5", "--stop", "1%", "--html", "out/a.html")
    assert said.code == 0, said.err
    assert "EmaCross on RELIANCE, HDFCBANK" in said.out
    assert "The bars are made up" in said.out
    assert "fast = 5" in said.out
    page = (tmp_path / "out/a.html").read_text()
    assert page.lower().startswith("<!doctype html>")


def test_json_repeats_and_says_how(saudagar: Run) -> None:
    arguments = ("backtest", "ema_cross", *QUICK, "--json", "-")
    first, second = report(saudagar(*arguments)), report(saudagar(*arguments))
    facts = first["facts"]
    assert facts["command"] == "saudagar " + " ".join(arguments)
    assert facts["seed"] == 7
    assert facts["driver"] == "engine"
    assert len(facts["data_hash"]) == len(facts["config"]) == 32
    for each in (first, second):
        del each["facts"]["seconds"]
    assert first == second
    other = report(saudagar("backtest", "ema_cross", "--synthetic", "8", *QUICK[2:], "--json", "-"))
    assert other["facts"]["data_hash"] != facts["data_hash"]


def test_books_balance(saudagar: Run) -> None:
    """Every paisa between start and end is in a round trip or in an open position."""
    told = report(saudagar("backtest", "ema_cross", *QUICK, "--plan", "dhan", "--square-off", "15:05", "--json", "-"))
    assert told["open"] == []
    assert len(told["trades"]) > 20
    assert told["final"] - told["capital"] == sum(trade["net"] for trade in told["trades"])
    assert all(trade["charges"] > 0 for trade in told["trades"])
    assert not any("overnight" in note for note in told["notes"])


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_strategy_runs(saudagar: Run, name: str) -> None:
    assert report(saudagar("backtest", name, *QUICK, "--json", "-"))["trades"]


def test_intraday_overnight_is_said(saudagar: Run) -> None:
    told = report(saudagar("backtest", "ema_cross", *QUICK, "--json", "-"))
    assert any("held overnight" in note for note in told["notes"])
    told = report(saudagar("backtest", "ema_cross", *QUICK, "--product", "delivery", "--json", "-"))
    assert not any("held overnight" in note for note in told["notes"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--html", "."), "--html . is a directory. Name a file in it: report.html"),
        (("--json", "words/x.json"), "--json words/x.json cannot be written:"),
        (("--instruments", "RELIANC"), "does not list 'NSE_EQ:RELIANC'. Did you mean NSE_EQ:RELIANCE?"),
        (("--instruments", "XYZ"), "does not list 'NSE_EQ:XYZ'. It lists NSE_INDEX:NIFTY, NSE_EQ:RELIANCE"),
    ],
)
def test_what_cannot_be_done_is_said_first(
    saudagar: Run, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    (tmp_path / "words").touch()
    said = saudagar("backtest", "ema_cross", *QUICK, *options)
    assert said.code in (2, 3)
    assert message in said.err
    assert not said.out


def test_catalog_gives_what_the_same_bars_gave(saudagar: Run, tmp_path: Path) -> None:
    stock = universe(2)[1]
    bars = past_bars(7, listed(stock.id), DEFAULT_DAY, Calendar(), FIVE)
    catalog = Catalog(tmp_path / "var/catalog")
    catalog.add(stock.id, FIVE, bars, (bars[0].start, bars[-1].end))
    catalog.close()
    common = ("backtest", "ema_cross", "--instruments", "NSE:RELIANCE", "-i", "5m", "--driver", "engine", "--json", "-")
    ours, made_up = report(saudagar(*common)), report(saudagar(*common, "--synthetic", "7"))
    assert ours["facts"]["data_hash"] == made_up["facts"]["data_hash"]
    assert ours["metrics"] == made_up["metrics"]
    cut = report(saudagar(*common, "--from", "2026-11-12", "--to", "2026-11-13"))
    assert cut["days"] == 2
    assert saudagar(*common[:-2], "--from", "2020-01-01", "--to", "2020-02-01").code == 3


def test_auto_says_why_the_engine_runs(saudagar: Run, tmp_path: Path) -> None:
    (tmp_path / "hooked.py").write_text(HOOKED)
    said = saudagar("backtest", "hooked.py", "--synthetic", "7", "-i", "15m", "--json", "-")
    assert "on_bar of its own" in said.err
    assert report(said)["facts"]["driver"] == "engine"
    assert saudagar("backtest", "hooked.py", "--synthetic", "7", "-i", "15m", "--driver", "kernel").code == 2


FILLS = (
    ("--fill", "next-open", "next bar's open"),
    ("--fill", "close", "at that close"),
    ("--fill", "limit-touch", "limit orders"),
    ("--participation", "0.5", "0.5 %"),
    ("--slippage", "5bps", "5 bps"),
)


def test_every_rule_of_fills_runs_and_is_told(saudagar: Run) -> None:
    told = [report(saudagar("backtest", "ema_cross", *QUICK, *rule[:2], "--json", "-")) for rule in FILLS]
    for each, rule in zip(told, FILLS, strict=True):
        assert any(rule[2] in assumed for assumed in each["facts"]["assumptions"].values())
        assert each["trades"]
    assert len({each["final"] for each in told}) == len(FILLS)
    assert len({each["facts"]["config"] for each in told}) == len(FILLS)


def test_finer_bars_tell_which_exit_came_first(saudagar: Run) -> None:
    exits = ("--stop", "0.4%", "--target", "0.4%", "--driver", "engine")
    common = ("backtest", "ema_cross", "--synthetic", "7", "-i", "60m", "--from", "2026-08-01", *exits)
    coarse, fine = (report(saudagar(*common, *more, "--json", "-")) for more in ((), ("--detail", "1m")))
    assert fine["facts"]["bars"] == coarse["facts"]["bars"]
    assert "bars of 1m" in fine["facts"]["assumptions"]["inside a bar"]
    wins = [sum(trade["net"] > 0 for trade in each["trades"]) for each in (coarse, fine)]
    assert wins[1] > wins[0]  # the worst price came first on every coarse bar


def recorded(folder: Path, days: list[date], minutes: int = 120) -> Path:
    """Tick files of RELIANCE and TCS: a wave of some percent, a tick every five seconds from the opening."""
    folder.mkdir()
    for number, day in enumerate(days):
        for symbol, price in (("RELIANCE", 1_400.0), ("TCS", 2_600.0)):
            rows = ["timestamp,ltp,volume"]
            for k in range(minutes * 12):
                moment = datetime.fromtimestamp(at(day, "09:15") / 1e9, tz=IST) + timedelta(seconds=5 * k)
                value = round(price * (1 + 0.01 * sin(k / 90 + number)) * 20) / 20
                rows.append(f"{moment:%Y-%m-%d %H:%M:%S},{value:.2f},{10 * k}")
            (folder / f"{symbol}_{day:%Y_%m_%d}.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_ticks_are_traded_day_by_day(saudagar: Run, tmp_path: Path) -> None:
    folder = recorded(tmp_path / "ticks", [date(2026, 11, 12), date(2026, 11, 13)])
    common = ("backtest", "ema_cross", "--ticks", "ticks", "--value", "50000", "--set", "fast=3", "--json", "-")
    told = report(saudagar(*common, "--square-off", "11:00", "--plan", "zerodha"))
    assert told["facts"]["driver"] == "ticks"
    assert told["facts"]["bars"] == 2 * 2 * 120
    assert told["days"] == 2
    assert told["open"] == []
    assert len(told["trades"]) > 15
    assert told["final"] - told["capital"] == sum(trade["net"] for trade in told["trades"])
    assert not any("overnight" in note or "left out" in note for note in told["notes"])
    assert "every day stands alone" in told["facts"]["assumptions"]["square-off"]
    first = min(trade["entry_ts"] for trade in told["trades"] if trade["entry_ts"] > at(date(2026, 11, 13), "09:00"))
    assert first < at(date(2026, 11, 13), "09:30")  # the day before has warmed it up
    one = report(saudagar(*common[:2], "--ticks", str(folder / "TCS_2026_11_13.csv"), *common[4:]))
    assert {trade["instrument"] for trade in one["trades"]} == {"NSE_EQ:TCS"}
    large = report(saudagar(*common[:4], "--capital", "5000000", "--from", "2026-11-13", "--json", "-"))
    assert large["days"] == 1
    assert any("empty a book" in note for note in large["facts"]["warnings"])
    for wrong in (("--fill", "close"), ("--slippage", "3"), ("--synthetic", "7"), ("--detail", "1m")):
        assert saudagar(*common, *wrong).code == 2
    for wrong in (("--to", "2026-11-11"), ("--instruments", "SBIN")):
        assert saudagar(*common, *wrong).code == 3
    (tmp_path / "empty").mkdir()
    assert saudagar("backtest", "ema_cross", "--ticks", "empty").code == 3


def test_a_longer_made_up_history_ends_with_the_shorter_one(saudagar: Run) -> None:
    common = ("backtest", "ema_cross", "--instruments", "TCS", *QUICK, "--square-off", "15:05", "--json", "-")
    long, short = report(saudagar(*common, "--from", "2026-09-01")), report(saudagar(*common))
    assert long["days"] > 40
    assert short["days"] == 10
    begin = short["trades"][3]["entry_ts"]  # by then both have warmed up
    ends = [[(t["entry_ts"], t["gross"]) for t in each["trades"] if t["entry_ts"] > begin] for each in (long, short)]
    assert len(ends[0]) > 10
    assert [ts for ts, _ in ends[0]] == [ts for ts, _ in ends[1]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-i", "1d"), "Too few bars: EmaCross needs 22"),
        (("-i", "1d"), "gave no signal in 20 bars"),
        (("--value", "100", "-i", "5m"), "less than one lot"),
    ],
)
def test_a_run_without_trades_says_why(saudagar: Run, arguments: tuple[str, ...], words: str) -> None:
    said = saudagar("backtest", "ema_cross", "--synthetic", "7", *arguments, "--json", "-")
    assert any(words in warning for warning in report(said)["facts"]["warnings"])


def test_statutory_charges_are_split_by_kind(saudagar: Run) -> None:
    told = report(saudagar("backtest", "ema_cross", *QUICK, "--plan", "zerodha", "--json", "-"))
    kinds = told["charges"]
    assert {"brokerage", "stt", "exchange", "sebi", "stamp", "gst"} <= kinds.keys()
    assert sum(kinds.values()) == sum(trade["charges"] for trade in told["trades"])
    assert kinds["gst"] < kinds["brokerage"]


def test_compare(saudagar: Run, tmp_path: Path) -> None:
    for name, fast in (("a", "5"), ("b", "9")):
        assert saudagar("backtest", "ema_cross", *QUICK, "--set", f"fast={fast}", "--json", f"{name}.json").code == 0
    said = saudagar("compare", "a.json", "b.json", "--html", "c.html")
    assert said.code == 0, said.err
    assert "Net profit" in said.out
    assert "against" in (tmp_path / "c.html").read_text()
    told = report(saudagar("compare", "a.json", "b.json", "--json"))
    assert {"name": "fast", "first": "5", "second": "9"} in told["facts"]
    assert saudagar("compare", "a.json", "c.html").code == 3
    assert saudagar("compare", "a.json", "nothing.json").code == 3


def test_sweep_and_resume(saudagar: Run) -> None:
    arguments = (
        *("sweep", "ema_cross", "--synthetic", "7", "-i", "15m", "--driver", "engine", "--workers", "1"),
        *("--grid", "fast=3:5", "--grid", "slow=4:8:2", "--where", "fast < slow", "--resume", "kept"),
    )
    first, second = report(saudagar(*arguments, "--json")), report(saudagar(*arguments, "--json"))
    assert first["sets"] == len(first["table"]["fast"]) == 7
    assert (first["resumed"], second["resumed"]) == (0, 7)
    assert first["table"] == second["table"]
    assert first["verdict"]["trials"] == 7
    said = saudagar(*arguments, "--top", "3", "--measure", "net")
    assert said.code == 0, said.err
    assert "7 of them from disk" in said.out
    assert "! Few days" in said.out
    assert "odds of overfitting" in said.out
    assert "Walk-forward: chosen 5 times" in said.out
    windows = first["walk_forward"]["windows"]
    assert [each["middle"] for each in windows] == [5, 6, 7, 8, 9]
    assert first["walk_forward"]["net"] == sum(each["test_net"] for each in windows)


def test_a_search_tries_some_sets_and_goes_on(saudagar: Run) -> None:
    arguments = (
        *("sweep", "ema_cross", "--synthetic", "7", "-i", "15m", "--grid", "fast=3:20", "--grid", "slow=30:60"),
        *("--seed", "4", "--resume", "kept", "--json"),
    )
    some, more = (report(saudagar(*arguments, "--trials", trials)) for trials in ("4", "9"))
    assert 1 <= some["sets"] <= 4 < more["sets"] <= 9
    assert {*zip(some["table"]["fast"], some["table"]["slow"], strict=True)} < {
        *zip(more["table"]["fast"], more["table"]["slow"], strict=True)
    }
    assert more["verdict"]["trials"] == more["sets"]
    assert saudagar(*arguments, "--trials", "-1").code == 2


def test_sweep_agrees_with_backtest(saudagar: Run) -> None:
    common = ("ema_cross", "--synthetic", "7", "-i", "15m", "--driver", "engine", "--stop", "1%")
    swept = report(saudagar("sweep", *common, "--workers", "1", "--grid", "fast=4,6", "--json"))
    for place, fast in enumerate((4, 6)):
        alone = report(saudagar("backtest", *common, "--set", f"fast={fast}", "--json", "-"))
        assert swept["table"]["trades"][place] == len(alone["trades"])
        assert swept["table"]["gross"][place] == sum(trade["gross"] for trade in alone["trades"])
        assert swept["table"]["costs"][place] == sum(trade["charges"] for trade in alone["trades"])


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        ("backtest emacross --synthetic 7", 2, "ema_cross"),
        ("backtest ema_cross", 2, "--instruments"),
        ("backtest ema_cross --instruments NSE:RELIANCE", 3, "--synthetic"),
        ("backtest ema_cross --instruments NSE:RELIANCE,,NSE:TCS", 2, "empty"),
        ("backtest ema_cross --synthetic 7 --instruments NSE:NOPE", 3, "NOPE"),
        ("backtest ema_cross --synthetic 7 --instruments NSE_INDEX:NIFTY", 2, "cannot be traded"),
        ("backtest ema_cross --synthetic 7 --set fats=3", 2, "fast, slow"),
        ("backtest ema_cross --synthetic 7 --set fast", 2, "name=value"),
        ("backtest ema_cross --synthetic 7 --set fast=x", 2, "'x'"),
        ("backtest ema_cross --synthetic 7 --stop abc", 2, "2atr"),
        ("backtest ema_cross --synthetic 7 --risk 500", 2, "--stop"),
        ("backtest ema_cross --synthetic 7 --value nan", 2, "finite"),
        ("backtest ema_cross --synthetic 7 --value 5 --lots 2", 2, "exactly one"),
        ("backtest ema_cross --synthetic 7 --flat-cost nan", 2, "nan"),
        ("backtest ema_cross --synthetic 7 --flat-cost 0.1 --plan dhan", 2, "not both"),
        ("backtest ema_cross --synthetic 7 --plan nobody", 2, "zerodha"),
        ("backtest ema_cross --synthetic 7 --interval 7x", 2, "7x"),
        ("backtest ema_cross --synthetic 7 --interval 30s", 3, "minutes"),
        ("backtest ema_cross --synthetic 7 --square-off 25:99", 2, "15:10"),
        ("backtest ema_cross --synthetic 7 --from 2026-11-13 --to 2026-11-12", 2, "--from"),
        ("backtest ema_cross --synthetic 7 --from 2010-01-01 --to 2010-02-01", 3, "2010"),
        ("backtest ema_cross --synthetic 7 --from 2026-12-01", 3, "2026-11-19"),
        ("backtest ema_cross --synthetic 7 --slippage lots", 2, "5bps"),
        ("backtest ema_cross --synthetic 7 --participation 101", 2, "0 to 100"),
        ("backtest ema_cross --synthetic 7 --queue 20", 2, "limit-touch"),
        ("backtest ema_cross --synthetic 7 --fill limit-touch --queue nan", 2, "--queue"),
        ("backtest ema_cross --synthetic 7 --detail 7m", 2, "--detail"),
        ("backtest ema_cross --synthetic 7 --fill limit-touch --driver kernel", 2, "queue"),
        ("backtest ema_cross --synthetic 7 --capital 0", 2, "capital"),
        ("backtest raises.py --synthetic 7", 2, "RuntimeError"),
        ("backtest peeks.py --synthetic 7", 3, "look-ahead"),
        ("backtest ema_cross -i 5m --instruments NSE_FNO:NIFTY26NOVFUT", 3, "instruments sync"),
        ("sweep peeks.py --synthetic 7 --grid fast=2:5", 3, "look-ahead"),
        ("sweep ema_cross --synthetic 7", 2, "--grid"),
        ("sweep ema_cross --synthetic 7 --grid fast", 2, "first:last"),
        ("sweep ema_cross --synthetic 7 --grid foo=1:3", 2, "fast, slow"),
        ("sweep ema_cross --synthetic 7 --grid fast=0:3", 2, "EmaCross refuses fast=0: fast: Input should be greater"),
        ("sweep ema_cross --synthetic 7 --grid fast=2:5 --grid fast=6:8", 2, "twice"),
        ("sweep ema_cross --synthetic 7 --grid fast=2:5 --measure luck", 2, "sharpe"),
        ("sweep ema_cross --synthetic 7 --grid fast=2:5 --train 2", 2, "train"),
        ("sweep ema_cross --synthetic 7 --grid fast=2:5 --driver magic", 2, "magic"),
    ],
)
def test_mistakes(saudagar: Run, tmp_path: Path, arguments: str, code: int, word: str) -> None:
    (tmp_path / "raises.py").write_text(RAISES)
    (tmp_path / "peeks.py").write_text(PEEKS)
    future = InstrumentId("NSE_FNO:NIFTY26NOVFUT")
    bars = [Bar(future, FIVE, OPEN, OPEN + FIVE, 100, 110, 90, 105, 10)]
    Catalog(tmp_path / "var/catalog").add(future, FIVE, bars, (OPEN, OPEN + FIVE))
    said = saudagar(*arguments.split())
    assert said.code == code, said
    assert word in said.err
    assert not said.out


def test_mistakes_as_json(saudagar: Run) -> None:
    said = saudagar("backtest", "emacross", "--synthetic", "7", "--json", "-")
    assert said.code == 2
    assert json.loads(said.out)["error"] == "ConfigError"


def test_help_stays_light() -> None:
    code = (
        "import sys; from saudagar.app import cli; cli._mount(); "
        "print([n for n in ('numpy', 'numba', 'duckdb', 'rich.progress') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert "numpy" not in found.stdout
    assert "numba" not in found.stdout
