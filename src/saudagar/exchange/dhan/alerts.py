"""Dhan's order alert: one message of the order-update socket, which has words of its own."""

from __future__ import annotations

from typing import Any

from saudagar.exchange.core_orders import Update
from saudagar.exchange.dhan.shapes import (
    ALERT_SEGMENT,
    PRODUCT,
    STATUS,
    exchange_number,
    expiry_text,
    instrument_word,
    ist_text,
    rupees,
)
from saudagar.model import InstrumentKind, OrderType, Product, Tick

ALERT_ORDER_TYPE = {OrderType.MARKET: "MKT", OrderType.LIMIT: "LMT", OrderType.SL: "SL", OrderType.SL_M: "SLM"}
ALERT_PRODUCT = {Product.DELIVERY: "C", Product.INTRADAY: "I", Product.MARGIN: "M", Product.MTF: "F"}


def alert(update: Update, client_id: str, last: Tick | None) -> dict[str, Any]:
    """One message of the order-update socket (documentation v2: PascalCase, Title-case status)."""
    instrument, terms = update.instrument, update.terms
    when = ist_text(update.ts)
    trade = update.trade
    return {
        "Data": {
            "Exchange": instrument.segment.exchange.value,
            "Segment": ALERT_SEGMENT[instrument.segment],
            "Source": "P",
            "SecurityId": instrument.dhan_id,
            "ClientId": client_id,
            "ExchOrderNo": exchange_number(update),
            "OrderNo": update.exchange_id,
            "Product": ALERT_PRODUCT[update.product],
            "TxnType": update.side.value[0],
            "OrderType": ALERT_ORDER_TYPE[terms.order_type],
            "Validity": update.validity.value,
            "DiscQuantity": 0,
            "DiscQtyRem": 0,
            "RemainingQuantity": terms.quantity - update.filled,
            "Quantity": terms.quantity,
            "TradedQty": update.filled,
            "Price": rupees(terms.price),
            "TriggerPrice": rupees(terms.trigger_price),
            "TradedPrice": rupees(trade.price) if trade else 0.0,
            "AvgTradedPrice": rupees(update.average_price),
            "AlgoOrdNo": "",
            "OffMktFlag": "1" if update.after_market else "0",
            "OrderDateTime": ist_text(update.created),
            "ExchOrderTime": when,
            "LastUpdatedTime": when,
            "Remarks": "NR",
            "MktType": "NL",
            "ReasonDescription": update.reason or ("TRADE CONFIRMED" if trade else "CONFIRMED"),
            "LegNo": 1,
            "Instrument": instrument_word(instrument),
            "Symbol": instrument.symbol,
            "ProductName": PRODUCT[update.product],
            "Status": STATUS[update.status].title(),
            "LotSize": instrument.lot_size,
            "StrikePrice": rupees(instrument.strike) if instrument.strike else None,
            "ExpiryDate": expiry_text(instrument),
            "OptType": instrument.right.value if instrument.right else "XX",
            "DisplayName": instrument.name or instrument.symbol,
            "Isin": instrument.isin or "NA",
            "Series": "EQ" if instrument.kind is InstrumentKind.EQUITY else "XX",
            "GoodTillDaysDate": when[:10],
            "RefLtp": rupees(last.ltp) if last else 0.0,
            "TickSize": rupees(instrument.tick_size),
            "AlgoId": "0",
            "Multiplier": 1,
            "CorrelationId": update.tag or "NA",
        },
        "Type": "order_alert",
    }
