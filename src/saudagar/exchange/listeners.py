"""Who listens to an order stream: sockets, each with a queue of its own, and what happens to them on a bad day.

Dhan's and Upstox's streams are made of it; Kite's orders come on the ticker's socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from aiohttp import web

from saudagar.exchange.face import abort
from saudagar.exchange.faults import Fault, FaultKind
from saudagar.exchange.streams import CUT

_LOST = (FaultKind.STALE_FEED, FaultKind.DISCONNECT, FaultKind.DROP_BEFORE_ACCEPT)
_CUT = (FaultKind.DISCONNECT, FaultKind.DROP_BEFORE_ACCEPT, FaultKind.DROP_AFTER_ACCEPT)


class Listener:
    """One connected socket, what it wants to hear (empty where all hear the same), and what it still has to be sent."""

    def __init__(self, ws: web.WebSocketResponse, request: web.Request, kinds: frozenset[str] = frozenset()) -> None:
        self.kinds = kinds
        self.sent = 0  # messages handed over, those still queued included
        self._ws = ws
        self._transport = request.transport
        self._queue: asyncio.Queue[tuple[str, float] | None] = asyncio.Queue()  # text and a delay; None hangs up

    def put(self, text: str, delay: float) -> None:
        self.sent += 1
        self._queue.put_nowait((text, delay))

    def hang_up(self) -> None:
        """Reset the connection when all has been sent."""
        self._queue.put_nowait(None)

    async def serve(self) -> None:
        """Send until the client goes; nothing is expected of it."""
        pump = asyncio.create_task(self._pump())
        try:
            async for _ in self._ws:
                pass
        finally:
            pump.cancel()

    async def _pump(self) -> None:
        while (item := await self._queue.get()) is not None:
            text, delay = item
            if delay:
                await asyncio.sleep(delay)
            try:
                await self._ws.send_str(text)
            except ConnectionError:
                return
        if self._transport is not None:
            abort(self._transport)


class Listeners:
    """All that listen to one stream.

    Parameters
    ----------
    changed
        Called when a socket goes, or is not let in: lock-step has to look again.
    joined
        Called when a socket has come: lock-step needs a new word of the desk.
    """

    def __init__(self, changed: Callable[[], None], joined: Callable[[], None]) -> None:
        self.total = 0  # messages over all sockets
        self.sockets: list[Listener] = []
        self._changed, self._joined = changed, joined
        self._cut = False  # we hung up on somebody who has not tried again

    @property
    def sent(self) -> int | None:
        """Messages on the newest socket; None while nobody is connected, `CUT` if we hung up on the last one."""
        if self.sockets:
            return self.sockets[-1].sent
        return CUT if self._cut else None

    def disconnect(self) -> None:
        """Hang up on everybody, as on a bad day."""
        for socket in tuple(self.sockets):
            self._hang_up(socket)

    def _knock(self, *, welcome: bool) -> None:
        """Somebody tried to connect."""
        self._cut = False
        if not welcome:
            self._changed()

    async def _serve(self, socket: Listener) -> None:
        self.sockets.append(socket)
        self._joined()
        try:
            await socket.serve()
        finally:
            self._remove(socket)

    def _send(self, text: str, fault: Fault | None, sockets: Iterable[Listener]) -> None:
        """Queue one message for each of `sockets`, with what `fault` does to it."""
        kind = fault.kind if fault else None
        if kind is FaultKind.GARBLED:
            text = text[: len(text) // 2]
        copies = 0 if kind in _LOST else 2 if kind is FaultKind.DUPLICATE else 1
        for socket in tuple(sockets):
            for _ in range(copies):
                self.total += 1
                socket.put(text, fault.delay if fault else 0.0)
            if kind in _CUT:
                self._hang_up(socket)

    def _remove(self, socket: Listener) -> None:
        if socket in self.sockets:
            self.sockets.remove(socket)
            self._changed()

    def _hang_up(self, socket: Listener) -> None:
        self._cut = True
        self._remove(socket)
        socket.hang_up()
