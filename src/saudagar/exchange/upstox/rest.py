"""Upstox's REST that the desk reads: candles, quotes, funds, profile, and the public instruments file.

Shapes follow the models of SDK 2.30.0 and Upstox's documentation. Candles come newest first with +05:30 times, quotes
are keyed ``NSE_EQ:SYMBOL``, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from aiohttp import web

from saudagar.exchange.face import Handler, Route, Wire, json_response
from saudagar.exchange.tape import Candle, Line, Tape
from saudagar.exchange.upstox import errors
from saudagar.exchange.upstox.encode import MS
from saudagar.exchange.upstox.feed import UpstoxFeed
from saudagar.exchange.upstox.masters import instruments_gz, segment_word
from saudagar.market.ist import DAY, ist, ist_day, midnight
from saudagar.model import MINUTE, Bar, Funds, InstrumentId, Levels, Nanos

History = Callable[[InstrumentId, Nanos, Nanos, Nanos], Sequence[Bar]]
"""Bars of an instrument: interval, start, end (UTC ns), oldest first."""

# The SDK sends no token for candles; the feed checks its own.
_PUBLIC = ("/market-quote/instruments/", "/v3/historical-candle/", "/v3/feed/")
_MONTH, _QUARTER, _DECADE = 31, 92, 3660  # days per call
# unit -> its length, the largest count
_UNITS: dict[str, tuple[Nanos, int]] = {"minutes": (MINUTE, 300), "hours": (60 * MINUTE, 5), "days": (DAY, 1)}


class UpstoxFace:
    """Upstox's REST, with the feed's endpoint beside it.

    Parameters
    ----------
    history
        The day source's past bars.
    funds
        The account's money, now.
    """

    def __init__(
        self, tape: Tape, wire: Wire, feed: UpstoxFeed, *, history: History, funds: Callable[[], Funds], token: str
    ) -> None:
        self.token = token
        self._tape = tape
        self._wire = wire
        self._feed = feed
        self._history = history
        self._funds = funds
        self._by_key = {line.instrument.upstox_id: line for line in tape.lines.values()}

    def application(self) -> web.Application:
        """The face as an application, the feed's WebSocket included."""
        candles = "/v3/historical-candle"
        routes = [
            Route("GET", f"{candles}/intraday/{{key}}/{{unit}}/{{interval}}", "upstox.intraday", self._intraday),
            Route("GET", f"{candles}/{{key}}/{{unit}}/{{interval}}/{{to}}/{{from}}", "upstox.history", self._past),
            Route("GET", f"{candles}/{{key}}/{{unit}}/{{interval}}/{{to}}", "upstox.history", self._past),
            Route("GET", "/v3/market-quote/{kind:ltp|ohlc|quotes}", "upstox.quotes", self._quotes),
            Route("GET", "/v3/user/get-funds-and-margin", "upstox.funds", self._funds_v3),
            Route("GET", "/v2/user/get-funds-and-margin", "upstox.funds", self._funds_v2),
            Route("GET", "/v2/user/profile", "upstox.profile", self._profile),
            Route("GET", "/market-quote/instruments/exchange/complete.json.gz", "upstox.master", self._master),
        ]
        app = self._wire.application(routes, errors.too_many, self._envelope)
        app.router.add_get("/v3/feed/market-data-feed", self._feed.handle)
        return app

    async def _envelope(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        # the SDK sends no token for candles, and the broker asks for none
        public = request.path.startswith(("/market-quote/instruments/", "/v3/feed/", "/v3/historical-candle/"))
        if not public and request.headers.get("Authorization") != f"Bearer {self.token}":
            return errors.unauthorised()
        try:
            return await handler(request)
        except _Refused as refusal:
            return errors.error(refusal.code)
        except web.HTTPException as problem:
            return errors.error("UDAPI100060") if problem.status in (404, 405) else errors.error("UDAPI100068")

    async def _intraday(self, request: web.Request) -> web.Response:
        instrument, interval = self._line(request).instrument.id, _interval(request)
        now = self._tape.now
        return _candles(self._history(instrument, interval, midnight(ist_day(now)), now))

    async def _past(self, request: web.Request) -> web.Response:
        instrument, interval = self._line(request).instrument.id, _interval(request)
        last = _date(request.match_info["to"])
        first = _date(request.match_info["from"]) if "from" in request.match_info else last
        if first > last:
            raise _Refused("UDAPI1015")
        longest = _DECADE if interval == DAY else _MONTH if interval <= 15 * MINUTE else _QUARTER
        if (last - first).days > longest:
            raise _Refused("UDAPI1148")
        end = min(midnight(last) + DAY, midnight(ist_day(self._tape.now)))  # today is in intraday only
        return _candles(self._history(instrument, interval, midnight(first), end))

    def _line(self, request: web.Request) -> Line:
        line = self._by_key.get(request.match_info["key"])
        if line is None:
            raise _Refused("UDAPI100011")
        return line

    async def _quotes(self, request: web.Request) -> web.Response:
        keys = [key for key in request.query.get("instrument_key", "").split(",") if key]
        if not keys or len(keys) > 500 or any(key not in self._by_key for key in keys):
            raise _Refused("UDAPI100011")
        row = _QUOTES[request.match_info["kind"]]
        lines = [self._by_key[key] for key in keys]
        data = {
            f"{segment_word(line.instrument.segment)}:{line.instrument.symbol}": row(line)
            for line in lines
            if line.tick
        }
        return json_response({"status": "success", "data": data})

    async def _funds_v3(self, request: web.Request) -> web.Response:
        funds = self._funds()
        cash = {
            "opening_balance": funds.opening / 100,
            "added_today": 0.0,
            "withdrawn_today": 0.0,
            "amount_from_stock_sale": 0.0,
            "unpaid_charges": 0.0,
        }
        available = {"total": funds.available / 100, "cash": cash, "margin_used": {"total": funds.used / 100}}
        trade = {"total": funds.available / 100, "cash_available_to_trade": available}
        return json_response({"status": "success", "data": {"available_to_trade": trade}})

    async def _funds_v2(self, request: web.Request) -> web.Response:
        funds = self._funds()
        zeros = dict.fromkeys(("payin_amount", "span_margin", "adhoc_margin", "notional_cash", "exposure_margin"), 0.0)
        equity = {"used_margin": funds.used / 100, "available_margin": funds.available / 100, **zeros}
        return json_response({"status": "success", "data": {"equity": equity}})

    async def _profile(self, request: web.Request) -> web.Response:
        data = {
            "email": "trader@example.in",
            "exchanges": ["NSE", "NFO", "BSE", "BFO", "MCX"],
            "products": ["D", "I", "MTF"],
            "broker": "UPSTOX",
            "user_id": "SIM001",
            "user_name": "Simulated Trader",
            "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
            "user_type": "individual",
            "poa": False,
            "is_active": True,
        }
        return json_response({"status": "success", "data": data})

    async def _master(self, request: web.Request) -> web.Response:
        body = instruments_gz(line.instrument for line in self._tape.lines.values())
        return web.Response(body=body, content_type="application/gzip")


class _Refused(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _interval(request: web.Request) -> Nanos:
    unit, count = request.match_info["unit"], request.match_info["interval"]
    if unit not in _UNITS:
        raise _Refused("UDAPI1146")  # weeks and months are not served here
    size, largest = _UNITS[unit]
    if not count.isdecimal() or not 1 <= int(count) <= largest:
        raise _Refused("UDAPI1147")
    return size * int(count)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _Refused("UDAPI1148") from None


def _candles(bars: Sequence[Bar]) -> web.Response:
    rows = [
        [
            ist(midnight(ist_day(bar.start)) if bar.interval >= DAY else bar.start).isoformat(),
            bar.open / 100,
            bar.high / 100,
            bar.low / 100,
            bar.close / 100,
            bar.volume,
            0,
        ]
        for bar in reversed(bars)
    ]
    return json_response({"status": "success", "data": {"candles": rows}})


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
        "lower_circuit_limit": line.previous_close * 80 // 100 / 100,
        "upper_circuit_limit": line.previous_close * 120 // 100 / 100,
        "last_trade_time": str(tick.ts // MS),
        "oi_day_high": 0.0,
        "oi_day_low": 0.0,
        "prev_close_price": line.previous_close / 100,
        "cas_eligible": line.instrument.closing_auction,
    }


def _levels(levels: Levels) -> list[dict[str, Any]]:
    return [{"quantity": quantity, "price": price / 100, "orders": 1} for price, quantity in levels[:5]]


_QUOTES: dict[str, Callable[[Line], dict[str, Any]]] = {"ltp": _ltp, "ohlc": _quote_ohlc, "quotes": _full}
