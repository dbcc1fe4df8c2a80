"""The Dhan face whole: its parts' routes under one token, with Dhan's own error envelopes, and its sockets.

Whatever an order request causes is queued for the order streams before the answer leaves, so that the stream may
speak first, as it does at Dhan.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from saudagar.exchange.core_orders import Refusal, Update
from saudagar.exchange.dhan import errors
from saudagar.exchange.dhan.account import DhanAccount
from saudagar.exchange.dhan.data import DATA_PATHS, DhanData
from saudagar.exchange.dhan.feed import DhanFeed
from saudagar.exchange.dhan.forever import DhanForever
from saudagar.exchange.dhan.login import DhanLogin
from saudagar.exchange.dhan.orders import DhanOrders
from saudagar.exchange.dhan.requests import BAD_INPUT, BadInput
from saudagar.exchange.dhan.site import DhanSite
from saudagar.exchange.dhan.triggers import DhanTriggers
from saudagar.exchange.dhan.updates import OrderUpdates
from saudagar.exchange.face import Handler, json_response
from saudagar.exchange.order_desk import OrderDesk


class DhanFace:
    """Dhan's REST, with the sockets' endpoints beside it.

    Parameters
    ----------
    updates
        The order-update socket.
    key, secret, pin, address
        Of the login: the app, the trader's PIN, and where the login page sends the browser.
    renew
        Takes the token of a new login.
    subscribed
        Called when somebody has subscribed to a feed.
    """

    def __init__(
        self,
        site: DhanSite,
        updates: OrderUpdates,
        *,
        key: str,
        secret: str,
        pin: str,
        address: str,
        renew: Callable[[str], None],
        subscribed: Callable[[], None],
    ) -> None:
        self._site = site
        self._updates = updates
        self.feed = DhanFeed(site, subscribed=subscribed)
        self.depth = DhanFeed(site, levels=20, subscribed=subscribed)
        self.full_depth = DhanFeed(site, levels=200, subscribed=subscribed)
        self._account = DhanAccount(site)
        self._triggers = DhanTriggers(site)
        self._parts = (
            DhanOrders(site),
            self._account,
            self._triggers,
            DhanData(site),
            DhanForever(site),
            DhanLogin(site, key=key, secret=secret, pin=pin, address=address, renew=renew),
        )

    @property
    def desk(self) -> OrderDesk:
        """Where this face's orders are."""
        return self._site.desk

    @property
    def token(self) -> str:
        """The token that opens this face; a new one is good for a day from now."""
        return self._site.access.text

    @token.setter
    def token(self, token: str) -> None:
        self._site.access.renew(token)

    def advance(self) -> list[Update]:
        """What the broker's own services do after a step; the updates of it."""
        self._account.advance()
        self._triggers.advance()
        return self._site.desk.drain()

    def disconnect(self) -> None:
        """Reset the feeds' sockets."""
        self.feed.disconnect()
        self.depth.disconnect()
        self.full_depth.disconnect()

    def application(self) -> web.Application:
        """The face as an application, the sockets included."""
        routes = [route for part in self._parts for route in part.routes()]
        app = self._site.wire.application(routes, errors.too_many, self._envelope)
        app.router.add_get("/order-update", self._updates.handle)
        app.router.add_get("/feed", self.feed.handle)
        app.router.add_get("/twentydepth", self.depth.handle)
        app.router.add_get("/twohundreddepth", self.full_depth.handle)
        return app

    async def _envelope(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/v2/"):
            if refusal := self._authenticate(request):
                return refusal
            data = request.path.startswith(DATA_PATHS)
            if not data and request.method == "GET" and not self._site.limits.allows("other"):
                return errors.too_many()
        try:
            return await handler(request)
        except Refusal as refusal:
            return errors.refused(refusal)
        except BadInput as problem:
            return errors.error("DH-905", str(problem) or BAD_INPUT)
        except web.HTTPException as problem:
            body = {"timestamp": self._site.core.now // 1_000_000, "status": problem.status, "error": problem.reason}
            return json_response({**body, "path": request.path}, problem.status)

    def _authenticate(self, request: web.Request) -> web.Response | None:
        token, client_id = request.headers.get("access-token", ""), self._site.client_id
        access = self._site.access
        good = token == access.text and request.headers.get("client-id", client_id) == client_id
        if good and not access.expired:
            return None
        if request.path.startswith(DATA_PATHS):
            code, words = ("807", "Access token is expired") if good else ("809", "Access token is invalid")
            return errors.data_error(code, words, 401)
        if token and token != access.text:
            return errors.error("DH-906", "Invalid Token")  # recorded so, HTTP 400
        return errors.error("DH-901", errors.AUTHENTICATION)
