"""Percentage reverse: turn once the price has come back by a percentage from its last extreme."""

from __future__ import annotations

from pydantic import Field

from saudagar.indicators import BarFields, crosses_above, crosses_below, rolling_max, rolling_min
from saudagar.strategies.base import Signals, Strategy


class PercentReverse(Strategy):
    """Long when the close is `percent` above the lowest close of the last bars, short when as far below the highest.

    Between two turns the position stays: this is always in the market once it has entered.
    """

    percent: float = Field(0.5, gt=0.0, le=50.0, description="per cent from the extreme that make a turn")
    lookback: int = Field(60, ge=2, le=2000, description="bars among which the extreme is sought")

    def signals(self, bar: BarFields) -> Signals:
        up, down = 1 + self.percent / 100, 1 - self.percent / 100
        return Signals(
            long=crosses_above(bar.close, rolling_min(bar.close, self.lookback) * up),
            short=crosses_below(bar.close, rolling_max(bar.close, self.lookback) * down),
        )
