"""Dhan's market feed v2 in bytes: little-endian packets behind a header of code, length, segment and security id.

Layouts as the SDK 2.3.0 reads them. Prices are float32 rupees, the last traded quantity is 16 bits wide, and the last
trade's time is the wall clock of India written as if it were UTC. Each packet is made once per tick and shared by all
subscribers.
"""

from __future__ import annotations

import struct

from saudagar.exchange.options import open_interest
from saudagar.exchange.tape import Line
from saudagar.model import IST_AHEAD, SECOND, InstrumentKind, Levels, Paise, Segment, Tick

TICKER, QUOTE, FULL = 15, 17, 21
"""Request codes of the modes; one more unsubscribes."""

SEGMENT_CODE = {
    Segment.NSE_INDEX: 0,
    Segment.BSE_INDEX: 0,
    Segment.NSE_EQ: 1,
    Segment.NSE_FNO: 2,
    Segment.BSE_EQ: 4,
    Segment.MCX_COMM: 5,
    Segment.BSE_FNO: 8,
}

_HEADER = "<BHBI"
_TICKER = struct.Struct(_HEADER + "fI")
_QUOTE = struct.Struct(_HEADER + "fHIfIIIffff")
_OPEN_INTEREST = struct.Struct(_HEADER + "I")
_PREVIOUS = struct.Struct(_HEADER + "fI")
_STATUS = struct.Struct(_HEADER)
_FULL = struct.Struct(_HEADER + "fHIfIIIIIIffff")
_LEVEL = struct.Struct("<IIHHff")
_DISCONNECT = struct.Struct(_HEADER + "H")
_DEPTH = struct.Struct("<hBBiI")
_REASON = struct.Struct("<H")
_DEPTH_ROW = struct.Struct("<dII")

_IST = IST_AHEAD // SECOND
_LEVELS, _PADDED = 5, 20
_BID, _ASK = 41, 51


class LinePackets:
    """The packets of one line of the tape."""

    def __init__(self, line: Line) -> None:
        instrument = line.instrument
        self.line = line
        self._segment = SEGMENT_CODE[instrument.segment]
        self._id = int(instrument.dhan_id)
        self._derivative = instrument.kind in (InstrumentKind.FUTURE, InstrumentKind.OPTION)
        self._seen = -1
        self._made: dict[int, bytes] = {}

    def of(self, mode: int, spot: Paise = 0) -> bytes:
        """What a subscriber of `mode` gets for the newest tick; `spot` is the price of a derivative's underlying."""
        if self._seen != self.line.changes:
            self._seen = self.line.changes
            self._made.clear()
        made = self._made.get(mode)
        if made is None:
            made = self._made[mode] = self._make(mode, spot)
        return made

    def previous(self) -> bytes:
        """Yesterday's close, sent once on subscription."""
        size = _PREVIOUS.size
        return _PREVIOUS.pack(6, size, self._segment, self._id, self.line.previous_close / 100, 0)

    def depth(self, levels: int = 20) -> bytes:
        """So many levels each way, bids first: five as shown, below them one per tick as large as the last.

        Twenty levels are filled up with zeros, and their header counts messages; that of 200 counts its rows.
        """
        tick = self.line.tick
        assert tick is not None, "no tick, no depth"
        step = self.line.instrument.tick_size
        return self._deep(_BID, tick.bids, -step, levels) + self._deep(_ASK, tick.asks, step, levels)

    def _deep(self, code: int, shown: Levels, step: Paise, levels: int) -> bytes:
        rows = list(shown[:_LEVELS])
        while rows and len(rows) < levels and rows[-1][0] + step > 0:
            rows.append((rows[-1][0] + step, rows[-1][1]))
        number = len(rows)
        if levels == _PADDED:
            number = self.line.changes
            rows += [(0, 0)] * (levels - len(rows))
        body = b"".join(_DEPTH_ROW.pack(price / 100, quantity, int(quantity > 0)) for price, quantity in rows)
        return _DEPTH.pack(_DEPTH.size + len(body), code, self._segment, self._id, number) + body

    def _make(self, mode: int, spot: Paise) -> bytes:
        tick = self.line.tick
        assert tick is not None, "no tick, no packet"
        if mode == TICKER:
            return _TICKER.pack(2, _TICKER.size, self._segment, self._id, tick.ltp / 100, _wall_clock(tick))
        interest = open_interest(self.line.instrument, spot) if self._derivative else 0
        if mode == FULL:
            return self._full(tick, interest)
        quote = _QUOTE.pack(4, _QUOTE.size, self._segment, self._id, *self._trade(tick), *self._day())
        if not self._derivative:
            return quote
        return quote + _OPEN_INTEREST.pack(5, _OPEN_INTEREST.size, self._segment, self._id, interest)

    def _full(self, tick: Tick, interest: int) -> bytes:
        size = _FULL.size + _LEVELS * _LEVEL.size
        head = _FULL.pack(
            8, size, self._segment, self._id, *self._trade(tick), interest, interest, interest, *self._day()
        )
        return head + b"".join(_level(tick, place) for place in range(_LEVELS))

    def _trade(self, tick: Tick) -> tuple[float, int, int, float, int, int, int]:
        line = self.line
        return (
            tick.ltp / 100,
            line.last_quantity & 0xFFFF,
            _wall_clock(tick),
            line.average_price / 100,
            tick.volume & 0xFFFF_FFFF,
            sum(quantity for _, quantity in tick.asks),
            sum(quantity for _, quantity in tick.bids),
        )

    def _day(self) -> tuple[float, float, float, float]:
        day = self.line.day
        return day.open / 100, self.line.previous_close / 100, day.high / 100, day.low / 100


def disconnect(reason: int) -> bytes:
    """The packet before the server hangs up: 805 to 810."""
    return _DISCONNECT.pack(50, _DISCONNECT.size, 0, 0, reason)


def depth_disconnect(reason: int) -> bytes:
    """The same on a depth socket: in the header's last field, where the SDK reads it, and after it, as documented."""
    return _DEPTH.pack(_DEPTH.size + _REASON.size, 50, 0, 0, reason) + _REASON.pack(reason)


def market_status(segment: int) -> bytes:
    """The market of `segment` has opened or closed; Dhan does not say which."""
    return _STATUS.pack(7, _STATUS.size, segment, 0)


def _wall_clock(tick: Tick) -> int:
    return (tick.ts // SECOND + _IST) & 0xFFFF_FFFF


def _level(tick: Tick, place: int) -> bytes:
    bid = tick.bids[place] if place < len(tick.bids) else (0, 0)
    ask = tick.asks[place] if place < len(tick.asks) else (0, 0)
    return _LEVEL.pack(bid[1], ask[1], int(bid[1] > 0), int(ask[1] > 0), bid[0] / 100, ask[0] / 100)
