"""The command line as a person meets it: help, mistakes, days from order to journal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.acceptance.typed import Run, typed

from saudagar.app import cli
from saudagar.storage.journal import SqliteJournal

DESK = """
[desk]
name = "T1"
mode = "{mode}"
directory = "desk"

[simulation]
in_process = true
symbols = 3
seed = 11

[strategies.fast]
kind = "ema_cross"
instruments = [{instruments}]
params = {{ fast = 3, slow = 8 }}
size = {{ quantity = 20 }}
exits = {{ stop = "0.5%" }}
"""
SHARES = '"NSE:RELIANCE", "NSE:HDFCBANK"'


@pytest.fixture
def saudagar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """``saudagar ARGUMENTS`` in this process and an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SAUDAGAR_")]:
        monkeypatch.delenv(name)
    return typed(monkeypatch, capsys)


def desk_file(folder: Path, mode: str = "simulation", instruments: str = SHARES, extra: str = "") -> Path:
    file = folder / "desk.toml"
    file.write_text(DESK.format(mode=mode, instruments=instruments) + extra)
    return file


# Help -----------------------------------------------------------------------------------------------------------------


HEAVY = ("aiohttp", "dhanhq", "duckdb", "google", "kiteconnect", "numba", "numpy", "pandas", "pydantic", "requests")
HEAVY += ("rich", "sqlite3", "talib", "upstox_client", "urllib3")


def test_help_comes_at_once() -> None:
    """A time would measure the machine (`make bench` does); this is what makes it quick: no heavy part is loaded."""
    program = (
        "import sys; from saudagar.app.cli import main\n"
        "sys.argv = ['saudagar', '--help']\n"
        "try: main()\n"
        f"finally: print('loaded', [name for name in {HEAVY} if name in sys.modules], len(sys.modules) < 400)"
    )
    quiet = {key: value for key, value in os.environ.items() if "COV" not in key}  # coverage loads parts of its own
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=quiet, check=True)
    assert "Exit codes: 0 done" in shown.stdout
    assert shown.stdout.endswith("loaded [] True\n")


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command below `group`."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))
        else:
            yield (*before, name)


@pytest.mark.unmeasured
def test_every_command_explains_itself(saudagar: Run) -> None:
    """What it does, its exit codes, and every option in at least two words."""
    cli._mount()
    found = list(commands(typer.main.get_command(cli.app)))
    assert {("demo",), ("run",), ("exchange",), ("config", "check"), ("desk", "halt"), ("journal", "show")} <= set(
        found
    )
    for command in found:
        shown = saudagar(*command, "--help")
        assert shown.code == 0
        assert "Exit codes: 0" in shown.out, command
        _, options = shown.out.split("\nOptions:\n")
        for option in re.split(r"\n(?=  -)", options):
            words = re.sub(r"\[(default|required)[^]]*\]", "", option.strip().split("  ", 1)[-1])
            assert len(words.split()) >= 2, f"{command}: {option!r} is not explained"


def groups(group: Any) -> Iterator[Any]:
    """`group` and every group below it."""
    yield group
    for command in group.commands.values():
        if hasattr(command, "commands"):
            yield from groups(command)


def test_no_list_of_commands_is_cut() -> None:
    """The line that the list has for a command says all of its first sentence, in 80 columns."""
    cli._mount()
    for group in groups(typer.main.get_command(cli.app)):
        room = 80 - 2 - 6 - max(map(len, group.commands))
        for name, command in group.commands.items():
            assert not command.get_short_help_str(room).endswith("..."), name


def test_version(saudagar: Run) -> None:
    assert re.fullmatch(r"saudagar \d+\.\d+\.\d+\n", saudagar("--version").out)


# Mistakes -------------------------------------------------------------------------------------------------------------

ONE_LINE = [
    # what was typed, exit code, what the answer must say
    ("demo --ticks none.csv", 3, "error: none.csv: cannot be read as a tick file: No such file or directory."),
    ("demo --ticks .", 3, "error: .: cannot be read as a tick file: Is a directory."),
    ("demo --ticks words.csv", 3, "error: words.csv: expected the columns timestamp, ltp, volume, got hello."),
    ("demo --directory words.csv", 2, "error: words.csv is no directory. Choose another --directory."),
    ("demo --directory words.csv/x --in-process", 2, "directory words.csv/x cannot be made: Not a directory."),
    ("demo --directory /proc/none --in-process", 2, "/proc/none cannot be made: No such file or directory."),
    ("demo --directory full", 2, "error: full holds 'precious', which no demo made; it is not emptied. Choose"),
    ("desk status", 4, "error: there is no desk's directory var/desk. Name it with --directory."),
    ("desk halt -d full", 4, "error: there is no journal in full."),
    ("desk halt -d full --flatten", 1, "error: no desk runs in full: nothing can be closed. Halt without --flatten."),
    ("desk close-all -d full", 1, "error: no desk runs in full. Start it, or close the positions at the broker."),
    ("journal verify none.db", 4, "error: none.db: there is no such journal. A desk's directory holds it"),
    ("journal verify full", 4, "error: full: there is no such journal. Its journal may be full/journal.db."),
    ("journal show none.db --table ordrs", 2, "error: there is no table 'ordrs'. Did you mean orders?"),
    ("journal replay words.csv", 4, "error: words.csv: the journal cannot be read: file is not a database. Do not"),
    ("instruments find reliance", 3, "error: no instrument master in var/instruments. Make one: saudagar instruments"),
    ("instruments show X", 3, "error: no instrument master in var/instruments. Make one: saudagar instruments"),
    ("instruments sync", 2, "error: no instrument file given. Give one or more of --upstox, --dhan, --kite."),
    ("instruments sync --kite none", 3, "error: cannot read the instrument file none: No such file or directory."),
    ("run sim.toml --exchange-ports 1,2", 2, "error: --exchange-ports wants port numbers UPSTOX,DHAN,KITE,CONTROL"),
    ("run wired.toml --exchange-ports 1,2,3,4", 5, "error: the simulated exchange does not answer"),
    ("run sim.toml --exchange-ports 1,2,3", 2, '--exchange-ports wants mode = "simulation" and in_process = false.'),
]


@pytest.mark.parametrize(("typed", "code", "message"), ONE_LINE)
def test_a_mistake_is_answered_in_one_line(saudagar: Run, tmp_path: Path, typed: str, code: int, message: str) -> None:
    (tmp_path / "words.csv").write_text("hello\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    desk_file(tmp_path).rename(tmp_path / "sim.toml")
    (tmp_path / "wired.toml").write_text((tmp_path / "sim.toml").read_text().replace("in_process = true", ""))
    said = saudagar(*typed.split())
    assert said.code == code
    assert message in said.line
    assert (tmp_path / "full" / "precious").exists()
    shown = json.loads(saudagar(*typed.split(), "--json").out) if "ticks" in typed else {"message": message}
    assert shown["message"] in message or message.removeprefix("error: ") in shown["message"]


def test_a_simulation_does_not_take_the_journal_of_a_desk_that_runs(saudagar: Run, tmp_path: Path) -> None:
    """It begins anew and would move the other's journal away, and with it the way to halt that desk."""
    file = desk_file(tmp_path)
    file.write_text(file.read_text().replace("symbols = 3", 'symbols = 3\nend = "09:20"'))
    running = SqliteJournal(tmp_path / "desk" / "journal.db", lambda: 0)
    said = saudagar("run", str(file))
    assert said.code == 4
    assert "is writing this journal" in said.line
    assert [path.name for path in (tmp_path / "desk").glob("*before*")] == []
    running.close()
    assert saudagar("run", str(file), "--json").code == 0


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "Usage: saudagar"),
        ("dmeo", "Did you mean 'demo'?"),
        ("demo --sed 3", "--seed"),
        ("demo --symbols 0", "greater than or equal to 1"),
        ("demo --speed nan", "less than or equal to 1000000"),
        ("demo --seed 99999999999999999999", "less than or equal to"),
        ("demo --seed ten", "valid integer"),
        ("exchange --dhan-port 70000", "less than or equal to 65535"),
        ("exchange --speed -1", "greater than or equal to 0"),
        ("run", "Missing argument"),
        ("journal show", "Missing argument"),
    ],
)
def test_a_wrong_option_is_exit_code_2(saudagar: Run, typed: str, message: str) -> None:
    said = saudagar(*typed.split())
    assert said.code == 2
    assert message in said.out + said.err


@pytest.mark.parametrize("day", ["2026-11-21", "tomorrow", "1999-01-04"])
def test_an_exchange_needs_a_trading_day(saudagar: Run, day: str) -> None:
    said = saudagar("exchange", "--day", day)
    assert said.code == 3
    assert said.line.startswith("error: ")


def test_two_demos_do_not_share_a_directory(saudagar: Run, tmp_path: Path) -> None:
    from saudagar.storage.journal_file import Lock

    (tmp_path / "desk").mkdir()
    running = Lock(tmp_path / "desk" / "journal.db")
    try:
        said = saudagar("demo", "--in-process", "--directory", "desk")
    finally:
        running.release()
    assert said.code == 4
    assert "is writing this journal" in said.line
    assert (tmp_path / "desk").exists()


# Running --------------------------------------------------------------------------------------------------------------


def test_a_file_with_unknown_instruments_names_all_of_them(saudagar: Run, tmp_path: Path) -> None:
    file = desk_file(tmp_path, instruments='"NSE:NOPE", "NSE:RELIANCE", "NSE:ZZZ", "NSE:NIFTY"')
    said = saudagar("run", str(file))
    assert said.code == 2
    first, *rest = said.err.splitlines()
    assert first.endswith("3 mistakes in the configuration.")
    assert [line.split('"')[1] for line in rest] == ["NSE:NOPE", "NSE:ZZZ", "NSE:NIFTY"]


@pytest.mark.parametrize(
    ("mode", "missing"),
    [
        ("paper", ["SAUDAGAR_UPSTOX_TOKEN"]),
        ("live", ["SAUDAGAR_UPSTOX_TOKEN", "SAUDAGAR_DHAN_CLIENT_ID", "SAUDAGAR_DHAN_TOKEN"]),
    ],
)
def test_real_data_and_real_orders_need_credentials(
    saudagar: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, missing: list[str]
) -> None:
    file = desk_file(tmp_path, mode)
    said = saudagar("run", str(file), "--live")
    assert said.code == 2
    assert all(name in said.err for name in missing)
    assert 'mode = "simulation"' in said.err
    for name in missing:
        monkeypatch.setenv(name, "canary-4711")
    said = saudagar("run", str(file), *(["--live"] if mode == "live" else []))
    assert said.code == 3
    assert "no instrument master" in said.line
    assert "canary" not in said.out + said.err


def test_real_orders_need_a_confirmation(saudagar: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UPSTOX_TOKEN", "DHAN_TOKEN", "DHAN_CLIENT_ID"):
        monkeypatch.setenv(f"SAUDAGAR_{name}", "canary-4711")
    file = desk_file(tmp_path, "live")
    said = saudagar("run", str(file))
    assert said.code == 2
    assert said.line == (
        'error: real orders were not confirmed. Type "I trade my own money" when asked, or give --live.'
    )
    assert not (tmp_path / "desk").exists()


def test_paper_is_the_default_mode(saudagar: Run, tmp_path: Path) -> None:
    file = desk_file(tmp_path)
    file.write_text(file.read_text().replace('mode = "simulation"\n', ""))
    assert "mode paper needs SAUDAGAR_UPSTOX_TOKEN" in saudagar("run", str(file)).err


@pytest.mark.unmeasured
def test_a_day_in_process_from_order_to_journal(saudagar: Run, tmp_path: Path) -> None:
    """Two runs of one file give the same trades; then every command that reads a journal."""
    file = desk_file(tmp_path)
    first, second = (json.loads(saudagar("run", str(file), "--json").out) for _ in range(2))
    assert first["trades"]
    assert first["trades"] == second["trades"]
    assert (tmp_path / "desk" / "journal-before.db").exists()
    assert saudagar("journal", "verify", "desk/journal.db").out.endswith("IST; whole.\n")
    shown = saudagar("journal", "show", "desk/journal.db", "--kind", "DayClosed").out
    assert "15:35:00.000" in shown
    told = saudagar("journal", "replay", "desk/journal.db").out
    assert f"round trips: {len(first['trades'])}, gross " in told
    assert "positions: 0 open" in told
    assert saudagar("desk", "status", "-d", "desk").out.startswith("ACTIVE (no desk runs; this is its journal)")


def test_the_report_of_a_demo_for_people(saudagar: Run) -> None:
    said = saudagar("demo", "--in-process", "--symbols", "2")
    assert said.code == 0
    assert re.search(r"^09:\d\d:\d\d IST|^15:35:00 IST", said.out, re.MULTILINE)
    assert "saudagar demo · Friday 20 November 2026" in said.out
    assert re.search(r"net [+-]₹[\d,]+\.\d\d from \d+ round trips", said.out)
    assert "var/demo/report-2026-11-20.html" in said.out
    assert Path("var/demo/report-2026-11-20.html").exists()


def test_a_defect_is_one_line_and_a_trace_in_a_file(saudagar: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("saudagar.app.demo.demo_config", broken)
    said = saudagar("demo")
    assert said.code == 70
    found = re.fullmatch(
        r"error: a defect of saudagar: KeyError: 'surprise'\. .* Report it with (\S+\.txt)\.", said.line
    )
    assert found
    trace = Path(found[1])
    assert "in broken" in trace.read_text()
    assert trace.stat().st_mode & 0o077 == 0
    trace.unlink()


# Stopping -------------------------------------------------------------------------------------------------------------


def test_a_stopped_desk_takes_the_switch_too(saudagar: Run, tmp_path: Path) -> None:
    file = desk_file(tmp_path)
    file.write_text(file.read_text().replace("symbols = 3", 'symbols = 3\nend = "09:20"'))
    assert saudagar("run", str(file)).code == 0
    for command, state in (("halt", "HALTED"), ("reduce", "REDUCING"), ("resume", "ACTIVE")):
        assert saudagar("desk", command, "-d", "desk").out.startswith(f"{state} (no desk runs")
        assert json.loads(saudagar("desk", "status", "-d", "desk", "--json").out)["trading"] == state
