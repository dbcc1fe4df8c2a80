"""Dhan's depth packets, of 20 and of 200 levels, to order books.

Little-endian; each packet is one side of one instrument behind a header of 12 bytes (length, code, segment, security
id, and a number that is a count of messages or of rows); a frame stacks several. Sides come apart, so the last known
other side is told along. Prices are float64 rupees: the nearest paisa is the price.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from struct import Struct

from saudagar.brokers.dhan.packets import BAD_FRAME, BAD_PRICE, UNKNOWN, Key
from saudagar.model import Depth, DepthLevel, InstrumentId, Nanos

BID, ASK, DISCONNECT = 41, 51, 50

_HEADER = Struct("<hBBiI")
_ROW = Struct("<dII")  # price, quantity, orders
_REASON = Struct("<H")
_LOWEST, _HIGHEST = 0.005, 1e9  # rupees; anything less would become 0 paise

Side = tuple[DepthLevel, ...]


class DepthDecoder:
    """Decodes the frames of one depth socket.

    Parameters
    ----------
    names
        Our id of all that is subscribed.
    refusals
        Where what is refused is counted, by kind.
    clock
        The time of a book, for which Dhan gives none.
    """

    def __init__(self, names: Mapping[Key, InstrumentId], refusals: dict[str, int], clock: Callable[[], Nanos]) -> None:
        self._names, self._refusals, self._clock = names, refusals, clock
        self._sides: dict[InstrumentId, dict[int, Side]] = {}

    def books(self, data: bytes) -> list[Depth]:
        """The books that `data` changes, each once, as they stand after it."""
        changed: dict[InstrumentId, None] = {}
        for code, key, place, rows in self._packets(data):
            name = self._names.get(key)
            if name is None:
                self._refuse(UNKNOWN)
                continue
            self._sides.setdefault(name, {})[code] = self._side(code, data, place, rows)
            changed[name] = None
        now = self._clock() if changed else 0
        return [Depth(name, now, *(self._sides[name].get(code, ()) for code in (BID, ASK))) for name in changed]

    def _packets(self, data: bytes) -> Iterator[tuple[int, Key, int, int]]:
        """Code, key, where the rows begin and how many; what follows a packet that makes no sense is not read."""
        place = 0
        for start, length, code, key in packets(data):
            place = start + length
            rows, rest = divmod(length - _HEADER.size, _ROW.size)
            if code == DISCONNECT:
                continue
            if rest or code not in (BID, ASK):
                place = -1
                break
            yield code, key, start + _HEADER.size, rows
        if place != len(data):
            self._refuse(BAD_FRAME)

    def _side(self, code: int, data: bytes, place: int, rows: int) -> Side:
        levels = []
        for price, quantity, orders in _ROW.iter_unpack(data[place : place + rows * _ROW.size]):
            if not quantity:
                continue  # an empty level
            if not _LOWEST <= price < _HIGHEST:  # false for NaN as well
                self._refuse(BAD_PRICE)
                continue
            levels.append(DepthLevel(round(price * 100), quantity, orders))
        levels.sort(key=_price, reverse=code == BID)
        return tuple(levels)

    def _refuse(self, kind: str) -> None:
        self._refusals[kind] = self._refusals.get(kind, 0) + 1


def packets(data: bytes) -> Iterator[tuple[int, int, int, Key]]:
    """Start, length, code and key of each whole packet of a frame."""
    start = 0
    while len(data) - start >= _HEADER.size:
        length, code, segment, security, _ = _HEADER.unpack_from(data, start)
        if length < _HEADER.size or start + length > len(data):
            return
        yield start, length, code, (segment, security)
        start += length


def farewell(data: bytes) -> int:
    """Why the server will hang up, 805 to 810, if a packet of `data` says so; otherwise 0.

    The documentation has the reason behind the header, the SDK reads it from the header's last field.
    """
    for start, length, code, _ in packets(data):
        if code != DISCONNECT:
            continue
        at = start + _HEADER.size
        told = [_HEADER.unpack_from(data, start)[4]]
        if length >= _HEADER.size + _REASON.size:
            told += _REASON.unpack_from(data, at)
        return next((int(reason) for reason in told if 800 <= reason < 900), 0)
    return 0


def _price(level: DepthLevel) -> int:
    return level.price
