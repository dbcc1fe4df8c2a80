"""Upstox's portfolio stream: JSON texts of orders, GTT orders, positions and holdings; and each order's history.

A client with a token is sent on (302) to an address that works once, as at Upstox; the SDK follows by itself. What a
socket hears is chosen by ``update_types`` in its address.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from aiohttp import web

from saudagar.exchange.core_conditional import Conditional
from saudagar.exchange.core_orders import ExchangeOrder, Update, snapshot
from saudagar.exchange.face import Route
from saudagar.exchange.listeners import Listener, Listeners
from saudagar.exchange.upstox.shapes import history_row, order_row, position_row
from saudagar.exchange.upstox.site import USER_ID, UpstoxSite, redirect, success

ENDPOINT = "upstox.portfolio"
PATH = "/v2/feed/portfolio-stream-feed"

_ON_THE_WAY = ("put order req received", "validation pending", "open pending")


class OrderLog:
    """The steps of each order, for its history."""

    def __init__(self) -> None:
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def begin(self, order: ExchangeOrder) -> None:
        """What happens before the exchange answers."""
        first = snapshot(order)
        early = msgspec.structs.replace(first, filled=0, value=0, reason="", ts=order.created)
        words = _ON_THE_WAY[:1] if order.after_market else _ON_THE_WAY
        self._rows[order.exchange_id] = [history_row(early, USER_ID, word) for word in words]

    def add(self, update: Update) -> None:
        """One change of an order."""
        self._rows.setdefault(update.exchange_id, []).append(history_row(update, USER_ID))

    def step(self, order: ExchangeOrder, word: str) -> None:
        """A step that changes nothing."""
        self._rows[order.exchange_id].append(history_row(snapshot(order), USER_ID, word))

    def modified(self, order: ExchangeOrder) -> None:
        waiting = order.after_market and not order.filled and order.status.value == "PENDING"
        for word in ("modify after market order req received",) if waiting else (
            "modify validation pending", "modify pending", "modified",
        ):  # fmt: skip
            self.step(order, word)

    def rows(self, order: ExchangeOrder) -> list[dict[str, Any]]:
        return self._rows.get(order.exchange_id, [])


class PortfolioStream(Listeners):
    """The portfolio stream's endpoints and its publisher.

    Parameters
    ----------
    gtt_row
        A GTT order as the stream tells it.
    changed, joined
        See `Listeners`.
    """

    def __init__(
        self,
        site: UpstoxSite,
        log: OrderLog,
        *,
        gtt_row: Callable[[Conditional], dict[str, Any]],
        changed: Callable[[], None],
        joined: Callable[[], None],
    ) -> None:
        super().__init__(changed, joined)
        self._site = site
        self._log = log
        self._gtt_row = gtt_row
        self._codes: dict[str, str] = {}  # single-use code -> update types

    def owns(self, exchange_id: str) -> bool:
        return self._site.desk.owns(exchange_id)

    def routes(self) -> list[Route]:
        return [Route("GET", f"{PATH}/authorize", "upstox.portfolio.authorize", self._authorize)]

    def mount(self, app: web.Application) -> None:
        app.router.add_get(PATH, self._redirect)
        app.router.add_get(f"{PATH}/stream", self._handle)

    def publish(self, updates: Sequence[Update]) -> None:
        """One message per change of an order of this face; a trade is followed by its position."""
        for update in updates:
            if not self.owns(update.exchange_id):
                continue
            self._log.add(update)
            row = order_row(update, USER_ID)
            key = update.instrument.upstox_id
            self._tell("order", {"update_type": "order", "user_id": USER_ID, "instrument_key": key, **row})
            if update.trade is not None:
                self._tell_position(update)

    def publish_gtt(self, changes: Sequence[Conditional]) -> None:
        for each in changes:
            self._tell("gtt_order", {"update_type": "gtt_order", **self._gtt_row(each)})

    def _tell_position(self, update: Update) -> None:
        for instrument, product, bought, paid, sold, got in self._site.core.positions():
            if instrument.id == update.instrument.id and product is update.product:
                line = self._site.tape.lines[instrument.id]
                row = position_row(line, product, (bought, paid), (sold, got))
                self._tell("position", {"update_type": "position", "user_id": USER_ID, **row})

    def _tell(self, what: str, body: dict[str, Any]) -> None:
        listeners = [socket for socket in self.sockets if what in socket.kinds]
        if listeners:
            self._send(msgspec.json.encode(body).decode(), self._site.wire.next(ENDPOINT), listeners)

    async def _authorize(self, request: web.Request) -> web.Response:
        return success(redirect(self._address(request)))

    async def _redirect(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._site.authenticate(request):
            return refusal
        raise web.HTTPFound(self._address(request))

    def _address(self, request: web.Request) -> str:
        code = secrets.token_urlsafe(12)
        self._codes[code] = request.query.get("update_types", "order")
        return f"ws://{request.host}{PATH}/stream?code={code}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        types = self._codes.pop(request.query.get("code", ""), None)
        self._knock(welcome=types is not None)
        if types is None:
            return self._site.unauthorised()
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        await self._serve(Listener(ws, request, frozenset(types.split(","))))
        return ws
