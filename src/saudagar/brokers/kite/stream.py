"""The child that holds one of Kite's ticker sockets: the SDK's `KiteTicker`, with its traps defused.

The SDK connects and subscribes. Ours are: raw messages (its own parser makes dicts, and an answer it does not expect
breaks the socket), TLS verification (its context checks nothing), one connection per life (it would try again up to
fifty times with a token that is refused, subscribing twice), and the end of a connection that never came up, of which
it tells nobody. It sends no pings: the server's heartbeat each second is the sign of life that the desk watches.
"""

from __future__ import annotations

import struct
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec

from saudagar.brokers.child import Kind, Outlet

BINARY, TEXT = b"B", b"T"
"""The first byte of what goes to the desk; after `BINARY` comes the time of receipt (monotonic ns, u64)."""

_STAMP = struct.Struct(">cQ")
_END = b"-----END CERTIFICATE-----\n"
_REFUSED = "upgrade failed (403"  # autobahn's words for the handshake's answer


class ChildSettings(msgspec.Struct, frozen=True):
    """What the child must know, over standard input."""

    api_key: str
    token: str
    tokens: list[int]  # instrument tokens, all in mode `full`
    orders: bool  # whether order updates are passed on: each socket gets them all
    url: str | None = None


def run(settings: bytes, outlet: Outlet, ended: threading.Event) -> None:
    """Hold the connection until it breaks or `ended` is set from outside."""
    from kiteconnect import ticker as sdk  # installs Twisted's reactor, which runs once in a process
    from twisted.internet import reactor as installed

    reactor = cast(Any, installed)
    wanted = msgspec.json.decode(settings, type=ChildSettings)
    sdk.ssl = SimpleNamespace(ClientContextFactory=lambda: verified_tls(wanted.url or sdk.KiteTicker.ROOT_URI))
    ticker = _ticker(sdk.KiteTicker, wanted, outlet, reactor)

    def stop() -> None:
        if reactor.running:
            reactor.stop()

    def begin() -> None:
        ticker.connect(threaded=True)  # the reactor runs already: this only opens the socket
        ticker.factory.clientConnectionFailed = lambda _, why: ticker.over(why.getErrorMessage())

    def watch() -> None:
        ended.wait()
        reactor.callFromThread(stop)

    reactor.callWhenRunning(begin)
    threading.Thread(target=watch, daemon=True).start()
    reactor.run(installSignalHandlers=False)
    if ticker.broken:
        raise BrokenPipeError


def _ticker(base: type[Any], wanted: ChildSettings, outlet: Outlet, reactor: Any) -> Any:
    class RawTicker(base):  # type: ignore[misc]  # the SDK has no types
        """The SDK's ticker, that hands out what came as it came and lives for one connection."""

        broken = False

        def _on_open(self, ws: Any) -> None:
            if wanted.tokens:
                self.subscribe(wanted.tokens)
                self.set_mode(self.MODE_FULL, wanted.tokens)
            outlet.status("UP")

        def _on_message(self, ws: Any, payload: bytes, is_binary: bool) -> None:
            try:
                pass_on(payload, is_binary, wanted.orders, outlet)
            except BrokenPipeError:  # the desk is gone; anything raised here would only drop the socket
                self.broken = True
                reactor.stop()

        def _on_error(self, ws: Any, code: Any, reason: Any) -> None:
            pass  # `_on_close` follows, with the same words

        def _on_close(self, ws: Any, code: Any, reason: Any) -> None:
            self.over(f"{reason or 'closed by the server'} ({code})")

        def over(self, reason: str) -> None:
            outlet.status("AUTH" if _REFUSED in reason else "DOWN", reason)
            if reactor.running:
                reactor.stop()

    return RawTicker(wanted.api_key, wanted.token, root=wanted.url, reconnect_max_tries=0)


def pass_on(payload: bytes, is_binary: bool, orders: bool, outlet: Outlet) -> None:
    """Give one message of the socket to the desk; a heartbeat is only a sign of life."""
    if not is_binary:
        outlet.send(Kind.DATA if orders else Kind.ALIVE, TEXT + payload if orders else b"")
    elif len(payload) > 1:
        outlet.send(Kind.DATA, _STAMP.pack(BINARY, time.monotonic_ns()) + payload)
    else:
        outlet.send(Kind.ALIVE)


def verified_tls(address: str) -> Any:
    """A TLS context that trusts Mozilla's authorities and checks the name."""
    import certifi
    from twisted.internet import ssl

    tls = cast(Any, ssl)
    parts = Path(certifi.where()).read_bytes().split(_END)[:-1]
    roots = tls.trustRootFromCertificates([tls.Certificate.loadPEM(part + _END) for part in parts])
    return tls.optionsForClientTLS(urlsplit(address).hostname or "", trustRoot=roots)
