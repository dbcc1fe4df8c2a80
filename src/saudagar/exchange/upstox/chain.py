"""Upstox's instrument services: the option chain, option contracts, and the search over all instruments."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from aiohttp import web

from saudagar.exchange.face import Route
from saudagar.exchange.options import greeks, is_monthly, open_interest
from saudagar.exchange.tape import Line
from saudagar.exchange.upstox.candles import read_date
from saudagar.exchange.upstox.errors import Refused
from saudagar.exchange.upstox.masters import instrument_row
from saudagar.exchange.upstox.site import UpstoxSite, success
from saudagar.model import InstrumentKind, Right

_RECORDS = 30  # of a search page, the most


class UpstoxChain:
    """The routes of option chains and instrument search."""

    def __init__(self, site: UpstoxSite) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2/option/contract", "upstox.option.contracts", self._contracts),
            Route("GET", "/v2/option/chain", "upstox.option.chain", self._chain),
            Route("GET", "/v2/instruments/search", "upstox.instruments.search", self._search),
        ]

    def _options(self, request: web.Request) -> tuple[Line, list[Line]]:
        """The underlying's line and its options, of one expiry if the request names one."""
        index = self._site.line(request.query.get("instrument_key", ""))
        expiry = read_date(request.query["expiry_date"]) if "expiry_date" in request.query else None
        found = [
            line
            for line in self._site.tape.lines.values()
            if line.instrument.kind is InstrumentKind.OPTION
            and line.instrument.underlying == index.instrument.symbol
            and expiry in (None, line.instrument.expiry)
        ]
        return index, found

    async def _contracts(self, request: web.Request) -> web.Response:
        index, found = self._options(request)
        return success([_contract(line, index) for line in found])

    async def _chain(self, request: web.Request) -> web.Response:
        if "expiry_date" not in request.query:
            raise Refused("UDAPI1088", "expiry_date is required.")
        index, found = self._options(request)
        spot = index.tick.ltp if index.tick else index.previous_close
        strikes: dict[int, dict[Right | None, Line]] = {}
        for line in found:
            strikes.setdefault(line.instrument.strike, {})[line.instrument.right] = line
        rows = []
        for strike, sides in sorted(strikes.items()):
            call, put = sides[Right.CALL], sides[Right.PUT]
            calls, puts = open_interest(call.instrument, spot), open_interest(put.instrument, spot)
            rows.append(
                {
                    "expiry": str(call.instrument.expiry),
                    "pcr": round(puts / calls, 4) if calls else 0.0,
                    "strike_price": strike / 100,
                    "underlying_key": index.instrument.upstox_id,
                    "underlying_spot_price": spot / 100,
                    "call_options": self._side(call, spot),
                    "put_options": self._side(put, spot),
                }
            )
        return success(rows)

    def _side(self, line: Line, spot: int) -> dict[str, Any]:
        tick = line.tick
        bid = tick.bids[0] if tick and tick.bids else (0, 0)
        ask = tick.asks[0] if tick and tick.asks else (0, 0)
        interest = float(open_interest(line.instrument, spot))
        model = greeks(line.instrument, spot, self._site.tape.now)
        return {
            "instrument_key": line.instrument.upstox_id,
            "market_data": {
                "ltp": tick.ltp / 100 if tick else 0.0,
                "volume": tick.volume if tick else 0,
                "oi": interest,
                "close_price": line.previous_close / 100,
                "bid_price": bid[0] / 100,
                "bid_qty": bid[1],
                "ask_price": ask[0] / 100,
                "ask_qty": ask[1],
                "prev_oi": interest,
            },
            "option_greeks": {
                "vega": round(model.vega, 4),
                "theta": round(model.theta, 4),
                "gamma": round(model.gamma, 6),
                "delta": round(model.delta, 4),
                "iv": round(model.iv, 2),
                "pop": round(abs(model.delta) * 100, 2),
            },
        }

    async def _search(self, request: web.Request) -> web.Response:
        query = request.query
        words = query.get("query", "").upper().split()
        if not words:
            raise Refused("UDAPI100036", "query is required.")
        try:
            page, records = int(query.get("page_number", "1")), int(query.get("records", "10"))
        except ValueError:
            raise Refused("UDAPI100036", "page_number and records must be numbers.") from None
        if page < 1 or not 1 <= records <= _RECORDS:
            raise Refused("UDAPI100036", f"page_number from 1, records 1 to {_RECORDS}.")
        found = list(self._matching(words, query))
        part = found[(page - 1) * records : page * records]
        pages = -(-len(found) // records)
        meta = {"page_number": page, "total_pages": pages, "records": len(part), "total_records": len(found)}
        return success(part, meta_data={"page": meta})

    def _matching(self, words: list[str], query: Any) -> Iterable[dict[str, Any]]:
        for line in self._site.tape.lines.values():
            row = instrument_row(line.instrument)
            text = f"{row['trading_symbol']} {row['name']} {row.get('isin', '')} {row.get('strike_price', '')}".upper()
            expiry = line.instrument.expiry
            if not all(word in text for word in words):
                continue
            if not _listed(query, "exchanges", row["exchange"]) or not _listed(query, "segments", row["segment"]):
                continue
            if not _listed(query, "instrument_types", row["instrument_type"]):
                continue
            if "expiry" in query and str(expiry) != query["expiry"]:
                continue
            yield _dated(row, expiry)


def _listed(query: Any, field: str, value: str) -> bool:
    wanted = query.get(field, "")
    return not wanted or value in wanted.split(",") or "ALL" in wanted.split(",")


def _contract(line: Line, index: Line) -> dict[str, Any]:
    row = _dated(instrument_row(line.instrument), line.instrument.expiry)
    expiry = line.instrument.expiry
    assert expiry is not None, "an option expires"
    return row | {
        "weekly": not is_monthly(expiry),
        "underlying_key": index.instrument.upstox_id,
        "underlying_type": "INDEX",
    }


def _dated(row: dict[str, Any], expiry: date | None) -> dict[str, Any]:
    return {**row, "expiry": str(expiry)} if expiry else row
