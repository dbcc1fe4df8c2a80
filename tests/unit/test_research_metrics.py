"""Metrics against quantstats as the oracle, the papers' own examples, and what must be refused."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saudagar.market.ist import DAY, midnight
from saudagar.model.errors import DataError
from saudagar.research import metrics

_FIRST_DAY = 17_898  # 2019-01-02

# The oracle lives in a process of its own: it patches pandas, warns on import and is slow to load.
_ORACLE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import pandas as pd, quantstats.stats as qs
answers = []
for case in json.load(sys.stdin):
    r = pd.Series(case["returns"], index=pd.to_datetime(case["days"], unit="D"))
    # A day without a change in front: quantstats misses a fall that begins on the first day and never ends.
    before = pd.concat([pd.Series([0.0], index=[r.index[0] - pd.Timedelta(days=1)]), r])
    details = qs.drawdown_details(qs.to_drawdown_series(before))
    answers.append({
        "cagr": qs.cagr(r), "volatility": qs.volatility(r), "sharpe": qs.sharpe(r), "sortino": qs.sortino(r),
        "sharpe_rf": qs.sharpe(r, rf=0.06), "sortino_rf": qs.sortino(r, rf=0.06), "comp": qs.comp(r),
        "max_drawdown": qs.max_drawdown(r), "calmar": qs.calmar(r), "ulcer": qs.ulcer_index(r),
        "recovery": qs.recovery_factor(r), "skew": qs.skew(r), "kurtosis": qs.kurtosis(r),
        "normal_var": qs.value_at_risk(r), "cvar": qs.cvar(r, method="historical"), "tail": qs.tail_ratio(r),
        "payoff": qs.payoff_ratio(r), "factor": qs.profit_factor(r), "psr": qs.probabilistic_sharpe_ratio(r),
        "best_month": qs.best(r, aggregate="eom"), "worst_month": qs.worst(r, aggregate="eom"),
        "won_days": qs.win_rate(r), "longest": max(details["days"], default=0) if len(details) else 0,
    })
json.dump([{k: float(v) for k, v in a.items()} for a in answers], sys.stdout)
"""

_SAME: dict[str, Callable[[Any, Any], float]] = {
    "cagr": lambda r, d: metrics.cagr(r),
    "volatility": lambda r, d: metrics.volatility(r),
    "sharpe": lambda r, d: metrics.sharpe(r),
    "sortino": lambda r, d: metrics.sortino(r),
    "sharpe_rf": lambda r, d: metrics.sharpe(r, 0.06),
    "sortino_rf": lambda r, d: metrics.sortino(r, 0.06),
    "comp": lambda r, d: metrics.total_return(r),
    "max_drawdown": lambda r, d: metrics.max_drawdown(r),
    "calmar": lambda r, d: metrics.calmar(r),
    "ulcer": lambda r, d: metrics.ulcer_index(r),
    "recovery": lambda r, d: abs(metrics.recovery_factor(r)),  # quantstats drops the sign of a loss
    "skew": lambda r, d: metrics.skewness(r),
    "kurtosis": lambda r, d: metrics.kurtosis(r),
    "normal_var": lambda r, d: metrics.normal_value_at_risk(r),
    "cvar": lambda r, d: metrics.conditional_value_at_risk(r),
    "tail": lambda r, d: metrics.tail_ratio(r),
    "payoff": lambda r, d: metrics.payoff_ratio(r),
    "factor": lambda r, d: metrics.profit_factor(r),
    "psr": lambda r, d: metrics.probabilistic_sharpe(r),
    "best_month": lambda r, d: float(metrics.by_month(r, d)[1].max()),
    "worst_month": lambda r, d: float(metrics.by_month(r, d)[1].min()),
    "won_days": lambda r, d: metrics.win_rate(r[r != 0]),  # quantstats leaves days without a change out
    "longest": lambda r, d: metrics.longest_drawdown(r, d),
}


def _cases() -> list[tuple[Any, Any]]:
    cases = []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        size = int(rng.integers(40, 900))
        days = _FIRST_DAY + np.flatnonzero(rng.random(2 * size) < 0.7)[:size]
        returns = rng.standard_t(4, len(days)) * rng.uniform(0.002, 0.02) + rng.normal(0, 0.001)
        returns[rng.random(len(days)) < 0.1] = 0.0
        cases.append((np.clip(returns, -0.5, 0.5), days.astype(np.int64)))
    return cases


@pytest.fixture(scope="module")
def oracle() -> list[dict[str, float]]:
    asked = json.dumps([{"returns": returns.tolist(), "days": days.tolist()} for returns, days in _cases()])
    command = [sys.executable, "-c", _ORACLE]
    bare = {key: value for key, value in os.environ.items() if "COV" not in key}  # nothing of ours runs there
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False, env=bare)
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, float]] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize("name", _SAME)
def test_equals_quantstats(name: str, oracle: list[dict[str, float]]) -> None:
    for (returns, days), answer in zip(_cases(), oracle, strict=True):
        assert _SAME[name](returns, days) == pytest.approx(answer[name], rel=1e-9, abs=1e-12)


def test_historical_value_at_risk_is_a_percentile() -> None:
    for returns, _ in _cases():
        assert metrics.value_at_risk(returns) == pytest.approx(np.percentile(returns, 5), rel=1e-12)


def test_probabilistic_sharpe_of_the_paper() -> None:
    """The Sharpe Ratio Efficient Frontier: 24 monthly returns, Sharpe 0.458 a month, skew -2.448, kurtosis 10.164."""
    assert metrics.sharpe_odds(0.458, 0, 24, -2.448, 10.164) == pytest.approx(0.913, abs=5e-4)
    assert metrics.sharpe_odds(0.458, 0, 24, 0, 3) == pytest.approx(0.982, abs=5e-4)


def test_deflated_sharpe_of_the_paper() -> None:
    """The Deflated Sharpe Ratio: annual 2.5 over 1,250 days, the best of 100 trials whose annual variance is 1/2."""
    daily, variance = 2.5 / math.sqrt(250), 0.5 / 250
    best = metrics.expected_best_sharpe(100, variance)
    assert best == pytest.approx(0.1132, abs=5e-5)
    assert metrics.sharpe_odds(daily, best, 1250, -3, 10) == pytest.approx(0.9004, abs=5e-5)
    fewer = metrics.expected_best_sharpe(46, variance)
    assert metrics.sharpe_odds(daily, fewer, 1250, -3, 10) == pytest.approx(0.9505, abs=5e-5)
    normal = metrics.expected_best_sharpe(88, variance)
    assert metrics.sharpe_odds(daily, normal, 1250, 0, 3) == pytest.approx(0.9505, abs=5e-5)


def test_more_trials_deflate_more() -> None:
    returns = _cases()[3][0]
    odds = [metrics.deflated_sharpe(returns, trials, 0.001) for trials in (1, 2, 10, 100, 10_000)]
    assert odds == sorted(odds, reverse=True)
    assert odds[0] == metrics.probabilistic_sharpe(returns)
    assert odds[-1] < odds[0]


def test_expected_best_matches_a_simulation() -> None:
    drawn = np.random.default_rng(1).normal(0, 0.3, (20_000, 50)).max(axis=1).mean()
    assert metrics.expected_best_sharpe(50, 0.09) == pytest.approx(drawn, rel=0.02)  # the formula is asymptotic


@pytest.mark.parametrize(("trials", "variance"), [(0, 1.0), (5, -1.0), (5, math.nan)])
def test_trials_that_cannot_be(trials: int, variance: float) -> None:
    with pytest.raises(DataError, match="at least one trial"):
        metrics.expected_best_sharpe(trials, variance)


def test_sqn_and_streaks() -> None:
    profits = np.array([100, -50, 30, 0, -20, -20, 70, 10])
    assert metrics.system_quality(profits) == pytest.approx(math.sqrt(8) * profits.mean() / profits.std(ddof=1))
    assert metrics.longest_streak(profits > 0) == 2
    assert metrics.longest_streak(profits < 0) == 2
    assert metrics.longest_streak(np.array([], bool)) == 0
    assert metrics.win_rate(profits) == 0.5


def test_the_undefined_is_nan_not_an_error() -> None:
    none, flat, one = np.array([]), np.zeros(30), np.array([0.01])
    for function in (metrics.sharpe, metrics.sortino, metrics.calmar, metrics.skewness, metrics.kurtosis):
        for returns in (none, flat, one):
            assert math.isnan(function(returns)), function
    for function in (metrics.probabilistic_sharpe, metrics.recovery_factor, metrics.tail_ratio):
        assert math.isnan(function(flat)), function
    for function in (metrics.cagr, metrics.value_at_risk, metrics.conditional_value_at_risk, metrics.ulcer_index):
        assert math.isnan(function(none)), function
    assert metrics.max_drawdown(none) == metrics.longest_drawdown(none, none.astype(np.int64)) == 0
    assert len(metrics.by_month(none, none.astype(np.int64))[1]) == 0
    assert metrics.profit_factor(np.array([5, 6])) == math.inf
    assert math.isnan(metrics.profit_factor(np.array([0, 0])))
    assert math.isnan(metrics.payoff_ratio(np.array([1, 2])))


def test_days_end_at_indian_midnight() -> None:
    from datetime import date

    first, second = midnight(date(2024, 1, 1)), midnight(date(2024, 1, 2))
    ts = np.array([first, first + DAY - 1, second, second + 5], np.int64)
    days, closes = metrics.daily_closes(ts, np.array([100, 110, 90, 99], np.int64))
    assert days.tolist() == [19_723, 19_724]
    assert closes.tolist() == [110, 99]
    assert metrics.daily_returns(closes, 100).tolist() == pytest.approx([0.1, -0.1])


@pytest.mark.parametrize("closes", [[100, 0, 50], [100, -5]])
def test_a_ruined_account_has_no_returns(closes: list[int]) -> None:
    with pytest.raises(DataError, match="zero or below"):
        metrics.daily_returns(np.array(closes, np.int64), 100)


@pytest.mark.parametrize("values", [[0.1, math.nan], [math.inf], [[0.1]]])
def test_gaps_are_refused(values: list[Any]) -> None:
    with pytest.raises(DataError, match="finite"):
        metrics.returns_array(values)
    assert metrics.returns_array([0.5]).tolist() == [0.5]


@given(st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=60))
def test_a_fall_stays_between_nothing_and_all(values: list[float]) -> None:
    returns = np.array(values)
    falls = metrics.drawdowns(returns)
    assert ((falls <= 1e-12) & (falls > -1)).all()
    assert metrics.max_drawdown(returns) == min(falls.min(), 0)
    assert metrics.longest_drawdown(returns, np.arange(len(values))) <= len(values)
