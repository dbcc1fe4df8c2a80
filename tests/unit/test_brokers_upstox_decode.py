"""Upstox frames to ticks: what is delivered, what is refused, and that no bytes whatever break it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as pb

from saudagar.brokers.upstox import wire
from saudagar.brokers.upstox.decode import BAD_FRAME, BAD_PRICE, BAD_TIME, BAD_VOLUME, UNKNOWN, Screen
from saudagar.model import InstrumentId

KEYS = ["NSE_EQ|A", "NSE_EQ|B", "NSE_INDEX|Nifty 50"]
NAMES = [InstrumentId("NSE_EQ:A"), InstrumentId("NSE_EQ:B"), InstrumentId("NSE_INDEX:NIFTY")]
NOW = 1_700_000_000_000  # ms


def screen(depth: bool = False) -> Screen:
    return Screen(KEYS, depth, pb.FeedResponse.FromString)


def response(kind: str = "live_feed", now: int = NOW):
    return pb.FeedResponse(type=pb.Type.Value(kind), currentTs=now)


def market(message, key: str, ltp: float, ltt: int = NOW, volume: int = 5):
    feed = message.feeds[key].fullFeed.marketFF
    feed.ltpc.ltp, feed.ltpc.ltt, feed.vtt = ltp, ltt, volume
    return feed


def ticks(message, depth: bool = False):
    batch = screen(depth).batch(message.SerializeToString(), 7)
    assert batch is not None
    again = wire.decode(wire.encode(batch))
    assert again == batch  # the pipe changes nothing
    return wire.frame(again, NAMES), again.refused


def test_all_three_kinds_of_feed_become_ticks_in_the_order_of_the_subscription():
    message = response()
    message.feeds[KEYS[2]].fullFeed.indexFF.ltpc.ltp = 24_000.35
    message.feeds[KEYS[1]].ltpc.ltp = 9.95
    market(message, KEYS[0], 1234.55, NOW - 400, 77)
    frame, refused = ticks(message)
    assert not refused
    assert (frame.ts, frame.received) == (NOW * 1_000_000, 7)
    assert [(t.instrument, t.ltp, t.volume) for t in frame.ticks] == [
        (NAMES[0], 123_455, 77),
        (NAMES[1], 995, 0),
        (NAMES[2], 2_400_035, 0),
    ]
    assert frame.ticks[0].ts == (NOW - 400) * 1_000_000  # the trade's time, not the frame's


def test_depth_is_passed_on_only_when_asked_for_and_without_empty_levels():
    message = response()
    feed = market(message, KEYS[0], 100.0)
    feed.marketLevel.bidAskQuote.add(bidQ=10, bidP=99.95, askQ=20, askP=100.05)
    feed.marketLevel.bidAskQuote.add(bidQ=0, bidP=0.0, askQ=5, askP=100.1)
    feed.marketLevel.bidAskQuote.add(bidQ=3, bidP=math.nan, askQ=-1, askP=100.2)
    feed.marketLevel.bidAskQuote.add(bidQ=3, bidP=1e-9, askQ=3, askP=0.004)  # would round to nothing
    (tick,) = ticks(message, depth=True)[0].ticks
    assert tick.bids == ((9_995, 10),)
    assert tick.asks == ((10_005, 20), (10_010, 5))
    (tick,) = ticks(message)[0].ticks
    assert tick.bids == tick.asks == ()


@pytest.mark.parametrize("price", [math.nan, math.inf, -math.inf, 0.0, -1.0, 1e300, 0.001])
def test_a_price_that_cannot_be_is_counted_and_the_rest_of_the_frame_lives(price):
    message = response()
    market(message, KEYS[0], price)
    market(message, KEYS[1], 10.0)
    frame, refused = ticks(message)
    assert [t.instrument for t in frame.ticks] == [NAMES[1]]
    assert refused == {BAD_PRICE: 1}


def test_every_other_refusal_is_counted_by_kind():
    message = response()
    market(message, "NSE_EQ|STRANGER", 1.0)
    market(message, KEYS[0], 1.0, volume=-5)
    market(message, KEYS[1], 1.0, ltt=2**62)
    message.feeds[KEYS[2]].requestMode = 1  # no prices at all
    frame, refused = ticks(message)
    assert frame.ticks == []
    assert refused == {UNKNOWN: 1, BAD_VOLUME: 1, BAD_TIME: 1, BAD_PRICE: 1}


@pytest.mark.parametrize("ltt", [0, -19_800_000, NOW - 86_400_000])
def test_stale_times_are_kept_for_the_candles_to_judge(ltt):
    message = response()
    market(message, KEYS[0], 1.0, ltt=ltt)
    assert ticks(message)[0].ticks[0].ts == ltt * 1_000_000


def test_a_step_in_which_nothing_traded_is_still_a_frame():
    frame, refused = ticks(response())
    assert (frame.ts, frame.ticks, refused) == (NOW * 1_000_000, [], {})


def test_a_market_status_is_no_frame():
    message = response("market_info")
    message.marketInfo.segmentStatus["NSE_EQ"] = 2
    assert screen().batch(message.SerializeToString(), 0) is None


@pytest.mark.parametrize("message", ["text", b"\xff\xff\xff", b"", response(now=-1).SerializeToString()])
def test_a_frame_that_makes_no_sense_is_refused_whole(message):
    batch = screen().batch(message, 0)
    assert batch is not None
    assert (batch.ts, batch.rows, batch.refused) == (0, [], {BAD_FRAME: 1})


@given(st.binary(max_size=200))
def test_no_bytes_break_the_screen(garbage):
    batch = screen(depth=True).batch(garbage, 0)
    if batch is not None:
        wire.decode(wire.encode(batch))


@given(st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_a_damaged_frame_never_yields_an_impossible_tick(place, damage):
    message = response()
    for key in KEYS[:2]:
        feed = market(message, key, 1234.55)
        feed.marketLevel.bidAskQuote.add(bidQ=10, bidP=99.95, askQ=20, askP=100.05)
    good = message.SerializeToString()
    batch = screen(depth=True).batch(good[:place] + damage + good[place + len(damage) :], 0)
    if batch is not None:
        for tick in wire.frame(wire.decode(wire.encode(batch)), NAMES).ticks:
            assert tick.ltp > 0
            assert tick.volume >= 0
            assert all(price > 0 and quantity > 0 for price, quantity in tick.bids + tick.asks)


@given(st.integers(1, 10**10))
def test_prices_come_back_to_the_paisa(paise):
    message = response()
    message.feeds[KEYS[0]].ltpc.ltp = paise / 100
    assert ticks(message)[0].ticks[0].ltp == paise
