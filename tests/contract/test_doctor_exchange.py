"""`saudagar doctor` and `saudagar data fetch` against the simulated exchange: real SDKs, sockets, processes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saudagar.exchange.process import ExchangeConfig, ExchangeProcess, SyntheticSource
from saudagar.market.ist import at, midnight
from saudagar.model import MINUTE
from saudagar.storage.catalog import Catalog

CONFIG = """
[desk]
mode = "live"
capital = 100000
[strategies.ema]
kind = "ema_cross"
instruments = ["NSE:RELIANCE"]
size = { quantity = 10 }
"""
TOKENS = {"SAUDAGAR_DHAN_CLIENT_ID": "1", "SAUDAGAR_DHAN_TOKEN": "d", "SAUDAGAR_UPSTOX_TOKEN": "u"}
COMMANDS = """
import sys, typer
from saudagar.app import data, doctor
app = typer.Typer()
app.command()(doctor.doctor)
app.add_typer(data.app, name="data")
app()
"""


@pytest.fixture(scope="module")
def exchange() -> Iterator[ExchangeProcess]:
    source = SyntheticSource(instruments=4)
    with ExchangeProcess(ExchangeConfig(source=source, speed=2.0, hold=True)) as exchange:
        _register(exchange, "127.0.0.1")
        yield exchange


def _register(exchange: ExchangeProcess, address: str) -> None:
    """The static address for orders, as a person would at the broker."""
    account, port = exchange.config.account, exchange.ports.dhan
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    body = json.dumps({"dhanClientId": account.client_id, "ip": address, "ipFlag": "PRIMARY"})
    connection.request("POST", "/v2/ip/setIP", body, {"access-token": account.dhan_token})
    assert connection.getresponse().status == 200
    connection.close()


def start(folder: Path, exchange: ExchangeProcess, *arguments: str) -> subprocess.Popen[str]:
    ports = exchange.ports
    return subprocess.Popen(
        [sys.executable, "-c", COMMANDS, *arguments, f"--exchange-ports={ports.upstox},{ports.dhan},{ports.control}"],
        cwd=folder,
        env=os.environ | TOKENS | {"SAUDAGAR_TOKENS": str(folder / "tokens")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, exchange: ExchangeProcess, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    process = start(folder, exchange, *arguments)
    out, err = process.communicate(timeout=90)
    for secret in (exchange.config.account.dhan_token, exchange.config.account.upstox_token):
        assert secret not in out + err
    return process.returncode, [json.loads(line) for line in out.splitlines()], err


def look(folder: Path, exchange: ExchangeProcess) -> tuple[int, dict[str, tuple[str, str]]]:
    (folder / "desk.toml").write_text(CONFIG)
    code, rows, err = run(folder, exchange, "doctor", "desk.toml", "--json", "--seconds=5")
    assert not err
    return code, {row["check"]: (row["verdict"], row["detail"]) for row in rows}


def test_a_healthy_exchange(tmp_path: Path, exchange: ExchangeProcess) -> None:
    code, found = look(tmp_path, exchange)
    assert code == 0, found
    expected = ("upstox token", "dhan token", "instruments", "upstox feed", "dhan order stream", "dhan funds")
    assert [found[check][0] for check in expected] == ["OK"] * len(expected)
    assert found["dhan address"] == ("OK", "127.0.0.1 is registered (this machine's own address)")
    assert found["upstox feed"][1] == "a tick of NSE_EQ:RELIANCE came"
    assert found["clock against dhan"][0] == "OK", "one machine, one clock"
    assert not (tmp_path / "var").exists(), "looking makes nothing"


def test_tokens_that_ended(tmp_path: Path, exchange: ExchangeProcess) -> None:
    account = exchange.config.account
    exchange.set_tokens(dhan="another", upstox="another")
    try:
        code, found = look(tmp_path, exchange)
    finally:
        exchange.set_tokens(dhan=account.dhan_token, upstox=account.upstox_token)
    assert code == 1
    for check in ("upstox token", "dhan token", "upstox feed", "dhan order stream", "dhan funds"):
        assert found[check][0] == "FAIL", check


def test_an_exchange_that_is_gone(tmp_path: Path) -> None:
    gone = ExchangeProcess(ExchangeConfig())
    gone.ports = type(gone.ports)(upstox=9, dhan=9, control=9)
    code, found = look(tmp_path, gone)
    assert code == 1
    assert found["upstox token"][0] == found["dhan token"][0] == found["instruments"][0] == "FAIL"
    assert "does not answer" in found["instruments"][1]


FETCH = ("data", "fetch", "RELIANCE", "--from=2026-05-01", "--to=2026-11-19", "-i", "1m", "--json")
CALLS_A_MONTH = 2  # of Upstox, which gives 28 days of minutes at once
NEVER_ANSWERED = {"endpoint": "upstox.history", "kind": "delay", "delay": 600, "skip": CALLS_A_MONTH}


def test_a_fetch_killed_again_and_again_ends_as_one_that_was_not(tmp_path: Path, exchange: ExchangeProcess) -> None:
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    calm.mkdir()
    rough.mkdir()
    rows = fetched(calm, exchange)
    assert rows[0]["bars"] > 3_000
    try:
        for month in (1, 2):
            exchange.set_faults({"rules": [NEVER_ANSWERED]})
            process = start(rough, exchange, *FETCH)
            deadline = time.monotonic() + 60
            while len(months := list(rough.rglob("*.parquet"))) < month and time.monotonic() < deadline:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            _, err = process.communicate(timeout=30)
            assert (len(months), process.returncode) == (month, -signal.SIGKILL), err
    finally:
        exchange.set_faults({"rules": []})
    rows = fetched(rough, exchange)
    name, span = rows[0]["instrument"], (midnight(_day("2026-05-01")), at(_day("2026-11-20"), "00:00"))
    assert Catalog(rough / "var/catalog").read(name, MINUTE, span) == Catalog(calm / "var/catalog").read(
        name, MINUTE, span
    )
    assert not [path for path in rough.rglob(".*") if path.name != ".lock"]


def fetched(folder: Path, exchange: ExchangeProcess) -> list[dict[str, Any]]:
    """What a fetch says when all is there. A busy machine may answer too late; then the same command is run again."""
    code, rows, err = run(folder, exchange, *FETCH)
    if code == 5:
        assert rows[0]["troubles"], err
        code, rows, err = run(folder, exchange, *FETCH)
    assert code == 0, (rows, err)
    return rows


def _day(text: str) -> Any:
    from datetime import date

    return date.fromisoformat(text)
