"""At which bars of an instrument the engine must be called, and where inside them the price must stand still.

Exact, not a guess: a bar is left out only if the engine would have answered it with nothing. Where that is hard to
know (an order that works, a target not yet reached, limits on the day's profit) every bar is visited.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saudagar.backtest.fills import BarBroker
from saudagar.engine.guard import Guard
from saudagar.engine.settings import Settings
from saudagar.engine.state import State
from saudagar.indicators import BarArrays
from saudagar.market.ist import since_midnight
from saudagar.model import Instrument, Paise, PositionId
from saudagar.portfolio import Position

_FIRST_CHUNK = 32
_LARGEST_CHUNK = 1 << 15
_IST = 19_800_000_000_000  # ns that India is ahead of UTC
_DAY = 86_400_000_000_000
_FAR = float("inf")


class Calls:
    """The next bar to visit, for one instrument.

    Parameters
    ----------
    state
        The desk's.
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
        plans: Sequence[PositionId],
        broker: BarBroker,
        settings: Settings,
        *,
        acts: NDArray[Any],
        every_bar: bool,
    ) -> None:
        self._bars = bars
        self._instrument = instrument
        self._id = instrument.id
        self._known = state.positions
        self._plans = plans
        self._broker = broker
        self._next_act = 0
        self._every_bar = every_bar
        self._rest_stop = settings.tactics.rest_stop
        self._day_limits = bool(settings.limits.day_loss or settings.limits.day_profit)
        self._mornings: list[int] = np.flatnonzero(np.diff(bars.day, prepend=-1)).tolist()
        around = _around(bars, settings.hours.square_off)
        self._whole = frozenset(around.tolist())
        self._acts: list[int] = np.union1d(acts, around).tolist()

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
        return 0 if self._every_bar else self._act_after(-1)

    def after(self, at: int) -> int:
        """The bar to visit after bar `at`; the number of bars if there is none."""
        positions = self._positions
        if self._every_bar or self._unsettled(positions):
            return at + 1
        following = self._act_after(at)
        for position in positions:
            if position.quantity:
                following = self._touched(position, at + 1, following)
        return following

    def inside(self, at: int) -> bool:
        """Whether what happens inside bar `at`, after its open, matters."""
        positions = self._positions
        if self._every_bar or at in self._whole or self._unsettled(positions):
            return True
        for position in positions:  # noqa: SIM110 (a generator costs three times as much)
            if position.quantity and self._touched(position, at, at + 1) == at:
                return True
        return False

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

    def _act_after(self, at: int) -> int:
        acts, k = self._acts, self._next_act
        while k < len(acts) and acts[k] <= at:
            k += 1
        self._next_act = k
        return acts[k] if k < len(acts) else len(self._bars)

    def _unsettled(self, positions: Sequence[Position]) -> bool:
        if self._broker.busy(self._id):
            return True
        for position in positions:
            quantity = position.quantity
            if quantity != position.target or (quantity and self._day_limits):
                return True
            if quantity and position.stop and self._rest_stop:
                resting = tuple(self._broker.levels(self._id))
                if position.stop not in resting:
                    return True
        return False

    def _touched(self, position: Position, first: int, last: int) -> int:
        """The first bar of `[first, last)` that matters to an open position; `last` if none does."""
        bars, plan = self._bars, position.protection
        mornings = self._mornings
        k = bisect_left(mornings, first)
        if k < len(mornings):  # day orders have ended overnight
            last = min(last, mornings[k])
        if plan.max_age:
            last = min(last, max(first, int(np.searchsorted(bars.end, position.opened + plan.max_age, side="right"))))
        if not (plan.stop or plan.target or plan.trail or plan.break_even):
            return last
        low, high = band(position, self._instrument)
        return scan(bars, first, last, low, high)


def band(position: Position, instrument: Instrument) -> tuple[float, float]:
    """Between these two prices, both left out, an open position neither leaves nor moves its stop."""
    guard = Guard(position, instrument)
    sign, stop = guard.sign, guard.stop
    kind = [guard.target] if guard.target else []
    if guard.trail:
        kind.append(stop + sign * (guard.trail + guard.trail_step))
    if guard.break_even and (not stop or sign * (guard.entry - stop) > 0):
        kind.append(guard.entry + sign * guard.break_even)
    if sign > 0:
        return float(stop), min(kind, default=_FAR)
    return max(kind, default=0.0), float(stop) if stop else _FAR


def scan(bars: BarArrays, first: int, last: int, low: float, high: float) -> int:
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
