"""Dhan's order-update WebSocket: a login message in, one `order_alert` out for each change of an order.

Every change goes to all sockets that are logged in, as at Dhan. How many messages the newest socket was sent is what
lock-step compares with the desk's own count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
from aiohttp import WSMsgType, web

from saudagar.exchange.core_orders import Update
from saudagar.exchange.dhan.alerts import alert
from saudagar.exchange.dhan.token import AccessToken
from saudagar.exchange.face import Wire, abort
from saudagar.exchange.faults import Fault, FaultKind
from saudagar.exchange.streams import CUT
from saudagar.model import InstrumentId, Tick

ENDPOINT = "dhan.updates"

_LOST = (FaultKind.STALE_FEED, FaultKind.DISCONNECT, FaultKind.DROP_BEFORE_ACCEPT)


class _LoginRequest(msgspec.Struct, rename="pascal"):
    msg_code: int
    client_id: str
    token: str


class _Login(msgspec.Struct, rename="pascal"):
    login_req: _LoginRequest
    user_type: str


class _Socket:
    """One logged-in socket and what still has to be sent on it, in order."""

    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.BaseTransport | None) -> None:
        self.ws = ws
        self.transport = transport
        self.sent = 0  # messages handed over, those still queued included
        self.queue: asyncio.Queue[tuple[str, float] | None] = asyncio.Queue()  # text and a delay; None hangs up

    def put(self, text: str, delay: float = 0.0) -> None:
        self.sent += 1
        self.queue.put_nowait((text, delay))

    async def pump(self) -> None:
        while (item := await self.queue.get()) is not None:
            text, delay = item
            if delay:
                await asyncio.sleep(delay)
            try:
                await self.ws.send_str(text)
            except ConnectionError:
                return
        if self.transport is not None:
            abort(self.transport)


class OrderUpdates:
    """The order-update face.

    Parameters
    ----------
    last
        The newest tick of an instrument, for ``RefLtp``.
    changed
        Called when a socket goes: lock-step has to look again.
    joined
        Called when a socket has logged in: lock-step needs a new word of the desk.
    foreign
        Whether an order came in through another broker's face.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        client_id: str,
        access: AccessToken,
        last: Callable[[InstrumentId], Tick | None],
        changed: Callable[[], None],
        joined: Callable[[], None],
        foreign: Callable[[str], bool],
    ) -> None:
        self.total = 0  # messages over all sockets
        self._wire = wire
        self._client_id = client_id
        self._access = access
        self._last = last
        self._changed = changed
        self._joined = joined
        self._foreign = foreign
        self._sockets: list[_Socket] = []
        self._cut = False  # we hung up on somebody who has not tried again

    @property
    def sent(self) -> int | None:
        """Messages sent on the newest socket; None while nobody is logged in, `CUT` if we hung up on the last one."""
        if self._sockets:
            return self._sockets[-1].sent
        return CUT if self._cut else None

    def publish(self, updates: Sequence[Update]) -> None:
        """Queue one message per change for every socket."""
        for update in updates:
            if not self._sockets:
                return
            if self._foreign(update.exchange_id):
                continue
            fault = self._wire.next(ENDPOINT)
            body = alert(update, self._client_id, self._last(update.instrument.id))
            self._send(msgspec.json.encode(body).decode(), fault)

    def _send(self, text: str, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        if kind is FaultKind.GARBLED:
            text = text[: len(text) // 2]
        copies = 0 if kind in _LOST else 2 if kind is FaultKind.DUPLICATE else 1
        for socket in tuple(self._sockets):
            for _ in range(copies):
                self.total += 1
                socket.put(text, fault.delay if fault else 0.0)
            if kind in (FaultKind.DISCONNECT, FaultKind.DROP_BEFORE_ACCEPT, FaultKind.DROP_AFTER_ACCEPT):
                self._hang_up(socket)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket endpoint."""
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        welcome = await self._login(ws)
        self._cut = False
        if not welcome:
            self._changed()
            await ws.close(code=1008, message=b"login refused")
            return ws
        socket = _Socket(ws, request.transport)
        self._sockets.append(socket)
        self._joined()
        pump = asyncio.create_task(socket.pump())
        try:
            async for _ in ws:
                pass  # nothing is expected after the login
        finally:
            pump.cancel()
            self._remove(socket)
        return ws

    async def _login(self, ws: web.WebSocketResponse) -> bool:
        first = await ws.receive()
        if first.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return False
        try:
            request = msgspec.json.decode(first.data, type=_Login).login_req
        except msgspec.DecodeError:
            return False
        if self._access.expired:
            return False
        return request.msg_code == 42 and request.client_id == self._client_id and request.token == self._access.text

    def _remove(self, socket: _Socket) -> None:
        if socket in self._sockets:
            self._sockets.remove(socket)
            self._changed()

    def disconnect(self) -> None:
        """Hang up on everybody, as on a bad day."""
        for socket in tuple(self._sockets):
            self._hang_up(socket)

    def _hang_up(self, socket: _Socket) -> None:
        self._cut = True
        self._remove(socket)
        socket.queue.put_nowait(None)
