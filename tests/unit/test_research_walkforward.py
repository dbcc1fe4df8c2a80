"""Train and test, walk-forward and the odds of luck on tables of daily profits whose answer is known."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from saudagar.model.errors import ConfigError
from saudagar.research.metrics import daily_returns, sharpe
from saudagar.research.walkforward import _rank_correlation, best_of, cut, judge, measured, overfit_odds, walk_forward

CAPITAL = 10_000_000


def noise(days: int, sets: int, seed: int = 1, skill: int = 0) -> np.ndarray:
    """Daily profits without skill; column 0 earns `skill` paise a day more."""
    daily = np.rint(np.random.default_rng(seed).normal(0, 50_000, (days, sets))).astype(np.int64)
    daily[:, 0] += skill
    return daily


def report_sharpe(daily: np.ndarray) -> float:
    """As a report measures the same days."""
    return sharpe(daily_returns(CAPITAL + np.cumsum(daily), CAPITAL))


def test_measures_of_a_column() -> None:
    daily = np.array([[100, 0], [-300, 0], [250, 0], [-20, 0]])
    assert measured(daily, CAPITAL, "net").tolist() == [30, 0]
    assert measured(daily, CAPITAL, "drawdown").tolist() == [-300, 0]
    first, second = measured(daily, CAPITAL, "sharpe")
    assert first == pytest.approx(report_sharpe(daily[:, 0]))
    assert isnan(second)
    assert isnan(measured(np.array([[5], [-2 * CAPITAL], [9]]), CAPITAL, "sharpe")[0])  # ruined
    with pytest.raises(ConfigError, match="sharpe, net, drawdown"):
        measured(daily, CAPITAL, "luck")


def test_the_first_loss_is_a_drawdown() -> None:
    assert measured(np.array([[-5], [3]]), CAPITAL, "drawdown").tolist() == [-5]


def test_the_best_is_the_first_of_equals_and_never_one_without_a_measure() -> None:
    daily = np.array([[0, 5, 5], [0, -4, -4], [0, -8, -8]])
    assert best_of(daily, CAPITAL, "sharpe") == 1
    assert best_of(np.zeros((3, 2), np.int64), CAPITAL, "sharpe") == 0


@pytest.mark.parametrize(("days", "share", "train"), [(10, 0.7, 7), (2, 0.5, 1), (2, 0.99, 1), (3, 0.01, 1)])
def test_both_sides_of_the_cut_have_days(days: int, share: float, train: int) -> None:
    assert cut(days, share) == train


@pytest.mark.parametrize(("days", "share"), [(1, 0.5), (10, 0.0), (10, 1.0), (10, float("nan"))])
def test_cuts_that_leave_nothing(days: int, share: float) -> None:
    with pytest.raises(ConfigError):
        cut(days, share)


def test_the_best_of_many_without_skill_is_called_luck() -> None:
    verdict = judge(noise(500, 200), 350, CAPITAL)
    assert verdict.trials == 200
    assert verdict.train_sharpe > 1.5  # tempting
    assert verdict.luck_sharpe == pytest.approx(verdict.train_sharpe, rel=0.35)
    assert verdict.deflated < 0.9
    assert any("Likely luck" in warning for warning in verdict.warnings)


def test_skill_is_not_warned_of() -> None:
    verdict = judge(noise(800, 50, skill=20_000), 560, CAPITAL)
    assert verdict.best == 0
    assert verdict.deflated > 0.95
    assert verdict.overfit < 0.05
    assert verdict.test_net > 0
    assert not [each for each in verdict.warnings if "Likely luck" in each or "lost" in each]


def test_what_only_worked_in_train_is_warned_of() -> None:
    daily = noise(400, 30)
    daily[:280, 3] += 30_000
    daily[280:, 3] -= 40_000
    verdict = judge(daily, 280, CAPITAL)
    assert verdict.best == 3
    assert verdict.train_net > 0 > verdict.test_net
    assert any("lost on the days that did not" in warning for warning in verdict.warnings)
    daily[280:] = 0
    assert any("made none on the days that did not" in warning for warning in judge(daily, 280, CAPITAL).warnings)


def test_few_days_a_loss_and_a_reversed_ranking_are_warned_of() -> None:
    verdict = judge(noise(30, 2, skill=-500_000) - 200_000, 20, CAPITAL)
    assert any("Few days" in warning for warning in verdict.warnings)
    assert any("made no money" in warning for warning in verdict.warnings)
    turned = np.array([[3, 2, 1]] * 4 + [[1, 2, 3]] * 4) * np.array([[9], [8], [7], [9]] * 2)
    assert any("no better than others" in warning for warning in judge(turned, 4, CAPITAL).warnings)


def test_a_measure_that_fades_out_of_sample_is_warned_of() -> None:
    daily = np.array([[90], [100]] * 60 + [[1], [400]] * 60)
    assert any("falls from" in warning for warning in judge(daily, 120, CAPITAL).warnings)


def test_odds_of_overfitting() -> None:
    assert 0.25 < overfit_odds(noise(300, 40, seed=3), CAPITAL) < 0.85
    assert overfit_odds(noise(300, 40, skill=60_000), CAPITAL) == 0
    assert isnan(overfit_odds(noise(19, 40), CAPITAL))
    assert isnan(overfit_odds(noise(300, 1), CAPITAL))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=30))
def test_rank_correlation_is_spearmans(pairs: list[tuple[int, int]]) -> None:
    a, b = (np.array(column, float) for column in zip(*pairs, strict=True))
    found = _rank_correlation(a, b)
    if np.ptp(a) and np.ptp(b):
        assert found == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    else:
        assert isnan(found)


@pytest.mark.parametrize("anchored", [False, True])
def test_a_walk_chooses_on_the_past_only(anchored: bool) -> None:
    daily = noise(100, 6, seed=9)
    walk = walk_forward(daily, CAPITAL, 40, 15, anchored=anchored)
    assert [(each.first, each.middle, each.last) for each in walk.windows] == [
        (0, 40, 55),
        (0 if anchored else 15, 55, 70),
        (0 if anchored else 30, 70, 85),
        (0 if anchored else 45, 85, 100),
    ]
    for each in walk.windows:
        changed = daily.copy()
        changed[each.middle :] = noise(100 - each.middle, 6, seed=77)
        again = walk_forward(changed, CAPITAL, 40, 15, anchored=anchored)
        assert again.windows[walk.windows.index(each)].best == each.best
    expected = np.concatenate([daily[w.middle : w.last, w.best] for w in walk.windows])
    assert np.array_equal(walk.daily, expected)
    assert walk.net == expected.sum() == sum(each.test_net for each in walk.windows)
    assert walk.sharpe == pytest.approx(report_sharpe(expected))


def test_a_walk_by_default_and_one_that_does_not_fit() -> None:
    walk = walk_forward(noise(100, 3, skill=60_000), CAPITAL)
    assert len(walk.windows) == 5
    assert len(walk.daily) == 50
    assert {each.best for each in walk.windows} == {0}
    assert walk.efficiency == pytest.approx(1, abs=0.3)
    assert isnan(walk_forward(noise(100, 1, skill=-90_000), CAPITAL).efficiency)
    for train, test in [(90, 11), (-1, 5), (5, -1)]:
        with pytest.raises(ConfigError, match="do not fit"):
            walk_forward(noise(100, 3), CAPITAL, train, test)
