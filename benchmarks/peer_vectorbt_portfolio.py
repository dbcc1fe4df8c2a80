"""The portfolio task in vectorbt with its Rust engine, one account for all columns. Run by `benchmarks.portfolio`.

Its averages begin as TA-Lib's do (with a simple mean). Timed twice: with them and its signals, and the simulation with
the reading of its records alone.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")


def ema(close: np.ndarray, period: int) -> np.ndarray:
    """Of every column."""
    out = np.full(close.shape, np.nan)
    values = close[period - 1 :].copy()
    values[0] = close[:period].mean(axis=0)
    out[period - 1 :] = pd.DataFrame(values).ewm(span=period, adjust=False).mean()
    return out


def main() -> None:
    """Columns of prices in, seconds and results as JSON out."""
    import vectorbt as vbt

    bars = np.load(sys.argv[1])
    open_, close = (np.ascontiguousarray(bars[:, place].T) for place in (0, 3))
    seconds, trading = [], []
    for _ in range(int(sys.argv[2]) + 1):
        begin = time.perf_counter()
        gap = ema(close, 9) - ema(close, 21)
        up, down = np.zeros(close.shape, np.bool_), np.zeros(close.shape, np.bool_)
        up[2:] = ((gap[1:] > 0) & (gap[:-1] <= 0))[:-1]
        down[2:] = ((gap[1:] < 0) & (gap[:-1] >= 0))[:-1]
        middle = time.perf_counter()
        told = vbt.Portfolio.from_signals(
            close,
            entries=up,
            short_entries=down,
            price=open_,
            size=10,
            size_type="amount",
            fees=0.0003,
            init_cash=1e12,
            upon_opposite_entry="reverse",
            group_by=True,
            cash_sharing=True,
            engine="rust",
        )
        orders = told.orders.values
        end = time.perf_counter()
        seconds.append(end - begin)
        trading.append(end - middle)
    trades = told.trades.values
    net = float(trades["pnl"][trades["status"] == 1].sum())
    print(json.dumps({"seconds": seconds[1:], "trading": trading[1:], "fills": len(orders), "net": net}))


if __name__ == "__main__":
    main()
