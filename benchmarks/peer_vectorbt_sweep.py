"""The sweep task in vectorbt with its Rust engine, one column per portfolio: its fastest form on this task.

Run by `benchmarks.sweep` in an environment of its own. Each average is computed once and kept; both the whole of the
work and the simulation alone are timed.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from peer_vectorbt_task import closed, crossings, ema, simulated


def main() -> None:
    """Columns of prices and the pairs as JSON in, seconds and results as JSON out."""
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
            up, down = crossings(known[fast], known[slow])
            start = time.perf_counter()
            told = simulated(close, open_, up, down)
            records = told.trades.values
            simulating += time.perf_counter() - start
            ended = closed(records)
            nets.append(float(ended["pnl"].sum()))
            trades.append(len(ended))
        return time.perf_counter() - begin, simulating, nets, trades

    work()
    rounds = [work() for _ in range(int(sys.argv[3]))]
    whole, alone = [each[0] for each in rounds], [each[1] for each in rounds]
    print(json.dumps({"seconds": whole, "alone": alone, "nets": rounds[0][2], "trades": rounds[0][3]}))


if __name__ == "__main__":
    main()
