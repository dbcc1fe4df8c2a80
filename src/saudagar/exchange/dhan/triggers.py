"""Dhan's conditional triggers (``/alerts/orders``): up to fifteen orders that go out when a price meets a condition.

As documented (dhanhq.co/docs/v2/conditional-trigger, never recorded), with the only UTC times of this API. Conditions
on a price are watched; those on technical indicators are refused here, and said to be not simulated. A condition fires
when it becomes true, not as long as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from aiohttp import web

from saudagar.exchange.core_orders import Refusal
from saudagar.exchange.core_rules import check_terms
from saudagar.exchange.dhan import errors, shapes
from saudagar.exchange.dhan.requests import BadInput, look_up, order_type_of, paise, product_of, read_body, side_of
from saudagar.exchange.dhan.site import DhanSite
from saudagar.exchange.face import Route, json_response
from saudagar.market.ist import ist_day
from saudagar.model import SECOND, Instrument, Nanos, OrderTerms, Paise, Validity

_ORDERS = 15
_SEGMENTS = ("NSE_EQ", "BSE_EQ", "IDX_I")
_TECHNICAL = ("TECHNICAL_WITH_VALUE", "TECHNICAL_WITH_INDICATOR", "TECHNICAL_WITH_CLOSE")
_YEAR = timedelta(days=365)

Met = Callable[[Paise, Paise, Paise], bool]
"""The price before, the price now, the value."""

_OPERATORS: Mapping[str, Met] = {
    "CROSSING_UP": lambda before, now, value: before < value <= now,
    "CROSSING_DOWN": lambda before, now, value: before > value >= now,
    "CROSSING_ANY_SIDE": lambda before, now, value: before < value <= now or before > value >= now,
    "GREATER_THAN": lambda _, now, value: now > value,
    "LESS_THAN": lambda _, now, value: now < value,
    "GREATER_THAN_EQUAL": lambda _, now, value: now >= value,
    "LESS_THAN_EQUAL": lambda _, now, value: now <= value,
    "EQUAL": lambda _, now, value: now == value,
    "NOT_EQUAL": lambda _, now, value: now != value,
}


class _Condition(msgspec.Struct, rename="camel", omit_defaults=True):  # told as it was given
    comparison_type: str
    exchange_segment: str
    security_id: str | int
    operator: str
    comparing_value: float | None = None
    indicator_name: str = ""
    time_frame: str = ""
    comparing_indicator_name: str = ""
    exp_date: str = ""
    frequency: str = ""
    user_note: str = ""


class _Order(msgspec.Struct, rename="camel"):
    transaction_type: str
    exchange_segment: str
    product_type: str
    order_type: str
    security_id: str | int
    quantity: int
    validity: str = "DAY"
    price: str | float = "0"
    disc_quantity: str | int = "0"
    trigger_price: str | float = "0"


class _Body(msgspec.Struct):
    condition: _Condition
    orders: list[_Order] = []


class _Trigger(msgspec.Struct, kw_only=True):
    alert_id: str
    body: _Body
    instrument: Instrument  # whose price is watched
    value: Paise
    placements: list[tuple[Instrument, dict[str, Any]]]
    expires: date
    before: Paise
    met: bool = False
    status: str = "ACTIVE"
    created: Nanos
    triggered: Nanos = 0


class DhanTriggers:
    """The routes of conditional triggers, and the service that watches their prices."""

    def __init__(self, site: DhanSite) -> None:
        self._site = site
        self._all: dict[str, _Trigger] = {}

    def routes(self) -> list[Route]:
        path, write = "/v2/alerts/orders", self._site.write
        return [
            Route("POST", path, "dhan.alerts.place", write(self._place)),
            Route("PUT", f"{path}/{{id}}", "dhan.alerts.modify", write(self._modify)),
            Route("DELETE", f"{path}/{{id}}", "dhan.alerts.cancel", write(self._cancel)),
            Route("GET", path, "dhan.alerts.list", self._list),
            Route("GET", f"{path}/{{id}}", "dhan.alerts.get", self._get),
        ]

    def advance(self) -> None:
        """Look at the newest prices. Called after each step."""
        for each in self._all.values():
            if each.status == "ACTIVE":
                self._look(each)

    def _look(self, each: _Trigger) -> None:
        now = self._site.core.now
        tick = self._site.core.last(each.instrument.id)
        if ist_day(now) > each.expires:
            each.status = "EXPIRED"
        elif tick is not None:
            operator = each.body.condition.operator
            met = _OPERATORS[operator](each.before, tick.ltp, each.value)
            fires = met and (not each.met or operator.startswith("CROSSING"))
            each.met, each.before = met, tick.ltp
            if fires:
                self._fire(each)

    def _fire(self, each: _Trigger) -> None:
        each.triggered = self._site.core.now
        if each.body.condition.frequency != "ALWAYS":
            each.status = "TRIGGERED"
        for instrument, order in each.placements:
            try:
                self._site.check_alive()
                self._site.desk.place(instrument, errors.LATE, **order)
            except Refusal:
                continue  # the others go out all the same; nothing says that they go together or not at all

    async def _place(self, request: web.Request) -> object:
        self._site.check_alive()
        body = await read_body(request, _Body)
        alert_id = f"{7_000_001 + len(self._all)}"
        self._all[alert_id] = self._made(alert_id, body, self._site.core.now)
        return self._answer(self._all[alert_id])

    def _made(self, alert_id: str, body: _Body, created: Nanos) -> _Trigger:
        condition = body.condition
        if condition.comparison_type in _TECHNICAL:
            raise BadInput(f"comparisonType: {condition.comparison_type} is not simulated here.")
        if condition.comparison_type != "PRICE_WITH_VALUE":
            raise BadInput(f"comparisonType: {condition.comparison_type!r} is not known.")
        if condition.exchange_segment not in _SEGMENTS:
            raise BadInput("exchangeSegment: conditions are for equities and indices only.")
        look_up(_OPERATORS, condition.operator, "operator")
        if condition.frequency not in ("", "ONCE", "ALWAYS"):
            raise BadInput(f"frequency: {condition.frequency!r} is not known.")
        if not 0 < len(body.orders) <= _ORDERS:
            raise BadInput(f"orders: 1 to {_ORDERS} are allowed, got {len(body.orders)}.")
        line = self._site.line(condition.exchange_segment, condition.security_id)
        value = paise(condition.comparing_value, "comparingValue")
        if value <= 0:
            raise BadInput("comparingValue must be above 0.")
        return _Trigger(
            alert_id=alert_id,
            body=body,
            instrument=line.instrument,
            value=value,
            placements=[self._placement(order) for order in body.orders],
            expires=self._expiry(condition.exp_date),
            before=line.tick.ltp if line.tick else line.previous_close,
            created=created,
        )

    def _placement(self, order: _Order) -> tuple[Instrument, dict[str, Any]]:
        instrument = self._site.instrument(order.exchange_segment, order.security_id)
        kind = order_type_of(order.order_type)
        terms = OrderTerms(
            quantity=order.quantity,
            order_type=kind,
            price=_rupees(order.price, "price") if kind.has_price else 0,
            trigger_price=_rupees(order.trigger_price, "triggerPrice") if kind.has_trigger else 0,
        )
        side, product = side_of(order.transaction_type), product_of(order.product_type)
        validity = look_up({each.value: each for each in Validity}, order.validity, "validity")
        check_terms(instrument, side, terms, product, validity)
        return instrument, {"tag": "", "side": side, "terms": terms, "product": product, "validity": validity}

    def _expiry(self, text: str) -> date:
        today = ist_day(self._site.core.now)
        try:
            day = date.fromisoformat(text) if text else today + _YEAR
        except ValueError:
            raise BadInput(f"expDate: {text!r} is no date; YYYY-MM-DD is expected.") from None
        if day < today:
            raise BadInput(f"expDate: {text} has passed.")
        return day

    async def _modify(self, request: web.Request) -> object:
        """Condition and orders are given whole; orders that are not given stay."""
        old = self._found(request)
        if old.status != "ACTIVE":
            raise Refusal("state", f"conditional trigger {old.alert_id} is {old.status}.")
        body = await read_body(request, _Body)
        body.orders = body.orders or old.body.orders
        self._all[old.alert_id] = self._made(old.alert_id, body, old.created)
        return self._answer(self._all[old.alert_id])

    async def _cancel(self, request: web.Request) -> object:
        found = self._found(request)
        if found.status != "ACTIVE":
            raise Refusal("state", f"conditional trigger {found.alert_id} is {found.status}.")
        found.status = "CANCELLED"
        return self._answer(found)

    async def _get(self, request: web.Request) -> web.Response:
        return json_response(self._row(self._found(request)))

    async def _list(self, request: web.Request) -> web.Response:
        return json_response([self._row(each) for each in self._all.values()])

    def _found(self, request: web.Request) -> _Trigger:
        found = self._all.get(request.match_info["id"])
        if found is None:
            raise Refusal("order", "no such conditional trigger.")
        return found

    @staticmethod
    def _answer(each: _Trigger) -> dict[str, str]:
        return {"alertId": each.alert_id, "alertStatus": each.status}

    def _row(self, each: _Trigger) -> dict[str, Any]:
        tick = self._site.core.last(each.instrument.id)
        return {
            **self._answer(each),
            "createdTime": _utc(each.created),
            "triggeredTime": _utc(each.triggered) if each.triggered else None,
            "lastPrice": f"{shapes.rupees(tick.ltp):.2f}" if tick else "0.00",
            "condition": msgspec.to_builtins(each.body.condition),
            "orders": msgspec.to_builtins(each.body.orders),
        }


def _rupees(text: str | float, field: str) -> Paise:
    try:
        return paise(float(text), field)
    except ValueError:
        raise BadInput(f"{field}: {text!r} is no amount.") from None


def _utc(ns: Nanos) -> str:
    return f"{datetime.fromtimestamp(ns // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"
