"""Upstox's JSON of orders, trades, positions and holdings, after the models of SDK 2.30.0 and its documentation."""

from __future__ import annotations

from typing import Any

from saudagar.exchange.core_orders import ExchangeOrder, ExchangeTrade, Update
from saudagar.exchange.tape import Line
from saudagar.exchange.upstox.words import ORDER_TYPE, product_word, status_word
from saudagar.market.ist import ist
from saudagar.model import SECOND, Funds, Instrument, InstrumentKind, Nanos, OrderStatus, Paise, Product

_AT_BROKER = frozenset({OrderStatus.PENDING, OrderStatus.REJECTED})


def ist_text(ns: Nanos) -> str:
    """``2026-11-20 09:15:00``, IST without an offset."""
    return f"{ist(ns - ns % SECOND):%Y-%m-%d %H:%M:%S}"


def exchange_code(instrument: Instrument) -> str:
    """``NSE`` for shares, ``NFO`` for its derivatives, ``MCX``."""
    exchange = instrument.segment.exchange.value
    derivative = instrument.kind in (InstrumentKind.FUTURE, InstrumentKind.OPTION)
    return {"NSE": "NFO", "BSE": "BFO"}.get(exchange, exchange) if derivative else exchange


def exchange_number(exchange_id: str) -> str:
    return f"12{exchange_id:0>14}"


def order_row(order: ExchangeOrder | Update, user_id: str, status: str = "") -> dict[str, Any]:
    """One order as the book has it; `status` replaces the word for its state in a history row."""
    instrument, terms = order.instrument, order.terms
    changed = order.updated if isinstance(order, ExchangeOrder) else order.ts
    at_exchange = order.status not in _AT_BROKER and not status
    word = status or status_word(order)
    ended = order.status in (OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REJECTED, OrderStatus.FILLED)
    return {
        "exchange": exchange_code(instrument),
        "product": product_word(order.product),
        "price": terms.price / 100,
        "quantity": terms.quantity,
        "status": word,
        "guid": None,
        "tag": order.tag or None,
        "instrument_token": instrument.upstox_id,
        "placed_by": user_id,
        "trading_symbol": instrument.symbol,
        "tradingsymbol": instrument.symbol,
        "order_type": ORDER_TYPE[terms.order_type],
        "validity": order.validity.value,
        "trigger_price": terms.trigger_price / 100,
        "disclosed_quantity": 0,
        "transaction_type": order.side.value,
        "average_price": round(order.average_price / 100, 4),
        "filled_quantity": order.filled,
        "pending_quantity": 0 if ended else terms.quantity - order.filled,
        "status_message": order.reason or None,
        "status_message_raw": order.reason or None,
        "exchange_order_id": exchange_number(order.exchange_id) if at_exchange else "",
        "parent_order_id": None,
        "order_id": order.exchange_id,
        "variety": "AMO" if order.after_market else "SIMPLE",
        "order_timestamp": ist_text(changed),
        "exchange_timestamp": ist_text(changed) if at_exchange else None,
        "is_amo": order.after_market,
        "order_request_id": "1",
        "order_ref_id": f"{order.exchange_id}1",
    }


_NOT_IN_HISTORY = ("guid", "order_ref_id", "pending_quantity", "status_message_raw")


def history_row(order: ExchangeOrder | Update, user_id: str, status: str = "") -> dict[str, Any]:
    """One step of an order's history, which tells less than the book."""
    row = order_row(order, user_id, status)
    return {key: value for key, value in row.items() if key not in _NOT_IN_HISTORY}


def trade_row(trade: ExchangeTrade, order: ExchangeOrder) -> dict[str, Any]:
    """One execution of the day."""
    when = ist_text(trade.ts)
    return {
        "exchange": exchange_code(trade.instrument),
        "product": product_word(trade.product),
        "trading_symbol": trade.instrument.symbol,
        "tradingsymbol": trade.instrument.symbol,
        "instrument_token": trade.instrument.upstox_id,
        "order_type": ORDER_TYPE[order.terms.order_type],
        "transaction_type": trade.side.value,
        "quantity": trade.quantity,
        "exchange_order_id": exchange_number(trade.exchange_id),
        "order_id": trade.exchange_id,
        "exchange_timestamp": when,
        "average_price": trade.price / 100,
        "trade_id": trade.trade_id,
        "order_ref_id": f"{trade.exchange_id}1",
        "order_timestamp": when,
    }


def position_row(line: Line, product: Product, bought: tuple[int, Paise], sold: tuple[int, Paise]) -> dict[str, Any]:
    """One position of the day; `bought` and `sold` are units and value in paise."""
    instrument = line.instrument
    (buy_quantity, buy_value), (sell_quantity, sell_value) = bought, sold
    net = buy_quantity - sell_quantity
    buy = buy_value / buy_quantity / 100 if buy_quantity else 0.0
    sell = sell_value / sell_quantity / 100 if sell_quantity else 0.0
    last = (line.tick.ltp if line.tick else line.previous_close) / 100
    average = buy if net > 0 else sell if net < 0 else 0.0
    realised = round(min(buy_quantity, sell_quantity) * (sell - buy), 4)
    unrealised = round(net * (last - average), 4)
    return {
        "exchange": exchange_code(instrument),
        "multiplier": 1.0,
        "value": round(net * average, 4),
        "pnl": round(realised + unrealised, 4),
        "product": product_word(product),
        "instrument_token": instrument.upstox_id,
        "average_price": round(average, 4) if net else None,
        "buy_value": buy_value / 100,
        "overnight_quantity": 0,
        "day_buy_value": buy_value / 100,
        "day_buy_price": round(buy, 4),
        "overnight_buy_amount": 0.0,
        "overnight_buy_quantity": 0,
        "day_buy_quantity": buy_quantity,
        "day_sell_value": sell_value / 100,
        "day_sell_price": round(sell, 4),
        "overnight_sell_amount": 0.0,
        "overnight_sell_quantity": 0,
        "day_sell_quantity": sell_quantity,
        "quantity": net,
        "last_price": last,
        "unrealised": unrealised,
        "realised": realised,
        "sell_value": sell_value / 100,
        "trading_symbol": instrument.symbol,
        "tradingsymbol": instrument.symbol,
        "close_price": line.previous_close / 100,
        "buy_price": round(buy, 4),
        "sell_price": round(sell, 4),
    }


def holding_row(line: Line, quantity: int, used: int) -> dict[str, Any]:
    """Shares of one instrument in the demat account; `used` were sold today. Bought at yesterday's close."""
    instrument = line.instrument
    close = line.previous_close / 100
    last = (line.tick.ltp if line.tick else line.previous_close) / 100
    return {
        "isin": instrument.isin,
        "cnc_used_quantity": used,
        "collateral_type": "WC",
        "company_name": instrument.name.upper(),
        "haircut": 0.2,
        "product": "D",
        "quantity": quantity,
        "trading_symbol": instrument.symbol,
        "tradingsymbol": instrument.symbol,
        "last_price": last,
        "close_price": close,
        "pnl": round(quantity * (last - close), 4),
        "day_change": round(last - close, 4),
        "day_change_percentage": round((last - close) / close * 100, 4) if close else 0.0,
        "instrument_token": instrument.upstox_id,
        "average_price": close,
        "collateral_quantity": 0,
        "collateral_update_quantity": 0,
        "t1_quantity": 0,
        "exchange": instrument.segment.exchange.value,
    }


def funds_v3(funds: Funds) -> dict[str, Any]:
    """`GET /v3/user/get-funds-and-margin`, as documented: cash, and nothing pledged."""
    delivery = {"total": 0.0, "equity": 0.0, "fo_settlement": 0.0}
    parts = {"mtf": 0.0, "span_exposure": 0.0, "cash_margin_var_elm": 0.0, "premium_present": 0.0}
    used = {
        "total": funds.used / 100,
        "loss": {"total": 0.0, "realised": 0.0, "unrealised": 0.0},
        **parts,
        "delivery_margin": delivery,
    }
    cash = {
        "opening_balance": funds.opening / 100,
        "added_today": 0.0,
        "withdrawn_today": 0.0,
        "amount_from_stock_sale": 0.0,
        "unpaid_charges": 0.0,
    }
    pledged = {
        "total": 0.0,
        "margin_from_pledge": {"total": 0.0, "equity": 0.0, "mutual_funds": 0.0},
        "margin_used": {"total": 0.0, **parts, "delivery_margin": delivery},
    }
    return {
        "available_to_trade": {
            "total": funds.available / 100,
            "cash_available_to_trade": {"total": funds.available / 100, "cash": cash, "margin_used": used},
            "pledge_available_to_trade": pledged,
        },
        "unavailable_to_trade": {
            "cash_unavailable_to_trade": {"unsettled_profit": {"todays_profit": 0.0, "previous_days": 0.0}},
            "pledge_unavailable_to_trade": {"equity": 0.0, "mutual_funds": 0.0},
        },
    }
