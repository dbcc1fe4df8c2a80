"""The switch at a running desk: status, halt, reduce, resume, close-all; and that a halt outlives the desk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from saudagar.app.control import Answer, Request, ask
from saudagar.exchange.process import Account, ExchangeConfig, ExchangeProcess, SyntheticSource
from saudagar.model import events as ev
from saudagar.storage.journal import read_journal, verify_journal

pytestmark = pytest.mark.unmeasured

SAUDAGAR = str(Path(sys.executable).with_name("saudagar"))
DESK = """
[desk]
name = "SW"
mode = "simulation"
capital = 10000000
directory = "desk"

[risk]
max_order_value = 400000
day_loss = 0

[session]
no_entry_before = "09:15"

[strategies.quick]
kind = "ema_cross"
interval = "1m"
instruments = ["NSE:RELIANCE", "NSE:HDFCBANK", "NSE:INFY", "NSE:TCS"]
params = { fast = 2, slow = 3 }
size = { quantity = 100 }
exits = { stop = "0.6%" }
"""


class Trading:
    """A paced market (two minutes a second), a desk in it, and the commands beside it."""

    def __init__(self, folder: Path, exchange: ExchangeProcess) -> None:
        self.folder = folder
        self.exchange = exchange
        (folder / "desk.toml").write_text(DESK)
        self.child: subprocess.Popen[str] | None = None

    def start(self) -> None:
        ports = self.exchange.ports
        self.child = subprocess.Popen(
            [SAUDAGAR, "run", "desk.toml", "--exchange-ports", f"{ports.upstox},{ports.dhan},{ports.control}"],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        wait_for(lambda: (self.folder / "desk" / "desk.sock").exists())

    def interrupt(self) -> str:
        """Ctrl-C; what it said on standard error."""
        assert self.child is not None
        os.killpg(self.child.pid, signal.SIGINT)
        _, err = self.child.communicate(timeout=20)
        assert self.child.returncode == 130, err
        return err

    def ask(self, *words: str, code: int = 0) -> dict[str, Any]:
        """``saudagar desk WORDS``."""
        done = subprocess.run(
            [SAUDAGAR, "desk", *words, "-d", "desk", "--json"], cwd=self.folder, capture_output=True, text=True
        )
        assert done.returncode == code, (words, done.stdout, done.stderr)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def status(self) -> Answer:
        """As ``saudagar desk status`` asks for it, without a process of its own."""
        answer = ask(self.folder / "desk", Request(do="status"))
        assert answer is not None
        return answer

    def orders(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.exchange.state()["orders"]
        return found

    def flat(self) -> bool:
        return all(row["buy_quantity"] == row["sell_quantity"] for row in self.exchange.state()["positions"])

    def seconds(self, market: int) -> None:
        """Let so many market seconds go by."""
        until = self.exchange.state()["now"] + market * 1_000_000_000
        wait_for(lambda: self.exchange.state()["now"] >= until)


def wait_for(ready: Callable[[], Any], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def trading(tmp_path: Path) -> Iterator[Trading]:
    source = SyntheticSource(seed=7, instruments=13)
    config = ExchangeConfig(
        source=source, lockstep=True, speed=120.0, hold=True, account=Account(capital=1_00_00_000_00)
    )
    with ExchangeProcess(config) as exchange:
        made = Trading(tmp_path, exchange)
        yield made
        if made.child is not None and made.child.poll() is None:
            os.killpg(made.child.pid, signal.SIGKILL)
            made.child.communicate()


def test_the_switch_of_a_running_desk(trading: Trading) -> None:
    trading.start()
    wait_for(lambda: len(trading.status()["positions"]) >= 2)
    assert trading.ask("status")["trading"] == "ACTIVE"
    shown = subprocess.run(
        [SAUDAGAR, "desk", "status", "-d", "desk"], cwd=trading.folder, capture_output=True, text=True
    ).stdout
    assert shown.startswith("ACTIVE\nprofit of the day ")
    assert "quick        NSE_EQ:" in shown

    assert trading.ask("close-all", "--keep", "NSE:RELIANCE", "--reason", "news")["trading"] == "ACTIVE"
    refused = trading.ask("close-all", "--keep", "NSE:NOPE", code=1)
    assert "NSE:NOPE" in refused["message"]

    answer = trading.ask("reduce", "--reason", "lunch")
    assert (answer["trading"], answer["reason"]) == ("REDUCING", "lunch")
    trading.seconds(30)
    held = {row["instrument"] for row in trading.status()["positions"]}
    trading.seconds(120)
    assert {row["instrument"] for row in trading.status()["positions"]} <= held, "nothing new was opened"

    assert trading.ask("resume")["trading"] == "ACTIVE"
    wait_for(lambda: len(trading.status()["positions"]) >= 2)
    assert trading.ask("halt", "--flatten", "--reason", "enough")["trading"] == "REDUCING"
    wait_for(trading.flat)
    trading.seconds(90)
    assert trading.flat()
    trading.interrupt()
    reasons = [
        event.reason
        for entry in read_journal(trading.folder / "desk" / "journal.db")
        if isinstance(event := entry.event, ev.TradingStateChanged)
    ]
    assert reasons == ["lunch", "resumed by hand", "enough"]


def test_a_halt_outlives_the_desk(trading: Trading) -> None:
    trading.start()
    wait_for(lambda: len(trading.status()["positions"]) >= 2)
    wait_for(lambda: trading.status()["working"] >= 2)
    assert trading.ask("halt", "--reason", "fat finger")["trading"] == "HALTED"
    trading.seconds(5)
    tags = {order["tag"] for order in trading.orders()}
    stops = {order["tag"] for order in trading.orders() if order["status"] == "TRIGGER_PENDING"}
    assert stops
    trading.seconds(120)
    err = trading.interrupt()
    assert "orders rest at the broker" in err
    assert trading.ask("status") | {"positions": [], "working": 0} == {
        "running": False,
        "trading": "HALTED",
        "reason": "fat finger",
        "positions": [],
        "working": 0,
    }

    trading.start()
    assert trading.ask("status")["trading"] == "HALTED"
    trading.seconds(120)
    assert {order["tag"] for order in trading.orders()} == tags, "no order but cancels"
    now = {order["tag"]: order["status"] for order in trading.orders()}
    assert all(now[tag] in ("TRIGGER_PENDING", "FILLED") for tag in stops), "resting stops stay"

    assert trading.ask("resume")["trading"] == "ACTIVE"
    wait_for(lambda: {order["tag"] for order in trading.orders()} > tags)
    trading.ask("close-all")
    trading.interrupt()
    assert verify_journal(trading.folder / "desk" / "journal.db").sound
    assert not (trading.folder / "desk" / "desk.sock").exists()


def test_a_socket_that_a_killed_desk_left_is_no_desk(trading: Trading) -> None:
    trading.start()
    assert trading.child is not None
    os.killpg(trading.child.pid, signal.SIGKILL)
    trading.child.communicate()
    assert (trading.folder / "desk" / "desk.sock").exists()
    assert trading.ask("status")["running"] is False
    assert trading.ask("halt")["trading"] == "HALTED"
    trading.start()
    assert trading.ask("status")["trading"] == "HALTED"
