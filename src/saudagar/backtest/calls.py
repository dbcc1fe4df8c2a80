"""At which bars of an instrument the engine must be called, and where inside them the price must stand still.

Exact, not a guess: a bar is left out only if the engine would have answered it with nothing. Where that is hard to
know (an order that works, a target not yet reached, limits on the day's profit) every bar is visited.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saudagar.backtest.fills import BarBroker
from saudagar.backtest.ranges import Ranges
from saudagar.backtest.session import Session
from saudagar.backtest.trail import Trail
from saudagar.engine.guard import NEVER
from saudagar.execution.steering import stop_trigger
from saudagar.indicators import BarArrays
from saudagar.market.ist import since_midnight
from saudagar.model import DAY, IST_AHEAD, Instrument, Nanos, Paise, PositionId, Side
from saudagar.portfolio import Position

_BUY, _SELL = Side.BUY, Side.SELL
_NOWHERE = NEVER, 0, 0  # the corridor that no price lies in


class Calls:
    """The next bar to visit, for one instrument.

    Parameters
    ----------
    session
        The desk.
    plans
        The positions that the plans may hold of the instrument.
    acts
        Indices of the bars at whose open a signal acts.
    every_bar
        Leave none out.
    trail
        Lets stops follow the price ahead of the desk.
    """

    def __init__(
        self,
        bars: BarArrays,
        instrument: Instrument,
        session: Session,
        plans: Sequence[PositionId],
        broker: BarBroker,
        *,
        acts: NDArray[Any],
        every_bar: bool,
        trail: Trail | None = None,
    ) -> None:
        settings = session.settings
        self._bars = bars
        self._ranges = Ranges(bars) if trail is None else trail.ranges
        self._instrument = instrument
        self._id = instrument.id
        self._session = session
        self._plans = plans
        self._broker = broker
        self._every_bar = every_bar
        self._trail = trail
        self._rest_stop = settings.tactics.rest_stop
        self._day_limits = bool(settings.limits.day_loss or settings.limits.day_profit)
        self._mornings = _from_each(np.flatnonzero(np.diff(bars.day, prepend=-1)), len(bars))
        around = _around(bars, settings.hours.square_off)
        self._whole = frozenset(around.tolist())
        self._acts = _from_each(np.union1d(acts, around) if len(around) else acts, len(bars))
        self._seen = -1
        self._positions: list[Position] = []
        self._levels: list[Paise] | None = None
        self._low, self._high, self._due = _NOWHERE

    @property
    def held(self) -> int:
        """Signed units of all positions."""
        self._look()
        return sum([position.quantity for position in self._positions])

    @property
    def under_way(self) -> bool:
        """Whether an order works or a position is not where it should be."""
        self._look()
        return not self._high

    def first(self) -> int:
        """The first bar to visit; the number of bars if there is none."""
        return 0 if self._every_bar else self._acts[0]

    def after_open(self, at: int) -> int:
        """`at` itself if what happens inside that bar matters, else the bar to visit next."""
        self._look()
        if not self._high or at in self._whole:
            return at
        return self._next(at, at + 1, inside=True)

    def after(self, at: int) -> int:
        """The bar to visit after bar `at`; the number of bars if there is none."""
        self._look()
        return self._next(at + 1, at + 1) if self._high else at + 1

    def stirs(self, at: int, ts: Nanos, price: Paise, end: Paise) -> bool:
        """Whether anybody would answer a price inside bar `at` on its way from `price` to `end`."""
        self._look()
        low, high = self._low, self._high
        return not (low < price < high and low < end < high and ts < self._due) or at in self._whole

    def next_level(self, price: Paise, end: Paise) -> Paise:
        """The first level strictly between `price` and `end`, seen from `price`; 0 if there is none."""
        self._look()
        if self._levels is None:
            self._levels = self._broker.levels(self._id)
            for position in self._positions:
                self._levels += (position.stop, position.target_price) if position.quantity else ()
        if price < end:
            return min([level for level in self._levels if price < level < end], default=0)
        return max([level for level in self._levels if end < level < price], default=0)

    def _look(self) -> None:
        """Take the corridor in which nothing happens; there is none while anything is under way."""
        session = self._session
        if self._seen == session.changes:
            return
        self._seen, self._levels = session.changes, None
        if len(self._positions) < len(self._plans):
            known = session.state.positions
            self._positions = [known[plan] for plan in self._plans if plan in known]
        under_way = self._every_bar or self._unsettled()
        self._low, self._high, self._due = _NOWHERE if under_way else session.engine.watch.corridor(self._id)

    def _unsettled(self) -> bool:
        asleep = self._broker.asleep(self._id)
        if asleep is None:
            return True
        for position in self._positions:
            quantity = position.quantity
            if quantity != position.target or (quantity and self._day_limits):
                return True
            if quantity and position.stop and self._rest_stop:
                trigger = stop_trigger(self._instrument, _SELL if quantity > 0 else _BUY, position.stop)
                if trigger not in asleep:
                    return True
        return False

    def _next(self, first: int, act: int, *, inside: bool = False) -> int:
        """The first bar from `first` on that matters to a position, or from `act` on that brings a signal.

        `inside` says that the open of `first` has been seen.
        """
        last: int = self._acts[act]
        for position in self._positions:
            if position.quantity:
                morning: int = self._mornings[first]
                last = morning if morning < last else last
                low, high = self._low, self._high
                end = last if self._due >= NEVER else self._before_due(first, last)
                at = end if low <= 0 and high >= NEVER else self._ranges.leaves(first, end, low, high)
                if self._trail is None or at == last:
                    return at
                return self._trail.run(at, self._before_due(at, last), inside and at == first)
        return last

    def _before_due(self, first: int, last: int) -> int:
        """The first bar of `[first, last)` in which something falls due; `last` if there is none."""
        if self._due >= NEVER:
            return last
        return min(last, max(first, int(np.searchsorted(self._bars.end, self._due, side="right"))))


def _from_each(numbers: NDArray[Any], end: int) -> memoryview:
    """At each place up to `end` the first of the ascending `numbers` that is not below it; `end` where none is."""
    reached = np.append(numbers, end)
    return np.repeat(reached, np.diff(reached, prepend=-1)).data


def _around(bars: BarArrays, square_off: str) -> NDArray[Any]:
    """The bars around each day's square-off, held or not: anybody's tick may bring it, at everybody's last price."""
    if not square_off:
        return np.empty(0, np.int64)
    moments = np.unique(bars.day) * DAY - IST_AHEAD + since_midnight(square_off)
    first = np.searchsorted(bars.end, moments, side="right")
    both = np.union1d(first - 1, first)
    return both[(both >= 0) & (both < len(bars))]
