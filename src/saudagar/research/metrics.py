"""Performance figures by the definitions of the field: of daily returns, of round trips, of the odds of luck.

Returns are simple daily returns (0.01 is one per cent), one for each trading day, in order; results are plain
numbers, not per cent. Where a definition coincides with quantstats or empyrical the value does too;
`docs/metrics.md` lists where it does not, and why. A figure that is not defined (nothing to divide by, too few days)
is NaN. Called by the report and by sweeps.
"""

from __future__ import annotations

from math import e, inf, nan, sqrt
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saudagar.market.ist import day_number
from saudagar.model import Paise
from saudagar.model.errors import DataError

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

DAYS_A_YEAR = 252
"""Trading days that make daily figures annual: the convention of quantstats (the NSE has about 248)."""

_NORMAL = NormalDist()
_EULER_MASCHERONI = 0.5772156649015329


# -- from equity to returns -------------------------------------------------------------------------------------------


def daily_closes(ts: Ints, equity: Ints) -> tuple[Ints, Ints]:
    """The IST days (since 1970-01-01) of the moments `ts` (UTC ns) and the last `equity` of each, paise."""
    days = day_number(ts)
    last = np.append(np.flatnonzero(np.diff(days)), len(days) - 1)
    return days[last], equity[last]


def daily_returns(closes: Ints, capital: Paise) -> Floats:
    """Returns from day to day, the first against `capital` (paise).

    Raises
    ------
    DataError
        Equity at or below zero: a return on nothing does not exist.
    """
    wealth = np.concatenate((np.array([capital], np.float64), closes.astype(np.float64)))
    if (wealth <= 0).any():
        raise DataError("equity fell to zero or below: returns are not defined from there on.")
    returns: Floats = wealth[1:] / wealth[:-1] - 1.0
    return returns


def column_returns(profits: Ints, capital: Paise) -> Floats:
    """`daily_returns` of many runs at once: from the daily profits (rows) of each run (column), paise.

    A run whose equity falls to zero or below has none: NaN throughout.
    """
    equity = capital + np.cumsum(profits, axis=0, dtype=np.float64)
    before = np.concatenate((np.full((1, profits.shape[1]), float(capital)), equity[:-1]))
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = equity / before - 1.0
    found[:, (equity <= 0).any(axis=0)] = nan
    return found


def returns_array(values: ArrayLike) -> Floats:
    """`values` as float64.

    Raises
    ------
    DataError
        For NaN or an infinity, or more than one dimension.
    """
    array: Floats = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise DataError("returns must be a plain series of finite numbers; fill or drop the gaps first.")
    return array


# -- growth and risk of daily returns ---------------------------------------------------------------------------------


def total_return(returns: Floats) -> float:
    """Compounded."""
    return float(np.prod(1.0 + returns) - 1.0)


def cagr(returns: Floats, periods: int = DAYS_A_YEAR) -> float:
    """Compound annual growth: the number of returns over `periods` are the years."""
    wealth = 1.0 + total_return(returns)
    return float(wealth ** (periods / len(returns)) - 1.0) if len(returns) and wealth >= 0 else nan


def volatility(returns: Floats, periods: int = DAYS_A_YEAR) -> float:
    """Annual standard deviation (n - 1)."""
    return _deviation(returns) * sqrt(periods)


def sharpe(returns: Floats, risk_free: float = 0.0, periods: int = DAYS_A_YEAR) -> float:
    """Annual Sharpe ratio over the annual rate `risk_free`."""
    return float(sharpes(returns[:, None], risk_free, periods)[0])


def sharpes(returns: Floats, risk_free: float = 0.0, periods: int = DAYS_A_YEAR) -> Floats:
    """`sharpe` of each column; with one period a year the ratio of one day."""
    if len(returns) < 2:
        return np.full(returns.shape[1], nan)
    excess = _excess(returns, risk_free, periods)
    spread = np.where(np.ptp(excess, axis=0) > 0, excess.std(axis=0, ddof=1), nan)
    found: Floats = excess.mean(axis=0) / spread * sqrt(periods)
    return found


def sortino(returns: Floats, risk_free: float = 0.0, periods: int = DAYS_A_YEAR) -> float:
    """Annual Sortino ratio: the downside deviation is taken over all days, not only the losing ones."""
    excess = _excess(returns, risk_free, periods)
    downside = sqrt(float(np.mean(np.minimum(excess, 0.0) ** 2))) if len(excess) else nan
    return _over(_mean(excess), downside) * sqrt(periods)


def drawdowns(returns: Floats) -> Floats:
    """At each day's end, the fall from the highest value so far (the start counts), 0 to -1."""
    wealth = np.cumprod(1.0 + returns)
    peak = np.maximum(np.maximum.accumulate(wealth), 1.0) if len(wealth) else wealth
    falls: Floats = wealth / peak - 1.0
    return falls


def max_drawdown(returns: Floats) -> float:
    """The deepest fall at a day's end, a number at or below 0."""
    return min(float(np.min(drawdowns(returns), initial=0.0)), 0.0)


def longest_drawdown(returns: Floats, days: Ints) -> int:
    """Calendar days of the longest time under water, its first and its last day included.

    Parameters
    ----------
    days
        The day of each return, counted from any date.
    """
    below = np.concatenate(([False], drawdowns(returns) < 0, [False])).astype(np.int8)
    turns = np.diff(below)
    first, last = np.flatnonzero(turns == 1), np.flatnonzero(turns == -1) - 1
    return int(np.max(days[last] - days[first] + 1, initial=0))


def calmar(returns: Floats, periods: int = DAYS_A_YEAR) -> float:
    """Annual growth over the deepest fall."""
    return _over(cagr(returns, periods), -max_drawdown(returns))


def ulcer_index(returns: Floats) -> float:
    """Root of the mean squared fall (n - 1)."""
    return sqrt(float(np.sum(drawdowns(returns) ** 2)) / (len(returns) - 1)) if len(returns) > 1 else nan


def recovery_factor(returns: Floats) -> float:
    """The plain sum of returns over the deepest fall; negative for a loss."""
    return _over(float(np.sum(returns)), -max_drawdown(returns))


def skewness(returns: Floats) -> float:
    """Corrected for the sample's size, as pandas and Excel do."""
    n, (m2, m3) = len(returns), _moments(returns, 2, 3)
    return sqrt(n * (n - 1)) / (n - 2) * m3 / m2**1.5 if n > 2 and m2 > 0 else nan


def kurtosis(returns: Floats) -> float:
    """In excess of the normal's 3, corrected for the sample's size, as pandas and Excel do."""
    n, (m2, m4) = len(returns), _moments(returns, 2, 4)
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (m4 / m2**2 - 3) + 6) if n > 3 and m2 > 0 else nan


def value_at_risk(returns: Floats, confidence: float = 0.95) -> float:
    """Historical: the return that the worst ``1 - confidence`` of days fall short of (empyrical's definition)."""
    return _quantile(returns, 1 - confidence)


def normal_value_at_risk(returns: Floats, confidence: float = 0.95) -> float:
    """The same, were returns normal (the definition of quantstats)."""
    return _mean(returns) + _NORMAL.inv_cdf(1 - confidence) * _deviation(returns)


def conditional_value_at_risk(returns: Floats, confidence: float = 0.95) -> float:
    """The mean of the days at or below the historical value at risk: what a bad day costs."""
    return _mean(returns[returns <= value_at_risk(returns, confidence)])


def tail_ratio(returns: Floats, cutoff: float = 0.95) -> float:
    """The good tail over the bad one."""
    return abs(_over(_quantile(returns, cutoff), _quantile(returns, 1 - cutoff)))


def by_month(returns: Floats, days: Ints) -> tuple[Ints, Floats]:
    """Calendar months (``12 * year + month - 1``) and the compounded return of each.

    Parameters
    ----------
    days
        The day of each return since 1970-01-01.
    """
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + 1970 * 12
    found, first = np.unique(months, return_index=True)
    return found, np.multiply.reduceat(1.0 + returns, first) - 1.0 if len(found) else returns


# -- round trips ------------------------------------------------------------------------------------------------------


def win_rate(profits: NDArray[Any]) -> float:
    """Those above zero among all."""
    return float(np.mean(profits > 0)) if len(profits) else nan


def payoff_ratio(profits: NDArray[Any]) -> float:
    """The average win over the average loss."""
    return _over(_mean(profits[profits > 0]), -_mean(profits[profits < 0]))


def profit_factor(profits: NDArray[Any]) -> float:
    """The sum of wins over the sum of losses; infinite where nothing was lost."""
    won, lost = float(profits[profits > 0].sum()), -float(profits[profits < 0].sum())
    return won / lost if lost else inf if won else nan


def system_quality(profits: NDArray[Any]) -> float:
    """SQN (Van Tharp): root of the count times mean over deviation (n - 1), without his cap at 100 trades."""
    values = profits.astype(np.float64)
    return sqrt(len(values)) * _over(_mean(values), _deviation(values))


def longest_streak(hits: NDArray[np.bool_]) -> int:
    """The most in a row."""
    misses = np.flatnonzero(~np.concatenate(([False], hits, [False])))
    return int(np.max(np.diff(misses) - 1, initial=0))


# -- the odds of luck -------------------------------------------------------------------------------------------------


def probabilistic_sharpe(returns: Floats, benchmark: float = 0.0) -> float:
    """The probability that the true Sharpe ratio exceeds `benchmark` (of one day, not annual).

    Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15(2), 2012.
    """
    daily = _over(_mean(returns), _deviation(returns))
    return sharpe_odds(daily, benchmark, len(returns), skewness(returns), kurtosis(returns) + 3)


def sharpe_odds(observed: float, benchmark: float, count: int, skew: float, kurt: float) -> float:
    """`probabilistic_sharpe` from its parts.

    Parameters
    ----------
    observed, benchmark
        Sharpe ratios of one period.
    count
        Periods observed.
    kurt
        3 for the normal.
    """
    variance = 1.0 - skew * observed + (kurt - 1.0) / 4.0 * observed**2
    if count < 2 or not variance > 0:
        return nan
    return _NORMAL.cdf((observed - benchmark) * sqrt((count - 1) / variance))


def expected_best_sharpe(trials: int, variance: float) -> float:
    """The Sharpe ratio that the best of `trials` strategies without any skill shows by luck.

    Parameters
    ----------
    trials
        Independent ones; 1 gives 0.
    variance
        Of the trials' Sharpe ratios, in the same period as the result.
    """
    if trials < 1 or not variance >= 0:
        raise DataError(f"expected at least one trial and a variance from 0 on, got {trials} and {variance}.")
    if trials == 1:
        return 0.0
    high, higher = _NORMAL.inv_cdf(1 - 1 / trials), _NORMAL.inv_cdf(1 - 1 / (trials * e))
    return sqrt(variance) * ((1 - _EULER_MASCHERONI) * high + _EULER_MASCHERONI * higher)


def deflated_sharpe(returns: Floats, trials: int, variance: float) -> float:
    """The probability that the true Sharpe ratio is above zero, given that this is the best of `trials`.

    Bailey and López de Prado, "The Deflated Sharpe Ratio", Journal of Portfolio Management 40(5), 2014.

    Parameters
    ----------
    variance
        Of the daily (not annual) Sharpe ratios of all trials.
    """
    return probabilistic_sharpe(returns, expected_best_sharpe(trials, variance))


# -- parts ------------------------------------------------------------------------------------------------------------


def _mean(values: NDArray[Any]) -> float:
    return float(np.mean(values)) if len(values) else nan


def _deviation(values: NDArray[Any]) -> float:
    if len(values) < 2:
        return nan
    return float(np.std(values, ddof=1)) if np.ptp(values) > 0 else 0.0


def _over(value: float, divisor: float) -> float:
    return value / divisor if divisor else nan


def _excess(returns: Floats, risk_free: float, periods: int) -> Floats:
    return returns - ((1.0 + risk_free) ** (1.0 / periods) - 1.0) if risk_free else returns


def _quantile(values: Floats, share: float) -> float:
    return float(np.quantile(values, share)) if len(values) else nan


def _moments(values: Floats, *orders: int) -> list[float]:
    if not len(values) or np.ptp(values) == 0:
        return [0.0] * len(orders)
    deviations = values - np.mean(values)
    return [float(np.mean(deviations**order)) for order in orders]
