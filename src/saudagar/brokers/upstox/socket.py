"""What both of Upstox's sockets need of their process: verified TLS, pings, another address, and how they end.

The SDK turns verification off, sends no pings (a dead socket would look like a quiet one), and has its addresses as
literals inside methods. It takes the class `WebSocketApp` from a module-level name, which is replaced here; so this
is for a child process of one socket only.
"""

from __future__ import annotations

import logging
import ssl
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import certifi
import websocket

from saudagar.brokers.child import Kind, Outlet

_REFUSED = frozenset({401, 403})
"""The handshake's status, and the close code that the SDK looks for."""


def verified_tls() -> ssl.SSLContext:
    """The system's authorities and Mozilla's; the name is checked."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def take_socket(feeder: ModuleType, url: str | None, silence: float, outlet: Outlet) -> None:
    """Put our socket class where the SDK's module `feeder` looks for `websocket`.

    Parameters
    ----------
    url
        Another address than Upstox's own.
    silence
        Seconds after which the desk gives up a silent link; 0: it does not, and no pings are sent.
    """
    logging.getLogger("websocket").addHandler(logging.NullHandler())
    pings: dict[str, Any] = {}
    if silence:
        pings = {"ping_interval": silence * 0.4, "ping_timeout": silence * 0.3}

    def alive(*_: object) -> None:
        outlet.send(Kind.ALIVE)

    class Socket(websocket.WebSocketApp):
        def __init__(self, address: str, **options: Any) -> None:
            query = address.partition("?")[1:]
            super().__init__(url + "".join(query) if url else address, on_ping=alive, on_pong=alive, **options)

        def run_forever(self, *arguments: Any, **options: Any) -> bool:
            options |= pings | {"sslopt": {"context": verified_tls()}}
            return super().run_forever(*arguments, **options)

    feeder.websocket = SimpleNamespace(WebSocketApp=Socket, ABNF=websocket.ABNF)  # type: ignore[attr-defined]  # meant


def hold(streamer: Any, outlet: Outlet, ended: threading.Event) -> None:
    """Connect the SDK's `streamer` and keep it until it breaks or `ended` is set from outside."""
    ended_by: list[object] = []
    said: set[object] = set()

    def on_error(error: object) -> None:
        """Of a handshake's answer only its status: headers and body hold cookies, and numbers that look like one."""
        status = getattr(error, "status_code", None)
        ended_by[:] = [error if status is None else f"Handshake status {status}"]
        said.add(status)

    def on_close(code: int | None, message: str | None) -> None:
        reason = " ".join(str(part) for part in (*ended_by, code, message) if part)
        outlet.status("AUTH" if _REFUSED & {*said, code} else "DOWN", reason or "closed by the server")
        ended.set()

    streamer.on("open", lambda: outlet.status("UP"))
    streamer.on("error", on_error)
    streamer.on("close", on_close)
    streamer.auto_reconnect(False)  # gives up for ever after five tries: the supervisor starts a new process instead
    streamer.connect()
    ended.wait()
    if streamer.feeder.ws.sock:
        streamer.disconnect()
