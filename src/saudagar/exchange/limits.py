"""How many calls a broker takes in each of its windows: the second, the minute, the hour, the day.

Windows are those of the calendar. Writes are counted in the market's own seconds while simulated time runs, so that
a day at four hundred times the speed meets the same limits as a real one; reads are counted on the wall.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

Limits = Sequence[tuple[int, int]]
"""Seconds of a window, and calls allowed in it."""


class Seconds(NamedTuple):
    """The number of the present second, on each of the clocks that limits count by."""

    market: Callable[[], int]
    wall: Callable[[], int]


class CallLimit:
    """Counts calls within several windows at once.

    Parameters
    ----------
    limits
        None at all allows everything.
    second
        The number of the present second, on whatever clock counts now.
    """

    def __init__(self, limits: Limits, second: Callable[[], int]) -> None:
        self._limits = tuple(limits)
        self._second = second
        self._windows = [-1] * len(self._limits)
        self._used = [0] * len(self._limits)

    def allows(self, calls: int = 1) -> bool:
        """Take `calls`; False if a window is used up. A refused call counts as well."""
        second = self._second()
        allowed = True
        for place, (length, most) in enumerate(self._limits):
            window = second // length
            if window != self._windows[place]:
                self._windows[place], self._used[place] = window, 0
            self._used[place] += calls
            allowed = allowed and self._used[place] <= most
        return allowed
