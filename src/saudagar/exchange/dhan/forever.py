"""Dhan's forever orders (SINGLE, OCO) and super orders (entry, target, stop that may trail), on conditional orders.

A forever order waits as CONFIRM and places its order when the last price touches a trigger; which side the price comes
from is told by where it stands when the order is placed. A super order places its entry at once; its legs become
active with what the entry has filled, the target as a limit order, the stop as a market order.
"""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from saudagar.exchange.core_conditional import Conditional, Leg, LegStatus, When
from saudagar.exchange.core_orders import Refusal
from saudagar.exchange.dhan import shapes
from saudagar.exchange.dhan.requests import BadInput, PlaceBody, order_type_of, paise, product_of, read_body, side_of
from saudagar.exchange.dhan.site import DhanSite, acknowledge
from saudagar.exchange.face import Route, json_response
from saudagar.model import Instrument, OrderStatus, OrderTerms, OrderType, Paise, Product, Side, Validity

FOREVER, SUPER = "dhan.forever", "dhan.super"
_ENTRY, _TARGET, _STOP = "ENTRY_LEG", "TARGET_LEG", "STOP_LOSS_LEG"

_FOREVER_STATUS = {
    LegStatus.WAITING: "PENDING",
    LegStatus.ACTIVE: "CONFIRM",
    LegStatus.TRIGGERED: "TRADED",
    LegStatus.FAILED: "REJECTED",
    LegStatus.CANCELLED: "CANCELLED",
}
_LEG_STATUS = {
    LegStatus.WAITING: "PENDING",
    LegStatus.ACTIVE: "PENDING",
    LegStatus.TRIGGERED: "TRIGGERED",
    LegStatus.FAILED: "REJECTED",
    LegStatus.CANCELLED: "CANCELLED",
}


class _ForeverBody(PlaceBody, rename="camel", kw_only=True):
    order_flag: str
    price1: float = 0.0
    trigger_price1: float = 0.0
    quantity1: int = 0


class _ForeverChange(msgspec.Struct, rename="camel"):
    order_flag: str
    order_type: str
    leg_name: str
    quantity: int
    price: float
    trigger_price: float
    validity: str = "DAY"


class _SuperBody(msgspec.Struct, rename="camel"):
    transaction_type: str
    exchange_segment: str
    product_type: str
    order_type: str
    security_id: str | int
    quantity: int
    price: float
    target_price: float = 0.0
    stop_loss_price: float = 0.0
    trailing_jump: float = 0.0
    correlation_id: str = ""


class _SuperChange(msgspec.Struct, rename="camel"):
    leg_name: str
    order_type: str | None = None
    quantity: int | str | None = None
    price: float | str | None = None
    target_price: float | None = None
    stop_loss_price: float | None = None
    trailing_jump: float | None = None


class DhanForever:
    """The routes of forever and super orders."""

    def __init__(self, site: DhanSite) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        v2, write = "/v2", self._site.write
        return [
            Route("POST", f"{v2}/forever/orders", "dhan.forever.place", write(self._place)),
            Route("PUT", f"{v2}/forever/orders/{{id}}", "dhan.forever.modify", write(self._modify)),
            Route("DELETE", f"{v2}/forever/orders/{{id}}", "dhan.forever.cancel", write(self._cancel)),
            Route("GET", f"{v2}/forever/orders", "dhan.forever.list", self._list),
            Route("GET", f"{v2}/forever/all", "dhan.forever.list", self._list),
            Route("POST", f"{v2}/super/orders", "dhan.super.place", write(self._place_super)),
            Route("PUT", f"{v2}/super/orders/{{id}}", "dhan.super.modify", write(self._modify_super)),
            Route("DELETE", f"{v2}/super/orders/{{id}}/{{leg}}", "dhan.super.cancel", write(self._cancel_super)),
            Route("GET", f"{v2}/super/orders", "dhan.super.list", self._list_super),
        ]

    async def _place(self, request: web.Request) -> object:
        body = await read_body(request, _ForeverBody)
        self._site.check_alive()
        instrument = self._site.instrument(body.exchange_segment, body.security_id)
        side, flag = side_of(body.transaction_type), body.order_flag
        if flag not in ("SINGLE", "OCO"):
            raise BadInput(f"orderFlag: {flag!r} is not known.")
        order = body.order(body.quantity)
        if order["product"] is Product.INTRADAY:
            raise BadInput("productType: a forever order outlives the day.")
        trigger = paise(body.trigger_price, "triggerPrice")
        legs = [self._leg(instrument, _TARGET, side, order["terms"], trigger, order["validity"])]
        if flag == "OCO":
            terms = OrderTerms(
                quantity=body.quantity1, order_type=order["terms"].order_type, price=paise(body.price1, "price1")
            )
            second = paise(body.trigger_price1, "triggerPrice1")
            legs.append(self._leg(instrument, _STOP, side, terms, second, order["validity"]))
        made = self._site.conditionals.place(
            kind=FOREVER, instrument=instrument, product=order["product"], legs=legs, tag=order["tag"],
            detail={"flag": flag},
        )  # fmt: skip
        return acknowledge(made.conditional_id, "PENDING")

    def _leg(
        self, instrument: Instrument, name: str, side: Side, terms: OrderTerms, trigger: Paise, validity: Validity
    ) -> Leg:
        if terms.order_type.has_trigger:
            raise BadInput("orderType must be LIMIT or MARKET.")
        tick = self._site.core.last(instrument.id)
        rising = trigger >= (tick.ltp if tick else self._site.tape.lines[instrument.id].previous_close)
        when = When.ABOVE if rising else When.BELOW
        return Leg(name=name, side=side, when=when, trigger=trigger, terms=terms, validity=validity)

    async def _modify(self, request: web.Request) -> object:
        body = await read_body(request, _ForeverChange)
        found = self._found(request, FOREVER)
        name = _TARGET if body.leg_name == _ENTRY else body.leg_name
        old = found.leg(name)
        order_type = order_type_of(body.order_type)
        terms = OrderTerms(
            quantity=body.quantity,
            order_type=order_type,
            price=paise(body.price, "price") if order_type.has_price else 0,
        )
        leg = self._leg(
            found.instrument, name, old.side, terms, paise(body.trigger_price, "triggerPrice"), old.validity
        )
        self._site.conditionals.modify(found.conditional_id, [leg])
        return acknowledge(found.conditional_id, "PENDING")

    async def _cancel(self, request: web.Request) -> object:
        found = self._site.conditionals.cancel(self._found(request, FOREVER).conditional_id)
        return acknowledge(found.conditional_id, "CANCELLED")

    def _found(self, request: web.Request, kind: str) -> Conditional:
        found = self._site.conditionals.all.get(request.match_info["id"])
        if found is None or found.kind != kind:
            raise Refusal("order", "no such conditional order.")
        return found

    async def _list(self, request: web.Request) -> web.Response:
        """One row for each leg (documentation v2; never recorded)."""
        found = self._site.conditionals.of(FOREVER)
        return json_response([self._forever_row(each, leg) for each in found for leg in each.legs])

    def _forever_row(self, each: Conditional, leg: Leg) -> dict[str, Any]:
        instrument = each.instrument
        return {
            "dhanClientId": self._site.client_id,
            "orderId": each.conditional_id,
            "orderStatus": _FOREVER_STATUS[leg.status],
            "transactionType": leg.side.value,
            "exchangeSegment": shapes.SEGMENT[instrument.segment],
            "productType": shapes.PRODUCT[each.product],
            "orderType": each.detail["flag"],
            "tradingSymbol": instrument.symbol,
            "securityId": instrument.dhan_id,
            "quantity": leg.terms.quantity,
            "price": shapes.rupees(leg.terms.price),
            "triggerPrice": shapes.rupees(leg.trigger),
            "legName": leg.name,
            "createTime": shapes.ist_text(each.created),
            "updateTime": shapes.ist_text(each.updated),
            "exchangeTime": shapes.ist_text(leg.fired) if leg.fired else None,
            "drvExpiryDate": shapes.expiry_text(instrument) if instrument.expiry else None,
            "drvOptionType": instrument.right.name if instrument.right else None,
            "drvStrikePrice": shapes.rupees(instrument.strike),
        }

    async def _place_super(self, request: web.Request) -> object:
        body = await read_body(request, _SuperBody)
        self._site.check_alive()
        instrument, side = (
            self._site.instrument(body.exchange_segment, body.security_id),
            side_of(body.transaction_type),
        )
        order_type = order_type_of(body.order_type)
        if order_type.has_trigger:
            raise BadInput("orderType must be LIMIT or MARKET.")
        price = paise(body.price, "price")
        entry = OrderTerms(quantity=body.quantity, order_type=order_type, price=price if order_type.has_price else 0)
        target, stop = paise(body.target_price, "targetPrice"), paise(body.stop_loss_price, "stopLossPrice")
        if not (target or stop):
            raise BadInput("targetPrice or stopLossPrice must be above 0.")
        legs = [Leg(name=_ENTRY, side=side, when=When.IMMEDIATE, trigger=0, terms=entry, entry=True)]
        if stop:
            legs.append(_stop(side, body.quantity, stop, paise(body.trailing_jump, "trailingJump")))
        if target:
            legs.append(_target(side, body.quantity, target))
        _check_sides(side, price, target, stop)
        made = self._site.conditionals.place(
            kind=SUPER, instrument=instrument, product=product_of(body.product_type), legs=legs, tag=body.correlation_id
        )
        return acknowledge(made.conditional_id, "PENDING")

    async def _modify_super(self, request: web.Request) -> object:
        body = await read_body(request, _SuperChange)
        found = self._found(request, SUPER)
        if body.leg_name == _ENTRY:
            self._modify_entry(found, body)
        legs = []
        for leg in found.legs:
            if leg.name == _TARGET and body.leg_name in (_ENTRY, _TARGET) and body.target_price:
                legs.append(_target(leg.side.opposite, leg.terms.quantity, paise(body.target_price, "targetPrice")))
            if leg.name == _STOP and body.leg_name in (_ENTRY, _STOP) and body.stop_loss_price:
                jump = leg.jump if body.trailing_jump is None else paise(body.trailing_jump, "trailingJump")
                stop = paise(body.stop_loss_price, "stopLossPrice")
                legs.append(_stop(leg.side.opposite, leg.terms.quantity, stop, jump))
        if not legs and body.leg_name != _ENTRY:
            raise BadInput(f"legName: {body.leg_name!r} has nothing to change.")
        if legs:
            self._site.conditionals.modify(found.conditional_id, legs)
        return acknowledge(found.conditional_id)

    def _modify_entry(self, found: Conditional, body: _SuperChange) -> None:
        entry = found.leg(_ENTRY)
        try:
            quantity = int(body.quantity) if body.quantity else entry.terms.quantity
            price = paise(float(body.price), "price") if body.price else entry.terms.price
        except ValueError:
            raise BadInput("quantity and price must be numbers.") from None
        order_type = order_type_of(body.order_type) if body.order_type else entry.terms.order_type
        terms = OrderTerms(quantity=quantity, order_type=order_type, price=price if order_type.has_price else 0)
        self._site.core.modify(entry.order_id, terms)
        entry.terms = terms

    async def _cancel_super(self, request: web.Request) -> object:
        """The entry takes all its legs with it."""
        found, name = self._found(request, SUPER), request.match_info["leg"]
        entry = found.leg(_ENTRY)
        if name != _ENTRY:
            self._site.conditionals.cancel(found.conditional_id, name)
            return acknowledge(found.conditional_id, "CANCELLED")
        self._site.core.cancel(entry.order_id)
        if found.live:
            self._site.conditionals.cancel(found.conditional_id)
        return acknowledge(found.conditional_id, "CANCELLED")

    async def _list_super(self, request: web.Request) -> web.Response:
        return json_response([self._super_row(each) for each in self._site.conditionals.of(SUPER)])

    def _super_row(self, each: Conditional) -> dict[str, Any]:
        entry = each.leg(_ENTRY)
        order = self._site.core.orders[entry.order_id]
        row = shapes.order_row(order, self._site.client_id)
        tick = self._site.core.last(each.instrument.id)
        exits = [leg for leg in each.legs if not leg.entry]
        closed = order.status is OrderStatus.FILLED and any(leg.status is LegStatus.TRIGGERED for leg in exits)
        kept = (
            "dhanClientId correlationId transactionType exchangeSegment productType orderType validity tradingSymbol "
            "securityId quantity remainingQuantity price afterMarketOrder exchangeOrderId createTime updateTime "
            "exchangeTime omsErrorDescription averageTradedPrice filledQty"
        )
        return {
            "orderId": each.conditional_id,
            "orderStatus": "CLOSED" if closed else row["orderStatus"],
            "legName": _ENTRY,
            "ltp": shapes.rupees(tick.ltp) if tick else 0.0,
            **{name: row[name] for name in kept.split()},
            "legDetails": [self._leg_row(each, leg) for leg in exits],
        }

    def _leg_row(self, each: Conditional, leg: Leg) -> dict[str, Any]:
        fired = self._site.core.orders.get(leg.order_id)
        done = fired is not None and fired.status is OrderStatus.FILLED
        active = leg.status is LegStatus.ACTIVE
        row: dict[str, Any] = {
            "orderId": each.conditional_id,
            "legName": leg.name,
            "transactionType": leg.side.value,
            "remainingQuantity": leg.terms.quantity if active else 0,
            "triggeredQuantity": fired.terms.quantity if fired else 0,
            "price": shapes.rupees(leg.trigger),
            "orderStatus": "TRADED" if done else _LEG_STATUS[leg.status],
            "trailingJump": shapes.rupees(leg.jump),
        }
        if leg.name == _STOP:
            row["totalQuatity"] = leg.terms.quantity if active else 0  # Dhan's spelling
        return row


def _target(side: Side, quantity: int, price: Paise) -> Leg:
    when = When.ABOVE if side is Side.BUY else When.BELOW
    terms = OrderTerms(quantity=quantity, order_type=OrderType.LIMIT, price=price)
    return Leg(name=_TARGET, side=side.opposite, when=when, trigger=price, terms=terms)


def _stop(side: Side, quantity: int, price: Paise, jump: Paise) -> Leg:
    when = When.BELOW if side is Side.BUY else When.ABOVE
    terms = OrderTerms(quantity=quantity, order_type=OrderType.MARKET)
    return Leg(name=_STOP, side=side.opposite, when=when, trigger=price, terms=terms, jump=jump)


def _check_sides(side: Side, price: Paise, target: Paise, stop: Paise) -> None:
    if (target and (target - price) * side.sign <= 0) or (stop and (price - stop) * side.sign <= 0):
        raise BadInput("targetPrice and stopLossPrice must lie on their own sides of the price.")
