"""Bollinger squeeze: bands that have not been so narrow for long, then a close outside of them."""

from __future__ import annotations

from pydantic import Field

from saudagar.indicators import BarFields, bbands, crosses_above, crosses_below, lag, rolling_min
from saudagar.strategies.base import Signals, Strategy


class BollingerSqueeze(Strategy):
    """Long when the close breaks the upper band out of a squeeze, short below the lower one; out at the middle.

    A squeeze is a band width, a bar ago, within `slack` times the narrowest of the last `lookback` bars.
    """

    length: int = Field(20, ge=2, le=500, description="bars of the bands")
    width: float = Field(2.0, gt=0.0, le=10.0, description="standard deviations to each band")
    lookback: int = Field(120, ge=2, le=2000, description="bars among which the width must be about the narrowest")
    slack: float = Field(1.25, ge=1.0, le=5.0, description="times the narrowest width that still count as narrow")

    def signals(self, bar: BarFields) -> Signals:
        bands = bbands(bar.close, self.length, self.width, self.width)
        spread = (bands.upper - bands.lower) / bands.middle
        squeezed = lag(spread <= rolling_min(spread, self.lookback) * self.slack)
        return Signals(
            long=squeezed & crosses_above(bar.close, bands.upper),
            short=squeezed & crosses_below(bar.close, bands.lower),
            exit_long=crosses_below(bar.close, bands.middle),
            exit_short=crosses_above(bar.close, bands.middle),
        )
