"""Whether the cash could have run short: read off the round trips of a run that did not ask.

A run in which no entry would have been refused is the same with the rule as without it. So what is compiled for speed
runs without, and only where this proof fails it runs again with the rule. Called by `run` and, for lanes, by sweeps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saudagar.backtest import slots
from saudagar.backtest.charged import charged
from saudagar.backtest.costs import FlatCosts
from saudagar.backtest.outcome import BacktestResult
from saudagar.backtest.run import Backtest
from saudagar.model import InstrumentId, OrderType, Paise

Ints = NDArray[np.int64]

_PPM = 1_000_000


def never_short(backtest: Backtest, result: BacktestResult) -> bool:
    """Whether the rule would have refused no entry of `result`, which was run without it.

    On the safe side: every position at its dearest, all of them at once, against the money at its least. Holds where
    whatever was let through was filled.
    """
    most = means(backtest, _least(backtest, result))
    return _crudely(backtest, result) <= most or _most(backtest, result) <= most


def means(backtest: Backtest, earned: Paise) -> Paise:
    """What positions may be worth when so much has been earned; see `risk.rules`."""
    limits = backtest.settings.limits
    return (limits.capital + earned) * limits.leverage_percent // 100


def worth_when_asked(backtest: Backtest, name: InstrumentId, value: Paise, units: int) -> Paise:
    """What an entry of `units` that was filled for `value` was worth at most before: at its limit, without slippage."""
    tactics, slippage = backtest.settings.tactics, backtest.slippage
    ppm = 2 * slippage.ppm + (tactics.protection_ppm if tactics.entry_type is OrderType.LIMIT else 0)
    ticks = slippage.ticks + 1 if ppm or slippage.ticks else 0
    tick = backtest.market.instruments.get(name).tick_size
    return -(-(value + units * ticks * tick) * (_PPM + ppm) // _PPM)


def _crudely(backtest: Backtest, result: BacktestResult) -> Paise:
    """As `_most`, as if every position were once as large as the largest: told in a fraction of the time."""
    value = max(int(each.max(initial=0)) for each in (result.entry_value, np.abs(result.open_value)))
    units = max(int(each.max(initial=0)) for each in (result.quantity, np.abs(result.open_quantity)))
    return sum(worth_when_asked(backtest, name, value, units) for name in result.instruments)


def _most(backtest: Backtest, result: BacktestResult) -> Paise:
    """What all positions were worth at most, each at its largest."""
    value, units = np.abs(result.open_value), np.abs(result.open_quantity)
    np.maximum.at(value, result.position, result.entry_value)
    np.maximum.at(units, result.position, result.quantity)
    largest = zip(result.instruments, value.tolist(), units.tolist(), strict=True)
    return sum(worth_when_asked(backtest, *each) for each in largest)


def _least(backtest: Backtest, result: BacktestResult) -> Paise:
    """What had been earned at the worst moment; what ends at one moment may have ended in any order."""
    if not len(result):
        return 0
    profit = result.exit_value - result.entry_value  # in place from here on: fresh memory costs more than the sums
    profit *= result.sign
    profit -= _costs(backtest, result)
    if len(result.instruments) == 1:
        return min(0, int(np.cumsum(profit, out=profit).min()))
    moments = np.append(0, np.flatnonzero(np.diff(result.exit_ts)) + 1)
    gain, loss = np.add.reduceat(profit, moments), np.add.reduceat(np.minimum(profit, 0), moments)
    return min(0, int((np.cumsum(gain) - gain + loss).min()))


def _costs(backtest: Backtest, result: BacktestResult) -> Ints:
    """As the desk counts them while it trades: an order that closes one trip and opens the next is charged to both."""
    if isinstance(backtest.costs, FlatCosts) or not result.through.any():
        return result.costs
    trades = np.zeros((len(result), slots.OUT), np.int64)
    trades[:, slots.OUT_ROW], trades[:, slots.OUT_SIGN] = result.position, result.sign
    trades[:, slots.OUT_QUANTITY], trades[:, slots.OUT_EXIT_TS] = result.quantity, result.exit_ts
    trades[:, slots.OUT_ENTRY_VALUE], trades[:, slots.OUT_EXIT_VALUE] = result.entry_value, result.exit_value
    instruments = [backtest.market.instruments.get(name) for name in result.instruments]
    states = np.zeros((len(instruments), slots.STATE), np.int64)
    return charged(backtest.costs, instruments, trades, states).costs
