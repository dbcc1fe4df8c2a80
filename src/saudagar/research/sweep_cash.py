"""Whether cash could have run short in a set that the lanes have run: they do not count it.

What a lane leaves is the account at each day's end. From there it cannot have lost more by any moment of the next day
than its units, held the wrong way along every step of the price, and the charges of a round trip at every bar. Where
even that would have left enough, no entry would have been refused and the outcome stands; else the set is run again
with the rule. Called by `sweep_lanes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from saudagar.backtest.means import means, worth_when_asked
from saudagar.backtest.run import Backtest
from saudagar.indicators import BarArrays
from saudagar.model import InstrumentId, Paise
from saudagar.research.sweep_study import Ints


def ample_cash(backtest: Backtest, units: Mapping[InstrumentId, int], ppm: int) -> Callable[[Ints], bool]:
    """The test of one set's net profit by day, where entries are of `units` and cost `ppm` of their turnover."""
    if not backtest.settings.limits.leverage_percent:
        return lambda daily: True
    bars = backtest.market.bars
    dearest = {name: int(bars[name].open.max()) for name in units}
    most = sum(worth_when_asked(backtest, name, units[name] * dearest[name], units[name]) for name in units)
    loss = sum(units[name] * _wrong_way(bars[name]) for name in units)
    fees = sum((ppm * 2 * units[name] * dearest[name] // 1_000_000 + 1) * _busiest(bars[name]) for name in units)

    def ample(daily: Ints) -> bool:
        least = min(0, int(np.cumsum(daily).min())) - loss - fees
        return most <= means(backtest, least)

    return ample


def _wrong_way(bars: BarArrays) -> Paise:
    """What one unit can lose between a day's end and a trade of the next day, what it holds since long ago included."""
    before = np.append(bars.open[0], bars.open[:-1])
    mornings = _mornings(bars)
    before[mornings[1:]] = bars.close[mornings[1:] - 1]
    way = np.add.reduceat(np.abs(bars.open - before), mornings).max()
    return int(way) + int(bars.open.max() - bars.open.min())


def _busiest(bars: BarArrays) -> int:
    """The most bars of a day."""
    return int(np.diff(np.append(_mornings(bars), len(bars))).max())


def _mornings(bars: BarArrays) -> Ints:
    return np.append(0, np.flatnonzero(np.diff(bars.day)) + 1)
