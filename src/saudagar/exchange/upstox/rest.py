"""The Upstox face whole: its parts' routes under one token, with Upstox's own error envelope.

Shapes follow the models of SDK 2.30.0 and Upstox's documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiohttp import web

from saudagar.exchange.core_conditional import Conditional
from saudagar.exchange.core_orders import Refusal
from saudagar.exchange.face import Handler, Route
from saudagar.exchange.order_desk import OrderDesk
from saudagar.exchange.upstox import candles, errors, login
from saudagar.exchange.upstox.account import UpstoxAccount
from saudagar.exchange.upstox.candles import UpstoxCandles
from saudagar.exchange.upstox.chain import UpstoxChain
from saudagar.exchange.upstox.feed import UpstoxFeed
from saudagar.exchange.upstox.gtt import KIND, UpstoxGtt
from saudagar.exchange.upstox.login import UpstoxLogin
from saudagar.exchange.upstox.masters import instruments_gz
from saudagar.exchange.upstox.orders import UpstoxOrders
from saudagar.exchange.upstox.portfolio import PATH as PORTFOLIO
from saudagar.exchange.upstox.portfolio import OrderLog, PortfolioStream
from saudagar.exchange.upstox.quotes import UpstoxQuotes
from saudagar.exchange.upstox.reports import UpstoxReports
from saudagar.exchange.upstox.site import UpstoxSite

# The SDK sends no token for candles; the sockets check their own.
_PUBLIC = ("/market-quote/instruments/", f"{candles.PATH}/", "/v3/feed/market-data-feed", *login.PATHS)
_SOCKETS = (PORTFOLIO, f"{PORTFOLIO}/stream", "/v3/feed/market-data-feed")


class UpstoxFace:
    """Upstox's REST, with the sockets' endpoints beside it.

    Parameters
    ----------
    feed
        The market feed.
    key, secret
        Of the app that logs in.
    renew
        Takes the token of a new login.
    changed, joined
        Called when a portfolio socket goes, and when one comes.
    """

    def __init__(
        self,
        site: UpstoxSite,
        feed: UpstoxFeed,
        *,
        key: str,
        secret: str,
        renew: Callable[[str], None],
        changed: Callable[[], None],
        joined: Callable[[], None],
    ) -> None:
        self._site = site
        self._feed = feed
        log = OrderLog()
        gtt = UpstoxGtt(site)
        self.portfolio = PortfolioStream(site, log, gtt_row=gtt.row, changed=changed, joined=joined)
        self._parts = (
            UpstoxCandles(site),
            UpstoxQuotes(site),
            UpstoxOrders(site, log),
            gtt,
            UpstoxAccount(site),
            UpstoxReports(site),
            UpstoxChain(site),
            UpstoxLogin(site, key=key, secret=secret, renew=renew),
            self.portfolio,
        )

    @property
    def desk(self) -> OrderDesk:
        """Where this face's orders are."""
        return self._site.desk

    @property
    def token(self) -> str:
        """The token that opens this face; a new one is good until the next 03:30 IST."""
        return self._site.access.text

    @token.setter
    def token(self, token: str) -> None:
        self._site.access.renew(token)

    def publish_gtt(self, changes: Sequence[Conditional]) -> None:
        """Tell the portfolio stream of GTT orders that changed."""
        self.portfolio.publish_gtt([each for each in changes if each.kind == KIND])

    def application(self) -> web.Application:
        """The face as an application, the sockets included."""
        routes = [route for part in self._parts for route in part.routes()]
        master = "/market-quote/instruments/exchange/{exchange:complete|NSE|BSE|MCX}.json.gz"
        routes.append(Route("GET", master, "upstox.master", self._master))
        routes.append(
            Route("GET", "/v3/feed/market-data-feed/authorize", "upstox.feed.authorize", self._feed.authorize)
        )
        app = self._site.wire.application(routes, errors.too_many, self._envelope)
        app.router.add_get("/v3/feed/market-data-feed", self._feed.handle)
        self.portfolio.mount(app)
        return app

    async def _envelope(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path
        public = path.startswith(_PUBLIC) and not path.endswith("/authorize")
        if not public and path not in _SOCKETS:
            if refusal := self._site.authenticate(request):
                return refusal
            if not self._site.reads.allows():
                return errors.too_many()
        try:
            return await handler(request)
        except Refusal as refusal:
            refused = errors.of(refusal)
            return errors.error(refused.code, refused.message)
        except errors.Refused as refused:
            return errors.error(refused.code, refused.message)
        except web.HTTPRedirection:
            raise
        except web.HTTPException as problem:
            return errors.error("UDAPI100060") if problem.status in (404, 405) else errors.error("UDAPI100068")

    async def _master(self, request: web.Request) -> web.Response:
        wanted = request.match_info["exchange"]
        instruments = (line.instrument for line in self._site.tape.lines.values())
        body = instruments_gz(each for each in instruments if wanted in ("complete", each.segment.exchange))
        return web.Response(body=body, content_type="application/gzip")
