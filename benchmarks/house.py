"""Start-up, memory, the journal, and an order's round trip in process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.desk import DAY, desk
from benchmarks.measure import SCRATCH, Figure, least, quantile, timed
from saudagar.backtest.result import Result
from saudagar.backtest.ticks import replay_ticks
from saudagar.engine.clock import wall_clock
from saudagar.exchange.core import MatchingCore
from saudagar.exchange.synthetic import SyntheticDay
from saudagar.exchange.universe import universe
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import Source
from saudagar.model.events import Alerted, TargetSet
from saudagar.model.ids import PositionId
from saudagar.storage.journal import SqliteJournal

START = "Start-up"
MEMORY = "Memory of the trading process"
JOURNAL = "Journal: append of two events, on disk when it returns"
ORDER = "Orders in process"
_POLL = 0.05


def start_up(rounds: int) -> Iterator[Figure]:
    """Wall time of whole processes."""
    program = Path(sys.executable).with_name("saudagar")
    for what, command in (
        ("saudagar --help", [str(program), "--help"]),
        ('python -c "import saudagar"', [sys.executable, "-c", "import saudagar"]),
        ("python -c pass, for comparison", [sys.executable, "-c", "pass"]),
    ):
        seconds = timed(rounds, partial(subprocess.run, command, check=True, capture_output=True))
        yield least(START, what, [each * 1e3 for each in seconds], "ms")


def memory() -> Iterator[Figure]:
    """The largest resident size of the process that trades, in the demo. Linux only."""
    program = Path(sys.executable).with_name("saudagar")
    command = [str(program), "demo", "--json", "--directory", str(SCRATCH / "demo")]
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as demo:
        most = 0
        while demo.poll() is None:
            most = max(most, _resident_peak(demo.pid))
            try:
                demo.communicate(timeout=_POLL)
            except subprocess.TimeoutExpired:
                continue
        seconds = time.perf_counter() - begin
        note = f"exit code {demo.returncode}, {seconds:.1f} s from start to end"
    if most:
        mib = most / 1024
        yield Figure(
            group=MEMORY,
            what="largest resident size in the demo",
            unit="MiB",
            best=mib,
            middle=mib,
            rounds=1,
            note=note,
        )


def _resident_peak(pid: int) -> int:
    """KiB; 0 where /proc does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def journal(appends: int) -> Iterator[Figure]:
    """Single appends of two events each, as an order makes them."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    for old in SCRATCH.glob("journal.db*"):
        old.unlink()
    book = SqliteJournal(SCRATCH / "journal.db", wall_clock)
    position = PositionId("bench@NSE_EQ:RELIANCE")
    samples = []
    for number in range(appends):
        events = (
            TargetSet(ts=number, position=position, quantity=number, reason="bench", source=Source.STRATEGY),
            Alerted(ts=number, level="info", message="bench"),
        )
        begin = time.perf_counter()
        book.append(events)
        samples.append((time.perf_counter() - begin) * 1e6)
    book.close()
    for name, q in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        value = quantile(samples, q)
        yield Figure(group=JOURNAL, what=name, unit="µs", best=value, middle=value, rounds=appends)


def orders(rounds: int) -> Iterator[Figure]:
    """A restless desk on a synthetic hour against the matching core: the time per order, market and ticks included."""
    instruments = universe(21)
    source = SyntheticDay(7, DAY, instruments, start="10:00", end="10:30")
    steps = list(source.steps())
    settings = desk(instruments, 20).settings
    closes = {each.id: source.previous_close(each.id) for each in instruments}
    told: list[Result] = []

    def replay() -> None:
        core = MatchingCore(instruments, Calendar(), capital=10**12, previous_close=closes)
        core.advance(steps[0][0] - 1)
        told.append(
            replay_ticks(
                settings, DAY, steps, core, Master(DAY, instruments), Calendar(), lambda _: 0, now=steps[0][0] - 1
            )
        )

    seconds = timed(rounds, replay)
    result = told[0]
    note = f"{result.orders:,} orders, {result.fills:,} executions, {sum(len(t) for _, t in steps):,} ticks"
    yield least(ORDER, "signal → risk → order → fill → position", [s / result.fills * 1e6 for s in seconds], "µs", note)
