"""Kite's login and token life: request token, checksum, access token, its end at 06:00 IST.

The login page asks for nothing: it redirects at once, with a request token that is good for one exchange. A login ends
the token before it. Flow and checksum: kite.trade/docs/connect/v3/user.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode, urlsplit

from saudagar.exchange.kite import errors
from saudagar.exchange.kite.errors import KiteError, bad_input
from saudagar.exchange.kite.requests import Form
from saudagar.market.ist import next_at
from saudagar.model import Nanos

EXPIRY = "06:00"  # IST of the next morning

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class KiteSession:
    """Which access token is good now.

    Parameters
    ----------
    token
        Good from the start, as if somebody had logged in today.
    redirect
        Where the login page sends the browser, unless its query names another ``redirect_url`` on this machine.
    now
        Market time, UTC ns.
    """

    def __init__(self, *, key: str, secret: str, token: str, redirect: str, now: Callable[[], Nanos]) -> None:
        self.key = key
        self._secret = secret
        self._redirect = redirect
        self._now = now
        self._token = token
        self._expires: Nanos = 0  # set by the first look, when market time has begun
        self._requests: set[str] = set()
        self._logins = 0

    @property
    def token(self) -> str:
        """The access token that is good, or was until it expired."""
        return self._token

    def renew(self, token: str) -> None:
        """Make `token` the only good one."""
        self._token = token
        self._expires = 0

    def admits(self, key: str, token: str) -> bool:
        """Whether a request with these may pass."""
        if not token or key != self.key or token != self._token:
            return False
        now = self._now()
        if not self._expires:
            self._expires = next_at(now, EXPIRY)
        return now < self._expires

    def login(self, key: str, redirect: str, params: str) -> str:
        """The address that the login page redirects to, with what its ``redirect_params`` held added."""
        if key != self.key:
            raise bad_input("Invalid `api_key`.")
        target = redirect or self._redirect
        try:
            host = urlsplit(target).hostname
        except ValueError:
            host = None
        if host not in _LOOPBACK:
            raise bad_input("Invalid `redirect_url`: only this machine is allowed here.")
        self._logins += 1
        made = sha256(f"request {self._logins} {self._secret}".encode()).hexdigest()[:32]
        self._requests.add(made)
        query = urlencode(
            {"action": "login", "type": "login", "status": "success", "request_token": made, **dict(parse_qsl(params))}
        )
        return f"{target}{'&' if '?' in target else '?'}{query}"

    def exchange(self, form: Form) -> str:
        """`POST /session/token`: a new access token for a request token.

        Raises
        ------
        KiteError
            Wrong key, checksum or request token; the old access token stays good.
        """
        key, request, checksum = form.text("api_key"), form.text("request_token"), form.text("checksum")
        if key != self.key:
            raise bad_input("Invalid `api_key`.")
        if checksum != sha256((key + request + self._secret).encode()).hexdigest():
            raise KiteError("TokenException", "Invalid `checksum`.")
        if request not in self._requests:
            raise KiteError("TokenException", "Token is invalid or has expired.")
        self._requests.remove(request)
        self.renew(sha256(f"access {request} {self._secret}".encode()).hexdigest()[:32])
        return self._token

    def end(self, key: str, token: str) -> None:
        """`DELETE /session/token`."""
        if not self.admits(key, token):
            raise KiteError("TokenException", errors.BAD_TOKEN)
        self._token = ""
