"""The report as one HTML file that needs nothing else: no font, no library, no address outside itself.

Style and script stand in `report_page.css` and `report_page.js` and are written into the page; its own content policy
allows that script by its hash and forbids every load, so nothing can be fetched even by mistake. Without script all
but the price chart and the hair line is there. Light and dark follow the reader's system.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from saudagar.market.words import CHARGE_NAMES
from saudagar.model import SECOND, group_digits, inr
from saudagar.research import report_charts as charts
from saudagar.research import report_words as say
from saudagar.research.metrics import DAYS_A_YEAR
from saudagar.research.report import MonthLine, PriceChart, Report, TradeLine
from saudagar.research.report_metrics import MEASURES

MOST_ROWS = 200


class Cell(NamedTuple):
    text: str
    kind: str = "n"  # CSS classes: t title, l words, n number; up, down
    note: str = ""
    html: str = ""  # instead of the text, already escaped


def write_html(page: str, path: Path) -> None:
    """Write `page` to `path`, making its folder; an older file stays whole until the new one is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_text(page, encoding="utf-8")
    draft.replace(path)


def render_html(report: Report) -> str:
    """The whole page."""
    names = {chart.instrument: number for number, chart in enumerate(report.charts)}
    rows = sorted(sorted(report.trades, key=lambda t: -abs(t.net))[:MOST_ROWS], key=lambda t: t.exit_ts)
    drawn = [trade for trade in report.trades if trade.instrument in names]
    period = say.period(report.start, report.end)
    body = [
        f"<header><p>saudagar · research</p><h1>{escape(report.facts.title)}</h1><p>{escape(period)}</p></header>",
        '<section class="tiles" aria-label="In short">',
        *_tiles(report),
        "</section>",
        *notes(report.notes),
        *_curves(report),
        *month_grid(report.months),
        *_price_chart(report),
        *_distributions(report),
        *_costs(report),
        *_instruments(report),
        *_figures(report),
        *_trades(report, rows, {id(trade): number for number, trade in enumerate(drawn)}),
        "<h2>The run</h2><dl>",
        *(f"<dt>{escape(name)}</dt><dd>{escape(sentence)}</dd>" for name, sentence in say.facts(report)),
        "</dl>",
    ]
    data = {
        "curve": curve_data(report),
        "charts": [_chart_data(chart) for chart in report.charts],
        "trades": [_trade_data(trade, names) for trade in drawn],
    }
    return page(report.facts.title, body, data)


def page(title: str, body: Iterable[str], data: dict[str, Any]) -> str:
    """The frame of a page; `data` is what its script draws from."""
    script = _asset("report_page.js")
    digest = b64encode(sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    embedded = msgspec.json.encode(data).decode().replace("<", "\\u003c")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en-IN"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            f"<title>saudagar · {escape(title)}</title><style>{_asset('report_page.css')}</style></head><body><main>",
            *body,
            f'</main><script type="application/json" id="data">{embedded}</script>',
            f"<script>{script}</script></body></html>",
            "",
        ]
    )


def table(
    title: str, head: Sequence[tuple[str, str]], rows: Iterable[Sequence[Cell]], style: str = "", *, cards: bool = True
) -> list[str]:
    """A table whose rows, with `cards`, become cards on a narrow screen: each cell repeats its heading."""
    box = "scroll cards" if cards else "scroll"
    return [
        f'{title and f"<h2>{title}</h2>"}<div class="{box}" tabindex="0"><table class="{style}"><thead><tr>',
        *(f'<th scope="col" class="{kind}">{escape(name)}</th>' for name, kind in head),
        "</tr></thead><tbody>",
        *("<tr>" + "".join(map(_cell, head, row)) + "</tr>" for row in rows),
        "</tbody></table></div>",
    ]


def notes(sentences: Sequence[str]) -> Iterator[str]:
    """What a careful reader should know, if anything."""
    if sentences:
        yield '<ul class="notes" aria-label="Read with care">'
        yield from (f"<li>{escape(sentence)}</li>" for sentence in sentences)
        yield "</ul>"


def tone(amount: float) -> str:
    return "up" if amount > 0 else "down" if amount < 0 else ""


def curve_data(report: Report) -> dict[str, Any]:
    """What the hair line reads out."""
    curve = report.curve
    return {
        "at": curve.at,
        "ts": [ts // SECOND for ts in curve.ts],
        "equity": curve.equity,
        "drawdown": curve.drawdown,
        "exposure": curve.exposure,
    }


def month_grid(months: Sequence[MonthLine], title: str = "Months") -> Iterator[str]:
    """Returns by month and year, tinted; on a narrow screen each year is a block of its own."""
    if not months:
        return
    largest = max(abs(line.value) for line in months) or 1.0
    known = {(line.year, line.month): line.value for line in months}
    yield f'<h2>{title} <small>return, %</small></h2><div class="scroll"><table class="months"><thead><tr>'
    yield '<th scope="col">Year</th>'
    yield from (f'<th scope="col">{name}</th>' for name in (*say.MONTHS, "Year"))
    yield "</tr></thead><tbody>"
    for year in sorted({line.year for line in months}):
        yield f'<tr><th scope="row">{year}</th>'
        whole = 1.0
        for month, name in enumerate(say.MONTHS, 1):
            value = known.get((year, month))
            whole *= 1.0 + (value or 0.0)
            yield _month_cell(name, value, largest)
        yield f'<td class="year {tone(whole - 1)}" data-h="Year">{_hundredths(whole - 1, largest)}</td></tr>'
    yield "</tbody></table></div>"


def _month_cell(name: str, value: float | None, largest: float) -> str:
    if value is None:
        return f'<td data-h="{name}">{say.NOTHING}</td>'
    kind = "g" if value > 0 else "b" if value < 0 else ""
    return (
        f'<td class="{kind}" style="--v:{abs(value) / largest:.2f}" data-h="{name}">{_hundredths(value, largest)}</td>'
    )


def _hundredths(value: float, largest: float) -> str:
    """Per cent as a bare number, with the decimals that the largest value asks for."""
    decimals = 1 if largest >= 0.01 else 2 if largest >= 0.001 else 4
    return f"{round(value * 100, decimals) + 0.0:.{decimals}f}"


def _tiles(report: Report) -> Iterator[str]:
    figures = report.metrics
    year = ("Growth a year", say.figure(figures.cagr, "percent"), tone(figures.cagr or 0))
    trip = ("Per round trip", say.figure(figures.expectancy, "money"), tone(figures.expectancy or 0))
    won = say.NOTHING if figures.win_rate is None else say.whole_percent(figures.win_rate)
    for name, value, kind in (
        ("Net profit", say.rupees(figures.net_profit, sign=True), tone(figures.net_profit)),
        ("Total return", say.figure(figures.total_return, "percent"), tone(figures.total_return or 0)),
        year if report.days >= DAYS_A_YEAR else trip,
        ("Drawdown", say.figure(figures.max_drawdown, "percent"), ""),
        ("Sharpe", say.figure(figures.sharpe, "ratio"), ""),
        ("Profit factor", say.figure(figures.profit_factor, "ratio"), ""),
        (f"Won of {group_digits(figures.trades)} trip{'' if figures.trades == 1 else 's'}", won, ""),
        ("Charges", say.rupees(figures.charges), ""),
    ):
        yield f'<div><span>{name}</span><strong class="{kind}">{escape(value)}</strong></div>'


def _curves(report: Report) -> Iterator[str]:
    curve = report.curve
    resting = f"{inr(report.capital)} became {inr(report.final)}"
    yield f'<h2>Equity</h2><p class="read" id="read" aria-live="off">{resting}</p>'
    yield charts.equity_plot([("equity", curve)], report.capital)
    yield "<h2>Drawdown <small>fall from the highest equity so far</small></h2>"
    yield charts.drawdown_plot([("deepest", curve)])
    yield "<h2>Exposure <small>most in the market since the point before, at entry value, of equity</small></h2>"
    yield charts.exposure_plot(curve)


def _price_chart(report: Report) -> Iterator[str]:
    if not report.charts:
        return
    options = "".join(
        f'<option value="{number}">{escape(say.symbol(chart.instrument))}{_candle_size(chart)}</option>'
        for number, chart in enumerate(report.charts)
    )
    listed, total = len(report.trades), report.metrics.trades
    some = f", the {group_digits(listed)} largest of {group_digits(total)}" if listed < total else ""
    yield f"<h2>Trades on the price <small>triangle: entry, dot: exit, line: green won, red lost{some}</small></h2>"
    yield '<div class="chart" id="chart"><div class="bar">'
    yield f'<select aria-label="Instrument">{options}</select>'
    yield '<button data-act="closer" aria-label="Closer">+</button>'
    yield '<button data-act="wider" aria-label="Wider">−</button><button data-act="whole">Whole</button>'
    yield "<span>wheel or pinch to zoom, drag to move</span></div>"
    yield '<canvas tabindex="0" role="img" aria-label="Price with the trades; arrow keys move, plus and minus zoom">'
    yield '</canvas><p class="read"><output></output></p></div><noscript><p class="note">The price chart needs script.'
    yield "</p></noscript>"


def _candle_size(chart: PriceChart) -> str:
    return f" · {chart.bars_per_candle} bars a candle" if chart.bars_per_candle > 1 else ""


def _distributions(report: Report) -> Iterator[str]:
    parts = [
        ("Round trips", "net profit over entry value", report.trips, "round trips"),
        ("Days", "return of the days that moved", report.daily, "days"),
    ]
    known = [part for part in parts if part[2] is not None]
    if known:
        yield '<div class="pair">'
        for title, small, histogram, unit in known:
            assert histogram is not None
            yield f"<section><h2>{title} by size <small>{small}; outermost bars hold the rest</small></h2>"
            yield charts.histogram_plot(histogram, unit) + "</section>"
        yield "</div>"


def _costs(report: Report) -> Iterator[str]:
    figures = report.metrics
    if not figures.trades:
        return
    most = max(*(abs(amount) for amount in report.charges.values()), 1)
    rows = [
        [
            Cell(CHARGE_NAMES.get(kind, kind), "t"),
            Cell(inr(amount)),
            Cell(say.percent(amount / figures.charges) if figures.charges else say.NOTHING),
            Cell("", "w", html=f'<i style="width:{abs(amount) / most:.1%}"></i>'),
        ]
        for kind, amount in sorted(report.charges.items(), key=lambda item: -item[1])
    ]
    rest = figures.gross_profit - figures.charges
    before = f"{inr(figures.gross_profit, sign=True)} before charges"
    yield f"<h2>Costs <small>{before}, {inr(figures.charges)} charges, {inr(rest, sign=True)} left</small></h2>"
    yield from table("", [("Charge", "l"), ("₹", "n"), ("Of all", "n"), ("", "l")], rows, "split")


def _instruments(report: Report) -> list[str]:
    if not report.instruments:
        return []
    names = ("Round trips", "Won", "Profit factor", "Gross", "Charges", "Net", "Best", "Worst")
    rows = [
        [
            Cell(say.symbol(line.instrument), "t"),
            Cell(group_digits(line.trades)),
            Cell(say.whole_percent(line.win_rate)),
            Cell(say.figure(line.profit_factor, "ratio")),
            Cell(say.rupees(line.gross, sign=True)),
            Cell(say.rupees(line.charges)),
            Cell(say.rupees(line.net, sign=True), f"n {tone(line.net)}"),
            Cell(say.rupees(line.best, sign=True)),
            Cell(say.rupees(line.worst, sign=True)),
        ]
        for line in report.instruments
    ]
    return table("Per instrument", [("Instrument", "l"), *((name, "n") for name in names)], rows)


def _figures(report: Report) -> Iterator[str]:
    yield '<h2>All figures</h2><div class="groups">'
    for group in dict.fromkeys(measure.group for measure in MEASURES):
        yield f'<section><h3>{group}</h3><div class="scroll"><table><tbody>'
        for measure in MEASURES:
            if measure.group == group:
                value = escape(say.figure(getattr(report.metrics, measure.name), measure.kind))
                yield f'<tr><td>{measure.label}<small>{measure.meaning}</small></td><td class="n">{value}</td></tr>'
        yield "</tbody></table></div></section>"
    yield "</div>"


def _trades(report: Report, rows: Sequence[TradeLine], drawn: dict[int, int]) -> list[str]:
    if not rows:
        return ["<h2>Round trips</h2><p>No round trip was closed.</p>"]
    total = report.metrics.trades
    some = f" <small>the {len(rows)} largest of {group_digits(total)}</small>" if len(rows) < total else ""
    head = [("Instrument", "l"), ("Side", "l"), ("Quantity", "n"), ("Entry", "l"), ("Exit", "l")]
    head += [(name, "n") for name in ("Gross", "Charges", "Net")]
    return table(f"Round trips{some}", head, [_trade_row(trade, drawn.get(id(trade))) for trade in rows])


def _trade_row(trade: TradeLine, place: int | None) -> list[Cell]:
    name = escape(say.symbol(trade.instrument))
    button = "" if place is None else f'<button data-trade="{place}" title="Show on the chart">{name}</button>'
    return [
        Cell(say.symbol(trade.instrument), "t", html=button),
        Cell("long" if trade.side > 0 else "short", ""),
        Cell(group_digits(trade.quantity)),
        Cell(f"{say.moment(trade.entry_ts)} at {say.price(trade.entry_price)}", "l", trade.entry_reason),
        Cell(f"{say.moment(trade.exit_ts)} at {say.price(trade.exit_price)}", "l", trade.exit_reason),
        Cell(inr(trade.gross, sign=True)),
        Cell(inr(trade.charges)),
        Cell(inr(trade.net, sign=True), f"n {tone(trade.net)}"),
    ]


def _cell(head: tuple[str, str], cell: Cell) -> str:
    note = f"<small>{escape(cell.note)}</small>" if cell.note else ""
    inner = cell.html or f"<span>{escape(cell.text)}{note}</span>"
    return f'<td class="{cell.kind}" data-h="{escape(head[0])}">{inner}</td>'


def _chart_data(chart: PriceChart) -> dict[str, Any]:
    seconds = [ts // SECOND for ts in chart.ts]
    steps = [seconds[0], *(after - before for before, after in pairwise(seconds))]
    return {"ts": steps, "open": chart.open, "high": chart.high, "low": chart.low, "close": chart.close}


def _trade_data(trade: TradeLine, names: dict[str, int]) -> dict[str, Any]:
    return {
        "chart": names[trade.instrument],
        "in": trade.entry_ts // SECOND,
        "out": trade.exit_ts // SECOND,
        "from": round(trade.entry_price),
        "to": round(trade.exit_price),
        "side": trade.side,
        "quantity": trade.quantity,
        "net": trade.net,
    }


@cache
def _asset(name: str) -> str:
    return files("saudagar.research").joinpath(name).read_text(encoding="utf-8")
