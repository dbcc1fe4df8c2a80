"""Dhan's market feed in bytes: every packet of a frame, prices to the paisa, times out of India's wall clock."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saudagar.brokers.dhan.packets import BAD_FRAME, BAD_PRICE, BAD_TIME, UNKNOWN, Decoder, farewell, paise
from saudagar.model import SECOND, InstrumentId

RELIANCE, NIFTY = InstrumentId("NSE_EQ:RELIANCE"), InstrumentId("NSE_INDEX:NIFTY")
NAMES = {(1, 2885): (RELIANCE, 10), (0, 13): (NIFTY, 1)}
UTC = 1_795_146_300  # 2026-11-20 09:15:00 IST
WALL = UTC + 19_800


def ticker(price=1300.1, wall=WALL, segment=1, security=2885) -> bytes:
    return struct.pack("<BHBIfI", 2, 16, segment, security, price, wall)


def trade(code: int, price: float, wall: int, volume: int, segment: int, security: int) -> bytes:
    size = 162 if code == 8 else 50
    body = struct.pack("<BHBIfHIfIII", code, size, segment, security, price, 7, wall, 1299.5, volume, 11, 12)
    return body + (struct.pack("<III", 1, 2, 3) if code == 8 else b"") + struct.pack("<ffff", 1, 2, 3, 4)


def quote(price=1300.1, wall=WALL, volume=5_000, segment=1, security=2885) -> bytes:
    return trade(4, price, wall, volume, segment, security)


def full(price=1300.1, levels=((100, 200, 3, 4, 1300.0, 1300.1),) * 5, volume=5_000) -> bytes:
    return trade(8, price, WALL, volume, 1, 2885) + b"".join(struct.pack("<IIHHff", *level) for level in levels)


OI = struct.pack("<BHBII", 5, 12, 1, 2885, 90)
CLOSE = struct.pack("<BHBIfI", 6, 16, 1, 2885, 1290.0, 0)
STATUS = struct.pack("<BHBI", 7, 8, 1, 0)
GOODBYE = struct.pack("<BHBIH", 50, 10, 0, 0, 807)


def decoded(data: bytes, depth=False, clock=None):
    refusals: dict[str, int] = {}
    return Decoder(NAMES, depth, refusals, clock).frame(data, 99), refusals


def test_a_ticker_packet():
    frame, refusals = decoded(ticker())
    assert frame is not None
    assert (frame.ts, frame.received, refusals) == (UTC * SECOND, 99, {})
    [tick] = frame.ticks
    assert (tick.instrument, tick.ts, tick.ltp, tick.volume, tick.bids) == (RELIANCE, UTC * SECOND, 130_010, 0, ())


def test_the_sizes_are_those_of_the_sdk():
    assert [len(each) for each in (ticker(), quote(), full(), OI, CLOSE, STATUS, GOODBYE)] == [
        16,
        50,
        162,
        12,
        16,
        8,
        10,
    ]


def test_every_packet_of_a_frame_is_read_where_the_sdk_reads_the_first():  # D3
    from dhanhq import DhanContext, MarketFeed

    stack = CLOSE + quote(1300.1) + OI + ticker(24_010.35, WALL + 1, 0, 13) + STATUS + full(1300.2)
    frame, refusals = decoded(stack)
    assert frame is not None
    assert [(tick.instrument, tick.ltp, tick.volume) for tick in frame.ticks] == [
        (RELIANCE, 130_010, 5_000),
        (NIFTY, 2_401_035, 0),
        (RELIANCE, 130_020, 5_000),
    ]
    assert frame.ts == (UTC + 1) * SECOND
    assert refusals == {}
    sdk = MarketFeed(DhanContext("1", "t"), [])
    assert sdk.process_data(quote() + ticker())["type"] == "Quote Data"  # and nothing of the rest
    sdk.loop.close()


def test_depth_is_in_paise_and_without_its_empty_levels():
    levels = ((100, 200, 3, 4, 1300.0, 1300.1), (0, 5, 0, 1, 0.0, 1300.2), (7, 0, 1, 0, 1299.9, 0.0)) + ((0,) * 6,) * 2
    frame, _ = decoded(full(levels=levels), depth=True)
    assert frame is not None
    assert frame.ticks[0].bids == ((130_000, 100), (129_990, 7))
    assert frame.ticks[0].asks == ((130_010, 200), (130_020, 5))
    plain, _ = decoded(full(levels=levels))
    assert plain is not None
    assert plain.ticks[0].bids == plain.ticks[0].asks == ()


@pytest.mark.parametrize(
    ("packet", "kind"),
    [
        (ticker(math.nan), BAD_PRICE),
        (ticker(math.inf), BAD_PRICE),
        (ticker(-1.0), BAD_PRICE),
        (ticker(0.001), BAD_PRICE),
        (quote(security=9), UNKNOWN),
        (ticker(segment=2), UNKNOWN),
        (ticker(wall=5), BAD_TIME),
        (ticker(wall=2**32 - 1), BAD_TIME),
    ],
)
def test_what_cannot_be_true_is_counted_and_costs_nothing_else(packet, kind):
    frame, refusals = decoded(packet + quote())
    assert frame is not None
    assert [tick.ltp for tick in frame.ticks] == [130_010]
    assert refusals == {kind: 1}


def test_what_has_not_traded_today_is_left_out_in_silence():
    assert decoded(ticker(0.0, 0)) == (None, {})
    assert decoded(CLOSE + STATUS + OI) == (None, {})


@pytest.mark.parametrize("rest", [b"\xff" + ticker()[1:], b"\x02", quote()[:49], b"\x00" * 8])
def test_a_broken_rest_is_refused_and_what_came_before_it_counts(rest):
    frame, refusals = decoded(quote() + rest)
    assert frame is not None
    assert len(frame.ticks) == 1
    assert refusals == {BAD_FRAME: 1}


def test_a_packet_with_more_fields_than_we_know_does_not_hide_the_next():
    longer = struct.pack("<BHBIfI", 2, 20, 1, 2885, 1300.1, WALL) + b"more"
    frame, refusals = decoded(longer + quote(1300.2))
    assert frame is not None
    assert [tick.ltp for tick in frame.ticks] == [130_010, 130_020]
    assert refusals == {}


def test_a_packet_of_a_kind_that_we_do_not_know_does_not_hide_the_next():
    index = struct.pack("<BHBIfI", 1, 16, 0, 13, 24_000.0, WALL)  # named in the annexure, and described nowhere
    frame, refusals = decoded(quote() + index + quote(1300.2))
    assert frame is not None
    assert [tick.ltp for tick in frame.ticks] == [130_010, 130_020]
    assert refusals == {BAD_FRAME: 1}


def test_the_frames_clock_never_goes_back():
    refusals: dict[str, int] = {}
    decoder = Decoder(NAMES, False, refusals)
    times = [decoder.frame(quote(wall=WALL + step), 0).ts for step in (5, 3, 6)]  # type: ignore[union-attr]  # ticks
    assert [ts - UTC * SECOND for ts in times] == [5 * SECOND, 5 * SECOND, 6 * SECOND]
    frame, _ = decoded(quote(), clock=lambda: 42)
    assert frame is not None
    assert (frame.ts, frame.ticks[0].ts) == (42, UTC * SECOND)


def as_float32(rupees: float) -> float:
    return struct.unpack("<f", struct.pack("<f", rupees))[0]


@given(st.integers(1, 8_388_607))
def test_below_83886_rupees_every_paisa_survives_the_float(price):  # D4: the SDK's two digits lose the half paisa
    assert paise(as_float32(price / 100), 1) == price


@given(st.integers(100_000, 3_000_000), st.sampled_from([5, 10, 25, 100, 500]))
def test_above_it_every_price_on_the_tick_survives(ticks, tick_size):
    price = ticks * 100 // tick_size * tick_size
    assert paise(as_float32(price / 100), tick_size) == price


def test_a_price_off_the_tick_is_not_bent_onto_it():
    assert paise(as_float32(150_000.30), 500) == pytest.approx(15_000_030, abs=1)


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_read_without_harm(data, depth):
    frame, refusals = decoded(data, depth)
    assert set(refusals) <= {BAD_FRAME, BAD_PRICE, BAD_TIME, UNKNOWN}
    assert frame is None or all(tick.ltp > 0 for tick in frame.ticks)


def test_a_farewell_is_seen_alone_and_behind_others_and_nowhere_else():
    assert farewell(GOODBYE) == 807
    assert farewell(quote() + GOODBYE) == 807
    assert [farewell(each) for each in (b"", b"\x32", quote(), full(), ticker(), OI)] == [0] * 6


def test_open_interest_that_looks_like_a_farewell_does_not_end_the_feed():
    looks = struct.pack("<BHBIfI", 6, 16, 2, 50 << 16, 100.0, 807 << 16)
    assert (looks[-10], looks[-2:]) == (50, (807).to_bytes(2, "little"))
    assert farewell(looks) == 0
    assert farewell(looks + GOODBYE) == 807
