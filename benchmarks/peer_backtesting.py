"""The standard task in backtesting.py. Run by `benchmarks.research` in the peer's own environment, on saved bars.

Its averages are begun as TA-Lib begins them (with a simple mean), so that both see the same signals.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

warnings.filterwarnings("ignore")


def ema(close: np.ndarray, period: int) -> np.ndarray:
    values = np.array(close, dtype=float)
    out = np.full(len(values), np.nan)
    values[period - 1] = values[:period].mean()
    out[period - 1 :] = pd.Series(values[period - 1 :]).ewm(span=period, adjust=False).mean()
    return out


class Reverse(Strategy):
    def init(self) -> None:
        self.fast = self.I(ema, self.data.Close, 9)
        self.slow = self.I(ema, self.data.Close, 21)

    def next(self) -> None:
        now = self.fast[-1] - self.slow[-1]
        before = self.fast[-2] - self.slow[-2]
        if now > 0 >= before:
            self.buy(size=10)
        elif now < 0 <= before:
            self.sell(size=10)


def main() -> None:
    columns = np.load(sys.argv[1])
    frame = pd.DataFrame(dict(zip(("Open", "High", "Low", "Close", "Volume"), columns, strict=True)))
    seconds = []
    for _ in range(int(sys.argv[2])):
        test = Backtest(frame, Reverse, cash=1e9, commission=0.0003, exclusive_orders=True, finalize_trades=False)
        begin = time.perf_counter()
        told = test.run()
        seconds.append(time.perf_counter() - begin)
    trades = told["_trades"]
    print(json.dumps({"seconds": seconds, "trades": len(trades), "net": float(trades["PnL"].sum())}))


if __name__ == "__main__":
    main()
