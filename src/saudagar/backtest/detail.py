"""Finer bars inside the bars that a strategy reads: orders and exits are walked along the detail.

A backtest on 15-minute bars need not guess which of a stop and a target came first where the minutes are known. The
coarse bars are best made from the detail (`indicators.bars.resample`), then no price differs. Called by `replay` and
the kernel driver.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saudagar.indicators import BarArrays
from saudagar.market.ist import ist
from saudagar.model import InstrumentId
from saudagar.model.errors import DataError


def closing_bars(coarse: BarArrays, fine: BarArrays, *, at_close: bool) -> NDArray[np.int64]:
    """For each bar of `fine` the coarse bar whose signals act there, -1 where none's do.

    They act at the open of the first fine bar after the coarse one's end, or with `at_close` at the close of the last
    one within it. `fine` may be `coarse` itself.
    """
    count = len(coarse)
    closes = np.full(len(fine), -1, np.int64)
    if fine is coarse:
        where = np.arange(count) + (0 if at_close else 1)
    elif at_close:
        where = np.searchsorted(fine.end, coarse.end, side="right") - 1
    else:
        where = np.searchsorted(fine.start, coarse.end, side="left")
    inside = where < len(fine)
    closes[where[inside]] = np.arange(count)[inside]
    return closes


def check_detail(name: InstrumentId, coarse: BarArrays, fine: BarArrays) -> None:
    """Refuse detail that leaves a bar out or lies outside all of them.

    Raises
    ------
    DataError
        Names the first bar that does not fit.
    """
    if not 0 < fine.interval < coarse.interval or coarse.interval % fine.interval:
        raise DataError(
            f"{name}: bars of {fine.interval} ns are no detail of bars of {coarse.interval} ns: theirs must divide it."
        )
    home = np.searchsorted(coarse.start, fine.start, side="right") - 1
    held = (home >= 0) & (fine.end <= coarse.end[np.maximum(home, 0)]) if len(coarse) else np.zeros(len(fine), bool)
    if not held.all():
        raise DataError(f"{name}: the detail's bar of {_when(fine, held)} lies in no bar.")
    empty = np.bincount(home, minlength=len(coarse)) == 0
    if empty.any():
        raise DataError(f"{name}: the bar of {_when(coarse, ~empty)} has no detail.")


def _when(bars: BarArrays, fits: NDArray[np.bool_]) -> str:
    """The start of the first bar that does not fit."""
    return f"{ist(int(bars.start[np.argmin(fits)])):%Y-%m-%d %H:%M} IST"
