"""The child that holds Upstox's market data socket: the SDK's streamer, with its traps defused.

The SDK connects, authorises and subscribes. Ours are: the raw bytes (its own handler makes dicts), TLS verification
(the SDK turns it off), pings (it sends none, so a dead socket would look like a quiet market), and the address when
the exchange is a simulated one (the SDK's is a literal inside a method).
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from types import SimpleNamespace
from typing import Any

import certifi
import msgspec
import upstox_client
import upstox_client.feeder.market_data_feeder_v3 as feeder
import websocket

from saudagar.brokers.child import Kind, Outlet
from saudagar.brokers.upstox.client import api_client
from saudagar.brokers.upstox.decode import Screen
from saudagar.brokers.upstox.wire import encode


class ChildSettings(msgspec.Struct, frozen=True):
    """What the child must know, over standard input."""

    token: str
    keys: list[str]
    mode: str
    depth: bool
    silence: float = 0.0  # seconds after which the desk gives up a silent link; 0: it does not
    url: str | None = None


class RawStreamer(upstox_client.MarketDataStreamerV3):  # type: ignore[misc]  # the SDK has no types
    """The SDK's streamer, that hands out batches instead of dicts."""

    def __init__(self, client: Any, settings: ChildSettings, outlet: Outlet) -> None:
        super().__init__(client, settings.keys, settings.mode)
        self._screen = Screen(settings.keys, settings.depth, self.decode_protobuf)
        self._outlet = outlet

    def handle_message(self, ws: Any, message: bytes | str) -> None:
        batch = self._screen.batch(message, time.monotonic_ns())
        if batch is None:
            self._outlet.send(Kind.ALIVE)
        else:
            self._outlet.send(Kind.DATA, encode(batch))


def verified_tls() -> ssl.SSLContext:
    """The system's authorities and Mozilla's; the name is checked."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def take_socket(settings: ChildSettings, on_alive: Any) -> None:
    """Put our socket class where the SDK's module looks for `websocket`. For a process of its own only."""
    pings: dict[str, Any] = {}
    if settings.silence:
        pings = {"ping_interval": settings.silence * 0.4, "ping_timeout": settings.silence * 0.3}

    class Socket(websocket.WebSocketApp):
        def __init__(self, address: str, **options: Any) -> None:
            super().__init__(settings.url or address, on_ping=on_alive, on_pong=on_alive, **options)

        def run_forever(self, *arguments: Any, **options: Any) -> bool:
            options |= pings | {"sslopt": {"context": verified_tls()}}
            return super().run_forever(*arguments, **options)

    feeder.websocket = SimpleNamespace(WebSocketApp=Socket, ABNF=websocket.ABNF)


def run(settings: bytes, outlet: Outlet, ended: threading.Event) -> None:
    """Hold the connection until it breaks or `ended` is set from outside."""
    wanted = msgspec.json.decode(settings, type=ChildSettings)
    logging.getLogger("websocket").addHandler(logging.NullHandler())
    take_socket(wanted, lambda *_: outlet.send(Kind.ALIVE))
    streamer = RawStreamer(api_client(wanted.token), wanted, outlet)
    last_error: list[str] = []

    def on_error(error: object) -> None:
        last_error[:] = [str(error)]

    def on_close(code: int | None, message: str | None) -> None:
        reason = " ".join(
            str(part) for part in (last_error[0] if last_error else "", code or "", message or "") if part
        )
        refused = any(sign in reason for sign in ("401", "403 Forbidden"))
        outlet.status("AUTH" if refused else "DOWN", reason or "closed by the server")
        ended.set()

    streamer.on("open", lambda: outlet.status("UP"))
    streamer.on("error", on_error)
    streamer.on("close", on_close)
    streamer.auto_reconnect(False)  # gives up for ever after five tries: the supervisor starts a new process instead
    streamer.connect()
    ended.wait()
    if streamer.feeder.ws.sock:
        streamer.disconnect()
