"""EMA cross, the desk's first strategy and the shape of all others."""

from __future__ import annotations

from pydantic import Field

from saudagar.indicators import BarFields, crosses_above, crosses_below, ema
from saudagar.strategies.base import Signals, Strategy


class EmaCross(Strategy):
    """Long when the fast EMA crosses above the slow one, short on the way back."""

    fast: int = Field(9, ge=2, le=500, description="bars of the fast average")
    slow: int = Field(21, ge=3, le=1000, description="bars of the slow average")

    def signals(self, bar: BarFields) -> Signals:
        fast, slow = ema(bar.close, self.fast), ema(bar.close, self.slow)
        return Signals(long=crosses_above(fast, slow), short=crosses_below(fast, slow))
