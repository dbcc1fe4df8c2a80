"""What the depth stream's child hands to the desk: the deep books of one frame, screened, as MessagePack.

Both ends are here: `Books` reads frames in the child, `depths` puts names on them in the desk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from saudagar.model import Depth, DepthLevel, InstrumentId, Levels, Nanos

_MS = 1_000_000
_LOWEST, _HIGHEST = 0.01, 1e9  # rupees
_LATEST = 4_102_444_800_000  # 2100-01-01 in ms
_LIVE = (0, 1)  # types of a frame that holds prices: initial_feed, live_feed

BAD_FRAME = "bad frame"
NO_BOOK = "no book"
UNKNOWN = "unknown instrument"


class Batch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One frame after screening; rows are the index in the subscription, bids and asks. `ts` is 0 for a bad one."""

    ts: Nanos
    rows: list[tuple[int, Levels, Levels]]
    refused: dict[str, int]


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Batch).decode


class Books:
    """Reads the frames of one subscription.

    Parameters
    ----------
    keys
        Upstox instrument keys, in the order of the subscription.
    parse
        Protobuf bytes to a ``FeedResponse``; raises on garbage. The SDK's own method.
    """

    def __init__(self, keys: Sequence[str], parse: Callable[[bytes], Any]) -> None:
        self._index = {key: index for index, key in enumerate(keys)}
        self._parse = parse

    def batch(self, message: bytes | str) -> Batch | None:
        """The books of one message, or None for one that holds no prices (a market status)."""
        try:
            if isinstance(message, str):
                raise TypeError("a text frame")
            response = self._parse(message)
            ts, kind = response.currentTs, response.type
        except Exception:  # whatever protobuf raises on garbage
            return Batch(0, [], {BAD_FRAME: 1})
        if kind not in _LIVE:
            return None
        if not 0 < ts < _LATEST:
            return Batch(0, [], {BAD_FRAME: 1})
        rows: list[tuple[int, Levels, Levels]] = []
        refused: Counter[str] = Counter()
        for key, feed in response.feeds.items():
            index = self._index.get(key)
            if index is None:
                refused[UNKNOWN] += 1
            elif feed.fullFeed.WhichOneof("FullFeedUnion") != "marketFF":
                refused[NO_BOOK] += 1
            else:
                quotes = feed.fullFeed.marketFF.marketLevel.bidAskQuote
                bids = _side((quote.bidP, quote.bidQ) for quote in quotes)
                rows.append((index, bids, _side((quote.askP, quote.askQ) for quote in quotes)))
        rows.sort()  # protobuf's maps have no order of their own, and runs must repeat
        return Batch(ts * _MS, rows, dict(refused))


def depths(batch: Batch, names: Sequence[InstrumentId]) -> Iterator[Depth]:
    """The desk's form of `batch`; `names` are the subscription's instruments in order."""
    for index, bids, asks in batch.rows:
        yield Depth(names[index], batch.ts, _levels(bids), _levels(asks))


def _side(quotes: Iterator[tuple[float, int]]) -> Levels:
    return tuple(
        (round(price * 100), quantity) for price, quantity in quotes if _LOWEST <= price < _HIGHEST and quantity > 0
    )


def _levels(side: Levels) -> tuple[DepthLevel, ...]:
    return tuple(DepthLevel(price, quantity, 0) for price, quantity in side)
