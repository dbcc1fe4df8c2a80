"""The closing report as one HTML file that needs nothing else: no script, no font, no address outside itself.

Light and dark follow the reader's system; on a phone each trade becomes a card. The page's own content policy forbids
every load, so nothing can be fetched even by mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import NamedTuple

from saudagar.app import wording as say
from saudagar.app.report import DayReport, Tally, TradeLine
from saudagar.app.report_text import charge_kinds, facts, left_open, ratio
from saudagar.market.words import CHARGE_NAMES, amounts
from saudagar.model import Nanos, Paise, inr
from saudagar.model.errors import SaudagarError


def write_html(report: DayReport, path: Path) -> None:
    """Write the page to `path`, making its folder; an older file stays whole until the new one is complete.

    Raises `SaudagarError` where there is no room or no right to write it.
    """
    draft = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(render_html(report), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise SaudagarError(
            f"the report {path} cannot be written: {error.strerror}.", hint=f"What happened is in {report.run.journal}."
        ) from None


def render_html(report: DayReport) -> str:
    """The whole page."""
    title = f"{report.run.title} · {say.long_date(report.day)}"
    total = report.total
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en-IN"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>saudagar {escape(title)}</title><style>{_CSS}</style></head><body><main>",
            f"<header><p>saudagar</p><h1>{escape(title)}</h1></header>",
            '<section class="tiles" aria-label="Totals">',
            *_tiles(report),
            "</section>",
            *([f"<p>{left_open(report)}</p>"] if report.open else ()),
            *(_charts(report) if report.trades else ["<p>No round trip was closed.</p>"]),
            *_table("By strategy", _STRATEGY_HEAD, [_strategy_row(t) for t in (*report.strategies, total)], "sum"),
            *_trades(report),
            "<h2>The run</h2><dl>",
            *(f"<dt>{escape(name)}</dt><dd>{escape(sentence)}</dd>" for name, sentence in facts(report)),
            "</dl></main></body></html>",
            "",
        ]
    )


def _tiles(report: DayReport) -> Iterator[str]:
    total = report.total
    for name, value, tone in (
        ("Net profit", say.gain(total.net), _tone(total.net)),
        ("Gross", say.gain(total.gross), _tone(total.gross)),
        ("Charges", inr(total.charges.total), ""),
        ("Round trips won", ratio(total), ""),
        ("Tick → order p99", say.duration(report.latency.p99), ""),
        ("Ticks a second", say.count(round(report.ticks_per_second)), ""),
    ):
        yield f'<div><span>{name}</span><strong class="{tone}">{escape(value)}</strong></div>'


# -- tables: each cell repeats its heading, for the cards of narrow screens -------------------------------------------


class _Cell(NamedTuple):
    text: str
    kind: str = "n"  # CSS classes: t title, w as wide as its card, n number, l words; up, down
    note: str = ""


# heading, class of the heading
_STRATEGY_HEAD = (
    ("Strategy", "l"),
    *((name, "n") for name in ("Round trips", "Won", "Gross", "Charges", "Net", "Best", "Worst")),
)
_TRADE_HEAD = (("Instrument", "l"), ("Side", "l"), ("Quantity", "n"), ("Entry", "l"), ("Exit", "l"), ("Gross", "n"))


def _strategy_row(tally: Tally) -> list[_Cell]:
    return [
        _Cell(tally.name, "t"),
        _Cell(str(tally.trades)),
        _Cell(ratio(tally)),
        _Cell(say.gain(tally.gross)),
        _Cell(inr(tally.charges.total)),
        _Cell(say.gain(tally.net), f"n {_tone(tally.net)}"),
        *(_Cell(say.NOTHING if value is None else say.gain(value)) for value in (tally.best, tally.worst)),
    ]


def _trades(report: DayReport) -> list[str]:
    if not report.trades:
        return []
    kinds = charge_kinds(report)
    names = [CHARGE_NAMES[kind] for kind in kinds]
    head = [*_TRADE_HEAD, *((name[0].upper() + name[1:], "n") for name in names), ("Net", "n")]
    rows = [_trade_row(trade, kinds) for trade in report.trades]
    return _table("Every round trip", head, [*rows, _sum_row(report.total, kinds)], "sum")


def _trade_row(trade: TradeLine, kinds: Iterable[str]) -> list[_Cell]:
    return [
        _Cell(trade.symbol, "t", trade.strategy),
        _Cell(trade.side, "l"),
        _Cell(say.count(trade.quantity)),
        _Cell(f"{say.clock(trade.entry_ts)} at {say.price(trade.entry_price)}", "w", trade.entry_reason),
        _Cell(f"{say.clock(trade.exit_ts)} at {say.price(trade.exit_price)}", "w", trade.exit_reason),
        _Cell(say.gain(trade.gross)),
        *(_Cell(say.plain(getattr(trade.charges, kind))) for kind in kinds),
        _Cell(say.gain(trade.net), f"n {_tone(trade.net)}"),
    ]


def _sum_row(total: Tally, kinds: Iterable[str]) -> list[_Cell]:
    return [
        _Cell(total.name, "t"),
        *(_Cell("", "none") for _ in _TRADE_HEAD[1:-1]),
        _Cell(say.gain(total.gross)),
        *(_Cell(say.plain(getattr(total.charges, kind))) for kind in kinds),
        _Cell(say.gain(total.net), f"n {_tone(total.net)}"),
    ]


def _table(title: str, head: Sequence[tuple[str, str]], rows: Iterable[Sequence[_Cell]], style: str) -> list[str]:
    return [
        f'<h2>{title}</h2><div class="scroll" tabindex="0"><table class="{style}"><thead><tr>',
        *(f'<th scope="col" class="{kind}">{escape(name)}</th>' for name, kind in head),
        "</tr></thead><tbody>",
        *("<tr>" + "".join(map(_cell, head, row)) + "</tr>" for row in rows),
        "</tbody></table></div>",
    ]


def _cell(head: tuple[str, str], cell: _Cell) -> str:
    note = f"<small>{escape(cell.note)}</small>" if cell.note else ""
    return f'<td class="{cell.kind}" data-h="{escape(head[0])}"><span>{escape(cell.text)}{note}</span></td>'


# -- the equity curve -------------------------------------------------------------------------------------------------

_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 12, 20, 30
_SIZES = (("wide", 960, 300), ("narrow", 370, 220))  # as they are drawn on a screen and on a phone


def _charts(report: DayReport) -> Iterator[str]:
    yield "<h2>Net profit after each round trip</h2>"
    for style, width, height in _SIZES:
        yield from _chart(report.equity, report, style, width, height)


def _chart(points: Sequence[tuple[Nanos, Paise]], report: DayReport, style: str, width: int, height: int) -> list[str]:
    start = min(trade.entry_ts for trade in report.trades)
    curve = [(start, 0), *points]
    across = _scale(start, max(points[-1][0], start + 1), _LEFT, width - _RIGHT)
    steps = _round_steps(min(0, *(value for _, value in points)), max(0, *(value for _, value in points)))
    down = _scale(steps[0], steps[-1], height - _BOTTOM, _TOP)
    path = f"M{across(start):.1f} {down(0):.1f}"
    path += "".join(f"H{across(ts):.1f}V{down(value):.1f}" for ts, value in points)
    area = f"{path}V{down(0):.1f}H{across(start):.1f}Z"
    return [
        f'<svg class="{style}" viewBox="0 0 {width} {height}" role="img" aria-label="Net profit after each of '
        f'{say.counted(len(points), "round trip")}, ending at {escape(say.gain(points[-1][1]))}">',
        *(
            f'<line class="{"zero" if value == 0 else "grid"}" x1="{_LEFT}" x2="{width - _RIGHT}"'
            f' y1="{down(value):.1f}" y2="{down(value):.1f}"/>'
            f'<text x="{_LEFT - 8}" y="{down(value) + 4:.1f}" text-anchor="end">{text}</text>'
            for value, text in zip(steps, amounts(steps), strict=True)
        ),
        *(
            f'<text x="{across(ts):.1f}" y="{height - 8}" text-anchor="{anchor}">{say.clock(ts)[:5]}</text>'
            for ts, anchor in ((start, "start"), ((start + curve[-1][0]) // 2, "middle"), (curve[-1][0], "end"))
        ),
        f'<path class="area" d="{area}"/><path class="curve" d="{path}"/>',
        *(
            f'<circle cx="{across(ts):.1f}" cy="{down(value):.1f}" r="4"><title>{say.clock(ts)} {escape(trade.symbol)}'
            f" {say.gain(trade.net)}, then {say.gain(value)}</title></circle>"
            for (ts, value), trade in zip(points, report.trades, strict=True)
        ),
        "</svg>",
    ]


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    slope = (end - start) / (high - low)
    return lambda value: start + (value - low) * slope


def _round_steps(low: Paise, high: Paise) -> list[Paise]:
    """About five round amounts (1, 2 or 5 times a power of ten rupees) from at or below `low` to at or above `high`."""
    least = max(100, (high - low) // 4)
    step = next(m * 10**power for power in range(2, 30) for m in (1, 2, 5) if m * 10**power >= least)
    first, last = low // step, -(-high // step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _tone(amount: Paise) -> str:
    return "up" if amount > 0 else "down" if amount < 0 else ""


_CSS = """
:root{--paper:#fbfaf7;--card:#fff;--ink:#1d2127;--soft:#626b76;--line:#e3e1da;--up:#0b6b3a;--down:#b3261e;--mark:#1f5fa8}
@media (prefers-color-scheme:dark){:root{--paper:#14171b;--card:#1c2026;--ink:#e8eaed;--soft:#9aa4b0;--line:#2e343c;
--up:#5fd08f;--down:#ff8a80;--mark:#7db4f0}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1400px;margin:0 auto;padding:24px 20px 48px}
header p{margin:0;color:var(--soft)}
h1{margin:0 0 20px;font-size:1.6rem;line-height:1.25}
h2{margin:32px 0 10px;font-size:1.05rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px}
.tiles div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 14px}
.tiles span{display:block;color:var(--soft);font-size:.85rem}
.tiles strong{font-size:1.15rem;font-variant-numeric:tabular-nums}
.up{color:var(--up)}.down{color:var(--down)}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;width:100%;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:7px 9px;text-align:left;vertical-align:top;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:500}
td.n,th.n{text-align:right}
td.w small{max-width:14rem;white-space:normal}
td small{display:block;color:var(--soft);font-size:.8rem;font-weight:400}
td.t{font-weight:600}
tbody tr:last-child td{border-bottom:0}.sum tbody tr:last-child td{font-weight:700}
svg{display:block;width:100%;height:auto;background:var(--card);border:1px solid var(--line);border-radius:8px}
svg text{fill:var(--soft);font-size:12px}
.narrow{display:none}
.grid{stroke:var(--line)}.zero{stroke:var(--soft)}
.curve{fill:none;stroke:var(--mark);stroke-width:2}.area{fill:var(--mark);opacity:.12}
circle{fill:var(--mark)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
@media (max-width:700px){
main{padding:16px 12px 32px}
.tiles{grid-template-columns:1fr 1fr}
.scroll{overflow:visible;border:0;background:none}
thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
table,tbody,tr{display:block}
tr{display:grid;grid-template-columns:1fr 1fr;gap:0 14px;background:var(--card);border:1px solid var(--line);
border-radius:8px;margin-bottom:10px;padding:8px 12px}
td,td.n{display:flex;justify-content:space-between;gap:8px;padding:2px 0;border:0;white-space:normal;text-align:right}
td.none{display:none}
td::before{content:attr(data-h);color:var(--soft);font-weight:400}
td.t,td.w{grid-column:1/-1}
td.w small{max-width:none}
td.t{font-size:1rem;justify-content:flex-start;text-align:left}td.t::before{content:none}
svg.wide{display:none}svg.narrow{display:block}
dl{grid-template-columns:1fr}dd{margin-bottom:8px}}
""".strip()
