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
    assert check_causality(exprs, BARS) == 4
    assert check_causality(exprs, BARS, evaluate(exprs, BARS), cuts=9) == 9


def test_look_ahead_is_named() -> None:
    expr = far_sighted(BAR.close) > BAR.open
    with pytest.raises(LookAhead, match=r"look-ahead: with the bars after number \d+ unknown, bar \d+ of gt\("):
        check_causality([expr], BARS, cuts=3, longest=1_000)


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
