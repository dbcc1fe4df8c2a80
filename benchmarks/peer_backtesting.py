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


class Bracket(Reverse):
    """Stop 1 %, target 2 %, trail 0.5 %: its stops are prices known at the signal, and trail the closes."""

    def next(self) -> None:
        close = self.data.Close[-1]
        for trade in self.trades:
            if trade.is_long:
                trade.sl = max(trade.sl, close * 0.995)
            else:
                trade.sl = min(trade.sl, close * 1.005)
        super().next()

    def buy(self, size: int) -> None:
        close = self.data.Close[-1]
        super().buy(size=size, sl=close * 0.99, tp=close * 1.02)

    def sell(self, size: int) -> None:
        close = self.data.Close[-1]
        super().sell(size=size, sl=close * 1.01, tp=close * 0.98)


CASES = {"plain": Reverse, "bracket": Bracket}


def main() -> None:
    """Columns of prices in, seconds and results as JSON out."""
    columns = np.load(sys.argv[1])
    frame = pd.DataFrame(dict(zip(("Open", "High", "Low", "Close", "Volume"), columns, strict=True)))
    seconds = []
    for _ in range(int(sys.argv[2])):
        test = Backtest(
            frame, CASES[sys.argv[3]], cash=1e9, commission=0.0003, exclusive_orders=True, finalize_trades=False
        )
        begin = time.perf_counter()
        told = test.run()
        seconds.append(time.perf_counter() - begin)
    trades = told["_trades"]
    print(json.dumps({"seconds": seconds, "trades": len(trades), "net": float(trades["PnL"].sum())}))


if __name__ == "__main__":
    main()
