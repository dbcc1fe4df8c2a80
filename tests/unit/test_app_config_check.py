"""`saudagar config check`: what it prints, as text and as JSON, and its exit codes."""

import json
from pathlib import Path

import typer
from click.testing import Result
from typer.testing import CliRunner

from saudagar.app import run_commands
from saudagar.app.config_check import app
from saudagar.model.errors import BrokerError, ConfigError

ROOT = Path(__file__).resolve().parents[2]
run = CliRunner().invoke


def test_a_right_file(tmp_path: Path) -> None:
    example = str(ROOT / "saudagar.example.toml")
    shown = run(app, ["check", example])
    assert shown.exit_code == 0
    assert "is right (digest " in shown.output
    assert "ema: ema_cross on NSE:RELIANCE, NSE:INFY, bars of 1m, BOTH." in shown.output
    settings = json.loads(run(app, ["check", "--json", example]).output)
    assert settings["risk"]["day_loss"] == 20_000_00
    assert settings["strategies"]["ema"]["params"] == {"fast": 9, "slow": 21}
    assert settings["digest"] in shown.output
    assert "Entries from 09:16 to 15:00, positions closed at 15:10, product INTRADAY." in shown.output


def simulation(tmp_path: Path, instruments: str, more: str = "") -> Result:
    file = tmp_path / "sim.toml"
    file.write_text(
        f"[desk]\nmode = 'simulation'\n[simulation]\nsymbols = 3\n{more}"
        f"[strategies.ema]\nkind = 'ema_cross'\ninstruments = [{instruments}]\nsize = {{ quantity = 1 }}\n"
    )
    return run(app, ["check", str(file)])


def test_the_symbols_of_a_simulation_are_looked_up(tmp_path: Path) -> None:
    assert simulation(tmp_path, '"NSE:RELIANCE", "NSE:ICICIBANK"').exit_code == 0
    shown = simulation(tmp_path, '"NSE:RELIANCE", "NSE:ICICIBNK", "NSE:SBIN", "NSE_INDEX:NIFTY"')
    assert shown.exit_code == 2
    assert shown.stdout == ""
    place = "sim.toml:7: strategies.ema.instruments"
    assert f'{place}[1] = "NSE:ICICIBNK": the simulated market does not list it. Did you mean "NSE:ICICIBANK"?' in (
        shown.stderr
    )
    assert f'{place}[2] = "NSE:SBIN": the simulated market does not list it. It is share 9: simulation.symbols = 9' in (
        shown.stderr
    )
    assert f'{place}[3] = "NSE_INDEX:NIFTY": an index is watched, not traded' in shown.stderr
    assert "3 mistakes" in shown.stderr
    shown = simulation(tmp_path, '"NSE:RELIANCE"', '[risk]\nallowed = ["NSE:RELIANCE", "NSE:NOSUCH"]\n')
    assert 'sim.toml:6: risk.allowed[1] = "NSE:NOSUCH"' in shown.stderr
    assert "MCX:GOLD" in simulation(tmp_path, '"MCX:GOLD"', "[risk]\nday_los = 4\n").stderr  # beside the other mistake


def test_what_a_market_lists_that_already_runs_is_its_own_affair(tmp_path: Path) -> None:
    """Its options, as ``saudagar exchange --options`` lists them, no file can name that is looked up in the default."""
    assert simulation(tmp_path, '"NSE:SBIN"').exit_code == 2
    desk = typer.Typer()
    desk.command()(run_commands.run)
    file = str(tmp_path / "sim.toml")
    assert isinstance(run(desk, [file]).exception, ConfigError)
    assert isinstance(run(desk, [file, "--exchange-ports", "1,2,3"]).exception, BrokerError)  # nobody listens there


def test_the_tick_files_of_a_simulation_are_read(tmp_path: Path) -> None:
    rows = "\n".join(f"2026-11-20 09:15:{second:02d},2500.0,{second * 100}" for second in range(10))
    (tmp_path / "INFY.csv").write_text(f"timestamp,ltp,volume\n{rows}\n")
    assert simulation(tmp_path, '"NSE:INFY"', 'ticks = ["INFY.csv"]\n').exit_code == 0
    assert "Its tick files are of INFY" in simulation(tmp_path, '"NSE:RELIANCE"', 'ticks = ["INFY.csv"]\n').stderr
    (tmp_path / "TCS.csv").write_text("a,b\n1,2\n")
    odd = simulation(tmp_path, '"NSE:TCS"', 'ticks = ["TCS.csv"]\n')
    assert odd.exit_code == 3
    assert "expected the columns timestamp, ltp, volume" in odd.stderr


def test_a_wrong_file(tmp_path: Path) -> None:
    file = tmp_path / "desk.toml"
    file.write_text("[risk]\nday_los = 5\n[desk]\nmode = 'simulation'\n")
    shown = run(app, ["check", str(file)])
    assert shown.exit_code == 2
    assert shown.stdout == ""
    assert "2 mistakes in the configuration" in shown.stderr
    assert f"  {file}:2: risk.day_los = 5: there is no such key. Did you mean day_loss?" in shown.stderr
    shown = run(app, ["check", "--json", str(file)])
    assert shown.exit_code == 2
    found = json.loads(shown.stdout)
    assert found["error"] == "ConfigError"
    assert [(one["line"], one["key"]) for one in found["problems"]] == [(0, "strategies"), (2, "risk.day_los")]
    assert found["problems"][1]["hint"] == "Did you mean day_loss?"
