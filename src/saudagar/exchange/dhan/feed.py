"""Dhan's market feed v2 and its depth of 20 and 200 levels on WebSockets: JSON requests in, stacked packets out.

All packets of a step that one socket wants go out in one frame. Five sockets per client: the sixth throws the oldest
out (805). In lock-step a desk fed from here knows a step by the highest last-trade time in its frame, so the market
waits for it only in steps that held a packet for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
from aiohttp import WSMsgType, web

from saudagar.exchange.dhan.packets import (
    FULL,
    QUOTE,
    TICKER,
    LinePackets,
    depth_disconnect,
    disconnect,
    market_status,
)
from saudagar.exchange.dhan.site import DhanSite
from saudagar.exchange.face import abort, decode
from saudagar.exchange.faults import FaultKind
from saudagar.exchange.options import underlying_of
from saudagar.market.session_tables import PhaseKind
from saudagar.model import InstrumentId, InstrumentKind, Nanos, Paise, Tick

FEED, DEPTH = "dhan.feed", "dhan.depth"

_SOCKETS = 5
_PER_MESSAGE = 100
_MODES = (TICKER, QUOTE, FULL)
_DEPTH_CODE = 23
_DEEP_SEGMENTS = ("NSE_EQ", "NSE_FNO")
_MOST = {0: 5_000, 20: 50, 200: 1}  # instruments of a socket, by its levels
_ENDS = {TICKER + 1: TICKER, QUOTE + 1: QUOTE, FULL + 1: FULL, 24: _DEPTH_CODE, 25: _DEPTH_CODE}  # 24 the SDK's word
_LEAVE = 12
_HEARTBEAT = 10.0  # seconds between the server's pings
_SLOW_SECONDS = 10.0
_CUT = (FaultKind.DISCONNECT, FaultKind.DROP_BEFORE_ACCEPT)

TOO_MANY_INSTRUMENTS, TOO_MANY_SOCKETS, EXPIRED, BAD_CLIENT, BAD_TOKEN = 804, 805, 807, 808, 809


class _Wanted(msgspec.Struct, rename="pascal"):
    exchange_segment: str
    security_id: str | int


class _Request(msgspec.Struct, rename="pascal"):
    request_code: int
    instrument_list: list[_Wanted] = []
    exchange_segment: str = ""  # of the one instrument of a 200-level socket
    security_id: str | int = ""

    @property
    def keys(self) -> list[tuple[str, str]]:
        named = [(each.exchange_segment, str(each.security_id)) for each in self.instrument_list]
        return named + [(self.exchange_segment, str(self.security_id))] * bool(self.security_id)


class _Socket:
    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.BaseTransport | None) -> None:
        self.ws = ws
        self.transport = transport
        self.modes: dict[InstrumentId, int] = {}

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(_SLOW_SECONDS):
            await self.ws.send_bytes(data)


class DhanFeed:
    """One kind of feed: its endpoint and its publisher.

    Parameters
    ----------
    levels
        20 or 200 of depth, on NSE only; 0 for ticker, quote and full packets.
    subscribed
        Called when somebody has subscribed to something.
    """

    def __init__(self, site: DhanSite, *, levels: int = 0, subscribed: Callable[[], None]) -> None:
        self.frames = 0
        self._site = site
        self._subscribed = subscribed
        self._endpoint = DEPTH if levels else FEED
        self._codes = (_DEPTH_CODE,) if levels else _MODES
        self._levels = levels
        self._most = _MOST[levels]
        self._packets = {each: LinePackets(line) for each, line in site.tape.lines.items()}
        self._sockets: list[_Socket] = []
        self._open: bool | None = None
        tradable = (each for each, line in site.tape.lines.items() if line.instrument.segment.tradable)
        self._watched = None if levels else next(tradable, None)  # its phase is the market's

    async def publish(self, ts: Nanos, ticks: Sequence[Tick]) -> bool | None:
        """Send what each socket wants of `ticks`; see `upstox.feed.Publisher`."""
        await self._tell_status()
        if not any(socket.modes for socket in self._sockets):
            return None
        if self._site.access.expired:
            await self._throw_out(self._sockets, EXPIRED)
            return None
        fault = self._site.wire.next(self._endpoint)
        kind = fault.kind if fault else None
        if kind is FaultKind.STALE_FEED:
            return False
        if kind in _CUT:
            self.disconnect()
            return False
        if fault and fault.delay:
            await asyncio.sleep(fault.delay)
        arrived = False
        for socket in tuple(self._sockets):
            data = b"".join(
                self._packet(tick.instrument, socket.modes[tick.instrument])
                for tick in ticks
                if tick.instrument in socket.modes
            )
            if not data:
                continue
            if kind is FaultKind.GARBLED:
                data = b"\xff" + data[: len(data) // 2]
            for _ in range(2 if kind is FaultKind.DUPLICATE else 1):
                await self._send(socket, data)
            arrived = kind is not FaultKind.GARBLED
        if kind is FaultKind.DROP_AFTER_ACCEPT:
            self.disconnect()
        return arrived

    def _packet(self, instrument: InstrumentId, mode: int) -> bytes:
        packets = self._packets[instrument]
        if mode == _DEPTH_CODE:
            return packets.depth(self._levels)
        return packets.of(mode, self._spot(packets))

    def _spot(self, packets: LinePackets) -> Paise:
        instrument = packets.line.instrument
        if instrument.kind not in (InstrumentKind.OPTION, InstrumentKind.FUTURE):
            return 0
        line = self._site.tape.lines[underlying_of(instrument, self._site.source.instruments).id]
        return line.tick.ltp if line.tick else line.previous_close

    async def _send(self, socket: _Socket, data: bytes) -> None:
        self.frames += 1
        try:
            await socket.send(data)
        except (ConnectionError, TimeoutError):
            self._drop(socket)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket endpoint."""
        ws = web.WebSocketResponse(compress=False, heartbeat=_HEARTBEAT)
        await ws.prepare(request)
        socket = _Socket(ws, request.transport)
        reason = self._stranger(request)
        if reason:
            await self._throw_out([socket], reason)
            return ws
        self._sockets.append(socket)
        await self._throw_out(self._sockets[:-_SOCKETS], TOO_MANY_SOCKETS)
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT and not await self._request(socket, message.data):
                    break
        except (ConnectionError, TimeoutError):
            pass  # the client went away while it was being answered
        finally:
            if socket in self._sockets:
                self._sockets.remove(socket)
        await ws.close()
        return ws

    def _stranger(self, request: web.Request) -> int:
        if request.query.get("clientId") != self._site.client_id:
            return BAD_CLIENT
        if request.query.get("token") != self._site.access.text:
            return BAD_TOKEN
        return EXPIRED if self._site.access.expired else 0

    async def _request(self, socket: _Socket, text: str) -> bool:
        """Do what a client asks; False ends the connection."""
        try:
            request = decode(text, _Request)
        except msgspec.DecodeError:
            return True
        if request.request_code == _LEAVE:
            return False
        by_id, keys = self._site.by_id, request.keys
        offered = _DEEP_SEGMENTS if self._levels else None
        known = [by_id[key].instrument.id for key in keys if key in by_id and (not offered or key[0] in offered)]
        if request.request_code in self._codes:
            if len(keys) > _PER_MESSAGE or len(socket.modes.keys() | set(known)) > self._most:
                await self._throw_out([socket], TOO_MANY_INSTRUMENTS)
                return False
            await self._subscribe(socket, request.request_code, known)
        elif mode := _ENDS.get(request.request_code):
            for each in known:
                if socket.modes.get(each) == mode:
                    del socket.modes[each]
        return True

    async def _subscribe(self, socket: _Socket, mode: int, known: list[InstrumentId]) -> None:
        socket.modes.update(dict.fromkeys(known, mode))
        data = b""
        for each in known:
            if mode != _DEPTH_CODE:
                data += self._packets[each].previous()
            if self._site.tape.lines[each].tick:
                data += self._packet(each, mode)
        if data:
            await socket.send(data)
        if known:
            self._subscribed()

    async def _tell_status(self) -> None:
        """The market has opened or closed: packet 7, which does not say which."""
        is_open = self._watched is not None and self._site.core.phase(self._watched) is PhaseKind.CONTINUOUS
        if self._open not in (None, is_open):
            for socket in tuple(self._sockets):
                await self._send(socket, market_status(1))
        self._open = is_open

    async def _throw_out(self, sockets: Sequence[_Socket], reason: int) -> None:
        for socket in tuple(sockets):
            if socket in self._sockets:
                self._sockets.remove(socket)
            try:
                await socket.send(depth_disconnect(reason) if self._levels else disconnect(reason))
                await socket.ws.close()
            except (ConnectionError, TimeoutError):
                self._drop(socket)

    def _drop(self, socket: _Socket) -> None:
        if socket in self._sockets:
            self._sockets.remove(socket)
        if socket.transport is not None:
            abort(socket.transport)

    def disconnect(self) -> None:
        """Reset every socket, as on a bad day."""
        for socket in tuple(self._sockets):
            self._drop(socket)
