"""Dhan's data endpoints: quotes, candles in columns, the option chain, and the scrip master file.

Candle times are true epoch seconds, as floats; a daily request ends before `toDate`, an intraday one with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

import msgspec
from aiohttp import web

from saudagar.exchange.dhan import errors, shapes
from saudagar.exchange.dhan.requests import BadInput, read_body
from saudagar.exchange.dhan.site import DhanSite
from saudagar.exchange.face import Handler, Route, json_response
from saudagar.exchange.options import greeks, open_interest, underlying_of
from saudagar.exchange.tape import Line
from saudagar.market.ist import DAY, ist_day, midnight
from saudagar.model import MINUTE, SECOND, Bar, InstrumentKind, Nanos, Paise, Right

DATA_PATHS = ("/v2/marketfeed/", "/v2/charts/", "/v2/optionchain")
"""Paths with the data APIs' own error envelope."""

_QUOTES = 1_000  # instruments in one call
_INTERVALS = (1, 5, 15, 25, 60)
_INTRADAY_DAYS = 90


class _Chart(msgspec.Struct, rename="camel"):
    security_id: str | int
    exchange_segment: str
    from_date: str
    to_date: str
    instrument: str = ""
    interval: str | int = 1
    oi: bool = False


class _Chain(msgspec.Struct):
    underlying: int | str = msgspec.field(name="UnderlyingScrip")
    segment: str = msgspec.field(name="UnderlyingSeg")
    expiry: str = msgspec.field(name="Expiry", default="")


class DhanData:
    """The routes of market data."""

    def __init__(self, site: DhanSite) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        v2 = "/v2"
        quotes = self._limited("quote", self._quotes)
        return [
            Route("POST", f"{v2}/marketfeed/{{kind:ltp|ohlc|quote}}", "dhan.marketfeed", quotes),
            Route("POST", f"{v2}/charts/historical", "dhan.charts", self._limited("data", self._daily)),
            Route("POST", f"{v2}/charts/intraday", "dhan.charts", self._limited("data", self._intraday)),
            Route("POST", f"{v2}/optionchain", "dhan.optionchain", self._limited("chain", self._chain)),
            Route("POST", f"{v2}/optionchain/expirylist", "dhan.expirylist", self._limited("chain", self._expiries)),
            Route("GET", "/api-data/api-scrip-master-detailed.csv", "dhan.master", self._master),
            Route("GET", "/api-data/api-scrip-master.csv", "dhan.master", self._master),
        ]

    def _limited(self, kind: str, handler: Handler) -> Handler:
        async def limited(request: web.Request) -> web.StreamResponse:
            if not self._site.limits.allows(kind):
                return errors.too_many()
            return await handler(request)

        return limited

    async def _quotes(self, request: web.Request) -> web.Response:
        body = await read_body(request, dict[str, Any])
        wanted = {segment: ids for segment, ids in body.items() if isinstance(ids, list)}
        if sum(map(len, wanted.values())) > _QUOTES:
            return errors.data_error("804", "Requested number of instruments exceeds limit", 400)
        kind = request.match_info["kind"]
        data: dict[str, dict[str, object]] = {}
        for segment, ids in wanted.items():
            for each in ids:
                if line := self._site.by_id.get((segment, str(each))):
                    data.setdefault(segment, {})[str(each)] = shapes.quote_row(kind, line, self._interest(line))
        return json_response({"data": data, "status": "success"})

    def _interest(self, line: Line) -> int:
        if line.instrument.kind is not InstrumentKind.OPTION:
            return 0
        index = self._site.tape.lines[underlying_of(line.instrument, self._site.source.instruments).id]
        return open_interest(line.instrument, index.tick.ltp if index.tick else index.previous_close)

    async def _daily(self, request: web.Request) -> web.Response:
        body = await read_body(request, _Chart)
        first, last = _moment(body.from_date), _moment(body.to_date)
        return self._columns(body, DAY, midnight(ist_day(first)), midnight(ist_day(last)))

    async def _intraday(self, request: web.Request) -> web.Response:
        body = await read_body(request, _Chart)
        if str(body.interval) not in map(str, _INTERVALS):
            raise BadInput("interval: 1, 5, 15, 25 and 60 are known.")
        minutes = int(body.interval)
        first, last = _moment(body.from_date), _moment(body.to_date)
        if last - first > _INTRADAY_DAYS * DAY:
            raise BadInput(f"at most {_INTRADAY_DAYS} days are allowed in one call.")
        end = last + (DAY if len(body.to_date) == len("2026-11-20") else MINUTE)
        return self._columns(body, minutes * MINUTE, first, end)

    def _columns(self, body: _Chart, interval: Nanos, first: Nanos, end: Nanos) -> web.Response:
        line = self._site.line(body.exchange_segment, body.security_id)
        if end < first:
            raise BadInput("fromDate must be before toDate.")
        bars = self._site.source.history(line.instrument.id, interval, first, end)
        columns = _columns(bars)
        return json_response({**columns, "open_interest": [0.0] * len(bars)} if body.oi else columns)

    def _options(self, body: _Chain) -> tuple[Line, list[Line]]:
        index = self._site.line(body.segment, body.underlying)
        lines = self._site.tape.lines.values()
        options = [line for line in lines if line.instrument.kind is InstrumentKind.OPTION]
        return index, [line for line in options if line.instrument.underlying == index.instrument.symbol]

    async def _expiries(self, request: web.Request) -> web.Response:
        _, options = self._options(await read_body(request, _Chain))
        return json_response({"data": sorted({str(line.instrument.expiry) for line in options}), "status": "success"})

    async def _chain(self, request: web.Request) -> web.Response:
        body = await read_body(request, _Chain)
        index, options = self._options(body)
        chosen = [line for line in options if str(line.instrument.expiry) == body.expiry]
        if not chosen:
            return errors.data_error("811", "Invalid Expiry Date", 400)
        spot = index.tick.ltp if index.tick else index.previous_close
        strikes: dict[str, dict[str, object]] = {}
        for line in sorted(chosen, key=lambda line: line.instrument.strike):
            side = "ce" if line.instrument.right is Right.CALL else "pe"
            strikes.setdefault(f"{line.instrument.strike / 100:.6f}", {})[side] = self._side(line, spot)
        return json_response({"data": {"last_price": spot / 100, "oc": strikes}, "status": "success"})

    def _side(self, line: Line, spot: Paise) -> dict[str, object]:
        """One side of a strike, in the recorded order of its fields."""
        tick = line.tick
        bid = tick.bids[0] if tick and tick.bids else (0, 0)
        ask = tick.asks[0] if tick and tick.asks else (0, 0)
        model = greeks(line.instrument, spot, self._site.tape.now)
        interest = open_interest(line.instrument, spot)
        return {
            "greeks": {
                "delta": round(model.delta, 5),
                "theta": round(model.theta, 5),
                "gamma": round(model.gamma, 5),
                "vega": round(model.vega, 5),
            },
            "implied_volatility": model.iv,
            "last_price": tick.ltp / 100 if tick else 0,
            "oi": interest,
            "previous_close_price": line.previous_close / 100,
            "previous_oi": interest,
            "previous_volume": 0,
            "top_ask_price": ask[0] / 100,
            "top_ask_quantity": ask[1],
            "top_bid_price": bid[0] / 100,
            "top_bid_quantity": bid[1],
            "volume": tick.volume if tick else 0,
        }

    async def _master(self, request: web.Request) -> web.Response:
        from saudagar.exchange.dhan.masters import compact_csv, detailed_csv  # read once a day

        write = detailed_csv if request.path.endswith("-detailed.csv") else compact_csv
        return web.Response(text=write(self._site.tape.lines.values()), content_type="text/csv")


def _columns(bars: Sequence[Bar]) -> dict[str, list[float]]:
    return {
        "open": [bar.open / 100 for bar in bars],
        "high": [bar.high / 100 for bar in bars],
        "low": [bar.low / 100 for bar in bars],
        "close": [bar.close / 100 for bar in bars],
        "volume": [float(bar.volume) for bar in bars],
        "timestamp": [
            float((midnight(ist_day(bar.start)) if bar.interval >= DAY else bar.start) // SECOND) for bar in bars
        ],
    }


def _moment(text: str) -> Nanos:
    """``2026-11-20`` or ``2026-11-20 09:15:00``, IST."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is no date.") from None
    if moment.tzinfo is not None:
        raise BadInput(f"{text!r}: dates are IST and carry no offset.")
    return midnight(moment.date()) + (moment - datetime.combine(moment.date(), time())) // timedelta(seconds=1) * SECOND
