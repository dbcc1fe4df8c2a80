"""SuperTrend: follow a stop line that only moves with the trend, and turn when the price breaks it."""

from __future__ import annotations

from pydantic import Field

from saudagar.indicators import BarFields, crosses_above, crosses_below, supertrend
from saudagar.strategies.base import Signals, Strategy


class SuperTrend(Strategy):
    """Long when the SuperTrend turns up, short when it turns down."""

    length: int = Field(10, ge=2, le=500, description="bars of the ATR behind the line")
    multiplier: float = Field(3.0, gt=0.0, le=20.0, description="ATRs between the price's middle and the line")

    def signals(self, bar: BarFields) -> Signals:
        trend = supertrend(bar, self.length, self.multiplier).direction
        return Signals(long=crosses_above(trend, 0), short=crosses_below(trend, 0))
