"""`DhanQuotes`: prices and option chains on request from Dhan.

A thousand instruments to a call and one call a second; an option chain, or its list of expiries, once in three seconds
(dhanhq.co/docs/v2/market-quote, …/option-chain). Chains carry volatility and greeks; where Dhan has none it writes
zeros, which are told as None here. All indices live in its segment ``IDX_I``, whatever their exchange.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from saudagar.brokers.dhan import outcome, words
from saudagar.brokers.dhan.client import DhanFeedSettings, connect
from saudagar.brokers.dhan.parse import count, number, paise
from saudagar.brokers.fields import Row, naive_ist, text
from saudagar.brokers.governor import PATIENCE, Governor, Window
from saudagar.brokers.lane import Call, Lane
from saudagar.brokers.lanes import answered
from saudagar.brokers.quoting import chain, counted, options_on, pieces
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import (
    SECOND,
    Instrument,
    InstrumentId,
    Nanos,
    OptionChain,
    OptionQuote,
    Paise,
    Quote,
    Right,
    to_paise,
)
from saudagar.model.errors import BrokerError, DataError

MOST = 1_000
"""Instruments of one call."""

QUOTE_CALLS = (Window(SECOND, 1),)
CHAIN_CALLS = (Window(3 * SECOND, 1),)
"""Calls that Dhan allows."""

_TOO_MANY = 429
_RIGHTS = {"ce": Right.CALL, "pe": Right.PUT}
_GREEKS = ("delta", "theta", "gamma", "vega")

Contracts = Mapping[tuple[Paise, Right], InstrumentId]


class DhanQuotes:
    """The `QuoteClient` over the official SDK, on a connection of its own.

    Parameters
    ----------
    lookup
        Names the contracts of a chain.
    quote_pace, chain_pace
        What calls must pass. By default Dhan's own limits; at another address, a simulated exchange, nothing.

    Attributes
    ----------
    refusals
        Rows that made no sense, by kind; they are left out.
    """

    def __init__(
        self,
        settings: DhanFeedSettings,
        lookup: InstrumentLookup,
        *,
        quote_pace: Governor | None = None,
        chain_pace: Governor | None = None,
    ) -> None:
        self.refusals: dict[str, int] = Counter()
        self._lookup = lookup
        live = settings.rest_url is None
        self._quote_pace = quote_pace or _pace(QUOTE_CALLS if live else ())
        self._chain_pace = chain_pace or _pace(CHAIN_CALLS if live else ())
        self._lane = Lane(
            "dhan-quotes",
            lambda: connect(settings.client_id, settings.token, settings.rest_url, settings.timeout),
            secrets=(settings.token,),
        )

    async def start(self) -> None:
        """Load the SDK."""
        await self._lane.open()

    async def stop(self) -> None:
        await self._lane.close()

    async def quotes(self, instruments: Sequence[Instrument]) -> dict[InstrumentId, Quote]:
        """In calls of a thousand. What Dhan says nothing of, and what has not traded today, is absent."""
        names = {_key(each): each.id for each in instruments}
        found: dict[InstrumentId, Quote] = {}
        for keys in pieces(list(names), MOST):
            part: dict[str, list[int]] = {}
            for segment, security in keys:
                part.setdefault(segment, []).append(int(security))
            for (segment, security), row in _rows(await self._ask("quotes", self._quote_pace, _quotes(part))):
                if name := names.get((segment, security)):
                    self._keep(found, name, row)
        return found

    async def expiries(self, underlying: Instrument) -> list[date]:
        segment, security = _key(underlying)
        told = await self._ask("expiries", self._chain_pace, lambda dhan: dhan.expiry_list(int(security), segment))
        if not isinstance(told, list):
            raise BrokerError("Dhan, expiries: expected a list of days.")
        try:
            return sorted(date.fromisoformat(str(day)) for day in told)
        except ValueError:
            raise BrokerError(f"Dhan, expiries: {told!r} are no days.") from None

    async def option_chain(self, underlying: Instrument, expiry: date) -> OptionChain:
        """All strikes that Dhan lists, also those that never traded.

        Raises
        ------
        BrokerError
            If Dhan has no options of `expiry`, or its answer is no chain.
        """
        segment, security = _key(underlying)
        told = await self._ask(
            "option chain", self._chain_pace, lambda dhan: dhan.option_chain(int(security), segment, str(expiry))
        )
        strikes = told.get("oc") if isinstance(told, dict) else None
        if not isinstance(strikes, dict):
            raise BrokerError("Dhan, option chain: the answer holds no strikes.")
        listed = [each for each in options_on(underlying, self._lookup) if each.expiry == expiry]
        contracts = {(each.strike, each.right): each.id for each in listed if each.right is not None}
        try:
            rows = [
                option(to_paise(strike), right, sides[word], contracts)
                for strike, sides in strikes.items()
                for word, right in _RIGHTS.items()
                if isinstance(sides, dict) and isinstance(sides.get(word), dict)
            ]
            spot = paise(told.get("last_price"))
        except DataError as error:
            raise BrokerError(f"Dhan, option chain: {error}") from None
        return chain(underlying, expiry, spot, rows)

    async def _ask(self, request: str, pace: Governor, call: Call) -> Any:
        """The ``data`` of the answer."""
        async with pace.turn(urgent=False):
            reply = await self._lane.ask(call)
            if reply.status == _TOO_MANY:
                pace.refused()
        body = answered(outcome.content, reply, request)
        if not isinstance(body, dict) or "data" not in body:
            raise BrokerError(f"Dhan, {request}: the answer holds no data.")
        return body["data"]

    def _keep(self, found: dict[InstrumentId, Quote], name: InstrumentId, row: object) -> None:
        with counted(self.refusals, "bad quote"):
            if not isinstance(row, dict):
                raise DataError("a quote is an object.")
            told = quote(name, row)
            if told.ltp:
                found[name] = told


def quote(name: InstrumentId, row: Row) -> Quote:
    """One instrument of ``/marketfeed/quote``. Raises `DataError`."""
    day = row.get("ohlc")
    if not isinstance(day, dict):
        raise DataError("Dhan gave a quote without the day's prices.")
    ltp, first, high, low, close = (
        paise(value) for value in (row.get("last_price"), *map(day.get, ("open", "high", "low", "close")))
    )
    if min(ltp, first, high, low, close) < 0:
        raise DataError(f"Dhan gave negative prices for {name}.")
    return Quote(
        instrument=name,
        ltp=ltp,
        open=first,
        high=high,
        low=low,
        previous_close=close,
        volume=count(row, "volume"),
        bid=_best(row, "buy"),
        ask=_best(row, "sell"),
        open_interest=count(row, "oi"),
        lower_limit=paise(row.get("lower_circuit_limit")),
        upper_limit=paise(row.get("upper_circuit_limit")),
        ts=_traded(row.get("last_trade_time")),
    )


def option(strike: Paise, right: Right, row: Row, contracts: Contracts) -> OptionQuote:
    """One side of a strike of the chain. Raises `DataError`."""
    told = row.get("greeks")
    greeks = [number(value) for value in map(told.get, _GREEKS)] if isinstance(told, dict) else [0.0] * len(_GREEKS)
    known = any(greeks)
    delta, theta, gamma, vega = (greek if known else None for greek in greeks)
    return OptionQuote(
        strike=strike,
        right=right,
        ltp=paise(row.get("last_price")),
        bid=paise(row.get("top_bid_price")),
        ask=paise(row.get("top_ask_price")),
        volume=count(row, "volume"),
        open_interest=count(row, "oi"),
        iv=number(row.get("implied_volatility")) or None,
        delta=delta,
        theta=theta,
        gamma=gamma,
        vega=vega,
        instrument=contracts.get((strike, right), InstrumentId("")),
    )


def _rows(data: Any) -> list[tuple[tuple[str, str], Any]]:
    if not isinstance(data, dict) or not all(isinstance(part, dict) for part in data.values()):
        raise BrokerError("Dhan, quotes: the answer is not one object a segment.")
    return [((segment, security), row) for segment, part in data.items() for security, row in part.items()]


def _quotes(part: dict[str, list[int]]) -> Call:
    return lambda dhan: dhan.quote_data(part)


def _best(row: Row, side: str) -> Paise:
    """The first level of a side of the book; 0 where it is empty."""
    depth = row.get("depth")
    levels = depth.get(side) if isinstance(depth, dict) else None
    first = levels[0] if isinstance(levels, list) and levels else None
    return paise(first.get("price")) if isinstance(first, dict) else 0


def _traded(value: object) -> Nanos:
    """``20/11/2026 09:15:03``, IST; 1980 means never."""
    try:
        moment = datetime.strptime(text(value), "%d/%m/%Y %H:%M:%S")  # noqa: DTZ007  # `ist` gives it its zone
    except ValueError:
        return 0
    return naive_ist(moment) if moment.year > 1980 else 0


def _key(instrument: Instrument) -> tuple[str, str]:
    if not instrument.dhan_id.isdecimal():
        raise DataError(f"no Dhan security id for {instrument.id}.")
    return words.DATA_SEGMENT[instrument.segment], instrument.dhan_id


def _pace(windows: tuple[Window, ...]) -> Governor:
    return Governor(windows, share=1.0, patience=PATIENCE)
