"""`UpstoxDepth`: order books of thirty levels from Upstox, on a socket of their own.

They need the Plus plan. Upstox counts the sockets of a user (two, in the ordinary plan), and the ticks' is one of
them. It tells no number of orders: that of a level is 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from saudagar.brokers.supervisor import Stream, Watch
from saudagar.brokers.upstox import depth_wire
from saudagar.brokers.upstox.feed import UpstoxSettings, keys_of
from saudagar.execution.ports import LinkStatus
from saudagar.model import Depth, Instrument, InstrumentId
from saudagar.model.errors import Unsupported

MOST = 50
"""Instruments of one connection (from memory; the documentation's page on the feed is not at hand)."""


class UpstoxDepth:
    """The `DepthClient` over the official SDK, its socket in a child process.

    Parameters
    ----------
    settings
        The token and the address; the rest is the ticks'.
    watch
        The supervision of the socket; turn `silence` and `stale` off where market time may stand still.

    Attributes
    ----------
    refusals
        What was not delivered, by kind.
    """

    def __init__(self, settings: UpstoxSettings, watch: Watch | None = None) -> None:
        self.refusals: dict[str, int] = Counter()
        self.stream: Stream | None = None
        self._settings = settings
        self._watch = watch or Watch()

    async def start(
        self,
        instruments: Sequence[Instrument],
        on_depth: Callable[[Depth], None],
        on_status: Callable[[LinkStatus], None],
    ) -> None:
        """Subscribe to `instruments`; returns when the first attempt to connect has come to an end.

        Raises
        ------
        DataError
            If an instrument has no Upstox key, or is named twice.
        Unsupported
            If there are more than one connection may carry, or one is an index.
        """
        keys = keys_of(instruments)
        if len(keys) > MOST:
            raise Unsupported(f"Upstox carries {MOST} deep books on a connection, not {len(keys)}.")
        if indices := [each.id for each in instruments if not each.segment.tradable]:
            raise Unsupported(f"an index has no order book: {', '.join(indices)}.")
        names = [each.id for each in instruments]
        settings = self._settings
        handed = {"token": settings.token, "keys": keys, "url": settings.feed_url, "silence": self._watch.silence}
        self.stream = Stream(
            "upstox depth",
            "saudagar.brokers.upstox.depth_stream",
            msgspec.json.encode(handed),
            on_data=lambda body: self._deliver(body, names, on_depth),
            on_status=on_status,
            watch=self._watch,
            secrets=(settings.token,),
        )
        await self.stream.start()

    async def stop(self) -> None:
        if self.stream is not None:
            await self.stream.stop()

    def _deliver(self, body: bytes, names: list[InstrumentId], on_depth: Callable[[Depth], None]) -> None:
        batch = depth_wire.decode(body)
        for kind, count in batch.refused.items():
            self.refusals[kind] = self.refusals.get(kind, 0) + count
        for depth in depth_wire.depths(batch, names):
            on_depth(depth)
