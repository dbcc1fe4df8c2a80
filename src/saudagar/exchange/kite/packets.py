"""Kite's binary ticker packets: ltp 8, index 28 and 32, quote 44, full 184 bytes, many in one frame.

Big-endian, all prices in paise (every listed segment here has divisor 100), times in UTC seconds. `last_trade_time` is
the tick's own time, the exchange timestamp of full packets is the market's: a recorded row may carry nonsense in the
first, never in the second. What has not traded today is told with the previous close, no volume and no trade time.
One encoding per instrument, mode and tick, shared by all sockets.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from saudagar.exchange.kite.words import token_of
from saudagar.exchange.tape import Line
from saudagar.model import SECOND, InstrumentKind, Levels, Nanos, Tick

MODES = ("ltp", "quote", "full")
HEARTBEAT = b"\x00"

_LTP = Struct(">2I")
_INDEX_QUOTE = Struct(">7I")
_INDEX_FULL = Struct(">8I")
_QUOTE = Struct(">11I")
_FULL = Struct(">16I" + "IIHxx" * 10)
_COUNT = Struct(">H")
_LEVELS = 5
_NO_LEVEL = (0, 0, 0)
_LARGEST = 2**32 - 1


def frame(packets: Sequence[bytes]) -> bytes:
    """One binary message: how many packets, then each with its length."""
    head = _COUNT.pack
    return b"".join([head(len(packets)), *(part for packet in packets for part in (head(len(packet)), packet))])


def packet(line: Line, mode: str, now: Nanos, interest: int = 0) -> bytes:
    """`line` after its newest tick, at market time `now` (UTC ns), with its open interest (units)."""
    tick = line.tick or Tick(line.instrument.id, 0, line.previous_close)
    token, ltp = token_of(line.instrument), tick.ltp
    if mode == "ltp":
        return _LTP.pack(token, _u32(ltp))
    day, close = line.day, line.previous_close
    if line.instrument.kind is InstrumentKind.INDEX:
        change = _u32(abs(ltp - close))  # clients compute it themselves
        index = (token, _u32(ltp), _u32(day.high), _u32(day.low), _u32(day.open), _u32(close), change)
        return _INDEX_QUOTE.pack(*index) if mode == "quote" else _INDEX_FULL.pack(*index, now // SECOND)
    fields = (
        token,
        _u32(ltp),
        _u32(line.last_quantity),
        _u32(round(line.average_price)),
        _u32(tick.volume),
        _u32(sum(quantity for _, quantity in tick.bids)),
        _u32(sum(quantity for _, quantity in tick.asks)),
        _u32(day.open),
        _u32(day.high),
        _u32(day.low),
        _u32(close),
    )
    if mode == "quote":
        return _QUOTE.pack(*fields)
    traded = _u32(tick.ts // SECOND)
    return _FULL.pack(*fields, traded, *(_u32(interest),) * 3, now // SECOND, *_depth(tick.bids), *_depth(tick.asks))


def stamped(mode: str) -> bool:
    """Whether packets of `mode` carry the exchange's time."""
    return mode == "full"


def _depth(levels: Levels) -> list[int]:
    shown = [value for price, quantity in levels[:_LEVELS] for value in (_u32(quantity), _u32(price), 1)]
    return shown + [*_NO_LEVEL] * (_LEVELS - len(levels[:_LEVELS]))


def _u32(value: int) -> int:
    return min(max(value, 0), _LARGEST)
