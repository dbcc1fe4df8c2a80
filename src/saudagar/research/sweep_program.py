"""One loop for many sets of parameters: the signal graphs of a sweep, laid side by side and written as source.

Each set of parameters is a lane of a SIMD register. Graphs of equal shape are walked together: a node that is the
same in all of them is computed once and read as a number per bar; an EMA, a constant, arithmetic, comparisons, logic
and a lag of one bar run inside the loop with one state per lane; whatever else differs between lanes is computed once
per different node and gathered. The values are those of `indicators.evaluate`, bit for bit.

Undefined values follow the graph's own rules: a condition is a pair of questions, "is it true" and "is it false",
and only those that a signal asks are computed. Called by `sweep_lanes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from saudagar.indicators import Expr
from saudagar.indicators.evaluate import ordered
from saudagar.indicators.kernels import Choose, Compare, Const, Elementwise, Field, Lag, Logic
from saudagar.indicators.talib_kernel import TaLib
from saudagar.strategies import Signals

LANES = 8
"""Sets of parameters that run side by side: a 512-bit register of float64, or two of 256 bits."""

SIGNALS = ("long", "short", "exit_long", "exit_short")

Row: TypeAlias = tuple[Expr, ...]
"""One node of every lane's graph, all in the same place."""

_STATE = ("pos", "want", "entry", "rate", "units", "down", "gross", "cost", "trades", "wins")
_FIXED = {name: index for index, name in enumerate(_STATE)}
_OPPOSITE = {"gt": "<=", "ge": "<", "lt": ">=", "le": ">"}
_SYMBOL = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_ARITHMETIC = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "({0} / {1} if {1} != 0.0 else nan)",
    "neg": "-{0}",
    "abs": "abs({0})",
    "max": "({0} if {0} >= {1} or {0} != {0} else {1})",
    "min": "({0} if {0} <= {1} or {0} != {0} else {1})",
}


def shape(signals: Signals) -> tuple[Any, ...]:
    """What graphs must have in common to share a loop: nodes and edges without their numbers."""
    roots = [getattr(signals, name) for name in SIGNALS]
    place: dict[Expr, int] = {}
    told: list[Any] = [root is not None for root in roots]
    for node in ordered([root for root in roots if root is not None]):
        place[node] = len(place)
        kernel = node.kernel
        name = getattr(kernel, "name", "")
        told.append((type(kernel).__name__, str(name), node.interval, *(place[part] for part in node.inputs)))
    return tuple(told)


class Program:
    """The loop of graphs of one `shape`.

    Attributes
    ----------
    source
        Of a function ``kernel(days, opens, closes, shared, columns, places, work, daily)``.
    shared
        Expressions whose values at each bar are the rows of `shared`.
    gathered
        Per row of `places`, the expression of each lane whose column it names.
    emas
        Per EMA of the loop, the node of each lane.
    constants
        Per constant, the value of each lane.
    rows
        Rows of `LANES` numbers that `work` must have.
    """

    def __init__(self, graphs: Sequence[Signals]) -> None:
        self.shared: list[Expr] = []
        self.gathered: list[Row] = []
        self.emas: list[tuple[int, Row]] = []  # first of three rows: decay, first bar, seed
        self.constants: list[tuple[int, list[float]]] = []
        self.undefined: list[int] = []  # rows that start as NaN
        self.rows = len(_STATE)
        self._body: list[str] = []
        self._after: list[str] = []
        self._outside: list[str] = []
        self._names: dict[tuple[str, int, Row], str] = {}
        self.source = self._write(graphs)

    @staticmethod
    def row(name: str) -> int:
        """Where `work` holds a named state."""
        return _FIXED[name]

    def _write(self, graphs: Sequence[Signals]) -> str:
        signals = {}
        for name in SIGNALS:
            roots = tuple(getattr(graph, name) for graph in graphs)
            signals[name] = self._truth(roots, wanted=True) if roots[0] is not None else "False"
        lines = _LOOP.format(
            lanes=LANES,
            outside="\n".join(" " * 12 + line for line in self._outside),
            body="\n".join(" " * 16 + line for line in self._body),
            after="\n".join(" " * 16 + line for line in self._after),
            **signals,
            **{f"_{name}": index * LANES for name, index in _FIXED.items()},
        )
        return "\n".join(line for line in lines.splitlines() if line.strip())

    # -- numbers ------------------------------------------------------------------------------------------------------

    def _number(self, row: Row) -> str:
        """The name that holds the value of `row` in each lane."""
        row = _same(row)
        key = ("number", 0, row)
        if key not in self._names:
            self._names[key] = self._new_number(row)
        return self._names[key]

    def _new_number(self, row: Row) -> str:
        first = row[0]
        kinds = {type(node.kernel) for node in row}
        names = {getattr(node.kernel, "name", "") for node in row}
        if len(row) == 1:
            return repr(first.kernel.value) if isinstance(first.kernel, Const) else self._share(first)
        if kinds == {Const}:
            return self._constant(row)
        if first.interval in (0, None) and len(names) == 1 and not first.boolean:
            if kinds == {Elementwise}:
                parts = [self._number(part) for part in _inputs(row)]
                return self._let(_ARITHMETIC[first.kernel.words()[0]].format(*parts))
            if kinds == {TaLib} and names == {"EMA"} and _is_price(_inputs(row)[0]):
                return self._ema(row)
            if kinds == {Choose}:
                condition, yes, no = _inputs(row)
                a, b = self._number(yes), self._number(no)
                t, f = self._truth(condition, wanted=True), self._truth(condition, wanted=False)
                return self._let(f"({a} if {t} else ({b} if {f} else nan))")
            if kinds == {Lag} and {node.kernel.words()[1] for node in row} == {1}:
                return self._lagged(self._number(_inputs(row)[0]))
        return self._gather(row)

    def _ema(self, row: Row) -> str:
        at = self._rows(4)
        self.emas.append((at, row))
        self.undefined.append(at + 3)
        decay, first, seed, state = ((at + k) * LANES for k in range(4))
        source = self._number(_inputs(row)[0])
        old = self._let(f"work[{state} + j]")
        new = self._let(f"({source} - {old}) * work[{decay} + j] + {old}")
        name = self._let(f"work[{seed} + j] if bar == work[{first} + j] else {new}")
        self._after.append(f"work[{state} + j] = {name}")
        return name

    def _constant(self, row: Row) -> str:
        at = self._rows(1)
        self.constants.append((at, [node.kernel.words()[0] for node in row]))
        return self._let(f"work[{at * LANES} + j]")

    def _lagged(self, value: str) -> str:
        at = self._rows(1)
        self.undefined.append(at)
        self._after.append(f"work[{at * LANES} + j] = {value}")
        return self._let(f"work[{at * LANES} + j]")

    # -- conditions ---------------------------------------------------------------------------------------------------

    def _truth(self, row: Row, *, wanted: bool) -> str:
        """The name of "is it true" (or false, by `wanted`), which an undefined condition answers with no."""
        row = _same(row)
        key = ("truth", int(wanted), row)
        if key not in self._names:
            self._names[key] = self._new_truth(row, wanted)
        return self._names[key]

    def _new_truth(self, row: Row, wanted: bool) -> str:
        first = row[0]
        kinds, words = {type(node.kernel) for node in row}, {node.kernel.words()[-1] for node in row}
        if len(row) == 1:
            return self._let(f"{self._share(first if wanted else ~first)} == 1.0", outside=True)
        if first.interval in (0, None) and len(kinds) == 1 and len(words) == 1:
            if kinds == {Compare}:
                name = str(first.kernel.words()[0])
                a, b = (self._number(part) for part in _inputs(row))
                return self._let(f"{a} {(_SYMBOL if wanted else _OPPOSITE)[name]} {b}")
            if kinds == {Logic}:
                return self._logic(str(first.kernel.words()[0]), _inputs(row), wanted)
            if kinds == {Lag} and words == {1}:
                at = self._rows(1)
                inner = self._truth(_inputs(row)[0], wanted=wanted)
                self._after.append(f"work[{at * LANES} + j] = 1.0 if {inner} else 0.0")
                return self._let(f"work[{at * LANES} + j] != 0.0")
        picked = row if wanted else tuple(~node for node in row)
        return self._let(f"{self._gather(picked)} == 1.0")

    def _logic(self, name: str, inputs: Sequence[Row], wanted: bool) -> str:
        if name == "not":
            return self._truth(inputs[0], wanted=not wanted)
        a, b = (self._truth(part, wanted=wanted) for part in inputs)
        return self._let(f"{a} {'&' if (name == 'and') is wanted else '|'} {b}")

    # -- places -------------------------------------------------------------------------------------------------------

    def _share(self, expr: Expr) -> str:
        if isinstance(expr.kernel, Field) and expr.kernel.name == "close" and expr.interval == 0:
            return "close"
        if expr not in self.shared:
            self.shared.append(expr)
        return self._let(f"shared[{self.shared.index(expr)}, i]", outside=True)

    def _gather(self, row: Row) -> str:
        at = len(self.gathered)
        self.gathered.append(row)
        return self._let(f"columns[places[{at * LANES} + j], i]")

    def _rows(self, count: int) -> int:
        self.rows += count
        return self.rows - count

    def _let(self, value: str, *, outside: bool = False) -> str:
        lines = self._outside if outside else self._body
        name = f"{'s' if outside else 'v'}{len(lines)}"
        lines.append(f"{name} = {value}")
        return name


def lane(row: Row, at: int) -> Expr:
    """The node of lane `at`."""
    return row[at] if len(row) > 1 else row[0]


def _same(row: Row) -> Row:
    """One node for all where all are one."""
    return (row[0],) if all(node is row[0] for node in row) else row


def _inputs(row: Row) -> list[Row]:
    return [tuple(parts) for parts in zip(*(node.inputs for node in row), strict=True)]


def _is_price(row: Row) -> bool:
    """Whether all lanes read one column of the bar: always finite, as the EMA's state wants it."""
    kernel = row[0].kernel
    return len(set(row)) == 1 and isinstance(kernel, Field) and kernel.name in ("open", "high", "low", "close")


# A wish of the bar before trades at the open, then the bar's close makes the next wish. Money is whole numbers in
# float64, exact below 2**53; the half in the cost keeps the rounding down exact (see `sweep_lanes`).
_LOOP = """
def kernel(days, opens, closes, shared, columns, places, work, daily):
    nan = np.nan
    for day in range(len(days) - 1):
        for i in range(days[day], days[day + 1]):
            first = opens[i]
            close = closes[i]
            bar = float(i)
{outside}
            for j in range({lanes}):
                pos = work[{_pos} + j]
                want = work[{_want} + j]
                entry = work[{_entry} + j]
                traded = want != pos
                closed = traded & (pos != 0.0)
                gain = pos * (first - entry)
                fee = np.floor((work[{_rate} + j] * (entry + first) + 500000.5) * 1e-6)
                work[{_gross} + j] += gain if traded else 0.0
                work[{_cost} + j] += fee if closed else 0.0
                work[{_trades} + j] += 1.0 if closed else 0.0
                work[{_wins} + j] += 1.0 if closed & (gain > fee) else 0.0
                work[{_entry} + j] = first if traded else entry
                work[{_pos} + j] = want
{body}
                buy = {long}
                sell = {short}
                leave = (({exit_long}) & (want > 0.0)) | (({exit_short}) & (want < 0.0))
                units = work[{_units} + j]
                down = work[{_down} + j]
                aim = units if (buy & (not sell)) else want
                aim = down if (sell & (not buy)) else aim
                work[{_want} + j] = 0.0 if leave else aim
{after}
        last = closes[days[day + 1] - 1]
        for j in range({lanes}):
            held = work[{_pos} + j] * (last - work[{_entry} + j])
            daily[day, j] = work[{_gross} + j] - work[{_cost} + j] + held
"""
