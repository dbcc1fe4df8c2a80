"""The switch at a desk that is just starting: it holds its journal and does not listen yet."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from saudagar.app import desk_commands
from saudagar.app.control import SOCKET
from saudagar.app.desk import JOURNAL
from saudagar.model import Source, TradingState
from saudagar.model.errors import JournalInUse
from saudagar.model.events import TradingStateChanged
from saudagar.storage.journal import SqliteJournal, read_journal


def starting(folder: Path) -> SqliteJournal:
    journal = SqliteJournal(folder / JOURNAL, lambda: 1)
    journal.append([TradingStateChanged(ts=1, state=TradingState.ACTIVE, reason="begun", source=Source.MANUAL)])
    return journal


def each_beat(monkeypatch: pytest.MonkeyPatch, do: Callable[[], None]) -> list[float]:
    beats: list[float] = []

    def sleep(seconds: float) -> None:
        beats.append(seconds)
        do()

    monkeypatch.setattr(desk_commands.time, "sleep", sleep)
    return beats


def test_a_desk_that_begins_to_listen_takes_the_halt_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, asked = starting(tmp_path), []

    def answer(server: socket.socket) -> None:
        with server, server.accept()[0] as channel, channel.makefile("rwb") as lines:
            asked.append(json.loads(lines.readline()))
            lines.write(b'{"trading":"HALTED","reason":"x","positions":[],"working":0}\n')

    def listen() -> None:
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(tmp_path / SOCKET))
        server.listen()
        threading.Thread(target=answer, args=(server,), daemon=True).start()

    beats = each_beat(monkeypatch, listen)
    done = CliRunner().invoke(desk_commands.app, ["halt", "-d", str(tmp_path), "--reason", "x", "--json"])
    journal.close()
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["trading"] == "HALTED"
    assert [(request["do"], request["reason"]) for request in asked] == [("HALTED", "x")]
    assert len(beats) == 1


def test_a_start_that_ended_leaves_its_journal_to_the_halt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = starting(tmp_path)
    each_beat(monkeypatch, journal.close)
    done = CliRunner().invoke(desk_commands.app, ["halt", "-d", str(tmp_path), "--reason", "x", "--json"])
    assert json.loads(done.output) | {"positions": 0} == {
        "running": False,
        "trading": "HALTED",
        "reason": "x",
        "positions": 0,
        "working": 0,
    }
    assert [entry.event.reason for entry in read_journal(tmp_path / JOURNAL)] == ["begun", "x"]


def test_one_that_never_listens_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = starting(tmp_path)
    beats = each_beat(monkeypatch, lambda: None)
    done = CliRunner().invoke(desk_commands.app, ["halt", "-d", str(tmp_path)])
    journal.close()
    assert isinstance(done.exception, JournalInUse)
    assert sum(beats) >= 20
