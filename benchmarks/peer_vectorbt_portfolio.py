"""The portfolio task in vectorbt with its Rust engine, one account for all columns. Run by `benchmarks.portfolio`.

Timed twice: with its averages and signals, and the simulation with the reading of its records alone.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from peer_vectorbt_task import crossings, ema, print_one, simulated


def main() -> None:
    """Columns of prices in, seconds and results as JSON out."""
    bars = np.load(sys.argv[1])
    open_, close = (np.ascontiguousarray(bars[:, place].T) for place in (0, 3))
    seconds, trading = [], []
    for _ in range(int(sys.argv[2]) + 1):
        begin = time.perf_counter()
        up, down = crossings(ema(close, 9), ema(close, 21))
        middle = time.perf_counter()
        told = simulated(close, open_, up, down, group_by=True, cash_sharing=True)
        orders = told.orders.values
        end = time.perf_counter()
        seconds.append(end - begin)
        trading.append(end - middle)
    print_one(seconds, trading, orders, told)


if __name__ == "__main__":
    main()
