"""Upstox V3 frames to batches, inside the feed's child.

The SDK turns each message into a dict (30,000 ticks a second); reading protobuf's attributes is ten to thirty times
as fast. Whatever cannot be true is counted by kind and not delivered: unknown instruments, prices that are not
finite and positive, negative volumes, frames that do not parse. Times are *not* judged here: a tick keeps the
exchange's trade time (`ltt`) as found, also a stale one, and the candles refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from saudagar.brokers.upstox.wire import Batch, Row
from saudagar.model import Levels

_MS = 1_000_000
_LOWEST = 0.01  # rupees; anything less would become 0 paise
_HIGHEST = 1e9  # rupees; MRF, the dearest share, is at 1.5e5
_LATEST = 4_102_444_800_000  # 2100-01-01 in ms
_MARKET_INFO = 2
_NO_LEVELS: tuple[Levels, Levels] = ((), ())
_first = itemgetter(0)

BAD_FRAME = "bad frame"
BAD_PRICE = "bad price"
BAD_TIME = "bad time"
BAD_VOLUME = "bad volume"
UNKNOWN = "unknown instrument"


class Screen:
    """Decodes frames for one subscription.

    Parameters
    ----------
    keys
        Upstox instrument keys; their position is the index that batches carry.
    depth
        Whether to pass on bids and asks.
    parse
        Protobuf bytes to a ``FeedResponse``; raises on garbage. The SDK's own method.
    """

    def __init__(self, keys: Sequence[str], depth: bool, parse: Callable[[bytes], Any]) -> None:
        self._index = {key: index for index, key in enumerate(keys)}
        self._depth = depth
        self._parse = parse

    def batch(self, message: bytes | str, received: int) -> Batch | None:
        """The content of one message, or None for one that holds no prices (a market status)."""
        try:
            if isinstance(message, str):
                raise TypeError("a text frame")
            response = self._parse(message)
            ts = response.currentTs
        except Exception:  # whatever protobuf raises on garbage
            return Batch(0, received, [], {BAD_FRAME: 1})
        if response.type == _MARKET_INFO:
            return None
        if not 0 < ts < _LATEST:
            return Batch(0, received, [], {BAD_FRAME: 1})
        return self._rows(response.feeds, ts * _MS, received)

    def _rows(self, feeds: Any, ts: int, received: int) -> Batch:
        rows: list[Row] = []
        refused: dict[str, int] = {}
        index_of, depth = self._index.get, self._depth
        for key, feed in feeds.items():
            index = index_of(key)
            market = feed.fullFeed.marketFF  # asked for first, as nearly all are; of another kind it is empty
            ltpc, volume = market.ltpc, market.vtt
            ltp = ltpc.ltp
            if not ltp:
                ltpc = _ltpc_elsewhere(feed)
                ltp = ltpc.ltp
            ltt = ltpc.ltt
            if index is None or not (_LOWEST <= ltp < _HIGHEST and -_LATEST < ltt < _LATEST and volume >= 0):
                fault = _fault(index, ltp, ltt)
                refused[fault] = refused.get(fault, 0) + 1
                continue
            bids, asks = _levels(market.marketLevel.bidAskQuote) if depth else _NO_LEVELS
            rows.append((index, ltt * _MS, round(ltp * 100), volume, bids, asks))
        rows.sort(key=_first)  # protobuf's maps have no order of their own, and runs must repeat
        return Batch(ts, received, rows, refused)


def _ltpc_elsewhere(feed: Any) -> Any:
    """The last trade of an index, or of an instrument in mode ``ltpc``; an empty one where there is neither."""
    return feed.fullFeed.indexFF.ltpc if feed.WhichOneof("FeedUnion") == "fullFeed" else feed.ltpc


def _fault(index: int | None, ltp: float, ltt: int) -> str:
    if index is None:
        return UNKNOWN
    if not _LOWEST <= ltp < _HIGHEST:
        return BAD_PRICE
    return BAD_VOLUME if -_LATEST < ltt < _LATEST else BAD_TIME


def _levels(quotes: Any) -> tuple[Levels, Levels]:
    """Bids and asks, without the levels that are empty or cannot be."""
    bids = tuple((round(q.bidP * 100), q.bidQ) for q in quotes if _LOWEST <= q.bidP < _HIGHEST and q.bidQ > 0)
    asks = tuple((round(q.askP * 100), q.askQ) for q in quotes if _LOWEST <= q.askP < _HIGHEST and q.askQ > 0)
    return bids, asks
