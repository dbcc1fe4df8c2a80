"""What a replay leaves behind."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from saudagar.model import Paise
from saudagar.portfolio import Position, Trade

Costs = Callable[[Trade], Paise]
"""The charges of one round trip, paise."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Trades and counts of a replay.

    A reversal is two orders here, as at a broker whose stop rests: one that closes, one that opens.
    """

    trades: tuple[Trade, ...]  # in the order of their exits
    open: tuple[Position, ...]  # still held at the end
    costs: tuple[Paise, ...]  # of each trade
    orders: int  # sent
    fills: int  # executions
    denials: dict[str, int]  # by rule of risk
    visited: int  # bars or steps at which the engine was called

    @property
    def gross(self) -> Paise:
        """Profit of the closed trades before costs."""
        return sum(trade.gross for trade in self.trades)

    @property
    def net(self) -> Paise:
        return self.gross - sum(self.costs)


def flat_costs(ppm: int) -> Costs:
    """Costs as a fraction of turnover, `ppm` per million on each side, rounded to whole paise per round trip."""

    def costs(trade: Trade) -> Paise:
        return (ppm * (trade.entry_value + trade.exit_value) + 500_000) // 1_000_000

    return costs
