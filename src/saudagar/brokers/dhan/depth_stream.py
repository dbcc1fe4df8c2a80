"""The child that holds one of Dhan's depth sockets: the SDK's `FullDepth`, with its traps defused.

The SDK connects and subscribes. It can not change what is subscribed (it trips over the library it uses), prints, and
makes texts of the rows; so the set is fixed for a connection's life, and its parser is passed by.
"""

from __future__ import annotations

import threading
from functools import partial
from types import SimpleNamespace

import msgspec
from dhanhq import DhanContext, FullDepth, fulldepth

from saudagar.brokers.child import Kind, Outlet
from saudagar.brokers.dhan.depth_packets import farewell
from saudagar.brokers.dhan.socket import Listener, connect, hold


class ChildSettings(msgspec.Struct, frozen=True):
    """What the child must know, over standard input."""

    client_id: str
    token: str
    keys: list[tuple[int, str]]  # segment and security id
    levels: int
    silence: float = 0.0  # seconds after which the desk gives up a silent link; 0: it does not
    url: str | None = None


class RawDepth(Listener, FullDepth):  # type: ignore[misc]  # the SDK has no types
    """The SDK's client, that hands each frame to the desk as it is."""

    def __init__(self, settings: ChildSettings, outlet: Outlet) -> None:
        super().__init__(DhanContext(settings.client_id, settings.token), settings.keys, settings.levels)
        self.outlet = outlet

    def validate_and_process_tuples(
        self, tuples_list: list[tuple[int, str]], batch_size: int | None = None
    ) -> list[list[tuple[int, str]]]:
        """What to subscribe to, in our order: all at once, as a socket holds no more than one message takes."""
        return [tuples_list]

    async def receive(self) -> None:
        message = await self.ws.recv()
        raw = message.encode() if isinstance(message, str) else message
        self.settle(farewell(raw))
        self.outlet.send(Kind.DATA, raw)


def run(settings: bytes, outlet: Outlet, ended: threading.Event) -> None:
    """Hold the connection until it breaks or `ended` is set from outside."""
    wanted = msgspec.json.decode(settings, type=ChildSettings)
    connection = partial(connect, silence=wanted.silence)
    fulldepth.print = lambda *_, **__: None
    fulldepth.websockets = SimpleNamespace(connect=connection)  # all that a first connection uses
    if wanted.url:
        FullDepth.depth_20_feed_wss = FullDepth.depth_200_feed_wss = wanted.url
    depth = RawDepth(wanted, outlet)
    depth.loop.run_until_complete(hold(depth.listen(), outlet, ended, wanted.silence))
