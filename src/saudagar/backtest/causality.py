"""Look-ahead shows itself when the future is taken away: cut the bars, and no value before the cut may change.

Cheap enough for every backtest: it has the values of the whole series already, and only short beginnings are
evaluated again. `saudagar strategy check` calls it too, with more cuts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saudagar.indicators import BarArrays, Expr, evaluate
from saudagar.model.errors import DataError

CUTS = 4
LONGEST = 4_096
_COLUMNS = ("start", "end", "open", "high", "low", "close", "volume", "day", "since", "until")


class LookAhead(DataError):
    """A strategy's past changes with its future: its backtest means nothing."""


def check_causality(
    exprs: Sequence[Expr],
    bars: BarArrays,
    values: Sequence[NDArray[Any]] | None = None,
    *,
    cuts: int = CUTS,
    seed: int = 0,
    longest: int = LONGEST,
) -> int:
    """Evaluate `exprs` again on random beginnings of `bars` and compare with `values`, bit by bit.

    Parameters
    ----------
    values
        What `evaluate(exprs, bars)` gave; evaluated here, after the beginnings, where it is not at hand.
    cuts
        How many beginnings to try.
    longest
        Bars of the longest beginning, which bounds the cost.

    Returns
    -------
    int
        How many beginnings were tried: fewer than `cuts` where there are fewer bars.

    Raises
    ------
    LookAhead
        Names the expression, the first bar whose value changes, and both values.
    """
    random = np.random.default_rng(seed)
    ends = np.unique(random.integers(1, min(len(bars), longest), cuts)).tolist() if len(bars) > 1 else []
    parts = [evaluate(exprs, head(bars, end)) for end in ends]  # first: a function may remember the longest it saw
    whole = evaluate(exprs, bars) if values is None else values
    for end, part in zip(ends, parts, strict=True):
        for expr, full, cut in zip(exprs, whole, part, strict=True):
            _compare(expr, full[:end], cut, end)
    return len(ends)


def head(bars: BarArrays, count: int) -> BarArrays:
    """The first `count` bars."""
    return part(bars, 0, count)


def part(bars: BarArrays, first: int, last: int) -> BarArrays:
    """The bars of `[first, last)`."""
    columns = {name: getattr(bars, name)[first:last] for name in _COLUMNS}
    return BarArrays(interval=bars.interval, session_open=bars.session_open, **columns)


def _compare(expr: Expr, full: NDArray[Any], cut: NDArray[Any], end: int) -> None:
    same = (full == cut) | ((full != full) & (cut != cut))
    if same.all():
        return
    at = int(np.argmin(same))
    shown = repr(expr) if len(repr(expr)) <= 200 else f"{repr(expr)[:197]}…"
    raise LookAhead(
        f"look-ahead: with the bars after number {end - 1} unknown, bar {at} of {shown} is {cut[at]}; "
        f"knowing them it is {full[at]}.",
        hint="A value may depend on its own bar and earlier ones only.",
    )
