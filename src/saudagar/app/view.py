"""What a trader sees while the desk runs.

`open_screen` picks the live view on a terminal and one plain line every five seconds elsewhere. The desk's loop calls
`show` as often as it likes; the snapshot is taken and drawn only when a redraw is due. A screen that has gone away
(closed pipe, lost terminal) falls silent: it never stops the desk.
"""

from __future__ import annotations

import io
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Protocol, Self, TextIO, TypeAlias

import msgspec
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style

from saudagar.app import wording as say
from saudagar.execution.ports import LinkState
from saudagar.model import Nanos, Paise, TradingState, inr

WIDE = 100  # columns from which the whole table fits
EVENTS = 8

Part: TypeAlias = tuple[str, str]
"""Text and its style (a rich style, "" for none)."""
Line: TypeAlias = list[Part]


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One open position. Prices in paise, `quantity` in signed units; 0 stands for no stop, no target, no price yet."""

    strategy: str
    symbol: str
    quantity: int
    average: float
    ltp: Paise
    stop: Paise
    target: Paise
    unrealised: Paise


class DeskView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the live view shows, at one moment. Amounts in paise, latencies in ns (None: not measured yet)."""

    title: str  # "demo · 20 Nov 2026"
    now: Nanos  # market time
    progress: float  # of the day, 0 to 1
    state: TradingState
    feed: LinkState
    orders_link: LinkState
    positions: Sequence[PositionRow] = ()
    realised: Paise = 0  # before charges
    unrealised: Paise = 0
    charges: Paise = 0
    trades: int = 0  # closed round trips
    sent: int = 0
    working: int = 0
    unknown: int = 0
    ticks: int = 0
    ticks_per_second: float = 0.0
    p50: int | None = None  # tick → order submitted
    p99: int | None = None
    events: Sequence[tuple[Nanos, str]] = ()  # oldest first

    @property
    def net(self) -> Paise:
        return self.realised + self.unrealised - self.charges


class Screen(Protocol):
    """Where snapshots go."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, snapshot: Callable[[], DeskView], *, last: bool = False) -> None:
        """Draw, if a redraw is due or this is the `last` one; `snapshot` is called only then."""
        ...


def open_console(stream: TextIO | None = None) -> Console:
    """A console on `stream` (standard output by default) for the view and the report.

    Where there is no terminal, lines are 120 columns unless COLUMNS says otherwise. A character that the stream's
    encoding lacks (₹ in Latin-1) is shown as ``?`` instead of ending the run.
    """
    stream = stream or sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    width = None if stream.isatty() or "COLUMNS" in os.environ else 120
    return Console(file=stream, width=width, highlight=False)


def open_screen(console: Console) -> Screen:
    """The screen that fits `console`: live on a terminal, plain lines anywhere else."""
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveScreen(console)
    return PlainScreen(console)


class _Throttled(ABC):
    """Draws at most once per `interval` seconds, and never again after the screen has failed."""

    def __init__(self, interval: float, clock: Callable[[], float]) -> None:
        self._interval = interval
        self._clock = clock
        self._due = clock()
        self._alive = True

    def __enter__(self) -> Self:
        self._guarded(self._open)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._guarded(self._close)

    def show(self, snapshot: Callable[[], DeskView], *, last: bool = False) -> None:
        now = self._clock()
        if self._alive and (last or now >= self._due):
            self._due = now + self._interval
            view = snapshot()
            self._guarded(lambda: self._draw(view))

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            if self._alive:
                act()
        except (OSError, ValueError):  # ValueError: the file object was closed
            self._alive = False

    def _open(self) -> None:
        return  # a line of text needs no preparing

    def _close(self) -> None:
        return

    @abstractmethod
    def _draw(self, view: DeskView) -> None: ...


class LiveScreen(_Throttled):
    """The whole view, redrawn in place at most four times a second, without a thread of its own."""

    def __init__(self, console: Console, interval: float = 0.25, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(interval, clock)
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def _open(self) -> None:
        self._live.start()

    def _close(self) -> None:
        self._live.stop()

    def _draw(self, view: DeskView) -> None:
        self._live.update(Frame(view), refresh=True)


class PlainScreen(_Throttled):
    """One line of progress every five seconds, for logs and pipes."""

    def __init__(self, console: Console, interval: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(interval, clock)
        self._file = console.file

    def _draw(self, view: DeskView) -> None:
        self._file.write(progress_line(view) + "\n")
        self._file.flush()


class Frame:
    """A `DeskView` as rich draws it. Lines are laid out by hand: a tenth of the cost of rich's tables."""

    def __init__(self, view: DeskView) -> None:
        self._view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height or console.size.height
        for line in lay_out(self._view, options.max_width, height):
            for text, style in line:
                yield Segment(text, _STYLES[style])
            yield Segment.line()


def progress_line(view: DeskView) -> str:
    """The day so far in one line of plain text."""
    return (
        f"{say.clock(view.now)} IST  {view.progress:4.0%}  {view.state}  net {say.gain(view.net)}"
        f"  positions {len(view.positions)}  trades {view.trades}"
        f"  orders {view.sent} sent, {view.working} working, {view.unknown} unknown"
        f"  ticks {say.count(view.ticks)} ({say.count(round(view.ticks_per_second))}/s)"
        f"  feed {view.feed}, orders {view.orders_link}"
    )


def lay_out(view: DeskView, width: int, height: int) -> list[Line]:
    """`view` as at most `height - 1` lines of at most `width` columns."""
    wide = width >= WIDE
    head = [*_head(view, width), [], *_figures(view, wide), []]
    room = max(0, height - 2 - len(head))  # one line for the gap, one for the cursor
    told = min(EVENTS, max(2, room // 2))
    events = [_event(ts, text, width) for ts, text in view.events[-told:]]
    lines = [*head, *_positions(view.positions, wide, room - len(events)), [], *events]
    return [_clip(line, width) for line in lines[: height - 1]]


def _head(view: DeskView, width: int) -> list[Line]:
    left, right = f"saudagar {view.title}", str(view.state)
    links: Line = [*_link("feed", view.feed), ("   ", ""), *_link("orders", view.orders_link)]
    tail = sum(len(text) for text, _ in links) + 3
    share = f" {view.progress:4.0%}"
    time_text = f"{say.clock(view.now)} IST "
    cells = max(4, width - len(time_text) - len(share) - tail)
    done = round(cells * min(1.0, max(0.0, view.progress)))
    return [
        [(_fit(left, width - len(right)), "bold"), (right, _STATE_STYLE[view.state])],
        [(time_text, "bold"), ("█" * done, "cyan"), ("░" * (cells - done), "dim"), (share + "   ", ""), *links],
    ]


def _link(name: str, state: LinkState) -> Line:
    return [(f"{name} ", "dim"), (str(state), "green" if state is LinkState.UP else "bold red")]


def _figures(view: DeskView, wide: bool) -> list[Line]:
    money: Line = [
        *_figure("net", say.gain(view.net), _tone(view.net, "bold ")),
        *_figure("realised", say.gain(view.realised), _tone(view.realised)),
        *_figure("unrealised", say.gain(view.unrealised), _tone(view.unrealised)),
        *_figure("charges", inr(view.charges)),
    ]
    orders: Line = [
        *_figure("trades", str(view.trades)),
        *_figure("orders sent", str(view.sent)),
        *_figure("working", str(view.working)),
        *_figure("unknown", str(view.unknown), "bold red" if view.unknown else ""),
    ]
    speed: Line = [
        *_figure("ticks", f"{say.count(view.ticks)} ({say.count(round(view.ticks_per_second))}/s)"),
        *_figure("tick → order p50" if wide else "order p50", say.duration(view.p50)),
        *_figure("p99", say.duration(view.p99)),
    ]
    if wide:
        return [money, orders + speed]
    return [money[:4], money[4:], orders, speed]


def _figure(name: str, value: str, style: str = "") -> Line:
    return [(f"{name} ", "dim"), (f"{value}   ", style)]


# name, width, right-aligned?, shown on a narrow terminal too?
_COLUMNS = (
    ("STRATEGY", 16, False, False),
    ("SYMBOL", 14, False, True),
    ("QTY", 7, True, True),
    ("AVERAGE", 11, True, True),
    ("LTP", 11, True, True),
    ("STOP", 11, True, False),
    ("TARGET", 11, True, False),
    ("UNREALISED", 13, True, True),
)


def _positions(rows: Sequence[PositionRow], wide: bool, room: int) -> list[Line]:
    if not rows:
        return [[("no open position", "dim")]]
    each = 1 if wide else 2
    fitting = rows if 1 + len(rows) * each <= room else rows[: max(1, (room - 2) // each)]
    lines = [_row([name for name, *_ in _COLUMNS], wide, "dim")]
    for row in fitting:
        lines.append(_row(_cells(row), wide, "", _tone(row.unrealised)))
        if not wide:
            levels = f"  {row.strategy}  stop {say.price(row.stop)}  target {say.price(row.target)}"
            lines.append([(levels, "dim")])
    if hidden := len(rows) - len(fitting):
        lines.append([(f"… and {hidden} more", "dim")])
    return lines


def _cells(row: PositionRow) -> list[str]:
    prices = [say.price(value) for value in (row.average, row.ltp, row.stop, row.target)]
    return [row.strategy, row.symbol, f"{row.quantity:+d}", *prices, say.gain(row.unrealised)]


def _row(cells: Iterable[str], wide: bool, style: str, last_style: str | None = None) -> Line:
    shown = [(text, column) for text, column in zip(cells, _COLUMNS, strict=True) if wide or column[3]]
    line: Line = [(_fit(text, size, right) + " ", style) for text, (_, size, right, _) in shown]
    return line if last_style is None else [*line[:-1], (line[-1][0], last_style)]


def _event(ts: Nanos, text: str, width: int) -> Line:
    return [(say.clock(ts) + "  ", "dim"), (_fit(say.one_line(text), width - 10).rstrip(), "")]


def _fit(text: str, width: int, right: bool = False) -> str:
    if len(text) > width:
        return text[: max(0, width - 1)] + "…"
    return text.rjust(width) if right else text.ljust(width)


def _clip(line: Line, width: int) -> Line:
    kept: Line = []
    for text, style in line:
        if width <= 0:
            break
        kept.append((text[:width], style))
        width -= len(text)
    return kept


def _tone(amount: Paise, weight: str = "") -> str:
    return weight.strip() if amount == 0 else weight + ("green" if amount > 0 else "red")


_STATE_STYLE = {
    TradingState.ACTIVE: "bold green",
    TradingState.REDUCING: "bold yellow",
    TradingState.HALTED: "bold reverse red",
}
_STYLES = {
    name: Style.parse(name) if name else None
    for name in ("", "dim", "bold", "cyan", "green", "red", "bold green", "bold red", "bold yellow", "bold reverse red")
}
