"""`KiteFeed`: live ticks and past bars from Kite, for the engine's runner."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from saudagar.brokers import checks
from saudagar.brokers.kite.client import KiteSettings
from saudagar.brokers.kite.decode import Decoder
from saudagar.brokers.kite.history import History
from saudagar.brokers.kite.words import PAISE_SEGMENTS
from saudagar.brokers.supervisor import Stream, Watch
from saudagar.execution.ports import LinkStatus
from saudagar.model import Bar, Instrument, InstrumentId, Nanos, TickFrame
from saudagar.model.errors import Unsupported

SOCKETS = 3
TOKENS = 3_000
"""Sockets for one API key, and instruments on each (kite.trade/docs/connect/v3/websocket)."""

_STAMP = struct.Struct(">cQ")

Text = Callable[[bytes], None]
Told = Callable[[LinkStatus], None]


class KiteFeed:
    """The `DataClient` over the official SDK, each of its sockets in a child process.

    Ticks come in mode ``full``, the only one with a time. A frame's time is the highest exchange time in it, in whole
    seconds.

    Parameters
    ----------
    watch
        The supervision of the sockets; turn `silence` and `stale` off where market time may stand still.
    depth
        Whether ticks carry bids and asks.
    """

    def __init__(self, settings: KiteSettings, watch: Watch | None = None, *, depth: bool = False) -> None:
        self.refusals: dict[str, int] = Counter()
        self.streams: list[Stream] = []
        self._settings = settings
        self._watch = watch or Watch()
        self._depth = depth
        self._history = History(settings, self.refusals)
        self._listener: tuple[Text, Told] | None = None
        self._open: Callable[[], list[Stream]] = list

    def listen(self, on_text: Text, on_status: Told) -> None:
        """Hand the account's order updates to a broker too, and the health of the socket they come on.

        Call it before `start`.
        """
        self._listener = on_text, on_status

    async def start(
        self,
        instruments: Sequence[Instrument],
        on_frame: Callable[[TickFrame], None],
        on_status: Callable[[LinkStatus], None],
    ) -> None:
        """Subscribe to `instruments`, spread over as many sockets as they need.

        Returns when the first attempt to connect has come to an end on each.

        Raises
        ------
        DataError
            If an instrument has no Kite token, or is named twice.
        Unsupported
            If there are more than the sockets may carry, or prices that do not come in paise.
        """
        names = _tokens(instruments)
        tokens = list(names)
        if len(tokens) > SOCKETS * TOKENS:
            raise Unsupported(f"Kite carries {SOCKETS * TOKENS} instruments for one API key, not {len(tokens)}.")
        decoder = Decoder(names, self._depth, self.refusals)
        parts = [tokens[first : first + TOKENS] for first in range(0, len(tokens), TOKENS)] or [[]]
        self._open = lambda: [
            self._stream(number, part, decoder, on_frame, on_status) for number, part in enumerate(parts)
        ]
        await self._connect()

    async def _connect(self) -> None:
        self.streams = self._open()
        for stream in self.streams:  # one after the other: each takes half a second of processor to load the SDK
            await stream.start()

    async def _disconnect(self) -> None:
        for stream in self.streams:
            await stream.stop()
        self.streams = []

    async def renew(self, token: str) -> None:
        """Connect anew with another token, to the same instruments."""
        self._settings = msgspec.structs.replace(self._settings, token=token)
        await self._history.renew(self._settings)
        if self.streams:
            await self._disconnect()
            await self._connect()

    def _stream(
        self,
        number: int,
        tokens: list[int],
        decoder: Decoder,
        on_frame: Callable[[TickFrame], None],
        on_status: Told,
    ) -> Stream:
        """The socket of that number; order updates are taken from the first."""
        link = f"kite feed {number + 1}" if number else "kite feed"
        on_text, on_order_status = (None, None) if number or self._listener is None else self._listener

        def data(body: bytes) -> None:
            if body[:1] == b"T":
                if on_text is not None:
                    on_text(body[1:])
                return
            _, received = _STAMP.unpack_from(body)
            frame = decoder.frame(body[_STAMP.size :], received)
            if frame is not None:
                on_frame(frame)

        def status(told: LinkStatus) -> None:
            if on_order_status is not None:
                on_order_status(told)
            on_status(told)

        return ticker_stream(
            self._settings, link, tokens, orders=on_text is not None, watch=self._watch, on_data=data, on_status=status
        )

    async def bars(self, instrument: Instrument, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        """Closed bars of `[start, end)`, oldest first; raises `BrokerError`.

        A bar that the session's end cuts short is given its full `interval`.
        """
        return await self._history.bars(instrument, interval, start, end)

    async def instrument_file(self) -> bytes:
        """Kite's instruments of today as CSV, for `market.master.read_kite`; raises `BrokerError`."""
        return await self._history.instrument_file()

    async def stop(self) -> None:
        await self._disconnect()
        await self._history.close()


def ticker_stream(
    settings: KiteSettings,
    link: str,
    tokens: list[int],
    *,
    orders: bool,
    watch: Watch,
    on_data: Callable[[bytes], None],
    on_status: Told,
) -> Stream:
    """One supervised ticker socket; see `saudagar.brokers.kite.stream` for what `on_data` is given."""
    handed = {"api_key": settings.api_key, "token": settings.token, "url": settings.ticker_url}
    return Stream(
        link,
        "saudagar.brokers.kite.stream",
        msgspec.json.encode(handed | {"tokens": tokens, "orders": orders}),
        on_data=on_data,
        on_status=on_status,
        watch=watch,
        secrets=(settings.token, settings.api_key),
    )


def _tokens(instruments: Sequence[Instrument]) -> dict[int, InstrumentId]:
    checks.each_once(
        instruments, [each.kite_id if each.kite_id.isdecimal() else "" for each in instruments], "Kite token"
    )
    names = {int(instrument.kite_id): instrument.id for instrument in instruments}
    other = [name for token, name in names.items() if token & 0xFF not in PAISE_SEGMENTS]
    if other:
        raise Unsupported(f"Kite does not quote these in paise: {', '.join(other[:5])}.")
    return names
