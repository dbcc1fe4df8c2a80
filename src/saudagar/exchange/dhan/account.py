"""Dhan's account endpoints: portfolio, money, margins, statements, e-DIS, the trader's controls and static addresses.

Shapes as recorded in 2025 where they were, else by Dhan's v2 documentation. A conversion answers 202 without a body,
as documented; the one recorded answer (200 and a status) looks edited by hand.
"""

from __future__ import annotations

import ipaddress
from datetime import date, timedelta
from typing import Any

import msgspec
from aiohttp import web

from saudagar.exchange.core_account import shares_sold
from saudagar.exchange.core_orders import REFUSAL_CODES, Refusal
from saudagar.exchange.core_rules import LARGEST
from saudagar.exchange.dhan import errors, shapes
from saudagar.exchange.dhan.requests import BadInput, paise, product_of, read_body, side_of
from saudagar.exchange.dhan.site import DhanSite
from saudagar.exchange.face import Route, json_response
from saudagar.exchange.order_desk import parts
from saudagar.market.charges import charge
from saudagar.market.ist import ist_day
from saudagar.market.session_tables import PhaseKind
from saudagar.model import Instrument, InstrumentKind, OrderTerms, OrderType, Paise, Product, Side, Validity

_LOCKED = timedelta(days=7)  # an address may be changed once in so long
_PAGE = 20  # trades on a page of the history
_DIGITS = 9  # of a page's number, or of a quantity


class _Convert(msgspec.Struct, rename="camel"):
    from_product_type: str
    exchange_segment: str
    position_type: str
    security_id: str | int
    convert_qty: int | str
    to_product_type: str


class _Margin(msgspec.Struct, rename="camel"):
    security_id: str | int
    exchange_segment: str
    transaction_type: str
    quantity: int
    product_type: str
    price: float = 0.0


class _Margins(msgspec.Struct, rename="camel"):
    scrip_list: list[_Margin] = []  # the SDK's word
    scripts: list[_Margin] = []  # the documentation's


class _PnlExit(msgspec.Struct, rename="camel"):
    profit_value: float | str
    loss_value: float | str
    product_type: list[str]
    enable_kill_switch: bool = False


class _Form(msgspec.Struct):
    isin: str
    qty: int
    exchange: str
    segment: str = "EQ"
    bulk: bool = False


class _Address(msgspec.Struct, rename="camel"):
    ip: str
    ip_flag: str


class DhanAccount:
    """The routes of the account."""

    def __init__(self, site: DhanSite) -> None:
        self._site = site
        self._exit: _PnlExit | None = None
        self._approved: dict[str, int] = {}  # ISIN -> shares marked for sale by e-DIS
        self._addresses: dict[str, tuple[str, date]] = {}  # PRIMARY, SECONDARY -> address, when it may change

    def routes(self) -> list[Route]:
        v2, write = "/v2", self._site.write
        return [
            Route("GET", f"{v2}/positions", "dhan.positions", self._positions),
            Route("DELETE", f"{v2}/positions", "dhan.positions.exit", write(self._exit_all)),
            Route("POST", f"{v2}/positions/convert", "dhan.convert", self._convert),
            Route("GET", f"{v2}/holdings", "dhan.holdings", self._holdings),
            Route("GET", f"{v2}/fundlimit", "dhan.funds", self._funds),
            Route("POST", f"{v2}/margincalculator", "dhan.margin", self._margin),
            Route("POST", f"{v2}/margincalculator/multi", "dhan.margin", self._margins),
            Route("GET", f"{v2}/profile", "dhan.profile", self._profile),
            Route("POST", f"{v2}/killswitch", "dhan.killswitch", self._kill),
            Route("GET", f"{v2}/killswitch", "dhan.killswitch", self._kill_state),
            Route("POST", f"{v2}/pnlExit", "dhan.pnlexit", self._set_exit),
            Route("GET", f"{v2}/pnlExit", "dhan.pnlexit", self._get_exit),
            Route("DELETE", f"{v2}/pnlExit", "dhan.pnlexit", self._stop_exit),
            Route("GET", f"{v2}/ledger", "dhan.ledger", self._ledger),
            Route("GET", f"{v2}/trades/{{from}}/{{to}}/{{page}}", "dhan.trades.history", self._past_trades),
            Route("GET", f"{v2}/edis/tpin", "dhan.edis.tpin", self._tpin),
            Route("POST", f"{v2}/edis/form", "dhan.edis.form", self._form),
            Route("GET", f"{v2}/edis/inquire/{{isin}}", "dhan.edis.inquire", self._inquire),
            Route("POST", f"{v2}/ip/setIP", "dhan.ip", self._set_ip),
            Route("PUT", f"{v2}/ip/modifyIP", "dhan.ip", self._set_ip),
            Route("GET", f"{v2}/ip/getIP", "dhan.ip", self._get_ip),
        ]

    async def _positions(self, request: web.Request) -> web.Response:
        rows = []
        for instrument, product, buy_quantity, buy_value, sell_quantity, sell_value in self._site.core.positions():
            bought, sold = (buy_quantity, buy_value), (sell_quantity, sell_value)
            last = self._last(instrument)
            rows.append(shapes.position_row(instrument, product, bought, sold, last, self._site.client_id))
        return json_response(rows)

    def _last(self, instrument: Instrument) -> Paise:
        tick = self._site.core.last(instrument.id)
        return tick.ltp if tick else 0

    async def _exit_all(self, request: web.Request) -> object:
        """Square off at the market; pending orders stay. What is refused stands in the book as rejected."""
        self._square_off(set(Product))
        return {"status": "SUCCESS", "message": "All orders and positions exited successfully"}

    def _square_off(self, products: set[Product]) -> None:
        for instrument, product, bought, _, sold, _ in self._site.core.positions():
            if bought == sold or product not in products:
                continue
            for quantity in parts(abs(bought - sold), instrument.freeze_quantity):
                self._site.desk.place(
                    instrument,
                    REFUSAL_CODES,
                    tag="",
                    side=Side.of(sold - bought),
                    terms=OrderTerms(quantity=quantity, order_type=OrderType.MARKET),
                    product=product,
                    validity=Validity.DAY,
                )

    async def _convert(self, request: web.Request) -> web.Response:
        body = await read_body(request, _Convert)
        if body.position_type not in ("LONG", "SHORT") or not _is_count(body.convert_qty):
            raise BadInput("positionType must be LONG or SHORT and convertQty a number.")
        self._site.core.convert(
            self._site.instrument(body.exchange_segment, body.security_id).id,
            product_of(body.from_product_type, "fromProductType"),
            product_of(body.to_product_type, "toProductType"),
            Side.BUY if body.position_type == "LONG" else Side.SELL,
            int(body.convert_qty),
        )
        return web.Response(status=202)

    async def _holdings(self, request: web.Request) -> web.Response:
        site = self._site
        if not site.holdings:
            return errors.error("DH-1111", "No holdings available")
        sold = shares_sold(site.core.positions())
        lines = site.tape.lines
        return json_response(
            [shapes.holding_row(lines[each], own, own - sold.get(each, 0)) for each, own in site.holdings.items()]
        )

    async def _funds(self, request: web.Request) -> web.Response:
        return json_response(shapes.funds_row(self._site.core.funds(), self._site.client_id))

    async def _margin(self, request: web.Request) -> web.Response:
        needed, brokerage, leverage, _ = self._needed(await read_body(request, _Margin))
        available = self._site.core.funds().available
        return json_response(
            {
                "totalMargin": needed / 100,
                "spanMargin": 0.0,
                "exposureMargin": 0.0,
                "availableBalance": available / 100,
                "variableMargin": 0.0,
                "insufficientBalance": max(0, needed - available) / 100,
                "brokerage": brokerage,
                "leverage": f"{leverage:g}X",
            }
        )

    async def _margins(self, request: web.Request) -> web.Response:
        body = await read_body(request, _Margins)
        lines = body.scrip_list or body.scripts
        if not lines:
            raise BadInput("scripts: at least one is required.")
        parts = [self._needed(each) for each in lines]
        total = sum(part[0] for part in parts)
        equity = sum(part[0] for part in parts if part[3].kind is InstrumentKind.EQUITY)
        words = {"total_margin": total, "span_margin": 0, "exposure_margin": 0, "equity_margin": equity}
        answer = {name: f"{amount / 100:.2f}" for name, amount in words.items()}
        answer |= {"fo_margin": f"{(total - equity) / 100:.2f}", "commodity_margin": "0.00"}
        return json_response({**answer, "currency": "INR", "hedge_benefit": ""})

    def _needed(self, body: _Margin) -> tuple[Paise, float, float, Instrument]:
        site = self._site
        instrument, product = site.instrument(body.exchange_segment, body.security_id), product_of(body.product_type)
        side, price = side_of(body.transaction_type), paise(body.price, "price")
        if not 0 < body.quantity <= LARGEST or price < 0:
            raise BadInput("quantity must be above 0, and no number may be beyond all bounds.")
        needed = site.core.margin(instrument.id, product, side, body.quantity, price)
        value = body.quantity * (price or self._last(instrument))
        day = ist_day(site.core.now)
        brokerage = float(charge("dhan", day, instrument, product, side, body.quantity, value).brokerage)
        return needed, brokerage, round(value / needed, 2) if needed else 1.0, instrument

    async def _profile(self, request: web.Request) -> web.Response:
        site = self._site
        return json_response(shapes.profile_row(site.access.expires, site.client_id, ddpi=site.core.standing_leave))

    async def _kill(self, request: web.Request) -> web.Response:
        action = request.query.get("killSwitchStatus", "")
        if action not in ("ACTIVATE", "DEACTIVATE"):
            raise BadInput("killSwitchStatus must be ACTIVATE or DEACTIVATE.")
        flat = all(row[2] == row[4] for row in self._site.core.positions())
        idle = not any(order.status.working for order in self._site.core.orders.values())
        if action == "ACTIVATE" and not (flat and idle):
            raise Refusal("state", "Close all positions and pending orders before activating the kill switch.")
        self._site.killed = action == "ACTIVATE"
        return self._kill_answer(f"Kill Switch has been successfully {action.lower()}d")

    async def _kill_state(self, request: web.Request) -> web.Response:
        return self._kill_answer("ACTIVATE" if self._site.killed else "DEACTIVATE")

    def _kill_answer(self, status: str) -> web.Response:
        return json_response({"dhanClientId": self._site.client_id, "killSwitchStatus": status})

    async def _set_exit(self, request: web.Request) -> web.Response:
        body = await read_body(request, _PnlExit)
        if strangers := set(body.product_type) - _EXIT_PRODUCTS.keys():
            raise BadInput(f"productType: {', '.join(sorted(strangers))} is not known.")
        for amount in (body.profit_value, body.loss_value):
            if _amount(amount) <= 0:
                raise BadInput("profitValue and lossValue must be above 0.")
        self._exit = body
        return json_response({"pnlExitStatus": "ACTIVE", "message": "P&L based exit configured successfully"})

    async def _get_exit(self, request: web.Request) -> web.Response:
        if self._exit is None:
            return json_response({"pnlExitStatus": "INACTIVE"})
        return json_response(
            {
                "pnlExitStatus": "ACTIVE",
                "profit": f"{_amount(self._exit.profit_value) / 100:.2f}",
                "loss": f"{_amount(self._exit.loss_value) / 100:.2f}",
                "productType": self._exit.product_type,
                "enable_kill_switch": self._exit.enable_kill_switch,
            }
        )

    async def _stop_exit(self, request: web.Request) -> web.Response:
        self._exit = None
        return json_response({"pnlExitStatus": "DISABLED", "message": "P&L based exit stopped successfully"})

    def advance(self) -> None:
        """Leave everything if the day's profit or loss has reached the configured exit. Called after each step.

        An exit that nobody could trade in waits for the next continuous trading.
        """
        wanted = self._exit
        if wanted is None or not self._trading():
            return
        products = {product for word in wanted.product_type for product in _EXIT_PRODUCTS[word]}
        profit = sum(
            got - paid + (bought - sold) * self._last(instrument)
            for instrument, product, bought, paid, sold, got in self._site.core.positions()
            if product in products
        )
        if -_amount(wanted.loss_value) < profit < _amount(wanted.profit_value):
            return
        self._exit = None
        self._square_off(products)
        self._site.killed = self._site.killed or wanted.enable_kill_switch

    def _trading(self) -> bool:
        core = self._site.core
        phases = [core.phase(row[0].id) for row in core.positions() if row[2] != row[4]]
        return not phases or PhaseKind.CONTINUOUS in phases

    async def _ledger(self, request: web.Request) -> web.Response:
        """No money has moved: an opening and a closing line, as recorded of an idle account."""
        first, last = _date(request.query.get("from-date", "")), _date(request.query.get("to-date", ""))
        if first > last:
            raise BadInput("from-date must not be after to-date.")
        words = ("CLOSING BALANCE", "OPENING BALANCE")
        return json_response([shapes.ledger_row(word, self._site.client_id) for word in words])

    async def _past_trades(self, request: web.Request) -> web.Response:
        """Today's trades, if the dates include today, with their charges; twenty to a page."""
        first, last = _date(request.match_info["from"]), _date(request.match_info["to"])
        page = request.match_info["page"]
        if not _is_count(page) or first > last:
            raise BadInput("page must be a number and the dates in order.")
        site = self._site
        today = ist_day(site.core.now)
        own = (
            [trade for trade in site.core.trades if site.desk.owns(trade.exchange_id)] if first <= today <= last else []
        )
        part = own[int(page) * _PAGE : (int(page) + 1) * _PAGE]
        return json_response(
            [shapes.past_trade_row(each, site.core.orders[each.exchange_id], site.client_id, today) for each in part]
        )

    async def _tpin(self, request: web.Request) -> web.Response:
        return web.Response(status=202)

    async def _form(self, request: web.Request) -> web.Response:
        """Whoever is given the form is taken to have filled it in."""
        body = await read_body(request, _Form)
        owned = self._owned()
        if body.isin not in owned and not body.bulk:
            raise Refusal("quantity", f"There are no holdings of {body.isin}.")
        self._approved.update(owned if body.bulk else {body.isin: max(0, min(body.qty, owned[body.isin]))})
        for each in self._site.holdings:
            isin = self._site.tape.lines[each].instrument.isin
            if isin in self._approved:
                self._site.core.authorise(each, self._approved[isin])
        form = '<!DOCTYPE html><html><body><form action=\\"http://127.0.0.1/\\"></form></body></html>'
        return json_response({"dhanClientId": self._site.client_id, "edisFormHtml": form})

    def _owned(self) -> dict[str, int]:
        lines = self._site.tape.lines
        return {lines[each].instrument.isin: quantity for each, quantity in self._site.holdings.items()}

    async def _inquire(self, request: web.Request) -> web.Response:
        wanted, owned = request.match_info["isin"], self._owned()
        isins = list(owned) if wanted == "ALL" else [wanted]
        if not set(isins) <= owned.keys():
            raise Refusal("quantity", f"There are no holdings of {wanted}.")
        rows: list[dict[str, Any]] = [
            {
                "clientId": self._site.client_id,
                "isin": isin,
                "totalQty": owned[isin],
                "aprvdQty": self._approved.get(isin, 0),
                "status": "SUCCESS" if isin in self._approved else "PENDING",
                "remarks": "eDIS transaction done successfully" if isin in self._approved else "",
            }
            for isin in isins
        ]
        return json_response(rows if wanted == "ALL" else rows[0])

    async def _set_ip(self, request: web.Request) -> web.Response:
        body = await read_body(request, _Address)
        if body.ip_flag not in ("PRIMARY", "SECONDARY"):
            raise BadInput("ipFlag must be PRIMARY or SECONDARY.")
        try:
            address = str(ipaddress.ip_address(body.ip))
        except ValueError:
            raise BadInput(f"ip: {body.ip!r} is no address.") from None
        today, known = ist_day(self._site.core.now), self._addresses.get(body.ip_flag)
        if known is not None and today < known[1]:
            return errors.error("DH-911", f"The {body.ip_flag} address may be changed on {known[1]}.")
        self._addresses[body.ip_flag] = address, today + _LOCKED
        return json_response({"message": "IP saved successfully", "status": "SUCCESS"})

    async def _get_ip(self, request: web.Request) -> web.Response:
        primary, secondary = self._addresses.get("PRIMARY"), self._addresses.get("SECONDARY")
        return json_response(
            {
                "modifyDateSecondary": str(secondary[1]) if secondary else None,
                "secondaryIP": secondary[0] if secondary else None,
                "modifyDatePrimary": str(primary[1]) if primary else None,
                "primaryIP": primary[0] if primary else None,
            }
        )


_EXIT_PRODUCTS: dict[str, tuple[Product, ...]] = {
    "INTRADAY": (Product.INTRADAY, Product.MARGIN),
    "DELIVERY": (Product.DELIVERY, Product.MTF),
}


def _is_count(number: int | str) -> bool:
    text = str(number)
    return text.isdecimal() and len(text) <= _DIGITS


def _amount(rupees: float | str) -> Paise:
    try:
        return paise(float(rupees), "amount")
    except ValueError:
        raise BadInput(f"{rupees!r} is no amount.") from None


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is no date; YYYY-MM-DD is expected.") from None
