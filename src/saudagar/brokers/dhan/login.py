"""Logging in at Dhan through the SDK's `DhanLogin`: PIN and TOTP, the browser, or a token from its web site.

The SDK's class opens a browser by itself, prints, logs answers that hold tokens, waits for ever, and its errors repeat
the address with the PIN in it. While it works, the modules it uses are replaced by ones that do none of that.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import msgspec

from saudagar.brokers.fields import naive_ist
from saudagar.brokers.login import (
    TIMEOUT,
    Clock,
    Grant,
    Reply,
    Standing,
    expiry_of_jwt,
    hushed,
    redacted,
    wanted,
)
from saudagar.market.ist import DAY
from saudagar.model import SECOND, Nanos
from saudagar.model.errors import AuthError, BrokerError

_PROFILE = "%d/%m/%Y %H:%M"  # how the profile writes a time; a grant has ISO's form
_SDK = threading.Lock()  # its module is changed while in use
_TOTP = re.compile(r"\d{6}")


class DhanAccess:
    """See `saudagar.brokers.login.Access`; the browser needs an app's id and secret, PIN and TOTP need neither.

    Parameters
    ----------
    auth_url, api_url
        Other addresses, for a simulated exchange.
    """

    name = "dhan"
    code = "tokenId"

    def __init__(
        self,
        *,
        clock: Clock,
        client_id: str,
        app_id: str = "",
        app_secret: str = "",
        auth_url: str | None = None,
        api_url: str | None = None,
    ) -> None:
        self._clock = clock
        self._client_id = wanted(client_id, "Dhan's client id")
        self._app = (app_id, app_secret)
        self._urls = (auth_url, api_url)

    def page(self, redirect: str, state: str) -> str:
        """Dhan sends people back to the address registered with the app; it carries no state."""
        app_id, app_secret = self._needs_app()
        opened: list[str] = []
        self._ask("a log-in page", lambda sdk: sdk.generate_login_session(app_id, app_secret), opened)
        if not opened:
            raise AuthError("Dhan gave no log-in page.")
        return opened[0]

    def redeem(self, code: str, redirect: str) -> Grant:
        app_id, app_secret = self._needs_app()
        body, _ = self._ask("a token", lambda sdk: sdk.consume_token_id(code, app_id, app_secret), secrets=(code,))
        return self._grant(body)

    def with_pin(self, pin: str, totp: str) -> Grant:
        """A token for the account's PIN and a time-based code: six digits, or the secret that makes them."""
        digits = totp if _TOTP.fullmatch(totp) else self._six_digits(totp)
        secrets = (pin, digits, totp)
        body, _ = self._ask("a token", lambda sdk: sdk.generate_token(pin, digits), secrets=secrets)
        return self._grant(body)

    def _six_digits(self, secret: str) -> str:
        import base64

        import pyotp

        class Totp(pyotp.TOTP):
            def byte_secret(self) -> bytes:
                """Of any length: pyotp wants 112 bits, but the broker chose this one, and many are of 80."""
                return base64.b32decode(self.secret + "=" * (-len(self.secret) % 8), casefold=True)

        try:
            return str(Totp(secret.replace(" ", "")).at(self._clock() // SECOND))
        except ValueError:  # binascii's among them
            pass
        raise AuthError("the TOTP secret is no base32 text, nor is it a code of six digits.")

    def adopt(self, token: str) -> Grant:
        return Grant(token=token, expires=self.standing(token).expires, key=self._client_id)

    def standing(self, token: str) -> Standing:
        body, reply = self._ask("the profile", lambda sdk: sdk.user_profile(token), secrets=(token,))
        skew, doubt = reply.skew()
        expires = naive_ist(body.get("tokenValidity"), _PROFILE) or expiry_of_jwt(token) or self._clock() + DAY
        plan = str(body.get("dataPlan", "Active"))
        remark = "" if plan.lower() == "active" else f"the data plan is {redacted(plan, token)}"
        return Standing(expires=expires, skew=skew, doubt=doubt, remark=remark)

    def addresses(self, token: str) -> tuple[str, ...] | None:
        body, _ = self._ask("the registered addresses", lambda sdk: sdk.get_ip(token), secrets=(token,))
        found = (str(body.get(key) or "") for key in ("primaryIP", "secondaryIP"))
        return tuple(address for address in found if address)

    def end(self, token: str) -> bool:
        """Dhan has no log-out: the token stays good until its hour."""
        return False

    def _needs_app(self) -> tuple[str, str]:
        return wanted(self._app[0], "Dhan's app id"), wanted(self._app[1], "Dhan's app secret")

    def _grant(self, body: dict[str, Any]) -> Grant:
        token = body.get("accessToken")
        if not isinstance(token, str) or not token:
            raise AuthError("Dhan answered without a token.", hint="Check PIN, TOTP and client id, and try again.")
        if str(body.get("dhanClientId") or self._client_id) != self._client_id:
            raise AuthError("Dhan granted a token for another client id; it was not taken.")
        expires = naive_ist(body.get("expiryTime"), _PROFILE) or expiry_of_jwt(token) or self._clock() + DAY
        return Grant(token=token, expires=expires, key=self._client_id)

    def _ask(
        self, what: str, call: Any, opened: list[str] | None = None, secrets: tuple[str, ...] = ()
    ) -> tuple[dict[str, Any], Reply]:
        """The answer to `call(DhanLogin)` as Dhan gave it, whatever the SDK made of it."""
        wire = _Wire(self._clock)
        fault = ""
        with hushed(), _tamed(wire, [] if opened is None else opened, self._urls) as sdk:
            try:
                call(sdk(self._client_id))
            except Exception as error:  # its messages repeat the address and the answer: only the kind is kept
                fault = type(error).__name__
        hidden = (*secrets, *self._app)
        if wire.reply is None:
            raise BrokerError(
                f"Dhan, {what}: no answer ({fault or 'nothing came'}).", hint="Check the connection and try again."
            )
        body: Any = None
        with suppress(msgspec.DecodeError):
            body = msgspec.json.decode(wire.reply.body)
        if wire.reply.status >= 500 or not isinstance(body, dict):
            raise BrokerError(f"Dhan, {what}: an answer that makes no sense (HTTP {wire.reply.status}).")
        complaint = body.get("errorMessage") or body.get("remarks") or body.get("message")
        if wire.reply.status >= 300 or str(body.get("status", "")).lower() in ("error", "failure", "failed"):
            said = redacted(complaint or "no reason given", *hidden)
            raise AuthError(f"Dhan, {what}: {said} (HTTP {wire.reply.status}).", code=str(body.get("errorCode") or ""))
        return body, wire.reply


class _Wire:
    """Stands in for `requests`: bounded waiting, no redirects, and the last reply is kept."""

    def __init__(self, clock: Clock) -> None:
        self.reply: Reply | None = None
        self._clock = clock

    def get(self, url: str, **options: Any) -> Any:
        return self._send("GET", url, options)

    def post(self, url: str, **options: Any) -> Any:
        return self._send("POST", url, options)

    def _send(self, method: str, url: str, options: dict[str, Any]) -> Any:
        import requests

        sent = self._clock()
        with requests.Session() as session:
            response = session.request(method, url, timeout=TIMEOUT, allow_redirects=False, **options)
        return self.keep(response, sent)

    def keep(self, response: Any, sent: Nanos) -> Any:
        self.reply = Reply(
            status=response.status_code,
            body=response.content,
            headers=response.headers,
            sent=sent,
            received=self._clock(),
        )
        return response


@contextmanager
def _tamed(wire: _Wire, opened: list[str], urls: tuple[str | None, str | None]) -> Iterator[Any]:
    """`DhanLogin` with what it uses replaced, for as long as it lasts."""
    import dhanhq.auth
    import dhanhq.dhan_http

    quiet = logging.getLogger("dhanhq")
    quiet.disabled = True

    class Login(dhanhq.auth.DhanLogin):  # type: ignore[misc]  # the SDK has no types
        AUTH_BASE_URL = urls[0] or dhanhq.auth.DhanLogin.AUTH_BASE_URL
        API_BASE_URL = urls[1] or dhanhq.auth.DhanLogin.API_BASE_URL

    real_http = dhanhq.auth.DhanHTTP

    def http(client_id: str, token: str) -> Any:
        made = real_http(client_id, token)
        made.base_url, made.timeout = Login.API_BASE_URL, TIMEOUT
        made.session.max_redirects = 0
        sent = wire._clock()
        made.session.hooks["response"].append(lambda response, *_, **__: wire.keep(response, sent) and None)
        return made

    replaced = {
        "requests": wire,
        "logging": quiet,
        "webbrowser": SimpleNamespace(open=opened.append),
        "DhanHTTP": http,
        "print": lambda *_: None,
    }
    with _SDK:
        dhanhq.dhan_http.logging = quiet
        before = {name: getattr(dhanhq.auth, name) for name in replaced if name != "print"}
        try:
            for name, value in replaced.items():
                setattr(dhanhq.auth, name, value)
            yield Login
        finally:
            for name, value in before.items():
                setattr(dhanhq.auth, name, value)
            vars(dhanhq.auth).pop("print", None)
