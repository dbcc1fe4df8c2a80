"""Past bars from Upstox, through the SDK's `HistoryV3Api`.

Days before today and today come from two places, in pieces of limited length, the newest bar first and with +05:30
times; here they become one list, oldest first, in UTC and paise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

from saudagar.brokers.candles import Candles, zoned
from saudagar.brokers.governor import Governor, of_questions
from saudagar.brokers.lanes import answered
from saudagar.brokers.upstox import outcome
from saudagar.brokers.upstox.calls import Asked, Client, via
from saudagar.brokers.upstox.lane import READS, Lane
from saudagar.market.ist import ist_day
from saudagar.model import MINUTE, Bar, Instrument, Nanos
from saudagar.model.errors import BrokerError, Unsupported

_TIMEOUT = (3.0, 7.0)  # seconds
_PATIENCE = 1_860.0  # seconds; years of minutes are thousands of calls, more than Upstox takes in half an hour

# longest interval in minutes, unit, minutes per unit, days per call (Upstox, historical candle data V3)
_UNITS: tuple[tuple[int, str, int, int], ...] = (
    (15, "minutes", 1, 28),
    (300, "minutes", 1, 89),
    (1440, "days", 1440, 3650),
)

Ask = Callable[[Any, Asked], Any]


class History:
    """One account's access to past bars. Bad rows are counted in `refusals`.

    Parameters
    ----------
    governor
        What calls must pass; by default Upstox's own limits, and at another address, a simulated exchange, nothing.
    """

    def __init__(
        self, token: str, host: str | None, refusals: dict[str, int], *, governor: Governor | None = None
    ) -> None:
        governor = governor or of_questions(host, READS, _PATIENCE)
        self._client = Client(token, host)
        self._lane = Lane("upstox-history", self._client, timeout=_TIMEOUT, secrets=(token,), governor=governor)
        self._refusals = refusals
        self._open = False

    async def bars(self, instrument: Instrument, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        """See `UpstoxFeed.bars`."""
        unit, count, days = _unit(interval)
        if not instrument.upstox_id:
            raise Unsupported(f"{instrument.id} has no Upstox key.")
        if end <= start:
            return []
        key, found = instrument.upstox_id, Candles(instrument, interval, self._refusals)
        for first, last in _pieces(ist_day(start), ist_day(end - 1), days):
            found.take(await self._rows(_past(key, unit, count, str(last), str(first))), zoned)
        if unit == "minutes":
            today = await self._rows(lambda api, asked: api.get_intra_day_candle_data(key, unit, count, **asked))
            found.take(today, zoned)
        return found.within(start, end)

    async def renew(self, token: str) -> None:
        """Go on with another token."""
        self._client.token = token
        if self._open:
            await self._lane.renew(token)

    async def close(self) -> None:
        """Give back the SDK's threads."""
        await self._lane.close()
        await self._client.close()

    async def _rows(self, ask: Ask) -> list[Any]:
        if not self._open:
            await self._lane.open()
            self._open = True
        data = answered(outcome.content, await self._lane.ask(via("HistoryV3Api", ask)), "past bars")
        rows = data.get("candles") if isinstance(data, dict) else None
        if not isinstance(rows, list):
            raise BrokerError("Upstox, past bars: the answer holds no candles.")
        return rows


def _past(*what: Any) -> Ask:
    return lambda api, asked: api.get_historical_candle_data1(*what, **asked)


def _unit(interval: Nanos) -> tuple[str, int, int]:
    minutes, rest = divmod(interval, MINUTE)
    for longest, unit, size, days in _UNITS:
        if not rest and 0 < minutes <= longest and minutes % size == 0:
            return unit, minutes // size, days
    raise Unsupported(f"Upstox has bars of 1 to 300 minutes and of a day, not of {interval / MINUTE:g} minutes.")


def _pieces(first: date, last: date, days: int) -> Iterator[tuple[date, date]]:
    while first <= last:
        until = min(last, first + timedelta(days=days - 1))
        yield first, until
        first = until + timedelta(days=1)
