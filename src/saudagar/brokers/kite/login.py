"""Logging in at Zerodha Kite: its page in a browser, and the SDK's `generate_session`, which makes the checksum."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from saudagar.brokers.fields import naive_ist
from saudagar.brokers.login import (
    TIMEOUT,
    Clock,
    Grant,
    Reply,
    Standing,
    hushed,
    redacted,
    wanted,
)
from saudagar.market.ist import next_at
from saudagar.model import Nanos
from saudagar.model.errors import AuthError, BrokerError, RateLimited

_EXPIRY = "06:00"  # IST (Kite Connect v3, "User")


class KiteAccess:
    """See `saudagar.brokers.login.Access`.

    Parameters
    ----------
    url, page_url
        Other addresses of the API and of the log-in page, for a simulated exchange.
    """

    name = "kite"
    code = "request_token"

    def __init__(
        self,
        *,
        clock: Clock,
        api_key: str,
        api_secret: str = "",
        url: str | None = None,
        page_url: str | None = None,
    ) -> None:
        self._clock = clock
        self._key, self._secret = wanted(api_key, "Kite's API key"), api_secret
        self._url, self._page_url = url, page_url

    def page(self, redirect: str, state: str) -> str:
        """Kite sends people back to the address registered with the app, with what `redirect_params` holds."""
        kite = _sdk(self._key, "", self._url)
        if self._page_url:
            kite._default_login_uri = self._page_url
        return f"{kite.login_url()}&redirect_params={quote(urlencode({'state': state}), safe='')}"

    def redeem(self, code: str, redirect: str) -> Grant:
        secret = wanted(self._secret, "Kite's API secret")
        data, _ = self._ask("a token", lambda kite: kite.generate_session(code, secret), "", (code, secret))
        token = data.get("access_token")
        if not isinstance(token, str) or not token:
            raise AuthError("Kite answered without a token.")
        issued = naive_ist(data.get("login_time")) or self._clock()
        return Grant(token=token, expires=next_at(issued, _EXPIRY), key=self._key)

    def adopt(self, token: str) -> Grant:
        return Grant(token=token, expires=self.standing(token).expires, key=self._key)

    def standing(self, token: str) -> Standing:
        _, reply = self._ask("the profile", lambda kite: kite.profile(), token)
        skew, doubt = reply.skew()
        return Standing(expires=next_at(self._clock(), _EXPIRY), skew=skew, doubt=doubt)

    def addresses(self, token: str) -> tuple[str, ...] | None:
        """Kite shows them in its developer console only."""
        return None

    def end(self, token: str) -> bool:
        self._ask("a log-out", lambda kite: kite.invalidate_access_token(), token)
        return True

    def _ask(self, what: str, call: Any, token: str, secrets: tuple[str, ...] = ()) -> tuple[dict[str, Any], Reply]:
        """The `data` of the answer to `call(KiteConnect)` as Kite gave it, whatever the SDK made of it."""
        kept: list[tuple[int, bytes, Any]] = []
        fault = ""
        sent: Nanos = self._clock()
        with hushed():
            kite = _sdk(self._key, token, self._url)
            kite.reqsession.hooks["response"].append(
                lambda reply, *_, **__: kept.append((reply.status_code, reply.content, reply.headers))
            )
            try:
                call(kite)
            except Exception as error:  # it raises its own, and stumbles over odd answers: the reply itself decides
                fault = type(error).__name__
            finally:
                kite.reqsession.close()
        if not kept:
            raise BrokerError(f"Kite, {what}: no answer ({fault}).", hint="Check the connection and try again.")
        status, body, headers = kept[-1]
        reply = Reply(status=status, body=body, headers=headers, sent=sent, received=self._clock())
        answer: Any = None
        with suppress(msgspec.DecodeError):
            answer = msgspec.json.decode(body)
        if 200 <= status < 300 and isinstance(answer, dict) and answer.get("status") == "success":
            data = answer.get("data")
            return data if isinstance(data, dict) else {}, reply
        message = answer.get("message") if isinstance(answer, dict) else None
        kind = RateLimited if status == 429 else AuthError if message and 400 <= status < 500 else BrokerError
        said = redacted(message or "an answer that makes no sense", token, self._key, *secrets)
        raise kind(f"Kite, {what}: {said} (HTTP {status}).")


def _sdk(key: str, token: str, url: str | None) -> Any:
    from kiteconnect.connect import KiteConnect

    kite = KiteConnect(key, access_token=token or None, root=url, timeout=TIMEOUT)
    kite.reqsession.max_redirects = 0
    return kite
