"""Charts of the page as SVG that fills whatever room it gets: shapes stretch, lines and labels keep their size.

Each plot is a box of 1,000 by 1,000 drawn without keeping its proportions; labels are HTML placed by percentages, so
they stay legible at 390 pixels. The price chart is a canvas and lives in `report_page.js`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from math import ceil, floor, log10

from saudagar.market.ist import DAY, ist
from saudagar.model import Nanos
from saudagar.research import report_words as say
from saudagar.research.report import Curve, Histogram

Place = Callable[[float], float]

_SIZE = 1000


def equity_plot(curves: Sequence[tuple[str, Curve]], capital: float, *, money: bool = True) -> str:
    """Equity over time in paise, or in hundredths of an index; one line per curve, the first filled to the capital."""
    values = [value for _, curve in curves for value in curve.equity]
    ticks = round_ticks(min(capital, *values), max(capital, *values), 5)
    down = _scale(ticks[0], ticks[-1], _SIZE, 0)
    shapes = [_level(down(capital), "zero")]
    wide = _wide(curves)
    for number, (_, curve) in enumerate(curves):
        across = _across(curve, wide)
        line = _line(across, [down(value) for value in curve.equity])
        if number == 0:
            shapes.append(f'<path class="area s0" d="{line}V{down(capital):.0f}H{across[0]:.1f}Z"/>')
        shapes.append(f'<path class="line s{number}" d="{line}"/>')
    ends = [(name, curve.equity[-1]) for name, curve in curves]
    last = ", ".join(f"{name} ends at {say.rupees(end) if money else f'{end / 100:.1f}'}" for name, end in ends)
    texts = say.amounts(ticks) if money else say.apart([value / 100 for value in ticks])
    return _plot("equity", last, ticks, down, shapes, curves, texts)


def drawdown_plot(curves: Sequence[tuple[str, Curve]]) -> str:
    ticks = round_ticks(min(min(curve.drawdown) for _, curve in curves), 0.0, 3)
    down = _scale(ticks[0], ticks[-1], _SIZE, 0)
    shapes = []
    wide = _wide(curves)
    for number, (_, curve) in enumerate(curves):
        line = _line(_across(curve, wide), [down(value) for value in curve.drawdown])
        if number == 0 and len(curves) == 1:
            shapes.append(f'<path class="area fall" d="{line}V0H0Z"/>')
        shapes.append(f'<path class="line {"fall" if len(curves) == 1 else f"s{number}"}" d="{line}"/>')
    deepest = ", ".join(f"{name} {say.percent(min(curve.drawdown))}" for name, curve in curves)
    return _plot("low", f"Deepest drawdown: {deepest}", ticks, down, shapes, curves, _shares(ticks))


def exposure_plot(curve: Curve) -> str:
    """What was in the market over equity, as steps."""
    ticks = round_ticks(0.0, max(*curve.exposure, 0.0001), 3)
    down = _scale(ticks[0], ticks[-1], _SIZE, 0)
    heights = [down(value) for value in curve.exposure]
    path = f"M0 {heights[0]:.0f}" + "".join(
        f"H{across:.1f}V{height:.0f}" for across, height in zip(_across(curve, curve.at[-1]), heights, strict=True)
    )
    shapes = [f'<path class="area s0" d="{path}V{_SIZE}H0Z"/>', f'<path class="line s0" d="{path}"/>']
    largest = f"Largest exposure {say.percent(max(curve.exposure))}"
    return _plot("low", largest, ticks, down, shapes, [("", curve)], _shares(ticks))


def histogram_plot(histogram: Histogram, unit: str) -> str:
    """Counts as bars, losses and gains in their colours."""
    ticks = round_ticks(0, max(histogram.counts), 4)
    down = _scale(0, ticks[-1], _SIZE, 0)
    edges = histogram.edges
    across = _scale(edges[0], edges[-1], 0, _SIZE)
    bars = [
        f'<rect class="{"up" if low >= -1e-12 else "down"}" x="{across(low) + 1:.1f}" y="{down(count):.0f}" '
        f'width="{across(high) - across(low) - 2:.1f}" height="{_SIZE - down(count):.0f}">'
        f"<title>{say.percent(low)} to {say.percent(high)}: {count} {unit}</title></rect>"
        for low, high, count in zip(edges, edges[1:], histogram.counts, strict=False)
        if count
    ]
    marks = [value for value in round_ticks(edges[0], edges[-1], 6) if edges[0] <= value <= edges[-1]]
    labels = [(across(value) / 10, text) for value, text in zip(marks, _shares(marks), strict=True)]
    sides = [(down(value), f"{value:.0f}") for value in ticks if value == int(value)]
    return _box("mid", f"{sum(histogram.counts)} {unit} by size", sides, bars, labels)


def round_ticks(low: float, high: float, about: int) -> list[float]:
    """Some `about` round steps (1, 2, 2.5 or 5 times a power of ten) that enclose `low` and `high`."""
    size = max(abs(low), abs(high), 1e-6)
    room = max(high - low, size * 1e-6)  # a flat line needs room too
    power = 10.0 ** floor(log10(room / about))
    step = next(part * power for part in (1, 2, 2.5, 5, 10) if part * power * about >= room * 0.999)
    first = floor(low / step + 1e-9)
    last = max(ceil(high / step - 1e-9), first + 1)
    return [number * step for number in range(first, last + 1)]


def _plot(
    style: str,
    alt: str,
    ticks: Sequence[float],
    down: Place,
    shapes: Sequence[str],
    curves: Sequence[tuple[str, Curve]],
    texts: Sequence[str],
) -> str:
    sides = [(down(value), text) for value, text in zip(ticks, texts, strict=True)]
    return _box(style, alt, sides, shapes, _moments(curves), hover=True)


def _box(
    style: str,
    alt: str,
    sides: Sequence[tuple[float, str]],
    shapes: Sequence[str],
    labels: Sequence[tuple[float, str]],
    *,
    hover: bool = False,
) -> str:
    grid = [_level(height, "grid") for height, _ in sides]
    beside = [f'<span class="y" style="top:{height / 10:.1f}%">{escape(text)}</span>' for height, text in sides]
    feet = [
        f'<span class="x{" odd" if number % 2 else ""}" style="left:{place:.1f}%">{escape(text)}</span>'
        for number, (place, text) in enumerate(labels)
    ]
    return (
        f'<figure class="plot {style}"{" data-hover" if hover else ""}><div class="box">'
        f'<svg viewBox="0 0 {_SIZE} {_SIZE}" preserveAspectRatio="none" role="img" aria-label="{escape(alt)}">'
        f"{''.join([*grid, *shapes])}</svg>{''.join([*beside, *feet])}</div></figure>"
    )


def _wide(curves: Sequence[tuple[str, Curve]]) -> int:
    return max(curve.at[-1] for _, curve in curves)


def _across(curve: Curve, wide: int) -> list[float]:
    return [place * _SIZE / max(wide, 1) for place in curve.at]


def _line(across: Sequence[float], down: Sequence[float]) -> str:
    if len(across) == 1:
        return f"M0 {down[0]:.0f}H{_SIZE}"
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(across, down, strict=True))


def _level(height: float, style: str) -> str:
    return f'<path class="{style}" d="M0 {height:.1f}H{_SIZE}"/>'


def _moments(curves: Sequence[tuple[str, Curve]]) -> list[tuple[float, str]]:
    """Five dates or times, evenly along the points."""
    wide = _wide(curves)
    points = sorted(pair for _, curve in curves for pair in zip(_across(curve, wide), curve.ts, strict=True))
    room = points[-1][1] - points[0][1]
    labels: list[tuple[float, str]] = []
    for number in range(5):
        wanted = number * _SIZE / 4
        place, ts = min(points, key=lambda point: abs(point[0] - wanted))
        text = _moment(ts, room)
        if not labels or text != labels[-1][1]:
            labels.append((place / 10, text))
    return labels


def _moment(ts: Nanos, room: Nanos) -> str:
    when = ist(ts)
    if room > 200 * DAY:
        return f"{say.MONTHS[when.month - 1]} {when.year}"
    if room > 3 * DAY:
        return f"{when.day} {say.MONTHS[when.month - 1]}"
    return f"{when:%H:%M}"


def _shares(ticks: Sequence[float]) -> list[str]:
    return [f"{text} %" for text in say.apart([value * 100 for value in ticks])]


def _scale(low: float, high: float, start: float, end: float) -> Place:
    slope = (end - start) / ((high - low) or 1.0)
    return lambda value: start + (value - low) * slope
