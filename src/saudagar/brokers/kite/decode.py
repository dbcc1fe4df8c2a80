"""Kite's binary frames to ticks, in bulk.

A frame is a count and so many packets, each after its length; big-endian, prices in paise for every segment traded
here. The SDK makes a dict per packet, with a slice and a `struct` call per field; here one call reads a packet. (NumPy
was tried on runs of equal packets: a tenth quicker at best, as each tick is an object anyway.)

Only packets of mode ``full`` have a time and become ticks (184 bytes; 32 for an index). Between a subscription and its
mode Kite sends shorter ones: not an error, and not delivered. Neither is what has not traded today, which Kite tells
with yesterday's close. Whatever cannot be true is counted by kind. A trade's time is *not* judged: a tick keeps it as
found, also a stale one, and the candles refuse it.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct, error

from saudagar.model import SECOND, InstrumentId, Levels, Nanos, Tick, TickFrame

BAD_FRAME = "bad frame"
BAD_PRICE = "bad price"
BAD_TIME = "bad time"
UNKNOWN = "unknown instrument"

LTP, INDEX_QUOTE, INDEX, QUOTE, FULL = 8, 28, 32, 44, 184
"""Bytes of each kind of packet."""

_TIMELESS = frozenset({LTP, INDEX_QUOTE, QUOTE})
_LENGTH = Struct(">H")
_INDEX = Struct(">2I20xI")  # token, last price; exchange time
_FULL = Struct(">2I8xI24xI12xI")  # token, last price; volume; trade time; exchange time
_DEEP = Struct(">2I8xI24xI12xI" + "2I4x" * 10)  # the same; quantity and price of five bids and five asks
_NONE: Levels = ()
_LATEST = 4_102_444_800  # 2100-01-01 in seconds


class Decoder:
    """Decodes the frames of one socket.

    Parameters
    ----------
    names
        Instrument token to our id, for all that is subscribed.
    depth
        Whether ticks carry bids and asks.
    refusals
        Where what is refused is counted, by kind.
    """

    def __init__(self, names: Mapping[int, InstrumentId], depth: bool, refusals: dict[str, int]) -> None:
        self._names = names
        self._depth = depth
        self._refusals = refusals

    def frame(self, data: bytes, received: Nanos) -> TickFrame | None:
        """The ticks of `data`, at its highest exchange time; None where there is nothing with a time in it.

        Parameters
        ----------
        received
            When the socket handed it over (monotonic ns).
        """
        try:
            places = _places(data)
        except error:
            self._refuse(BAD_FRAME)
            return None
        ticks: list[Tick] = []
        now = 0
        full, deep, index = _FULL.unpack_from, _DEEP.unpack_from, _INDEX.unpack_from
        names, with_depth, bids, asks = self._names, self._depth, _NONE, _NONE
        for place, size in places:
            if size == INDEX:
                token, ltp, told = index(data, place)
                volume, traded, bids, asks = 0, told, _NONE, _NONE
            elif with_depth:
                # one call for all, and no function of its own: a third of the whole time
                (
                    token, ltp, volume, traded, told,
                    q1, p1, q2, p2, q3, p3, q4, p4, q5, p5, s1, r1, s2, r2, s3, r3, s4, r4, s5, r5,
                ) = deep(data, place)  # fmt: skip
                bids = (p1, q1), (p2, q2), (p3, q3), (p4, q4), (p5, q5)
                asks = (r1, s1), (r2, s2), (r3, s3), (r4, s4), (r5, s5)
                if not (q5 and p5 and s5 and r5):  # levels fill from the best: where the last is, all are
                    bids, asks = _filled(bids), _filled(asks)
            else:
                token, ltp, volume, traded, told = full(data, place)
            name = names.get(token)
            if name is None:
                self._refuse(UNKNOWN)
            elif not 0 < told < _LATEST or traded >= _LATEST:
                self._refuse(BAD_TIME)
            else:
                if told > now:
                    now = told
                if not (traded or volume):
                    continue  # not traded today
                if ltp:
                    ticks.append(Tick(name, traded * SECOND, ltp, volume, bids, asks))
                else:
                    self._refuse(BAD_PRICE)
        return TickFrame(now * SECOND, ticks, received) if now else None

    def _refuse(self, kind: str) -> None:
        self._refusals[kind] = self._refusals.get(kind, 0) + 1


def _places(data: bytes) -> list[tuple[int, int]]:
    """Where each packet with a time begins, and its length.

    Raises
    ------
    struct.error
        If the frame is not whole, or holds anything but packets of known lengths.
    """
    length = _LENGTH.unpack_from
    (count,) = length(data, 0)
    places, place = [], 2
    for _ in range(count):
        (size,) = length(data, place)
        if size in (FULL, INDEX):
            places.append((place + 2, size))
        elif size not in _TIMELESS:
            raise error("a packet of unknown length")
        place += size + 2
    if place != len(data):
        raise error("a frame that is cut off, or too long")
    return places


def _filled(levels: Levels) -> Levels:
    return tuple(level for level in levels if all(level))
