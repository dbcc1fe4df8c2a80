"""Kite's JSON shapes, field by field as in its official mock answers: orders, trades, GTTs, user and session.

Times are naive IST text, a trade's `order_timestamp` is a time without a date, money is a whole number where it can be.
"""

from __future__ import annotations

from typing import Any

from saudagar.exchange.core_orders import ExchangeOrder, ExchangeTrade, Update
from saudagar.exchange.kite.tickets import Ticket
from saudagar.exchange.kite.words import ORDER_TYPE, PRODUCT, exchange_of, rupees, symbol_of, token_of
from saudagar.market.ist import ist
from saudagar.model import SECOND, Nanos, OrderStatus, OrderType

_USER = {
    "user_type": "individual",
    "email": "trader@example.in",
    "user_name": "Simulated Trader",
    "user_shortname": "Simulated",
    "broker": "ZERODHA",
    "exchanges": ["BFO", "MCX", "NSE", "CDS", "BSE", "BCD", "MF", "NFO"],
    "products": ["CNC", "NRML", "MIS", "BO", "CO"],
    "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
    "avatar_url": None,
    "meta": {"demat_consent": "physical"},
}


def ist_text(ns: Nanos) -> str | None:
    """``2026-11-20 09:15:00``, IST; None for no time."""
    return f"{ist(ns - ns % SECOND):%Y-%m-%d %H:%M:%S}" if ns else None


def exchange_number(order: ExchangeOrder | Update) -> str:
    """The exchange's own number of the order."""
    return f"13{''.join(filter(str.isdigit, order.exchange_id)):0>14}"


def order_row(ticket: Ticket, word: str, update: Update, user: str) -> dict[str, Any]:
    """One order as `GET /orders` and its log have it, with the status `word`."""
    instrument, terms, status = update.instrument, update.terms, update.status
    at_exchange = ticket.entered and status not in (OrderStatus.PENDING, OrderStatus.REJECTED)
    gone = status in (OrderStatus.CANCELLED, OrderStatus.EXPIRED)
    left = terms.quantity - update.filled
    sleeping_market = ticket.asked is OrderType.SL_M  # shown as sent, whatever it is at the exchange
    row: dict[str, Any] = {
        "account_id": user,
        "placed_by": user,
        "order_id": update.exchange_id,
        "exchange_order_id": exchange_number(update) if at_exchange else None,
        "parent_order_id": ticket.parent or None,
        "status": word,
        "status_message": update.reason if status is OrderStatus.REJECTED else None,
        "status_message_raw": ticket.raw_reason or None,
        "order_timestamp": ist_text(update.ts),
        "exchange_update_timestamp": ist_text(update.ts) if at_exchange else None,
        "exchange_timestamp": ist_text(update.created) if at_exchange else None,
        "variety": ticket.variety,
        "modified": ticket.modifications > 0,
        "exchange": exchange_of(instrument),
        "tradingsymbol": symbol_of(instrument),
        "instrument_token": token_of(instrument),
        "order_type": ORDER_TYPE[OrderType.SL_M if sleeping_market else terms.order_type],
        "transaction_type": update.side.value,
        "validity": "TTL" if ticket.ttl else update.validity.value,
        "validity_ttl": ticket.ttl,
        "product": PRODUCT[update.product],
        "quantity": terms.quantity,
        "disclosed_quantity": ticket.disclosed,
        "price": 0 if sleeping_market else rupees(terms.price),
        "trigger_price": rupees(terms.trigger_price),
        "average_price": rupees(update.average_price),
        "filled_quantity": update.filled,
        "pending_quantity": 0 if status is OrderStatus.REJECTED else left,
        "cancelled_quantity": left if gone else 0,
        "market_protection": _number(ticket.protection) if sleeping_market else 0,
        "meta": _meta(ticket),
        "tag": ticket.order.tag or None,
    }
    tags = ([ticket.order.tag] if ticket.order.tag else []) + ticket.tags
    return row | ({"tags": tags} if tags else {}) | {"guid": None}


def order_message(ticket: Ticket, word: str, update: Update, user: str) -> dict[str, Any]:
    """One text message of the ticker: the row with a postback's own fields (its checksum is empty there)."""
    extra = {"user_id": user, "unfilled_quantity": update.remaining, "app_id": 1, "checksum": ""}
    return {"type": "order", "id": "", "data": extra | order_row(ticket, word, update, user)}


def trade_row(trade: ExchangeTrade, order: ExchangeOrder) -> dict[str, Any]:
    """One execution as `GET /trades` has it."""
    instrument = trade.instrument
    when = ist_text(trade.ts)
    return {
        "trade_id": trade.trade_id,
        "order_id": trade.exchange_id,
        "exchange": exchange_of(instrument),
        "tradingsymbol": symbol_of(instrument),
        "instrument_token": token_of(instrument),
        "product": PRODUCT[trade.product],
        "average_price": rupees(trade.price),
        "quantity": trade.quantity,
        "exchange_order_id": exchange_number(order),
        "transaction_type": trade.side.value,
        "fill_timestamp": when,
        "order_timestamp": f"{ist(trade.ts):%H:%M:%S}",  # a time without a date, as recorded
        "exchange_timestamp": when,
    }


def profile_row(user: str) -> dict[str, Any]:
    """`GET /user/profile`."""
    return {"user_id": user} | _USER


def session_row(user: str, key: str, token: str, now: Nanos) -> dict[str, Any]:
    """`POST /session/token`."""
    return profile_row(user) | {
        "api_key": key,
        "access_token": token,
        "public_token": token[:16],
        "enctoken": "",
        "refresh_token": "",
        "silo": "",
        "login_time": ist_text(now),
    }


def _meta(ticket: Ticket) -> dict[str, Any]:
    berg = ticket.iceberg
    if berg is None:
        return {}
    return {
        "iceberg": {
            "leg": berg.leg,
            "legs": berg.legs,
            "leg_quantity": berg.leg_quantity,
            "total_quantity": berg.total,
            "remaining_quantity": berg.remaining,
        }
    }


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else value
