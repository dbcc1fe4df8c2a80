"""The report on a terminal: what counts first, then every figure, the months and the instruments.

Wide terminals get the groups of figures side by side; narrow ones get them one below the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.columns import Columns
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from saudagar.model import group_digits, inr
from saudagar.research import report_words as say
from saudagar.research.report import MonthLine, Report
from saudagar.research.report_metrics import MEASURES

_BLOCKS = " ▁▂▃▄▅▆▇█"
_WIDE = 100
_MOST_INSTRUMENTS = 20


def print_report(report: Report, console: Console) -> None:
    """Write `report` to `console`."""
    console.print(_heading(report, console.width))
    console.print(_figures(report), highlight=False)
    if report.months and console.width >= _WIDE:
        console.print(_months(report), highlight=False)
    if report.instruments:
        console.print(_instruments(report, wide=console.width >= _WIDE), highlight=False)
    console.print(_facts(report))


def sparkline(values: tuple[int, ...], width: int) -> str:
    """`values` as blocks of eight heights, `width` characters at most."""
    count = min(width, len(values))
    picked = [values[number * (len(values) - 1) // max(count - 1, 1)] for number in range(count)]
    low, room = min(picked), (max(picked) - min(picked)) or 1
    return "".join(_BLOCKS[1 + (value - low) * 7 // room] for value in picked)


def tinted(text: str, amount: float | None) -> Text:
    """Green above zero, red below; the sign in `text` says the same."""
    return Text(text, style="green" if (amount or 0) > 0 else "red" if (amount or 0) < 0 else "")


def _heading(report: Report, width: int) -> Text:
    figures = report.metrics
    lines = Text.assemble(
        (f"\n{report.facts.title}\n", "bold"),
        (f"{say.period(report.start, report.end)}\n", "dim"),
        f"{inr(report.capital)} became {inr(report.final)}, ",
        tinted(say.rupees(figures.net_profit, sign=True), figures.net_profit),
        f" after {inr(figures.charges)} charges; {say.odds(figures)} round trips won\n",
        (sparkline(report.curve.equity, min(width - 1, 100)) + "\n", "cyan"),
    )
    for note in report.notes:
        lines.append(f"! {note}\n", style="yellow")
    return lines


def _figures(report: Report) -> Columns:
    """One small table per group, with their order kept."""
    groups = []
    for group in dict.fromkeys(measure.group for measure in MEASURES):
        table = Table(box=None, show_header=True, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column(group, no_wrap=True, min_width=25)
        table.add_column("", justify="right", no_wrap=True, min_width=12)
        for measure in MEASURES:
            if measure.group == group:
                table.add_row(measure.label, say.figure(getattr(report.metrics, measure.name), measure.kind))
        groups.append(Group(table, ""))
    return Columns(groups, padding=(0, 2))


def _months(report: Report) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", title_justify="left")
    table.add_column("Return, %")
    for name in (*say.MONTHS, "Year"):
        table.add_column(name, justify="right", no_wrap=True)
    for year in sorted({line.year for line in report.months}):
        table.add_row(str(year), *_year(year, report.months))
    return table


def _year(year: int, months: tuple[MonthLine, ...]) -> Iterator[Text]:
    known = {line.month: line.value for line in months if line.year == year}
    whole = 1.0
    for month in range(1, 13):
        value = known.get(month)
        whole *= 1.0 + (value or 0.0)
        yield tinted(say.NOTHING if value is None else f"{value * 100:+.1f}", value)
    yield tinted(f"{(whole - 1) * 100:+.1f}", whole - 1)


def _instruments(report: Report, *, wide: bool) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("\nInstrument")
    names = ("Trips", "Won", "Factor", "Gross", "Charges", "Net") if wide else ("Trips", "Won", "Net")
    for name in names:
        table.add_column(f"\n{name}", justify="right", no_wrap=True)
    for line in report.instruments[:_MOST_INSTRUMENTS]:
        first = [say.symbol(line.instrument), group_digits(line.trades), say.whole_percent(line.win_rate)]
        more = [say.figure(line.profit_factor, "ratio"), say.rupees(line.gross, sign=True), say.rupees(line.charges)]
        table.add_row(*first, *(more if wide else []), tinted(say.rupees(line.net, sign=True), line.net))
    left_out = len(report.instruments) - _MOST_INSTRUMENTS
    return Group(table, Text(f"and {left_out} more\n" if left_out > 0 else "", style="dim"))


def _facts(report: Report) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, sentence in say.facts(report):
        table.add_row(name, Text(sentence))
    return table
