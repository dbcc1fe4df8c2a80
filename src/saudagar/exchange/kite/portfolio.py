"""Kite's account over REST: positions, holdings, margins, and the calculators of margin and charges.

Shapes as in Kite's mock answers. Margins are the exchange's own plain rule, all of it in the equity segment; charges
come from the tables of `market.charges`, unrounded as Kite's calculator gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_account import shares_sold
from saudagar.exchange.core_orders import Refusal
from saudagar.exchange.kite.errors import KiteError, bad_input, refused
from saudagar.exchange.kite.requests import LARGEST, PRODUCTS, SIDES, Form
from saudagar.exchange.kite.words import PRODUCT, Directory, exchange_of, rupees, symbol_of, token_of
from saudagar.exchange.tape import Line, Tape
from saudagar.market.charges import Charges, Rounding, charge
from saudagar.market.ist import ist, ist_day
from saudagar.model import Instrument, InstrumentId, InstrumentKind, Paise, Product, Side
from saudagar.model.errors import DataError

_PLAN = "zerodha"
_UTILISED = (
    "exposure",
    "m2m_unrealised",
    "option_premium",
    "payout",
    "holding_sales",
    "turnover",
    "liquid_collateral",
    "stock_collateral",
    "delivery",
)


class QuotedOrder(msgspec.Struct, kw_only=True):
    """One order of a calculator's request. `price` and `average_price` in rupees."""

    exchange: str
    tradingsymbol: str
    transaction_type: str
    product: str
    quantity: int
    variety: str = "regular"
    order_type: str = "MARKET"
    price: float = 0.0
    average_price: float = 0.0
    order_id: str = ""


class Portfolio:
    """What the account has and what an order would cost it.

    Parameters
    ----------
    holdings
        Shares in the demat account (units).
    """

    def __init__(
        self, core: MatchingCore, tape: Tape, directory: Directory, holdings: Mapping[InstrumentId, int]
    ) -> None:
        self._core = core
        self._tape = tape
        self._directory = directory
        self._holdings = holdings
        self._authorised: set[InstrumentId] = set()

    def positions(self) -> dict[str, Any]:
        """`GET /portfolio/positions`. Nothing is carried over night, so the day is the net."""
        rows = [self._position(*row) for row in self._core.positions()]
        return {"net": rows, "day": rows}

    def _position(
        self, instrument: Instrument, product: Product, bought: int, paid: Paise, sold: int, earned: Paise
    ) -> dict[str, Any]:
        line = self._tape.lines[instrument.id]
        last = line.tick.ltp if line.tick else line.previous_close
        net = bought - sold
        buy_price, sell_price = paid / bought if bought else 0.0, earned / sold if sold else 0.0
        profit = rupees(earned - paid + net * last)
        sides = {
            "buy_quantity": bought,
            "buy_price": rupees(buy_price),
            "buy_value": rupees(paid),
            "sell_quantity": sold,
            "sell_price": rupees(sell_price),
            "sell_value": rupees(earned),
        }
        return {
            "tradingsymbol": symbol_of(instrument),
            "exchange": exchange_of(instrument),
            "instrument_token": token_of(instrument),
            "product": PRODUCT[product],
            "quantity": net,
            "overnight_quantity": 0,
            "multiplier": 1,
            "average_price": rupees(buy_price if net > 0 else sell_price) if net else 0,
            "close_price": rupees(line.previous_close),
            "last_price": rupees(last),
            "value": rupees(earned - paid),
            "pnl": profit,
            "m2m": profit,
            "unrealised": profit,  # all of it, also of a closed position, as recorded
            "realised": 0,
            **sides,
            "buy_m2m": rupees(paid),
            "sell_m2m": rupees(earned),
            **{f"day_{name}": value for name, value in sides.items()},
        }

    def convert(self, form: Form) -> bool:
        """`PUT /portfolio/positions`. Raises `KiteError`; nothing was done then."""
        instrument = self._instrument(form.text("exchange"), form.text("tradingsymbol"))
        form.text("position_type")
        side = form.word("transaction_type", SIDES)
        old, new = form.word("old_product", PRODUCTS), form.word("new_product", PRODUCTS)
        try:
            self._core.convert(instrument.id, old, new, side, form.whole("quantity"))
        except Refusal as refusal:
            raise KiteError("OrderException", refusal.message) from None
        return True

    def holdings(self) -> list[dict[str, Any]]:
        """`GET /portfolio/holdings`; bought at yesterday's close, all of it before today."""
        sold = shares_sold(self._core.positions())
        return [self._holding(self._tape.lines[each], held, sold.get(each, 0)) for each, held in self._holdings.items()]

    def _holding(self, line: Line, held: int, sold: int) -> dict[str, Any]:
        instrument, close = line.instrument, line.previous_close
        last = line.tick.ltp if line.tick else close
        return {
            "tradingsymbol": symbol_of(instrument),
            "exchange": exchange_of(instrument),
            "instrument_token": token_of(instrument),
            "isin": instrument.isin,
            "product": "CNC",
            "price": 0,
            "quantity": held - sold,
            "used_quantity": sold,
            "t1_quantity": 0,
            "realised_quantity": held,
            "authorised_quantity": held if instrument.id in self._authorised else 0,
            "authorised_date": f"{ist(self._core.now):%Y-%m-%d} 00:00:00",
            "authorisation": {},
            "opening_quantity": held,
            "short_quantity": 0,
            "collateral_quantity": 0,
            "collateral_type": "",
            "discrepancy": False,
            "average_price": rupees(close),
            "last_price": rupees(last),
            "close_price": rupees(close),
            "pnl": rupees((last - close) * held),
            "day_change": (last - close) / 100,
            "day_change_percentage": (last - close) * 100 / close if close else 0.0,
            "mtf": {"quantity": 0, "used_quantity": 0, "average_price": 0, "value": 0, "initial_margin": 0},
        }

    def authorise(self, isins: Sequence[str]) -> None:
        """Authorise the holdings of these ISINs for sale, all of them if none is named."""
        lines = self._tape.lines
        chosen = {each for each in self._holdings if not isins or lines[each].instrument.isin in isins}
        if not chosen:
            raise bad_input("Invalid `isin`.")
        self._authorised |= chosen
        for each in chosen:
            self._core.authorise(each, self._holdings[each])

    def margins(self) -> dict[str, Any]:
        """`GET /user/margins`."""
        funds = self._core.funds()
        realised = funds.available + funds.used - funds.opening
        return {
            "equity": _segment(True, funds.available, funds.opening, funds.used, realised),
            "commodity": _segment(False, 0, 0, 0, 0),
        }

    def order_margins(self, orders: Sequence[QuotedOrder]) -> list[dict[str, Any]]:
        """`POST /margins/orders`: each order on its own."""
        return [self._margin(order) for order in orders]

    def basket_margins(self, orders: Sequence[QuotedOrder], *, compact: bool = False) -> dict[str, Any]:
        """`POST /margins/basket`, or its totals alone; this exchange gives no benefit for a basket."""
        rows = self.order_margins(orders)
        whole = dict.fromkeys(("type", "tradingsymbol", "exchange"), "") | _MARGIN | {"leverage": 0}
        for part in ("span", "var", "option_premium", "total"):
            whole[part] = sum(row[part] for row in rows)
        whole["charges"] = _charges(Charges(), "")
        total = _charges(sum((self._charge(order) for order in orders), Charges()), "")
        return {"initial": whole, "final": whole, "orders": [] if compact else rows, "charges": total}

    def charges(self, orders: Sequence[QuotedOrder]) -> list[dict[str, Any]]:
        """`POST /charges/orders`: the virtual contract note."""
        return [
            {
                "transaction_type": order.transaction_type,
                "tradingsymbol": order.tradingsymbol,
                "exchange": order.exchange,
                "variety": order.variety,
                "product": order.product,
                "order_type": order.order_type,
                "quantity": order.quantity,
                "price": order.average_price,
                "charges": _charges(self._charge(order)),
            }
            for order in orders
        ]

    def _margin(self, order: QuotedOrder) -> dict[str, Any]:
        instrument, product, side = self._parts(order)
        try:
            margin = self._core.margin(instrument.id, product, side, order.quantity, self._price(order, instrument))
        except Refusal as refusal:
            raise refused(refusal) from None
        total = margin / 100
        option = instrument.kind is InstrumentKind.OPTION and side is Side.BUY
        equity = instrument.kind is InstrumentKind.EQUITY
        part = "option_premium" if option else "var" if equity else "span"
        value = self._price(order, instrument) * order.quantity
        row = {"type": "equity", "tradingsymbol": order.tradingsymbol, "exchange": order.exchange} | _MARGIN
        leverage = {"leverage": round(value / margin) if margin else 1}
        return row | {part: total, "total": total, "charges": _charges(self._charge(order))} | leverage

    def _charge(self, order: QuotedOrder) -> Charges:
        instrument, product, side = self._parts(order)
        value = self._price(order, instrument) * order.quantity
        day = ist_day(self._core.now)
        try:
            return charge(_PLAN, day, instrument, product, side, order.quantity, value, Rounding.KITE_API)
        except DataError as problem:
            raise bad_input(str(problem)) from None

    def _parts(self, order: QuotedOrder) -> tuple[Instrument, Product, Side]:
        form = Form({"product": order.product, "transaction_type": order.transaction_type})
        prices = (order.price, order.average_price)
        if not 0 < order.quantity <= LARGEST or not all(0 <= price <= LARGEST for price in prices):
            raise bad_input("Invalid `quantity` or price.")
        instrument = self._instrument(order.exchange, order.tradingsymbol)
        return instrument, form.word("product", PRODUCTS), form.word("transaction_type", SIDES)

    def _price(self, order: QuotedOrder, instrument: Instrument) -> Paise:
        line = self._tape.lines[instrument.id]
        last = line.tick.ltp if line.tick else line.previous_close
        return round((order.average_price or order.price) * 100) or last

    def _instrument(self, exchange: str, symbol: str) -> Instrument:
        found = self._directory.tradable(exchange, symbol)
        if found is None:
            raise bad_input("Invalid `tradingsymbol`.")
        return found


_PARTS = ("span", "exposure", "option_premium", "additional", "bo", "cash", "var")
_MARGIN: dict[str, Any] = dict.fromkeys(_PARTS, 0) | {"pnl": {"realised": 0, "unrealised": 0}}


def _segment(enabled: bool, net: Paise, opening: Paise, used: Paise, realised: Paise) -> dict[str, Any]:
    return {
        "enabled": enabled,
        "net": rupees(net),
        "available": {
            "adhoc_margin": 0,
            "cash": rupees(opening),
            "opening_balance": rupees(opening),
            "live_balance": rupees(net),
            "collateral": 0,
            "intraday_payin": 0,
        },
        "utilised": {
            "debits": rupees(used - realised),
            "span": rupees(used),
            "m2m_realised": rupees(realised),
            **dict.fromkeys(_UTILISED, 0),
        },
    }


def _charges(charges: Charges, tax: str = "stt") -> dict[str, Any]:
    gst = float(charges.gst)
    return {
        "transaction_tax": float(charges.stt),
        "transaction_tax_type": tax,
        "exchange_turnover_charge": float(charges.exchange + charges.ipft),
        "sebi_turnover_charge": float(charges.sebi),
        "brokerage": float(charges.brokerage),
        "stamp_duty": float(charges.stamp),
        "gst": {"igst": gst, "cgst": 0, "sgst": 0, "total": gst},
        "total": float(charges.total),
    }
