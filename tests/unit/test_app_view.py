"""The live view: what it says at two widths, when it draws, and that a lost screen never stops the desk."""

from __future__ import annotations

import io
import os
import pty
from collections.abc import Callable
from datetime import date

import msgspec
import pytest
from rich.console import Console

from saudagar.app.view import (
    DeskView,
    LiveScreen,
    PlainScreen,
    PositionRow,
    lay_out,
    open_console,
    open_screen,
    progress_line,
)
from saudagar.execution.ports import LinkState
from saudagar.market.ist import at
from saudagar.model import TradingState

NOW = at(date(2026, 11, 20), "11:42:07")
ROWS = (
    PositionRow(
        strategy="ema",
        symbol="RELIANCE",
        quantity=120,
        average=123456.4,
        ltp=123555,
        stop=122000,
        target=126000,
        unrealised=11830,
    ),
    PositionRow(
        strategy="breakout",
        symbol="INFY",
        quantity=-40,
        average=150000.0,
        ltp=150110,
        stop=151500,
        target=0,
        unrealised=-4400,
    ),
)
VIEW = DeskView(
    title="demo · 20 Nov 2026",
    now=NOW,
    progress=0.39,
    state=TradingState.ACTIVE,
    feed=LinkState.UP,
    orders_link=LinkState.DOWN,
    positions=ROWS,
    realised=1234567,
    unrealised=7430,
    charges=45012,
    trades=12,
    sent=42,
    working=3,
    unknown=1,
    ticks=412345,
    ticks_per_second=52012.3,
    p50=421_000,
    p99=3_100_000,
    events=((NOW, "ema RELIANCE bought 120 at 1,234.56"),),
)

WIDE = """\
saudagar demo · 20 Nov 2026                                                                                       ACTIVE
11:42:07 IST ██████████████████████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  39%   feed UP   orders DOWN

net +₹11,969.85   realised +₹12,345.67   unrealised +₹74.30   charges ₹450.12
trades 12   orders sent 42   working 3   unknown 1   ticks 4,12,345 (52,012/s)   tick → order p50 421 µs   p99 3.1 ms

STRATEGY         SYMBOL             QTY     AVERAGE         LTP        STOP      TARGET    UNREALISED
ema              RELIANCE          +120    1,234.56    1,235.55    1,220.00    1,260.00      +₹118.30
breakout         INFY               -40    1,500.00    1,501.10    1,515.00           –       -₹44.00

11:42:07  ema RELIANCE bought 120 at 1,234.56"""

NARROW = """\
saudagar demo · 20 Nov 2026                           ACTIVE
11:42:07 IST ███████░░░░░░░░░░░  39%   feed UP   orders DOWN

net +₹11,969.85   realised +₹12,345.67
unrealised +₹74.30   charges ₹450.12
trades 12   orders sent 42   working 3   unknown 1
ticks 4,12,345 (52,012/s)   order p50 421 µs   p99 3.1 ms

SYMBOL             QTY     AVERAGE         LTP    UNREALISED
RELIANCE          +120    1,234.56    1,235.55      +₹118.30
  ema  stop 1,220.00  target 1,260.00
INFY               -40    1,500.00    1,501.10       -₹44.00
  breakout  stop 1,515.00  target –

11:42:07  ema RELIANCE bought 120 at 1,234.56"""


def text(view: DeskView, width: int, height: int = 40) -> str:
    return "\n".join("".join(part for part, _ in line).rstrip() for line in lay_out(view, width, height))


@pytest.mark.parametrize(("width", "golden"), [(120, WIDE), (60, NARROW)])
def test_both_widths_read_as_drawn_here(width: int, golden: str) -> None:
    assert text(VIEW, width) == golden


def test_gains_and_losses_differ_without_colour() -> None:
    lost = msgspec.structs.replace(VIEW, realised=-1234567)
    assert "net -₹12,721.49   realised -₹12,345.67" in text(lost, 120)
    styles = {style for line in lay_out(lost, 120, 40) for part, style in line if "12,721.49" in part}
    assert styles == {"bold red"}


@pytest.mark.parametrize("width", [20, 59, 60, 99, 100, 120, 200])
@pytest.mark.parametrize("height", [1, 5, 12, 24, 50])
@pytest.mark.parametrize("rows", [0, 1, 60])
def test_nothing_leaves_the_screen(width: int, height: int, rows: int) -> None:
    crowded = msgspec.structs.replace(
        VIEW, positions=ROWS[:1] * rows, events=[(NOW, "x" * 300)] * 20, title="t" * 90, unrealised=10**12
    )
    lines = lay_out(crowded, width, height)
    assert len(lines) <= max(0, height - 1)
    assert all(sum(len(part) for part, _ in line) <= width for line in lines)


def test_positions_that_do_not_fit_are_counted_and_events_keep_their_place() -> None:
    crowded = msgspec.structs.replace(VIEW, positions=ROWS[:1] * 60, events=[(NOW, f"event {n}") for n in range(20)])
    shown = text(crowded, 120, 30).splitlines()
    rows = sum(line.startswith("ema") for line in shown)
    assert f"… and {60 - rows} more" in shown
    assert shown[-1] == "11:42:07  event 19"
    assert sum("event" in line for line in shown) == 8


def test_no_position_and_no_measurement_are_said() -> None:
    idle = msgspec.structs.replace(VIEW, positions=(), p50=None, p99=None, progress=7.0)
    assert "no open position" in text(idle, 120)
    assert "p50 –   p99 –" in text(idle, 120)


def test_events_are_one_line_each_and_cannot_move_the_cursor() -> None:
    told = msgspec.structs.replace(VIEW, events=((NOW, "broker says:\n\x1b[2J no\tfunds"),))
    assert text(told, 120).splitlines()[-1] == "11:42:07  broker says: [2J no funds"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def counted(view: DeskView = VIEW) -> tuple[list[int], Callable[[], DeskView]]:
    taken: list[int] = []

    def snapshot() -> DeskView:
        taken.append(1)
        return view

    return taken, snapshot


def test_snapshots_are_taken_four_times_a_second_at_most() -> None:
    clock, out = Clock(), io.StringIO()
    taken, snapshot = counted()
    with LiveScreen(Console(file=out, force_terminal=True, width=120, height=40), clock=clock) as screen:
        for _ in range(1000):
            screen.show(snapshot)
            clock.now += 0.01
    assert len(taken) == 40  # ten seconds
    assert "RELIANCE" in out.getvalue()


def test_the_last_snapshot_is_drawn_whatever_the_time() -> None:
    clock, out = Clock(), io.StringIO()
    with PlainScreen(Console(file=out), clock=clock) as screen:
        for progress in (0.39, 0.5):
            screen.show(lambda p=progress: msgspec.structs.replace(VIEW, progress=p))
        screen.show(lambda: msgspec.structs.replace(VIEW, progress=1.0), last=True)
    assert out.getvalue() == (
        "11:42:07 IST   39%  ACTIVE  net +₹11,969.85  positions 2  trades 12  orders 42 sent, 3 working, 1 unknown"
        "  ticks 4,12,345 (52,012/s)  feed UP, orders DOWN\n"
        "11:42:07 IST  100%  ACTIVE  net +₹11,969.85  positions 2  trades 12  orders 42 sent, 3 working, 1 unknown"
        "  ticks 4,12,345 (52,012/s)  feed UP, orders DOWN\n"
    )


@pytest.mark.parametrize(("columns", "width"), [(None, 120), ("70", 70)])
def test_without_a_terminal_lines_are_120_columns_or_as_the_environment_says(
    columns: str | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    assert open_console(io.StringIO()).width == width


def test_a_pipe_gets_plain_lines_and_a_terminal_the_live_view() -> None:
    reader, writer = os.pipe()
    with open(reader, encoding="utf-8") as end, open(writer, "w", encoding="utf-8") as pipe:
        assert isinstance(open_screen(open_console(pipe)), PlainScreen)
        del end
    lead, follow = pty.openpty()
    with open(follow, "w", encoding="utf-8") as terminal:
        screen = open_screen(Console(file=terminal, width=120, height=40, _environ={"TERM": "xterm-256color"}))
        assert isinstance(screen, LiveScreen)
        dumb = open_screen(Console(file=terminal, _environ={"TERM": "dumb"}))
        assert isinstance(dumb, PlainScreen)
    os.close(lead)


def test_a_reader_that_left_silences_the_screen_and_nothing_else() -> None:
    reader, writer = os.pipe()
    taken, snapshot = counted()
    os.close(reader)
    pipe = os.fdopen(writer, "w", encoding="utf-8")
    with PlainScreen(Console(file=pipe), interval=0.0) as screen:
        for _ in range(3):
            screen.show(snapshot)
    assert len(taken) == 1  # the broken pipe was met once, then never touched again
    with pytest.raises(BrokenPipeError):
        pipe.close()


def test_a_terminal_that_closed_silences_the_live_view() -> None:
    out = io.StringIO()
    with LiveScreen(Console(file=out, force_terminal=True, width=120, height=40), interval=0.0) as screen:
        screen.show(lambda: VIEW)
        out.close()
        screen.show(lambda: VIEW)
        screen.show(lambda: pytest.fail("asked for a snapshot after the screen was lost"))


def test_an_encoding_without_the_rupee_sign_is_no_error() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="latin-1")
    with open_screen(open_console(stream)) as screen:
        screen.show(lambda: VIEW)
    assert b"net +?11,969.85" in raw.getvalue()


def test_the_plain_line_is_one_line() -> None:
    assert "\n" not in progress_line(VIEW)
