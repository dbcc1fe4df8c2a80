"""The rest of Upstox's JSON to our values: trades of today and of earlier days, margins, the kill switch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saudagar.brokers.fields import Row, text, units_per_lot
from saudagar.brokers.upstox import parse, words
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import AccountTrade, BrokerOrderId, InstrumentId, Margin, Nanos, Paise, Side
from saudagar.model.errors import DataError


def trade(row: Row, lookup: InstrumentLookup) -> AccountTrade:
    """One row of today's trade book. Of a product that nobody knows it says None.

    Raises
    ------
    DataError
        If it is no execution.
    """
    instrument, name = parse.instrument_of(row, lookup)
    quantity, price = _execution(row, row.get("average_price"))
    return AccountTrade(
        trade_id=text(row.get("trade_id")),
        broker_id=parse.broker_id(row.get("order_id")),
        symbol=text(row.get("trading_symbol") or row.get("tradingsymbol")),
        side=_side(row),
        product=words.product(row.get("product"), parse.derivative(instrument, row)),
        quantity=quantity * units_per_lot(instrument),
        price=price,
        ts=parse.naive_ist(row.get("exchange_timestamp")),
        instrument=name if instrument is not None else InstrumentId(""),
    )


def past_trade(row: Row, lookup: InstrumentLookup) -> AccountTrade:
    """One execution of an earlier day. Upstox keeps its date only, and neither order nor product.

    Raises
    ------
    DataError
        If it is none.
    """
    instrument, name = parse.instrument_of(row, lookup)
    quantity, price = _execution(row, row.get("price"))
    return AccountTrade(
        trade_id=text(row.get("trade_id")),
        broker_id=BrokerOrderId(""),
        symbol=_contract(row),
        side=_side(row),
        product=None,
        quantity=quantity * units_per_lot(instrument),
        price=price,
        ts=_day(row.get("trade_date")),
        instrument=name if instrument is not None else InstrumentId(""),
    )


def pages(body: Row) -> int:
    """How many pages the answer has in all; raises `DataError` if it does not say."""
    meta = body.get("meta_data") or body.get("metaData")
    page = meta.get("page") if isinstance(meta, dict) else None
    if not isinstance(page, dict) or "total_pages" not in page:
        raise DataError("Upstox gave a page of trades without the number of pages.")
    return parse.count(page, "total_pages")


def margin(data: Row, charges: Paise | None) -> Margin:
    """What a basket takes, netted; `charges` are asked for apart.

    Raises
    ------
    DataError
        If the amounts are not where they belong.
    """
    lines = data.get("margins")
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines) or "final_margin" not in data:
        raise DataError("Upstox's margins are not as documented.")
    return Margin(
        required=parse.paise(data["final_margin"]),
        span=_sum(lines, "span_margin"),
        exposure=_sum(lines, "exposure_margin"),
        charges=charges,
    )


def charge(data: Row) -> Paise:
    """All charges of one order; raises `DataError`."""
    charges = data.get("charges")
    if not isinstance(charges, dict) or "total" not in charges:
        raise DataError("Upstox's charges are not as documented.")
    return parse.paise(charges["total"])


def switches(rows: Sequence[Row]) -> dict[str, tuple[bool, bool]]:
    """Segment -> whether the account trades there at all, and whether the kill switch is on."""
    return {
        text(row.get("segment")): (
            row.get("segment_status") == "ACTIVE",
            row.get("kill_switch_enabled") is True,
        )
        for row in rows
    }


def _execution(row: Row, price: object) -> tuple[int, Paise]:
    return parse.FIELDS.execution(parse.count(row, "quantity"), parse.paise(price))


def _side(row: Row) -> Side:
    return parse.FIELDS.known(words.SIDE, row.get("transaction_type"), "side of a trade")


def _contract(row: Row) -> str:
    """The symbol; of a derivative, which goes by its underlying there, with expiry, strike and right."""
    symbol = text(row.get("symbol") or row.get("scrip_name"))
    right = text(row.get("option_type"))
    strike = text(row.get("strike_price")) if right else ""
    return " ".join(part for part in (symbol, text(row.get("expiry")), strike, right) if part)


def _day(value: object) -> Nanos:
    ts = parse.naive_ist(value)
    if not ts:
        raise DataError(f"Upstox gave {value!r} for the day of a trade.")
    return ts


def _sum(lines: Sequence[dict[str, Any]], key: str) -> Paise:
    return sum(parse.paise(line.get(key)) for line in lines)
