"""The built-in strategies once more, in the words of backtesting.py and with averages of their own (pandas).

Nothing here comes from saudagar: it is the second opinion of `tests/unit/test_research_oracle.py`. Imported only there,
since the package is a heavy one.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

QUANTITY = 10


def ema(values: pd.Series, n: int) -> pd.Series:
    """Begun with a simple mean of the first `n`, as TA-Lib does."""
    return _recursive(values, n, 2 / (n + 1))


def wilder(values: pd.Series, n: int) -> pd.Series:
    """Wilder's own average, begun likewise."""
    return _recursive(values, n, 1 / n)


def _recursive(values: pd.Series, n: int, alpha: float) -> pd.Series:
    first = int(values.first_valid_index() or 0)
    begun = values.copy()
    begun.iloc[: first + n - 1] = np.nan
    begun.iloc[first + n - 1] = values.iloc[first : first + n].mean()
    return begun.ewm(alpha=alpha, adjust=False).mean()


def rsi(close: pd.Series, n: int) -> pd.Series:
    change = close.diff()
    gain, loss = wilder(change.clip(lower=0), n), wilder(-change.clip(upper=0), n)
    return 100 * gain / (gain + loss)


def supertrend(high: pd.Series, low: pd.Series, close: pd.Series, n: int, factor: float) -> pd.Series:
    """+1 above the stop line, -1 below it."""
    before = close.shift()
    width = factor * wilder(np.maximum(high, before) - np.minimum(low, before), n)
    middle = (high + low) / 2
    columns = (close, before, middle + width, middle - width)
    direction = []
    upper = lower = trend = np.nan
    for now, last, over, under in zip(*(column.tolist() for column in columns), strict=True):
        if np.isnan(upper):
            upper, lower, trend = over, under, np.nan if np.isnan(over) else 1.0
        else:
            upper = over if over < upper or last > upper else upper
            lower = under if under > lower or last < lower else lower
            trend = -1.0 if trend > 0 and now < lower else 1.0 if trend < 0 and now > upper else trend
        direction.append(trend)
    return pd.Series(direction, close.index)


def above(a: pd.Series, b: pd.Series | float) -> pd.Series:
    """Where `a` comes to be above `b`."""
    b = b if isinstance(b, pd.Series) else pd.Series(b, a.index, dtype=float)
    return (a > b) & (a.shift() <= b.shift())


def below(a: pd.Series, b: pd.Series | float) -> pd.Series:
    b = b if isinstance(b, pd.Series) else pd.Series(b, a.index, dtype=float)
    return above(b, a)


Signals = dict[str, pd.Series]


def ema_cross(bars: pd.DataFrame) -> Signals:
    fast, slow = ema(bars.Close, 9), ema(bars.Close, 21)
    return {"long": above(fast, slow), "short": below(fast, slow)}


def rsi_reversion(bars: pd.DataFrame) -> Signals:
    strength = rsi(bars.Close, 14)
    return {
        "long": above(strength, 30),
        "short": below(strength, 70),
        "exit_long": above(strength, 50),
        "exit_short": below(strength, 50),
    }


def percent_reverse(bars: pd.DataFrame) -> Signals:
    low, high = bars.Close.rolling(60).min(), bars.Close.rolling(60).max()
    return {"long": above(bars.Close, low * 1.005), "short": below(bars.Close, high * 0.995)}


def volume_breakout(bars: pd.DataFrame) -> Signals:
    crowded = bars.Volume > 2 * bars.Volume.rolling(20).mean().shift()
    over, under = bars.High.rolling(20).max().shift(), bars.Low.rolling(20).min().shift()
    return {"long": (bars.Close > over) & crowded, "short": (bars.Close < under) & crowded}


def bollinger_squeeze(bars: pd.DataFrame) -> Signals:
    middle, deviation = bars.Close.rolling(20).mean(), bars.Close.rolling(20).std(ddof=0)
    upper, lower = middle + 2 * deviation, middle - 2 * deviation
    spread = (upper - lower) / middle
    squeezed = (spread <= spread.rolling(120).min() * 1.25).shift(fill_value=False)
    return {
        "long": squeezed & above(bars.Close, upper),
        "short": squeezed & below(bars.Close, lower),
        "exit_long": below(bars.Close, middle),
        "exit_short": above(bars.Close, middle),
    }


def super_trend(bars: pd.DataFrame) -> Signals:
    direction = supertrend(bars.High, bars.Low, bars.Close, 10, 3.0)
    return {"long": above(direction, 0), "short": below(direction, 0)}


PEERS = {
    "ema_cross": ema_cross,
    "rsi_reversion": rsi_reversion,
    "percent_reverse": percent_reverse,
    "volume_breakout": volume_breakout,
    "bollinger_squeeze": bollinger_squeeze,
    "supertrend": super_trend,
}


class _Follow(Strategy):  # type: ignore[misc]  # the package has no types
    """Acts on columns of signals: an exit first, then a side that is not held already."""

    signals: ClassVar[Signals] = {}

    def init(self) -> None:
        off = np.zeros(len(self.data), np.bool_)
        for name in ("long", "short", "exit_long", "exit_short"):
            column = self.signals[name].to_numpy() if name in self.signals else off
            setattr(self, name, self.I(lambda column=column: column, name=name, plot=False))

    def next(self) -> None:
        held = self.position.size
        if (held > 0 and self.exit_long[-1]) or (held < 0 and self.exit_short[-1]):
            self.position.close()
        elif self.long[-1] and not self.short[-1] and held <= 0:
            self.buy(size=QUANTITY)
        elif self.short[-1] and not self.long[-1] and held >= 0:
            self.sell(size=QUANTITY)


def trades(name: str, bars: pd.DataFrame) -> list[tuple[int, int, int, int, int]]:
    """Closed round trips as (signed quantity, entry bar, entry price, exit bar, exit price); prices in paise."""
    plain = bars.reset_index(drop=True)
    kind: Any = type(name, (_Follow,), {"signals": PEERS[name](plain)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas deprecates what the package uses; trades that stay open are meant
        test = Backtest(bars, kind, cash=1e9, exclusive_orders=True, finalize_trades=False)
        told = test.run()._trades
    rows = zip(told.Size, told.EntryBar, told.EntryPrice, told.ExitBar, told.ExitPrice, strict=True)
    return [(size, first, round(entry * 100), last, round(leave * 100)) for size, first, entry, last, leave in rows]
