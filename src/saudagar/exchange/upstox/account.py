"""Upstox's account endpoints: positions, holdings, conversion, money, charges, kill switch, addresses."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import web

from saudagar.exchange.core_account import shares_sold
from saudagar.exchange.core_orders import Refusal
from saudagar.exchange.core_rules import LARGEST
from saudagar.exchange.face import Route
from saudagar.exchange.upstox.errors import Refused
from saudagar.exchange.upstox.requests import paise, read_product, read_side
from saudagar.exchange.upstox.shapes import funds_v3, holding_row, position_row
from saudagar.exchange.upstox.site import SEGMENTS, USER_ID, UpstoxSite, read_body, success
from saudagar.exchange.upstox.words import segment_word
from saudagar.market.charges import Charges, charge
from saudagar.market.ist import DAY, ist_day
from saudagar.model import InstrumentKind, Nanos, Product, Side
from saudagar.model.errors import DataError

_COOLING: Nanos = DAY // 2  # a disabled segment stays so for twelve hours
_DORMANT = ("NCD_FO", "BCD_FO", "NSE_COM")  # this account has never asked for them


class _Convert(msgspec.Struct):
    instrument_token: str
    new_product: str
    old_product: str
    transaction_type: str
    quantity: int


class _MarginLine(msgspec.Struct):
    instrument_key: str
    quantity: int
    product: str
    transaction_type: str
    price: float | None = 0.0


class _Margin(msgspec.Struct):
    instruments: list[_MarginLine]


class _Switch(msgspec.Struct):
    segment: str
    action: str


class _Address(msgspec.Struct):
    primary_ip: str | None = None
    secondary_ip: str | None = None


class UpstoxAccount:
    """The routes of the account."""

    def __init__(self, site: UpstoxSite) -> None:
        self._site = site
        self._killed_at: dict[str, Nanos] = {}
        self._addresses: dict[str, Any] = {"primary_ip": "127.0.0.1", "secondary_ip": None}

    def routes(self) -> list[Route]:
        write = self._site.write
        return [
            Route("GET", "/v2/portfolio/short-term-positions", "upstox.positions", self._positions),
            Route("GET", "/v3/portfolio/mtf-positions", "upstox.positions", self._mtf),
            Route("PUT", "/v2/portfolio/convert-position", "upstox.convert", write(self._convert, order=False)),
            Route("GET", "/v2/portfolio/long-term-holdings", "upstox.holdings", self._holdings),
            Route("GET", "/v3/user/get-funds-and-margin", "upstox.funds", self._funds_v3),
            Route("GET", "/v2/user/get-funds-and-margin", "upstox.funds", self._funds_v2),
            Route("GET", "/v2/user/profile", "upstox.profile", self._profile),
            Route("GET", "/v2/user/kill-switch", "upstox.killswitch", self._killed),
            Route("POST", "/v2/user/kill-switch", "upstox.killswitch", write(self._kill, order=False)),
            Route("GET", "/v2/user/ip", "upstox.ip", self._ip),
            Route("PUT", "/v2/user/ip", "upstox.ip", self._set_ip),
            Route("POST", "/v2/charges/margin", "upstox.margin", self._margin),
            Route("GET", "/v2/charges/brokerage", "upstox.brokerage", self._brokerage),
        ]

    def _rows(self, *products: Product) -> list[dict[str, Any]]:
        lines = self._site.tape.lines
        return [
            position_row(lines[instrument.id], product, (bought, paid), (sold, got))
            for instrument, product, bought, paid, sold, got in self._site.core.positions()
            if product in products
        ]

    async def _positions(self, request: web.Request) -> web.Response:
        return success(self._rows(Product.INTRADAY, Product.DELIVERY, Product.MARGIN))

    async def _mtf(self, request: web.Request) -> web.Response:
        return success(self._rows(Product.MTF))

    async def _convert(self, request: web.Request) -> web.Response:
        body: _Convert = await read_body(request, _Convert)
        instrument = self._site.line(body.instrument_token).instrument
        old, new = read_product(body.old_product, instrument), read_product(body.new_product, instrument)
        self._site.core.convert(instrument.id, old, new, read_side(body.transaction_type), body.quantity)
        return success({"status": "complete"})

    async def _holdings(self, request: web.Request) -> web.Response:
        sold = shares_sold(self._site.core.positions())
        lines = self._site.tape.lines
        return success(
            [holding_row(lines[each], quantity, sold.get(each, 0)) for each, quantity in self._site.holdings.items()]
        )

    async def _funds_v3(self, request: web.Request) -> web.Response:
        return success(funds_v3(self._site.core.funds()))

    async def _funds_v2(self, request: web.Request) -> web.Response:
        funds = self._site.core.funds()
        zeros = dict.fromkeys(("payin_amount", "span_margin", "adhoc_margin", "notional_cash", "exposure_margin"), 0.0)
        equity = {"used_margin": funds.used / 100, "available_margin": funds.available / 100, **zeros}
        return success({"equity": equity, "commodity": {"used_margin": 0.0, "available_margin": 0.0, **zeros}})

    async def _profile(self, request: web.Request) -> web.Response:
        return success(profile())

    async def _killed(self, request: web.Request) -> web.Response:
        return success(self._segments())

    def _segments(self) -> list[dict[str, Any]]:
        killed = self._site.killed
        return [
            {
                "segment": segment,
                "segment_status": "INACTIVE" if segment in _DORMANT else "ACTIVE",  # the switch does not change it
                "kill_switch_enabled": segment in killed,
            }
            for segment in SEGMENTS
        ]

    async def _kill(self, request: web.Request) -> web.Response:
        """All or nothing: a segment must be flat; its working orders are cancelled; twelve hours to cool."""
        wanted: list[_Switch] = await read_body(request, list[_Switch])
        for each in wanted:
            self._check_switch(each)
        for each in wanted:
            if each.action == "ENABLE":
                self._site.killed.discard(each.segment)
                continue
            self._site.killed.add(each.segment)
            self._killed_at[each.segment] = self._site.core.now
            for order in self._site.desk.orders():
                if order.status.working and self._site.segment(order) == each.segment:
                    with suppress(Refusal):  # what an auction holds stays
                        self._site.core.cancel(order.exchange_id)
        return success(self._segments())

    def _check_switch(self, each: _Switch) -> None:
        if each.segment not in SEGMENTS or each.action not in ("ENABLE", "DISABLE"):
            raise Refused("UDAPI100036", f"kill switch: {each.segment!r}, {each.action!r} is not known.")
        if each.action == "DISABLE":
            if each.segment in _DORMANT:
                raise Refusal("state", f"{each.segment} is not active for this account.")
            if any(
                segment_word(row[0].segment) == each.segment and row[2] != row[4] for row in self._site.core.positions()
            ):
                raise Refusal("state", f"Close all positions in {each.segment} first.")
        elif each.segment in self._site.killed and self._site.core.now < self._killed_at[each.segment] + _COOLING:
            raise Refusal("state", f"{each.segment} cannot be enabled within 12 hours of its disabling.")

    async def _ip(self, request: web.Request) -> web.Response:
        return success({**self._addresses, "primary_ip_updated_at": None, "secondary_ip_updated_at": None})

    async def _set_ip(self, request: web.Request) -> web.Response:
        body: _Address = await read_body(request, _Address)
        for name in ("primary_ip", "secondary_ip"):
            value = getattr(body, name)
            if value is not None:
                try:
                    self._addresses[name] = str(ipaddress.ip_address(value))
                except ValueError:
                    raise Refused("UDAPI100036", f"{name}: {value!r} is no address.") from None
        return success({**self._addresses, "access_tokens_invalidated": False})

    async def _margin(self, request: web.Request) -> web.Response:
        body: _Margin = await read_body(request, _Margin)
        margins = []
        for each in body.instruments:
            instrument = self._site.line(each.instrument_key).instrument
            product, side = read_product(each.product, instrument), read_side(each.transaction_type)
            price = paise(each.price or 0.0, "price")
            if not 0 < each.quantity <= LARGEST:
                raise Refused("UDAPI1052")
            needed = self._site.core.margin(instrument.id, product, side, each.quantity, price) / 100
            equity = instrument.kind is InstrumentKind.EQUITY
            premium = instrument.kind is InstrumentKind.OPTION and side is Side.BUY
            margins.append(
                {
                    "span_margin": 0.0 if equity or premium else needed,
                    "exposure_margin": 0.0,
                    "equity_margin": needed if equity else 0.0,
                    "net_buy_premium": needed if premium else 0.0,
                    "additional_margin": 0.0,
                    "total_margin": needed,
                    "tender_margin": 0.0,
                }
            )
        total = round(sum(each["total_margin"] for each in margins), 2)
        return success({"margins": margins, "required_margin": total, "final_margin": total})

    async def _brokerage(self, request: web.Request) -> web.Response:
        query = request.query
        instrument = self._site.line(query.get("instrument_token", "")).instrument
        try:
            quantity, price = int(query.get("quantity", "")), paise(float(query.get("price", "")), "price")
            costs = charge(
                "upstox",
                ist_day(self._site.core.now),
                instrument,
                read_product(query.get("product", ""), instrument),
                read_side(query.get("transaction_type", "")),
                quantity,
                quantity * price,
            )
        except (ValueError, DataError) as problem:
            raise Refused("UDAPI100036", str(problem)) from None
        return success({"charges": _charges(costs)})


def profile() -> dict[str, Any]:
    """`GET /v2/user/profile`."""
    return {
        "email": "trader@example.in",
        "exchanges": ["NSE", "NFO", "BSE", "BFO", "MCX"],
        "products": ["D", "I", "MTF"],
        "broker": "UPSTOX",
        "user_id": USER_ID,
        "user_name": "Simulated Trader",
        "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
        "user_type": "individual",
        "poa": False,
        "is_active": True,
    }


def _charges(costs: Charges) -> dict[str, Any]:
    other = {
        "transaction": float(costs.exchange + costs.ipft),
        "clearing": 0.0,
        "ipft": float(costs.ipft),
        "sebi_turnover": float(costs.sebi),
    }
    plan = {"name": "STANDARD", "min_expense": float(costs.dp)}
    return {
        "total": round(float(costs.total), 2),
        "brokerage": float(costs.brokerage),
        "taxes": {"gst": float(costs.gst), "stt": float(costs.stt), "stamp_duty": float(costs.stamp)},
        "other_taxes": other,
        "otherTaxes": other,  # the key that the SDK reads
        "dp_plan": plan,
        "dpPlan": plan,
    }
