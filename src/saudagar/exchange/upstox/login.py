"""Upstox's login: the dialog that sends a browser back with a code, and the code's exchange for the day's token.

The dialog asks for nothing here: whoever opens it is the one trader. A code works once. A new token ends the old one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from saudagar.exchange.face import Route, json_response, read_post
from saudagar.exchange.upstox.account import profile
from saudagar.exchange.upstox.errors import Refused
from saudagar.exchange.upstox.site import UpstoxSite, read_body, success
from saudagar.exchange.upstox.token import expiry

PATHS = ("/v2/login/authorization/", "/v3/login/auth/token/request/")
"""Need no token."""


class _Secret(msgspec.Struct):
    client_secret: str


class UpstoxLogin:
    """The routes of the login.

    Parameters
    ----------
    renew
        Takes the new token.
    """

    def __init__(self, site: UpstoxSite, *, key: str, secret: str, renew: Callable[[str], None]) -> None:
        self._site = site
        self._key = key
        self._secret = secret
        self._renew = renew
        self._codes: dict[str, str] = {}  # code -> redirect_uri

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2/login/authorization/dialog", "upstox.login.dialog", self._dialog),
            Route("POST", "/v2/login/authorization/token", "upstox.login.token", self._token),
            Route("POST", "/v3/login/auth/token/request/{client_id}", "upstox.login.request", self._request),
            Route("DELETE", "/v2/logout", "upstox.logout", self._logout),
        ]

    async def _dialog(self, request: web.Request) -> web.Response:
        query = request.query
        address = query.get("redirect_uri", "")
        if query.get("client_id") != self._key or query.get("response_type", "code") != "code" or not address:
            raise Refused("UDAPI100016")
        code = secrets.token_urlsafe(6)
        self._codes[code] = address
        back = {"code": code} | ({"state": query["state"]} if "state" in query else {})
        return web.Response(status=302, headers={"Location": f"{address}?{urlencode(back)}"})

    async def _token(self, request: web.Request) -> web.Response:
        try:
            form = dict(await read_post(request))
        except ValueError:
            raise Refused("UDAPI100036") from None
        if form.get("client_id") != self._key or form.get("client_secret") != self._secret:
            raise Refused("UDAPI100016")
        address = self._codes.pop(str(form.get("code", "")), None)
        if address is None or address != form.get("redirect_uri") or form.get("grant_type") != "authorization_code":
            raise Refused("UDAPI100057")
        token = f"upstox-{secrets.token_urlsafe(18)}"
        self._renew(token)
        return json_response({**profile(), "access_token": token, "extended_token": None})

    async def _request(self, request: web.Request) -> web.Response:
        """The in-app approval; the token would come to a webhook, which nobody has here."""
        body: _Secret = await read_body(request, _Secret)
        if request.match_info["client_id"] != self._key or body.client_secret != self._secret:
            raise Refused("UDAPI100016")
        ends = expiry(self._site.core.now)
        return success({"authorization_expiry": str(ends // 1_000_000), "notifier_url": ""})

    async def _logout(self, request: web.Request) -> web.Response:
        self._renew(secrets.token_urlsafe(18))  # nobody knows it
        return success(True)
