"""Ticks of the matching core: bad and stale ones, books without depth, circuits, and what is counted per run."""

from __future__ import annotations

import pytest
from tests.unit.test_exchange_core import (
    BUY,
    FUTURE,
    OPEN,
    SBIN,
    SELL,
    fills,
    market,
    move,
    place,
)

from saudagar.exchange.core_orders import Refusal
from saudagar.model import (
    InstrumentId,
)
from saudagar.model.errors import DataError


def test_empty_levels_are_no_offer():
    core = market()
    move(core, bids=((0, 0),), asks=((0, 0), (80_005, 0), (80_010, 7)))
    assert fills(place(core, BUY, 10, "MARKET")) == [(7, 80_010)]


def test_a_tick_without_depth_gets_a_book_one_tick_wide():
    core = market()
    move(core, 80_000, bids=(), asks=())
    assert fills(place(core, BUY, 1_000, "MARKET")) == [(625, 80_005)], "₹5 lakh at ₹800"
    assert fills(place(core, SELL, 10, "MARKET")) == [(10, 80_000)]


def test_at_the_circuit_one_side_is_empty():
    core = market()
    move(core, 96_000, bids=((96_000, 5_000),), asks=())
    assert place(core, BUY, 10, "MARKET").filled == 0
    assert place(core, SELL, 10, "MARKET").filled == 10


def test_time_does_not_go_back():
    core = market()
    with pytest.raises(DataError, match="cannot go back"):
        core.advance(OPEN - 1, [])
    assert core.now == OPEN


def test_unknown_instruments_are_refused_by_name():
    core = market()
    with pytest.raises(Refusal, match="NSE_EQ:NONE"):
        core.last(InstrumentId("NSE_EQ:NONE"))
    assert core.last(FUTURE.id) is None
    assert core.phase(SBIN.id) == "CONTINUOUS"


def test_ids_are_counted_per_run():
    ids = [place(market(), BUY, 1, "LIMIT", 79_000).exchange_id for _ in range(2)]
    assert ids[0] == ids[1] == "2611200000001"
