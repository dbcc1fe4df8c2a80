"""Kite's frames to ticks: against the SDK's own parser on any packets, and on everything that is wrong with them."""

import struct
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saudagar.brokers.kite.decode import BAD_FRAME, BAD_PRICE, BAD_TIME, UNKNOWN, Decoder
from saudagar.model import SECOND, InstrumentId

NOW = 1_795_146_300
SHARE, INDEX = 738561, 256265
NAMES = {SHARE: InstrumentId("NSE_EQ:RELIANCE"), INDEX: InstrumentId("NSE_INDEX:NIFTY")}
FIVE = [(100, 130_000), (90, 129_990), (80, 129_980), (70, 129_970), (60, 129_960)]
FRAMES = Path(__file__).resolve().parents[2] / "../shared/fixtures/kite/frames"


def full(token=SHARE, ltp=130_005, volume=1_000, traded=NOW - 1, now=NOW, bids=FIVE, asks=FIVE) -> bytes:
    depth = [value for side in (bids, asks) for level in (side + [(0, 0)] * 5)[:5] for value in (*level, 1)]
    head = (token, ltp, 5, 130_000, volume, 900, 800, 1, 2, 3, 4, traded, 0, 0, 0, now)
    return struct.pack(">16I" + "IIHxx" * 10, *head, *depth)


def index(token=INDEX, ltp=2_401_000, now=NOW) -> bytes:
    return struct.pack(">8I", token, ltp, 4, 3, 2, 1, 0, now)


def frame(*packets: bytes) -> bytes:
    parts = [struct.pack(">H", len(packets))]
    for packet in packets:
        parts += [struct.pack(">H", len(packet)), packet]
    return b"".join(parts)


def decoded(data: bytes, depth=False, names=NAMES):
    refusals: Counter[str] = Counter()
    return Decoder(names, depth, refusals).frame(data, 7), dict(refusals)


def test_a_share_and_an_index():
    got, refusals = decoded(frame(full(), index()))
    assert got is not None
    assert refusals == {}
    assert (got.ts, got.received) == (NOW * SECOND, 7)
    share, nifty = got.ticks
    assert (share.instrument, share.ts, share.ltp, share.volume) == (
        NAMES[SHARE],
        (NOW - 1) * SECOND,
        130_005,
        1_000,
    )
    assert (share.bids, share.asks) == ((), ())
    assert (nifty.instrument, nifty.ts, nifty.ltp, nifty.volume) == (NAMES[INDEX], NOW * SECOND, 2_401_000, 0)


def test_depth_is_price_first_and_holds_no_empty_level():
    got, _ = decoded(frame(full(asks=FIVE[:2]), index()), depth=True)
    assert got is not None
    assert got.ticks[0].bids == tuple((price, quantity) for quantity, price in FIVE)
    assert got.ticks[0].asks == ((130_000, 100), (129_990, 90))
    assert got.ticks[1].bids == ()
    empty, _ = decoded(frame(full(bids=[], asks=[])), depth=True)
    assert empty is not None
    assert (empty.ticks[0].bids, empty.ticks[0].asks) == ((), ())


def test_a_frame_is_as_late_as_its_latest_packet():
    got, _ = decoded(frame(full(now=NOW - 3), index(now=NOW), full(now=NOW - 1)))
    assert got is not None
    assert got.ts == NOW * SECOND


def test_what_has_not_traded_today_is_no_tick_but_tells_the_time():
    got, refusals = decoded(frame(full(volume=0, traded=0)))
    assert got is not None
    assert (got.ts, got.ticks, refusals) == (NOW * SECOND, [], {})


def test_packets_without_a_time_are_passed_over():
    """Between `subscribe` and `mode` Kite sends what nobody asked for; that is no fault of the feed."""
    quote, ltp, index_quote = full()[:44], full()[:8], index()[:28]
    assert decoded(frame(quote, ltp, index_quote)) == (None, {})
    got, refusals = decoded(frame(quote, full(), ltp))
    assert got is not None
    assert (len(got.ticks), refusals) == (1, {})


@pytest.mark.parametrize(
    ("packet", "kind"),
    [
        (full(token=1), UNKNOWN),
        (full(ltp=0), BAD_PRICE),
        (full(now=0), BAD_TIME),
        (full(now=2**32 - 1), BAD_TIME),
        (full(traded=2**32 - 1), BAD_TIME),
        (index(ltp=0), BAD_PRICE),
        (index(now=0), BAD_TIME),
    ],
)
def test_what_cannot_be_true_is_counted_and_the_rest_goes_on(packet, kind):
    got, refusals = decoded(frame(packet, full()))
    assert got is not None
    assert (len(got.ticks), refusals) == (1, {kind: 1})


def test_a_stale_trade_time_is_kept():
    got, refusals = decoded(frame(full(traded=86_400)))
    assert got is not None
    assert (got.ticks[0].ts, refusals) == (86_400 * SECOND, {})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        frame(full())[:-1],
        frame(full()) + b"\x00",
        frame(full(), full())[:100],
        b"\x00\x02" + frame(full())[2:],
        frame(b"\x00" * 12),
        b'{"type":"error"}',
    ],
)
def test_a_frame_that_is_not_whole_is_refused_whole(data):
    assert decoded(data) == (None, {BAD_FRAME: 1})


def test_an_empty_frame_is_nothing():
    assert decoded(b"\x00\x00") == (None, {})


@given(st.binary(max_size=600))
def test_garbage_never_raises(data):
    got, _ = decoded(data, depth=True)
    assert got is None or got.ts > 0


_u32 = st.integers(1, 2**32 - 1)
_time = st.integers(1, 4_102_444_799)
_levels = st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**8)), max_size=5)
_packets = st.lists(
    st.one_of(
        st.builds(full, ltp=_u32, volume=_u32, traded=_time, now=_time, bids=_levels, asks=_levels),
        st.builds(index, ltp=_u32, now=_time),
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(_packets)
def test_as_the_sdk_reads_it(packets):
    from kiteconnect import KiteTicker

    data = frame(*packets)
    theirs = KiteTicker("key", "token")._parse_binary(data)
    got, refusals = decoded(data, depth=True)
    assert got is not None
    assert refusals == {}
    assert len(got.ticks) == len(theirs)
    for tick, their in zip(got.ticks, theirs, strict=True):
        assert tick.ltp == round(their["last_price"] * 100)
        assert tick.volume == their.get("volume_traded", 0)
        when = their["last_trade_time"] if their["tradable"] else their["exchange_timestamp"]
        assert tick.ts == int(when.timestamp()) * SECOND  # theirs is naive, in the zone of this machine
        for ours, key in ((tick.bids, "buy"), (tick.asks, "sell")):
            levels = [(round(e["price"] * 100), e["quantity"]) for e in their.get("depth", {}).get(key, [])]
            assert list(ours) == [level for level in levels if all(level)]
    assert got.ts == max(int(their["exchange_timestamp"].timestamp()) for their in theirs) * SECOND


def test_recorded_frames():
    path = FRAMES / "fullMode_binary.packet"
    if not path.exists():
        pytest.skip("Kite's recorded frames are not part of the project")
    data = path.read_bytes()
    token = struct.unpack_from(">I", data, 4)[0]
    got, refusals = decoded(data, depth=True, names={token: InstrumentId("X")})
    assert got is not None
    assert refusals == {}
    (tick,) = got.ticks
    assert (tick.ltp, tick.volume, tick.bids, tick.asks) == (39_295, 22_261_032, ((39_295, 5_617),), ())
    assert (tick.ts, got.ts) == (1_655_375_264 * SECOND, 1_655_378_328 * SECOND)
    for name in ("ltpMode", "quoteMode"):
        assert decoded((FRAMES / f"{name}_binary.packet").read_bytes(), names={}) == (None, {})
