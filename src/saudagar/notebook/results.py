"""What a backtest of the notebook returns: an object that shows itself as text and as HTML, with columns and figures.

Rupees and India's time for people; the whole paise and the UTC nanoseconds stay in `Run.result` and `Run.report`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from saudagar.backtest.run import BacktestResult
from saudagar.model import group_digits
from saudagar.notebook import page
from saudagar.notebook.tables import Table, moments, texts
from saudagar.research import report_words as say
from saudagar.research.metrics import DAYS_A_YEAR
from saudagar.research.report import Report, as_json
from saudagar.research.report_html import render_html, write_html
from saudagar.research.report_input import RunRecord
from saudagar.research.report_metrics import MEASURES, Measure, drawdown_curve
from saudagar.research.report_text import print_report

_HEADLINES = ("net_profit", "total_return", "cagr", "sharpe", "max_drawdown", "win_rate", "profit_factor", "charges")
_SIGNED = ("net_profit", "total_return", "cagr")


class Figures(Mapping[str, float | None]):
    """The figures of a run by name, as `docs/metrics.md` explains them; None where one is not defined.

    Money is rupees, shares are plain numbers (0.01 is 1 %), times are seconds.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._values = {each.name: plain(getattr(report.metrics, each.name), each.kind) for each in MEASURES}

    def __getitem__(self, name: str) -> float | None:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @cached_property
    def table(self) -> Table:
        """Names, values (NaN where not defined) and meanings."""
        values = [np.nan if value is None else float(value) for value in self._values.values()]
        words = {"figure": texts([each.name for each in MEASURES]), "value": np.array(values)}
        return Table({**words, "meaning": texts([each.meaning for each in MEASURES])}, self._report.facts.title)

    def to_pandas(self) -> Any:
        """The values under their names."""
        return self.table.to_pandas().set_index("figure")

    def to_polars(self) -> Any:
        """The values beside their names."""
        return self.table.to_polars()

    def __repr__(self) -> str:
        figures = self._report.metrics
        return "\n".join(
            f"{each.label:28} {say.figure(getattr(figures, each.name), each.kind):>16}" for each in MEASURES
        )

    def _repr_html_(self) -> str:
        figures = self._report.metrics
        rows = [[each.label, say.figure(getattr(figures, each.name), each.kind), each.meaning] for each in MEASURES]
        return page.framed(page.table("", ["figure", "value", "meaning"], rows, [False, True, False]))


class Run:
    """One backtest: its trades, its equity, its figures."""

    def __init__(self, result: BacktestResult, record: RunRecord, report: Report) -> None:
        self.result = result  # columns in paise and UTC ns
        self.record = record
        self.report = report

    @property
    def metrics(self) -> Figures:
        return Figures(self.report)

    @cached_property
    def trades(self) -> Table:
        """Closed round trips in the order of their exits; prices are averages, all in rupees."""
        trades = self.record.trades
        names = np.array([say.symbol(name) for name in trades.names], dtype=object)
        return Table(
            {
                "symbol": names[trades.instrument],
                "side": texts(["long" if side > 0 else "short" for side in trades.side.tolist()]),
                "quantity": trades.quantity,
                "entry": moments(trades.entry_ts),
                "entry_price": trades.entry_value / trades.quantity / 100,
                "exit": moments(trades.exit_ts),
                "exit_price": trades.exit_value / trades.quantity / 100,
                "reason": texts(trades.exit_reason),
                "gross": trades.gross / 100,
                "charges": trades.charges / 100,
                "net": trades.net / 100,
            },
            "Round trips",
        )

    @cached_property
    def equity(self) -> Table:
        """What the account was worth at the end of every bar, rupees, and its fall from the highest value so far."""
        columns = {"time": moments(self.record.equity_ts), "equity": self.record.equity / 100}
        return Table({**columns, "drawdown": drawdown_curve(self.record)}, "Equity")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a careful reader should know."""
        return self.report.notes

    def html(self) -> str:
        """The whole report as one page that needs nothing else."""
        return render_html(self.report)

    def json(self) -> bytes:
        """The whole report for `saudagar compare`."""
        return as_json(self.report)

    def print(self) -> None:
        """The whole report on the terminal."""
        print_report(self.report, Console())

    def __repr__(self) -> str:
        report, figures = self.report, self.report.metrics
        lines = [
            report.facts.title,
            f"{say.period(report.start, report.end)}, {group_digits(report.facts.bars)} bars",
            *(
                f"  {each.label:22} {say.figure(getattr(figures, each.name), each.kind):>14}"
                for each in _headlines(report)
            ),
            f"  {'Round trips':22} {group_digits(figures.trades):>14}",
            *(f"! {note}" for note in report.notes),
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        report, figures = self.report, self.report.metrics
        shown = [(each.label, getattr(figures, each.name), each) for each in _headlines(report)]
        tiles = [
            (label, say.figure(value, each.kind), (value or 0) if each.name in _SIGNED else 0)
            for label, value, each in shown
        ]
        curve = report.curve
        worth = np.array(curve.equity, dtype=np.float64)
        fall = np.array(curve.drawdown, dtype=np.float64)
        period = f"{say.period(report.start, report.end)}, {group_digits(figures.trades)} round trips"
        return page.framed(
            page.heading(report.facts.title, period),
            page.tiles(tiles),
            page.equity(worth, float(report.capital), f"Equity, ending at {say.rupees(report.final)}"),
            page.drawdown(fall, f"Drawdown, at its deepest {say.percent(float(fall.min()))}"),
            page.notes(report.notes),
            page.facts(say.facts(report)),
        )


class Page:
    """A whole report: shows itself, and goes to a file."""

    def __init__(self, html: str) -> None:
        self.html = html

    def save(self, path: str | Path) -> Path:
        """Write it to `path`, making its folder; the path."""
        write_html(self.html, Path(path))
        return Path(path)

    def __repr__(self) -> str:
        return f"a report of {len(self.html) / 1000:,.0f} kB; .save(PATH) writes it"

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{escape(self.html)}" sandbox="allow-scripts" title="Report" '
            'style="width:100%;height:860px;border:0"></iframe>'
        )


def _headlines(report: Report) -> list[Measure]:
    """What counts first; a year's growth only where there is a year."""
    short = report.days < DAYS_A_YEAR
    return [each for each in MEASURES if each.name in _HEADLINES and not (short and each.name == "cagr")]


def plain(value: float | None, kind: str) -> float | None:
    """Rupees and seconds for paise and ns."""
    if value is None:
        return None
    return value / 100 if kind == "money" else value / 1e9 if kind == "time" else value
