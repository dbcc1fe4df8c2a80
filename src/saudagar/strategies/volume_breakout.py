"""Volume breakout: a new high or low that the crowd takes part in."""

from __future__ import annotations

from pydantic import Field

from saudagar.indicators import BarFields, lag, rolling_max, rolling_min, sma
from saudagar.strategies.base import Signals, Strategy


class VolumeBreakout(Strategy):
    """Long above the highest high of the last bars on a burst of volume; short below the lowest low likewise."""

    lookback: int = Field(20, ge=2, le=500, description="bars that make the range and the usual volume")
    burst: float = Field(2.0, gt=1.0, le=50.0, description="times the usual volume")

    def signals(self, bar: BarFields) -> Signals:
        crowded = bar.volume > lag(sma(bar.volume, self.lookback), 1) * self.burst
        above = bar.close > lag(rolling_max(bar.high, self.lookback), 1)
        below = bar.close < lag(rolling_min(bar.low, self.lookback), 1)
        return Signals(long=above & crowded, short=below & crowded)
