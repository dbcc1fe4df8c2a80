"""RSI mean reversion: what has fallen too fast tends back to its middle, and the other way round."""

from __future__ import annotations

from pydantic import Field

from saudagar.indicators import BarFields, crosses_above, crosses_below, rsi
from saudagar.strategies.base import Signals, Strategy


class RsiReversion(Strategy):
    """Long when RSI comes back above `low`, short when it comes back below `high`; out at the middle, 50."""

    length: int = Field(14, ge=2, le=500, description="bars of the RSI")
    low: float = Field(30.0, gt=0.0, lt=50.0, description="below this the fall went too far")
    high: float = Field(70.0, gt=50.0, lt=100.0, description="above this the rise went too far")

    def signals(self, bar: BarFields) -> Signals:
        strength = rsi(bar.close, self.length)
        return Signals(
            long=crosses_above(strength, self.low),
            short=crosses_below(strength, self.high),
            exit_long=crosses_above(strength, 50),
            exit_short=crosses_below(strength, 50),
        )
