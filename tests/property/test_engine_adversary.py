"""The engine against a broker that does its worst, and a process that dies at any moment."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.adversary import NAMES, play

ACTIONS = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 7), st.integers(0, 7)), min_size=20, max_size=90)


@settings(max_examples=2_000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(ACTIONS)
def test_whatever_the_broker_does_the_book_stays_true_and_comes_to_rest(actions):
    play(actions).settle()
