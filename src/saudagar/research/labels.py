"""Labels: what came of standing long or short from the next bar's open, for a model to learn.

A label looks ahead, that is its purpose; `until` says how far, and training leaves out whatever reaches into the test.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from saudagar.indicators import BarArrays
from saudagar.indicators.bars import Floats, Ints
from saudagar.model.errors import ConfigError

_MILLION = 1_000_000


class Labels(msgspec.Struct, frozen=True, eq=False):
    """One label per bar, from the decision at that bar's close and an entry at the next bar's open."""

    y: NDArray[np.int8]  # 1 up, -1 down, 0 neither
    until: Ints  # index of the last bar the label has seen
    known: NDArray[np.bool_]  # False where the data or the day ends too soon
    long_gain: Floats  # what a long makes of 1 before costs, worst first inside a bar
    short_gain: Floats
    words: str  # how they were made


def horizon_labels(bars: BarArrays, count: int, *, threshold_ppm: int = 0, overnight: bool = False) -> Labels:
    """Where the close stands `count` bars on: up or down by more than `threshold_ppm`, else neither.

    Parameters
    ----------
    threshold_ppm
        In parts per million of the entry price; set it to what a round trip costs.
    overnight
        Labels may reach into the next day. Without it the day's last bar is the horizon.

    Raises
    ------
    ConfigError
        A count or a threshold that is not whole and in bounds.
    """
    _whole("count", count, 1)
    _whole("threshold_ppm", threshold_ppm, 0)
    entry, until, known = _window(bars, count, overnight)
    gain = np.where(known, bars.close[until] / entry - 1, 0.0)
    moved, edge = (bars.close[until] - entry) * _MILLION, entry * threshold_ppm  # whole numbers: no rounding
    y = (known & (moved > edge)).astype(np.int8) - (known & (moved < -edge)).astype(np.int8)
    return Labels(
        y, until, known, gain, -gain, f"horizon of {count} bars beyond {threshold_ppm} ppm{_night(overnight)}"
    )


def triple_barrier_labels(
    bars: BarArrays, *, up_ppm: int, down_ppm: int, count: int, overnight: bool = False
) -> Labels:
    """Which barrier the price reaches first within `count` bars: the upper (1), the lower (-1), or none (0).

    A bar that spans both does not tell which came first: its label is 0, and each side is taken to have lost.
    A bar that opens beyond a barrier leaves at its open. After López de Prado, Advances in Financial Machine
    Learning (2018), chapter 3.

    Parameters
    ----------
    up_ppm, down_ppm
        Distances from the entry price, parts per million.

    Raises
    ------
    ConfigError
        As `horizon_labels`.
    """
    _whole("up_ppm", up_ppm, 1)
    _whole("down_ppm", down_ppm, 1)
    _whole("count", count, 1)
    entry, until, known = _window(bars, count, overnight)
    upper, lower = entry + entry * up_ppm / _MILLION, entry - entry * down_ppm / _MILLION
    y = np.zeros(len(bars), np.int8)
    long_exit, short_exit = bars.close[until].copy(), bars.close[until].copy()
    rows, last = np.arange(len(bars)), until.copy()
    open_ = known.copy()
    for step in range(1, count + 1):
        at = np.minimum(rows + step, until)
        there = open_ & (rows + step <= until)
        above, below = there & (bars.high[at] >= upper), there & (bars.low[at] <= lower)
        y[above & ~below], y[below & ~above] = 1, -1
        best, worst = np.maximum(upper, bars.open[at]), np.minimum(lower, bars.open[at])
        long_exit = np.where(below, worst, np.where(above, best, long_exit))
        short_exit = np.where(above, best, np.where(below, worst, short_exit))
        touched = above | below
        last[touched] = at[touched]
        open_ &= ~touched
    words = f"triple barrier +{up_ppm}/-{down_ppm} ppm within {count} bars{_night(overnight)}"
    gains = (np.where(known, long_exit / entry - 1, 0.0), np.where(known, 1 - short_exit / entry, 0.0))
    return Labels(y, last, known, *gains, words)


def _window(bars: BarArrays, count: int, overnight: bool) -> tuple[Floats, Ints, NDArray[np.bool_]]:
    """Entry price, last bar of the horizon, and whether there is such a window, per bar."""
    n = len(bars)
    rows = np.arange(n, dtype=np.int64)
    until = rows + count
    known = until < n
    if not overnight:
        last_of_day = np.searchsorted(bars.day, bars.day, side="right") - 1
        until = np.minimum(until, last_of_day)
        known &= rows < last_of_day
    entry = bars.open[np.minimum(rows + 1, n - 1)] if n else bars.open
    return entry, np.minimum(until, n - 1), known


def _whole(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < _MILLION:
        raise ConfigError(f"{name} must be a whole number from {least} to {_MILLION - 1}, got {value!r}.")


def _night(overnight: bool) -> str:
    return ", overnight" if overnight else ""
