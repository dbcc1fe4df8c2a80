"""The child that holds Upstox's portfolio stream: the SDK's streamer, for orders only, each message passed on as is."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import upstox_client
import upstox_client.feeder.portfolio_data_feeder as feeder

from saudagar.brokers.child import Kind, Outlet
from saudagar.brokers.upstox.client import api_client
from saudagar.brokers.upstox.socket import hold, take_socket


class ChildSettings(msgspec.Struct, frozen=True):
    """What the child must know, over standard input."""

    token: str
    silence: float = 0.0  # seconds after which the desk gives up a silent link; 0: it does not
    url: str | None = None


class RawStreamer(upstox_client.PortfolioDataStreamer):  # type: ignore[misc]  # the SDK has no types
    """The SDK's streamer, that hands out each message as it is."""

    def __init__(self, client: Any, outlet: Outlet) -> None:
        super().__init__(client, order_update=True)
        self._outlet = outlet

    def handle_message(self, ws: Any, message: bytes | str) -> None:
        self._outlet.send(Kind.DATA, message.encode() if isinstance(message, str) else message)


def run(settings: bytes, outlet: Outlet, ended: threading.Event) -> None:
    """Hold the connection until it breaks or `ended` is set from outside."""
    wanted = msgspec.json.decode(settings, type=ChildSettings)
    take_socket(feeder, wanted.url, wanted.silence, outlet)
    hold(RawStreamer(api_client(wanted.token), outlet), outlet, ended)
