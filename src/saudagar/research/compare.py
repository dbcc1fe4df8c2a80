"""Two runs side by side: every figure, its difference, and which run has the better of it.

`compare` sets two reports against each other, whether just built or read back from `--json`. What makes a comparison
unfair (other data, another period or capital) is said first.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from saudagar.model import Paise
from saudagar.research import report_words as say
from saudagar.research.report import Report
from saudagar.research.report_metrics import MEASURES, Measure
from saudagar.research.report_text import tinted


class FigureLine(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of both runs. `difference` is second less first; None where either is not defined."""

    name: str
    label: str
    group: str
    kind: str
    first: float | None
    second: float | None
    difference: float | None
    better: int  # 1 the first, 2 the second, 0 neither


class FactLine(msgspec.Struct, frozen=True, kw_only=True):
    """Something about the runs that is not the same."""

    name: str
    first: str
    second: str


class InstrumentPair(msgspec.Struct, frozen=True, kw_only=True):
    """Net profit per instrument; None where a run did not trade it."""

    instrument: str
    first: Paise | None
    second: Paise | None
    difference: Paise


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs and what parts them."""

    titles: tuple[str, str]
    warnings: tuple[str, ...]  # why the two may not be comparable
    facts: tuple[FactLine, ...]  # only those that differ
    figures: tuple[FigureLine, ...]
    instruments: tuple[InstrumentPair, ...]


def compare(first: Report, second: Report) -> Comparison:
    """What parts `second` from `first`."""
    return Comparison(
        titles=_titles(first, second),
        warnings=tuple(_warnings(first, second)),
        facts=tuple(_facts(first, second)),
        figures=tuple(_figure(measure, first, second) for measure in MEASURES),
        instruments=tuple(_instruments(first, second)),
    )


def as_json(comparison: Comparison) -> bytes:
    """For `--json`; the names are those of the classes here."""
    return msgspec.json.encode(comparison)


def difference(line: FigureLine) -> str:
    """A difference with its sign, in the unit of its figure."""
    if line.difference is None:
        return say.NOTHING
    text = say.figure(abs(line.difference), line.kind)
    return f"{'-' if line.difference < 0 else '+'}{text}" if line.difference else "same"


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Write both runs side by side to `console`; the better figure of each line is bold."""
    first, second = comparison.titles
    console.print(Text.assemble("\n", (first, "bold cyan"), " against ", (second, "bold yellow"), "\n"))
    for warning in comparison.warnings:
        console.print(Text(f"! {warning}", style="yellow"))
    console.print(_figure_table(comparison), highlight=False)
    if comparison.instruments:
        console.print(_instrument_table(comparison), highlight=False)
    if comparison.facts:
        console.print(_fact_table(comparison), highlight=False)


def _titles(first: Report, second: Report) -> tuple[str, str]:
    a, b = first.facts.title, second.facts.title
    return (a, b) if a != b else (f"{a} (A)", f"{b} (B)")


def _warnings(first: Report, second: Report) -> Iterator[str]:
    a, b = first.facts, second.facts
    if (first.start, first.end) != (second.start, second.end):
        yield "The runs cover different periods; only the figures a year can be set side by side."
    elif a.data_hash != b.data_hash:
        yield f"The runs saw different data: {a.data_hash} and {b.data_hash}."
    if first.capital != second.capital:
        yield f"The runs began with different capital: {say.rupees(first.capital)} and {say.rupees(second.capital)}."
    if a.version != b.version:
        yield f"The runs were made by different versions: {a.version} and {b.version}."
    if a.assumptions != b.assumptions:
        yield "The runs assume different fills or charges; see below."


def _facts(first: Report, second: Report) -> Iterator[FactLine]:
    a, b = first.facts, second.facts
    pairs: list[tuple[str, object, object]] = [
        (name.replace("_", " "), getattr(a, name), getattr(b, name))
        for name in ("command", "data_hash", "config", "driver", "interval", "version", "seed", "bars")
    ]
    for kind_a, kind_b in ((a.parameters, b.parameters), (a.assumptions, b.assumptions)):
        pairs += [(name, kind_a.get(name), kind_b.get(name)) for name in dict.fromkeys([*kind_a, *kind_b])]
    for name, one, other in pairs:
        if one != other:
            yield FactLine(name=name, first=_said(one), second=_said(other))


def _said(value: object) -> str:
    return say.NOTHING if value in (None, "") else str(value)


def _figure(measure: Measure, first: Report, second: Report) -> FigureLine:
    a, b = getattr(first.metrics, measure.name), getattr(second.metrics, measure.name)
    gap = None if a is None or b is None else b - a
    return FigureLine(
        name=measure.name,
        label=measure.label,
        group=measure.group,
        kind=measure.kind,
        first=a,
        second=b,
        difference=gap,
        better=0 if not gap or not measure.better else 2 if gap * measure.better > 0 else 1,
    )


def _instruments(first: Report, second: Report) -> Iterator[InstrumentPair]:
    a = {line.instrument: line.net for line in first.instruments}
    b = {line.instrument: line.net for line in second.instruments}
    gaps = {name: b.get(name, 0) - a.get(name, 0) for name in {*a, *b}}
    for name in sorted(gaps, key=lambda name: (-abs(gaps[name]), name)):
        yield InstrumentPair(instrument=name, first=a.get(name), second=b.get(name), difference=gaps[name])


def _figure_table(comparison: Comparison) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    for style, title in zip(("cyan", "yellow"), comparison.titles, strict=True):
        table.add_column(title, justify="right", header_style=f"bold {style}", overflow="fold")
    table.add_column("Difference", justify="right")
    group = ""
    for line in comparison.figures:
        if line.group != group:
            group = line.group
            table.add_row(Text(f"\n{group}", style="bold"))
        values = [
            Text(say.figure(value, line.kind), style="bold" if line.better == number else "")
            for number, value in enumerate((line.first, line.second), 1)
        ]
        table.add_row(line.label, *values, tinted(difference(line), (0, -1, 1)[line.better]))
    return table


def _instrument_table(comparison: Comparison) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("\nNet per instrument")
    for title in (*comparison.titles, "Difference"):
        table.add_column(f"\n{title}", justify="right")
    for pair in comparison.instruments:
        amounts = [say.NOTHING if net is None else say.rupees(net, sign=True) for net in (pair.first, pair.second)]
        gap = tinted(say.rupees(pair.difference, sign=True), pair.difference)
        table.add_row(say.symbol(pair.instrument), *amounts, gap)
    return table


def _fact_table(comparison: Comparison) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("\nNot the same", *(f"\n{title}" for title in comparison.titles)):
        table.add_column(title, overflow="fold")
    for line in comparison.facts:
        table.add_row(line.name, Text(line.first), Text(line.second))
    return table
