"""Damage and want on the desk's own disk: a torn journal is refused, a full disk stops the desk before the wire.

The exchange is a process of its own in lock-step; while no desk is attached its market stands still.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from saudagar.engine.state import State
from saudagar.exchange.process import Account, ExchangeConfig, ExchangeProcess, SyntheticSource
from saudagar.storage.journal import read_journal, verify_journal

pytestmark = pytest.mark.unmeasured

SAUDAGAR = str(Path(sys.executable).with_name("saudagar"))
DESK = """
[desk]
name = "DISK"
mode = "simulation"
capital = 10000000
directory = "desk"

[risk]
max_order_value = 400000
day_loss = 0

[session]
no_entry_before = "09:15"
no_entry_after = "09:34"
square_off = "09:36"

[strategies.quick]
kind = "ema_cross"
interval = "1m"
instruments = ["NSE:RELIANCE", "NSE:HDFCBANK", "NSE:INFY", "NSE:TCS"]
params = { fast = 2, slow = 3 }
size = { quantity = 100 }
exits = { stop = "0.4%", target = "0.4%" }
"""
CLOSED = "1,2,3"  # ports where nobody listens: the journal is opened before anything is connected


@pytest.fixture(scope="module")
def exchange() -> Iterator[ExchangeProcess]:
    source = SyntheticSource(seed=7, instruments=13, start="09:15", end="09:40")
    config = ExchangeConfig(source=source, lockstep=True, hold=True, account=Account(capital=1_00_00_000_00))
    with ExchangeProcess(config) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("desk")
    (made / "desk.toml").write_text(DESK)
    return made


def run(folder: Path, ports: str, before: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [SAUDAGAR, "run", "desk.toml", "--json", "--exchange-ports", ports],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
        preexec_fn=before,
        env={k: v for k, v in os.environ.items() if not k.startswith("COV")},  # its data would need room too
    )
    assert "Traceback" not in done.stderr
    return done


def no_room() -> None:
    """No file may grow beyond 160 kB, as on a disk that is almost full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (160_000, 160_000))


def test_a_full_disk_stops_the_desk_before_the_wire(exchange: ExchangeProcess, folder: Path) -> None:
    """Exit 4; no order without its row; the journal is whole; with room again the day goes on to its end."""
    ports = f"{exchange.ports.upstox},{exchange.ports.dhan},{exchange.ports.control}"
    stopped = run(folder, ports, no_room)
    assert stopped.returncode == 4, stopped.stderr
    answer = json.loads(stopped.stdout)
    assert answer["error"] == "JournalError"
    assert "were not written" in answer["message"]
    assert "check disk space" in answer["hint"]

    journal = folder / "desk" / "journal.db"
    assert verify_journal(journal).sound
    state = State.replay(entry.event for entry in read_journal(journal))
    sent = {order["tag"]: order["filled"] for order in exchange.state()["orders"]}
    assert sent, "it had been trading"
    assert sent.keys() <= state.orders.keys()

    done = run(folder, ports)
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    assert report["open"] == []
    assert report["orders"]["unknown"] == 0
    state = State.replay(entry.event for entry in read_journal(journal))
    book = exchange.state()
    tags = [order["tag"] for order in book["orders"]]
    assert len(tags) == len(set(tags))
    assert {order["tag"]: order["filled"] for order in book["orders"]} == {
        tag: order.filled for tag, order in state.orders.items() if tag in tags
    }
    assert all(row["buy_quantity"] == row["sell_quantity"] for row in book["positions"])


def cut(journal: Path) -> None:
    """The last third of the file is gone."""
    size = journal.stat().st_size
    os.truncate(journal, size * 2 // 3)


def flip(journal: Path) -> None:
    """One byte in the middle of an entry is another."""
    data = bytearray(journal.read_bytes())
    place = data.rindex(b"OrderFilled")
    data[place] ^= 0x20
    journal.write_bytes(data)


def forge(journal: Path) -> None:
    """Somebody has changed an entry with a tool of theirs."""
    with closing(sqlite3.connect(journal)) as db:
        db.execute("DROP TRIGGER journal_keeps_content")
        db.execute("UPDATE journal SET body = replace(body, '100', '900') WHERE kind = 'OrderFilled'")
        db.commit()


def empty(journal: Path) -> None:
    journal.write_bytes(b"")


def other(journal: Path) -> None:
    journal.write_bytes(b"SQLite format 3\0" + bytes(4096))


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk's folder with a journal of some hundred entries that was closed in order."""
    folder = tmp_path_factory.mktemp("day")
    short = '[simulation]\nin_process = true\nstart = "09:15"\nend = "09:40"\nsymbols = 12\n'
    (folder / "desk.toml").write_text(DESK + short)
    done = subprocess.run([SAUDAGAR, "run", "desk.toml"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (folder / "desk.toml").write_text(DESK)
    return folder


@pytest.fixture
def traded(day: Path, tmp_path: Path) -> Path:
    """A copy of that folder to be damaged."""
    return shutil.copytree(day, tmp_path / "desk")


def test_a_damaged_journal_is_refused_with_the_next_step(traded: Path) -> None:
    journal = traded / "desk" / "journal.db"
    whole = journal.read_bytes()
    lock = Path(f"{journal}.lock").read_bytes()
    for damage in (cut, flip, forge, empty, other):
        journal.write_bytes(whole)
        Path(f"{journal}.lock").write_bytes(lock)
        damage(journal)
        damaged = journal.read_bytes()
        done = run(traded, CLOSED)
        assert done.returncode == 4, (damage.__name__, done.stdout, done.stderr)
        answer: dict[str, Any] = json.loads(done.stdout)
        assert answer["error"] == "JournalError", damage.__name__
        assert "Do not trade on it: keep the files" in answer["hint"], damage.__name__
        assert damage is empty or journal.read_bytes() == damaged, (
            f"{damage.__name__}: a refused journal stays as it is"
        )
        checked = subprocess.run([SAUDAGAR, "journal", "verify", journal], capture_output=True, text=True)
        assert checked.returncode == 4, (damage.__name__, checked.stdout)
    journal.write_bytes(whole)
    Path(f"{journal}.lock").write_bytes(lock)
    assert run(traded, CLOSED).returncode != 4


def test_a_directory_that_cannot_be_written(traded: Path) -> None:
    """A journal is there but may not be written (as on a disk that was mounted read-only)."""
    journal = traded / "desk" / "journal.db"
    journal.unlink()
    journal.mkdir()
    done = run(traded, CLOSED)
    assert done.returncode == 4
    assert "cannot be opened" in json.loads(done.stdout)["message"]
