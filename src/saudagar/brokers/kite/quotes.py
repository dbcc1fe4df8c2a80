"""`KiteQuotes`: prices on request from Kite, and option chains put together from them.

Kite has no option chain: expiries and contracts come from the instrument master, their prices from ``/quote``, 500
instruments to a call and one call a second (kite.trade/docs/connect/v3/market-quotes, kite.trade/forum 2760). It gives
no volatility and no greeks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

from saudagar.brokers import checks
from saudagar.brokers.fields import Row, naive_ist, part
from saudagar.brokers.governor import Governor, Window, of_questions
from saudagar.brokers.kite import outcome, words
from saudagar.brokers.kite.client import KiteLookup, KiteSettings, connect
from saudagar.brokers.kite.fields import count, paise
from saudagar.brokers.lane import Lane
from saudagar.brokers.lanes import Reads
from saudagar.brokers.quoting import chain, counted, no_such_expiry, options_on, pieces
from saudagar.model import (
    SECOND,
    Instrument,
    InstrumentId,
    OptionChain,
    OptionQuote,
    Paise,
    Quote,
)
from saudagar.model.errors import BrokerError, DataError

MOST = 500
"""Instruments of one call."""

CALLS = (Window(SECOND, 1),)
"""Calls that Kite allows."""


class KiteQuotes:
    """The `QuoteClient` over the official SDK, on a connection of its own.

    Parameters
    ----------
    lookup
        The instrument master: the only source of expiries and strikes.
    governor
        What calls must pass. By default Kite's own limit; at another address, a simulated exchange, nothing.

    Attributes
    ----------
    refusals
        Rows that made no sense, by kind; they are left out.
    """

    def __init__(self, settings: KiteSettings, lookup: KiteLookup, *, governor: Governor | None = None) -> None:
        self.refusals: dict[str, int] = Counter()
        self._lookup = lookup
        lane = Lane(
            "kite-quotes",
            lambda: connect(settings),
            secrets=(settings.token, settings.api_key),
            governor=governor or of_questions(settings.rest_url, CALLS),
        )
        self._reads = Reads("Kite", lane, outcome.content, lookup)

    async def start(self) -> None:
        """Load the SDK."""
        await self._reads.open()

    async def stop(self) -> None:
        await self._reads.close()

    async def quotes(self, instruments: Sequence[Instrument]) -> dict[InstrumentId, Quote]:
        """In calls of 500. What Kite says nothing of, and what has never traded, is absent."""
        found = await self._ask(instruments)
        return {name: quote for name, quote in found.items() if quote.ltp}

    async def expiries(self, underlying: Instrument) -> list[date]:
        """From the instrument master of today."""
        return sorted({each.expiry for each in options_on(underlying, self._lookup) if each.expiry})

    async def option_chain(self, underlying: Instrument, expiry: date) -> OptionChain:
        """Every contract of the master, at Kite's prices; a price of 0 is one that Kite did not tell.

        Raises
        ------
        DataError
            If the master has no options of `expiry`; the message names those it has.
        BrokerError
            Also if there is no price of the underlying.
        """
        contracts = [each for each in options_on(underlying, self._lookup) if each.expiry == expiry]
        if not contracts:
            raise no_such_expiry(underlying, expiry, await self.expiries(underlying))
        quotes = await self._ask([underlying, *contracts])
        if underlying.id not in quotes:
            raise BrokerError(f"Kite, quotes: no price of {underlying.id}.")
        rows = [_option(each, quotes.get(each.id)) for each in contracts]
        return chain(underlying, expiry, quotes[underlying.id].ltp, rows)

    async def _ask(self, instruments: Sequence[Instrument]) -> dict[InstrumentId, Quote]:
        names = {_name(each): each for each in instruments}
        found = {}
        for some in pieces(list(names), MOST):
            for name, row in (await self._rows(some)).items():
                with counted(self.refusals, "bad quote"):
                    if name not in names or not isinstance(row, dict):
                        raise DataError("not a quote of anything that was asked for")
                    found[names[name].id] = quote(names[name], row)
        return found

    async def _rows(self, names: Sequence[str]) -> dict[str, Any]:
        body = await self._reads.read("quotes", lambda kite: kite.quote(names))
        if not isinstance(body, dict):
            raise BrokerError("Kite, quotes: expected an object.")
        return body


def quote(instrument: Instrument, row: Row) -> Quote:
    """One instrument of an answer. Volume and open interest are counted as in Kite's feed.

    Raises
    ------
    DataError
        If it is none, or tells a negative price.
    """
    day = part(row, "ohlc")
    found = Quote(
        instrument=instrument.id,
        ltp=paise(row.get("last_price")),
        open=paise(day.get("open")),
        high=paise(day.get("high")),
        low=paise(day.get("low")),
        previous_close=paise(day.get("close")),
        volume=count(row, "volume"),
        bid=_best(row, "buy"),
        ask=_best(row, "sell"),
        open_interest=count(row, "oi"),
        lower_limit=paise(row.get("lower_circuit_limit")),
        upper_limit=paise(row.get("upper_circuit_limit")),
        ts=naive_ist(row.get("last_trade_time")),
    )
    if min(found.ltp, found.open, found.high, found.low, found.previous_close, found.bid, found.ask) < 0:
        raise DataError(f"Kite gave a negative price of {instrument.id}.")
    return found


def _best(row: Row, side: str) -> Paise:
    levels = part(row, "depth").get(side)
    best = levels[0] if isinstance(levels, list) and levels else {}
    return paise(best.get("price")) if isinstance(best, dict) else 0


def _option(contract: Instrument, told: Quote | None) -> OptionQuote:
    assert contract.right is not None, "an option has one"
    return OptionQuote(
        strike=contract.strike,
        right=contract.right,
        ltp=told.ltp if told else 0,
        bid=told.bid if told else 0,
        ask=told.ask if told else 0,
        volume=told.volume if told else 0,
        open_interest=told.open_interest if told else 0,
        instrument=contract.id,
    )


def _name(instrument: Instrument) -> str:
    return f"{words.QUOTED[instrument.segment]}:{checks.named(instrument, instrument.kite_symbol, 'Kite symbol')}"
