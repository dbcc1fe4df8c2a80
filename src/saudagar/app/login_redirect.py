"""Catches the browser when a broker sends it back after a log-in: one request, on loopback, with the one-time code.

A broker's redirect must carry the `state` that was sent along, where the broker returns it, so that no other page can
slip in a code of its own.
"""

from __future__ import annotations

import hmac
import time
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from saudagar.model.errors import AuthError, ConfigError

_LOOPBACK = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1"}
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>saudagar</title>'
    '<body style="font:1.2rem system-ui;margin:4rem"><p>{}</p></body></html>'
)


class Redirect:
    """Waits at `address` for the parameter `code`. A context manager: the port is open inside.

    Parameters
    ----------
    address
        An ``http`` address on loopback with a port, as registered at the broker.
    state
        What the redirect must bring back; empty where the broker returns none.

    Raises
    ------
    ConfigError
        If the address is no such one, or the port cannot be had.
    """

    def __init__(self, address: str, code: str, state: str) -> None:
        self.address = address
        self._code, self._state = code, state
        self._path, self._where = _parsed(address)
        self.found = ""
        self.refused = ""

    def __enter__(self) -> Redirect:
        try:
            self._server = _Server(self._where, _handler(self))
        except OSError as error:
            raise ConfigError(f"cannot listen at {self.address}: {error.strerror}.", hint="Use --paste.") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()

    def wait(self, seconds: float) -> str:
        """The code.

        Raises
        ------
        AuthError
            If the broker sent the browser back without one, or nobody came in time.
        """
        deadline = time.monotonic() + seconds
        while not self.found:
            if self.refused:
                raise AuthError(f"the broker's redirect brought no {self._code}: {self.refused}.")
            self._server.timeout = deadline - time.monotonic()
            if self._server.timeout <= 0:
                raise AuthError(f"no log-in within {seconds:g} s.", hint="Try again, or use --paste.")
            self._server.handle_request()
        return self.found

    def look(self, target: str) -> tuple[int, str]:
        """Take what one request brings; the status and the words of the answer."""
        parts = urlsplit(target)
        if parts.path.rstrip("/") != self._path:
            return 404, "There is nothing here."
        try:
            self.found = code_of(target, self._code, self._state)
        except AuthError as error:
            if "another log-in" in error.message:
                return 400, error.message  # not ours: the true one may still come
            self.refused = error.message
            return 400, "The log-in did not succeed. See the terminal."
        return 200, "Logged in. You can close this page."


def code_of(address: str, name: str, state: str) -> str:
    """The one-time code in the address that the broker sent the browser to.

    Raises
    ------
    AuthError
        If there is none, or it belongs to another log-in.
    """
    query = parse_qs(urlsplit(address).query)
    if state and not hmac.compare_digest(query.get("state", [""])[0].encode(), state.encode()):
        raise AuthError("this belongs to another log-in: its state is not the one sent.", hint="Begin again.")
    code = query.get(name, [""])[0]
    if not code:
        said = query.get("error_description", query.get("error", query.get("status", ["it holds none"])))[0]
        raise AuthError(said[:100])
    return code


def pasted(text: str, name: str, state: str) -> str:
    """The code in what a person pasted: the whole address, or the bare code."""
    text = text.strip()
    if "?" in text or "://" in text:
        return code_of(text, name, state)
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise AuthError("nothing usable was pasted.", hint="Paste the whole address of the page you were sent to.")
    return text


class _Server(TCPServer):
    """Not `HTTPServer`, which asks the name server who we are."""

    allow_reuse_address = True


def _parsed(address: str) -> tuple[str, tuple[str, int]]:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = _LOOPBACK.get(parts.hostname or "")
    if parts.scheme != "http" or host is None or not port or parts.query:
        raise ConfigError(
            f"expected an address on this machine such as http://127.0.0.1:8722/saudagar, got {address!r}.",
            hint="If the broker has another address registered, use --paste.",
        )
    return parts.path.rstrip("/"), (host, port)


def _handler(redirect: Redirect) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # a browser opens connections it does not use

        def do_GET(self) -> None:
            status, words = redirect.look(self.path)
            body = _PAGE.format(words).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing: the request's line holds the code."""

    return Handler
