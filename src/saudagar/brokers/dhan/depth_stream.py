"""The child that holds one of Dhan's depth sockets: the SDK's `FullDepth`, with its traps defused.

The SDK connects and subscribes. It can not change what is subscribed (it trips over the library it uses), prints, and
makes texts of the rows; so the set is fixed for a connection's life, and its parser is passed by.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import msgspec
from dhanhq import DhanContext, FullDepth, fulldepth
from websockets.exceptions import ConnectionClosed

from saudagar.brokers.child import Kind, Outlet
from saudagar.brokers.dhan.depth_packets import farewell
from saudagar.brokers.dhan.socket import SETTLED, connect, goodbye, hold


class ChildSettings(msgspec.Struct, frozen=True):
    """What the child must know, over standard input."""

    client_id: str
    token: str
    keys: list[tuple[int, str]]  # segment and security id
    levels: int
    silence: float = 0.0  # seconds after which the desk gives up a silent link; 0: it does not
    url: str | None = None


class RawDepth(FullDepth):  # type: ignore[misc]  # the SDK has no types
    """The SDK's client, that hands each frame to the desk as it is."""

    def __init__(self, settings: ChildSettings, outlet: Outlet) -> None:
        super().__init__(DhanContext(settings.client_id, settings.token), settings.keys, settings.levels)
        self._outlet = outlet
        self._up = False

    def validate_and_process_tuples(
        self, tuples_list: list[tuple[int, str]], batch_size: int | None = None
    ) -> list[list[tuple[int, str]]]:
        """What to subscribe to, in our order: all at once, as a socket holds no more than one message takes."""
        return [tuples_list]

    def _settle(self) -> None:
        if not self._up:
            self._up = True
            self._outlet.status("UP")

    async def listen(self) -> None:
        """Connect, subscribe and receive until something breaks."""
        with suppress(ConnectionClosed):  # while subscribing; why lies in what was received, which is read next
            await self.connect()
        settled = asyncio.get_running_loop().call_later(SETTLED, self._settle)
        try:
            while True:
                message = await self.ws.recv()
                raw = message.encode() if isinstance(message, str) else message
                if reason := farewell(raw):
                    raise goodbye(reason)
                self._settle()
                self._outlet.send(Kind.DATA, raw)
        finally:
            settled.cancel()
            await self.ws.close()


def run(settings: bytes, outlet: Outlet, ended: threading.Event) -> None:
    """Hold the connection until it breaks or `ended` is set from outside."""
    wanted = msgspec.json.decode(settings, type=ChildSettings)

    def connection(url: str) -> Any:
        return connect(url, wanted.silence)

    fulldepth.print = lambda *_, **__: None
    fulldepth.websockets = SimpleNamespace(connect=connection)  # all that a first connection uses
    if wanted.url:
        FullDepth.depth_20_feed_wss = FullDepth.depth_200_feed_wss = wanted.url
    depth = RawDepth(wanted, outlet)
    depth.loop.run_until_complete(hold(depth.listen(), outlet, ended, wanted.silence))
