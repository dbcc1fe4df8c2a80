"""Past bars from Dhan, through the SDK's `intraday_minute_data` and `historical_daily_data`.

Dhan answers in columns, its times are true epoch seconds, a daily request ends before its last day and an intraday one
spans 90 days at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from saudagar.brokers.candles import Candle, Candles
from saudagar.brokers.dhan import outcome, words
from saudagar.brokers.dhan.client import DhanFeedSettings, connect
from saudagar.brokers.governor import Governor, Window
from saudagar.brokers.lane import Lane
from saudagar.brokers.lanes import answered
from saudagar.market.ist import DAY, ist, ist_day, midnight
from saudagar.model import MINUTE, SECOND, Bar, Instrument, Nanos
from saudagar.model.errors import BrokerError, Unsupported

MINUTES = (1, 5, 15, 25, 60)
"""Lengths of intraday bars."""

_INTRADAY_DAYS, _DAILY_DAYS = 90, 3_650  # of one call; the second is ours
_CALLS = (Window(SECOND, 5), Window(DAY, 100_000))
"""Data requests that Dhan allows (dhanhq.co/docs/v2)."""

_PATIENCE = 120.0  # seconds; years of minutes are dozens of calls, and nobody trades on their answer
_NO_DATA = "DH-907"  # "no data present": a span of holidays
_COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")


class History:
    """One account's access to past bars. Bad rows are counted in `refusals`."""

    def __init__(self, settings: DhanFeedSettings, refusals: dict[str, int]) -> None:
        self._settings = settings
        self._refusals = refusals
        self._open = False
        self._lane = Lane(
            "dhan-history",
            lambda: connect(
                self._settings.client_id, self._settings.token, self._settings.rest_url, self._settings.timeout
            ),
            secrets=(settings.token,),
            governor=Governor(_CALLS, share=1.0, patience=_PATIENCE),
        )

    async def bars(self, instrument: Instrument, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        """See `DhanFeed.bars`."""
        minutes, rest = divmod(interval, MINUTE)
        if interval != DAY and (rest or minutes not in MINUTES):
            raise Unsupported(
                f"Dhan has bars of 1, 5, 15, 25 and 60 minutes and of a day, not of {interval / MINUTE:g} minutes."
            )
        if not instrument.dhan_id:
            raise Unsupported(f"{instrument.id} has no Dhan security id.")
        found = Candles(instrument, interval, self._refusals)
        for request in _daily(start, end) if interval == DAY else _intraday(start, end, minutes):
            found.take(zip(*await self._columns(instrument, request), strict=True), _candle)
        return found.within(start, end)

    async def renew(self, settings: DhanFeedSettings) -> None:
        """Go on with another token."""
        self._settings = settings
        if self._open:
            await self._lane.renew(settings.token)

    async def close(self) -> None:
        await self._lane.close()

    async def _columns(self, instrument: Instrument, request: dict[str, Any]) -> list[list[Any]]:
        if not self._open:
            await self._lane.open()
            self._open = True
        what = {
            "security_id": instrument.dhan_id,
            "exchange_segment": words.DATA_SEGMENT[instrument.segment],
            "instrument_type": words.instrument_word(instrument),
        }

        def ask(dhan: Any) -> Any:
            call = dhan.intraday_minute_data if "interval" in request else dhan.historical_daily_data
            return call(**what, **request)

        try:
            body = answered(outcome.content, await self._lane.ask(ask), "past bars")
        except BrokerError as error:
            if error.code == _NO_DATA:
                return [[] for _ in _COLUMNS]
            raise
        columns = [body.get(name) if isinstance(body, dict) else None for name in _COLUMNS]
        lists = [column for column in columns if isinstance(column, list)]
        if len(lists) < len(_COLUMNS) or len({len(column) for column in lists}) > 1:
            raise BrokerError("Dhan, past bars: the answer is not six columns of one length.")
        return lists


def _candle(row: tuple[Any, ...]) -> Candle:
    return int(float(row[0])) * SECOND, row[1:5], int(float(row[5]))


def _intraday(start: Nanos, end: Nanos, minutes: int) -> Iterator[dict[str, Any]]:
    """`[start, end)` in spans that Dhan takes."""
    while start < end:
        until = min(end, start + _INTRADAY_DAYS * DAY)
        yield {"from_date": _text(start), "to_date": _text(until - SECOND), "interval": minutes}
        start = until


def _daily(start: Nanos, end: Nanos) -> Iterator[dict[str, Any]]:
    """The days of `[start, end)`; Dhan leaves out the last day named."""
    while start < end:
        until = min(end, start + _DAILY_DAYS * DAY)
        last = midnight(ist_day(until - 1)) + DAY
        yield {"from_date": str(ist_day(start)), "to_date": str(ist_day(last))}
        start = until


def _text(ts: Nanos) -> str:
    return f"{ist(ts):%Y-%m-%d %H:%M:%S}"
