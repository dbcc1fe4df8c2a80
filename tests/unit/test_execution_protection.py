"""The one rule of protective exits, as a table, and its symmetry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saudagar.execution.protection import HOLD, STOPPED, TARGETED, aged, first_levels, step


@pytest.mark.parametrize(
    ("sign", "stop", "target", "trail", "levels"),
    [
        (1, 10, 30, 0, (90, 130)),
        (-1, 10, 30, 0, (110, 70)),
        (1, 10, 0, 5, (95, 0)),
        (1, 10, 0, 15, (90, 0)),
        (1, 0, 0, 15, (85, 0)),
        (1, 0, 0, 0, (0, 0)),
    ],
)
def test_first_levels(sign, stop, target, trail, levels):
    assert first_levels(sign, 100, stop, target, trail) == levels


@pytest.mark.parametrize(
    ("stop", "target", "best", "trail", "grain", "even", "high", "low", "result"),
    [
        (90, 130, 100, 0, 1, 0, 101, 91, (HOLD, 90, 101)),
        (90, 130, 100, 0, 1, 0, 101, 90, (STOPPED, 90, 100)),
        (90, 130, 100, 0, 1, 0, 130, 95, (TARGETED, 90, 100)),
        (90, 130, 100, 0, 1, 0, 140, 80, (STOPPED, 90, 100)),  # the worst comes first
        (95, 0, 100, 5, 1, 0, 110, 96, (HOLD, 105, 110)),
        (95, 0, 100, 5, 1, 0, 110, 94, (STOPPED, 95, 100)),  # the old stop is asked before the trail moves
        (95, 0, 100, 5, 20, 0, 110, 96, (HOLD, 95, 110)),  # not a whole step yet
        (95, 0, 100, 5, 20, 0, 120, 96, (HOLD, 115, 120)),
        (90, 0, 100, 0, 1, 8, 107, 95, (HOLD, 90, 107)),
        (90, 0, 100, 0, 1, 8, 108, 95, (HOLD, 100, 108)),  # break-even
        (103, 0, 105, 0, 1, 8, 110, 104, (HOLD, 103, 110)),  # never backwards
        (0, 0, 100, 0, 1, 8, 110, 10, (HOLD, 100, 110)),
        (0, 0, 100, 5, 9, 0, 101, 50, (HOLD, 96, 101)),
        (90, 0, 100, 5, 1, 8, 110, 95, (HOLD, 105, 110)),  # the trail is nearer than break-even
    ],
)
def test_a_bar(stop, target, best, trail, grain, even, high, low, result):
    assert step(1, 100, stop, target, best, trail, grain, even, high, low) == result


PRICE = st.integers(1, 200)


@given(
    PRICE,
    st.integers(0, 50),
    st.integers(0, 50),
    st.integers(0, 50),
    st.integers(1, 10),
    st.integers(0, 50),
    PRICE,
    PRICE,
)
def test_a_short_is_a_long_in_the_mirror(entry, stop, target, trail, grain, even, one, other):
    high, low, mirror = max(one, other), min(one, other), 1_000
    long_stop, long_target = first_levels(1, entry, stop, target, trail)
    short_stop, short_target = first_levels(-1, mirror - entry, stop, target, trail)
    decision, level, best = step(1, entry, long_stop, long_target, entry, trail, grain, even, high, low)
    twin = step(
        -1, mirror - entry, short_stop, short_target, mirror - entry, trail, grain, even, mirror - low, mirror - high
    )
    if (stop or trail) and entry > max(stop, trail):
        assert twin == (decision, mirror - level, mirror - best)
    if decision == HOLD and long_stop:
        assert level >= long_stop
        assert best >= entry


def test_age():
    assert not aged(1_000, 0, 0)
    assert not aged(99, 0, 100)
    assert aged(100, 0, 100)
