"""The standard task in vectorbt with its Rust engine. Run by `benchmarks.backtest` in an environment of its own.

Timed twice: with its averages and signals, and the simulation with the reading of its records alone.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from peer_vectorbt_task import crossings, ema, print_one, simulated


def main() -> None:
    """Columns of prices in, seconds and results as JSON out."""
    open_, high, low, close, _ = np.load(sys.argv[1])
    rounds, bracket = int(sys.argv[2]), sys.argv[3] == "bracket"
    exits = {"open": open_, "high": high, "low": low, "sl_stop": 0.005, "sl_trail": True, "tp_stop": 0.02}
    seconds, trading = [], []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        up, down = crossings(ema(close, 9), ema(close, 21))
        middle = time.perf_counter()
        told = simulated(close, open_, up, down, **(exits if bracket else {}))
        orders = told.orders.values
        end = time.perf_counter()
        seconds.append(end - begin)
        trading.append(end - middle)
    print_one(seconds, trading, orders, told)


if __name__ == "__main__":
    main()
