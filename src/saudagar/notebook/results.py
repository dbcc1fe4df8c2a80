"""What the functions of the notebook return: objects that show themselves as text and as HTML, with their columns.

Rupees and India's time for people; the whole paise and the UTC nanoseconds stay in `Run.result` and `Run.report`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from saudagar.app.research_sweep import Found, print_sweep
from saudagar.backtest.data import Market
from saudagar.backtest.run import BacktestResult
from saudagar.indicators import BarArrays
from saudagar.model import InstrumentId, group_digits
from saudagar.model.errors import ConfigError, DataError
from saudagar.notebook import page
from saudagar.notebook.tables import Table, moments, text_of, texts
from saudagar.research import report_words as say
from saudagar.research.compare import Comparison, difference, print_comparison
from saudagar.research.metrics import DAYS_A_YEAR
from saudagar.research.report import Report, as_json
from saudagar.research.report_html import render_html, write_html
from saudagar.research.report_input import RunRecord
from saudagar.research.report_metrics import MEASURES, Measure, drawdown_curve
from saudagar.research.report_text import print_report
from saudagar.research.sweep import Sweep
from saudagar.research.sweep_grid import Params
from saudagar.research.walkforward import Verdict, Walk
from saudagar.storage.catalog import interval_name, interval_of

_HEADLINES = ("net_profit", "total_return", "cagr", "sharpe", "max_drawdown", "win_rate", "profit_factor", "charges")
_SIGNED = ("net_profit", "total_return", "cagr")
_WIDTH = 110


class Data:
    """Bars to trade on, of one instrument or several."""

    def __init__(
        self, market: Market, interval: int, source: str = "data", seed: int | None = None, detail: str = ""
    ) -> None:
        self.market = market
        self.interval = interval_name(interval)
        self.detail = detail  # interval of the finer bars
        self.source = source  # as one would write it in the call
        self.seed = seed  # of made-up bars

    def along(self, finer: Data) -> Data:
        """The same bars, to be walked along `finer` ones.

        Raises
        ------
        DataError
            They do not fit, or are of other instruments.
        """
        market = self.market
        ours = {name: bars for name, bars in finer.market.bars.items() if name in market.bars}
        if not ours:
            raise DataError(
                f"the finer bars are of {', '.join(finer.symbols)}, the others of {', '.join(self.symbols)}."
            )
        both = Market(market.bars, market.instruments, market.calendar, ours)
        return Data(both, interval_of(self.interval), self.source, self.seed, finer.interval)

    @property
    def symbols(self) -> list[str]:
        return [str(name) for name in self.market.bars]

    def __len__(self) -> int:
        """Bars of all instruments."""
        return sum(map(len, self.market.bars.values()))

    def __getitem__(self, symbol: str) -> Table:
        """The bars of one instrument, rupees."""
        names = [name for name in self.market.bars if symbol in (name, say.symbol(name))]
        if not names:
            raise ConfigError(f"there are no bars of {symbol!r}; there are {', '.join(self.symbols)}.")
        return bar_table(self.market.bars[names[0]], names[0])

    def to_pandas(self) -> Any:
        """All bars as one frame, the instrument as a column."""
        return self._whole().to_pandas()

    def to_polars(self) -> Any:
        """The same for polars."""
        return self._whole().to_polars()

    def _whole(self) -> Table:
        parts = {name: bar_table(bars, name) for name, bars in self.market.bars.items()}
        symbols = texts([str(name) for name, part in parts.items() for _ in range(len(part))])
        names = next(iter(parts.values())).columns
        columns = {name: np.concatenate([part[name] for part in parts.values()]) for name in names}
        return Table({"symbol": symbols, **columns})

    def _summary(self) -> Table:
        bars = self.market.bars
        return Table(
            {
                "symbol": texts(self.symbols),
                "bars": np.array([len(each) for each in bars.values()]),
                "from": moments(np.array([each.start[0] for each in bars.values()])),
                "to": moments(np.array([each.end[-1] for each in bars.values()])),
                "low": np.array([each.low.min() / 100 for each in bars.values()]),
                "high": np.array([each.high.max() / 100 for each in bars.values()]),
            },
            f"Bars of {self.interval}",
        )

    def __repr__(self) -> str:
        return repr(self._summary())

    def _repr_html_(self) -> str:
        return self._summary()._repr_html_()


class Figures(Mapping[str, float | None]):
    """The figures of a run by name, as `docs/metrics.md` explains them; None where one is not defined.

    Money is rupees, shares are plain numbers (0.01 is 1 %), times are seconds.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._values = {each.name: _plain(getattr(report.metrics, each.name), each.kind) for each in MEASURES}

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


class Swept:
    """A sweep: every set of parameters, and what the best of them is worth."""

    def __init__(self, found: Found) -> None:
        self.found = found

    @property
    def sweep(self) -> Sweep:
        """The outcomes, paise and days."""
        return self.found.sweep

    @property
    def verdict(self) -> Verdict:
        """What the days that did not choose say of the best set, and the odds of luck."""
        return self.found.verdict

    @property
    def walk(self) -> Walk:
        """What choosing again and again on the past only has brought."""
        return self.found.walk

    @property
    def best(self) -> Params:
        """The best set of the train days."""
        return self.found.sweep.sets[self.found.verdict.best]

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*self.found.facts.warnings, *self.found.verdict.warnings)

    @cached_property
    def table(self) -> Table:
        """One row a set: its parameters, counts, rupees, and the measures of the train and the test days."""
        columns = {name: np.array(values) for name, values in self.found.sweep.table().items()}
        money = ("gross", "costs", *(f"{part}_{name}" for part in ("train", "test") for name in ("net", "drawdown")))
        return Table(
            {name: column / 100 if name in money else column for name, column in columns.items()}, self._title()
        )

    def heat(self, x: str, y: str, measure: str = "sharpe", part: str = "train") -> Any:
        """A pandas frame of `measure` over two axes, for a heat map.

        Raises
        ------
        ConfigError
            No such axis, measure or part; or pandas is not installed.
        """
        across, down, values = self.found.sweep.heat(x, y, measure, part=part)
        columns = {str(name): values[:, place] for place, name in enumerate(across)}
        frame = Table({y: np.array(down), **columns}).to_pandas().set_index(y)
        frame.columns = across
        return frame.rename_axis(columns=x)

    def to_pandas(self) -> Any:
        return self.table.to_pandas()

    def to_polars(self) -> Any:
        return self.table.to_polars()

    def __len__(self) -> int:
        """Sets of parameters."""
        return len(self.found.sweep.sets)

    def _title(self) -> str:
        return f"{self.found.facts.title}: {group_digits(len(self))} sets"

    def __repr__(self) -> str:
        return _printed(lambda console: print_sweep(self.found, 10, console))

    def _repr_html_(self) -> str:
        table, verdict = self.table, self.verdict
        order = np.argsort(-np.nan_to_num(table[f"train_{self.found.measure}"], nan=-np.inf), kind="stable")[:10]
        names = [*self.best, "trades", *(f"{part}_{each}" for part in ("train", "test") for each in ("net", "sharpe"))]
        rows = [[text_of(table[name][row]) for name in names] for row in order.tolist()]
        right = [table[name].dtype.kind in "if" for name in names]
        tiles = [
            ("Sharpe, days that chose", text_of(verdict.train_sharpe), 0.0),
            ("Sharpe, days that judge", text_of(verdict.test_sharpe), 0.0),
            ("Best by luck", text_of(verdict.luck_sharpe), 0.0),
            ("Sharpe, walk-forward", text_of(self.walk.sharpe), 0.0),
            ("Odds of more than luck", _odds(verdict.deflated), 0.0),
            ("Odds of overfitting", _odds(verdict.overfit), 0.0),
        ]
        best = ", ".join(f"{name} = {value}" for name, value in self.best.items())
        return page.framed(
            page.table(self._title(), names, rows, right, f"the best of the days that chose come first: {best}"),
            page.tiles(tiles),
            page.notes(self.warnings),
        )


class Compared:
    """Two runs side by side."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    @cached_property
    def table(self) -> Table:
        """Every figure of both and the difference; money in rupees."""
        lines = self.comparison.figures

        def column(name: str) -> NDArray[np.float64]:
            values = [_plain(getattr(line, name), line.kind) for line in lines]
            return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

        return Table(
            {
                "figure": texts([line.name for line in lines]),
                "first": column("first"),
                "second": column("second"),
                "difference": column("difference"),
            },
            " against ".join(self.comparison.titles),
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the comparison unfair."""
        return self.comparison.warnings

    def to_pandas(self) -> Any:
        return self.table.to_pandas().set_index("figure")

    def to_polars(self) -> Any:
        return self.table.to_polars()

    def __repr__(self) -> str:
        return _printed(lambda console: print_comparison(self.comparison, console))

    def _repr_html_(self) -> str:
        rows = [
            [line.label, say.figure(line.first, line.kind), say.figure(line.second, line.kind), difference(line)]
            for line in self.comparison.figures
        ]
        head = ["", *self.comparison.titles, "difference"]
        return page.framed(page.notes(self.comparison.warnings), page.table("", head, rows, [False, True, True, True]))


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


def bar_table(bars: BarArrays, name: InstrumentId) -> Table:
    """Bars as rupees; `time` is the start."""
    prices = {each: getattr(bars, each) / 100 for each in ("open", "high", "low", "close")}
    return Table({"time": moments(bars.start), **prices, "volume": bars.volume.astype(np.int64)}, str(name))


def _headlines(report: Report) -> list[Measure]:
    """What counts first; a year's growth only where there is a year."""
    short = report.days < DAYS_A_YEAR
    return [each for each in MEASURES if each.name in _HEADLINES and not (short and each.name == "cagr")]


def _plain(value: float | None, kind: str) -> float | None:
    """Rupees and seconds for paise and ns."""
    if value is None:
        return None
    return value / 100 if kind == "money" else value / 1e9 if kind == "time" else value


def _odds(share: float) -> str:
    return f"{share:.0%}" if np.isfinite(share) else say.NOTHING


def _printed(write: Any) -> str:
    text = StringIO()
    write(Console(file=text, width=_WIDTH, color_system=None))
    return text.getvalue().strip("\n")
