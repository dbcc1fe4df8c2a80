"""The child that holds Dhan's order-update socket: the SDK's `OrderUpdate`, with its traps defused.

The SDK connects, logs in and receives. It also prints the access token, gives up on the first message that is not
JSON, compares keys by case, and never reconnects; the first three are mended here, the last by the supervisor.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import msgspec
import websockets
from dhanhq import DhanContext, OrderUpdate, orderupdate
from websockets.exceptions import ConnectionClosed, InvalidStatus

from saudagar.brokers.child import Kind, Outlet

_ALIVE_EVERY = 2.0  # seconds
_PARTING = 0.5  # seconds to wait for a dead peer's farewell (the library's 10 would hide that it is dead)
_REFUSED = frozenset({401, 403, 1008, 3000, 3003})  # HTTP and close codes that say: not with this token
_TOKEN_CODES = frozenset({"807", "808", "809", "810"})


class ChildSettings(msgspec.Struct, frozen=True):
    """What the child must know, over standard input."""

    client_id: str
    token: str
    silence: float = 0.0  # seconds after which the desk gives up a silent link; 0: it does not
    url: str | None = None


class TokenRefused(Exception):
    """The server said on the socket that the login is not good."""


class _Tap:
    """The SDK's view of the socket: the login passes through, and of the messages only JSON objects."""

    def __init__(self, socket: Any, outlet: Outlet) -> None:
        self._socket, self._outlet = socket, outlet

    async def send(self, message: str) -> None:
        await self._socket.send(message)
        self._outlet.status("UP")

    async def __aiter__(self) -> AsyncIterator[str]:
        async for message in self._socket:
            if _is_object(message):
                yield message
            else:
                self._outlet.send(Kind.DATA, b"")  # counted by the desk as garbled


class Updates(OrderUpdate):  # type: ignore[misc]  # the SDK has no types
    """The SDK's client, that hands each message to the desk as it is."""

    def __init__(self, settings: ChildSettings, outlet: Outlet) -> None:
        super().__init__(DhanContext(settings.client_id, settings.token))
        if settings.url:
            self.order_feed_wss = settings.url
        self._outlet = outlet

    def handle_order_update(self, order_update: dict[str, Any]) -> None:
        message = {str(key).lower(): value for key, value in order_update.items()}
        if message.get("type") == "order_alert":
            data = message.get("data")
            self._outlet.send(Kind.DATA, msgspec.json.encode(data) if isinstance(data, dict) else b"")
        elif any(str(value) in _TOKEN_CODES for value in message.values()):
            raise TokenRefused(str(order_update)[:200])
        else:
            self._outlet.send(Kind.ALIVE)


def run(settings: bytes, outlet: Outlet, ended: threading.Event) -> None:
    """Hold the connection until it breaks or `ended` is set from outside."""
    wanted = msgspec.json.decode(settings, type=ChildSettings)
    orderupdate.print = lambda *_, **__: None  # it would print the login message, token included
    orderupdate.websockets = SimpleNamespace(connect=lambda url: _Connection(url, wanted.silence, outlet))
    asyncio.run(_hold(Updates(wanted, outlet), outlet, ended, min(wanted.silence / 4 or _ALIVE_EVERY, _ALIVE_EVERY)))


class _Connection:
    """`websockets.connect` as the SDK calls it, with pings that notice a dead peer in time."""

    def __init__(self, url: str, silence: float, outlet: Outlet) -> None:
        half = silence / 2 or None
        self._connect = websockets.connect(url, ping_interval=half, ping_timeout=half, close_timeout=_PARTING)
        self._outlet = outlet

    async def __aenter__(self) -> _Tap:
        return _Tap(await self._connect.__aenter__(), self._outlet)

    async def __aexit__(self, *reason: Any) -> None:
        await self._connect.__aexit__(*reason)


async def _hold(updates: Updates, outlet: Outlet, ended: threading.Event, beat: float) -> None:
    loop = asyncio.get_running_loop()
    connection = asyncio.ensure_future(updates.connect_order_update())
    told = loop.run_in_executor(None, ended.wait)
    while not connection.done() and not told.done():
        await asyncio.wait({connection, told}, timeout=beat, return_when=asyncio.FIRST_COMPLETED)
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


def _is_object(message: str | bytes) -> bool:
    try:
        return isinstance(json.loads(message), dict)
    except ValueError:
        return False
