"""`DhanFeed`: live ticks and past bars from Dhan, for the engine's runner."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from saudagar.brokers import checks
from saudagar.brokers.dhan import words
from saudagar.brokers.dhan.client import DhanFeedSettings
from saudagar.brokers.dhan.history import History
from saudagar.brokers.dhan.packets import Decoder
from saudagar.brokers.supervisor import Stream, Watch
from saudagar.execution.ports import LinkStatus
from saudagar.model import Bar, Instrument, Nanos, TickFrame
from saudagar.model.errors import Unsupported

SOCKETS, INSTRUMENTS = 5, 5_000
"""Sockets of one client, and instruments on each (dhanhq.co/docs/v2/live-market-feed)."""

MODES = {"ticker": 15, "quote": 17, "full": 21}
"""Price; price and volume; price, volume and five levels."""

__all__ = ["DhanFeed", "DhanFeedSettings"]

_STAMP = 8  # bytes, see `market.STAMP`


class DhanFeed:
    """The `DataClient` over the official SDK, each of its sockets in a child process.

    Parameters
    ----------
    watch
        The supervision of the sockets; turn `silence` and `stale` off where market time may stand still.
    clock
        The time of a frame, for which Dhan gives none. By default this machine's; at another address, a simulated
        exchange, the highest trade time so far.
    """

    def __init__(
        self,
        settings: DhanFeedSettings,
        watch: Watch | None = None,
        *,
        clock: Callable[[], Nanos] | None = None,
    ) -> None:
        if settings.mode not in MODES:
            raise Unsupported(f"Dhan feed mode {settings.mode!r} is not offered; choose one of {', '.join(MODES)}.")
        self.refusals: dict[str, int] = Counter()
        self.streams: list[Stream] = []
        self._settings = settings
        self._watch = watch or Watch()
        self._clock = clock or (time.time_ns if settings.feed_url is None else None)
        self._history = History(settings, self.refusals)
        self._open: Callable[[], list[Stream]] = list

    async def start(
        self,
        instruments: Sequence[Instrument],
        on_frame: Callable[[TickFrame], None],
        on_status: Callable[[LinkStatus], None],
    ) -> None:
        """Subscribe to `instruments`; returns when the first attempts to connect have come to an end.

        Raises
        ------
        DataError
            If an instrument has no Dhan id, or is named twice.
        Unsupported
            If there are more than Dhan's connections may carry.
        """
        keys = keys_of(instruments)
        if len(keys) > SOCKETS * INSTRUMENTS:
            raise Unsupported(f"Dhan carries {SOCKETS * INSTRUMENTS} instruments, not {len(keys)}.")
        decoder = Decoder(
            {
                (segment, int(security)): (each.id, each.tick_size if each.segment.tradable else 1)
                for (segment, security), each in zip(keys, instruments, strict=True)
            },
            self._settings.depth,
            self.refusals,
            self._clock,
        )

        def deliver(body: bytes) -> None:
            frame = decoder.frame(body[_STAMP:], int.from_bytes(body[:_STAMP], "little"))
            if frame is not None:
                on_frame(frame)

        self._open = lambda: [
            self._stream(number, keys[place : place + INSTRUMENTS], deliver, on_status)
            for number, place in enumerate(range(0, len(keys), INSTRUMENTS), 1)
        ]
        await self._connect()

    async def bars(self, instrument: Instrument, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        """Closed bars of `[start, end)`, oldest first; raises `BrokerError`.

        A bar that the session's end cuts short is given its full `interval`.
        """
        return await self._history.bars(instrument, interval, start, end)

    async def renew(self, token: str) -> None:
        """Connect anew with another token, to the same instruments."""
        self._settings = msgspec.structs.replace(self._settings, token=token)
        await self._history.renew(self._settings)
        await self._disconnect()
        await self._connect()

    async def stop(self) -> None:
        await self._disconnect()
        await self._history.close()

    async def _connect(self) -> None:
        self.streams = self._open()
        for stream in self.streams:  # one after the other: together they would look like too many
            await stream.start()

    async def _disconnect(self) -> None:
        for stream in self.streams:
            await stream.stop()
        self.streams = []

    def _stream(
        self,
        number: int,
        keys: list[tuple[int, str]],
        on_data: Callable[[bytes], None],
        on_status: Callable[[LinkStatus], None],
    ) -> Stream:
        settings = self._settings
        handed = {
            "client_id": settings.client_id,
            "token": settings.token,
            "url": settings.feed_url,
            "keys": keys,
            "mode": MODES[settings.mode],
            "silence": self._watch.silence,
        }
        return Stream(
            "dhan feed" if number == 1 else f"dhan feed {number}",
            "saudagar.brokers.dhan.market",
            msgspec.json.encode(handed),
            on_data=on_data,
            on_status=on_status,
            watch=self._watch,
            secrets=(settings.token,),
        )


def keys_of(instruments: Sequence[Instrument]) -> list[tuple[int, str]]:
    """Segment and security id of each. Raises `DataError` for what has none, or is named twice."""
    keys = [(words.FEED_SEGMENT[each.segment], each.dhan_id) for each in instruments]
    names = [f"{segment}:{security}" if security.isdecimal() else "" for segment, security in keys]
    checks.each_once(instruments, names, "Dhan security id")
    return keys
