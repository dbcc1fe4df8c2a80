"""A stop that follows the price from bar to bar, told to the desk as one move.

Most bars that matter to a position with a trailing stop do no more than move it. Their prices are shown to the desk's
own guard alone, bar after bar; when one does more (or a signal comes), the desk and the broker are told where the stop
has got to, and how often it was moved. The result is the same, only without what nobody reads: the events in between.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saudagar.backtest.fills import BarBroker
from saudagar.backtest.ranges import Ranges, paise
from saudagar.backtest.session import Session
from saudagar.indicators import BarArrays
from saudagar.market.screen import MOST_UNITS
from saudagar.model import SECOND, InstrumentId


class Trail:
    """Goes ahead of the desk, along the bars of the one instrument that is traded."""

    def __init__(self, name: InstrumentId, bars: BarArrays, session: Session, broker: BarBroker) -> None:
        self._name = name
        self._opens, self._closes = paise(bars.open), paise(bars.close)
        self._starts, self._ends = bars.start.data, bars.end.data
        self.ranges = Ranges(bars)
        self._session = session
        self._broker = broker

    def run(self, at: int, last: int, inside: bool) -> int:
        """The first bar of `[at, last)` that does more than move the stop; `last` if none does.

        `inside`: of bar `at` the open has been seen. Of the bar that is told the stop may have followed the open all
        the same: the desk, shown it again, finds nothing new in it.
        """
        free = self._session.engine.follower(self._name)
        if free is None:
            return at
        guard, left, until = free
        opens, starts, ends, leaves = self._opens, self._starts, self._ends, self.ranges.leaves
        worst, kindest = self.ranges.lows, self.ranges.highs
        if guard.sign < 0:
            worst, kindest = kindest, worst
        floor, ceiling = guard.floor, guard.ceiling
        moves = ts = price = 0
        while at < last and (end := ends[at]) <= until:
            if not (inside or floor < (first := opens[at]) < ceiling):
                if moves == left or not guard.follows(first, first):
                    break
                moves, ts, price = moves + 1, starts[at], first
                floor, ceiling = guard.floor, guard.ceiling
            if not floor < worst[at] < ceiling:
                break
            if not floor < (best := kindest[at]) < ceiling:
                if moves == left or not guard.follows(best, self._closes[at]):
                    break
                moves, ts, price = moves + 1, starts[at] + (end - starts[at]) // 2, best
                floor, ceiling = guard.floor, guard.ceiling
            inside, at = False, leaves(at + 1, last, floor, ceiling)
        if moves:
            self._broker.stand(self._name, ts, price)
            self._session.followed(guard, ts, price, moves)
        return at


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
