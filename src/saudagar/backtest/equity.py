"""What the account of a backtest was worth at every bar's close, and what it held.

Read from round trips and bars, so it is the same by every driver and costs nothing until it is asked for. Charges are
booked with the exit; a round trip counts as entered and left at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from saudagar.indicators import BarArrays
from saudagar.model import Paise

Ints = NDArray[np.int64]


class Held:
    """One position through its bars.

    Attributes
    ----------
    ts
        Each bar's end, UTC ns.
    units
        Signed units held then.
    worth
        Open profit at the close, paise, before charges.
    """

    def __init__(self, bars: BarArrays, entry_ts: Ints, exit_ts: Ints, units: Ints, cost: Ints) -> None:
        """`exit_ts` may be shorter than the other columns: the rest is still held. `cost` is signed, paise."""
        self.ts: Ints = bars.end
        left = len(exit_ts)
        came, went = self._bar(entry_ts), self._bar(exit_ts)
        self.units = _running(came, units, went, units[:left], len(bars))
        self.worth = self.units * bars.close.astype(np.int64) - _running(came, cost, went, cost[:left], len(bars))

    def _bar(self, moments: Ints) -> Ints:
        """The bar that each moment lies in, or the next: what trades at a bar's end is of the bar that begins there."""
        return np.searchsorted(self.ts, moments, side="right")


class Equity:
    """The account at every moment at which some bar ends.

    Attributes
    ----------
    ts
        UTC ns, rising.
    value
        Capital, plus what closed round trips have left after charges, plus open profit; paise.
    """

    def __init__(self, capital: Paise, held: Sequence[Held], exit_ts: Ints, profit: Ints) -> None:
        self.capital = capital
        self.ts: Ints = held[0].ts if len(held) == 1 else _all([each.ts for each in held])
        order = np.argsort(exit_ts, kind="stable")
        closed = np.concatenate((np.zeros(1, np.int64), np.cumsum(profit[order])))
        self.value: Ints = capital + closed[np.searchsorted(exit_ts[order], self.ts, side="left")]
        for each in held:
            if each.ts is self.ts:
                self.value += each.worth
            else:
                last = np.searchsorted(each.ts, self.ts, side="right")
                self.value += np.append(each.worth, 0)[last - 1]  # before the first bar there is none

    def __len__(self) -> int:
        return len(self.ts)

    @cached_property
    def drawdown(self) -> Ints:
        """How far below the highest value so far, paise; the start counts."""
        highest = np.maximum.accumulate(np.append(self.capital, self.value))[1:]
        return highest - self.value


def _all(moments: Sequence[Ints]) -> Ints:
    return np.unique(np.concatenate(moments)) if moments else np.empty(0, np.int64)


def _running(came: Ints, plus: Ints, went: Ints, minus: Ints, count: int) -> Ints:
    """The sum so far, at each of `count` bars."""
    change = np.zeros(count + 1, np.int64)
    np.add.at(change, np.minimum(came, count), plus)
    np.subtract.at(change, np.minimum(went, count), minus)
    return np.cumsum(change[:count])
