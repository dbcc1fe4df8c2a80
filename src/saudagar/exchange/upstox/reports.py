"""Upstox's reports of past days: executions, what was won or lost in each closed trade, and what it all cost.

A day is past once market time has left it, so a served day shows up only after its midnight. Trades are matched first
in, first out, as a tax return does. Shapes: Upstox, "Get Trade History" and "Trade Profit And Loss", and the SDK's
models.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from aiohttp import web

from saudagar.exchange.core_orders import ExchangeTrade
from saudagar.exchange.face import Route, json_response
from saudagar.exchange.upstox.candles import read_date
from saudagar.exchange.upstox.errors import Refused
from saudagar.exchange.upstox.site import UpstoxSite, success
from saudagar.market.charges import Charges, charge
from saudagar.market.ist import ist_day
from saudagar.model import Instrument, InstrumentKind, Paise, Segment, Side

_PAGE = 5_000  # rows of a page of profits, at most

_SEGMENT = {
    Segment.NSE_EQ: "EQ",
    Segment.BSE_EQ: "EQ",
    Segment.NSE_FNO: "FO",
    Segment.BSE_FNO: "FO",
    Segment.MCX_COMM: "COM",
}
_WORDS = ("EQ", "FO", "COM", "CD", "MF")
_TYPE = {InstrumentKind.EQUITY: "EQ", InstrumentKind.FUTURE: "FUT", InstrumentKind.OPTION: "OPT"}


class _Closed(msgspec.Struct, frozen=True):
    """A quantity that was bought and sold."""

    instrument: Instrument
    quantity: int
    bought: tuple[date, Paise]  # day, price
    sold: tuple[date, Paise]


class UpstoxReports:
    """The routes of reports."""

    def __init__(self, site: UpstoxSite) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        base = "/v2/trade/profit-loss"
        return [
            Route("GET", "/v2/charges/historical-trades", "upstox.history.trades", self._trades),
            Route("GET", f"{base}/metadata", "upstox.profit.metadata", self._metadata),
            Route("GET", f"{base}/data", "upstox.profit.data", self._profits),
            Route("GET", f"{base}/charges", "upstox.profit.charges", self._charges),
        ]

    def _past(self, segment: str, first: date, last: date) -> list[ExchangeTrade]:
        today, desk = ist_day(self._site.core.now), self._site.desk
        return [
            trade
            for trade in self._site.core.trades
            if desk.owns(trade.exchange_id)
            and first <= ist_day(trade.ts) <= last
            and ist_day(trade.ts) < today
            and segment in ("", _SEGMENT[trade.instrument.segment])
        ]

    async def _trades(self, request: web.Request) -> web.Response:
        query = request.query
        if not query.get("start_date") or not query.get("end_date"):
            raise Refused("UDAPI1088")
        segment = query.get("segment", "")
        if segment and segment not in _WORDS:
            raise Refused("UDAPI1066")
        found = self._past(segment, read_date(query["start_date"]), read_date(query["end_date"]))
        number, size = _page(query)
        page = {
            "page_number": number,
            "page_size": size,
            "total_records": len(found),
            "total_pages": -(-len(found) // size),
        }
        rows = [_trade_row(trade) for trade in found[(number - 1) * size : number * size]]
        meta = {"page": page}
        return json_response({"status": "success", "data": rows, "errors": None, "meta_data": meta, "metaData": meta})

    async def _metadata(self, request: web.Request) -> web.Response:
        count = len(list(_closed(self._of_year(request))))
        return success({"trades_count": count, "page_size_limit": _PAGE})

    async def _profits(self, request: web.Request) -> web.Response:
        number, size = _page(request.query)
        if size > _PAGE:
            raise Refused("UDAPI100036", f"page_size: at most {_PAGE}, got {size}.")
        closed = list(_closed(self._of_year(request)))
        meta = {"page": {"page_number": number, "page_size": size}}
        rows = [_profit_row(each) for each in closed[(number - 1) * size : number * size]]
        return success(rows, metadata=meta)

    async def _charges(self, request: web.Request) -> web.Response:
        orders: dict[str, list[ExchangeTrade]] = {}
        for trade in self._of_year(request):
            orders.setdefault(trade.exchange_id, []).append(trade)
        costs = sum((_cost(trades) for trades in orders.values()), Charges())
        return success(
            {
                "charges_breakdown": {
                    "total": round(float(costs.total), 2),
                    "brokerage": float(costs.brokerage),
                    "taxes": {
                        "gst": float(costs.gst),
                        "stt": float(costs.stt),
                        "stamp_duty": float(costs.stamp),
                    },
                    "charges": {
                        "transaction": float(costs.exchange),
                        "clearing": 0.0,
                        "others": float(costs.ipft),
                        "sebi_turnover": float(costs.sebi),
                        "demat_transaction": float(costs.dp),
                    },
                }
            }
        )

    def _of_year(self, request: web.Request) -> list[ExchangeTrade]:
        """The executions that a report of profits is about. Raises `Refused`."""
        query = request.query
        segment, year = query.get("segment", ""), query.get("financial_year", "")
        if not segment:
            raise Refused("UDAPI1067")
        if segment not in _WORDS:
            raise Refused("UDAPI1066")
        if len(year) != 4 or not year.isdecimal() or (int(year[:2]) + 1) % 100 != int(year[2:]):
            raise Refused("UDAPI100036", f"financial_year: {year!r} is not two years such as 2627.")
        start, end = date(2000 + int(year[:2]), 4, 1), date(2001 + int(year[:2]), 3, 31)
        first = _day(query["from_date"]) if "from_date" in query else start
        last = _day(query["to_date"]) if "to_date" in query else end
        if not start <= first <= last <= end:
            raise Refused("UDAPI1148")
        return self._past(segment, first, last)


def _page(query: Any) -> tuple[int, int]:
    try:
        number, size = int(query.get("page_number", "")), int(query.get("page_size", ""))
    except ValueError:
        raise Refused("UDAPI100036", "page_number and page_size must be numbers.") from None
    if number < 1 or size < 1:
        raise Refused("UDAPI100036", "page_number and page_size count from 1.")
    return number, size


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%d-%m-%Y").date()  # noqa: DTZ007  a day has no zone
    except ValueError:
        raise Refused("UDAPI1148") from None


def _trade_row(trade: ExchangeTrade) -> dict[str, Any]:
    instrument = trade.instrument
    return {
        "exchange": instrument.segment.exchange.value,
        "segment": _SEGMENT[instrument.segment],
        "option_type": instrument.right.value if instrument.right else "",
        "quantity": trade.quantity,
        "amount": trade.quantity * trade.price / 100,
        "trade_id": trade.trade_id,
        "trade_date": str(ist_day(trade.ts)),
        "transaction_type": trade.side.value,
        "scrip_name": instrument.underlying or instrument.symbol,
        "strike_price": str(instrument.strike / 100),
        "expiry": str(instrument.expiry) if instrument.expiry else "",
        "price": trade.price / 100,
        "isin": instrument.isin,
        "symbol": instrument.underlying or instrument.symbol,
        "instrument_token": instrument.upstox_id,
    }


def _closed(trades: Sequence[ExchangeTrade]) -> Iterator[_Closed]:
    """What was both bought and sold, first in, first out, by the trade that closed it."""
    open_lots: dict[tuple[str, str], deque[tuple[ExchangeTrade, int]]] = {}
    for trade in trades:
        lots = open_lots.setdefault((trade.instrument.id, trade.product), deque())
        left = trade.quantity
        while left and lots and lots[0][0].side is not trade.side:
            other, quantity = lots.popleft()
            matched = min(left, quantity)
            left -= matched
            if quantity > matched:
                lots.appendleft((other, quantity - matched))
            legs = (trade, other) if trade.side is Side.BUY else (other, trade)
            bought, sold = ((ist_day(leg.ts), leg.price) for leg in legs)
            yield _Closed(trade.instrument, matched, bought, sold)
        if left:
            lots.append((trade, left))


def _profit_row(closed: _Closed) -> dict[str, Any]:
    (buy_day, buy), (sell_day, sell) = closed.bought, closed.sold
    return {
        "quantity": float(closed.quantity),
        "isin": closed.instrument.isin,
        "scrip_name": closed.instrument.underlying or closed.instrument.symbol,
        "trade_type": _TYPE[closed.instrument.kind],
        "buy_date": f"{buy_day:%d-%m-%Y}",
        "buy_average": buy / 100,
        "sell_date": f"{sell_day:%d-%m-%Y}",
        "sell_average": sell / 100,
        "buy_amount": closed.quantity * buy / 100,
        "sell_amount": closed.quantity * sell / 100,
    }


def _cost(trades: Sequence[ExchangeTrade]) -> Charges:
    """Of one order."""
    first = trades[0]
    quantity, value = sum(each.quantity for each in trades), sum(each.quantity * each.price for each in trades)
    return charge("upstox", ist_day(first.ts), first.instrument, first.product, first.side, quantity, value)
