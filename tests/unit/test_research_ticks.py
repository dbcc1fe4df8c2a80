"""Ticks from the catalog: brought in, looked over and traded by the commands; the same trades as from their files."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import saudagar as sd
from saudagar.app import data, research_commands
from saudagar.app.research_setup import Asked
from saudagar.app.research_ticks import CATALOG, prepare_ticks
from saudagar.backtest import tick_days
from saudagar.backtest.result import Result
from saudagar.backtest.tick_days import run_ticks
from saudagar.backtest.ticks import replay_ticks
from saudagar.engine.settings import Settings
from saudagar.market.ist import at, ist
from saudagar.market.master import Master
from saudagar.model import Instrument, InstrumentKind, Segment, group_digits
from saudagar.model.errors import ConfigError, DataError
from saudagar.risk import Limits
from saudagar.storage.catalog_ticks import TickCatalog
from saudagar.storage.master import save

REAL = Path(__file__).resolve().parents[2] / "../shared/fixtures/prices/ticks"
THURSDAY, FRIDAY = date(2026, 11, 19), date(2026, 11, 20)

Desk = Callable[..., str]


def dirty_day(folder: Path, symbol: str, day: date, price: float, seed: int, seconds: int = 4_000) -> Path:
    """A file as a recorder leaves it: a price that swings, and dirt of every kind."""
    rng, rows, volume = random.Random(seed), ["timestamp,ltp,volume"], 0
    for second in range(0, seconds, 2):
        price *= 1 + rng.gauss(0, 0.0006) + (0.0003 if second // 600 % 2 else -0.0003)
        volume += rng.randrange(0, 900)
        shown = round(price * 10) / 10
        stamp = f"{ist(at(day, '09:15') + second * 10**9):%Y-%m-%d %H:%M:%S}"
        rows.append(f"{stamp},{shown:.2f},{volume}")
        match rng.randrange(90):
            case 0:
                rows.append(f"1970-01-01 05:30:00,{shown:.2f},{volume}")
            case 1:
                rows.append(rows[-1])
            case 2:
                rows.append(f"{stamp},{shown:.2f},{volume - 5}")
            case 3:
                rows.append(f"{stamp},-1,{volume}")
            case 4:
                rows.append(f"{ist(at(day, '09:10') + second * 10**9):%Y-%m-%d %H:%M:%S},{shown:.2f},{volume}")
    rows += [f"{day} 15:59:0{n},{shown:.2f},{volume}" for n in range(9)]
    folder.mkdir(exist_ok=True)
    path = folder / f"{symbol}_{day}.csv"
    path.write_text("\n".join(rows))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded") / "ticks"
    for number, day in enumerate((THURSDAY, FRIDAY)):
        dirty_day(folder, "RELIANCE", day, 1_400.0, number)
        dirty_day(folder, "TCS", day, 2_600.0, 10 + number)
    return folder


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """``saudagar data …`` and ``saudagar backtest …`` in a folder of their own."""
    return commands(tmp_path, monkeypatch)


def commands(folder: Path, patch: pytest.MonkeyPatch) -> Desk:
    patch.chdir(folder)
    app = typer.Typer()
    app.add_typer(data.app, name="data")
    app.command()(research_commands.backtest)

    def run(*arguments: object, code: int = 0) -> str:
        result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    return run


@pytest.fixture(scope="module")
def stock(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``saudagar data import --ticks FILES`` leaves in a folder."""
    folder = tmp_path_factory.mktemp("stock")
    with pytest.MonkeyPatch.context() as patch:
        commands(folder, patch)("data", "import", "--ticks", files)
    return folder


@pytest.fixture
def stocked(desk: Desk, stock: Path, tmp_path: Path) -> Desk:
    """`desk` in a folder with a copy of that."""
    shutil.copytree(stock, tmp_path, dirs_exist_ok=True)
    return desk


def traded(asked: Asked, files: list[Path]) -> tuple[Any, ...]:
    prepared, days = prepare_ticks(asked, files)
    told = run_ticks(prepared.backtest, days)
    result = told.result
    columns = (result.position, result.sign, result.quantity, result.entry_ts, result.exit_ts, result.entry_value)
    more = (result.exit_value, result.reason, result.costs)
    return (
        [column.tolist() for column in (*columns, *more)],
        result.instruments,
        result.denials,
        result.data,
        told.lost,
        len(result),
    )


STRATEGIES = {
    "ema_cross": {"assignments": ("fast=3", "slow=8"), "stop": "0.4%", "target": "0.8%"},
    "opening_range": {"assignments": ("minutes=5",), "trail": "0.5%"},
    "volume_breakout": {"assignments": ("lookback=5", "burst=1.1"), "plan": "zerodha"},
}


@pytest.mark.unmeasured
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_trades_as_from_the_files(stocked: Desk, files: Path, strategy: str) -> None:
    asked = Asked(strategy=strategy, instruments="NSE:RELIANCE,NSE:TCS", value="50000", **STRATEGIES[strategy])
    of_files = traded(asked, [files])
    assert traded(asked, [CATALOG]) == of_files
    assert of_files[-1] > 5


def test_what_a_day_has_earned_is_there_the_next(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Limits] = []
    parts: list[Result] = []

    def replayed(settings: Settings, *arguments: Any, **more: Any) -> Result:
        given.append(settings.limits)
        parts.append(replay_ticks(settings, *arguments, **more))
        return parts[-1]

    monkeypatch.setattr(tick_days, "replay_ticks", replayed)
    asked = Asked(strategy="ema_cross", capital=50_000, leverage=1.0, value="50000", **STRATEGIES["ema_cross"])
    traded(asked, [files])
    assert [limits.capital for limits in given] == [50_000_00, 50_000_00 + parts[0].net]
    assert parts[0].net != 0
    assert sum(part.denials["cash"] for part in parts) > 0


@pytest.mark.unmeasured
@pytest.mark.skipif(not REAL.is_dir(), reason="the recorded tick files (../shared/fixtures/prices/ticks) are not here")
def test_the_same_trades_as_from_real_files(desk: Desk) -> None:
    real = sorted(REAL.glob("*.csv.gz"))
    rows = [json.loads(line) for line in desk("data", "import", "--ticks", *real, "--json").splitlines()]
    told = {row["instrument"]: (row["rows"], row["dirt"]) for row in rows}
    assert told["NSE_EQ:RELIANCE"] == (
        26_080,
        {"1970": 3_007, "another day": 696, "after the close": 1_063, "duplicate": 858, "late": 106}
        | {"falling volume": 189},
    )
    assert told["NSE_INDEX:NIFTY"][0] == 54_860
    assert len(told) == 4
    for strategy in ("ema_cross", "opening_range"):
        asked = Asked(strategy=strategy, instruments="RELIANCE,TATAMOTORS", value="50000", **STRATEGIES[strategy])
        of_files = traded(asked, real)
        assert traded(asked, [CATALOG]) == of_files
        assert of_files[-1] > 3


def test_what_came_in_is_told_listed_checked_and_shown(desk: Desk, files: Path) -> None:
    said = desk("data", "import", "--ticks", files)
    assert "NSE_EQ:RELIANCE: " in said
    assert "2026-11-19 … 2026-11-20 (2 days)" in said
    assert "dirty rows: 2026-11-20: " in said
    assert "hole: 2026-11-20 10:2" in said, "the files end before the session does"
    listed = [json.loads(line) for line in desk("data", "list", "--json").splitlines()]
    assert [(row["instrument"], row["interval"], row["days"]) for row in listed] == [
        ("NSE_EQ:RELIANCE", "ticks", 2),
        ("NSE_EQ:TCS", "ticks", 2),
    ]
    assert listed[1]["sources"] == ["TCS_2026-11-19.csv", "TCS_2026-11-20.csv"]
    assert set(listed[0]["dirt"]) == {"no price", "1970", "after the close", "duplicate", "late", "falling volume"} | (
        {"before the open"} & set(listed[0]["dirt"])
    )
    checked = [json.loads(line) for line in desk("data", "check", "TCS", "--json", code=1).splitlines()]
    assert [row["instrument"] for row in checked] == ["NSE_EQ:TCS"]
    kinds = [found["kind"] for found in checked[0]["findings"]]
    assert kinds.count("dirty rows") == 2
    assert f"{group_digits(listed[1]['rows']):>14} ticks" in desk("data", "list")
    shown = desk("data", "show", "NSE:RELIANCE").splitlines()
    assert ["2026-11-19" in shown[0], "2026-11-20" in shown[1], len(shown)] == [True, True, 2]
    assert "1970: " in shown[0]
    assert "does not hold NSE_EQ:SBIN" in desk("data", "show", "SBIN", code=3)


def test_bars_and_ticks_are_listed_and_shown_together(stocked: Desk, tmp_path: Path) -> None:
    bars = tmp_path / "bars.csv"
    bars.write_text("date,open,high,low,close,volume\n2026-11-18,1,1,1,1,5\n2026-11-19,1,1,1,1,5\n")
    stocked("data", "import", bars, "--symbol", "TCS")
    assert [row.split()[1] for row in stocked("data", "show", "TCS").splitlines()] == ["1d", *_counts("TCS")]
    assert len(stocked("data", "check", code=1).splitlines()) > 6
    assert "--symbol says whose bars" in stocked("data", "import", bars, code=2)


def _counts(symbol: str) -> list[str]:
    days = TickCatalog(CATALOG_FOLDER).contents()
    return [group_digits(day.rows) for day in days if day.instrument == f"NSE_EQ:{symbol}"]


CATALOG_FOLDER = Path("var/catalog")


def test_an_export_comes_back_as_it_was(stocked: Desk) -> None:
    assert "ticks." in stocked("data", "export", "TCS", "-i", "ticks", "--out", "TCS.csv", "--from", FRIDAY)
    before = TickCatalog(CATALOG_FOLDER).read(sd.model.InstrumentId("NSE_EQ:TCS"), FRIDAY)
    stocked("data", "import", "--ticks", "TCS.csv", "-d", "again")
    after = TickCatalog(Path("again")).read(sd.model.InstrumentId("NSE_EQ:TCS"), FRIDAY)
    for name in ("arrival", "ts", "ltp", "volume"):
        assert getattr(after, name).tolist() == getattr(before, name).tolist()


def test_files_that_cannot_come_in(desk: Desk, files: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no tick files" in desk("data", "import", "--ticks", "empty", code=3)
    assert "--columns wants" in desk("data", "import", "--ticks", files, "--columns", "open=o", code=2)
    one = files / f"TCS_{FRIDAY}.csv"
    copy = tmp_path / "TCS_again.csv"
    copy.write_text(f"{one.read_text()}\nbad,1,1\n")
    assert "'bad' is no time" in desk("data", "import", "--ticks", copy, code=3)
    assert "1 bad rows left out" in desk("data", "import", "--ticks", copy, "--skip-bad")
    assert "both hold NSE_EQ:TCS on 2026-11-20" in desk("data", "import", "--ticks", one, copy, "--skip-bad", code=3)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--instruments", "SBIN"), 3, "holds no ticks of NSE_EQ:SBIN on any day"),
        ((), 2, "wants --instruments"),
        (("--instruments", "TCS", "--from", "2026-11-18"), 3, "no ticks of NSE_EQ:TCS on 2026-11-18. Bring them in: "),
        (("--instruments", "TCS", "--to", "2026-11-23"), 3, "saudagar data import --ticks FILE --symbol NSE_EQ:TCS"),
        (("--instruments", "TCS", "--from", "2026-10-01"), 3, "and 28 more days"),
        (("--instruments", "TCS", "--from", "2026-11-21", "--to", "2026-11-22"), 3, "no session from 2026-11-21"),
        (("--instruments", "TCS", "--from", "2026-11-20", "--to", "2026-11-19"), 2, "must not be after"),
        (("--instruments", "NSE_INDEX:NIFTY"), 2, "cannot be traded"),
        (("--instruments", "TCS", "--ticks", "TCS.csv"), 2, "from the catalog or from files, not both"),
        (("--instruments", "TCS", "--driver", "kernel"), 2, "not by the kernel"),
        (("--instruments", "TCS", "--fill", "close"), 2, "do not go together"),
    ],
)
def test_days_that_are_not_there_are_refused(stocked: Desk, options: tuple[str, ...], code: int, words: str) -> None:
    assert words in stocked("backtest", "ema_cross", "--ticks", "catalog", *options, code=code)


def test_the_days_that_are_asked_for_are_traded(stocked: Desk) -> None:
    common = ("backtest", "ema_cross", "--ticks", "catalog", "--value", "50000", "--json", "-", "--set", "fast=3")
    both = json.loads(stocked(*common, "--instruments", "RELIANCE,TCS"))
    assert both["facts"]["driver"] == "ticks"
    assert both["days"] == 2
    one = json.loads(stocked(*common, "--instruments", "TCS", "--from", "2026-11-20", "--to", "2026-11-20"))
    assert one["days"] == 1
    assert {trade["instrument"] for trade in one["trades"]} == {"NSE_EQ:TCS"}
    assert min(trade["entry_ts"] for trade in one["trades"]) > at(FRIDAY, "09:15")


def test_a_day_that_one_instrument_lacks_is_refused(stocked: Desk) -> None:
    (CATALOG_FOLDER / f"ticks/NSE_EQ/TCS/{THURSDAY}.parquet").unlink()
    common = ("backtest", "ema_cross", "--ticks", "catalog", "--instruments", "RELIANCE,TCS")
    assert "no ticks of NSE_EQ:TCS on 2026-11-19" in stocked(*common, code=3)
    stocked(*common, "--from", FRIDAY)


def test_what_is_no_share_of_the_exchange_needs_the_master(stocked: Desk, files: Path) -> None:
    name = "NSE_FNO:NIFTY-2026-11-24-24000-CE"
    stocked("data", "import", "--ticks", files / f"TCS_{FRIDAY}.csv", "--symbol", name)
    asked = Asked(strategy="ema_cross", instruments=name, lots=1)
    with pytest.raises(DataError, match="instruments sync"):
        prepare_ticks(asked, [CATALOG])
    option = Instrument(
        segment=Segment.NSE_FNO,
        symbol=name.partition(":")[2],
        kind=InstrumentKind.OPTION,
        tick_size=5,
        lot_size=65,
        underlying="NIFTY",
    )
    save(Master(FRIDAY, (option,)), Path("var/instruments"))
    prepared, days = prepare_ticks(asked, [CATALOG])
    result = run_ticks(prepared.backtest, days).result
    assert len(result) > 3
    assert set((result.quantity % 65).tolist()) == {0}


@pytest.mark.unmeasured
def test_the_notebook_takes_the_same(stocked: Desk, files: Path) -> None:
    options: dict[str, Any] = {"params": {"fast": 3}, "value": 50_000, "ticks": True}
    stored = sd.backtest("ema_cross", "NSE:RELIANCE,NSE:TCS", **options)
    listed = sd.backtest("ema_cross", ["RELIANCE", "TCS"], directory="var/catalog", **options)
    recorded = sd.backtest("ema_cross", files, **options)
    assert stored.result.net == listed.result.net == recorded.result.net
    assert len(stored.trades) == len(recorded.trades) > 10
    assert stored.report.facts.command.startswith("saudagar.backtest('ema_cross', 'NSE:RELIANCE,NSE:TCS', params=")
    assert "ticks=True" in stored.report.facts.command
    friday = sd.backtest("ema_cross", str(files / f"TCS_{FRIDAY}.csv"), first=FRIDAY, **options)
    assert friday.report.days == 1
    with pytest.raises(DataError, match="no ticks in a dict"):
        sd.backtest("ema_cross", {"a": 1}, ticks=True)
    for wrong in (["RELIANCE", files], "RELIANCE"):
        with pytest.raises(ConfigError, match=r"not both|kernel"):
            sd.backtest("ema_cross", wrong, ticks=True, driver="kernel" if wrong == "RELIANCE" else "auto")


def test_progress_is_told(stocked: Desk) -> None:
    asked = Asked(strategy="ema_cross", instruments="TCS")
    read: list[float] = []
    prepared, days = prepare_ticks(asked, [CATALOG], progress=read.append)
    assert read == [0.5, 1.0]
    shares: list[float] = []
    run_ticks(prepared.backtest, days, shares.append)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert len(shares) > 20
