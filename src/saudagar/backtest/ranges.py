"""Looks along the ranges of bars for the first that leaves a corridor of prices. Called by `calls` and `trail`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saudagar.indicators import BarArrays
from saudagar.model import Paise

_NEAR = 24  # bars that are looked at one by one: a look at an array takes as long as 30 of them
_FIRST_CHUNK = 128
_LARGEST_CHUNK = 1 << 15


def paise(column: NDArray[np.float64]) -> memoryview:
    """A column of whole paise as plain integers.

    A view gives one number four times as fast as an array, and integers are compared faster than a float with one.
    """
    return column.astype(np.int64).data


class Ranges:
    """Low and high of each bar, paise."""

    def __init__(self, bars: BarArrays) -> None:
        self._low, self._high = bars.low, bars.high
        self.lows, self.highs = paise(bars.low), paise(bars.high)

    def leaves(self, first: int, last: int, low: Paise, high: Paise) -> int:
        """The first bar of `[first, last)` whose range reaches down to `low` or up to `high`; `last` if none does."""
        lows, highs = self.lows, self.highs
        near = first + _NEAR if first + _NEAR < last else last
        for at in range(first, near):
            if lows[at] <= low or highs[at] >= high:
                return at
        return self._scan(near, last, low, high) if near < last else last

    def _scan(self, first: int, last: int, low: Paise, high: Paise) -> int:
        size = _FIRST_CHUNK
        while first < last:
            end = min(first + size, last)
            reached = (self._low[first:end] <= low) | (self._high[first:end] >= high)
            place = int(reached.argmax())
            if reached[place]:
                return first + place
            first, size = end, min(size * 4, _LARGEST_CHUNK)
        return last
