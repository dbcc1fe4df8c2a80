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
from dhanhq import DhanContext, OrderUpdate, orderupdate

from saudagar.brokers.child import Kind, Outlet
from saudagar.brokers.dhan.socket import TokenRefused, connect, hold

_TOKEN_CODES = frozenset({"807", "808", "809", "810"})


class ChildSettings(msgspec.Struct, frozen=True):
    """What the child must know, over standard input."""

    client_id: str
    token: str
    silence: float = 0.0  # seconds after which the desk gives up a silent link; 0: it does not
    url: str | None = None


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
        if str(message.get("type")).lower() == "order_alert":
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
    asyncio.run(hold(Updates(wanted, outlet).connect_order_update(), outlet, ended, wanted.silence))


class _Connection:
    """The socket as the SDK enters it, with the tap in between."""

    def __init__(self, url: str, silence: float, outlet: Outlet) -> None:
        self._connect = connect(url, silence)
        self._outlet = outlet

    async def __aenter__(self) -> _Tap:
        return _Tap(await self._connect.__aenter__(), self._outlet)

    async def __aexit__(self, *reason: Any) -> None:
        await self._connect.__aexit__(*reason)


def _is_object(message: str | bytes) -> bool:
    try:
        return isinstance(json.loads(message), dict)
    except ValueError:
        return False
