"""A stop that follows the price from bar to bar, told to the desk as one move.

Most bars that matter to a position with a trailing stop do no more than move it. Their prices are shown to the desk's
own guard alone, bar after bar; when one does more (or a signal comes), the desk and the broker are told where the stop
has got to, and how often it was moved. The result is the same, only without what nobody reads: the events in between.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saudagar.backtest.fills import BarBroker
from saudagar.backtest.session import Session
from saudagar.engine.guard import Guard
from saudagar.indicators import BarArrays
from saudagar.market.screen import MOST_UNITS
from saudagar.model import SECOND, InstrumentId, Nanos, Paise


class Trail:
    """Goes ahead of the desk, along the bars of the one instrument that is traded."""

    def __init__(self, name: InstrumentId, bars: BarArrays, session: Session, broker: BarBroker) -> None:
        self._name = name
        self._opens, self._lows = bars.open.data, bars.low.data
        self._highs, self._closes = bars.high.data, bars.close.data
        self._starts, self._ends = bars.start.data, bars.end.data
        self._session = session
        self._broker = broker
        self._left = self._moves = 0
        self._until = self._ts = 0
        self._price: Paise = 0

    def begin(self) -> Guard | None:
        """Take over from the desk the guard of the position, if a stop is all that can move."""
        free = self._session.engine.follower(self._name)
        if free is None:
            return None
        guard, self._left, self._until = free
        self._moves = 0
        return guard

    def passes(self, guard: Guard, at: int, inside: bool) -> bool:
        """Whether bar `at` does no more than move the stop; `inside`: from its open on, which has been seen.

        If not, the stop may have followed the open all the same: the desk, shown it again, finds nothing new in it.
        """
        start, end = self._starts[at], self._ends[at]
        if end > self._until:
            return False
        first = self._opens[at]
        if not (inside or guard.floor < first < guard.ceiling or self._follows(guard, start, first, first)):
            return False
        low, high = self._lows[at], self._highs[at]
        worst, kindest = (low, high) if guard.sign > 0 else (high, low)
        if not guard.floor < worst < guard.ceiling:
            return False
        if guard.floor < kindest < guard.ceiling:
            return True
        return self._follows(guard, start + (end - start) // 2, kindest, self._closes[at])

    def _follows(self, guard: Guard, ts: Nanos, price: float, back: float) -> bool:
        best = int(price)
        stop = guard.following(best, int(back)) if self._moves < self._left else 0
        if not stop:
            return False
        guard.follow(stop, best)
        self._moves += 1
        self._ts, self._price = ts, best
        return True

    def end(self, guard: Guard) -> None:
        """Tell the desk."""
        if self._moves:
            self._broker.stand(self._name, self._ts, self._price)
            self._session.followed(guard, self._ts, self._price, self._moves)


def may_trail(bars: BarArrays, volumes: NDArray[np.int64], orders_per_second: int) -> bool:
    """Whether the desk's screen lets all prices pass, and its throttle never counts two moves in one second.

    Parameters
    ----------
    volumes
        The cumulative volume of the day at the end of each bar, units.
    """
    if not ((bars.low > 0).all() and (volumes >= 0).all() and (volumes < MOST_UNITS).all()):
        return False
    return not orders_per_second or bool((bars.end - bars.start >= 2 * SECOND).all())
