"""Past bars and the instruments file from Kite, through the SDK's `historical_data` and `instruments`.

Kite takes naive IST, gives +05:30, and refuses a span that is too long for the interval: the span is asked for in
pieces. It allows three such calls a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from saudagar.brokers.candles import Candles, zoned
from saudagar.brokers.governor import Governor, Window
from saudagar.brokers.kite import outcome
from saudagar.brokers.kite.client import KiteSettings, connect
from saudagar.brokers.lane import Call, Lane, Reply
from saudagar.brokers.lanes import answered
from saudagar.market.ist import DAY, ist
from saudagar.model import MINUTE, SECOND, Bar, Instrument, Nanos
from saudagar.model.errors import BrokerError, Unsupported

INTERVALS: dict[Nanos, tuple[str, int]] = {
    MINUTE: ("minute", 60),
    3 * MINUTE: ("3minute", 100),
    5 * MINUTE: ("5minute", 100),
    10 * MINUTE: ("10minute", 100),
    15 * MINUTE: ("15minute", 200),
    30 * MINUTE: ("30minute", 200),
    60 * MINUTE: ("60minute", 400),
    DAY: ("day", 2000),
}
"""Interval -> Kite's word and the days that one call may span (kite.trade/docs/connect/v3/historical and its users)."""

_CALLS = (Window(SECOND, 3),)
_PATIENCE = 120.0  # seconds; years of minutes are hundreds of calls, and nobody trades on their answer


class History:
    """One account's access to past bars. Bad rows are counted in `refusals`."""

    def __init__(self, settings: KiteSettings, refusals: dict[str, int]) -> None:
        self._settings = settings
        self._lane = Lane(
            "kite-history",
            lambda: connect(self._settings),
            secrets=(settings.token, settings.api_key),
            governor=Governor(_CALLS, share=1.0, patience=_PATIENCE),
        )
        self._refusals = refusals
        self._open = False

    async def bars(self, instrument: Instrument, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        """See `KiteFeed.bars`."""
        word, days = _word(interval)
        if not instrument.kite_id:
            raise Unsupported(f"{instrument.id} has no Kite token.")
        found = Candles(instrument, interval, self._refusals)
        for first, last in _pieces(start, end, days):
            found.take(await self._candles(instrument.kite_id, word, first, last), zoned)
        return found.within(start, end)

    async def instrument_file(self) -> bytes:
        """See `KiteFeed.instrument_file`."""
        reply = await self._ask(lambda kite: kite.instruments())
        if reply.status != 200 or not reply.body.startswith(b"instrument_token,"):
            answered(outcome.content, reply, "instruments")
            raise BrokerError("Kite, instruments: the answer is not the instruments file.")
        return reply.body

    async def renew(self, settings: KiteSettings) -> None:
        """Go on with another token."""
        self._settings = settings
        if self._open:
            await self._lane.renew(settings.token, settings.api_key)

    async def close(self) -> None:
        await self._lane.close()

    async def _candles(self, token: str, word: str, first: Nanos, last: Nanos) -> list[Any]:
        begin, until = _naive(first), _naive(last)
        reply = await self._ask(lambda kite: kite.historical_data(token, begin, until, word))
        data = answered(outcome.content, reply, "past bars")
        rows = data.get("candles") if isinstance(data, dict) else None
        if not isinstance(rows, list):
            raise BrokerError("Kite, past bars: the answer holds no candles.")
        return rows

    async def _ask(self, call: Call) -> Reply:
        if not self._open:
            await self._lane.open()
            self._open = True
        return await self._lane.ask(call)


def _word(interval: Nanos) -> tuple[str, int]:
    if interval not in INTERVALS:
        offered = ", ".join(word for word, _ in INTERVALS.values())
        raise Unsupported(f"Kite has bars of {offered}, not of {interval / MINUTE:g} minutes.")
    return INTERVALS[interval]


def _pieces(start: Nanos, end: Nanos, days: int) -> Iterator[tuple[Nanos, Nanos]]:
    """`[start, end)` in spans that Kite takes, whose last second is included."""
    while start < end:
        until = min(end, start + days * DAY)
        yield start, until - SECOND
        start = until


def _naive(ts: Nanos) -> str:
    return f"{ist(ts):%Y-%m-%d %H:%M:%S}"
