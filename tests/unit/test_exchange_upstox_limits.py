"""Upstox's windows on order requests: ten a second, 500 a minute, 2,000 in half an hour, of the calendar."""

import pytest

from saudagar.exchange.limits import Seconds
from saudagar.exchange.upstox.site import limits

STILL = Seconds(lambda: 0, lambda: 0)


@pytest.mark.parametrize(
    ("seconds", "each", "taken"),
    [
        (1, 20, 10),  # the second
        (60, 10, 500),  # the minute: 600 asked at ten a second
        (1_800, 8, 2_000),  # the half hour: 14,400 asked at eight a second
    ],
)
def test_each_window_lets_through_what_upstox_publishes(seconds, each, taken):
    now = 1_795_060_200 // 1_800 * 1_800
    writes, _ = limits(10, STILL._replace(market=lambda: now), reads=False)
    passed = 0
    for _ in range(seconds):
        passed += sum(writes.allows() for _ in range(each))
        now += 1
    assert passed == taken


def test_a_refused_call_counts_as_well_and_a_new_window_forgets():
    now = 0
    writes, _ = limits(10, STILL._replace(market=lambda: now), reads=False)
    assert sum(writes.allows() for _ in range(30)) == 10
    now = 1
    assert sum(writes.allows() for _ in range(30)) == 10


def test_no_limit_where_none_is_wanted():
    writes, reads = limits(0, STILL, reads=False)
    assert all(writes.allows() and reads.allows() for _ in range(5_000))


def test_orders_count_in_the_markets_seconds_and_reads_in_the_walls():
    market = wall = 0
    writes, reads = limits(10, Seconds(lambda: market, lambda: wall), reads=True)
    assert [sum(each.allows() for _ in range(60)) for each in (writes, reads)] == [10, 50]
    wall = 1
    assert [sum(each.allows() for _ in range(60)) for each in (writes, reads)] == [0, 50]
    market = 1
    assert [sum(each.allows() for _ in range(60)) for each in (writes, reads)] == [10, 0]
