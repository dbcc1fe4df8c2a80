"""Upstox's deep books read in process: what `test_upstox_depth` sees through a socket, and every byte of garbage."""

from hypothesis import given
from hypothesis import strategies as st
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as pb

from saudagar.brokers.upstox import depth_wire
from saudagar.model import InstrumentId

KEYS = ["NSE_EQ|A", "NSE_EQ|B"]
NAMES = [InstrumentId("NSE_EQ:A"), InstrumentId("NSE_EQ:B")]
NOW = 1_795_060_500_123


def parse(message):
    return pb.FeedResponse.FromString(message)


BOOKS = depth_wire.Books(KEYS, parse)


def frame(levels, kind=1, now=NOW, key=KEYS[1]):
    message = pb.FeedResponse(type=kind, currentTs=now)
    book = message.feeds[key].fullFeed.marketFF.marketLevel
    for bid, bid_quantity, ask, ask_quantity in levels:
        book.bidAskQuote.add(bidP=bid, bidQ=bid_quantity, askP=ask, askQ=ask_quantity)
    return message.SerializeToString()


price = st.floats(allow_nan=True, allow_infinity=True, width=64)
quantity = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(price, quantity, price, quantity), min_size=1, max_size=40))
def test_only_levels_that_can_be_pass_and_in_order(levels):
    batch = BOOKS.batch(frame(levels))
    assert batch is not None
    [depth] = depth_wire.depths(depth_wire.decode(depth_wire.encode(batch)), NAMES)
    assert (depth.instrument, depth.ts) == (NAMES[1], NOW * 1_000_000)
    for told, at in ((depth.bids, 0), (depth.asks, 2)):
        good = [row for row in levels if 0.01 <= row[at] < 1e9 and row[at + 1] > 0]
        assert [(level.price, level.quantity) for level in told] == [
            (round(row[at] * 100), row[at + 1]) for row in good
        ]


@given(st.binary(max_size=200))
def test_garbage_is_never_more_than_a_refusal(message):
    batch = BOOKS.batch(message)
    assert batch is None or batch.ts or batch.refused == {depth_wire.BAD_FRAME: 1}


def test_the_books_of_one_frame_come_in_the_order_of_the_subscription():
    message = pb.FeedResponse(type=0, currentTs=NOW)
    for key in reversed(KEYS):
        message.feeds[key].fullFeed.marketFF.marketLevel.bidAskQuote.add(bidP=1.0, bidQ=1)
    batch = BOOKS.batch(message.SerializeToString())
    assert [row[0] for row in batch.rows] == [0, 1]


def test_what_holds_no_book_is_told_apart():
    assert BOOKS.batch(frame([(1.0, 1, 1.0, 1)], kind=2)) is None
    assert BOOKS.batch(frame([(1.0, 1, 1.0, 1)], key="NSE_EQ|C")).refused == {depth_wire.UNKNOWN: 1}
    index = pb.FeedResponse(type=1, currentTs=NOW)
    index.feeds[KEYS[0]].fullFeed.indexFF.ltpc.ltp = 1.0
    assert BOOKS.batch(index.SerializeToString()).refused == {depth_wire.NO_BOOK: 1}
    for bad in ("text", b"\xff\xff", frame([], now=0), frame([], now=2**62)):
        assert BOOKS.batch(bad).refused == {depth_wire.BAD_FRAME: 1}
