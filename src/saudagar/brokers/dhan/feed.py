"""`DhanFeed`: live ticks and past bars from Dhan, for the engine's runner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec

from saudagar.brokers.dhan.client import DhanFeedSettings
from saudagar.brokers.dhan.history import History
from saudagar.brokers.dhan.packets import Decoder
from saudagar.brokers.dhan.sockets import Sockets, keys_of, parted
from saudagar.brokers.supervisor import Watch
from saudagar.execution.ports import LinkStatus
from saudagar.model import Bar, Instrument, Nanos, TickFrame
from saudagar.model.errors import Unsupported

SOCKETS, INSTRUMENTS = 5, 5_000
"""Sockets of one client, and instruments on each (dhanhq.co/docs/v2/live-market-feed)."""

MODES = {"ticker": 15, "quote": 17, "full": 21}
"""Price; price and volume; price, volume and five levels."""

__all__ = ["DhanFeed", "DhanFeedSettings"]

_STAMP = 8  # bytes, see `market.STAMP`


class DhanFeed(Sockets):
    """The `DataClient` over the official SDK, each of its sockets in a child process.

    Parameters
    ----------
    watch
        The supervision of the sockets; turn `silence` and `stale` off where market time may stand still.
    clock
        The time of a frame, for which Dhan gives none; without it, as at a simulated exchange, the highest trade time
        so far.
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
        super().__init__(settings, watch)
        self._clock = clock
        self._history = History(settings, self.refusals)
        self._open: Callable[[], Awaitable[None]] | None = None

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

        self._open = partial(
            self._connect,
            "dhan feed",
            "saudagar.brokers.dhan.market",
            parted(keys, INSTRUMENTS),
            deliver,
            on_status,
            mode=MODES[self._settings.mode],
        )
        await self._open()

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
        if self._open is not None:
            await self._open()

    async def stop(self) -> None:
        await self._disconnect()
        await self._history.close()
