"""Look-ahead shows itself when the future is taken away: cut the bars, and no value before the cut may change.

Cheap enough for every backtest: only short beginnings are evaluated again. Some end anywhere; others end with a bar at
which a condition has just come true, for what looks ahead at few bars does so where it decides. `saudagar strategy
check` calls it too, with more cuts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saudagar.indicators import BarArrays, Expr, evaluate
from saudagar.model.errors import DataError

CUTS = 8
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
        What `evaluate(exprs, bars)` gave; evaluated here, after the random beginnings, where it is not at hand.
    cuts
        How many random beginnings to try, and how many more that end where a condition comes true.
    longest
        Bars of the longest beginning, which bounds the cost. A condition that comes true only later is cut there once.

    Returns
    -------
    int
        How many beginnings were tried: fewer than asked for where there are few bars, or nothing comes true.

    Raises
    ------
    LookAhead
        Names the expression, the first bar whose value changes, and both values.
    """
    random = np.random.default_rng(seed)
    ends = np.unique(random.integers(1, min(len(bars), longest), cuts)).tolist() if len(bars) > 1 else []
    parts = [evaluate(exprs, head(bars, end)) for end in ends]  # first: a function may remember the longest it saw
    whole = evaluate(exprs, bars) if values is None else values
    behind = _behind(exprs, whole, cuts, longest, random)
    known = chain(zip(ends, parts, strict=True), ((end, evaluate(exprs, head(bars, end))) for end in behind))
    for end, part in known:
        for expr, full, cut in zip(exprs, whole, part, strict=True):
            _compare(expr, full[:end], cut, end)
    return len(ends) + len(behind)


def _behind(
    exprs: Sequence[Expr], values: Sequence[NDArray[Any]], cuts: int, longest: int, random: np.random.Generator
) -> list[int]:
    """Beginnings that end with a bar at which a condition has come true, `cuts` at most.

    Each condition has its turn; first those that nothing else is made of, which are the signals.
    """
    used = {part for expr in exprs for part in expr.inputs}
    turns: list[list[int]] = []
    for expr, column in sorted(zip(exprs, values, strict=True), key=lambda pair: pair[0] in used):
        if expr.boolean and column.any():
            rises = np.flatnonzero(np.diff(column, prepend=np.False_) & column) + 1
            early = rises[rises <= longest]
            turns.append(random.permutation(early).tolist() if len(early) else rises[:1].tolist())
    found = dict.fromkeys(end for turn in zip_longest(*turns) for end in turn if end is not None)
    return list(found)[:cuts]


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
