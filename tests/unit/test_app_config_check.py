"""`saudagar config check`: what it prints, as text and as JSON, and its exit codes."""

import json
from pathlib import Path

from typer.testing import CliRunner

from saudagar.app.config_check import app

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
