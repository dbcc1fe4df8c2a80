"""The sweep task in vectorbt with its Rust engine, one column per portfolio: its fastest form on this task.

Run by `benchmarks.sweep` in an environment of its own. Each average is computed once and kept; both the whole of the
work and the simulation alone are timed.
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
    """As TA-Lib begins it: with a simple mean."""
    out = np.full(len(close), np.nan)
    values = close[period - 1 :].copy()
    values[0] = close[:period].mean()
    out[period - 1 :] = pd.Series(values).ewm(span=period, adjust=False).mean()
    return out


def main() -> None:
    """Columns of prices and the pairs as JSON in, seconds and results as JSON out."""
    import vectorbt as vbt

    open_, _, _, close, _ = np.load(sys.argv[1])
    pairs = json.loads(sys.argv[2])

    def work() -> tuple[float, float, list[float], list[int]]:
        begin, simulating = time.perf_counter(), 0.0
        known: dict[int, np.ndarray] = {}
        nets, trades = [], []
        for fast, slow in pairs:
            for period in (fast, slow):
                if period not in known:
                    known[period] = ema(close, period)
            gap = known[fast] - known[slow]
            up, down = np.zeros(len(close), np.bool_), np.zeros(len(close), np.bool_)
            up[2:] = ((gap[1:] > 0) & (gap[:-1] <= 0))[:-1]
            down[2:] = ((gap[1:] < 0) & (gap[:-1] >= 0))[:-1]
            start = time.perf_counter()
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
            )
            records = told.trades.values
            simulating += time.perf_counter() - start
            closed = records[records["status"] == 1]
            nets.append(float(closed["pnl"].sum()))
            trades.append(len(closed))
        return time.perf_counter() - begin, simulating, nets, trades

    work()
    rounds = [work() for _ in range(int(sys.argv[3]))]
    whole, alone = [each[0] for each in rounds], [each[1] for each in rounds]
    print(json.dumps({"seconds": whole, "alone": alone, "nets": rounds[0][2], "trades": rounds[0][3]}))


if __name__ == "__main__":
    main()
