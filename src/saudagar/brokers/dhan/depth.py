"""`DhanDepth`: order books of 20 or 200 levels from Dhan, for NSE's shares and derivatives.

The sockets are counted apart from those of the market feed. At 200 levels Dhan takes one instrument a socket, and was
seen to refuse tokens made with PIN and TOTP where one from its web site worked (April 2026).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from saudagar.brokers.dhan.client import DhanFeedSettings
from saudagar.brokers.dhan.depth_packets import DepthDecoder
from saudagar.brokers.dhan.feed import keys_of
from saudagar.brokers.dhan.packets import Key
from saudagar.brokers.supervisor import Stream, Watch
from saudagar.execution.ports import LinkStatus
from saudagar.model import Depth, Instrument, InstrumentId, Nanos, Segment
from saudagar.model.errors import Unsupported

SOCKETS = 5
INSTRUMENTS = {20: 50, 200: 1}
"""On each socket, by levels (dhanhq.co/docs/v2/full-market-depth)."""

_OFFERED = (Segment.NSE_EQ, Segment.NSE_FNO)

__all__ = ["DhanDepth", "DhanFeedSettings"]


class DhanDepth:
    """The `DepthClient` over the official SDK, each of its sockets in a child process.

    The SDK cannot change what a socket is subscribed to: `start` again with another set makes new connections.

    Parameters
    ----------
    settings
        Those of the market feed; `feed_url` is another address of the depth socket, for a simulated exchange.
    levels
        20 or 200.
    watch
        The supervision of the sockets.
    clock
        The time of a book, for which Dhan gives none.
    """

    def __init__(
        self,
        settings: DhanFeedSettings,
        watch: Watch | None = None,
        *,
        levels: int = 20,
        clock: Callable[[], Nanos],
    ) -> None:
        if levels not in INSTRUMENTS:
            raise Unsupported(f"Dhan has no depth of {levels} levels; it has {', '.join(map(str, INSTRUMENTS))}.")
        self.refusals: dict[str, int] = Counter()
        self.streams: list[Stream] = []
        self._settings, self._levels, self._clock = settings, levels, clock
        self._watch = watch or Watch()

    async def start(
        self,
        instruments: Sequence[Instrument],
        on_depth: Callable[[Depth], None],
        on_status: Callable[[LinkStatus], None],
    ) -> None:
        """Subscribe to `instruments`, and to nothing else any more; returns when the first attempts have ended.

        Raises
        ------
        DataError
            If an instrument has no Dhan id, or is named twice.
        Unsupported
            If there are too many of them, or one is not NSE's.
        """
        keys = keys_of(instruments)
        size = INSTRUMENTS[self._levels]
        if len(keys) > SOCKETS * size:
            raise Unsupported(f"Dhan has depth of {SOCKETS * size} instruments at {self._levels} levels at most.")
        if others := [each.id for each in instruments if each.segment not in _OFFERED]:
            raise Unsupported(f"Dhan has depth of NSE's shares and derivatives only, not of {', '.join(others[:5])}.")
        names = {(segment, int(security)): each.id for (segment, security), each in zip(keys, instruments, strict=True)}
        await self.stop()
        for number, place in enumerate(range(0, len(keys), size), 1):
            stream = self._stream(number, keys[place : place + size], on_status, self._deliverer(names, on_depth))
            self.streams.append(stream)
            await stream.start()

    async def stop(self) -> None:
        for stream in self.streams:
            await stream.stop()
        self.streams = []

    def _deliverer(self, names: dict[Key, InstrumentId], on_depth: Callable[[Depth], None]) -> Callable[[bytes], None]:
        decoder = DepthDecoder(names, self.refusals, self._clock)

        def deliver(body: bytes) -> None:
            for book in decoder.books(body):
                on_depth(book)

        return deliver

    def _stream(
        self,
        number: int,
        keys: list[tuple[int, str]],
        on_status: Callable[[LinkStatus], None],
        on_data: Callable[[bytes], None],
    ) -> Stream:
        settings = self._settings
        handed = {
            "client_id": settings.client_id,
            "token": settings.token,
            "url": settings.feed_url,
            "keys": keys,
            "levels": self._levels,
            "silence": self._watch.silence,
        }
        return Stream(
            "dhan depth" if number == 1 else f"dhan depth {number}",
            "saudagar.brokers.dhan.depth_stream",
            msgspec.json.encode(handed),
            on_data=on_data,
            on_status=on_status,
            watch=self._watch,
            secrets=(settings.token,),
        )
