"""Pairs: two shares that move together; sell the one that ran ahead, buy the one that stayed behind.

A graph knows one instrument only, so this one uses `on_bar`: the desk calls it for every bar of both instruments of
the plan, and it keeps their spread. Each leg is an order and a position of its own: a leg that risk refuses, or that
its stop ends, leaves the other one alone until the spread closes.
"""

from __future__ import annotations

from collections import deque
from math import log, nan, sqrt

from pydantic import Field, PrivateAttr

from saudagar.model import Bar, Direction, InstrumentId, Nanos, Paise
from saudagar.model.errors import ConfigError
from saudagar.strategies.base import Context, Strategy


class _Spread:
    """The last close of each leg, and the z-scores of log(first / second) at the last two moments both had closed."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._last: dict[InstrumentId, tuple[Nanos, Paise]] = {}
        self._ratios: deque[float] = deque()
        self._before = self._now = nan

    def seen_from(self, bar: Bar) -> tuple[float, float]:
        """Both z-scores, positive where the leg of `bar` is the dear one; NaN while there are too few pairs."""
        if bar.end <= self._last.get(bar.instrument, (0, 0))[0]:
            self.forget()  # time went back: another run begins
        sign = 1 if bar.instrument == min(self._last, default=bar.instrument) else -1
        return sign * self._before, sign * self._now

    def add(self, bar: Bar, lookback: int) -> None:
        """Keep `bar`; if the other leg closed at the same moment, that is a pair."""
        self._last[bar.instrument] = bar.end, bar.close
        if len(self._last) > 2:
            raise ConfigError(f"pairs wants exactly two instruments, got {', '.join(sorted(self._last))}.")
        legs = [self._last[name] for name in sorted(self._last)]
        if len(legs) == 2 and legs[0][0] == legs[1][0]:
            self._ratios.append(log(legs[0][1] / legs[1][1]))
            if len(self._ratios) > lookback:
                self._ratios.popleft()
            if len(self._ratios) == lookback:
                self._before, self._now = self._now, _z(self._ratios)


class Pairs(Strategy):
    """Two legs on the z-score of log(own close / other close): short the dear leg, long the cheap one, out at `leave`.

    Both legs act on the pair of bars *before* the present one: at the close of a bar the other leg's may still be
    open, and so both act at the same moment on the same number. Name exactly two instruments in the plan, and size by
    value. The spread is not part of the desk's warm-up: the first `lookback` bars after a start only fill it.
    """

    lookback: int = Field(60, ge=5, le=1000, description="pairs of bars behind mean and deviation of the spread")
    enter: float = Field(2.0, gt=0.0, le=10.0, description="standard deviations at which to enter")
    leave: float = Field(0.5, ge=0.0, le=10.0, description="standard deviations at which to leave")

    _spread: _Spread = PrivateAttr(default_factory=_Spread)

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        before, now = self._spread.seen_from(bar)
        if before < self.enter <= now:
            ctx.want(Direction.SHORT, f"ahead of its pair by {now:.1f} deviations")
        elif before > -self.enter >= now:
            ctx.want(Direction.LONG, f"behind its pair by {-now:.1f} deviations")
        elif ctx.position and abs(now) <= self.leave:
            ctx.want(Direction.FLAT, "the spread has closed")
        self._spread.add(bar, self.lookback)


def _z(spreads: deque[float]) -> float:
    """How many standard deviations the last one is from the mean of all; 0 where they do not move."""
    mean = sum(spreads) / len(spreads)
    deviation = sqrt(sum((each - mean) ** 2 for each in spreads) / len(spreads))
    return (spreads[-1] - mean) / deviation if deviation > 1e-12 else 0.0
