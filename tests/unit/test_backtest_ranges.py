"""The first bar that leaves a corridor, near or far, is the one that a plain look at every bar finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.backtests import bars

from saudagar.backtest.ranges import Ranges

MARKET = bars(3, 2, 0.0008, 0.1, 5, 375)
LOWS, HIGHS = MARKET.low.tolist(), MARKET.high.tolist()
FIRST, LAST = int(MARKET.low.min()), int(MARKET.high.max())


@given(
    first=st.integers(0, len(MARKET)),
    count=st.integers(0, len(MARKET)),
    low=st.integers(FIRST - 5, LAST),
    width=st.integers(0, LAST - FIRST + 10),
)
def test_the_first_bar_that_leaves_a_corridor_is_found(first: int, count: int, low: int, width: int) -> None:
    last, high = min(first + count, len(MARKET)), low + width
    plain = next((k for k in range(first, last) if LOWS[k] <= low or HIGHS[k] >= high), last)
    assert Ranges(MARKET).leaves(first, last, low, high) == plain


def test_a_corridor_that_nothing_leaves_is_looked_along_to_the_end() -> None:
    assert Ranges(MARKET).leaves(0, len(MARKET), FIRST - 1, LAST + 1) == len(MARKET)
    last = int(np.argmax(MARKET.high))
    assert Ranges(MARKET).leaves(0, len(MARKET), FIRST - 1, LAST) == last
