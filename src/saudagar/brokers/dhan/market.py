"""The child that holds one of Dhan's market data sockets: the SDK's `MarketFeed`, with its traps defused.

The SDK connects and subscribes. It also reads only the first packet of a frame, prints, and reconnects for ever, with
a token that has expired too; so its parser is passed by, and the connection ends with the first fault. The supervisor
starts the next one.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from struct import Struct
from types import SimpleNamespace

import msgspec
from dhanhq import DhanContext, MarketFeed, marketfeed

from saudagar.brokers.child import Kind, Outlet
from saudagar.brokers.dhan.packets import farewell
from saudagar.brokers.dhan.socket import Listener, connect, hold

STAMP = Struct("<Q")
"""Before each frame on the pipe: when the socket handed it over (monotonic ns)."""

_PER_MESSAGE = 100


class ChildSettings(msgspec.Struct, frozen=True):
    """What the child must know, over standard input."""

    client_id: str
    token: str
    keys: list[tuple[int, str]]  # segment and security id
    mode: int  # request code
    silence: float = 0.0  # seconds after which the desk gives up a silent link; 0: it does not
    url: str | None = None


class RawFeed(Listener, MarketFeed):  # type: ignore[misc]  # the SDK has no types
    """The SDK's client, that hands each frame to the desk as it is."""

    def __init__(self, settings: ChildSettings, outlet: Outlet) -> None:
        wanted = [(segment, security, settings.mode) for segment, security in settings.keys]
        super().__init__(DhanContext(settings.client_id, settings.token), wanted, version="v2")
        self.outlet = outlet

    def validate_and_process_tuples(
        self, tuples_list: list[tuple[int, str, int]], batch_size: int = _PER_MESSAGE
    ) -> dict[str, list[list[tuple[int, str]]]]:
        """What to subscribe to, in our order (the SDK's own goes through a set, another one in every process)."""
        keys = [(segment, security) for segment, security, _ in tuples_list]
        groups = [keys[start : start + batch_size] for start in range(0, len(keys), batch_size)]
        return {str(tuples_list[0][2]): groups}

    def process_data(self, data: bytes | str) -> None:
        """Called by the SDK with each message."""
        raw = data.encode() if isinstance(data, str) else data
        self.settle(farewell(raw))
        self.outlet.send(Kind.DATA, STAMP.pack(time.monotonic_ns()) + raw)

    async def receive(self) -> None:
        await self.get_instrument_data()


def run(settings: bytes, outlet: Outlet, ended: threading.Event) -> None:
    """Hold the connection until it breaks or `ended` is set from outside."""
    wanted = msgspec.json.decode(settings, type=ChildSettings)
    connection = partial(connect, silence=wanted.silence)
    marketfeed.websockets = SimpleNamespace(connect=connection)  # of the rest, only what reconnects is used
    if wanted.url:
        MarketFeed.market_feed_wss = wanted.url
    feed = RawFeed(wanted, outlet)
    feed.loop.run_until_complete(hold(feed.listen(), outlet, ended, wanted.silence))
