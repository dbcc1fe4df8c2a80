"""Upstox's order endpoints: V3 and V2 place, modify and cancel, multi-orders, exit, and what is read of orders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from saudagar.exchange.core_orders import ExchangeOrder, Refusal
from saudagar.exchange.face import Route, json_response
from saudagar.exchange.order_desk import parts
from saudagar.exchange.upstox import errors
from saudagar.exchange.upstox.errors import LATE, Refused
from saudagar.exchange.upstox.portfolio import OrderLog
from saudagar.exchange.upstox.requests import ModifyBody, OrderBody
from saudagar.exchange.upstox.shapes import order_row, trade_row
from saudagar.exchange.upstox.site import LATENCY, SEGMENTS, USER_ID, UpstoxSite, read_body, success
from saudagar.exchange.upstox.words import segment_word
from saudagar.model import Instrument, OrderTerms, OrderType, Product, Side, Validity

_SLICES = 25  # orders that one sliced order may become
_MULTI = 25  # orders in one multi-order request
_EXITS = 10  # positions that one request closes


class UpstoxOrders:
    """The routes of orders and trades."""

    def __init__(self, site: UpstoxSite, log: OrderLog) -> None:
        self._site = site
        self._log = log

    def routes(self) -> list[Route]:
        write = self._site.write
        return [
            Route("POST", "/v3/order/place", "upstox.orders.place", write(self._place)),
            Route("PUT", "/v3/order/modify", "upstox.orders.modify", write(self._modify)),
            Route("DELETE", "/v3/order/cancel", "upstox.orders.cancel", write(self._cancel)),
            Route("POST", "/v2/order/place", "upstox.orders.place", write(self._place_one)),
            Route("PUT", "/v2/order/modify", "upstox.orders.modify", write(self._modify)),
            Route("DELETE", "/v2/order/cancel", "upstox.orders.cancel", write(self._cancel)),
            Route("POST", "/v2/order/multi/place", "upstox.orders.multi", write(self._place_many)),
            Route("DELETE", "/v2/order/multi/cancel", "upstox.orders.multi_cancel", write(self._cancel_many)),
            Route("POST", "/v2/order/positions/exit", "upstox.orders.exit", write(self._exit)),
            Route("GET", "/v2/order/retrieve-all", "upstox.orders.list", self._book),
            Route("GET", "/v2/order/details", "upstox.orders.get", self._details),
            Route("GET", "/v2/order/history", "upstox.orders.history", self._history),
            Route("GET", "/v2/order/trades/get-trades-for-day", "upstox.trades", self._trades),
            Route("GET", "/v2/order/trades", "upstox.trades", self._trades_of),
        ]

    async def _place(self, request: web.Request) -> web.Response:
        placed = list(self._enter(await read_body(request, OrderBody)))
        return success({"order_ids": [order.exchange_id for order in placed]}, metadata=LATENCY)

    async def _place_one(self, request: web.Request) -> web.Response:
        [order] = self._enter(await read_body(request, OrderBody))
        return success({"order_id": order.exchange_id})

    def _enter(self, body: OrderBody) -> Iterator[ExchangeOrder]:
        site = self._site
        instrument = site.line(body.instrument_token).instrument
        site.check_open(segment_word(instrument.segment))
        order = body.order(instrument)
        for quantity in self._slices(body, instrument.freeze_quantity):
            body.quantity = quantity
            order["terms"] = OrderTerms(
                quantity=quantity,
                order_type=order["terms"].order_type,
                price=order["terms"].price,
                trigger_price=order["terms"].trigger_price,
            )
            placed = site.desk.place(instrument, LATE, **order)
            self._log.begin(placed)
            yield placed

    @staticmethod
    def _slices(body: OrderBody, freeze: int) -> list[int]:
        if not body.slice or not freeze or body.quantity <= freeze:
            return [body.quantity]
        if body.quantity > freeze * _SLICES:
            raise Refused("UDAPI1052", f"The order would be cut into more than {_SLICES} parts; no more are allowed.")
        return parts(body.quantity, freeze)

    async def _modify(self, request: web.Request) -> web.Response:
        body: ModifyBody = await read_body(request, ModifyBody)
        site = self._site
        order = site.core.orders.get(site.desk.working(body.order_id))
        assert order is not None, "a rejected order was refused above"
        terms = body.terms(order.terms.quantity)
        try:
            site.core.modify(order.exchange_id, terms)
        except Refusal:
            self._log.step(order, "not modified")
            raise
        self._log.modified(order)
        return success({"order_id": order.exchange_id}, metadata=LATENCY)

    async def _cancel(self, request: web.Request) -> web.Response:
        site = self._site
        order = site.core.cancel(site.desk.working(request.query.get("order_id", "")))
        return success({"order_id": order.exchange_id}, metadata=LATENCY)

    async def _place_many(self, request: web.Request) -> web.Response:
        bodies: list[OrderBody] = await read_body(request, list[OrderBody])
        if not 0 < len(bodies) <= _MULTI:
            raise Refused("UDAPI100036", f"1 to {_MULTI} orders are allowed, got {len(bodies)}.")
        ids = {body.correlation_id for body in bodies}
        if len(ids) < len(bodies) or "" in ids:
            raise Refused("UDAPI100036", "correlation_id: one for each order, all different.")
        data, faults = [], []
        for body in sorted(bodies, key=lambda each: each.transaction_type):  # buys first, as documented
            try:
                data += [
                    {"correlation_id": body.correlation_id, "order_id": order.exchange_id}
                    for order in self._enter(body)
                ]
            except (Refusal, Refused) as problem:
                refused = errors.of(problem) if isinstance(problem, Refusal) else problem
                faults.append(errors.entry(refused.code, refused.message) | {"correlation_id": body.correlation_id})
        good = len(bodies) - len(faults)
        return _several(data, faults, {"total": len(bodies), "payload_error": 0, "success": good, "error": len(faults)})

    async def _cancel_many(self, request: web.Request) -> web.Response:
        wanted = [order for order in self._chosen(request) if order.status.working]
        done, faults = [], []
        for order in wanted:
            try:
                done.append(self._site.core.cancel(order.exchange_id).exchange_id)
            except Refusal as refusal:
                refused = errors.of(refusal)
                faults.append(errors.entry(refused.code, refused.message) | {"order_id": order.exchange_id})
        summary = {"total": len(wanted), "success": len(done), "error": len(faults)}
        return _several({"order_ids": done}, faults, summary)

    def _chosen(self, request: web.Request) -> list[ExchangeOrder]:
        tag, segment = request.query.get("tag"), request.query.get("segment")
        return [
            order
            for order in self._site.desk.orders()
            if tag in (None, order.tag) and segment in (None, self._site.segment(order))
        ]

    async def _exit(self, request: web.Request) -> web.Response:
        """Square off at the market; with a tag only positions that orders of this tag have traded in."""
        chosen = self._positions(request)
        if not chosen:
            raise Refused("UDAPI1111")
        if len(chosen) > _EXITS:
            raise Refused("UDAPI1112")
        if all(self._site.core.phase(instrument.id) is None for instrument, *_ in chosen):
            raise Refused("UDAPI1113")
        done, faults = [], []
        for instrument, product, net in chosen:
            for quantity in parts(abs(net), instrument.freeze_quantity):
                order: dict[str, Any] = {
                    "tag": request.query.get("tag", ""),
                    "side": Side.of(-net),
                    "terms": OrderTerms(quantity=quantity, order_type=OrderType.MARKET),
                    "product": product,
                    "validity": Validity.DAY,
                }
                try:
                    placed = self._site.desk.place(instrument, (), **order)
                    self._log.begin(placed)
                    done.append(placed.exchange_id)
                except Refusal as refusal:
                    refused = errors.of(refusal)
                    entry = errors.entry(refused.code, refused.message)
                    faults.append(entry | {"instrument_key": instrument.upstox_id})
        summary = {"total": len(done) + len(faults), "success": len(done), "error": len(faults)}
        return _several({"order_ids": done}, faults, summary)

    def _positions(self, request: web.Request) -> list[tuple[Instrument, Product, int]]:
        """What is open (instrument, product, signed units) of the segment and the tag that are asked for."""
        segment = request.query.get("segment")
        if segment is not None and segment not in SEGMENTS:
            raise Refused("UDAPI1108")
        tagged = {(order.instrument.id, order.product) for order in self._chosen(request) if order.filled}
        return [
            (instrument, product, bought - sold)
            for instrument, product, bought, _, sold, _ in self._site.core.positions()
            if bought != sold
            and segment in (None, segment_word(instrument.segment))
            and ("tag" not in request.query or (instrument.id, product) in tagged)
        ]

    async def _book(self, request: web.Request) -> web.Response:
        return success([order_row(order, USER_ID) for order in self._site.desk.orders()])

    async def _details(self, request: web.Request) -> web.Response:
        return success(order_row(self._found(request), USER_ID))

    async def _history(self, request: web.Request) -> web.Response:
        """Every step of one order, or of all orders of a tag, the oldest first."""
        if "order_id" in request.query:
            return success(self._log.rows(self._found(request)))
        orders = [order for order in self._site.desk.orders() if order.tag and order.tag == request.query.get("tag")]
        if not orders:
            raise Refused("UDAPI100010")
        return success([row for order in orders for row in self._log.rows(order)])

    def _found(self, request: web.Request) -> ExchangeOrder:
        order = self._site.desk.find(request.query.get("order_id", ""))
        if order is None:
            raise Refused("UDAPI100010")
        return order

    async def _trades(self, request: web.Request) -> web.Response:
        core, desk = self._site.core, self._site.desk
        own = [trade for trade in core.trades if desk.owns(trade.exchange_id)]
        return success([trade_row(trade, core.orders[trade.exchange_id]) for trade in own])

    async def _trades_of(self, request: web.Request) -> web.Response:
        order = self._found(request)
        return success([trade_row(trade, order) for trade in order.trades])


def _several(data: object, faults: list[dict[str, Any]], summary: dict[str, int]) -> web.Response:
    """The answer to a request for many things: 207 if some were refused, 400 if all were."""
    status = "success" if not faults else "partial_success" if summary["success"] else "error"
    code = {"success": 200, "partial_success": 207, "error": 400}[status]
    return json_response({"status": status, "data": data, "errors": faults or None, "summary": summary}, code)
