"""The child that holds Upstox's market data socket: the SDK's streamer, with its traps defused.

The SDK connects, authorises and subscribes. Ours are the raw bytes (its own handler makes dicts) and what `socket`
mends. Where the desk wants to be quick above all, the last message is decoded over and over until the next one comes,
so that what decodes is in the processor's caches then: cold, it takes three times as long.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import msgspec
import upstox_client
import upstox_client.feeder.market_data_feeder_v3 as feeder

from saudagar.brokers.child import Kind, Outlet
from saudagar.brokers.upstox.client import api_client
from saudagar.brokers.upstox.decode import Screen
from saudagar.brokers.upstox.socket import hold, take_socket
from saudagar.brokers.upstox.wire import encode


class ChildSettings(msgspec.Struct, frozen=True):
    """What the child must know, over standard input."""

    token: str
    keys: list[str]
    mode: str
    depth: bool
    silence: float = 0.0  # seconds after which the desk gives up a silent link; 0: it does not
    url: str | None = None
    warm: bool = False


_PAUSE = 0.002  # seconds


class RawStreamer(upstox_client.MarketDataStreamerV3):  # type: ignore[misc]  # the SDK has no types
    """The SDK's streamer, that hands out batches instead of dicts."""

    def __init__(self, client: Any, settings: ChildSettings, outlet: Outlet) -> None:
        super().__init__(client, settings.keys, settings.mode)
        self._screen = Screen(settings.keys, settings.depth, self.decode_protobuf)
        self._outlet = outlet
        self._last: bytes | str = b""
        if settings.warm:
            threading.Thread(target=self._stay_warm, daemon=True).start()

    def handle_message(self, ws: Any, message: bytes | str) -> None:
        received = time.monotonic_ns()
        self._last = message
        batch = self._screen.batch(message, received)
        if batch is not None:
            self._outlet.send(Kind.DATA, encode(batch))

    def _stay_warm(self) -> None:
        while True:
            time.sleep(_PAUSE)
            if (batch := self._screen.batch(self._last, 0)) is not None:
                encode(batch)  # for nobody


def run(settings: bytes, outlet: Outlet, ended: threading.Event) -> None:
    """Hold the connection until it breaks or `ended` is set from outside."""
    wanted = msgspec.json.decode(settings, type=ChildSettings)
    take_socket(feeder, wanted.url, wanted.silence, outlet)
    hold(RawStreamer(api_client(wanted.token), wanted, outlet), outlet, ended)
