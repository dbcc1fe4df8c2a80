"""Upstox's GTT orders: SINGLE and MULTIPLE, with a trailing stop, on the exchange's conditional orders.

A rule that fires places a limit order at its trigger, which may rest, or with `market_protection` one that is
marketable by so many per cent. TARGET and STOPLOSS are watched once the entry has filled. Sources: Upstox, "Place GTT
Order" and "Get GTT Order Details"; the words on the way are listed there, which of them INACTIVE and OPEN mean is from
the practice of others (marketcalls/openalgo#1922).
"""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from saudagar.exchange.core_conditional import Conditional, Leg, LegStatus, When
from saudagar.exchange.core_orders import Refusal
from saudagar.exchange.face import Route
from saudagar.exchange.upstox.errors import Refused
from saudagar.exchange.upstox.requests import paise, protection, read_product, read_side
from saudagar.exchange.upstox.site import LATENCY, UpstoxSite, read_body, success
from saudagar.exchange.upstox.words import product_word, segment_word
from saudagar.market.ist import DAY, ist_day, midnight
from saudagar.model import SECOND, Instrument, Nanos, OrderStatus, OrderTerms, OrderType, Product, Side

KIND = "upstox.gtt"
_PREFIX = "GTT-C"
_YEAR = 365 * DAY
_NARROWEST = 10  # a trailing gap is at least one tenth of the way from the price to the stop

_STATUS = {
    LegStatus.WAITING: "INACTIVE",
    LegStatus.ACTIVE: "SCHEDULED",
    LegStatus.TRIGGERED: "TRIGGERED",
    LegStatus.FAILED: "FAILED",
    LegStatus.CANCELLED: "CANCELLED",
}
_OF_ORDER = {
    OrderStatus.FILLED: "COMPLETED",
    OrderStatus.REJECTED: "FAILED",
    OrderStatus.CANCELLED: "CANCELLED",
    OrderStatus.EXPIRED: "CANCELLED",
}
"""A rule whose order has ended."""


class _Rule(msgspec.Struct):
    strategy: str
    trigger_type: str
    trigger_price: float
    trailing_gap: float | None = None
    market_protection: float | None = None


class _Place(msgspec.Struct):
    type: str
    quantity: int
    product: str
    rules: list[_Rule]
    instrument_token: str
    transaction_type: str


class _Modify(msgspec.Struct):
    type: str
    quantity: int
    rules: list[_Rule]
    gtt_order_id: str


class _Cancel(msgspec.Struct):
    gtt_order_id: str


class UpstoxGtt:
    """The routes of GTT orders."""

    def __init__(self, site: UpstoxSite) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        write = self._site.write
        return [
            Route("POST", "/v3/order/gtt/place", "upstox.gtt.place", write(self._place)),
            Route("PUT", "/v3/order/gtt/modify", "upstox.gtt.modify", write(self._modify)),
            Route("DELETE", "/v3/order/gtt/cancel", "upstox.gtt.cancel", write(self._cancel)),
            Route("GET", "/v3/order/gtt", "upstox.gtt.get", self._details),
        ]

    async def _place(self, request: web.Request) -> web.Response:
        body: _Place = await read_body(request, _Place)
        site = self._site
        instrument = site.line(body.instrument_token).instrument
        site.check_open(segment_word(instrument.segment))
        side, product = read_side(body.transaction_type), read_product(body.product, instrument)
        made = site.conditionals.place(
            kind=KIND,
            instrument=instrument,
            product=product,
            legs=self._legs(body.type, body.rules, instrument, side, body.quantity),
            expires=self._expiry(product),
            detail={"type": body.type, "quantity": body.quantity},
        )
        return _answer(made)

    async def _modify(self, request: web.Request) -> web.Response:
        body: _Modify = await read_body(request, _Modify)
        found = self._found(body.gtt_order_id)
        if body.type != found.detail["type"]:
            raise Refused("UDAPI100036", f"type: a {found.detail['type']} GTT order cannot become {body.type}.")
        entry = found.entry
        assert entry is not None, "every GTT order has an entry"
        legs = self._legs(body.type, body.rules, found.instrument, entry.side, body.quantity)
        live = [leg for leg in legs if found.leg(leg.name).status.live]
        if not live:
            raise Refusal("state", "Every rule of the GTT order has fired or ended.")
        if len(live) < len(legs) and body.quantity != found.detail["quantity"]:
            raise Refusal("state", "The quantity cannot be changed once an order of it is in the market.")
        self._site.conditionals.modify(found.conditional_id, live)
        found.detail["quantity"] = body.quantity
        return _answer(found)

    async def _cancel(self, request: web.Request) -> web.Response:
        body: _Cancel = await read_body(request, _Cancel)
        return _answer(self._site.conditionals.cancel(self._found(body.gtt_order_id).conditional_id))

    async def _details(self, request: web.Request) -> web.Response:
        wanted = request.query.get("gtt_order_id", "")
        found = [self._found(wanted)] if wanted else self._site.conditionals.of(KIND)
        return success([self.row(each) for each in found], metadata=LATENCY)

    def _expiry(self, product: Product) -> Nanos:
        """The last second of the day for intraday, of the same day next year for the others."""
        now = self._site.core.now
        day = ist_day(now if product is Product.INTRADAY else now + _YEAR)
        return midnight(day) + DAY - SECOND

    def _legs(self, kind: str, rules: list[_Rule], instrument: Instrument, side: Side, quantity: int) -> list[Leg]:
        _check_rules(kind, rules)
        last = self._site.tape.lines[instrument.id]
        price = last.tick.ltp if last.tick else last.previous_close
        for rule in rules:
            away = abs(price - paise(rule.trigger_price, "trigger_price"))
            if rule.trailing_gap and paise(rule.trailing_gap, "trailing_gap") * _NARROWEST < away:
                raise Refused("UDAPI1151")
        return [_leg(rule, side, quantity) for rule in rules]

    def _found(self, gtt_id: str) -> Conditional:
        found = self._site.conditionals.all.get(gtt_id.removeprefix(_PREFIX))
        if found is None or found.kind != KIND:
            raise Refused("UDAPI100010", f"GTT order not found: {gtt_id!r}")
        return found

    def row(self, each: Conditional) -> dict[str, Any]:
        """A GTT order as details and the portfolio stream have it; times in epoch microseconds."""
        return {
            "type": each.detail["type"],
            "exchange": segment_word(each.instrument.segment),
            "quantity": each.detail["quantity"],
            "product": product_word(each.product),
            "rules": [self._rule(each, leg) for leg in each.legs],
            "trading_symbol": each.instrument.symbol,
            "instrument_token": each.instrument.upstox_id,
            "gtt_order_id": _PREFIX + each.conditional_id,
            "expires_at": each.expires // 1_000,
            "created_at": each.created // 1_000,
        }

    def _rule(self, each: Conditional, leg: Leg) -> dict[str, Any]:
        return {
            "strategy": leg.name,
            "status": self._word(each, leg),
            "message": leg.reason or None,
            "trigger_type": leg.when.value if leg.entry else "IMMEDIATE",
            "trigger_price": leg.trigger / 100,
            "transaction_type": leg.side.value,
            "order_id": leg.order_id or None,
            "trailing_gap": leg.jump / 100 if leg.jump else None,
        }

    def _word(self, each: Conditional, leg: Leg) -> str:
        order = self._site.core.orders.get(leg.order_id)
        if order is not None:
            return _OF_ORDER.get(order.status, "OPEN")
        expired = leg.status is LegStatus.CANCELLED and each.updated >= each.expires
        return "EXPIRED" if expired else _STATUS[leg.status]


def _check_rules(kind: str, rules: list[_Rule]) -> None:
    strategies = [rule.strategy for rule in rules]
    if kind not in ("SINGLE", "MULTIPLE"):
        raise Refused("UDAPI1126")
    if kind == "SINGLE" and len(rules) != 1:
        raise Refused("UDAPI1136")
    if kind == "MULTIPLE" and not 2 <= len(rules) <= 3:
        raise Refused("UDAPI1137")
    if "ENTRY" not in strategies:
        raise Refused("UDAPI1141")
    if len(set(strategies)) < len(strategies) or set(strategies) - {"ENTRY", "TARGET", "STOPLOSS"}:
        raise Refused("UDAPI100036", f"rules: each strategy once, got {strategies}.")
    for rule in rules:
        if rule.trigger_type not in When.__members__:
            raise Refused("UDAPI100036", f"trigger_type: {rule.trigger_type!r} is not known.")
        if rule.strategy != "ENTRY" and rule.trigger_type != "IMMEDIATE":
            raise Refused("UDAPI1143")
        if rule.trailing_gap and rule.strategy != "STOPLOSS":
            raise Refused("UDAPI100036", "trailing_gap: only a STOPLOSS rule trails.")


def _leg(rule: _Rule, side: Side, quantity: int) -> Leg:
    entry = rule.strategy == "ENTRY"
    rising = side is Side.BUY if rule.strategy == "TARGET" else side is Side.SELL
    trigger = paise(rule.trigger_price, "trigger_price")
    limit = rule.market_protection is None
    return Leg(
        name=rule.strategy,
        side=side if entry else side.opposite,
        when=When(rule.trigger_type) if entry else When.ABOVE if rising else When.BELOW,
        trigger=trigger,
        terms=OrderTerms(
            quantity=quantity,
            order_type=OrderType.LIMIT if limit else OrderType.MARKET,
            price=trigger if limit else 0,
        ),
        entry=entry,
        jump=paise(rule.trailing_gap or 0.0, "trailing_gap"),
        protection_ppm=protection(rule.market_protection),
    )


def _answer(each: Conditional) -> web.Response:
    return success({"gtt_order_ids": [_PREFIX + each.conditional_id]}, metadata=LATENCY)
