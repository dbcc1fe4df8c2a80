"""The causality check by itself: what it compares, what it costs, what it says."""

from __future__ import annotations

import numpy as np
import pytest

from saudagar.backtest.causality import LookAhead, check_causality, head
from saudagar.indicators import BarFields, crosses_above, ema, evaluate, indicator, opening_range_high, vwap
from saudagar.research.sample import synthetic_sample

BARS = next(iter(synthetic_sample(1, 1).bars.values()))
BAR = BarFields()


@indicator
def far_sighted(x):
    """Honest on short series only."""
    return np.roll(x, -1) if len(x) > 2_000 else x


def test_clean_graphs_pass_with_and_without_values() -> None:
    exprs = [crosses_above(ema(BAR.close, 9), vwap(BAR)), opening_range_high(BAR, 15), ema(BAR.at("15m").close, 3)]
    assert check_causality(exprs, BARS, cuts=4) == 8  # as many where the cross comes true
    assert check_causality(exprs, BARS, evaluate(exprs, BARS), cuts=9) == 18
    assert check_causality(exprs[1:], BARS, cuts=4) == 4  # numbers come true nowhere


def test_look_ahead_is_named() -> None:
    expr = far_sighted(BAR.close) > BAR.open
    with pytest.raises(LookAhead, match=r"look-ahead: with the bars after number \d+ unknown, bar \d+ of gt\("):
        check_causality([expr], BARS, cuts=3, longest=1_000)


@indicator
def sees_far_at_round_prices(x):
    """Honest at nearly every bar, so that hardly any random cut meets the others."""
    return np.where(x % 2_000 == 0, np.append(x[1:], x[-1]), x - 1)


def test_a_condition_is_cut_where_it_comes_true() -> None:
    line = sees_far_at_round_prices(BAR.close)
    assert check_causality([line], BARS, cuts=1) == 1
    with pytest.raises(LookAhead):
        check_causality([BAR.close < line], BARS, cuts=1)


def test_a_condition_that_wakes_late_is_cut_there() -> None:
    late = (far_sighted(BAR.close) > BAR.close + 1) & (BAR.column("day") > float(BARS.day[2_600]))
    with pytest.raises(LookAhead):
        check_causality([late], BARS, cuts=1, longest=1_000)


def test_a_long_expression_is_shortened() -> None:
    expr = far_sighted(BAR.close)
    for _ in range(30):
        expr = expr + ema(expr, 3)
        if len(repr(expr)) > 300:
            break
    with pytest.raises(LookAhead) as found:
        check_causality([expr], BARS)
    assert "…" in str(found.value)
    assert len(str(found.value)) < 500


@pytest.mark.parametrize(("bars", "cuts"), [(0, 0), (1, 0), (2, 1), (3, 2)])
def test_few_bars_make_few_cuts(bars: int, cuts: int) -> None:
    assert check_causality([ema(BAR.close, 2)], head(BARS, bars), cuts=50) == cuts
