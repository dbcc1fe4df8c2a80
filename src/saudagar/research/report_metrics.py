"""All figures of one run as one value, and the table that says how each reads and which direction is good.

The formulas are in `metrics`; here they meet the columns of a run. The terminal, the page, the comparison and the
JSON all walk `MEASURES`, so a figure is described once.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from saudagar.model import Nanos, Paise
from saudagar.model.errors import DataError
from saudagar.research import metrics as m
from saudagar.research.metrics import Floats, Ints
from saudagar.research.report_input import RunRecord


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a run; None where one is not defined. `MEASURES` explains each."""

    net_profit: Paise
    total_return: float | None = None
    cagr: float | None = None
    sharpe: float | None = None
    sortino: float | None = None
    calmar: float | None = None
    recovery_factor: float | None = None
    probabilistic_sharpe: float | None = None
    deflated_sharpe: float | None = None
    volatility: float | None = None
    max_drawdown: float | None = None
    max_drawdown_any_bar: float | None = None
    longest_drawdown: int | None = None
    ulcer_index: float | None = None
    value_at_risk: float | None = None
    normal_value_at_risk: float | None = None
    conditional_value_at_risk: float | None = None
    skewness: float | None = None
    kurtosis: float | None = None
    tail_ratio: float | None = None
    best_day: float | None = None
    worst_day: float | None = None
    best_month: float | None = None
    worst_month: float | None = None
    winning_days: float | None = None
    trades: int
    win_rate: float | None
    payoff_ratio: float | None
    profit_factor: float | None
    expectancy: float | None
    best_trade: Paise | None
    worst_trade: Paise | None
    system_quality: float | None
    longest_winning_streak: int
    longest_losing_streak: int
    average_holding: Nanos | None
    exposure: float
    peak_exposure: float | None = None
    turnover: float | None = None
    gross_profit: Paise
    charges: Paise
    charges_share: float | None
    charges_of_turnover: float | None


class Measure(NamedTuple):
    """How one field of `Metrics` reads.

    `kind` is one of money, percent, ratio, count, days, time; `better` is +1 where more is better, -1 where less is.
    """

    name: str
    label: str
    group: str
    kind: str
    better: int
    meaning: str


_PER_GROUP: dict[str, tuple[tuple[str, str, str, int, str], ...]] = {
    "Return": (
        ("net_profit", "Net profit", "money", 1, "Equity at the end less the capital, open positions at the market"),
        ("total_return", "Total return", "percent", 1, "Net profit over the capital"),
        ("cagr", "Growth a year (CAGR)", "percent", 1, "Compound annual growth, 252 days a year"),
        ("best_day", "Best day", "percent", 1, "Highest daily return"),
        ("worst_day", "Worst day", "percent", 1, "Lowest daily return"),
        ("best_month", "Best month", "percent", 1, "Highest return of a calendar month, compounded"),
        ("worst_month", "Worst month", "percent", 1, "Lowest return of a calendar month, compounded"),
        ("winning_days", "Winning days", "percent", 1, "Days that gained, among those that moved"),
    ),
    "Risk": (
        ("max_drawdown", "Deepest drawdown", "percent", 1, "Largest fall from a peak, at days' ends"),
        ("max_drawdown_any_bar", "Deepest, at any bar", "percent", 1, "The same at every point of the equity curve"),
        ("longest_drawdown", "Longest under water", "days", -1, "Calendar days below an earlier peak"),
        ("volatility", "Volatility a year", "percent", -1, "Annual standard deviation of daily returns"),
        ("ulcer_index", "Ulcer index", "percent", -1, "Root mean square of the drawdowns"),
        ("value_at_risk", "Value at risk, 95 %", "percent", 1, "One day in twenty is worse than this"),
        ("normal_value_at_risk", "The same, were days normal", "percent", 1, "From mean and deviation alone"),
        ("conditional_value_at_risk", "Expected shortfall, 95 %", "percent", 1, "Mean of those bad days"),
        ("skewness", "Skewness", "ratio", 1, "Below zero: the large days are losses"),
        ("kurtosis", "Excess kurtosis", "ratio", -1, "Above zero: more extreme days than the normal"),
        ("tail_ratio", "Tail ratio", "ratio", 1, "95th percentile over the 5th, unsigned"),
    ),
    "Return for risk": (
        ("sharpe", "Sharpe", "ratio", 1, "Mean over deviation of daily returns, annual"),
        ("sortino", "Sortino", "ratio", 1, "Mean over downside deviation, annual"),
        ("calmar", "Calmar", "ratio", 1, "Growth a year over the deepest drawdown"),
        ("recovery_factor", "Recovery factor", "ratio", 1, "Sum of returns over the deepest drawdown"),
        ("probabilistic_sharpe", "Probabilistic Sharpe", "percent", 1, "Chance that the true Sharpe is above zero"),
        ("deflated_sharpe", "Deflated Sharpe", "percent", 1, "The same, for the best of all the trials made"),
    ),
    "Round trips": (
        ("trades", "Round trips", "count", 0, "Closed positions"),
        ("win_rate", "Won", "percent", 1, "Net above zero, among all"),
        ("payoff_ratio", "Payoff", "ratio", 1, "Average win over average loss"),
        ("profit_factor", "Profit factor", "ratio", 1, "Sum of wins over sum of losses"),
        ("expectancy", "Expectancy", "money", 1, "Average net profit of a round trip"),
        ("best_trade", "Best", "money", 1, "Highest net profit of a round trip"),
        ("worst_trade", "Worst", "money", 1, "Lowest net profit of a round trip"),
        ("system_quality", "System quality (SQN)", "ratio", 1, "Root of the count times mean over deviation"),
        ("longest_winning_streak", "Most wins in a row", "count", 1, "Round trips"),
        ("longest_losing_streak", "Most losses in a row", "count", -1, "Round trips, those at zero included"),
        ("average_holding", "Average holding time", "time", 0, "From first entry to last exit, nights included"),
    ),
    "Activity and costs": (
        ("exposure", "Time in the market", "percent", 0, "Points of the equity curve with a position"),
        ("peak_exposure", "Largest exposure", "percent", 0, "Open positions at entry value over equity"),
        ("turnover", "Turnover a year", "ratio", 0, "Bought plus sold over mean equity, times a year"),
        ("gross_profit", "Profit before charges", "money", 1, "Of closed round trips"),
        ("charges", "Charges", "money", -1, "Of closed round trips"),
        ("charges_share", "Charges of gross profit", "percent", -1, "Where there was one"),
        ("charges_of_turnover", "Charges of turnover", "percent", -1, "Per rupee bought or sold"),
    ),
}

MEASURES: tuple[Measure, ...] = tuple(
    Measure(name, label, group, kind, better, meaning)
    for group, rows in _PER_GROUP.items()
    for name, label, kind, better, meaning in rows
)


def measure(
    record: RunRecord,
    *,
    risk_free: float = 0.0,
    periods: int = m.DAYS_A_YEAR,
    trials: int = 1,
    trial_variance: float = 0.0,
) -> Metrics:
    """Every figure of `record`.

    Parameters
    ----------
    risk_free
        Annual rate, 0.06 for six per cent.
    trials, trial_variance
        How many parameter sets were tried to find this one, and the variance of their daily Sharpe ratios.

    Raises
    ------
    DataError
        A rate or a count that cannot be.
    """
    if not (isfinite(risk_free) and risk_free > -1) or periods < 1:
        raise DataError(f"expected a finite annual rate and periods from 1 on, got {risk_free} and {periods}.")
    days, closes = m.daily_closes(record.equity_ts, record.equity)
    figures = _of_trades(record)
    if (record.equity > 0).all():
        returns = m.daily_returns(closes, record.capital)
        figures |= _of_returns(returns, days, risk_free, periods)
        if trials > 1:
            figures["deflated_sharpe"] = m.deflated_sharpe(returns, trials, trial_variance)
        figures["max_drawdown_any_bar"] = float(drawdown_curve(record).min())
        figures["peak_exposure"] = float(exposure_curve(record).max())
        mean_equity = float(record.equity.mean())
        figures["turnover"] = float(record.trades.turnover.sum()) / mean_equity * periods / len(days)
    return Metrics(**{name: _defined(value) for name, value in figures.items()})


def drawdown_curve(record: RunRecord) -> Floats:
    """At every point of the equity curve, the fall from the highest value so far, 0 to -1."""
    peak = np.maximum(np.maximum.accumulate(record.equity), record.capital)
    falls: Floats = record.equity / peak - 1.0
    return falls


def exposure_curve(record: RunRecord) -> Floats:
    """The most that was in the market since the point before, at entry value over equity."""
    trades, entry_ts, entry_value = record.trades, *_entries(record)
    moments = np.concatenate((trades.exit_ts, entry_ts))  # an exit before an entry at the same moment
    order = np.argsort(moments, kind="stable")
    changes = np.concatenate((-trades.entry_value, entry_value))[order]
    held = np.concatenate((np.zeros(1, np.int64), np.cumsum(changes), np.zeros(1, np.int64)))
    after = np.searchsorted(moments[order], record.equity_ts)  # a fill at a point's moment is the next bar's open
    before = np.concatenate((np.zeros(1, np.int64), after[:-1]))
    most = np.maximum.reduceat(held, np.ravel(np.column_stack((before, after + 1)))[:-1])[::2]
    shares: Floats = most / record.equity
    return shares


def held_points(record: RunRecord) -> NDArray[np.bool_]:
    """Whether a position was held at some time between each point of equity and the one before it."""
    ts = record.equity_ts
    before = np.concatenate((np.array([np.iinfo(np.int64).min]), ts[:-1]))
    entered = np.searchsorted(np.sort(_entries(record)[0]), ts)
    left = np.searchsorted(record.trades.exit_ts, before, side="right")
    held: NDArray[np.bool_] = entered > left
    return held


def _entries(record: RunRecord) -> tuple[Ints, Ints]:
    """Moment and value of every entry, those still open included."""
    ts = np.array([position.entry_ts for position in record.open], np.int64)
    value = np.array([position.entry_value for position in record.open], np.int64)
    return np.concatenate((record.trades.entry_ts, ts)), np.concatenate((record.trades.entry_value, value))


def _of_returns(returns: Floats, days: Ints, risk_free: float, periods: int) -> dict[str, float]:
    _, months = m.by_month(returns, days)
    over_days: dict[str, Callable[[Floats], float]] = {
        "total_return": m.total_return,
        "recovery_factor": m.recovery_factor,
        "probabilistic_sharpe": m.probabilistic_sharpe,
        "max_drawdown": m.max_drawdown,
        "ulcer_index": m.ulcer_index,
        "value_at_risk": m.value_at_risk,
        "normal_value_at_risk": m.normal_value_at_risk,
        "conditional_value_at_risk": m.conditional_value_at_risk,
        "skewness": m.skewness,
        "kurtosis": m.kurtosis,
        "tail_ratio": m.tail_ratio,
    }
    return {name: formula(returns) for name, formula in over_days.items()} | {
        "cagr": m.cagr(returns, periods),
        "sharpe": m.sharpe(returns, risk_free, periods),
        "sortino": m.sortino(returns, risk_free, periods),
        "calmar": m.calmar(returns, periods),
        "volatility": m.volatility(returns, periods),
        "longest_drawdown": m.longest_drawdown(returns, days),
        "best_day": float(returns.max()),
        "worst_day": float(returns.min()),
        "best_month": float(months.max()),
        "worst_month": float(months.min()),
        "winning_days": m.win_rate(returns[returns != 0]),
    }


def _of_trades(record: RunRecord) -> dict[str, float | None]:
    trades = record.trades
    net, gross, charges = trades.net, int(trades.gross.sum()), int(trades.charges.sum())
    turnover, count = int(trades.turnover.sum()), len(trades)
    return {
        "net_profit": int(record.equity[-1]) - record.capital,
        "trades": count,
        "win_rate": m.win_rate(net),
        "payoff_ratio": m.payoff_ratio(net),
        "profit_factor": m.profit_factor(net),
        "expectancy": float(net.mean()) if count else None,
        "best_trade": int(net.max()) if count else None,
        "worst_trade": int(net.min()) if count else None,
        "system_quality": m.system_quality(net),
        "longest_winning_streak": m.longest_streak(net > 0),
        "longest_losing_streak": m.longest_streak(net <= 0),
        "average_holding": int((trades.exit_ts - trades.entry_ts).mean()) if count else None,
        "exposure": float(held_points(record).mean()),
        "gross_profit": gross,
        "charges": charges,
        "charges_share": charges / gross if gross > 0 else None,
        "charges_of_turnover": charges / turnover if turnover else None,
    }


def _defined(value: Any) -> Any:
    return value if value is None or isfinite(value) else None
