"""The indicators a strategy may use. Each returns expressions; nothing is computed here.

Lengths count bars of the expression's own interval; bars that never existed (nothing traded) do not count. Numbers
are TA-Lib's: an EMA starts from the simple average of its first `n` values, RSI, ATR and ADX smooth as Wilder did,
standard deviations are of the population.
"""

from __future__ import annotations

from typing import NamedTuple

from saudagar.indicators.expr import BarFields, Expr, Operand, align, arithmetic, node, numeric, operand, truth
from saudagar.indicators.kernels import Choose, Lag, OpeningRange, Pick, PreviousDay, SessionVwap
from saudagar.indicators.talib_kernel import TaLib
from saudagar.model.errors import ConfigError

_LONGEST = 100_000  # bars; TA-Lib's own bound


class Macd(NamedTuple):
    """Moving average convergence/divergence."""

    line: Expr
    signal: Expr
    histogram: Expr


class Bands(NamedTuple):
    """Bollinger bands."""

    upper: Expr
    middle: Expr
    lower: Expr


class SuperTrend(NamedTuple):
    """`direction` is 1 in an up-trend (the line is below the price) and -1 in a down-trend."""

    line: Expr
    direction: Expr


class Stochastic(NamedTuple):
    """Slow stochastic, 0 to 100."""

    k: Expr
    d: Expr


def ema(x: Operand, n: int) -> Expr:
    """Exponential moving average, seeded with the simple average of the first `n` values."""
    return _talib("EMA", x, timeperiod=_bars("n", n, 1))


def sma(x: Operand, n: int) -> Expr:
    """Simple moving average."""
    return _talib("SMA", x, timeperiod=_bars("n", n, 1))


def wma(x: Operand, n: int) -> Expr:
    """Linearly weighted moving average; the newest value weighs `n`."""
    return _talib("WMA", x, timeperiod=_bars("n", n, 1))


def rsi(x: Operand, n: int = 14) -> Expr:
    """Wilder's relative strength index, 0 to 100; 0 where nothing ever moved."""
    return _talib("RSI", x, timeperiod=_bars("n", n, 2))


def atr(bar: BarFields, n: int = 14) -> Expr:
    """Wilder's average true range, paise."""
    return _talib("ATR", bar.high, bar.low, bar.close, timeperiod=_bars("n", n, 1))


def adx(bar: BarFields, n: int = 14) -> Expr:
    """Wilder's average directional index, 0 to 100."""
    return _talib("ADX", bar.high, bar.low, bar.close, timeperiod=_bars("n", n, 2))


def plus_di(bar: BarFields, n: int = 14) -> Expr:
    """Wilder's plus directional indicator, 0 to 100."""
    return _talib("PLUS_DI", bar.high, bar.low, bar.close, timeperiod=_bars("n", n, 1))


def minus_di(bar: BarFields, n: int = 14) -> Expr:
    """Wilder's minus directional indicator, 0 to 100."""
    return _talib("MINUS_DI", bar.high, bar.low, bar.close, timeperiod=_bars("n", n, 1))


def macd(x: Operand, fast: int = 12, slow: int = 26, signal: int = 9) -> Macd:
    """EMA(fast) less EMA(slow), its EMA(signal), and their difference."""
    fast, slow, signal = _bars("fast", fast, 2), _bars("slow", slow, 2), _bars("signal", signal, 1)
    if fast >= slow:
        raise ConfigError(f"fast must be below slow, got {fast} and {slow}.")
    return Macd(*_split(_talib("MACD", x, fastperiod=fast, slowperiod=slow, signalperiod=signal), 3))


def bbands(x: Operand, n: int = 20, up: float = 2.0, down: float = 2.0) -> Bands:
    """Bollinger bands: SMA(n), `up` standard deviations above and `down` below."""
    widths = {"nbdevup": _positive("up", up), "nbdevdn": _positive("down", down)}
    return Bands(*_split(_talib("BBANDS", x, timeperiod=_bars("n", n, 2), **widths), 3))


def supertrend(bar: BarFields, n: int = 10, multiplier: float = 3.0) -> SuperTrend:
    """SuperTrend: a stop line `multiplier` times ATR(n) from the middle that only moves with the trend."""
    found = _talib(
        "SUPERTREND",
        bar.high,
        bar.low,
        bar.close,
        timeperiod=_bars("n", n, 2),
        multiplier=_positive("multiplier", multiplier),
    )
    return SuperTrend(*_split(found, 2))


def stoch(bar: BarFields, k: int = 14, smooth: int = 3, d: int = 3) -> Stochastic:
    """Slow stochastic: %K over `k` bars smoothed by SMA(smooth), and %D = SMA(d) of it."""
    found = _talib(
        "STOCH",
        bar.high,
        bar.low,
        bar.close,
        fastk_period=_bars("k", k, 1),
        slowk_period=_bars("smooth", smooth, 1),
        slowk_matype=0,
        slowd_period=_bars("d", d, 1),
        slowd_matype=0,
    )
    return Stochastic(*_split(found, 2))


def rolling_max(x: Operand, n: int) -> Expr:
    """Highest of the last `n` values, this one included."""
    return _talib("MAX", x, timeperiod=_bars("n", n, 2))


def rolling_min(x: Operand, n: int) -> Expr:
    """Lowest of the last `n` values, this one included."""
    return _talib("MIN", x, timeperiod=_bars("n", n, 2))


rolling_mean = sma


def rolling_std(x: Operand, n: int) -> Expr:
    """Population standard deviation of the last `n` values."""
    return _talib("STDDEV", x, timeperiod=_bars("n", n, 2), nbdev=1.0)


def vwap(bar: BarFields) -> Expr:
    """Volume-weighted average of the typical price since the day began; undefined until something traded."""
    return node(SessionVwap(), bar.column("day"), bar.high, bar.low, bar.close, bar.volume)


def previous_day_high(bar: BarFields) -> Expr:
    """High of the last trading day before today, paise."""
    return node(PreviousDay("high"), bar.column("day"), bar.high)


def previous_day_low(bar: BarFields) -> Expr:
    """Low of the last trading day before today, paise."""
    return node(PreviousDay("low"), bar.column("day"), bar.low)


def previous_day_close(bar: BarFields) -> Expr:
    """Last close of the last trading day before today, paise."""
    return node(PreviousDay("close"), bar.column("day"), bar.close)


def opening_range_high(bar: BarFields, minutes: int) -> Expr:
    """High of the session's first `minutes`, paise.

    Defined from the bar that ends them (that bar belongs to the range) to the day's end; undefined all day where
    nothing traded in them. `minutes` must be a whole number of bars.
    """
    return _opening_range("high", bar, minutes)


def opening_range_low(bar: BarFields, minutes: int) -> Expr:
    """Low of the session's first `minutes`, paise. See `opening_range_high`."""
    return _opening_range("low", bar, minutes)


def lag(x: Expr, k: int = 1) -> Expr:
    """The value `k` bars ago, number or condition."""
    return node(Lag(_bars("k", k, 1)), operand(x))


def percent_change(x: Operand, n: int = 1) -> Expr:
    """Change over `n` bars in per cent; undefined from zero."""
    past = lag(numeric(x), n)
    return (numeric(x) - past) / past * 100


def crosses_above(a: Operand, b: Operand) -> Expr:
    """True on the one bar at which `a` is above `b` after it was not.

    Of higher intervals too: true at the first bar that sees the cross, not for as long as the higher bar holds.
    """
    a, b = align(numeric(a)), align(numeric(b))
    return (a > b) & lag(a <= b)


def crosses_below(a: Operand, b: Operand) -> Expr:
    """True on the one bar at which `a` is below `b` after it was not."""
    return crosses_above(b, a)


def if_else(condition: Expr, yes: Operand, no: Operand) -> Expr:
    """`yes` where `condition` holds, else `no`: two numbers or two conditions. Undefined where `condition` is.

    Raises
    ------
    ConfigError
        One is a number and the other a condition.
    """
    first, second = operand(yes), operand(no)
    if first.boolean != second.boolean:
        raise ConfigError(f"if_else wants two numbers or two conditions, got {first!r} and {second!r}.")
    return node(Choose("if"), truth(condition), first, second)


def maximum(a: Operand, b: Operand) -> Expr:
    """The greater of two numbers, bar by bar; undefined if either is."""
    return arithmetic("max", a, b)


def minimum(a: Operand, b: Operand) -> Expr:
    """The smaller of two numbers, bar by bar; undefined if either is."""
    return arithmetic("min", a, b)


def _opening_range(what: str, bar: BarFields, minutes: int) -> Expr:
    kernel = OpeningRange(what, _bars("minutes", minutes, 1))
    return node(kernel, *map(bar.column, ("day", "since", "until", what)))


def _talib(name: str, *inputs: Operand, **params: float) -> Expr:
    return node(TaLib(name, tuple(params.items())), *map(numeric, inputs))


def _split(many: Expr, count: int) -> tuple[Expr, ...]:
    return tuple(node(Pick(index), many) for index in range(count))


def _bars(name: str, value: int, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _LONGEST:
        raise ConfigError(f"{name} must be a whole number from {least} to {_LONGEST}, got {value!r}.")
    return value


def _positive(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        raise ConfigError(f"{name} must be a number above 0, got {value!r}.")
    return float(value)
