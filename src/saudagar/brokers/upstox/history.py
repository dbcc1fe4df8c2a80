"""Past bars from Upstox, through the SDK's `HistoryV3Api`. Blocking: `UpstoxFeed` calls it in a thread of its own.

Days before today and today come from two places, in pieces of limited length, the newest bar first and with +05:30
times; here they become one list, oldest first, in UTC and paise.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import msgspec

from saudagar.brokers.candles import Candles, zoned
from saudagar.market.ist import ist_day
from saudagar.model import MINUTE, Bar, Instrument, Nanos
from saudagar.model.errors import AuthError, BrokerError, RateLimited, RejectedByBroker, Unsupported

_TIMEOUT = (3, 7)  # seconds; the SDK silently ignores a float
_ERRORS = {401: AuthError, 403: AuthError, 429: RateLimited}

# longest interval in minutes, unit, minutes per unit, days per call (Upstox, historical candle data V3)
_UNITS: tuple[tuple[int, str, int, int], ...] = (
    (15, "minutes", 1, 28),
    (300, "minutes", 1, 89),
    (1440, "days", 1440, 3650),
)


class History:
    """One account's access to past bars. Bad rows are counted in `refusals`."""

    def __init__(self, token: str, host: str | None, refusals: dict[str, int]) -> None:
        self._token, self._host, self._refusals = token, host, refusals
        self._client: Any = None

    def bars(self, instrument: Instrument, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        """See `UpstoxFeed.bars`."""
        unit, count, days = _unit(interval)
        if not instrument.upstox_id:
            raise Unsupported(f"{instrument.id} has no Upstox key.")
        if end <= start:
            return []
        api, key = self._api(), instrument.upstox_id
        found = Candles(instrument, interval, self._refusals)
        for first, last in _pieces(ist_day(start), ist_day(end - 1), days):
            rows = self._rows(api.get_historical_candle_data1, key, unit, count, str(last), str(first))
            found.take(rows, zoned)
        if unit == "minutes":
            found.take(self._rows(api.get_intra_day_candle_data, key, unit, count), zoned)
        return found.within(start, end)

    def close(self) -> None:
        """Give back the SDK's threads."""
        if self._client is not None:
            from saudagar.brokers.upstox.client import close

            close(self._client)

    def renew(self, token: str) -> None:
        """Go on with a new token."""
        self._token = token
        if self._client is not None:
            self._client.configuration.access_token = token

    def _api(self) -> Any:
        import upstox_client

        from saudagar.brokers.upstox.client import api_client

        if self._client is None:
            self._client = api_client(self._token, self._host)
        return upstox_client.HistoryV3Api(self._client)

    def _rows(self, call: Any, *arguments: Any) -> list[list[Any]]:
        from upstox_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        try:
            # the SDK's models refuse values they do not know: read the bytes ourselves
            response = call(*arguments, _preload_content=False, _request_timeout=_TIMEOUT)
            body = msgspec.json.decode(response.data)
            return list(body["data"]["candles"])
        except ApiException as error:
            kind = _ERRORS.get(error.status, RejectedByBroker if 400 <= (error.status or 0) < 500 else BrokerError)
            code, message = _reason(error.body)
            raise kind(f"Upstox refused past bars (HTTP {error.status}): {message}", code=code) from None
        except HTTPError as error:
            raise BrokerError(f"Upstox did not answer for past bars: {type(error).__name__}.") from None
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise BrokerError(f"Upstox's answer for past bars makes no sense: {error!r}.") from None


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


def _reason(body: object) -> tuple[str, str]:
    try:
        error = msgspec.json.decode(body if isinstance(body, bytes) else b"")["errors"][0]
        return str(error.get("errorCode") or ""), str(error.get("message") or "no reason given")
    except (msgspec.DecodeError, KeyError, IndexError, TypeError, AttributeError):
        return "", "no reason given"
