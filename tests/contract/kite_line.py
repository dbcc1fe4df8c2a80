"""A plain socket at the Kite ticker, and what came of it."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from typing import Any

import websocket

from saudagar.exchange.process import Account

ACCOUNT = Account()


def url(market: Any, token: str = ACCOUNT.kite_token, key: str = ACCOUNT.kite_key) -> str:
    return f"ws://127.0.0.1:{market.exchange.ports.kite}?api_key={key}&access_token={token}"


class Socket:
    """A client that keeps what it gets: frames, messages, heartbeats."""

    def __init__(self, market: Any) -> None:
        self.frames: list[bytes] = []
        self.texts: list[dict[str, Any]] = []
        self.beats = 0
        self.closed = False
        self._ws = websocket.create_connection(url(market), timeout=20)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = self._ws.recv()
            except (OSError, websocket.WebSocketException):
                break
            if not data:
                break
            if isinstance(data, str):
                self.texts.append(json.loads(data))
            elif len(data) == 1:
                self.beats += 1
            else:
                self.frames.append(data)
        self.closed = True

    def say(self, action: str, value: Any) -> None:
        self._ws.send(json.dumps({"a": action, "v": value}))

    def full(self, *tokens: int) -> None:
        self.say("subscribe", list(tokens))
        self.say("mode", ["full", list(tokens)])

    def close(self) -> None:
        with suppress(OSError, AttributeError):  # it may have ended by itself
            self._ws.sock.shutdown(socket.SHUT_RDWR)  # wakes the reader
        self._reader.join(5)
        self._ws.shutdown()
