"""Whole desks as processes of their own against a simulated exchange, ready to be killed, and the books compared."""

from __future__ import annotations

import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import pytest

from saudagar.engine.state import State
from saudagar.exchange.process import Account, ExchangeConfig, ExchangeProcess, SyntheticSource
from saudagar.storage.journal import read_journal

SAUDAGAR = Path(sys.executable).with_name("saudagar")

CONFIG = """
[desk]
name = "ACC"
mode = "simulation"
capital = 10000000
directory = "desk"

[simulation]
seed = {seed}
symbols = 12
speed = {speed}
in_process = {in_process}
start = "09:15"
end = "{end}"
{faults}

[risk]
max_open_positions = 20
max_order_value = 400000
day_loss = 0

[session]
no_entry_before = "09:15"
no_entry_after = "{last_entry}"
square_off = "{square_off}"

[strategies.quick]
kind = "ema_cross"
interval = "1m"
instruments = ["NSE:RELIANCE", "NSE:HDFCBANK", "NSE:INFY", "NSE:TCS", "NSE:ICICIBANK", "NSE:SBIN"]
params = {{ fast = 2, slow = 3 }}
size = {{ quantity = 150 }}
exits = {{ stop = "0.3%", target = "0.3%", trail = "0.2%" }}
"""
"""Two short averages over six shares: about one order every twenty market seconds, and a stop that is moved often."""


class Books(NamedTuple):
    """The exchange's book beside the desk's, at one moment."""

    exchange: dict[str, Any]
    state: State
    rows: int

    def faults(self, *, at_least: dict[str, tuple[int, int]] | None = None) -> list[str]:
        """What is wrong. `at_least`: what the desk must know by now, (quantity, value) per order; None for all."""
        known = self.state.orders
        tags = Counter(order["tag"] for order in self.exchange["orders"])
        there = {order["tag"]: (order["filled"], order["value"]) for order in self.exchange["orders"]}
        found = [f"{tag} was sent {count} times" for tag, count in tags.items() if count > 1]
        found += [f"{tag} is not in the journal" for tag in there.keys() - known.keys()]
        found += [
            f"{order.id}: {order.filled} for {order.value} here, {there.get(order.id)} there"
            for order in known.values()
            if order.filled and (order.id not in there or order.filled > there[order.id][0])
        ]
        for tag, (filled, value) in (there if at_least is None else at_least).items():
            order = known.get(tag)
            if order is None or order.filled < filled or (order.filled == filled and order.value != value):
                here = (order.filled, order.value) if order else None
                found.append(f"{tag}: the desk knows {here}, {(filled, value)} had been filled")
        return found

    def positions(self) -> tuple[dict[str, int], dict[str, int]]:
        """Net quantity per instrument, none flat: by the exchange's fills, by the desk's state."""
        theirs: Counter[str] = Counter()
        for trade in self.exchange["trades"]:
            theirs[trade["instrument"]] += trade["quantity"] * (1 if trade["side"] == "BUY" else -1)
        ours: Counter[str] = Counter()
        for position in self.state.positions.values():
            ours[position.instrument] += position.quantity
        return {k: v for k, v in theirs.items() if v}, {k: v for k, v in ours.items() if v}

    def filled(self) -> dict[str, tuple[int, int]]:
        """(quantity, value) of every order that the exchange has."""
        return {order["tag"]: (order["filled"], order["value"]) for order in self.exchange["orders"]}


class Desk:
    """One ``saudagar run`` as a process: a command of its own, or forked from a process that has loaded it already."""

    def __init__(self, start: Callable[[list[str], Path, Path, Path], Running], arguments: list[str], folder: Path):
        self._out, self._errors = folder / "stdout", folder / "stderr"
        self._folder = folder
        self._process = start(arguments, folder, self._out, self._errors)
        self.report: dict[str, Any] = {}

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """-9, and nothing of it may be left."""
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        self._gone()

    def _gone(self) -> None:
        """Its children work in the same folder, which is how they are known."""
        deadline = time.monotonic() + 30
        while left := at_work_in(self._folder):
            assert time.monotonic() < deadline, f"outlived their desk: {left}"
            time.sleep(0.002)

    def finish(self, seconds: float = 300) -> dict[str, Any]:
        """Wait for the end of the day; the report."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        assert code == 0, (code, self._errors.read_text()[-2000:])
        self._gone()
        self.report = msgspec.json.decode(self._out.read_bytes())
        return self.report


class Running(Protocol):
    """What of `subprocess.Popen` is used here."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


def by_command(arguments: list[str], folder: Path, out: Path, errors: Path, *, doomed: bool = False) -> Running:
    """Start ``saudagar`` as a user does. `doomed`: without coverage, for -9 would only leave a torn file of it."""
    environment = without_coverage() if doomed else None
    with out.open("wb") as stdout, errors.open("wb") as stderr:
        return subprocess.Popen([str(SAUDAGAR), *arguments], cwd=folder, stdout=stdout, stderr=stderr, env=environment)


def without_coverage() -> dict[str, str]:
    """The environment, less what starts coverage in a new process."""
    return {key: value for key, value in os.environ.items() if "COVERAGE" not in key}


class Forge:
    """A process that has loaded the desk and forks one for each start: a twentieth of a second instead of a whole."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forge.py"))],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=without_coverage(),
        )
        self._line()

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        line: bytes = self._process.stdout.readline()
        assert line, "the forge has died"
        return line

    typed = staticmethod(partial(by_command, doomed=True))
    """Starts a desk by the command instead."""

    def start(self, arguments: list[str], folder: Path, out: Path, errors: Path) -> Running:
        """Fork a desk; one at a time."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([arguments, str(folder), str(out), str(errors)]).encode() + b"\n")
        return Forked(int(self._line()), self._process.stdout)

    def close(self) -> None:
        with self._process:
            self._process.kill()


class Forked:
    """A desk that the forge has forked."""

    def __init__(self, pid: int, told: Any) -> None:
        self.pid = pid
        self._told = told
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None and select.select([self._told], [], [], 0)[0]:
            self._code = int(self._told.readline())
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + (timeout or 600.0)
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("desk", timeout or 600.0)
            time.sleep(0.001)
        return code


class TradingDay:
    """A market day in a process of its own, and the folder of the desk that trades it."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        values = {
            "seed": 7,
            "speed": 0,
            "in_process": "false",
            "end": "09:45",
            "last_entry": "09:40",
            "square_off": "09:43",
            "faults": "",
        }
        values |= changes
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.journal = folder / "desk" / "journal.db"
        (folder / "desk.toml").write_text(CONFIG.format(**values))
        source = SyntheticSource(seed=values["seed"], instruments=13, start="09:15", end=values["end"])
        account = Account(capital=1_00_00_000_00)
        self.exchange = ExchangeProcess(ExchangeConfig(source=source, lockstep=True, hold=True, account=account))
        self.command = [str(SAUDAGAR)]
        self.desks: list[Desk] = []

    def open(self) -> None:
        """Start the exchange; a desk started before attaches to none and brings its own."""
        self.exchange.start()

    def desk(self, start: Callable[[list[str], Path, Path, Path], Running] = by_command) -> Desk:
        """Start a desk, at the exchange if it is open."""
        arguments = ["run", "desk.toml", "--json"]
        if self.exchange.running:
            ports = self.exchange.ports
            arguments += ["--exchange-ports", f"{ports.upstox},{ports.dhan},{ports.control}"]
        self.desks.append(Desk(start, arguments, self.folder))
        return self.desks[-1]

    @contextmanager
    def rows(self) -> Iterator[Callable[..., int]]:
        """Gives ``last(kind="", after=0)``: the journal's last row (of that kind, after that one); 0 if there is none.

        All looks share one connection, closed at the end: whoever looks all the time takes no time from the desk.
        """
        kept: list[sqlite3.Connection] = []

        def last(kind: str = "", after: int = 0) -> int:
            with suppress(sqlite3.Error):
                if not kept:
                    kept.append(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True))
                query = "SELECT coalesce(max(seq), 0) FROM journal WHERE seq > ? AND kind = coalesce(?, kind)"
                ((found,),) = kept[0].execute(query, (after, kind or None))
                return int(found)
            return 0

        try:
            yield last
        finally:
            for connection in kept:
                connection.close()

    def books(self) -> Books:
        entries = [entry.event for entry in read_journal(self.journal)] if self.journal.exists() else []
        return Books(self.exchange.state(), State.replay(entries), len(entries))

    def seconds(self) -> float:
        """How long the last desk traded, on the wall."""
        return float(self.desks[-1].report["run"]["seconds"])

    def close(self) -> None:
        for desk in self.desks:
            if desk.running:
                desk.kill()
        self.exchange.stop()


@pytest.fixture
def saudagar() -> Path:
    """The command."""
    return SAUDAGAR


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    """Starts desks quickly: ``day.desk(forge.start)``; what it has loaded serves a whole module."""
    forge = Forge()
    yield forge
    forge.close()


@pytest.fixture
def trading_day(tmp_path: Path) -> Iterator[Callable[..., TradingDay]]:
    """Makes market days: ``trading_day(name, seed=…, end=…)``; every process of theirs ends with the test."""
    with trading_days(tmp_path) as make:
        yield make


@pytest.fixture(scope="module")
def shared_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., TradingDay]]:
    """The same for days that several tests of a module look at."""
    with trading_days(tmp_path_factory.mktemp("shared")) as make:
        yield make


@contextmanager
def trading_days(folder: Path) -> Iterator[Callable[..., TradingDay]]:
    with ExitStack() as stack:

        def make(name: str = "day", **changes: Any) -> TradingDay:
            day = TradingDay(folder / name, **changes)
            stack.callback(day.close)
            return day

        yield make


def at_work_in(folder: Path) -> list[int]:
    """The processes whose working directory is `folder`."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):  # it has just ended, or is another user's
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
    return found
