"""What a graph computes, line by line and the same in every process: for the schema of a model and the key of a run."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from saudagar.indicators import Expr
from saudagar.indicators.custom import Custom
from saudagar.indicators.evaluate import ordered


def lines_of(roots: Sequence[Expr]) -> tuple[list[str], dict[Expr, int]]:
    """The nodes under `roots`, inputs before what reads them; and the place of each.

    A NumPy indicator stands there with its source, where that can be read (see `source_of`).
    """
    place: dict[Expr, int] = {}
    lines = []
    for node in ordered(roots):
        inputs = [place[part] for part in node.inputs]
        lines.append(f"{node.kernel!r} {node.interval} {inputs}")
        if isinstance(node.kernel, Custom):
            lines.append(source_of(node.kernel))
        place[node] = len(place)
    return lines, place


def source_of(kernel: Custom) -> str:
    """The text of the function, empty where it stands in no file."""
    try:
        return inspect.getsource(kernel.indicator.function)
    except OSError:
        return ""
