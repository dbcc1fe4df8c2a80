"""The engine against a broker that does its worst, and a process that dies at any moment."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.adversary import NAMES, SETTINGS, play

from saudagar.execution.steering import Tactics
from saudagar.model import OrderType

EVERY = tuple(product(NAMES, range(8), range(8)))


def actions(drawn: bytes) -> list[tuple[str, int, int]]:
    """Two bytes for each: to draw them one by one takes half as long as to play them."""
    return [EVERY[int.from_bytes(drawn[at : at + 2]) % len(EVERY)] for at in range(0, len(drawn) - 1, 2)]


ACTIONS = st.binary(min_size=40, max_size=180).map(actions)
DESKS = st.sampled_from(
    [
        SETTINGS,
        replace(SETTINGS, tactics=Tactics(stop_type=OrderType.SL_M)),
        replace(SETTINGS, limits=replace(SETTINGS.limits, orders_per_second=1)),
        replace(SETTINGS, reconcile=0),  # no look at the broker's book heals anything
    ]
)


@pytest.mark.unmeasured
@settings(max_examples=2_000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(ACTIONS, DESKS)
def test_whatever_the_broker_does_the_book_stays_true_and_comes_to_rest(actions, desk):
    play(actions, desk).settle()
