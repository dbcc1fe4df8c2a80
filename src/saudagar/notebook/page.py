"""Small pieces of HTML for the cells of a notebook: no script, no font, no address, and the notebook's own colours.

Everything takes its colour from the text around it, so that it reads on light and on dark alike, whichever way the
notebook chose it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from saudagar.research.report import thin

_GREEN, _RED = "#1a9850", "#e0483e"  # legible on white and on black
_RULE = "1px solid color-mix(in srgb, currentColor 18%, transparent)"
_STYLE = f"""<style>
.saudagar {{ font: 13px/1.45 system-ui, sans-serif; color: inherit; max-width: 980px }}
.saudagar table {{ border-collapse: collapse; margin: 4px 0; background: none; font-variant-numeric: tabular-nums }}
.saudagar th, .saudagar td {{ padding: 2px 10px 2px 0; border: 0; border-bottom: {_RULE}; background: none;
 color: inherit; text-align: left; white-space: nowrap; font-size: 13px }}
.saudagar th {{ opacity: .65; font-weight: 500 }} .saudagar .n {{ text-align: right }}
.saudagar td.w {{ white-space: normal; min-width: 18em }} .saudagar .scroll {{ overflow-x: auto }}
.saudagar small {{ opacity: .65 }}
.saudagar .up {{ color: {_GREEN} }} .saudagar .down {{ color: {_RED} }}
.saudagar .tiles {{ display: flex; flex-wrap: wrap; gap: 4px 22px; margin: 6px 0 }}
.saudagar .tiles span {{ display: block; opacity: .65; font-size: 12px }} .saudagar .tiles b {{ font-size: 15px }}
.saudagar svg {{ display: block; width: 100%; margin: 0 0 6px; overflow: visible }}
.saudagar ul {{ margin: 6px 0; padding-left: 18px }} .saudagar h4 {{ margin: 0; font-size: 15px }}
.saudagar dl {{ display: grid; grid-template-columns: max-content 1fr; gap: 0 12px; margin: 4px 0 }}
.saudagar dt {{ opacity: .65 }} .saudagar dd {{ margin: 0; overflow-wrap: anywhere }}
</style>"""
_WIDE, _POINTS = 980, 380
_LONG, _MUCH = ' class="w"', 40  # cells of more letters may break into lines


def framed(*parts: str) -> str:
    """What a cell shows."""
    return f'{_STYLE}<div class="saudagar">{"".join(parts)}</div>'


def heading(title: str, small: str = "") -> str:
    return f"<h4>{escape(title)}</h4>" + (f"<small>{escape(small)}</small>" if small else "")


def table(
    title: str, head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[bool], below: str = ""
) -> str:
    """`right`: which columns are numbers."""
    kinds = [' class="n"' if each else "" for each in right]
    names = "".join(f"<th{kind}>{escape(name)}</th>" for name, kind in zip(head, kinds, strict=True))
    lines = "".join(f"<tr>{''.join(map(_cell, row, kinds))}</tr>" for row in rows)
    top = heading(title) if title else ""
    foot = f"<small>{escape(below)}</small>" if below else ""
    return f'{top}<div class="scroll"><table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>{foot}'


def _cell(text: str, kind: str) -> str:
    return f"<td{kind or (_LONG if len(text) > _MUCH else '')}>{escape(text)}</td>"


def tiles(pairs: Iterable[tuple[str, str, float]]) -> str:
    """Figures in a row; the third says by its sign in which colour."""
    return f'<div class="tiles">{"".join(_tile(*pair) for pair in pairs)}</div>'


def _tile(name: str, value: str, sign: float) -> str:
    kind = ' class="up"' if sign > 0 else ' class="down"' if sign < 0 else ""
    return f"<div><span>{escape(name)}</span><b{kind}>{escape(value)}</b></div>"


def notes(sentences: Iterable[str]) -> str:
    lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<ul>{lines}</ul>" if lines else ""


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Folded away until asked for."""
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(sentence)}</dd>" for name, sentence in pairs)
    return f"<details><summary>The run</summary><dl>{lines}</dl></details>"


def line(values: NDArray[np.float64], height: int, colour: str, alt: str, base: float) -> str:
    """A curve filled down or up to `base`."""
    picked = values[thin(values, _POINTS)]
    low, high = min(float(picked.min()), base), max(float(picked.max()), base)
    scale = height / ((high - low) or 1.0)
    across = np.linspace(0, _WIDE, len(picked)) if len(picked) > 1 else np.array([0.0])
    path = "L".join(f"{x:.1f} {(high - y) * scale:.1f}" for x, y in zip(across, picked, strict=True))
    path = f"M{path}" + ("" if len(picked) > 1 else f"H{_WIDE}")
    ground = (high - base) * scale
    return (
        f'<svg viewBox="0 0 {_WIDE} {height}" preserveAspectRatio="none" height="{height}" role="img" '
        f'aria-label="{escape(alt)}"><path d="{path}V{ground:.1f}H0Z" fill="{colour}" opacity=".15"/>'
        f'<path d="M0 {ground:.1f}H{_WIDE}" stroke="currentColor" opacity=".3" vector-effect="non-scaling-stroke"/>'
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.6" vector-effect="non-scaling-stroke"/></svg>'
    )


def equity(values: NDArray[np.float64], capital: float, alt: str) -> str:
    return line(values, 120, _GREEN if values[-1] >= capital else _RED, alt, capital)


def drawdown(values: NDArray[np.float64], alt: str) -> str:
    return line(values, 44, _RED, alt, 0.0)
