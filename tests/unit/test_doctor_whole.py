"""`saudagar doctor` as a whole: the order of its findings, what ends the looking, and what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from tests.doctor_room import CONFIG, FRIDAY, SBIN, TOKENS, UP, Client, door, told
from typer.testing import CliRunner

from saudagar.app import doctor, doctor_broker
from saudagar.app.desk import JOURNAL
from saudagar.app.doctor_machine import Verdict
from saudagar.app.tokens import StoredToken, TokenStore
from saudagar.brokers.login import Standing
from saudagar.engine.clock import wall_clock
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import Instrument, InstrumentKind, Segment
from saudagar.model.errors import CalendarError
from saudagar.storage.journal import SqliteJournal
from saudagar.storage.master import save


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in TOKENS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SAUDAGAR_TOKENS", str(tmp_path / "tokens"))
    path = tmp_path / "desk.toml"
    path.write_text(CONFIG)
    return path


def test_without_tokens_the_stored_ones_are_told(file: Path) -> None:
    store = TokenStore(file.parent / "tokens")
    store.save("dhan", StoredToken(token="CANARY", expires=5, obtained=1, key="1"))
    store.save("kite", StoredToken(token="CANARY", expires=2**62, obtained=1, key="1"))
    store.save("upstox", StoredToken(token="CANARY", expires=2**62, obtained=1)).chmod(0o644)
    found = {finding.check: finding for finding in doctor.examine(file)}
    assert "SAUDAGAR_UPSTOX_TOKEN" in found["configuration"].detail
    assert [found[f"{name} login"].verdict for name in ("dhan", "kite", "upstox")] == ["WARN", "OK", "FAIL"]
    assert "CANARY" not in str(found)


def test_a_simulation_needs_no_broker(file: Path) -> None:
    file.write_text(CONFIG.replace("live", "simulation"))
    found = {finding.check: told(finding) for finding in doctor.examine(file)}
    assert list(found) == ["configuration", "disk", "fsync", "journal", "brokers"]
    assert found["brokers"] == "OK a simulation needs none"


@pytest.fixture
def ready(file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A desk with tokens, whose brokers answer."""
    for name, value in TOKENS.items():
        monkeypatch.setenv(name, value)
    door(monkeypatch, Standing(expires=2**62, skew=0), ("203.0.113.7",))
    monkeypatch.setattr(doctor_broker, "data_client", lambda *_: Client([UP]))
    monkeypatch.setattr(doctor_broker, "execution_client", lambda *_: Client([UP], funds=10_00_000_00))
    return file


def test_the_order_of_things(ready: Path) -> None:
    checks = [finding.check for finding in doctor.examine(ready)]
    assert checks[:5] == ["configuration", "disk", "fsync", "journal", "upstox token"]
    assert checks[-2:] == ["instruments", "streams"]
    save(Master(FRIDAY, (SBIN,)), ready.parent / "var/instruments")
    checks = [finding.check for finding in doctor.examine(ready)]
    assert checks[5:] == [
        "clock against upstox",
        "dhan token",
        "clock against dhan",
        "dhan address",
        "instruments",
        "upstox feed",
        "dhan order stream",
        "dhan funds",
    ]
    ready.write_text(CONFIG.replace("live", "paper"))
    checks = [finding.check for finding in doctor.examine(ready)]
    assert not [check for check in checks if "dhan" in check]


def test_a_running_desk_keeps_its_streams(ready: Path) -> None:
    save(Master(FRIDAY, (SBIN,)), ready.parent / "var/instruments")
    (ready.parent / "desk").mkdir()
    book = SqliteJournal(ready.parent / "desk" / JOURNAL, wall_clock)
    *_, last = doctor.examine(ready)
    book.close()
    assert told(last).startswith("WARN not looked at: the desk is running")


def test_an_instrument_that_is_not_there_ends_the_looking(ready: Path) -> None:
    other = Instrument(segment=Segment.NSE_EQ, symbol="X", kind=InstrumentKind.EQUITY, tick_size=5)
    save(Master(FRIDAY, (other,)), ready.parent / "var/instruments")
    *_, last = doctor.examine(ready)
    assert last.check == "instruments"
    assert last.verdict is Verdict.FAIL


def test_on_screen_and_by_exit_code(file: Path) -> None:
    cli = typer.Typer()
    cli.command()(doctor.doctor)
    file.write_text(CONFIG.replace("live", "simulation"))
    result = CliRunner().invoke(cli, [str(file)])
    assert result.exit_code == 0
    assert "OK    brokers: a simulation needs none" in result.output
    file.write_text(CONFIG.replace("live", "lively"))
    result = CliRunner().invoke(cli, [str(file)])
    assert result.exit_code == 1
    assert "FAIL  configuration:" in result.output
    assert f"\n       → Run: saudagar config check {file}" in result.output
    result = CliRunner().invoke(cli, [str(file), "--json"])
    assert json.loads(result.output.splitlines()[0])["verdict"] == "FAIL"


def test_a_year_without_a_calendar(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> bool:
        raise CalendarError("the NSE holidays of 2030 are not known.")

    monkeypatch.setattr(Calendar, "is_continuous", unknown)
    save(Master(FRIDAY, (SBIN,)), ready.parent / "var/instruments")
    found = {finding.check: told(finding) for finding in doctor.examine(ready)}
    assert found["calendar"] == "WARN the NSE holidays of 2030 are not known."
    assert found["upstox feed"].startswith("OK")
