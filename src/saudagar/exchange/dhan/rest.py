"""Dhan's REST v2 on the matching core: orders, trades, positions, funds, quotes, and the scrip master file.

One handler per endpoint. Whatever an order request causes is queued for the order-update socket before the answer
leaves, so that the stream may speak first, as it does at Dhan. An answer of 200 is Dhan's word, not the exchange's:
what its risk desk refuses (band, funds) is answered TRANSIT too and then stands in the book as REJECTED.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_orders import ExchangeOrder, Refusal, Update
from saudagar.exchange.dhan import errors, shapes
from saudagar.exchange.dhan.requests import BAD_INPUT, BadInput, ModifyBody, PlaceBody, look_up, read_body
from saudagar.exchange.dhan.updates import OrderUpdates
from saudagar.exchange.face import Handler, Route, Wire, json_response
from saudagar.exchange.limits import CallLimit
from saudagar.exchange.order_desk import OrderDesk
from saudagar.exchange.tape import Tape
from saudagar.model import (
    Instrument,
    InstrumentId,
    Product,
)

MODIFICATIONS = 25  # per order (Dhan API v2 documentation, "Rate limits")


class DhanFace:
    """Dhan's REST.

    Parameters
    ----------
    updates
        The order-update socket.
    publish
        Tells the order streams of every change.
    tape
        For quotes and the scrip master.
    limit
        On order writes.
    holdings
        Shares in the demat account (units).
    """

    def __init__(
        self,
        core: MatchingCore,
        wire: Wire,
        updates: OrderUpdates,
        *,
        publish: Callable[[Sequence[Update]], None],
        tape: Tape,
        limit: CallLimit,
        client_id: str,
        token: str,
        holdings: Mapping[InstrumentId, int],
        desk: OrderDesk,
    ) -> None:
        self.token = token
        self.killed = False
        self._core = core
        self._wire = wire
        self._updates = updates
        self._publish = publish
        self._limit = limit
        self._client_id = client_id
        self._tape = tape
        instruments = (line.instrument for line in tape.lines.values())
        self._by_id = {(shapes.SEGMENT[each.segment], each.dhan_id): each for each in instruments}
        self._holdings = holdings
        self._modifications: Counter[str] = Counter()
        self._desk = desk

    def application(self) -> web.Application:
        """The face as an application, the order-update socket included."""
        v2 = "/v2"
        routes = [
            Route("POST", f"{v2}/orders", "dhan.orders.place", self._write(self._place)),
            Route("POST", f"{v2}/orders/slicing", "dhan.orders.slice", self._write(self._slice)),
            Route("PUT", f"{v2}/orders/{{id}}", "dhan.orders.modify", self._write(self._modify)),
            Route("DELETE", f"{v2}/orders/{{id}}", "dhan.orders.cancel", self._write(self._cancel)),
            Route("GET", f"{v2}/orders", "dhan.orders.list", self._list),
            Route("GET", f"{v2}/orders/{{id}}", "dhan.orders.get", self._get),
            Route("GET", f"{v2}/orders/external/{{id}}", "dhan.orders.find", self._find),
            Route("GET", f"{v2}/trades", "dhan.trades", self._trades),
            Route("GET", f"{v2}/trades/", "dhan.trades", self._trades),
            Route("GET", f"{v2}/trades/{{id}}", "dhan.trades", self._trades),
            Route("GET", f"{v2}/positions", "dhan.positions", self._positions),
            Route("GET", f"{v2}/holdings", "dhan.holdings", self._get_holdings),
            Route("GET", f"{v2}/fundlimit", "dhan.funds", self._funds),
            Route("GET", f"{v2}/profile", "dhan.profile", self._profile),
            Route("POST", f"{v2}/killswitch", "dhan.killswitch", self._kill),
            Route("GET", f"{v2}/killswitch", "dhan.killswitch", self._kill_state),
            Route("POST", f"{v2}/marketfeed/{{kind:ltp|ohlc|quote}}", "dhan.marketfeed", self._quotes),
            Route("GET", "/api-data/api-scrip-master-detailed.csv", "dhan.master", self._master),
        ]
        app = self._wire.application(routes, errors.too_many, self._envelope)
        app.router.add_get("/order-update", self._updates.handle)
        return app

    async def _envelope(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/v2/") and (refusal := self._authenticate(request)):
            return refusal
        try:
            return await handler(request)
        except Refusal as refusal:
            return errors.refused(refusal)
        except BadInput as problem:
            return errors.error("DH-905", str(problem) or BAD_INPUT)
        except web.HTTPException as problem:
            body = {"timestamp": self._core.now // 1_000_000, "status": problem.status, "error": problem.reason}
            return json_response({**body, "path": request.path}, problem.status)

    def _authenticate(self, request: web.Request) -> web.Response | None:
        token = request.headers.get("access-token", "")
        if token == self.token and request.headers.get("client-id", self._client_id) == self._client_id:
            return None
        if request.path.startswith("/v2/marketfeed/"):
            return errors.data_error("809", "Access token is invalid", 401)
        if token and token != self.token:
            return errors.error("DH-906", "Invalid Token")  # recorded so, HTTP 400
        return errors.error("DH-901", errors.AUTHENTICATION)

    def _write(self, handler: Callable[[web.Request], Awaitable[object]]) -> Handler:
        async def write(request: web.Request) -> web.StreamResponse:
            if not self._limit.allows():
                return errors.too_many()
            try:
                return json_response(await handler(request))
            finally:
                self._publish(self._desk.drain())

        return write

    async def _place(self, request: web.Request) -> object:
        body = await read_body(request, PlaceBody)
        return _acknowledge(self._enter(body, body.quantity))

    async def _slice(self, request: web.Request) -> object:
        body = await read_body(request, PlaceBody)
        freeze = self._instrument(body).freeze_quantity or body.quantity
        left, placed = body.quantity, []
        while True:
            try:
                placed.append(_acknowledge(self._enter(body, min(left, freeze))))
            except Refusal:
                if not placed:
                    raise
                return [*placed, {"orderId": "", "orderStatus": "REJECTED"}]
            left -= freeze
            if left <= 0:
                return placed

    def _enter(self, body: PlaceBody, quantity: int) -> ExchangeOrder:
        instrument = self._instrument(body)
        if self.killed:
            raise Refusal("state", "Kill switch is active; orders are not allowed today.")
        return self._desk.place(instrument, errors.LATE, **body.order(quantity))

    def _instrument(self, body: PlaceBody) -> Instrument:
        return look_up(self._by_id, (body.exchange_segment, str(body.security_id)), "securityId")

    async def _modify(self, request: web.Request) -> object:
        exchange_id = request.match_info["id"]
        body = await read_body(request, ModifyBody)
        terms = body.terms(body.quantity)
        if self._modifications[exchange_id] >= MODIFICATIONS:
            raise Refusal("state", f"The order was modified {MODIFICATIONS} times; no more is allowed.")
        order = self._core.modify(exchange_id, terms)
        self._modifications[exchange_id] += 1
        return _acknowledge(order)

    async def _cancel(self, request: web.Request) -> object:
        order = self._core.cancel(request.match_info["id"])
        return {"orderId": order.exchange_id, "orderStatus": "CANCELLED"}

    async def _list(self, request: web.Request) -> web.Response:
        return json_response([shapes.order_row(order, self._client_id) for order in self._desk.orders()])

    async def _get(self, request: web.Request) -> web.Response:
        """An array of one; recorded as an empty array for an id that is not there."""
        order = self._desk.find(request.match_info["id"])
        return json_response([shapes.order_row(order, self._client_id)] if order else [])

    async def _find(self, request: web.Request) -> web.Response:
        """One object (documentation v2); an id that is not there is an error here."""
        found = self._desk.by_tag(request.match_info["id"])
        if not found:
            return errors.error("DH-906", errors.NO_SUCH_ORDER, 404)
        return json_response(shapes.order_row(found[0], self._client_id))

    async def _trades(self, request: web.Request) -> web.Response:
        wanted = request.match_info.get("id", "")
        orders = self._core.orders
        rows = [
            shapes.trade_row(trade, orders[trade.exchange_id], self._client_id)
            for trade in (self._core.trades if not wanted else orders[wanted].trades if wanted in orders else ())
        ]
        return json_response(rows)

    async def _positions(self, request: web.Request) -> web.Response:
        rows = []
        for instrument, product, buy_quantity, buy_value, sell_quantity, sell_value in self._core.positions():
            tick = self._core.last(instrument.id)
            bought, sold, last = (buy_quantity, buy_value), (sell_quantity, sell_value), tick.ltp if tick else 0
            rows.append(shapes.position_row(instrument, product, bought, sold, last, self._client_id))
        return json_response(rows)

    async def _get_holdings(self, request: web.Request) -> web.Response:
        if not self._holdings:
            return errors.error("DH-1111", "No holdings available")
        sold = {
            instrument.id: quantity
            for instrument, product, _, _, quantity, _ in self._core.positions()
            if product is Product.DELIVERY
        }
        lines = self._tape.lines
        rows = [
            shapes.holding_row(lines[each], quantity, quantity - sold.get(each, 0))
            for each, quantity in self._holdings.items()
        ]
        return json_response(rows)

    async def _funds(self, request: web.Request) -> web.Response:
        return json_response(shapes.funds_row(self._core.funds(), self._client_id))

    async def _profile(self, request: web.Request) -> web.Response:
        return json_response(shapes.profile_row(self._core.now, self._client_id))

    async def _kill(self, request: web.Request) -> web.Response:
        action = request.query.get("killSwitchStatus", "")
        if action not in ("ACTIVATE", "DEACTIVATE"):
            raise BadInput("killSwitchStatus must be ACTIVATE or DEACTIVATE.")
        flat = all(row[2] == row[4] for row in self._core.positions())
        idle = not any(order.status.working for order in self._core.orders.values())
        if action == "ACTIVATE" and not (flat and idle):
            raise Refusal("state", "Close all positions and pending orders before activating the kill switch.")
        self.killed = action == "ACTIVATE"
        return self._kill_answer(f"Kill Switch has been successfully {action.lower()}d")

    async def _kill_state(self, request: web.Request) -> web.Response:
        return self._kill_answer("ACTIVATE" if self.killed else "DEACTIVATE")

    def _kill_answer(self, status: str) -> web.Response:
        return json_response({"dhanClientId": self._client_id, "killSwitchStatus": status})

    async def _quotes(self, request: web.Request) -> web.Response:
        body = await read_body(request, dict[str, Any])
        wanted = {segment: ids for segment, ids in body.items() if isinstance(ids, list)}
        if sum(map(len, wanted.values())) > 1000:
            return errors.data_error("804", "Requested number of instruments exceeds limit", 400)
        data: dict[str, dict[str, object]] = {}
        for segment, ids in wanted.items():
            for each in ids:
                if instrument := self._by_id.get((segment, str(each))):
                    row = shapes.quote_row(request.match_info["kind"], self._tape.lines[instrument.id])
                    data.setdefault(segment, {})[str(each)] = row
        return json_response({"data": data, "status": "success"})

    async def _master(self, request: web.Request) -> web.Response:
        from saudagar.exchange.dhan.masters import detailed_csv  # read once a day

        return web.Response(text=detailed_csv(self._tape.lines.values()), content_type="text/csv")


def _acknowledge(order: ExchangeOrder) -> dict[str, str]:
    """Dhan answers before the exchange does (recorded 2025-02-16)."""
    return {"orderId": order.exchange_id, "orderStatus": "TRANSIT"}
