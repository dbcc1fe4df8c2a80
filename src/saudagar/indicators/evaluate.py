"""Run a graph over arrays: what a backtest and a sweep call. The same bits as `Live`, one column per expression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saudagar.indicators.bars import BarArrays, resample
from saudagar.indicators.expr import Expr, align
from saudagar.indicators.kernel import NAN, Computed
from saudagar.indicators.kernels import Align, Const, Field


def evaluate(exprs: Sequence[Expr], bars: BarArrays) -> list[NDArray[Any]]:
    """Compute `exprs` at every bar, each node once however often it is used.

    Parameters
    ----------
    exprs
        The wanted expressions.
    bars
        `n` bars of one instrument.

    Returns
    -------
    list of arrays of shape (n,)
        float64 with NaN where undefined, bool with False where undefined.

    Raises
    ------
    ConfigError
        The bars' interval cannot serve a node of the graph.
    """
    roots = [align(expr) for expr in exprs]
    nodes = list(ordered(roots))
    check_intervals(nodes, bars.interval)
    frames: dict[int, BarArrays] = {0: bars}
    values: dict[Expr, Any] = {}
    with np.errstate(all="ignore"):
        for node in nodes:
            interval = node.interval or 0
            if interval not in frames:
                frames[interval] = resample(bars, interval)
            values[node] = _compute(node, values, frames)
    columns = [np.broadcast_to(values[root], len(bars)) for root in roots]
    return [column == 1.0 if root.boolean else column for root, column in zip(roots, columns, strict=True)]


def ordered(roots: Sequence[Expr]) -> Iterator[Expr]:
    """Every node once, inputs before those who use them."""
    seen: set[Expr] = set()
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        node, ready = stack.pop()
        if ready:
            yield node
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((part, False) for part in node.inputs if part not in seen)


def check_intervals(nodes: Sequence[Expr], base: int) -> None:
    """Ask every node whether it can run on bars of `base` ns."""
    for node in nodes:
        node.kernel.check(node.interval or base, base)


def is_foreign(exprs: Sequence[Expr]) -> bool:
    """Whether any node under `exprs` runs somebody else's code, which may raise at any bar."""
    return any(node.kernel.foreign for node in ordered(exprs))


def _compute(node: Expr, values: dict[Expr, Any], frames: dict[int, BarArrays]) -> Any:
    frame = frames[node.interval or 0]
    match node.kernel:
        case Const(value):
            return value
        case Field(name):
            return getattr(frame, name).astype(np.float64, copy=False)  # times too: TA-Lib takes nothing else
        case Align(interval):
            return _held(values[node.inputs[0]], frames[interval], frame)
        case kernel:
            assert isinstance(kernel, Computed)
            inputs = [values[part] for part in node.inputs]
            return kernel.batch(*(np.full(len(frame), x) if isinstance(x, float) else x for x in inputs))


def _held(values: NDArray[Any], higher: BarArrays, lower: BarArrays) -> NDArray[Any]:
    """At each lower bar, the value of the last higher bar that had closed by its end."""
    closed = np.searchsorted(higher.end, lower.end, side="right")
    return np.append(NAN, values)[closed]
