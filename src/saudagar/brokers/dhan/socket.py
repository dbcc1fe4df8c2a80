"""What all of Dhan's sockets need of their process: pings that notice a dead peer, and how a connection ends."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from saudagar.brokers.child import Kind, Outlet

SETTLED = 0.5
"""Seconds; a refusal comes at once, and a link that is about to be refused is not up."""

_REASONS = {
    805: "too many connections of this client",
    806: "no data plan",
    807: "the token has expired",
    808: "the client id is refused",
    809: "the token is refused",
    810: "the login is refused",
}
_FINAL = frozenset(_REASONS) - {805}
_ALIVE_EVERY = 2.0  # seconds
_PARTING = 0.5  # seconds to wait for a dead peer's farewell (the library's 10 would hide that it is dead)
_REFUSED = frozenset({401, 403, 1008, 3000, 3003})  # HTTP and close codes that say: not with this token
_LARGEST = 1 << 24  # bytes of a message


class TokenRefused(Exception):
    """The server said on the socket that the login is not good."""


def goodbye(reason: int) -> Exception:
    """What ends a connection whose server has said `reason` (annexure of Dhan's API)."""
    words = f"{reason}: {_REASONS.get(reason, 'no reason given')}"
    return TokenRefused(words) if reason in _FINAL else ConnectionError(words)


class Listener(ABC):
    """The part of a market data client of the SDK's that receives until something breaks, and says when it is up."""

    connect: Callable[[], Awaitable[None]]  # the SDK's, like the socket
    ws: Any
    outlet: Outlet
    _up = False

    @abstractmethod
    async def receive(self) -> None:
        """Take one message from the socket and pass it on."""

    def settle(self, reason: int = 0) -> None:
        """The link is up, unless the server has said goodbye for `reason`: then that is raised."""
        if reason:
            raise goodbye(reason)
        if not self._up:
            self._up = True
            self.outlet.status("UP")

    async def listen(self) -> None:
        """Connect, subscribe and receive."""
        with suppress(ConnectionClosed):  # while subscribing; why lies in what was received, which is read next
            await self.connect()
        settled = asyncio.get_running_loop().call_later(SETTLED, self.settle)
        try:
            while True:
                await self.receive()
        finally:
            settled.cancel()
            await self.ws.close()


def connect(url: str, silence: float) -> Any:
    """`websockets.connect` as the SDK calls it, with pings in time for `silence` (seconds; 0: none)."""
    return websockets.connect(
        url,
        ping_interval=silence * 0.4 or None,
        ping_timeout=silence * 0.3 or None,
        close_timeout=_PARTING,
        max_size=_LARGEST,
        compression=None,
    )


async def hold(work: Coroutine[Any, Any, None], outlet: Outlet, ended: threading.Event, silence: float) -> None:
    """Run `work`, the connection, until it breaks or `ended` is set from outside; tell how it ended."""
    beat = min(silence / 4 or _ALIVE_EVERY, _ALIVE_EVERY)
    loop = asyncio.get_running_loop()
    connection: asyncio.Future[Any] = asyncio.ensure_future(work)
    told: asyncio.Future[Any] = loop.run_in_executor(None, ended.wait)
    while not connection.done() and not told.done():
        await asyncio.wait([connection, told], timeout=beat, return_when=asyncio.FIRST_COMPLETED)
        outlet.send(Kind.ALIVE)
    ended.set()
    if not connection.done():
        connection.cancel()
    outcome: object = (await asyncio.gather(connection, return_exceptions=True))[0]
    outlet.status("AUTH" if _refused(outcome) else "DOWN", _words(outcome))


def _refused(outcome: object) -> bool:
    if isinstance(outcome, InvalidStatus):
        return outcome.response.status_code in _REFUSED
    if isinstance(outcome, ConnectionClosed) and outcome.rcvd is not None:
        return outcome.rcvd.code in _REFUSED
    return isinstance(outcome, TokenRefused)


def _words(outcome: object) -> str:
    return f"{type(outcome).__name__}: {outcome}" if isinstance(outcome, Exception) else "closed by the server"
