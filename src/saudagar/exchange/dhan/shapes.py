"""Dhan's words and JSON shapes, field by field as recorded: what REST v2 and the order-update socket say.

Keys, types and oddities (``availabelBalance``, "NA", "0001-01-01 00:00:00") follow recorded answers of 2025; shapes
that were never recorded (positions, trades of the day, quotes, the order alert) follow Dhan's v2 documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from saudagar.exchange.core_orders import ExchangeOrder, ExchangeTrade, Update
from saudagar.exchange.tape import Line
from saudagar.market.charges import charge
from saudagar.market.ist import ist
from saudagar.model import (
    SECOND,
    Funds,
    Instrument,
    InstrumentKind,
    Levels,
    Nanos,
    OrderStatus,
    OrderType,
    Paise,
    Product,
    Right,
    Segment,
)

NO_TIME = "0001-01-01 00:00:00"

STATUS: Mapping[OrderStatus, str] = {
    OrderStatus.SUBMITTED: "TRANSIT",
    OrderStatus.UNKNOWN: "TRANSIT",
    OrderStatus.PENDING: "PENDING",  # after-market orders wait as PENDING (recorded 2025-02-16)
    OrderStatus.OPEN: "PENDING",
    OrderStatus.TRIGGER_PENDING: "PENDING",
    OrderStatus.PARTIALLY_FILLED: "PART_TRADED",
    OrderStatus.FILLED: "TRADED",
    OrderStatus.CANCELLED: "CANCELLED",
    OrderStatus.REJECTED: "REJECTED",
    OrderStatus.EXPIRED: "EXPIRED",
}
ORDER_TYPE: Mapping[OrderType, str] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.SL: "STOP_LOSS",
    OrderType.SL_M: "STOP_LOSS_MARKET",
}
PRODUCT: Mapping[Product, str] = {
    Product.DELIVERY: "CNC",
    Product.INTRADAY: "INTRADAY",
    Product.MARGIN: "MARGIN",
    Product.MTF: "MTF",
}
SEGMENT: Mapping[Segment, str] = {
    Segment.NSE_EQ: "NSE_EQ",
    Segment.NSE_INDEX: "IDX_I",
    Segment.NSE_FNO: "NSE_FNO",
    Segment.BSE_EQ: "BSE_EQ",
    Segment.BSE_INDEX: "IDX_I",
    Segment.BSE_FNO: "BSE_FNO",
    Segment.MCX_COMM: "MCX_COMM",
}
ALERT_SEGMENT = {
    Segment.NSE_EQ: "E",
    Segment.BSE_EQ: "E",
    Segment.NSE_INDEX: "I",
    Segment.BSE_INDEX: "I",
    Segment.NSE_FNO: "D",
    Segment.BSE_FNO: "D",
    Segment.MCX_COMM: "M",
}
_INDICES = frozenset({"NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "SENSEX", "BANKEX", "SENSEX50"})
_RIGHT = {None: "NA", Right.CALL: "CALL", Right.PUT: "PUT"}


def instrument_word(instrument: Instrument) -> str:
    """``EQUITY``, ``INDEX``, ``FUTIDX``, ``FUTSTK``, ``OPTIDX`` or ``OPTSTK``."""
    if instrument.kind in (InstrumentKind.EQUITY, InstrumentKind.INDEX):
        return instrument.kind.value
    on = "IDX" if instrument.underlying in _INDICES else "STK"
    return ("OPT" if instrument.kind is InstrumentKind.OPTION else "FUT") + on


def ist_text(ns: Nanos) -> str:
    """``2026-11-20 09:15:00``, IST."""
    return _second_text(ns // SECOND) if ns else NO_TIME


@lru_cache(maxsize=4096)  # a book of a thousand orders has few seconds, and is asked for again and again
def _second_text(second: int) -> str:
    return f"{ist(second * SECOND):%Y-%m-%d %H:%M:%S}"


def rupees(paise: float) -> float:
    """Paise as Dhan writes money: rupees, a float."""
    return round(paise / 100, 4)


def exchange_number(order: ExchangeOrder | Update) -> str:
    """The exchange's own number of the order; "0" while only Dhan has it."""
    if order.status is OrderStatus.PENDING:
        return "0"
    return f"11{''.join(filter(str.isdigit, order.exchange_id)):0>14}"


def order_row(order: ExchangeOrder, client_id: str) -> dict[str, Any]:
    """One order as `GET /orders` has it."""
    instrument, terms = order.instrument, order.terms
    at_exchange = order.status is not OrderStatus.PENDING
    rejected = order.status is OrderStatus.REJECTED
    return {
        "dhanClientId": client_id,
        "orderId": order.exchange_id,
        "exchangeOrderId": exchange_number(order),
        "correlationId": order.tag or "NA",
        "orderStatus": STATUS[order.status],
        "transactionType": order.side.value,
        "exchangeSegment": SEGMENT[instrument.segment],
        "productType": PRODUCT[order.product],
        "orderType": ORDER_TYPE[terms.order_type],
        "validity": order.validity.value,
        "tradingSymbol": instrument.symbol,
        "securityId": instrument.dhan_id,
        "quantity": terms.quantity,
        "disclosedQuantity": 0,
        "price": rupees(terms.price),
        "triggerPrice": rupees(terms.trigger_price),
        "afterMarketOrder": order.after_market,
        "boProfitValue": 0.0,
        "boStopLossValue": 0.0,
        "legName": "NA",
        "createTime": ist_text(order.created),
        "updateTime": ist_text(order.updated),
        "exchangeTime": ist_text(order.updated) if at_exchange else NO_TIME,
        "drvExpiryDate": expiry_text(instrument),
        "drvOptionType": _RIGHT[instrument.right],
        "drvStrikePrice": rupees(instrument.strike),
        "omsErrorCode": "1" if rejected else "0",
        "omsErrorDescription": order.reason or ("CONFIRMED" if at_exchange else ""),  # no error at all
        "algoId": "0",
        "remainingQuantity": terms.quantity - order.filled,
        "averageTradedPrice": rupees(order.average_price),
        "filledQty": order.filled,
    }


def trade_row(trade: ExchangeTrade, order: ExchangeOrder, client_id: str) -> dict[str, Any]:
    """One execution as `GET /trades` has it (documentation v2)."""
    instrument = trade.instrument
    when = ist_text(trade.ts)
    return {
        "dhanClientId": client_id,
        "orderId": trade.exchange_id,
        "exchangeOrderId": exchange_number(order),
        "exchangeTradeId": trade.trade_id,
        "transactionType": trade.side.value,
        "exchangeSegment": SEGMENT[instrument.segment],
        "productType": PRODUCT[trade.product],
        "orderType": ORDER_TYPE[order.terms.order_type],
        "tradingSymbol": instrument.symbol,
        "securityId": instrument.dhan_id,
        "tradedQuantity": trade.quantity,
        "tradedPrice": rupees(trade.price),
        "createTime": when,
        "updateTime": when,
        "exchangeTime": when,
        "drvExpiryDate": expiry_text(instrument),
        "drvOptionType": _RIGHT[instrument.right],
        "drvStrikePrice": rupees(instrument.strike),
    }


def past_trade_row(trade: ExchangeTrade, order: ExchangeOrder, client_id: str, day: date) -> dict[str, Any]:
    """One execution as `GET /trades/{from}/{to}/{page}` has it (recorded 2025-03-15), with its charges."""
    instrument = trade.instrument
    costs = charge("dhan", day, instrument, trade.product, trade.side, trade.quantity, trade.quantity * trade.price)
    return {
        "dhanClientId": client_id,
        "orderId": trade.exchange_id,
        "exchangeOrderId": exchange_number(order),
        "exchangeTradeId": "0",
        "transactionType": trade.side.value,
        "exchangeSegment": SEGMENT[instrument.segment],
        "productType": PRODUCT[trade.product],
        "orderType": ORDER_TYPE[order.terms.order_type],
        "customSymbol": instrument.name or instrument.symbol,
        "securityId": instrument.dhan_id,
        "tradedQuantity": trade.quantity,
        "tradedPrice": rupees(trade.price),
        "isin": instrument.isin,
        "instrument": instrument_word(instrument),
        "sebiTax": float(costs.sebi),
        "stt": float(costs.stt),
        "brokerageCharges": float(costs.brokerage),
        "serviceTax": float(costs.gst),
        "exchangeTransactionCharges": float(costs.exchange + costs.ipft),
        "stampDuty": float(costs.stamp),
        "createTime": "NA",
        "updateTime": "NA",
        "exchangeTime": ist_text(trade.ts),
        "drvExpiryDate": f"{instrument.expiry} 00:00:00" if instrument.expiry else "NA",
        "drvOptionType": _RIGHT[instrument.right],
        "drvStrikePrice": rupees(instrument.strike),
    }


def ledger_row(narration: str, client_id: str) -> dict[str, str]:
    """A line of `GET /ledger` of an account on which nothing was booked (recorded 2025-03-15)."""
    return {
        "dhanClientId": client_id,
        "narration": narration,
        "voucherdate": "Jan 01, 1970",
        "exchange": "NSE_CASH",
        "voucherdesc": narration,
        "vouchernumber": "",
        "debit": "0.00",
        "credit": "0.0",
        "runbal": "0",
    }


def position_row(
    instrument: Instrument,
    product: Product,
    bought: tuple[int, Paise],
    sold: tuple[int, Paise],
    last: Paise,
    client_id: str,
) -> dict[str, Any]:
    """One position of the day as `GET /positions` has it (documentation v2).

    `bought` and `sold` are quantity and value (paise), `last` the last price (paise).
    """
    (buy_quantity, buy_value), (sell_quantity, sell_value) = bought, sold
    net = buy_quantity - sell_quantity
    buy_average = buy_value / buy_quantity if buy_quantity else 0.0
    sell_average = sell_value / sell_quantity if sell_quantity else 0.0
    closed = min(buy_quantity, sell_quantity)
    cost = buy_average if net > 0 else sell_average if net < 0 else 0.0
    return {
        "dhanClientId": client_id,
        "tradingSymbol": instrument.symbol,
        "securityId": instrument.dhan_id,
        "positionType": "LONG" if net > 0 else "SHORT" if net < 0 else "CLOSED",
        "exchangeSegment": SEGMENT[instrument.segment],
        "productType": PRODUCT[product],
        "buyAvg": rupees(buy_average),
        "buyQty": buy_quantity,
        "costPrice": rupees(cost),
        "sellAvg": rupees(sell_average),
        "sellQty": sell_quantity,
        "netQty": net,
        "realizedProfit": rupees(closed * (sell_average - buy_average)),
        "unrealizedProfit": rupees(net * (last - cost)) if last else 0.0,
        "rbiReferenceRate": 1.0,
        "multiplier": 1,
        "carryForwardBuyQty": 0,
        "carryForwardSellQty": 0,
        "carryForwardBuyValue": 0.0,
        "carryForwardSellValue": 0.0,
        "dayBuyQty": buy_quantity,
        "daySellQty": sell_quantity,
        "dayBuyValue": rupees(buy_value),
        "daySellValue": rupees(sell_value),
        "drvExpiryDate": expiry_text(instrument),
        "drvOptionType": _RIGHT[instrument.right],
        "drvStrikePrice": rupees(instrument.strike),
        "crossCurrency": False,
    }


def funds_row(funds: Funds, client_id: str) -> dict[str, Any]:
    """`GET /fundlimit`, Dhan's spelling kept."""
    return {
        "dhanClientId": client_id,
        "availabelBalance": rupees(funds.available),
        "sodLimit": rupees(funds.opening),
        "collateralAmount": 0.0,
        "receiveableAmount": 0.0,
        "utilizedAmount": rupees(funds.used),
        "blockedPayoutAmount": 0.0,
        "withdrawableBalance": rupees(funds.available),
    }


def holding_row(line: Line, quantity: int, available: int) -> dict[str, Any]:
    """Shares of one instrument as `GET /holdings` has them; all from before today, at yesterday's close."""
    return {
        "exchange": "ALL",
        "tradingSymbol": line.instrument.symbol,
        "securityId": line.instrument.dhan_id,
        "isin": line.instrument.isin,
        "totalQty": quantity,
        "dpQty": quantity,
        "t1Qty": 0,
        "availableQty": available,
        "collateralQty": 0,
        "avgCostPrice": rupees(line.previous_close),
        "lastTradedPrice": rupees(line.tick.ltp if line.tick else line.previous_close),
    }


def quote_row(kind: str, line: Line, interest: int) -> dict[str, Any]:
    """One instrument of `/marketfeed/{ltp,ohlc,quote}`; what did not trade yet has zeros (recorded 2025-01-25).

    `interest` is a derivative's open interest.
    """
    tick, day = line.tick, line.day
    row: dict[str, Any] = {"last_price": rupees(tick.ltp) if tick else 0}
    if kind == "ltp":
        return row
    close = rupees(line.previous_close) if tick else 0
    row["ohlc"] = {"open": rupees(day.open), "close": close, "high": rupees(day.high), "low": rupees(day.low)}
    if kind == "ohlc" or tick is None:
        return row
    row["average_price"] = round(line.average_price / 100, 2)
    row["buy_quantity"] = sum(quantity for _, quantity in tick.bids)
    row["sell_quantity"] = sum(quantity for _, quantity in tick.asks)
    row["depth"] = {"buy": _levels(tick.bids), "sell": _levels(tick.asks)}
    row["last_quantity"] = line.last_quantity
    row["last_trade_time"] = f"{ist(tick.ts):%d/%m/%Y %H:%M:%S}"
    row["lower_circuit_limit"], row["upper_circuit_limit"] = map(rupees, line.band)
    row["net_change"] = rupees(tick.ltp - line.previous_close)
    row["volume"] = tick.volume
    row["oi"] = row["oi_day_high"] = row["oi_day_low"] = interest
    return row


def _levels(levels: Levels) -> list[dict[str, Any]]:
    shown = [{"quantity": quantity, "orders": 1, "price": rupees(price)} for price, quantity in levels[:5]]
    return shown + [{"quantity": 0, "orders": 0, "price": 0.0}] * (5 - len(shown))


def profile_row(expires: Nanos, client_id: str, *, ddpi: bool) -> dict[str, str]:
    """`GET /profile` of a token that ends at `expires`; the data plan ends with it."""
    end = ist(expires)
    return {
        "dhanClientId": client_id,
        "tokenValidity": f"{end:%d/%m/%Y %H:%M}",
        "activeSegment": "Equity, Derivative, Currency, Commodity",
        "ddpi": "Active" if ddpi else "Deactive",  # as documented
        "mtf": "Active",
        "dataPlan": "Active",
        "dataValidity": f"{end:%Y-%m-%d %H:%M:%S}.0",
    }


def expiry_text(instrument: Instrument) -> str:
    """``2026-11-23``; "0001-01-01" for what does not expire."""
    return instrument.expiry.isoformat() if instrument.expiry else "0001-01-01"
