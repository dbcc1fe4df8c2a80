"""`UpstoxFeed`: live ticks and past bars from Upstox, for the engine's runner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from saudagar.brokers import checks
from saudagar.brokers.supervisor import Stream, Watch
from saudagar.brokers.upstox import wire
from saudagar.brokers.upstox.history import History
from saudagar.execution.ports import LinkStatus
from saudagar.model import Bar, Instrument, InstrumentId, Nanos, TickFrame
from saudagar.model.errors import Unsupported

_LIMITS = {"ltpc": 5000, "full": 2000}
"""Instruments per connection in each mode (Upstox, market data feed V3)."""


class UpstoxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach Upstox.

    Attributes
    ----------
    token
        The day's access token (ends at 03:30 IST).
    feed_url, rest_host
        Other addresses, for a simulated exchange.
    mode
        ``full`` (price, volume, five levels) or ``ltpc`` (price only, no volume).
    depth
        Whether ticks carry bids and asks; only in mode ``full``.
    warm
        Whether the socket's child keeps its caches warm between frames, for a few percent of a core.
    """

    token: str
    feed_url: str | None = None
    rest_host: str | None = None
    mode: str = "full"
    depth: bool = False
    warm: bool = False

    def __repr__(self) -> str:
        return (
            f"UpstoxSettings(token='•••', feed_url={self.feed_url!r}, rest_host={self.rest_host!r}, mode={self.mode!r})"
        )


class UpstoxFeed:
    """The `DataClient` over the official SDK, its socket in a child process.

    Parameters
    ----------
    watch
        The supervision of the socket; turn `silence` and `stale` off where market time may stand still.
    """

    def __init__(self, settings: UpstoxSettings, watch: Watch | None = None) -> None:
        if settings.mode not in _LIMITS:
            raise Unsupported(f"Upstox feed mode {settings.mode!r} is not offered; choose one of {', '.join(_LIMITS)}.")
        self.refusals: dict[str, int] = Counter()
        self.stream: Stream | None = None
        self._open: Callable[[], Stream] | None = None
        self._settings = settings
        self._watch = watch or Watch()
        self._history = History(settings.token, settings.rest_host, self.refusals)

    async def start(
        self,
        instruments: Sequence[Instrument],
        on_frame: Callable[[TickFrame], None],
        on_status: Callable[[LinkStatus], None],
    ) -> None:
        """Subscribe to `instruments`; returns when the first attempt to connect has come to an end.

        Raises
        ------
        DataError
            If an instrument has no Upstox key, or is named twice.
        Unsupported
            If there are more than one connection may carry.
        """
        keys = keys_of(instruments)
        if len(keys) > _LIMITS[self._settings.mode]:
            raise Unsupported(
                f"Upstox carries {_LIMITS[self._settings.mode]} instruments in mode {self._settings.mode!r},"
                f" not {len(keys)}."
            )
        names = [instrument.id for instrument in instruments]
        self._open = lambda: self._stream(keys, lambda body: self._deliver(body, names, on_frame), on_status)
        self.stream = self._open()
        await self.stream.start()

    def _stream(
        self, keys: list[str], on_data: Callable[[bytes], None], on_status: Callable[[LinkStatus], None]
    ) -> Stream:
        settings = self._settings
        handed = {
            "token": settings.token,
            "keys": keys,
            "mode": settings.mode,
            "depth": settings.depth,
            "warm": settings.warm,
        }
        return Stream(
            "upstox feed",
            "saudagar.brokers.upstox.stream",
            msgspec.json.encode(
                handed | {"url": settings.feed_url, "silence": self._watch.silence, "warm": settings.warm}
            ),
            on_data=on_data,
            on_status=on_status,
            watch=self._watch,
            secrets=(settings.token,),
        )

    async def renew(self, token: str) -> None:
        """Connect anew with another token, to the same instruments."""
        self._settings = msgspec.structs.replace(self._settings, token=token)
        await self._history.renew(token)
        if self.stream is not None and self._open is not None:
            await self.stream.stop()
            self.stream = self._open()
            await self.stream.start()

    def _deliver(self, body: bytes, names: list[InstrumentId], on_frame: Callable[[TickFrame], None]) -> None:
        batch = wire.decode(body)
        for kind, count in batch.refused.items():
            self.refusals[kind] = self.refusals.get(kind, 0) + count
        if batch.ts:
            on_frame(wire.frame(batch, names))

    async def bars(self, instrument: Instrument, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        """Closed bars of `[start, end)`, oldest first; raises `BrokerError`.

        A bar that the session's end cuts short is given its full `interval`.
        """
        return await self._history.bars(instrument, interval, start, end)

    async def stop(self) -> None:
        if self.stream is not None:
            await self.stream.stop()
        await self._history.close()


def keys_of(instruments: Sequence[Instrument]) -> list[str]:
    keys = [instrument.upstox_id for instrument in instruments]
    checks.each_once(instruments, keys, "Upstox key")
    return keys
