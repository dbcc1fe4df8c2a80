"""What a report is made from: plain columns of trades, equity and prices, and the facts of the run.

Any driver can hand these in; nothing here knows how they came about. Money is int paise, time int UTC ns. Bad columns
(different lengths, time running backwards, numbers that are no whole numbers) are refused before anything is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from saudagar.model import Nanos, Paise
from saudagar.model.errors import DataError
from saudagar.research.metrics import Ints


class TradeColumns(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Closed round trips, one row each, in the order of their exits.

    Parameters
    ----------
    names
        Instruments; `instrument` holds indices into it.
    side
        +1 for a long, -1 for a short.
    entry_value, exit_value
        Quantity times price, paise.
    charges
        Of both ends, paise.
    entry_reason, exit_reason
        One each, or none at all.
    """

    names: tuple[str, ...]
    instrument: Ints
    side: Ints
    quantity: Ints  # units
    entry_ts: Ints
    exit_ts: Ints
    entry_value: Ints
    exit_value: Ints
    charges: Ints
    entry_reason: Sequence[str] = ()
    exit_reason: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in _COLUMNS:
            _whole_numbers(name, getattr(self, name), len(self.side))
        for name in ("entry_reason", "exit_reason"):
            if len(getattr(self, name)) not in (0, len(self.side)):
                raise DataError(f"{name} must hold one text per trade or none, got {len(getattr(self, name))}.")
        if not len(self.side):
            return
        if self.instrument.min() < 0 or self.instrument.max() >= len(self.names):
            raise DataError(f"instrument must index the {len(self.names)} names.")
        _rule(np.abs(self.side) == 1, "side must be +1 or -1")
        _rule(self.quantity > 0, "quantity must be above zero")
        _rule((self.entry_value > 0) & (self.exit_value >= 0), "entry_value must be above zero, exit_value not below")
        _rule(self.exit_ts >= self.entry_ts, "exit_ts must not be before entry_ts")
        if (np.diff(self.exit_ts) < 0).any():
            raise DataError("trades must stand in the order of their exits.")

    def __len__(self) -> int:
        return len(self.side)

    @property
    def gross(self) -> Ints:
        """Profit before charges, paise."""
        return self.side * (self.exit_value - self.entry_value)

    @property
    def net(self) -> Ints:
        """Profit after charges, paise."""
        return self.gross - self.charges

    @property
    def turnover(self) -> Ints:
        """Bought plus sold, paise."""
        return self.entry_value + self.exit_value


class PriceColumns(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The bars that an instrument traded on, paise; `ts` is each bar's end."""

    ts: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            _whole_numbers(name, getattr(self, name), len(self.ts))
        _rising("ts of the prices", self.ts)

    def __len__(self) -> int:
        return len(self.ts)


class OpenPosition(msgspec.Struct, frozen=True, kw_only=True):
    """What the end of the run found open."""

    instrument: str
    quantity: int  # signed units
    entry_ts: Nanos
    entry_value: Paise  # of what is still held


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is printed on a report so that anybody can make the run again."""

    title: str
    command: str
    version: str
    data_hash: str
    seed: int | None = None  # None where chance plays no part
    config: str = ""  # digest
    driver: str = ""
    interval: str = ""
    bars: int = 0
    seconds: float | None = None  # wall time of the run
    parameters: dict[str, str] = {}
    assumptions: dict[str, str] = {}  # fills, slippage, charges, the walk inside a bar
    warnings: tuple[str, ...] = ()
    refused_for_cash: int = 0  # entries


class RunRecord(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A finished run, whoever ran it.

    Parameters
    ----------
    capital
        At the start, paise.
    equity_ts, equity
        What the account was worth, after charges and open positions at the market, paise: at each bar's or each
        day's end.
    charges
        The total of all charges by kind, paise; empty where only the total is known.
    prices
        Per instrument; those missing get no chart.
    open
        Still held at the end.
    """

    facts: Facts
    capital: Paise
    trades: TradeColumns
    equity_ts: Ints
    equity: Ints
    charges: Mapping[str, Paise] = {}
    prices: Mapping[str, PriceColumns] = {}
    open: tuple[OpenPosition, ...] = ()

    def __post_init__(self) -> None:
        if self.capital <= 0:
            raise DataError(f"capital must be above zero, got {self.capital} paise.")
        for name in ("equity_ts", "equity"):
            _whole_numbers(name, getattr(self, name), len(self.equity_ts))
        if not len(self.equity_ts):
            raise DataError("equity must hold at least one point: a run without bars has nothing to report.")
        _rising("equity_ts", self.equity_ts)


_COLUMNS = ("instrument", "side", "quantity", "entry_ts", "exit_ts", "entry_value", "exit_value", "charges")


def _whole_numbers(name: str, column: Any, length: int) -> None:
    if not isinstance(column, np.ndarray) or column.dtype != np.int64 or column.shape != (length,):
        shape = f"{column.dtype}{list(column.shape)}" if isinstance(column, np.ndarray) else type(column).__name__
        raise DataError(f"{name} must be an int64 array of {length} values, got {shape}.")


def _rule(kept: NDArray[np.bool_], sentence: str) -> None:
    if not kept.all():
        raise DataError(f"{sentence}; trade {int(np.argmin(kept))} breaks it.")


def _rising(name: str, ts: Ints) -> None:
    if (np.diff(ts) <= 0).any():
        raise DataError(f"{name} must rise from point to point.")
