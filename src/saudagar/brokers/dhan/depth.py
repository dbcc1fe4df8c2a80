"""`DhanDepth`: order books of 20 or 200 levels from Dhan, for NSE's shares and derivatives.

The sockets are counted apart from those of the market feed. At 200 levels Dhan takes one instrument a socket, and was
seen to refuse tokens made with PIN and TOTP where one from its web site worked (April 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from saudagar.brokers.dhan.client import DhanFeedSettings
from saudagar.brokers.dhan.depth_packets import DepthDecoder
from saudagar.brokers.dhan.sockets import Sockets, keys_of, parted
from saudagar.brokers.supervisor import Watch
from saudagar.execution.ports import LinkStatus
from saudagar.model import Depth, Instrument, Nanos, Segment
from saudagar.model.errors import Unsupported

SOCKETS = 5
INSTRUMENTS = {20: 50, 200: 1}
"""On each socket, by levels (dhanhq.co/docs/v2/full-market-depth)."""

_OFFERED = (Segment.NSE_EQ, Segment.NSE_FNO)

__all__ = ["DhanDepth", "DhanFeedSettings"]


class DhanDepth(Sockets):
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
        super().__init__(settings, watch)
        self._levels, self._clock = levels, clock

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
        decoder = DepthDecoder(names, self.refusals, self._clock)

        def deliver(body: bytes) -> None:
            for book in decoder.books(body):
                on_depth(book)

        await self.stop()
        await self._connect(
            "dhan depth",
            "saudagar.brokers.dhan.depth_stream",
            parted(keys, size),
            deliver,
            on_status,
            levels=self._levels,
        )

    async def stop(self) -> None:
        await self._disconnect()
