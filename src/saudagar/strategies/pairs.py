"""Pairs: two shares that move together; sell the one that ran ahead, buy the one that stayed behind.

A graph knows one instrument only, so this one uses `on_bar`: the desk calls it for every bar of both instruments of
the plan, and it keeps their closes. Each leg is an order and a position of its own: a leg that risk refuses, or that
its stop ends, leaves the other one alone until the spread closes.
"""

from __future__ import annotations

from collections import deque
from math import log, sqrt

from pydantic import Field, PrivateAttr

from saudagar.model import Bar, Direction, InstrumentId, Nanos, Paise
from saudagar.model.errors import ConfigError
from saudagar.strategies.base import Context, Strategy


class Pairs(Strategy):
    """Two legs on the z-score of log(own close / other close): short the dear leg, long the cheap one, out at `leave`.

    Both legs act on the pair of bars *before* the present one: at the close of a bar the other leg's may still be
    open, and so both act at the same moment on the same number. Name exactly two instruments in the plan, and size by
    value. The closes are not part of the desk's warm-up: the first `lookback` bars after a start only fill them.
    """

    lookback: int = Field(60, ge=5, le=1000, description="pairs of bars behind mean and deviation of the spread")
    enter: float = Field(2.0, gt=0.0, le=10.0, description="standard deviations at which to enter")
    leave: float = Field(0.5, ge=0.0, le=10.0, description="standard deviations at which to leave")

    _closes: dict[InstrumentId, deque[tuple[Nanos, Paise]]] = PrivateAttr(default_factory=dict)

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        spreads = self._spreads(bar)
        if len(spreads) <= self.lookback:
            return
        before, now = _z(spreads[-self.lookback - 1 : -1]), _z(spreads[-self.lookback :])
        if before < self.enter <= now:
            ctx.want(Direction.SHORT, f"ahead of its pair by {now:.1f} deviations")
        elif before > -self.enter >= now:
            ctx.want(Direction.LONG, f"behind its pair by {-now:.1f} deviations")
        elif ctx.position and abs(now) <= self.leave:
            ctx.want(Direction.FLAT, "the spread has closed")

    def _spreads(self, bar: Bar) -> list[float]:
        """The spread at each moment before `bar` at which both legs had closed a bar; then `bar` is kept."""
        if (known := self._closes.get(bar.instrument)) and bar.end <= known[-1][0]:
            self._closes.clear()  # time went back: another run begins
        own = self._closes.setdefault(bar.instrument, deque(maxlen=2 * self.lookback))
        others = [closes for name, closes in self._closes.items() if name != bar.instrument]
        if len(others) > 1:
            raise ConfigError(f"pairs wants exactly two instruments, got {', '.join(sorted(self._closes))}.")
        other = dict(others[0]) if others else {}
        spreads = [log(close / other[end]) for end, close in own if end in other]
        own.append((bar.end, bar.close))
        return spreads


def _z(spreads: list[float]) -> float:
    """How many standard deviations the last one is from the mean of all; 0 where they do not move."""
    mean = sum(spreads) / len(spreads)
    deviation = sqrt(sum((each - mean) ** 2 for each in spreads) / len(spreads))
    return (spreads[-1] - mean) / deviation if deviation > 1e-12 else 0.0
