"""What the tasks in vectorbt share: averages, signals, and the simulation with its Rust engine.

Imported by the `peer_vectorbt…` programs beside it, in the peer's own environment, where there is nothing of ours. The
averages begin as TA-Lib's do (with a simple mean). A signal of one bar trades at the open of the next.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")


def ema(close: np.ndarray, period: int) -> np.ndarray:
    """Of one column, or of each of several."""
    out = np.full(close.shape, np.nan)
    values = close[period - 1 :].copy()
    values[0] = close[:period].mean(axis=0)
    frame = pd.Series(values) if close.ndim == 1 else pd.DataFrame(values)
    out[period - 1 :] = frame.ewm(span=period, adjust=False).mean()
    return out


def crossings(fast: np.ndarray, slow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where to buy and where to sell: the bar after `fast` has crossed `slow`."""
    gap = fast - slow
    up, down = np.zeros(gap.shape, np.bool_), np.zeros(gap.shape, np.bool_)
    up[2:] = ((gap[1:] > 0) & (gap[:-1] <= 0))[:-1]
    down[2:] = ((gap[1:] < 0) & (gap[:-1] >= 0))[:-1]
    return up, down


def simulated(close: np.ndarray, open_: np.ndarray, up: np.ndarray, down: np.ndarray, **more: Any) -> Any:
    """The portfolio, always in the market with ten units."""
    import vectorbt

    return vectorbt.Portfolio.from_signals(
        close,
        entries=up,
        short_entries=down,
        price=open_,
        size=10,
        size_type="amount",
        fees=0.0003,
        init_cash=1e12,
        upon_opposite_entry="reverse",
        engine="rust",
        **more,
    )


def closed(trades: np.ndarray) -> np.ndarray:
    """Of the records of `trades` those that have ended."""
    return trades[trades["status"] == 1]


def print_one(seconds: list[float], trading: list[float], orders: np.ndarray, portfolio: Any) -> None:
    """One portfolio's times and figures as JSON; the first round only warmed up."""
    net = float(closed(portfolio.trades.values)["pnl"].sum())
    print(json.dumps({"seconds": seconds[1:], "trading": trading[1:], "fills": len(orders), "net": net}))
