"""The closing report on a terminal: tables from 110 columns on, stacked lines below."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from saudagar.app import wording as say
from saudagar.app.report import CHARGES, ChargeLines, DayReport, Latency, Tally, TradeLine
from saudagar.market.words import CHARGE_NAMES
from saudagar.model import Paise, TradingState, inr

WIDE = 110


def print_report(report: DayReport, console: Console) -> None:
    """Write `report` to `console` in the layout that fits its width."""
    console.print(_heading(report))
    table = _trade_table(report, console.width) if console.width >= WIDE else None
    if not report.trades:
        console.print("No round trip was closed.\n")
    elif table is not None:
        console.print(table, _strategy_table(report), "", sep="\n", no_wrap=True, highlight=False)
    else:
        console.print(_trade_blocks(report.trades, console.width), _strategy_blocks(report, console.width), sep="\n")
    console.print(_facts(report))


def charge_kinds(report: DayReport) -> list[str]:
    """The charges worth a column: all but those that cannot occur here (DP without a delivery sale)."""
    return [kind for kind in CHARGES if kind != "dp" or report.total.charges.dp]


def facts(report: DayReport) -> Iterator[tuple[str, str]]:
    """What is not a trade, as (name, sentence): shared with the HTML report."""
    orders, run = report.orders, report.run
    states = [(orders.filled, "filled"), (orders.cancelled, "cancelled"), (orders.rejected, "rejected")]
    states += [(orders.expired, "expired"), (orders.working, "still working"), (orders.unknown, "UNKNOWN")]
    shown = [f"{number} {word}" for number, word in states if number or word in ("filled", "cancelled", "rejected")]
    yield "orders", f"{orders.sent} sent: " + ", ".join(shown)
    yield "denied by risk", _by_kind(orders.denied, _RULES)
    for line in report.open:
        yield "still open", f"{line.strategy} {line.instrument} {line.quantity:+d} at {inr(line.average)}"
    if report.trading is not TradingState.ACTIVE:
        yield "trading state", f"{report.trading}: {report.trading_reason}"
    yield "tick → order", _spread(report.latency)
    per_second = say.count(round(report.ticks_per_second))
    yield "ticks", f"{say.count(run.ticks)} in {run.seconds:.1f} s, {per_second} a second"
    yield "ticks left out", _by_kind(run.refused, _TICKS)
    for alert in report.alerts:
        again = f" ({alert.times} times, last at {say.clock(alert.last)})" if alert.times > 1 else ""
        level, _, message = alert.message.partition(": ")
        yield level, f"{say.clock(alert.first)} {message}{again}"
    seed = "" if run.seed is None else f"seed {run.seed}, "
    yield "run", f"{seed}configuration {run.config}, saudagar {run.version}, {run.command}"
    yield "journal", run.journal
    yield "report", run.report


def ratio(tally: Tally) -> str:
    """``7 of 12 (58 %)``."""
    return say.NOTHING if tally.win_rate is None else f"{tally.wins} of {tally.trades} ({tally.win_rate:.0%})"


def _spread(latency: Latency) -> str:
    if not latency.count:
        return "no order was caused by a tick"
    return (
        f"p50 {say.duration(latency.p50)}, p99 {say.duration(latency.p99)}, max {say.duration(latency.max)}"
        f" ({say.counted(latency.count, 'order')} caused by a tick; on disk and handed to the SDK)"
    )


_RULES = {
    "open-positions": "at risk.max_open_positions",
    "quantity": "above risk.max_order_quantity",
    "value": "above risk.max_order_value",
    "trades": "at risk.max_trades",
    "cash": "beyond risk.leverage",
    "price-band": "beyond risk.price_band_percent",
    "stale-price": "on a price older than risk.stale_seconds",
    "entry-window": "outside the hours of entry",
    "late": "too late after their signal",
    "session": "while the market was closed",
    "size": "with a size of nothing",
}
"""A rule of risk → what it kept back; other rules speak for themselves."""

_TICKS = {
    "day": "of another day",
    "session": "from closed hours",
    "future": "stamped later than the clock",
    "late": "after their bar or a newer one",
    "disordered": "out of order (used all the same)",
    "duplicate": "told twice",
    "quiet": "without a trade",
    "falling": "with a volume that fell",
    "outside": "outside continuous trading",
    "price": "with no price",
    "volume": "with a volume that cannot be",
    "jump": "with a price too far off",
    "unknown": "of an instrument nobody asked for",
}
"""Why a tick made no bar → in a trader's words; what the adapters count speaks for itself."""


def _by_kind(counts: dict[str, int], words: Mapping[str, str]) -> str:
    """The most frequent first."""
    if not counts:
        return "none"
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    kinds = ", ".join(f"{say.count(number)} {words.get(kind, kind)}" for kind, number in ordered)
    return f"{say.count(sum(counts.values()))}: {kinds}" if len(counts) > 1 else kinds


def left_open(report: DayReport) -> str:
    """What the totals do not hold, where positions are open; empty where none is."""
    count = len(report.open)
    return f"{say.counted(count, 'position')} still open, in none of these sums." if count else ""


def _heading(report: DayReport) -> Text:
    total = report.total
    return Text.assemble(
        ("\n" + f"saudagar {report.run.title} · {say.long_date(report.day)}" + "\n", "bold"),
        "net ",
        _gain(total.net),
        f" from {say.counted(total.trades, 'round trip')}, {ratio(total)} won, after charges of"
        f" {inr(total.charges.total)}\n"
        if total.trades
        else "\n",
        f"{left_open(report)}\n" if report.open else "",
    )


class _Cell(NamedTuple):
    text: str
    style: str = ""


def _trade_table(report: DayReport, width: int) -> Text | None:
    """Two lines a trade, entry over exit. Numbers are never cut: None if `width` cannot hold them."""
    kinds = charge_kinds(report)
    head, foot = _trade_head(kinds), _trade_foot(report.total, kinds)
    rows = [row for trade in report.trades for row in _trade_rows(trade, kinds)]
    sizes = [max(len(cell.text) for cell in column) for column in zip(*head, *rows, *foot, strict=True)]
    sizes[_WHY] = 0
    sizes[_WHY] = width - sum(sizes) - len(sizes) + 1
    if sizes[_WHY] < _WHY_LEAST:
        return None
    rule = Text("─" * width, style="dim")
    upper, body, lower = ([_laid_out(row, sizes) for row in part] for part in (head, rows, foot))
    return Text("\n").join([*upper, rule, *body, rule, *lower, Text()])


_Row: TypeAlias = list[_Cell]
_WHY = 4  # the column that takes the room left over
_WHY_LEAST = 8
_LEFT = frozenset({0, 2, _WHY})


def _laid_out(row: _Row, sizes: Sequence[int]) -> Text:
    line = Text()
    for column, (cell, size) in enumerate(zip(row, sizes, strict=True)):
        text = cell.text if len(cell.text) <= size else cell.text[: size - 1] + "…"
        line.append(text.ljust(size) if column in _LEFT else text.rjust(size), style=cell.style)
        line.append(" ")
    line.rstrip()
    return line


def _trade_head(kinds: Sequence[str]) -> list[_Row]:
    upper = ["instrument", "side", "entry", "price", "why", "gross", *(CHARGE_NAMES[kind] for kind in kinds), "net"]
    lower = ["strategy", "qty", "exit", "price", "why", "₹", *("₹" for _ in kinds), "₹"]
    return [[_Cell(text, "dim") for text in line] for line in (upper, lower)]


def _trade_rows(trade: TradeLine, kinds: Sequence[str]) -> list[_Row]:
    amounts = [_Cell(say.plain(getattr(trade.charges, kind))) for kind in kinds]
    entry = [trade.symbol, trade.side, say.clock(trade.entry_ts), say.price(trade.entry_price), trade.entry_reason]
    leave = [trade.strategy, str(trade.quantity), say.clock(trade.exit_ts), say.price(trade.exit_price)]
    return [
        [*map(_Cell, entry), _Cell(_money(trade.gross)), *amounts, _Cell(_money(trade.net), _tone(trade.net))],
        [
            _Cell(leave[0], "dim"),
            *map(_Cell, leave[1:]),
            _Cell(trade.exit_reason),
            *(_Cell("") for _ in (1, *kinds, 1)),
        ],
    ]


def _trade_foot(total: Tally, kinds: Sequence[str]) -> list[_Row]:
    amounts = [_money(total.gross), *(say.plain(getattr(total.charges, kind)) for kind in kinds), _money(total.net)]
    return [[_Cell(text, "bold") for text in ("all", "", "", "", "", *amounts)]]


def _strategy_table(report: DayReport) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for name, right in (
        ("strategy", False),
        *((name, True) for name in ("round trips", "won", "gross", "charges", "net", "best", "worst")),
    ):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for tally in (*report.strategies, report.total):
        extremes = [say.NOTHING if value is None else say.gain(value) for value in (tally.best, tally.worst)]
        table.add_row(
            tally.name,
            str(tally.trades),
            ratio(tally),
            say.gain(tally.gross),
            inr(tally.charges.total),
            _gain(tally.net),
            *extremes,
            style="bold" if tally is report.total else "",
        )
    return table


def _trade_blocks(trades: Iterable[TradeLine], width: int) -> Group:
    return Group(*(_trade_block(trade, width) for trade in trades))


def _trade_block(trade: TradeLine, width: int) -> Text:
    return Text("\n").join(
        [
            Text.assemble((f"{trade.symbol} {trade.side} {trade.quantity}", "bold"), "  net ", _gain(trade.net)),
            *_wrapped(f"{trade.strategy}, gross {say.gain(trade.gross)}, charges {inr(trade.charges.total)}", width),
            *_wrapped(f"{say.clock(trade.entry_ts)} at {say.price(trade.entry_price)}  {trade.entry_reason}", width),
            *_wrapped(f"{say.clock(trade.exit_ts)} at {say.price(trade.exit_price)}  {trade.exit_reason}", width),
            *_wrapped(_charge_words(trade.charges), width, "dim"),
        ]
    )


def _charge_words(charges: ChargeLines) -> str:
    named = ((CHARGE_NAMES[kind], getattr(charges, kind)) for kind in CHARGES)
    return ", ".join(f"{name} {say.plain(amount)}" for name, amount in named if amount)


def _strategy_blocks(report: DayReport, width: int) -> Group:
    lines: list[Text] = []
    for tally in (*report.strategies, report.total):
        lines.append(Text.assemble((tally.name, "bold"), f"  {ratio(tally)} won, net ", _gain(tally.net)))
        lines += _wrapped(f"gross {say.gain(tally.gross)}, charges {inr(tally.charges.total)}", width)
        if tally.best is not None and tally.worst is not None:
            lines += _wrapped(f"best {say.gain(tally.best)}, worst {say.gain(tally.worst)}", width)
    return Group(*lines, *_wrapped(_charge_words(report.total.charges), width, "dim"), "")


def _wrapped(text: str, width: int, style: str = "") -> list[Text]:
    lines = textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="  ")
    return [Text(line, style=style) for line in lines]


def _facts(report: DayReport) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, sentence in facts(report):
        grid.add_row(name, Text(sentence))
    return grid


def _gain(paise: Paise) -> Text:
    return Text(say.gain(paise), style="bold " + _tone(paise))


def _money(paise: Paise) -> str:
    return say.gain(paise).replace("₹", "")


def _tone(paise: Paise) -> str:
    return "green" if paise > 0 else "red" if paise < 0 else ""
