"""At which bars of an instrument the engine must be called, and where inside them the price must stand still.

Exact, not a guess: a bar is left out only if the engine would have answered it with nothing. Where that is hard to
know (an order that works, a target not yet reached, limits on the day's profit) every bar is visited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from saudagar.backtest.fills import BarBroker
from saudagar.engine.guard import NEVER
from saudagar.engine.settings import Settings
from saudagar.engine.state import State
from saudagar.execution.steering import stop_trigger
from saudagar.indicators import BarArrays
from saudagar.market.ist import since_midnight
from saudagar.model import Instrument, InstrumentId, Nanos, Paise, PositionId, Side
from saudagar.portfolio import Position

Corridor: TypeAlias = tuple[Paise, Paise, Nanos]

_NEAR = 24  # bars that are looked at one by one: a look at an array takes as long as 30 of them
_FIRST_CHUNK = 128
_LARGEST_CHUNK = 1 << 15
_IST = 19_800_000_000_000  # ns that India is ahead of UTC
_DAY = 86_400_000_000_000


class Calls:
    """The next bar to visit, for one instrument.

    Parameters
    ----------
    state
        The desk's.
    corridor
        Tells between which prices, and until when, the desk's open positions stay as they are; see `engine.watch`.
    plans
        The positions that the plans may hold of the instrument.
    acts
        Indices of the bars at whose open a signal acts.
    every_bar
        Leave none out.
    """

    def __init__(
        self,
        bars: BarArrays,
        instrument: Instrument,
        state: State,
        corridor: Callable[[InstrumentId], Corridor],
        plans: Sequence[PositionId],
        broker: BarBroker,
        settings: Settings,
        *,
        acts: NDArray[Any],
        every_bar: bool,
    ) -> None:
        self._bars = bars
        self._low, self._high = bars.low.data, bars.high.data
        self._instrument = instrument
        self._id = instrument.id
        self._known = state.positions
        self._corridor = corridor
        self._plans = plans
        self._broker = broker
        self._every_bar = every_bar
        self._rest_stop = settings.tactics.rest_stop
        self._day_limits = bool(settings.limits.day_loss or settings.limits.day_profit)
        self._mornings = _Pointer(np.flatnonzero(np.diff(bars.day, prepend=-1)), len(bars))
        around = _around(bars, settings.hours.square_off)
        self._whole = frozenset(around.tolist())
        self._acts = _Pointer(np.union1d(acts, around), len(bars))

    @property
    def _positions(self) -> list[Position]:
        known = self._known
        return [known[plan] for plan in self._plans if plan in known]

    @property
    def held(self) -> int:
        """Signed units of all positions."""
        return sum(position.quantity for position in self._positions)

    def first(self) -> int:
        """The first bar to visit; the number of bars if there is none."""
        return 0 if self._every_bar else self._acts.reach(0)

    def after_open(self, at: int) -> int:
        """`at` itself if what happens inside that bar matters, else the bar to visit next."""
        positions = self._positions
        if self._every_bar or at in self._whole or self._unsettled(positions):
            return at
        return self._next(positions, at, at + 1)

    def after(self, at: int) -> int:
        """The bar to visit after bar `at`; the number of bars if there is none."""
        positions = self._positions
        if self._every_bar or self._unsettled(positions):
            return at + 1
        return self._next(positions, at + 1, at + 1)

    def stirs(self, at: int, ts: Nanos, price: Paise, end: Paise) -> bool:
        """Whether anybody would answer a price inside bar `at` on its way from `price` to `end`."""
        if self._every_bar or at in self._whole or self._unsettled(self._positions):
            return True
        low, high, due = self._corridor(self._id)
        return not (low < price < high and low < end < high and ts < due)

    def next_level(self, price: Paise, end: Paise) -> Paise:
        """The first level strictly between `price` and `end`, seen from `price`; 0 if there is none."""
        levels = self._levels()
        if price < end:
            return min((level for level in levels if price < level < end), default=0)
        return max((level for level in levels if end < level < price), default=0)

    def _levels(self) -> Iterator[Paise]:
        yield from self._broker.levels(self._id)
        for position in self._positions:
            if position.quantity:
                yield position.stop
                yield position.target_price

    def _unsettled(self, positions: Sequence[Position]) -> bool:
        if self._broker.busy(self._id):
            return True
        for position in positions:
            quantity = position.quantity
            if quantity != position.target or (quantity and self._day_limits):
                return True
            if quantity and position.stop and self._rest_stop:
                trigger = stop_trigger(self._instrument, Side.of(-quantity), position.stop)
                if trigger not in self._broker.levels(self._id):
                    return True
        return False

    def _next(self, positions: Sequence[Position], first: int, act: int) -> int:
        """The first bar from `first` on that matters to a position, or from `act` on that brings a signal."""
        last = self._acts.reach(act)
        for position in positions:
            if position.quantity:
                return self._leaves_corridor(first, min(last, self._mornings.reach(first)))
        return last

    def _leaves_corridor(self, first: int, last: int) -> int:
        """The first bar of `[first, last)` that does not lie within the corridor; `last` if they all do."""
        low, high, due = self._corridor(self._id)
        if due < NEVER:
            last = min(last, max(first, int(np.searchsorted(self._bars.end, due, side="right"))))
        if low <= 0 and high >= NEVER:
            return last
        lows, highs = self._low, self._high
        near = min(last, first + _NEAR)
        for at in range(first, near):
            if lows[at] <= low or highs[at] >= high:
                return at
        return scan(self._bars, near, last, low, high)


class _Pointer:
    """Ascending numbers, of which one after another is asked for."""

    def __init__(self, numbers: NDArray[Any], end: int) -> None:
        self._numbers: list[int] = [*numbers.tolist(), end]
        self._next = 0

    def reach(self, least: int) -> int:
        """The first number that is not below `least`; it may not be below that of the call before."""
        numbers, k = self._numbers, self._next
        while numbers[k] < least:
            k += 1
        self._next = k
        return numbers[k]


def scan(bars: BarArrays, first: int, last: int, low: Paise, high: Paise) -> int:
    """The first bar of `[first, last)` whose range reaches down to `low` or up to `high`; `last` if none does."""
    size = _FIRST_CHUNK
    while first < last:
        end = min(first + size, last)
        reached = (bars.low[first:end] <= low) | (bars.high[first:end] >= high)
        place = int(reached.argmax())
        if reached[place]:
            return first + place
        first, size = end, min(size * 4, _LARGEST_CHUNK)
    return last


def _around(bars: BarArrays, square_off: str) -> NDArray[Any]:
    """The bars around each day's square-off, held or not: anybody's tick may bring it, at everybody's last price."""
    if not square_off:
        return np.empty(0, np.int64)
    moments = np.unique(bars.day) * _DAY - _IST + since_midnight(square_off)
    first = np.searchsorted(bars.end, moments, side="right")
    both = np.union1d(first - 1, first)
    return both[(both >= 0) & (both < len(bars))]
