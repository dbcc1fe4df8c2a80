"""Ticks as Upstox feed bytes: each instrument's message is kept and refilled, and serialised once per mode and tick.

A frame is glued from the finished map entries, so that a second subscriber costs a join and nothing more. Called by
the feed of the Upstox face, thousands of times a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from saudagar.exchange.options import greeks, open_interest
from saudagar.exchange.tape import Line
from saudagar.exchange.upstox.wire import enum_value, message, varint
from saudagar.model import InstrumentKind, Levels, Nanos, Paise, Tick

MODES = {"ltpc": "ltpc", "full": "full_d5", "option_greeks": "option_greeks", "full_d30": "full_d30"}
"""The mode a client asks for, and the `requestMode` that comes back."""

MS: Nanos = 1_000_000

_DEEP = {"full": 0, "full_d30": 30}
"""Levels each way, at least; 0 is what the market shows."""


class InstrumentFeed:
    """The feed messages of one line of the tape; `underlying` is the line that an option is written on."""

    def __init__(self, line: Line, underlying: Line | None = None) -> None:
        self.line = line
        self._underlying = underlying
        key = line.instrument.upstox_id.encode()
        self._key = b"\x0a" + varint(len(key)) + key
        self._is_index = line.instrument.kind is InstrumentKind.INDEX
        self._seen = 0  # the line's `changes` that `_entries` belong to
        self._entries: dict[str, bytes] = {}
        self._messages: dict[str, Any] = {}

    def entry(self, mode: str) -> bytes:
        """The finished `feeds` map entry of `mode`, tag and length included. Needs a tick."""
        if self._seen != self.line.changes:
            self._seen = self.line.changes
            self._entries.clear()
        done = self._entries.get(mode)
        if done is None:
            value = self._serialise(mode)
            body = self._key + b"\x12" + varint(len(value)) + value
            done = self._entries[mode] = b"\x12" + varint(len(body)) + body
        return done

    def _serialise(self, mode: str) -> bytes:
        feed = self._messages.get(mode)
        if feed is None:
            feed = self._messages[mode] = message("Feed")(requestMode=enum_value("RequestMode", MODES[mode]))
        tick = self.line.tick
        assert tick is not None, "no tick, no feed"
        if mode == "ltpc":
            self._fill_ltpc(feed.ltpc, tick)
        elif mode == "option_greeks":
            self._fill_first_level(feed.firstLevelWithGreeks, tick)
        elif self._is_index:
            self._fill_ltpc(feed.fullFeed.indexFF.ltpc, tick)
            self._fill_ohlc(feed.fullFeed.indexFF.marketOHLC)
        else:
            self._fill_market(feed.fullFeed.marketFF, tick, _DEEP[mode])
        data: bytes = feed.SerializeToString()
        return data

    def _fill_ltpc(self, ltpc: Any, tick: Tick) -> None:
        ltpc.ltp = tick.ltp / 100
        ltpc.ltt = tick.ts // MS
        ltpc.ltq = self.line.last_quantity
        ltpc.cp = self.line.previous_close / 100

    def _fill_first_level(self, first: Any, tick: Tick) -> None:
        self._fill_ltpc(first.ltpc, tick)
        _fill_quotes([first.firstDepth], tick.bids, tick.asks)
        first.vtt = tick.volume
        self._fill_greeks(first, tick)

    def _fill_greeks(self, target: Any, tick: Tick) -> None:
        if self._underlying is None:
            return
        spot = self._underlying.tick.ltp if self._underlying.tick else self._underlying.previous_close
        model = greeks(self.line.instrument, spot, tick.ts)
        for name in ("delta", "theta", "gamma", "vega"):
            setattr(target.optionGreeks, name, getattr(model, name))
        target.oi = open_interest(self.line.instrument, spot)
        target.iv = model.iv / 100

    def _fill_market(self, market: Any, tick: Tick, deep: int) -> None:
        self._fill_ltpc(market.ltpc, tick)
        quotes = market.marketLevel.bidAskQuote
        step = self.line.instrument.tick_size
        bids, asks = _deepened(tick.bids, -step, deep), _deepened(tick.asks, step, deep)
        levels = max(len(bids), len(asks))
        while len(quotes) < levels:
            quotes.add()
        del quotes[levels:]
        _fill_quotes(quotes, bids, asks)
        self._fill_ohlc(market.marketOHLC)
        market.atp = round(self.line.average_price / 100, 2)
        market.vtt = tick.volume
        market.tbq = sum(quantity for _, quantity in tick.bids)
        market.tsq = sum(quantity for _, quantity in tick.asks)
        market.casEligible = self.line.instrument.closing_auction
        self._fill_greeks(market, tick)

    def _fill_ohlc(self, target: Any) -> None:
        if not target.ohlc:
            target.ohlc.add(interval="1d")
            target.ohlc.add(interval="I1")
        for wire, candle in zip(target.ohlc, (self.line.day, self.line.minute), strict=True):
            wire.open = candle.open / 100
            wire.high = candle.high / 100
            wire.low = candle.low / 100
            wire.close = candle.close / 100
            wire.vol = candle.volume
            wire.ts = candle.start // MS


def _deepened(shown: Levels, step: Paise, deep: int) -> Levels:
    """`shown`, and below it one level per tick, as large as the last, down to `deep` levels."""
    levels = list(shown)
    while levels and len(levels) < deep and levels[-1][0] + step > 0:
        levels.append((levels[-1][0] + step, levels[-1][1]))
    return tuple(levels)


def _fill_quotes(quotes: Any, bids: Levels, asks: Levels) -> None:
    for level, quote in enumerate(quotes):
        price, quantity = bids[level] if level < len(bids) else (0, 0)
        quote.bidP = price / 100
        quote.bidQ = quantity
        price, quantity = asks[level] if level < len(asks) else (0, 0)
        quote.askP = price / 100
        quote.askQ = quantity


def frame(kind: str, entries: Iterable[bytes], current_ts: Nanos) -> bytes:
    """One `FeedResponse` of ready entries; `kind` is ``initial_feed`` or ``live_feed``, `current_ts` UTC ns."""
    number = enum_value("Type", kind)
    head = b"\x08" + varint(number) if number else b""  # proto3: a zero is not on the wire
    return head + b"".join(entries) + b"\x18" + varint(current_ts // MS)


def market_info(statuses: dict[str, str], current_ts: Nanos) -> bytes:
    """The `market_info` message: the phase of each segment, e.g. ``{"NSE_EQ": "NORMAL_OPEN"}``."""
    response = message("FeedResponse")(type=enum_value("Type", "market_info"), currentTs=current_ts // MS)
    for segment, status in statuses.items():
        response.marketInfo.segmentStatus[segment] = enum_value("MarketStatus", status)
    data: bytes = response.SerializeToString()
    return data
