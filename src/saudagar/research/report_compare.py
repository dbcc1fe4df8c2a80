"""Two runs as one page: their curves in one picture, every figure side by side, and what parts them."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from saudagar.market.ist import ist_day, midnight
from saudagar.model import Nanos
from saudagar.research import report_charts as charts
from saudagar.research import report_words as say
from saudagar.research.compare import Comparison, FigureLine, compare, difference
from saudagar.research.report import Curve, Report
from saudagar.research.report_html import Cell, month_grid, notes, page, table, tone


def render_comparison(first: Report, second: Report) -> str:
    """The whole page."""
    both = compare(first, second)
    title = f"{both.titles[0]} against {both.titles[1]}"
    a, b = _together(first, second)
    curves = list(zip(both.titles, (a, b), strict=True))
    body = [
        f"<header><p>saudagar · comparison</p><h1>{escape(title)}</h1><p></p></header>",
        *notes(both.warnings),
        "<h2>Equity <small>of a start at 100</small></h2><p>",
        *(
            f'<span class="legend"><span class="key s{number}"></span><b>{letter}</b> {escape(name)}</span> '
            for number, (letter, name) in enumerate(zip("AB", both.titles, strict=True))
        ),
        "</p>",
        charts.equity_plot(curves, _HUNDRED, money=False),
        "<h2>Drawdown</h2>",
        charts.drawdown_plot(curves),
        *_figures(both),
        *_instruments(both),
        *_months(first, second),
        *_facts(both),
    ]
    return page(title, body, {})


_SIDES = (("A", "n"), ("B", "n"), ("B less A", "n"))
_A_DAY = 1_000_000  # of the picture's width, in the curves' own measure
_HUNDRED = 10_000  # hundredths of an index: curves of different capital in one picture


def _together(first: Report, second: Report) -> tuple[Curve, Curve]:
    """Both curves from a start at 100, over the days of either; nights and holidays take no room."""
    moments = {ts: midnight(ist_day(ts)) for ts in (*first.curve.ts, *second.curve.ts)}
    days = {day: number for number, day in enumerate(sorted(set(moments.values())))}
    clocks = [ts - day for ts, day in moments.items()]
    opens = min(clocks)
    room = max(max(clocks) - opens, 1)

    def place(ts: Nanos) -> int:
        day = moments[ts]
        return days[day] * _A_DAY + (ts - day - opens) * _A_DAY // room

    a, b = (
        Curve(
            at=tuple(map(place, report.curve.ts)),
            ts=report.curve.ts,
            equity=tuple(round(value * _HUNDRED / report.capital) for value in report.curve.equity),
            drawdown=report.curve.drawdown,
            exposure=report.curve.exposure,
        )
        for report in (first, second)
    )
    return a, b


def _figures(both: Comparison) -> Iterator[str]:
    for group in dict.fromkeys(line.group for line in both.figures):
        rows = [_figure_row(line) for line in both.figures if line.group == group]
        yield from table(escape(group), [("Figure", "l"), *_SIDES], rows, "versus", cards=False)


def _figure_row(line: FigureLine) -> list[Cell]:
    values = [
        Cell("", html=f"<b>{text}</b>") if line.better == number else Cell(text)
        for number, text in enumerate((say.figure(line.first, line.kind), say.figure(line.second, line.kind)), 1)
    ]
    return [Cell(line.label, "t"), *values, Cell(difference(line), f"n {tone((0, -1, 1)[line.better])}")]


def _instruments(both: Comparison) -> list[str]:
    if not both.instruments:
        return []
    rows = [
        [
            Cell(say.symbol(pair.instrument), "t"),
            *(Cell(say.NOTHING if net is None else say.rupees(net, sign=True)) for net in (pair.first, pair.second)),
            Cell(say.rupees(pair.difference, sign=True), f"n {tone(pair.difference)}"),
        ]
        for pair in both.instruments
    ]
    return table("Net per instrument", [("Instrument", "l"), *_SIDES], rows, "versus", cards=False)


def _months(first: Report, second: Report) -> Iterator[str]:
    for letter, report in zip("AB", (first, second), strict=True):
        yield from month_grid(report.months, f"Months of {letter}")


def _facts(both: Comparison) -> list[str]:
    if not both.facts:
        return []
    rows = [[Cell(line.name, "t"), Cell(line.first, "l wrap"), Cell(line.second, "l wrap")] for line in both.facts]
    return table("Not the same", [("Fact", "l"), ("A", "l"), ("B", "l")], rows)
