"""What a backtest leaves: round trips by column, what they cost, what the account was worth, the orders.

Made by `run`, the same by every driver. All but the round trips is worked out when it is asked for.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from saudagar.backtest.data import Market
from saudagar.backtest.equity import Equity, Held
from saudagar.model import InstrumentId, Paise, PositionId

Ints = NDArray[np.int64]


class BacktestResult(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Round trips by column, in the order of their exits; values in paise, times in UTC ns.

    `position` counts in `positions`, `reason` in `slots.REASONS` (1 is the strategy's own signal).
    """

    positions: tuple[PositionId, ...]
    instruments: tuple[InstrumentId, ...]  # one for each of `positions`
    position: Ints
    sign: Ints  # +1 long, -1 short
    quantity: Ints
    entry_ts: Ints
    entry_value: Ints
    exit_ts: Ints
    exit_value: Ints
    reason: Ints
    through: NDArray[np.bool_]  # the order that closed it opened the next
    costs: Ints
    fills: int
    open_quantity: Ints  # per position, signed units still held
    open_value: Ints  # paid or received for them
    open_ts: Ints
    capital: Paise
    driver: str
    data: str  # hash of the bars
    config: str  # hash of everything else
    version: str
    market: Market
    kinds: dict[str, Paise] = {}  # all charges by kind, where the rule tells them apart
    denials: dict[str, int] = {}  # wishes refused, by rule; the kernel counts those for want of cash alone

    def __len__(self) -> int:
        return len(self.position)

    @property
    def profit(self) -> Ints:
        """Of each round trip after costs, paise."""
        return self.sign * (self.exit_value - self.entry_value) - self.costs

    @property
    def gross(self) -> Paise:
        return int((self.sign * (self.exit_value - self.entry_value)).sum())

    @property
    def net(self) -> Paise:
        return int(self.profit.sum())

    def held(self, position: int) -> Held:
        """What a position held at the close of each bar of its instrument, and its open profit."""
        mine = self.position == position
        units, cost = (self.sign * each for each in (self.quantity, self.entry_value))
        entry, units, cost = self.entry_ts[mine], units[mine], cost[mine]
        if still := int(self.open_quantity[position]):
            sign = 1 if still > 0 else -1
            entry = np.append(entry, self.open_ts[position])
            units, cost = np.append(units, still), np.append(cost, sign * self.open_value[position])
        bars = self.market.bars[self.instruments[position]]
        return Held(bars, entry, self.exit_ts[mine], units, cost)

    def equity(self) -> Equity:
        """What the account was worth at the close of every bar."""
        return Equity(self.capital, [self.held(k) for k in range(len(self.positions))], self.exit_ts, self.profit)

    def orders(self) -> Orders:
        """Every entry and exit in the order of time; an order that closed a round trip and opened the next is one.

        An entry or exit cut into slices, or filled in parts, is told as one order at its first entry's or last exit's
        time.
        """
        parts = [self._orders_of(k) for k in range(len(self.positions))]
        rows = np.concatenate(parts, axis=1) if parts else np.empty((4, 0), np.int64)
        ts, position, units, value = rows[:, np.argsort(rows[0], kind="stable")]
        return Orders(ts=ts, position=position, units=units, value=value)

    def _orders_of(self, k: int) -> Ints:
        """Rows of time, position, signed units and value."""
        mine = np.flatnonzero(self.position == k)
        still = int(self.open_quantity[k])
        entry_ts = np.append(self.entry_ts[mine], self.open_ts[k])
        units = np.append(self.sign[mine] * self.quantity[mine], still)
        value = np.append(self.entry_value[mine], self.open_value[k])
        through = self.through[mine]
        fresh = np.flatnonzero(np.append(True, ~through))  # entries with an order of their own
        fresh = fresh if still else fresh[fresh < len(mine)]
        left = units[1:] * through - units[:-1], self.exit_value[mine] + value[1:] * through
        came = entry_ts[fresh], units[fresh], value[fresh]
        columns = [np.concatenate(pair) for pair in zip(came, (self.exit_ts[mine], *left), strict=True)]
        return np.stack([columns[0], np.full(len(columns[0]), k), columns[1], columns[2]])


class Orders(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Executed orders by column."""

    ts: Ints  # UTC ns
    position: Ints  # counts in `BacktestResult.positions`
    units: Ints  # signed: above 0 bought
    value: Ints  # turnover, paise

    def __len__(self) -> int:
        return len(self.ts)
