"""Upstox's history V3: candles newest first, with +05:30 times, in the spans it allows in one call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from aiohttp import web

from saudagar.exchange.face import Route
from saudagar.exchange.upstox.errors import Refused
from saudagar.exchange.upstox.site import UpstoxSite, success
from saudagar.market.ist import DAY, ist, ist_day, midnight
from saudagar.model import MINUTE, Bar, Nanos

PATH = "/v3/historical-candle"

_MONTH, _QUARTER, _DECADE = 31, 92, 3660  # days per call
# unit -> its length, the largest count
_UNITS: dict[str, tuple[Nanos, int]] = {"minutes": (MINUTE, 300), "hours": (60 * MINUTE, 5), "days": (DAY, 1)}


class UpstoxCandles:
    """The routes of history."""

    def __init__(self, site: UpstoxSite) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [
            Route("GET", f"{PATH}/intraday/{{key}}/{{unit}}/{{interval}}", "upstox.intraday", self._intraday),
            Route("GET", f"{PATH}/{{key}}/{{unit}}/{{interval}}/{{to}}/{{from}}", "upstox.history", self._past),
            Route("GET", f"{PATH}/{{key}}/{{unit}}/{{interval}}/{{to}}", "upstox.history", self._past),
        ]

    async def _intraday(self, request: web.Request) -> web.Response:
        instrument, interval = self._site.line(request.match_info["key"]).instrument.id, _interval(request)
        now = self._site.tape.now
        return _candles(self._site.source.history(instrument, interval, midnight(ist_day(now)), now))

    async def _past(self, request: web.Request) -> web.Response:
        instrument, interval = self._site.line(request.match_info["key"]).instrument.id, _interval(request)
        last = read_date(request.match_info["to"])
        first = read_date(request.match_info["from"]) if "from" in request.match_info else last
        if first > last:
            raise Refused("UDAPI1015")
        longest = _DECADE if interval == DAY else _MONTH if interval <= 15 * MINUTE else _QUARTER
        if (last - first).days > longest:
            raise Refused("UDAPI1148")
        end = min(midnight(last) + DAY, midnight(ist_day(self._site.tape.now)))  # today is in intraday only
        return _candles(self._site.source.history(instrument, interval, midnight(first), end))


def _interval(request: web.Request) -> Nanos:
    unit, count = request.match_info["unit"], request.match_info["interval"]
    if unit not in _UNITS:
        raise Refused("UDAPI1146")  # weeks and months are not served here
    size, largest = _UNITS[unit]
    if not count.isdecimal() or not 1 <= int(count) <= largest:
        raise Refused("UDAPI1147")
    return size * int(count)


def read_date(text: str) -> date:
    """Raises `Refused`."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused("UDAPI1148") from None


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
    return success({"candles": rows})
