"""How much history a graph needs before every output is defined, read off the graph itself."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from saudagar.indicators.evaluate import check_intervals, ordered
from saudagar.indicators.expr import Expr, align
from saudagar.indicators.kernels import Align
from saudagar.model import DAY, MINUTE, Nanos


class WarmUp(msgspec.Struct, frozen=True):
    """Begin history `days` trading days ago, today included, at the session's open; then `bars` bars define all.

    With no session-bound node `days` is 0 and the bars may begin anywhere. An upper bound: gaps make higher bars of
    fewer bars, never of more.
    """

    bars: int
    days: int = 0


def warm_up(exprs: Sequence[Expr], interval: Nanos = MINUTE) -> WarmUp:
    """The history that `exprs` need on bars of `interval` ns.

    What comes and goes by itself is outside the promise and of what is built on it: an opening range each morning, a
    division by zero, a VWAP before anything traded.

    Raises
    ------
    ConfigError
        The interval cannot serve a node of the graph.
    """
    roots = [align(expr) for expr in exprs]
    nodes = list(ordered(roots))
    check_intervals(nodes, interval)
    needs: dict[Expr, WarmUp] = {}
    for node in nodes:
        needs[node] = _need(node, [needs[part] for part in node.inputs], interval)
    wanted = [needs[root] for root in roots]
    return WarmUp(max((n.bars for n in wanted), default=0), max((n.days for n in wanted), default=0))


def _need(node: Expr, inputs: list[WarmUp], base: Nanos) -> WarmUp:
    if isinstance(node.kernel, Align):
        return _lowered(inputs[0], node.kernel.interval, base)
    days, more = node.kernel.need(node.interval or base)
    return WarmUp(max([1, *(n.bars for n in inputs)]) + more, max([days, *(n.days for n in inputs)]))


def _lowered(need: WarmUp, interval: Nanos, base: Nanos) -> WarmUp:
    """The same need in lower bars; one more, because a higher bar cut short by the close shows only the next day."""
    if interval == base:
        return need
    if interval == DAY:
        return WarmUp(1, max(need.days, 1) + need.bars)
    return WarmUp(need.bars * (interval // base) + 1, need.days)
