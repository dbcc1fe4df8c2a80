"""Labels on small tables: what they say, how far they look, and what a side makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saudagar.backtest.causality import head
from saudagar.indicators import BarArrays
from saudagar.market.ist import at
from saudagar.model import MINUTE
from saudagar.model.errors import ConfigError
from saudagar.research.labels import horizon_labels, triple_barrier_labels
from saudagar.research.sample import synthetic_sample

DAY = synthetic_sample().instruments.day


def bars(*rows: tuple[int, int, int, int], start: str = "09:15") -> BarArrays:
    """Minute bars of open, high, low, close."""
    begin = at(DAY, start) + np.arange(len(rows)) * MINUTE
    o, h, low, c = (np.array(column, float) for column in zip(*rows, strict=True))
    return BarArrays.from_columns(
        interval=MINUTE, start=begin, end=begin + MINUTE, open=o, high=h, low=low, close=c, volume=np.ones(len(rows))
    )


FLAT = (10_000, 10_000, 10_000, 10_000)


def test_a_horizon_is_entered_at_the_next_open() -> None:
    labels = horizon_labels(bars(FLAT, (10_050, 10_060, 10_040, 10_055), (10_055, 10_200, 10_055, 10_151)), 2)
    assert labels.y[0] == 1
    assert labels.until[0] == 2
    assert labels.long_gain[0] == pytest.approx(10_151 / 10_050 - 1)
    assert labels.short_gain[0] == -labels.long_gain[0]
    assert labels.known.tolist() == [True, False, False]


@pytest.mark.parametrize(("close", "y"), [(10_101, 1), (10_100, 0), (9_900, 0), (9_899, -1)])
def test_a_horizon_wants_more_than_the_threshold(close: int, y: int) -> None:
    last = (10_000, max(10_000, close), min(10_000, close), close)
    assert horizon_labels(bars(FLAT, last), 1, threshold_ppm=10_000).y[0] == y


def test_the_day_is_the_end_unless_told_otherwise() -> None:
    sample = next(iter(synthetic_sample(1, 1).bars.values()))
    inside, through = horizon_labels(sample, 30), horizon_labels(sample, 30, overnight=True)
    assert (sample.day[inside.until] == sample.day)[inside.known].all()
    assert (sample.day[through.until] != sample.day)[through.known].sum() == 9 * 30
    last = np.flatnonzero(np.diff(sample.day))
    assert not inside.known[last].any()
    assert inside.words == "horizon of 30 bars beyond 0 ppm"
    assert through.words.endswith("overnight")


UP, DOWN = (10_000, 10_120, 9_990, 10_110), (10_000, 10_010, 9_880, 9_890)
BOTH, JUMP = (10_000, 10_150, 9_850, 10_000), (10_300, 10_310, 10_290, 10_300)


@pytest.mark.parametrize(
    ("rows", "y", "until", "long", "short"),
    [
        ([FLAT, UP, DOWN], 1, 2, 0.01, -0.01),
        ([FLAT, DOWN, UP], -1, 2, -0.01, 0.01),
        ([FLAT, BOTH, FLAT], 0, 2, -0.01, -0.01),
        ([FLAT, JUMP, FLAT], 1, 2, 0.03, -0.03),
        ([FLAT, FLAT, FLAT], 0, 3, 0.0, 0.0),
        ([UP, DOWN, FLAT], 1, 1, 0.01, -0.01),
    ],
    ids=["up first", "down first", "both in one bar: each side lost", "opens beyond", "neither", "in the entry's bar"],
)
def test_which_barrier_comes_first(
    rows: list[tuple[int, int, int, int]], y: int, until: int, long: float, short: float
) -> None:
    labels = triple_barrier_labels(bars(FLAT, *rows), up_ppm=10_000, down_ppm=10_000, count=3)
    assert (labels.y[0], labels.until[0]) == (y, until)
    assert (labels.long_gain[0], labels.short_gain[0]) == pytest.approx((long, short))
    assert labels.words == "triple barrier +10000/-10000 ppm within 3 bars"


def slowly(b: BarArrays, row: int, up: int, down: int, count: int) -> tuple[int, int]:
    """One triple-barrier label, step by step."""
    entry = b.open[row + 1]
    for at_ in range(row + 1, row + count + 1):
        if b.day[at_] != b.day[row]:
            return 0, at_ - 1
        above, below = b.high[at_] >= entry + entry * up / 1e6, b.low[at_] <= entry - entry * down / 1e6
        if above or below:
            return int(above) - int(below), at_
    return 0, row + count


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(1, 3), up=st.integers(1, 9_000), down=st.integers(1, 9_000), count=st.integers(1, 60))
def test_barriers_equal_the_slow_way(seed: int, up: int, down: int, count: int) -> None:
    sample = head(next(iter(synthetic_sample(seed, 1).bars.values())), 800)
    labels = triple_barrier_labels(sample, up_ppm=up, down_ppm=down, count=count)
    for row in np.flatnonzero(labels.known).tolist()[::7]:
        assert (labels.y[row], labels.until[row]) == slowly(sample, row, up, down, count)
    assert (labels.until[labels.known] > np.flatnonzero(labels.known)).all()


@pytest.mark.parametrize("count", [0, -1, 1.5, True, 10**6])
def test_bounds(count: int) -> None:
    with pytest.raises(ConfigError, match="count must be a whole number from 1"):
        horizon_labels(bars(FLAT, FLAT), count)
    with pytest.raises(ConfigError, match="up_ppm"):
        triple_barrier_labels(bars(FLAT, FLAT), up_ppm=count, down_ppm=5, count=5)


def test_no_bars_no_labels() -> None:
    empty = head(bars(FLAT), 0)
    assert len(horizon_labels(empty, 3).y) == len(triple_barrier_labels(empty, up_ppm=1, down_ppm=1, count=3).y) == 0
