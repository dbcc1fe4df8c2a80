"""Runs beside one another: what `sweep` and `compare` return, as objects that show themselves.

Money is rupees in the tables; paise stay in `Swept.sweep` and `Compared.comparison`.
"""

from __future__ import annotations

from functools import cached_property
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from saudagar.app.research_sweep import Found, print_sweep
from saudagar.model import group_digits
from saudagar.notebook import page
from saudagar.notebook.results import plain
from saudagar.notebook.tables import Table, text_of, texts
from saudagar.research import report_words as say
from saudagar.research.compare import Comparison, difference, print_comparison
from saudagar.research.sweep import Sweep
from saudagar.research.sweep_grid import Params
from saudagar.research.walkforward import Verdict, Walk

_WIDTH = 110


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
            values = [plain(getattr(line, name), line.kind) for line in lines]
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


def _odds(share: float) -> str:
    return f"{share:.0%}" if np.isfinite(share) else say.NOTHING


def _printed(write: Any) -> str:
    text = StringIO()
    write(Console(file=text, width=_WIDTH, color_system=None))
    return text.getvalue().strip("\n")
