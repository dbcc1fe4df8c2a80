"""A graph as code: one Python function per lane, a line per node, written once per graph and shared by all instruments.

A loop over nodes spends most of its time on looking up what to do next, and at the end of a minute a thousand
instruments do so one after another, while an order waits. Written out, arithmetic is inline and only what keeps a
state is called. Used by `Live` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import isfinite
from typing import Any, NamedTuple, TypeAlias

from saudagar.indicators.evaluate import ordered
from saudagar.indicators.expr import Expr, align
from saudagar.indicators.kernel import NAN, Computed
from saudagar.indicators.kernels import Align, Const, Field, Lag, Pure
from saudagar.model import Nanos

PRICES = ("open", "high", "low", "close", "volume")
TIMES = ("day", "since", "until")
Row: TypeAlias = tuple[int, int, int, int, int, int, int, int]
"""A bar as a lane takes it: `PRICES`, then `TIMES` (IST day; ns since the session's open of start and end)."""

_BEFORE = Lag(1)


class Lane(NamedTuple):
    """What runs when a bar of one interval closes.

    Attributes
    ----------
    kernels
        Of the nodes that keep a state of their own, in order.
    finite
        Which of them never see an undefined input, because they read the bar itself.
    run
        ``run(row, steps, held)`` → the values of the program's outputs (base lane; the others write to `held`).
    """

    kernels: tuple[Computed, ...]
    finite: tuple[int, ...]
    run: Callable[[Row, Sequence[Any], list[Any]], tuple[float | bool, ...]]


class Program(NamedTuple):
    """A graph, compiled.

    Attributes
    ----------
    held
        What one instrument holds before its first bar: of higher intervals' closed bars, and of the bar before.
    timed
        Whether any lane needs the times of a row; zeros will do otherwise.
    """

    nodes: tuple[Expr, ...]
    base: Lane
    higher: tuple[tuple[Nanos, Lane], ...]
    held: tuple[Any, ...]
    timed: bool


@lru_cache(maxsize=256)
def program(exprs: tuple[Expr, ...]) -> Program:
    """Compile the graph of `exprs`; its base lane gives one value per expression."""
    roots = [align(expr) for expr in exprs]
    nodes = tuple(ordered(roots))
    keeping = [node for node in nodes if isinstance(node.kernel, Align) or node.kernel == _BEFORE]
    cells = {node: number for number, node in enumerate(keeping)}
    held = tuple(_undefined(node.inputs[0]) if isinstance(node.kernel, Align) else NAN for node in keeping)
    intervals = dict.fromkeys(node.interval for node in nodes if node.interval)
    higher = tuple((interval, _lane(nodes, cells, interval, [])) for interval in intervals)
    timed = bool(higher) or any(isinstance(node.kernel, Field) and node.kernel.name in TIMES for node in nodes)
    return Program(nodes, _lane(nodes, cells, 0, roots), higher, held, timed)


def _undefined(node: Expr) -> Any:
    match node.kernel:
        case Const(value):
            return value
        case kernel if kernel.outputs:
            return (NAN,) * kernel.outputs
    return NAN


def _lane(nodes: Sequence[Expr], cells: dict[Expr, int], interval: Nanos, roots: Sequence[Expr]) -> Lane:
    """The nodes of one interval as a function, and for the lanes above also what they hand down."""
    mine = [node for node in nodes if (node.interval or 0) == interval or isinstance(node.kernel, Const)]
    names: dict[Expr, str] = {}
    kernels: list[Computed] = []
    finite: list[int] = []
    fields: list[str] = []
    constants: dict[str, Any] = {"NAN": NAN}
    lines: list[str] = []
    for number, node in enumerate(mine):
        name = names[node] = f"v{number}"
        match node.kernel:
            case Field(field):
                names[node] = field
                fields.append(field)
            case Const(value):
                names[node] = f"({value!r})" if isfinite(value) else name
                constants[name] = value
            case Align():
                lines.append(f"{name} = held[{cells[node]}]")
            case Lag() if node in cells:  # as in every cross
                lines.append(f"{name} = held[{cells[node]}]; held[{cells[node]}] = {names[node.inputs[0]]}")
            case Pure() as kernel:
                lines.append(f"{name} = {kernel.formula.format(*[names[part] for part in node.inputs])}")
            case kernel:
                assert isinstance(kernel, Computed)
                if all(isinstance(part.kernel, Field) and part.kernel.name in PRICES for part in node.inputs):
                    finite.append(len(kernels))
                lines.append(f"{name} = s{len(kernels)}({', '.join(names[part] for part in node.inputs)})")
                kernels.append(kernel)
    lines += [
        f"held[{cell}] = {names[source]}"
        for node, cell in cells.items()
        if interval and isinstance(node.kernel, Align) and (source := node.inputs[0]) in names
    ]
    results = [f"{names[root]} == 1.0" if root.boolean else names[root] for root in roots]
    lines.append(f"return ({''.join(result + ', ' for result in results)})")
    begin = [f"{', '.join((*PRICES, *TIMES))} = row", *(f"{name} = float({name})" for name in fields)]
    if kernels:
        begin.append(f"{', '.join(f's{number}' for number in range(len(kernels)))}, = steps")
    exec("\n    ".join(["def run(row, steps, held):", *begin, *lines]), constants)  # noqa: S102  # nobody else's text
    return Lane(tuple(kernels), tuple(finite), constants["run"])
