"""A stop that follows the price from bar to bar, told to the desk as one move.

Most bars that matter to a position with a trailing stop do no more than move it. Their prices are shown to the desk's
own guard alone, bar after bar; when one does more (or a signal comes), the desk and the broker are told where the stop
has got to, and how often it was moved. The result is the same, only without what nobody reads: the events in between.
"""

from __future__ import annotations

from saudagar.backtest.fills import BarBroker
from saudagar.backtest.session import Session
from saudagar.engine.guard import Guard
from saudagar.indicators import BarArrays
from saudagar.model import SECOND, InstrumentId, Nanos, Tick


class Trail:
    """Goes ahead of the desk, along the bars of the one instrument that is traded.

    Parameters
    ----------
    volumes
        The cumulative volume of the day at the end of each bar, units.
    """

    def __init__(
        self, name: InstrumentId, bars: BarArrays, volumes: memoryview, session: Session, broker: BarBroker
    ) -> None:
        self._name = name
        self._opens, self._lows = bars.open.data, bars.low.data
        self._highs, self._closes = bars.high.data, bars.close.data
        self._starts, self._ends = bars.start.data, bars.end.data
        self._volumes = volumes
        self._session = session
        self._broker = broker
        self._left = self._moves = 0
        self._until: Nanos = 0
        self._last: Tick | None = None

    def begin(self) -> Guard | None:
        """Take over from the desk the guard of the position, if a stop is all that can move."""
        free = self._session.engine.follower(self._name)
        if free is None:
            return None
        guard, self._left, self._until = free
        return guard

    def passes(self, guard: Guard, at: int, inside: bool) -> bool:
        """Whether bar `at` does no more than move the stop; `inside`: from its open on, which has been seen.

        If not, the stop may have followed the open all the same: the desk, shown it again, finds nothing new in it.
        """
        start, end = self._starts[at], self._ends[at]
        if end > self._until:
            return False
        first = self._opens[at]
        if not (inside or guard.floor < first < guard.ceiling or self._follows(guard, at, start, first, first)):
            return False
        low, high = self._lows[at], self._highs[at]
        worst, kindest = (low, high) if guard.sign > 0 else (high, low)
        if not guard.floor < worst < guard.ceiling:
            return False
        if guard.floor < kindest < guard.ceiling:
            return True
        return self._follows(guard, at, start + (end - start) // 2, kindest, self._closes[at])

    def _follows(self, guard: Guard, at: int, ts: Nanos, price: float, back: float) -> bool:
        stop = guard.following(int(price), int(back)) if self._left else 0
        if not stop:
            return False
        tick = Tick(self._name, ts, int(price), self._volumes[at])
        if self._session.engine.screen.check(tick, ts) is None:
            return False
        guard.follow(stop, tick.ltp)
        self._left -= 1
        self._moves += 1
        self._last = tick
        return True

    def end(self, guard: Guard) -> None:
        """Tell the desk."""
        tick, moves = self._last, self._moves
        self._last, self._moves = None, 0
        if tick is not None:
            self._broker.stand(self._name, tick.ts, tick.ltp)
            self._session.followed(guard, tick, moves)


def may_trail(bars: BarArrays, orders_per_second: int) -> bool:
    """Whether two moves of a stop never fall into one second, which the desk's throttle would notice."""
    return not orders_per_second or bool((bars.end - bars.start >= 2 * SECOND).all())
