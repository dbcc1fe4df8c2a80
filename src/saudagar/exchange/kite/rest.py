"""Kite Connect 3 over REST: session, user, orders, portfolio, market data and triggers, on a port of its own.

Bodies are form-encoded, answers wear Kite's envelope. Whatever an order request causes is queued for the ticker's
sockets before the answer leaves. The port is Kite's alone, for its library drops a path prefix.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Any

from aiohttp import web

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_conditional import Conditionals
from saudagar.exchange.face import Handler, Route, Switches, Wire, json_response
from saudagar.exchange.kite import errors, quotes, shapes
from saudagar.exchange.kite.alerts import Alerts
from saudagar.exchange.kite.errors import KiteError, bad_input
from saudagar.exchange.kite.gtt import Gtt
from saudagar.exchange.kite.orders import OrderDesk
from saudagar.exchange.kite.portfolio import Portfolio, QuotedOrder
from saudagar.exchange.kite.requests import read_fields, read_form, read_json, success
from saudagar.exchange.kite.session import KiteSession
from saudagar.exchange.kite.ticker import KiteTicker
from saudagar.exchange.kite.tickets import Ticket, TicketBook, current
from saudagar.exchange.kite.words import Directory
from saudagar.exchange.limits import CallLimit
from saudagar.exchange.tape import Tape
from saudagar.model import Instrument, InstrumentId, Side

Answer = Callable[[web.Request], Awaitable[object]]

_WRITES = ("POST", "PUT", "DELETE")


class KiteFace:
    """Kite's REST with the ticker's endpoint beside it.

    Parameters
    ----------
    history
        The day source's past bars.
    limits
        ``orders``, ``quote``, ``historical`` and ``other`` calls.
    switches
        Token expired; order from the wrong address.
    holdings
        Shares in the demat account (units).
    subscribed, changed, joined
        See `ticker.KiteTicker`.
    """

    def __init__(
        self,
        core: MatchingCore,
        wire: Wire,
        tape: Tape,
        conditionals: Conditionals,
        *,
        session: KiteSession,
        user: str,
        history: quotes.History,
        limits: Mapping[str, CallLimit],
        switches: Switches,
        holdings: Mapping[InstrumentId, int],
        subscribed: Callable[[], None],
        changed: Callable[[], None],
        joined: Callable[[], None],
    ) -> None:
        self.session = session
        self._core = core
        self._wire = wire
        self._tape = tape
        self._user = user
        self._history = history
        self._limits = limits
        self._switches = switches
        self._directory = Directory(tape.lines.values())
        self._book = TicketBook()
        self.ticker = KiteTicker(
            tape,
            self._directory,
            wire,
            user=user,
            find=self._find,
            admits=self._admits,
            subscribed=subscribed,
            changed=changed,
            joined=joined,
        )
        closes = {name: line.previous_close for name, line in tape.lines.items()}
        self.orders = OrderDesk(core, self._book, self._directory, publish=self.ticker.publish, previous_close=closes)
        self._gtt = Gtt(core, conditionals, self._directory, user=user, adopt=self.orders.adopt)
        self._portfolio = Portfolio(core, tape, self._directory, holdings)
        self._alerts = Alerts(core, self._directory, user=user, place=self.orders.place)

    def advance(self) -> None:
        """What Kite itself does when the market has moved; call at each step."""
        self.orders.advance()
        self._alerts.advance()

    def owns(self, exchange_id: str) -> bool:
        """Whether the order was placed here, or by a trigger of here."""
        return self.ticker.owns(exchange_id)

    def square_off(self, instrument: Instrument, side: Side, quantity: int) -> None:
        """See `square_off.Broker`."""
        self.orders.square_off(instrument, side, quantity)

    def application(self) -> web.Application:
        """The face as an application, the ticker's WebSocket included."""
        app = self._wire.application(self._routes(), errors.odd_too_many(), self._envelope, errors.server_errors())
        app.router.add_get("/", self.ticker.handle)
        return app

    def _routes(self) -> list[Route]:
        table: list[tuple[str, str, str, Answer]] = [
            ("POST", "/session/token", "session", self._log_in),
            ("DELETE", "/session/token", "session", self._log_out),
            ("GET", "/user/profile", "profile", self._profile),
            ("GET", "/user/margins", "margins", self._margins),
            ("GET", "/user/margins/{segment}", "margins", self._margins),
            ("GET", "/orders", "orders.list", self._orders),
            ("POST", "/orders/{variety}", "orders.place", self._place),
            ("PUT", "/orders/{variety}/{id}", "orders.modify", self._modify),
            ("DELETE", "/orders/{variety}/{id}", "orders.cancel", self._cancel),
            ("GET", "/orders/{id}", "orders.history", self._order),
            ("GET", "/orders/{id}/trades", "trades", self._trades),
            ("GET", "/trades", "trades", self._trades),
            ("GET", "/portfolio/positions", "positions", self._positions),
            ("PUT", "/portfolio/positions", "positions.convert", self._convert),
            ("GET", "/portfolio/holdings", "holdings", self._holdings),
            ("GET", "/portfolio/holdings/auctions", "holdings.auctions", self._auctions),
            ("POST", "/portfolio/holdings/authorise", "holdings.authorise", self._authorise),
            ("POST", "/margins/{kind:orders|basket}", "calculator", self._calculate),
            ("POST", "/charges/{kind:orders}", "calculator", self._calculate),
            ("GET", "/quote", "quote", self._quotes),
            ("GET", "/quote/{kind:ohlc|ltp}", "quote", self._quotes),
            ("GET", "/instruments/trigger_range/{side:buy|sell}", "trigger_range", self._trigger_range),
            ("GET", "/instruments/historical/{token}/{interval}", "historical", self._candles),
            ("GET", "/gtt/triggers", "gtt.list", self._triggers),
            ("POST", "/gtt/triggers", "gtt.place", self._place_trigger),
            ("GET", "/gtt/triggers/{id}", "gtt.get", self._trigger),
            ("PUT", "/gtt/triggers/{id}", "gtt.modify", self._modify_trigger),
            ("DELETE", "/gtt/triggers/{id}", "gtt.delete", self._delete_trigger),
            ("GET", "/alerts", "alerts.list", self._all_alerts),
            ("POST", "/alerts", "alerts.create", self._create_alert),
            ("DELETE", "/alerts", "alerts.delete", self._delete_alerts),
            ("GET", "/alerts/{id}", "alerts.get", self._alert),
            ("PUT", "/alerts/{id}", "alerts.modify", self._modify_alert),
            ("GET", "/alerts/{id}/history", "alerts.history", self._alert_history),
        ]
        bare = [
            Route("GET", "/connect/login", "kite.login", self._login_page),
            Route("GET", "/instruments", "kite.instruments", self._instruments),
            Route("GET", "/instruments/{exchange}", "kite.instruments", self._instruments),
        ]
        return bare + [
            Route(method, path, f"kite.{name}", self._checked(method, name, answer))
            for method, path, name, answer in table
        ]

    def _checked(self, method: str, name: str, answer: Answer) -> Handler:
        """`answer` behind the token, the address and the rate limits, in the envelope of a success."""
        order = name.startswith("orders.") and method in _WRITES
        bucket = "orders" if order else name if name in ("quote", "historical") else "other"

        async def checked(request: web.Request) -> web.StreamResponse:
            if name != "session" and not self._authorised(request):
                raise KiteError("TokenException", errors.BAD_TOKEN)
            if self._switches.wrong_ip and (order or (name.startswith("gtt.") and method in _WRITES)):
                raise KiteError("PermissionException", errors.WRONG_ADDRESS)
            if not self._limits[bucket].allows():
                return errors.too_many()
            return json_response(success(await answer(request)))

        return checked

    async def _envelope(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except KiteError as problem:
            return errors.answer(problem)
        except web.HTTPException as problem:
            text = "Route not found" if problem.status == 404 else problem.reason
            return errors.answer(KiteError("GeneralException", text, problem.status))

    def _authorised(self, request: web.Request) -> bool:
        scheme, _, pair = request.headers.get("Authorization", "").partition(" ")
        key, _, token = pair.partition(":")
        return scheme == "token" and self._admits(key, token)

    def _admits(self, key: str, token: str) -> bool:
        return not self._switches.expired and self.session.admits(key, token)

    async def _login_page(self, request: web.Request) -> web.Response:
        query = request.query
        wanted = (query.get(name, "") for name in ("api_key", "redirect_url", "redirect_params"))
        target = self.session.login(*wanted)
        return web.Response(status=302, headers={"Location": target})

    async def _log_in(self, request: web.Request) -> object:
        token = self.session.exchange(await read_form(request))
        self._switches.expired = False
        return shapes.session_row(self._user, self.session.key, token, self._core.now)

    async def _log_out(self, request: web.Request) -> object:
        self.session.end(request.query.get("api_key", ""), request.query.get("access_token", ""))
        return True

    async def _profile(self, request: web.Request) -> object:
        return shapes.profile_row(self._user)

    async def _margins(self, request: web.Request) -> object:
        margins, segment = self._portfolio.margins(), request.match_info.get("segment")
        if segment is None:
            return margins
        if segment not in margins:
            raise bad_input("Invalid `segment`.")
        return margins[segment]

    async def _orders(self, request: web.Request) -> object:
        rows = [(ticket.order.created, self._row(ticket)) for ticket in self._book]
        return [row for _, row in sorted(rows, key=lambda pair: pair[0])]

    def _row(self, ticket: Ticket) -> dict[str, Any]:
        return shapes.order_row(ticket, ticket.word(ticket.order.status), current(ticket), self._user)

    async def _place(self, request: web.Request) -> object:
        return self.orders.place(request.match_info["variety"], await read_form(request))

    async def _modify(self, request: web.Request) -> object:
        info = request.match_info
        return {"order_id": self.orders.modify(info["variety"], info["id"], await read_form(request))}

    async def _cancel(self, request: web.Request) -> object:
        info, parent = request.match_info, request.query.get("parent_order_id", "")
        return {"order_id": self.orders.cancel(info["variety"], info["id"], parent)}

    async def _order(self, request: web.Request) -> object:
        ticket = self._ticket(request)
        return [shapes.order_row(ticket, word, update, self._user) for word, update in ticket.steps]

    async def _trades(self, request: web.Request) -> object:
        if "id" in request.match_info:
            order = self._ticket(request).order
            return [shapes.trade_row(trade, order) for trade in order.trades]
        own = [(trade, self._find(trade.exchange_id)) for trade in self._core.trades]
        return [shapes.trade_row(trade, ticket.order) for trade, ticket in own if ticket is not None]

    def _ticket(self, request: web.Request) -> Ticket:
        ticket = self._book.get(request.match_info["id"])
        if ticket is None:
            raise KiteError("GeneralException", errors.NO_SUCH_ORDER, 404)
        return ticket

    def _find(self, exchange_id: str) -> Ticket | None:
        return self._book.get(exchange_id) or self._gtt.claim(exchange_id)

    async def _positions(self, request: web.Request) -> object:
        return self._portfolio.positions()

    async def _convert(self, request: web.Request) -> object:
        return self._portfolio.convert(await read_form(request))

    async def _holdings(self, request: web.Request) -> object:
        return self._portfolio.holdings()

    async def _auctions(self, request: web.Request) -> object:
        return []  # nobody is short of delivery here

    async def _authorise(self, request: web.Request) -> object:
        isins = [value for name, value in await read_fields(request) if name == "isin"]
        self._portfolio.authorise(isins)
        return {"request_id": sha256(f"{self._core.now} {isins}".encode()).hexdigest()[:32]}

    async def _calculate(self, request: web.Request) -> object:
        orders = await read_json(request, list[QuotedOrder])
        if request.path.startswith("/charges/"):
            return self._portfolio.charges(orders)
        if request.match_info["kind"] == "basket":
            return self._portfolio.basket_margins(orders, compact=request.query.get("mode") == "compact")
        return self._portfolio.order_margins(orders)

    async def _quotes(self, request: web.Request) -> object:
        kind = request.match_info.get("kind", "quote")
        return quotes.quotes(self._directory, kind, request.query.getall("i", []), self._tape.now)

    async def _trigger_range(self, request: web.Request) -> object:
        return quotes.trigger_range(self._directory, request.match_info["side"], request.query.getall("i", []))

    async def _candles(self, request: web.Request) -> object:
        info = request.match_info
        now = self._tape.now
        rows = quotes.candles(self._directory, self._history, info["token"], info["interval"], request.query, now)
        return {"candles": rows}

    async def _instruments(self, request: web.Request) -> web.Response:
        text = quotes.instruments_csv(self._tape.lines.values(), request.match_info.get("exchange", ""))
        return web.Response(text=text, content_type="text/csv")

    async def _triggers(self, request: web.Request) -> object:
        return self._gtt.rows()

    async def _trigger(self, request: web.Request) -> object:
        return self._gtt.row(request.match_info["id"])

    async def _place_trigger(self, request: web.Request) -> object:
        return self._gtt.place(await read_form(request))

    async def _modify_trigger(self, request: web.Request) -> object:
        return self._gtt.modify(request.match_info["id"], await read_form(request))

    async def _delete_trigger(self, request: web.Request) -> object:
        return self._gtt.delete(request.match_info["id"])

    async def _all_alerts(self, request: web.Request) -> object:
        return self._alerts.rows(request.query.get("status", ""))

    async def _create_alert(self, request: web.Request) -> object:
        return self._alerts.create(await read_form(request))

    async def _delete_alerts(self, request: web.Request) -> object:
        self._alerts.delete(request.query.getall("uuid", []))
        return None

    async def _alert(self, request: web.Request) -> object:
        return self._alerts.row(request.match_info["id"])

    async def _modify_alert(self, request: web.Request) -> object:
        return self._alerts.modify(request.match_info["id"], await read_form(request))

    async def _alert_history(self, request: web.Request) -> object:
        return self._alerts.history(request.match_info["id"])
