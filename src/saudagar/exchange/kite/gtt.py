"""Kite's GTT: single and two-leg triggers that place LIMIT orders, watched by `core_conditional`.

A single trigger fires when the last price comes to it from the side it was on when it was placed; of a two-leg the
lower value is a stop and the upper a target. Rules: kite.trade/docs/connect/v3/gtt; shapes as in Kite's mock answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_conditional import Conditional, Conditionals, Leg, LegStatus, When
from saudagar.exchange.core_orders import ExchangeOrder, Refusal
from saudagar.exchange.kite.errors import KiteError, bad_input
from saudagar.exchange.kite.requests import LARGEST, PRODUCTS, SIDES, Form, read_field
from saudagar.exchange.kite.shapes import ist_text
from saudagar.exchange.kite.tickets import Ticket
from saudagar.exchange.kite.words import PRODUCT, Directory, exchange_of, rupees, symbol_of, token_of
from saudagar.market.ist import DAY
from saudagar.model import Instrument, Nanos, OrderStatus, OrderTerms, OrderType, Paise, Product, to_paise
from saudagar.model.errors import DataError

KIND = "kite.gtt"
YEAR: Nanos = 365 * DAY  # a GTT lives for a year

_LEGS = {"single": 1, "two-leg": 2}


class _Condition(msgspec.Struct):
    exchange: str
    tradingsymbol: str
    trigger_values: list[float]
    last_price: float


class _Order(msgspec.Struct):
    exchange: str
    tradingsymbol: str
    transaction_type: str
    quantity: int
    order_type: str
    product: str
    price: float


class _Wanted(NamedTuple):
    instrument: Instrument
    product: Product
    legs: list[Leg]
    detail: dict[str, object]


class Gtt:
    """Kite's triggers.

    Parameters
    ----------
    adopt
        Makes Kite's own record of an order that a trigger placed.
    """

    def __init__(
        self,
        core: MatchingCore,
        conditionals: Conditionals,
        directory: Directory,
        *,
        user: str,
        adopt: Callable[[ExchangeOrder, list[str]], Ticket],
    ) -> None:
        self._core = core
        self._conditionals = conditionals
        self._directory = directory
        self._user = user
        self._adopt = adopt

    def place(self, form: Form) -> dict[str, int]:
        """`POST /gtt/triggers`. Raises `KiteError`; nothing was done then."""
        wanted = self._read(form)
        try:
            made = self._conditionals.place(
                kind=KIND,
                instrument=wanted.instrument,
                product=wanted.product,
                legs=wanted.legs,
                expires=self._core.now + YEAR,
                detail=wanted.detail,
            )
        except Refusal as refusal:
            raise bad_input(refusal.message) from None
        return {"trigger_id": int(made.conditional_id)}

    def modify(self, trigger_id: str, form: Form) -> dict[str, int]:
        """`PUT /gtt/triggers/{id}`: everything is sent again. Raises `KiteError`; the trigger stands then."""
        found = self._get(trigger_id)
        if not found.live:
            raise KiteError("GeneralException", f"The trigger is {_status(found)} and cannot be modified.", 400)
        wanted = self._read(form)
        same = wanted.detail["type"] == found.detail["type"] and wanted.instrument is found.instrument
        if not same or wanted.product is not found.product:
            raise bad_input("Invalid `type`: it, the instrument and the product cannot be changed.")
        try:
            self._conditionals.modify(trigger_id, wanted.legs)
        except Refusal as refusal:
            raise bad_input(refusal.message) from None
        found.detail.update(wanted.detail)
        return {"trigger_id": int(trigger_id)}

    def delete(self, trigger_id: str) -> dict[str, int]:
        """`DELETE /gtt/triggers/{id}`. Raises `KiteError`."""
        found = self._get(trigger_id)
        if not found.live:
            raise KiteError("GeneralException", f"The trigger is {_status(found)} and cannot be deleted.", 400)
        self._conditionals.cancel(trigger_id)
        found.detail["deleted"] = True
        return {"trigger_id": int(trigger_id)}

    def rows(self) -> list[dict[str, Any]]:
        """`GET /gtt/triggers`, newest first; a deleted trigger is not listed."""
        listed = [each for each in self._conditionals.of(KIND) if "deleted" not in each.detail]
        return [self._row(each) for each in reversed(listed)]

    def row(self, trigger_id: str) -> dict[str, Any]:
        """`GET /gtt/triggers/{id}`. Raises `KiteError`."""
        return self._row(self._get(trigger_id))

    def claim(self, exchange_id: str) -> Ticket | None:
        """Kite's record of an order that one of its triggers has placed; None if none has."""
        fired = self._conditionals.placed.get(exchange_id)
        if fired is None or fired.kind != KIND:
            return None
        return self._adopt(self._core.orders[exchange_id], ["gtt", f"gtt:{fired.conditional_id}"])

    def _read(self, form: Form) -> _Wanted:
        kind = form.text("type")
        condition = read_field(form.text("condition"), _Condition, "condition")
        orders = read_field(form.text("orders"), list[_Order], "orders")
        count = _LEGS.get(kind)
        if count is None:
            raise bad_input("Invalid `type`.")
        if len(condition.trigger_values) != count or len(orders) != count:
            raise bad_input(f"Invalid `condition`: a {kind} trigger has {count} value(s) and order(s).")
        instrument = self._directory.tradable(condition.exchange, condition.tradingsymbol)
        if instrument is None:
            raise bad_input("Invalid `tradingsymbol`.")
        last = _paise(condition.last_price, "last_price")
        triggers = [_paise(value, "trigger_values") for value in condition.trigger_values]
        if kind == "two-leg" and not triggers[0] < last < triggers[1]:
            raise bad_input("Trigger already met: the last price must lie between the two values.")
        if kind == "single" and triggers[0] == last:
            raise bad_input("Trigger already met.")
        sides = [When.BELOW, When.ABOVE] if count == 2 else [When.ABOVE if triggers[0] > last else When.BELOW]
        legs = [_leg(place, *leg) for place, leg in enumerate(zip(sides, triggers, orders, strict=True))]
        products = {order.product for order in orders}
        if len(products) != 1:
            raise bad_input("Invalid `product`: both orders must have the same.")
        product = Form({"product": products.pop()}).word("product", PRODUCTS)
        return _Wanted(instrument, product, legs, {"type": kind, "last_price": last})

    def _get(self, trigger_id: str) -> Conditional:
        found = self._conditionals.all.get(trigger_id)
        if found is None or found.kind != KIND:
            raise KiteError("GeneralException", "Couldn't find that `trigger_id`.", 404)
        return found

    def _row(self, each: Conditional) -> dict[str, Any]:
        instrument = each.instrument
        name = {"exchange": exchange_of(instrument), "tradingsymbol": symbol_of(instrument)}
        return {
            "id": int(each.conditional_id),
            "user_id": self._user,
            "parent_trigger": None,
            "type": each.detail["type"],
            "created_at": ist_text(each.created),
            "updated_at": ist_text(each.updated),
            "expires_at": ist_text(each.expires),
            "status": _status(each),
            "condition": {
                **name,
                "last_price": _rupees(each.detail["last_price"]),
                "trigger_values": [rupees(leg.trigger) for leg in each.legs],
                "instrument_token": token_of(instrument),
            },
            "orders": [name | self._order(each, leg) for leg in each.legs],
            "meta": {},
        }

    def _order(self, each: Conditional, leg: Leg) -> dict[str, Any]:
        order: dict[str, Any] = {
            "product": PRODUCT[each.product],
            "order_type": "LIMIT",
            "transaction_type": leg.side.value,
            "quantity": leg.terms.quantity,
            "price": rupees(leg.terms.price),
        }
        return order | {"result": self._result(each, leg, order)}

    def _result(self, each: Conditional, leg: Leg, order: dict[str, Any]) -> dict[str, Any] | None:
        if leg.status not in (LegStatus.TRIGGERED, LegStatus.FAILED):
            return None
        placed = self._core.orders.get(leg.order_id)
        rejected = placed is None or placed.status is OrderStatus.REJECTED
        instrument = each.instrument
        return {
            "account_id": self._user,
            "exchange": exchange_of(instrument),
            "tradingsymbol": symbol_of(instrument),
            "validity": "DAY",
            **order,
            "meta": f'{{"app_id":1,"gtt":{each.conditional_id}}}',
            "timestamp": ist_text(leg.fired or each.updated),
            "triggered_at": rupees(leg.trigger),
            "order_result": {
                "status": "failed" if rejected else "success",
                "order_id": leg.order_id,
                "rejection_reason": leg.reason,
            },
        }


def _leg(place: int, when: When, trigger: Paise, order: _Order) -> Leg:
    if order.order_type != "LIMIT":
        raise bad_input("Invalid `order_type`: a trigger places LIMIT orders only.")
    if not 0 < order.quantity <= LARGEST:
        raise bad_input("Invalid `quantity`.")
    return Leg(
        name=str(place),
        side=Form({"transaction_type": order.transaction_type}).word("transaction_type", SIDES),
        when=when,
        trigger=trigger,
        terms=OrderTerms(quantity=order.quantity, order_type=OrderType.LIMIT, price=_paise(order.price, "price")),
    )


def _status(each: Conditional) -> str:
    if each.live:
        return "active"
    if "deleted" in each.detail:
        return "deleted"
    fired = any(leg.status in (LegStatus.TRIGGERED, LegStatus.FAILED) for leg in each.legs)
    return "triggered" if fired else "expired"


def _paise(amount: float, name: str) -> Paise:
    try:
        paise = to_paise(amount)
    except DataError:
        paise = 0
    if not 0 < paise <= LARGEST:
        raise bad_input(f"Invalid `{name}`.")
    return paise


def _rupees(paise: object) -> int | float:
    assert isinstance(paise, int), "it was written by `_read`"
    return rupees(paise)
