"""The child that holds Upstox's socket of deep books: the SDK's streamer in mode ``full_d30``."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import upstox_client
import upstox_client.feeder.market_data_feeder_v3 as feeder

from saudagar.brokers.child import Kind, Outlet
from saudagar.brokers.upstox.client import api_client
from saudagar.brokers.upstox.depth_wire import Books, encode
from saudagar.brokers.upstox.socket import hold, take_socket

MODE = "full_d30"


class ChildSettings(msgspec.Struct, frozen=True):
    """What the child must know, over standard input."""

    token: str
    keys: list[str]
    silence: float = 0.0  # seconds after which the desk gives up a silent link; 0: it does not
    url: str | None = None


class DeepStreamer(upstox_client.MarketDataStreamerV3):  # type: ignore[misc]  # the SDK has no types
    """The SDK's streamer, that hands out books instead of dicts."""

    def __init__(self, client: Any, keys: list[str], outlet: Outlet) -> None:
        super().__init__(client, keys, MODE)
        self._books = Books(keys, self.decode_protobuf)
        self._outlet = outlet

    def handle_message(self, ws: Any, message: bytes | str) -> None:
        batch = self._books.batch(message)
        if batch is None:
            self._outlet.send(Kind.ALIVE)
        else:
            self._outlet.send(Kind.DATA, encode(batch))


def run(settings: bytes, outlet: Outlet, ended: threading.Event) -> None:
    """Hold the connection until it breaks or `ended` is set from outside."""
    wanted = msgspec.json.decode(settings, type=ChildSettings)
    take_socket(feeder, wanted.url, wanted.silence, outlet)
    hold(DeepStreamer(api_client(wanted.token), wanted.keys, outlet), outlet, ended)
