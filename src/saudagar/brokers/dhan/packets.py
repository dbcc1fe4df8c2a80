"""Dhan's market feed v2 to ticks, in bulk.

A frame holds one packet or several, stacked; little-endian, each with code, length, segment and security id. The SDK
reads the first one only and hands out its prices as text of two digits; here every packet is read from the raw bytes.
Prices are float32 rupees: below ₹83,886 the nearest paisa is the price, above it the nearest tick (where that lies
within what the float may hide). The last trade's time is India's wall clock written as if it were UTC.

Whatever cannot be true is counted by kind and not delivered. A trade's time is *not* judged: a tick keeps it as found,
also a stale one, and the candles refuse it. What has not traded has no time and is left out in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from struct import Struct

from saudagar.model import IST_AHEAD, SECOND, InstrumentId, Levels, Nanos, Paise, Tick, TickFrame

BAD_FRAME = "bad frame"
BAD_PRICE = "bad price"
BAD_TIME = "bad time"
UNKNOWN = "unknown instrument"

TICKER, QUOTE, FULL, DISCONNECT = 2, 4, 8, 50
SIZES: dict[int, int] = {TICKER: 16, QUOTE: 50, 5: 12, 6: 16, 7: 8, FULL: 162, DISCONNECT: 10}
"""Bytes of each kind of packet: 5 is open interest, 6 the close of yesterday, 7 a market's opening or closing."""

_HEADER = Struct("<BHBI")  # code, length, segment, security id
_TICKER = Struct("<8xfI")  # last price, last trade's time
_TRADE = Struct("<8xf2xI4xI")  # last price, last trade's time, volume of the day
_DEPTH = Struct("<" + "2I4x2f" * 5)  # bid and ask quantity, bid and ask price
_DEPTH_AT = 62
_REASON = Struct("<B7xH")

_IST = IST_AHEAD // SECOND
_LATEST = 4_102_444_800  # 2100-01-01 in seconds
_LOWEST, _HIGHEST = 0.005, 1e9  # rupees; anything less would become 0 paise
_EXACT: Paise = 1 << 23  # below it a float32 of rupees tells one paisa from the next
_FINE = _EXACT / 100  # rupees
_FLOAT = 2.0**-24  # the most that a float32 is off, in parts of itself

Key = tuple[int, int]
"""Segment number and security id."""


class Decoder:
    """Decodes the frames of one feed.

    Parameters
    ----------
    names
        Our id and the tick size (1 for what has none) of all that is subscribed.
    depth
        Whether ticks carry bids and asks.
    refusals
        Where what is refused is counted, by kind.
    clock
        The time of a frame, for which Dhan gives none; without it the highest trade time so far.
    """

    def __init__(
        self,
        names: Mapping[Key, tuple[InstrumentId, Paise]],
        depth: bool,
        refusals: dict[str, int],
        clock: Callable[[], Nanos] | None = None,
    ) -> None:
        self._names, self._depth, self._refusals, self._clock = names, depth, refusals, clock
        self._now: Nanos = 0

    def frame(self, data: bytes, received: Nanos) -> TickFrame | None:
        """The ticks of `data`; None where it holds none.

        Parameters
        ----------
        received
            When the socket handed it over (monotonic ns).
        """
        ticks: list[Tick] = []
        newest = 0
        names, depth = self._names, self._depth
        for place, code, key in _packets(data, self._broken):
            if code == TICKER:
                rupees, wall = _TICKER.unpack_from(data, place)
                volume = 0
            elif code in (QUOTE, FULL):
                rupees, wall, volume = _TRADE.unpack_from(data, place)
            else:
                continue
            named = names.get(key)
            if named is None:
                self._refuse(UNKNOWN)
            elif not wall:
                continue
            elif not _IST < wall < _LATEST:
                self._refuse(BAD_TIME)
            elif not _LOWEST <= rupees < _HIGHEST:  # false for NaN as well
                self._refuse(BAD_PRICE)
            else:
                name, tick_size = named
                ts = (wall - _IST) * SECOND
                newest = max(newest, ts)
                levels = _levels(data, place + _DEPTH_AT, tick_size) if depth and code == FULL else ((), ())
                ticks.append(Tick(name, ts, paise(rupees, tick_size), volume, *levels))
        if not ticks:
            return None
        self._now = max(self._now, self._clock() if self._clock is not None else newest)
        return TickFrame(self._now, ticks, received)

    def _broken(self) -> None:
        self._refuse(BAD_FRAME)

    def _refuse(self, kind: str) -> None:
        self._refusals[kind] = self._refusals.get(kind, 0) + 1


def _packets(data: bytes, broken: Callable[[], None]) -> Iterator[tuple[int, int, Key]]:
    """Where each packet begins, its code and whose it is; `broken` is told of those that make no sense.

    One of a kind that we do not know is passed over by the length that it names; else the rest is not read.
    """
    place, end = 0, len(data)
    while end - place >= _HEADER.size:
        code, length, segment, security = _HEADER.unpack_from(data, place)
        size = SIZES.get(code)
        if size is not None and place + size <= end:
            yield place, code, (segment, security)
            place += max(size, length)  # a longer one has fields that we do not know
        elif size is None and _HEADER.size <= length <= end - place:
            broken()
            place += length
        else:
            break
    if place != end:
        broken()


def paise(rupees: float, tick_size: Paise) -> Paise:
    """The price that was meant by a float32 of `rupees`."""
    exact = rupees * 100
    nearest = round(exact)
    if nearest < _EXACT:
        return nearest
    on_tick = round(exact / tick_size) * tick_size
    return on_tick if abs(on_tick - exact) <= exact * _FLOAT else nearest


def farewell(data: bytes) -> int:
    """Why the server will hang up, 805 to 810, if that is the frame's last packet; otherwise 0."""
    if len(data) < SIZES[DISCONNECT]:
        return 0
    code, reason = _REASON.unpack_from(data, last := len(data) - SIZES[DISCONNECT])
    if code != DISCONNECT or not 800 <= reason < 900:
        return 0
    starts = [place for place, _, _ in _packets(data, lambda: None)]  # a price or a volume may look like one
    return int(reason) if starts[-1:] == [last] else 0


def _levels(data: bytes, place: int, tick_size: Paise) -> tuple[Levels, Levels]:
    flat = _DEPTH.unpack_from(data, place)
    return _side(flat[2::4], flat[::4], tick_size), _side(flat[3::4], flat[1::4], tick_size)


def _side(prices: tuple[float, ...], quantities: tuple[int, ...], tick_size: Paise) -> Levels:
    return tuple(
        [
            (round(price * 100) if price < _FINE else paise(price, tick_size), quantity)
            for price, quantity in zip(prices, quantities, strict=True)
            if quantity and _LOWEST <= price < _HIGHEST
        ]
    )
