"""Dhan's order-update WebSocket: a login message in, one `order_alert` out for each change of an order.

Every change goes to all sockets that are logged in, as at Dhan. How many messages the newest socket was sent is what
lock-step compares with the desk's own count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from aiohttp import WSMsgType, web

from saudagar.exchange.access import AccessToken
from saudagar.exchange.core_orders import Update
from saudagar.exchange.dhan.alerts import alert
from saudagar.exchange.face import Wire, decode
from saudagar.exchange.listeners import Listener, Listeners
from saudagar.model import InstrumentId, Tick

ENDPOINT = "dhan.updates"


class _LoginRequest(msgspec.Struct, rename="pascal"):
    msg_code: int
    client_id: str
    token: str


class _Login(msgspec.Struct, rename="pascal"):
    login_req: _LoginRequest
    user_type: str


class OrderUpdates(Listeners):
    """The order-update face.

    Parameters
    ----------
    last
        The newest tick of an instrument, for ``RefLtp``.
    changed, joined
        See `Listeners`.
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
        super().__init__(changed, joined)
        self._wire = wire
        self._client_id = client_id
        self._access = access
        self._last = last
        self._foreign = foreign

    def publish(self, updates: Sequence[Update]) -> None:
        """Queue one message per change for every socket."""
        for update in updates:
            if not self.sockets:
                return
            if self._foreign(update.exchange_id):
                continue
            fault = self._wire.next(ENDPOINT)
            body = alert(update, self._client_id, self._last(update.instrument.id))
            self._send(msgspec.json.encode(body).decode(), fault, self.sockets)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket endpoint."""
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        welcome = await self._login(ws)
        self._knock(welcome=welcome)
        if welcome:
            await self._serve(Listener(ws, request))
        else:
            await ws.close(code=1008, message=b"login refused")
        return ws

    async def _login(self, ws: web.WebSocketResponse) -> bool:
        first = await ws.receive()
        if first.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return False
        try:
            request = decode(first.data, _Login).login_req
        except msgspec.DecodeError:
            return False
        if self._access.expired:
            return False
        return request.msg_code == 42 and request.client_id == self._client_id and request.token == self._access.text
