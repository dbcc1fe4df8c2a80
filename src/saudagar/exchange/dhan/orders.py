"""Dhan's order endpoints: place, slice, modify, cancel, the order book and the trades of the day.

An answer of 200 is Dhan's word, not the exchange's: what its risk desk refuses (band, funds) is answered TRANSIT too
and then stands in the book as REJECTED.
"""

from __future__ import annotations

from collections import Counter

from aiohttp import web

from saudagar.exchange.core_orders import ExchangeOrder, Refusal
from saudagar.exchange.dhan import errors, shapes
from saudagar.exchange.dhan.requests import BadInput, ModifyBody, PlaceBody, read_body
from saudagar.exchange.dhan.site import DhanSite, acknowledge
from saudagar.exchange.face import Route, json_response

_SLICES = 100  # of one order; what Dhan allows is not documented
MODIFICATIONS = 25  # per order (Dhan API v2 documentation, "Rate limits")


class DhanOrders:
    """The routes of orders and trades."""

    def __init__(self, site: DhanSite) -> None:
        self._site = site
        self._modifications: Counter[str] = Counter()

    def routes(self) -> list[Route]:
        v2, write = "/v2", self._site.write
        return [
            Route("POST", f"{v2}/orders", "dhan.orders.place", write(self._place)),
            Route("POST", f"{v2}/orders/slicing", "dhan.orders.slice", write(self._slice)),
            Route("PUT", f"{v2}/orders/{{id}}", "dhan.orders.modify", write(self._modify)),
            Route("DELETE", f"{v2}/orders/{{id}}", "dhan.orders.cancel", write(self._cancel)),
            Route("GET", f"{v2}/orders", "dhan.orders.list", self._list),
            Route("GET", f"{v2}/orders/{{id}}", "dhan.orders.get", self._get),
            Route("GET", f"{v2}/orders/external/{{id}}", "dhan.orders.find", self._find),
            Route("GET", f"{v2}/trades", "dhan.trades", self._trades),
            Route("GET", f"{v2}/trades/", "dhan.trades", self._trades),
            Route("GET", f"{v2}/trades/{{id}}", "dhan.trades", self._trades),
        ]

    async def _place(self, request: web.Request) -> object:
        body = await read_body(request, PlaceBody)
        return acknowledge(self._enter(body, body.quantity).exchange_id)

    async def _slice(self, request: web.Request) -> object:
        body = await read_body(request, PlaceBody)
        freeze = self._site.instrument(body.exchange_segment, body.security_id).freeze_quantity or body.quantity
        if body.quantity > freeze * _SLICES:
            raise BadInput(f"quantity: at most {_SLICES} slices of {freeze} are allowed.")
        left, placed = body.quantity, []
        while True:
            try:
                placed.append(acknowledge(self._enter(body, min(left, freeze)).exchange_id))
            except Refusal:
                if not placed:
                    raise
                return [*placed, acknowledge("", "REJECTED")]
            left -= freeze
            if left <= 0:
                return placed

    def _enter(self, body: PlaceBody, quantity: int) -> ExchangeOrder:
        instrument = self._site.instrument(body.exchange_segment, body.security_id)
        self._site.check_alive()
        return self._site.desk.place(instrument, errors.LATE, **body.order(quantity))

    async def _modify(self, request: web.Request) -> object:
        exchange_id = request.match_info["id"]
        body = await read_body(request, ModifyBody)
        terms = body.terms(body.quantity)
        if self._modifications[exchange_id] >= MODIFICATIONS:
            raise Refusal("state", f"The order was modified {MODIFICATIONS} times; no more is allowed.")
        order = self._site.core.modify(self._site.desk.working(exchange_id), terms)
        self._modifications[exchange_id] += 1
        return acknowledge(order.exchange_id)

    async def _cancel(self, request: web.Request) -> object:
        order = self._site.core.cancel(self._site.desk.working(request.match_info["id"]))
        return acknowledge(order.exchange_id, "CANCELLED")

    async def _list(self, request: web.Request) -> web.Response:
        return json_response([self._row(order) for order in self._site.desk.orders()])

    async def _get(self, request: web.Request) -> web.Response:
        """An array of one; recorded as an empty array for an id that is not there."""
        order = self._site.desk.find(request.match_info["id"])
        return json_response([self._row(order)] if order else [])

    async def _find(self, request: web.Request) -> web.Response:
        """One object (documentation v2); an id that is not there is an error here."""
        found = self._site.desk.by_tag(request.match_info["id"])
        if not found:
            return errors.error("DH-906", errors.NO_SUCH_ORDER, 404)
        return json_response(self._row(found[0]))

    def _row(self, order: ExchangeOrder) -> dict[str, object]:
        return shapes.order_row(order, self._site.client_id)

    async def _trades(self, request: web.Request) -> web.Response:
        wanted, core, desk = request.match_info.get("id", ""), self._site.core, self._site.desk
        own = [trade for trade in core.trades if wanted in ("", trade.exchange_id) and desk.owns(trade.exchange_id)]
        return json_response(
            [shapes.trade_row(trade, core.orders[trade.exchange_id], self._site.client_id) for trade in own]
        )
