"""Opening-range breakout: the first minutes draw the lines, the rest of the day crosses them."""

from __future__ import annotations

from pydantic import Field

from saudagar.indicators import BarFields, crosses_above, crosses_below, opening_range_high, opening_range_low
from saudagar.strategies.base import Signals, Strategy


class OpeningRange(Strategy):
    """Long when the close crosses above the high of the first `minutes`, short when it crosses below their low."""

    minutes: int = Field(15, ge=1, le=180, description="minutes from the session's start that make the range")

    def signals(self, bar: BarFields) -> Signals:
        high, low = opening_range_high(bar, self.minutes), opening_range_low(bar, self.minutes)
        return Signals(long=crosses_above(bar.close, high), short=crosses_below(bar.close, low))
