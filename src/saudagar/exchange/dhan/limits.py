"""Dhan's limit on order writes: ten in one calendar second (10 a second since 2026-03-21).

The second is the market's own while simulated time runs, so that a day at four hundred times the speed meets the same
limit as a real one.
"""

from __future__ import annotations

from collections.abc import Callable


class WriteLimit:
    """Counts writes within one second.

    Parameters
    ----------
    per_second
        Writes allowed; 0 switches the limit off.
    second
        The number of the present second, on whatever clock counts now.
    """

    def __init__(self, per_second: int, second: Callable[[], int]) -> None:
        self.per_second = per_second
        self._second = second
        self._current = -1
        self._used = 0

    def allows(self) -> bool:
        """Take one write; False if this second is used up."""
        if not self.per_second:
            return True
        second = self._second()
        if second != self._current:
            self._current, self._used = second, 0
        self._used += 1
        return self._used <= self.per_second
