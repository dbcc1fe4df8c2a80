"""The standard task in vectorbt with its Rust engine. Run by `benchmarks.backtest` in an environment of its own.

Its averages begin as TA-Lib's do (with a simple mean). Timed twice: with them and its signals, and the simulation with
the reading of its records alone. A signal of one bar trades at the open of the next.
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
    values = close.copy()
    out = np.full(len(values), np.nan)
    values[period - 1] = values[:period].mean()
    out[period - 1 :] = pd.Series(values[period - 1 :]).ewm(span=period, adjust=False).mean()
    return out


def main() -> None:
    import vectorbt as vbt

    open_, high, low, close, _ = np.load(sys.argv[1])
    rounds, bracket = int(sys.argv[2]), sys.argv[3] == "bracket"
    exits = {"open": open_, "high": high, "low": low, "sl_stop": 0.005, "sl_trail": True, "tp_stop": 0.02}
    seconds, trading = [], []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        gap = ema(close, 9) - ema(close, 21)
        up, down = np.zeros(len(close), np.bool_), np.zeros(len(close), np.bool_)
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
            engine="rust",
            **(exits if bracket else {}),
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
