"""The command as a process: odd terminals, listeners that go away, full disks, Ctrl-C, and what is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

SAUDAGAR = str(Path(sys.executable).with_name("saudagar"))


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``saudagar ARGUMENTS`` as a process group of its own; killed with all its children at the test's end."""
    with ExitStack() as stack:

        def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
            child = subprocess.Popen(
                [SAUDAGAR, *arguments],
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
                env={k: v for k, v in os.environ.items() if not k.startswith("SAUDAGAR_")} | environment,
            )
            stack.callback(end, child)
            return child

        yield start


def end(child: subprocess.Popen[str]) -> None:
    """Kill `child` and its group, if they still are."""
    for pid in group(child.pid):
        os.kill(pid, signal.SIGKILL)
    child.communicate()


def group(leader: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rsplit(")", 1)[1].split()[:4]
        except OSError:
            continue
        if int(session) == leader and state not in "ZX":
            found.append(int(stat.parent.name))
    return found


def wait_for(ready: Callable[[], Any], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1", "COLUMNS": "60"}, {"TERM": "dumb"}]
)
def test_any_terminal_will_do(process: Callable[..., Any], tmp_path: Path, environment: dict[str, str]) -> None:
    child = process("demo", "--in-process", "--symbols", "1", **environment)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    assert "15:35:00 IST" in out
    if "COLUMNS" in environment:
        report = out[out.index("saudagar demo") :]
        assert max(map(len, report.splitlines())) <= 60
    assert process("journal", "show", "var/demo/journal.db", **environment).wait(30) == 0


@pytest.mark.unmeasured
def test_a_listener_that_goes_away_stops_nothing(process: Callable[..., Any], tmp_path: Path) -> None:
    child = process("demo", "--in-process", "--symbols", "1")
    child.stdout.readline()
    child.stdout.close()
    assert child.wait(60) == 1
    assert "Traceback" not in child.stderr.read()
    assert (tmp_path / "var" / "demo" / "report-2026-11-20.html").exists()


@pytest.mark.unmeasured
def test_no_room_for_the_output_is_told_and_the_report_kept(tmp_path: Path) -> None:
    for more in ([], ["--json"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [SAUDAGAR, "demo", "--in-process", "--symbols", "1", "--directory", "demo", *more],
                cwd=tmp_path,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
            )
        assert done.returncode != 0
        assert "error: No space left on device." in done.stderr
        assert "Traceback" not in done.stderr
        assert (tmp_path / "demo" / "report-2026-11-20.html").exists()


@pytest.mark.parametrize("arguments", [["--speed", "300"], ["--speed", "300", "--in-process", "--json"]])
def test_ctrl_c_ends_a_demo_in_order(process: Callable[..., Any], tmp_path: Path, arguments: list[str]) -> None:
    child = process("demo", "--symbols", "3", "--directory", "demo", *arguments)
    journal = tmp_path / "demo" / "journal.db"
    wait_for(lambda: (tmp_path / "demo" / "desk.sock").exists())
    time.sleep(1.5)
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does: all processes of the group
    out, err = child.communicate(timeout=20)
    assert child.returncode == 130
    left = r"^interrupted: \d+ positions stay open, \d+ orders rest at the broker, which ended too: it was simulated\.$"
    assert re.search(left, err, re.MULTILINE)
    assert "Traceback" not in err
    if "--json" in arguments:
        assert json.loads(out)["run"]["title"] == "demo"
    else:
        assert "saudagar demo · Friday 20 November 2026" in out
        assert "is down" not in out
    assert wait_for(lambda: not group(child.pid), 5)
    assert not (tmp_path / "demo" / "desk.sock").exists()
    shown = subprocess.run([SAUDAGAR, "journal", "verify", journal], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "demo" / "report-2026-11-20.html").exists()


def test_the_exchange_alone(process: Callable[..., Any]) -> None:
    child = process("exchange", "--symbols", "2", "--speed", "60")
    ports = json.loads(child.stdout.readline())
    assert {"control", "dhan", "upstox"} <= set(ports)
    taken = process("exchange", "--symbols", "2", "--dhan-port", str(ports["dhan"]))
    assert taken.wait(20) == 1
    assert taken.stderr.read().startswith(f"error: cannot listen on 127.0.0.1:{ports['dhan']}")
    os.killpg(child.pid, signal.SIGINT)
    assert child.wait(10) == 130
    assert "Traceback" not in child.stderr.read()
