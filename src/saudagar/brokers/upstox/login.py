"""Logging in at Upstox: its page in a browser, and the SDK's `LoginApi` to change the code into a token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import msgspec

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
from saudagar.market.ist import next_at
from saudagar.model.errors import AuthError, BrokerError, RateLimited

_HOST = "https://api.upstox.com"
_VERSION = "2.0"  # of the API; the SDK wants it and Upstox ignores it
_EXPIRY = "03:30"  # IST, whenever the token was issued (Upstox, "Get token")


class UpstoxAccess:
    """See `saudagar.brokers.login.Access`."""

    name = "upstox"
    code = "code"

    def __init__(self, *, clock: Clock, api_key: str = "", api_secret: str = "", url: str | None = None) -> None:
        self._clock = clock
        self._key, self._secret = api_key, api_secret
        self._url = url

    def page(self, redirect: str, state: str) -> str:
        """The SDK has no call that makes this address; `LoginApi.authorize` would only fetch the page."""
        key = wanted(self._key, "Upstox's API key")
        asked = {"response_type": "code", "client_id": key, "redirect_uri": redirect, "state": state}
        return f"{self._url or _HOST}/v2/login/authorization/dialog?{urlencode(asked)}"

    def redeem(self, code: str, redirect: str) -> Grant:
        key, secret = wanted(self._key, "Upstox's API key"), wanted(self._secret, "Upstox's API secret")

        def call(sdk: Any, client: Any, **options: Any) -> Any:
            return sdk.LoginApi(client).token(
                _VERSION,
                code=code,
                client_id=key,
                client_secret=secret,
                redirect_uri=redirect,
                grant_type="authorization_code",
                **options,
            )

        body, _ = self._ask("a token", call, "", (code, key, secret))
        token = body.get("access_token")
        if not isinstance(token, str) or not token:
            raise AuthError("Upstox answered without a token.")
        return Grant(token=token, expires=self._expiry(token))

    def adopt(self, token: str) -> Grant:
        return Grant(token=token, expires=self.standing(token).expires)

    def standing(self, token: str) -> Standing:
        _, reply = self._ask(
            "the profile", lambda sdk, client, **o: sdk.UserApi(client).get_profile(_VERSION, **o), token
        )
        skew, doubt = reply.skew()
        return Standing(expires=self._expiry(token), skew=skew, doubt=doubt)

    def addresses(self, token: str) -> tuple[str, ...] | None:
        body, _ = self._ask(
            "the registered addresses", lambda sdk, client, **o: sdk.UserApi(client).get_user_ips(**o), token
        )
        data = body.get("data")
        data = data if isinstance(data, dict) else {}
        return tuple(str(data[key]) for key in ("primary_ip", "secondary_ip") if data.get(key))

    def end(self, token: str) -> bool:
        self._ask("a log-out", lambda sdk, client, **o: sdk.LoginApi(client).logout(_VERSION, **o), token)
        return True

    def _expiry(self, token: str) -> int:
        return expiry_of_jwt(token) or next_at(self._clock(), _EXPIRY)

    def _ask(self, what: str, call: Any, token: str, secrets: tuple[str, ...] = ()) -> tuple[dict[str, Any], Reply]:
        hidden = (token, *secrets)
        status, body, headers, fault = 0, b"", {}, ""
        sent = self._clock()
        with hushed(), _client(token, self._url) as (sdk, client):
            try:
                # the SDK's models refuse values they do not know: read the bytes ourselves
                response = call(sdk, client, _preload_content=False, _request_timeout=TIMEOUT)
                status, body, headers = response.status, response.data, response.headers
            except sdk.rest.ApiException as error:
                status, body = error.status or 0, error.body or b""
            except Exception as error:  # urllib3's own, with the address in them: only the kind is kept
                fault = type(error).__name__
        received = self._clock()
        if fault:
            raise BrokerError(f"Upstox, {what}: no answer ({fault}).", hint="Check the connection and try again.")
        answer = _object(body)
        if 200 <= status < 300 and answer is not None:
            return answer, Reply(status=status, body=body, headers=headers, sent=sent, received=received)
        code, message = _complaint(answer)
        kind = RateLimited if status == 429 else AuthError if 300 <= status < 500 else BrokerError
        raise kind(f"Upstox, {what}: {redacted(message, *hidden)} (HTTP {status}).", code=code)


@contextmanager
def _client(token: str, url: str | None) -> Iterator[tuple[Any, Any]]:
    """The SDK and a client of it, whose threads are given back."""
    import upstox_client

    from saudagar.brokers.upstox.client import api_client

    client = api_client(token, url)
    try:
        yield upstox_client, client
    finally:
        client.pool.close()
        client.pool.join()
        client.rest_client.pool_manager.clear()


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    return answer if isinstance(answer, dict) else None


def _complaint(answer: dict[str, Any] | None) -> tuple[str, str]:
    errors = (answer or {}).get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    code = str(first.get("errorCode") or first.get("error_code") or "")
    return code, str(first.get("message") or "an answer that makes no sense")
