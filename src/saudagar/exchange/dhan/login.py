"""Dhan's login: the consent flow of an app's key, PIN with TOTP, and the renewal of a token that still works.

The login page asks for nothing here, and any six digits are a good TOTP. A new token ends the old one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from aiohttp import web

from saudagar.exchange.dhan import errors
from saudagar.exchange.dhan.site import DhanSite
from saudagar.exchange.face import Route, json_response
from saudagar.market.ist import ist


class DhanLogin:
    """The routes of the login. They need no token, but for the renewal.

    Parameters
    ----------
    renew
        Takes the new token.
    """

    def __init__(
        self, site: DhanSite, *, key: str, secret: str, pin: str, address: str, renew: Callable[[str], None]
    ) -> None:
        self._site = site
        self._app = key, secret
        self._pin = pin
        self._address = address
        self._renew = renew
        self._consents: set[str] = set()
        self._tokens: set[str] = set()  # token ids of finished logins, each good once

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/app/generate-consent", "dhan.login.consent", self._consent),
            Route("GET", "/login/consentApp-login", "dhan.login.page", self._page),
            Route("GET", "/app/consumeApp-consent", "dhan.login.token", self._consume),
            Route("POST", "/app/generateAccessToken", "dhan.login.totp", self._totp),
            Route("GET", "/v2/RenewToken", "dhan.login.renew", self._again),
        ]

    def _known(self, request: web.Request) -> bool:
        return (request.headers.get("app_id", ""), request.headers.get("app_secret", "")) == self._app

    async def _consent(self, request: web.Request) -> web.Response:
        if not self._known(request) or request.query.get("client_id") != self._site.client_id:
            return errors.error("DH-901", errors.AUTHENTICATION)
        consent = secrets.token_hex(16)
        self._consents.add(consent)
        return json_response({"consentAppId": consent, "consentAppStatus": "GENERATED", "status": "success"})

    async def _page(self, request: web.Request) -> web.Response:
        consent = request.query.get("consentAppId", "")
        if consent not in self._consents:
            return errors.error("DH-901", errors.AUTHENTICATION)
        self._consents.discard(consent)
        token_id = secrets.token_hex(16)
        self._tokens.add(token_id)
        return web.Response(status=302, headers={"Location": f"{self._address}?tokenId={token_id}"})

    async def _consume(self, request: web.Request) -> web.Response:
        token_id = request.query.get("tokenId", "")
        if not self._known(request) or token_id not in self._tokens:
            return errors.error("DH-901", errors.AUTHENTICATION)
        self._tokens.discard(token_id)
        return self._granted()

    async def _totp(self, request: web.Request) -> web.Response:
        query = request.query
        totp = query.get("totp", "")
        good = query.get("dhanClientId") == self._site.client_id and query.get("pin") == self._pin
        if not good or len(totp) != 6 or not totp.isdecimal():
            return errors.error("DH-901", errors.AUTHENTICATION)
        return self._granted()

    async def _again(self, request: web.Request) -> web.Response:
        """Only a token that still works is renewed; the envelope has seen to it."""
        return self._granted()

    def _granted(self) -> web.Response:
        token = f"dhan-{secrets.token_urlsafe(18)}"
        self._renew(token)
        return json_response(
            {
                "dhanClientId": self._site.client_id,
                "dhanClientName": "SIMULATED TRADER",
                "dhanClientUcc": "SIMU01234A",
                "givenPowerOfAttorney": False,
                "accessToken": token,
                "expiryTime": f"{ist(self._site.access.expires):%Y-%m-%dT%H:%M:%S}.000",
            }
        )
