"""Dhan's depth packets to order books, byte by byte."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saudagar.brokers.dhan import depth
from saudagar.brokers.dhan.capabilities import CAPABILITIES
from saudagar.brokers.dhan.depth_packets import DepthDecoder, farewell
from saudagar.model import Depth, DepthLevel

NAMES = {(1, 2885): "NSE_EQ:RELIANCE", (2, 7): "NSE_FNO:F"}
BIDS = [(1_299.9, 100, 2), (1_299.85, 50, 1)]
ASKS = [(1_300.05, 10, 1), (1_300.1, 20, 3)]


def packet(code: int = 41, rows=BIDS, key=(1, 2885), number: int = 9) -> bytes:
    body = b"".join(struct.pack("<dII", *row) for row in rows)
    return struct.pack("<hBBiI", 12 + len(body), code, *key, number) + body


def levels(rows) -> tuple[DepthLevel, ...]:
    return tuple(DepthLevel(round(price * 100), quantity, orders) for price, quantity, orders in rows)


def decoder() -> DepthDecoder:
    return DepthDecoder(NAMES, {}, lambda: 5)


def test_a_frame_stacks_sides_and_instruments():
    frame = packet() + packet(51, ASKS) + packet(51, ASKS, (2, 7))
    assert decoder().books(frame) == [
        Depth("NSE_EQ:RELIANCE", 5, levels(BIDS), levels(ASKS)),
        Depth("NSE_FNO:F", 5, (), levels(ASKS)),
    ]


def test_a_side_that_comes_alone_meets_the_last_of_the_other():
    each = decoder()
    assert each.books(packet()) == [Depth("NSE_EQ:RELIANCE", 5, levels(BIDS), ())]
    assert each.books(packet(51, ASKS)) == [Depth("NSE_EQ:RELIANCE", 5, levels(BIDS), levels(ASKS))]
    assert each.books(packet(41, [])) == [Depth("NSE_EQ:RELIANCE", 5, (), levels(ASKS))]


def test_the_best_comes_first_and_empty_levels_not_at_all():
    empty = [(0.0, 0, 0)] * 3
    each = decoder()
    [book] = each.books(packet(41, [*empty, *reversed(BIDS)]) + packet(51, [*reversed(ASKS), *empty]))
    assert (book.bids, book.asks) == (levels(BIDS), levels(ASKS))
    assert each._refusals == {}


def test_two_hundred_levels():
    rows = [(1_300.0 + step / 20, 1, 1) for step in range(200)]
    [book] = decoder().books(packet(51, rows, number=200))
    assert len(book.asks) == 200
    assert book.asks[-1].price == 1_309_95


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf"), 1e12])
def test_an_impossible_price_is_counted_and_left_out(price):
    each = decoder()
    [book] = each.books(packet(41, [(price, 5, 1), *BIDS]))
    assert book.bids == levels(BIDS)
    assert each._refusals == {"bad price": 1}


BAD = [
    b"short",
    b"\x00" * 12,  # a length of nothing
    packet()[:-1],
    packet() + b"rest",
    struct.pack("<hBBiI", 15, 41, 1, 2885, 0) + b"abc",  # not whole rows
    struct.pack("<hBBiI", 12, 77, 1, 2885, 0),
]


@pytest.mark.parametrize("frame", BAD)
def test_a_bad_frame_is_counted(frame):
    each = decoder()
    each.books(frame)
    assert each._refusals == {"bad frame": 1}


def test_what_nobody_asked_for_is_counted():
    each = decoder()
    assert each.books(packet(key=(1, 1)) + packet()) == [Depth("NSE_EQ:RELIANCE", 5, levels(BIDS), ())]
    assert each._refusals == {"unknown instrument": 1}


def test_why_the_server_leaves_is_read_in_both_places():
    header = "<hBBiI"
    assert farewell(struct.pack(header + "H", 14, 50, 0, 0, 0, 807)) == 807  # as documented
    assert farewell(struct.pack(header, 12, 50, 0, 0, 805)) == 805  # as the SDK reads it
    assert farewell(packet() + struct.pack(header + "H", 14, 50, 0, 0, 809, 809)) == 809
    assert farewell(packet(number=807)) == farewell(b"") == farewell(struct.pack(header, 12, 50, 0, 0, 1)) == 0


def test_the_table_promises_what_there_is():
    assert set(CAPABILITIES.depth) == {5, *depth.INSTRUMENTS}  # five come with the ticks


@given(st.binary(max_size=200))
def test_no_bytes_break_it(data):
    each = decoder()
    each.books(data)
    farewell(data)
    each.books(packet() + data)
