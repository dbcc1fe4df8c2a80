"""Upstox's quotes: V3 ltp, ohlc, full quotes and greeks, keyed ``NSE_EQ:SYMBOL``; a line without a tick is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from saudagar.exchange.face import Route
from saudagar.exchange.options import Greeks, greeks, open_interest
from saudagar.exchange.tape import Candle, Line
from saudagar.exchange.upstox.encode import MS
from saudagar.exchange.upstox.errors import Refused
from saudagar.exchange.upstox.site import UpstoxSite, success
from saudagar.exchange.upstox.words import segment_word
from saudagar.market.ist import ist
from saudagar.model import InstrumentKind, Levels

_MOST, _MOST_GREEKS = 500, 50  # instruments in one call
_LEVELS = 5


class UpstoxQuotes:
    """The routes of quotes."""

    def __init__(self, site: UpstoxSite) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v3/market-quote/{kind:ltp|ohlc|quotes}", "upstox.quotes", self._quotes),
            Route("GET", "/v3/market-quote/option-greek", "upstox.greeks", self._greeks),
        ]

    def _lines(self, request: web.Request, most: int) -> list[Line]:
        keys = [key for key in request.query.get("instrument_key", "").split(",") if key]
        if not 0 < len(keys) <= most:
            raise Refused("UDAPI100011", f"instrument_key: 1 to {most} are allowed, got {len(keys)}.")
        return [line for line in map(self._site.line, keys) if line.tick]

    async def _quotes(self, request: web.Request) -> web.Response:
        row = _QUOTES[request.match_info["kind"]]
        return success({_key(line): row(line) for line in self._lines(request, _MOST)})

    async def _greeks(self, request: web.Request) -> web.Response:
        lines = [line for line in self._lines(request, _MOST_GREEKS) if line.instrument.kind is InstrumentKind.OPTION]
        return success({_key(line): self._greek_row(line) for line in lines})

    def _greek_row(self, line: Line) -> dict[str, Any]:
        spot = self._site.spot(line.instrument)
        model: Greeks = greeks(line.instrument, spot, self._site.tape.now)
        return {
            **_ltp(line),
            "iv": round(model.iv / 100, 4),
            "vega": round(model.vega, 4),
            "gamma": round(model.gamma, 6),
            "theta": round(model.theta, 4),
            "delta": round(model.delta, 4),
            "oi": float(open_interest(line.instrument, spot)),
        }


def _key(line: Line) -> str:
    return f"{segment_word(line.instrument.segment)}:{line.instrument.symbol}"


def _ohlc(candle: Candle) -> dict[str, Any]:
    return {
        "open": candle.open / 100,
        "high": candle.high / 100,
        "low": candle.low / 100,
        "close": candle.close / 100,
        "volume": candle.volume,
        "ts": candle.start // MS,
    }


def _ltp(line: Line) -> dict[str, Any]:
    assert line.tick is not None, "lines without a tick are left out"
    return {
        "last_price": line.tick.ltp / 100,
        "instrument_token": line.instrument.upstox_id,
        "ltq": line.last_quantity,
        "volume": line.tick.volume,
        "cp": line.previous_close / 100,
    }


def _quote_ohlc(line: Line) -> dict[str, Any]:
    row = _ltp(line)
    return {
        "last_price": row["last_price"],
        "instrument_token": row["instrument_token"],
        "prev_ohlc": None,
        "live_ohlc": _ohlc(line.day),
    }


def _full(line: Line) -> dict[str, Any]:
    tick = line.tick
    assert tick is not None, "lines without a tick are left out"
    return {
        "ohlc": _ohlc(line.day),
        "depth": {"buy": _levels(tick.bids), "sell": _levels(tick.asks)},
        "timestamp": ist(tick.ts).isoformat(),
        "instrument_token": line.instrument.upstox_id,
        "symbol": line.instrument.symbol,
        "last_price": tick.ltp / 100,
        "volume": tick.volume,
        "average_price": round(line.average_price / 100, 2),
        "oi": 0.0,
        "net_change": (tick.ltp - line.previous_close) / 100,
        "total_buy_quantity": float(sum(quantity for _, quantity in tick.bids)),
        "total_sell_quantity": float(sum(quantity for _, quantity in tick.asks)),
        "lower_circuit_limit": line.band[0] / 100,
        "upper_circuit_limit": line.band[1] / 100,
        "last_trade_time": str(tick.ts // MS),
        "oi_day_high": 0.0,
        "oi_day_low": 0.0,
        "prev_close_price": line.previous_close / 100,
        "year_high": line.day.high / 100,
        "year_low": line.day.low / 100,
        "previous_oi": 0.0,
        "indicative_equilibrium_price": 0.0,
        "reference_price": 0.0,
        "indicative_equilibrium_quantity": 0,
        "indicative_imbalance_quantity_total": 0,
        "indicative_imbalance_quantity_market": 0,
        "cas_eligible": line.instrument.closing_auction,
    }


def _levels(levels: Levels) -> list[dict[str, Any]]:
    """Always five; those that the book does not have are zeros."""
    shown = [{"quantity": quantity, "price": price / 100, "orders": 1} for price, quantity in levels[:_LEVELS]]
    return shown + [{"quantity": 0, "price": 0.0, "orders": 0}] * (_LEVELS - len(shown))


_QUOTES: dict[str, Callable[[Line], dict[str, Any]]] = {"ltp": _ltp, "ohlc": _quote_ohlc, "quotes": _full}
