"""`UpstoxQuotes`: prices on request from Upstox, and its option chains with their greeks.

Through the SDK's `MarketQuoteV3Api` and `OptionsApi`, on a lane of their own. Upstox takes 500 instruments in a call;
their keys alone would make a request line of 12 kB, more than gateways commonly take (8 kB), so half of them go at a
time. Its option chain does not cover MCX (Upstox, "Put/Call Option Chain").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from saudagar.brokers import checks
from saudagar.brokers.fields import Row, text
from saudagar.brokers.governor import Governor, of_questions
from saudagar.brokers.lanes import Reads
from saudagar.brokers.quoting import chain, counted, no_such_expiry, pieces
from saudagar.brokers.upstox import outcome, parse
from saudagar.brokers.upstox.broker import UpstoxOrderSettings
from saudagar.brokers.upstox.calls import Client, via
from saudagar.brokers.upstox.lane import READS, Lane
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import (
    Exchange,
    Instrument,
    InstrumentId,
    Nanos,
    OptionChain,
    OptionQuote,
    Paise,
    Quote,
    Right,
)
from saudagar.model.errors import BrokerError, DataError, Unsupported

MOST = 250
"""Instruments of one call."""

_MS: Nanos = 1_000_000
_LATEST = 4_102_444_800_000  # 2100-01-01 in ms
_SIDES = (("call_options", Right.CALL), ("put_options", Right.PUT))


class UpstoxQuotes:
    """The `QuoteClient` over the official SDK.

    Parameters
    ----------
    lookup
        Puts names on the contracts of a chain.
    governor
        What calls must pass; by default Upstox's own limits, and at another address, a simulated exchange, nothing.

    Attributes
    ----------
    refusals
        Rows that made no sense, by kind; they are left out.
    """

    def __init__(
        self, settings: UpstoxOrderSettings, lookup: InstrumentLookup, *, governor: Governor | None = None
    ) -> None:
        self.refusals: dict[str, int] = Counter()
        self._lookup = lookup
        self._client = Client(settings.token, settings.rest_host)
        lane = Lane(
            "upstox-quotes",
            self._client,
            timeout=settings.timeout,
            secrets=(settings.token,),
            governor=governor or of_questions(settings.rest_host, READS),
        )
        self._reads = Reads("Upstox", lane, outcome.content, lookup)

    async def start(self) -> None:
        """Load the SDK."""
        await self._reads.open()

    async def stop(self) -> None:
        await self._reads.close()
        await self._client.close()

    async def quotes(self, instruments: Sequence[Instrument]) -> dict[InstrumentId, Quote]:
        """What Upstox says nothing of, and what has never traded, is absent."""
        keys = {_key(each): each for each in instruments}
        batches = [await self._batch(",".join(names)) for names in pieces(list(keys), MOST)]
        found = [quote for rows in batches for quote in self._known(rows, keys)]
        return {quote.instrument: quote for quote in found if quote.ltp}

    async def expiries(self, underlying: Instrument) -> list[date]:
        key = _key(underlying)
        rows = await self._reads.rows(
            "option contracts", via("OptionsApi", lambda api, given: api.get_option_contracts(key, **given))
        )
        return sorted({self._reads.parsed(_expiry, row) for row in rows})

    async def option_chain(self, underlying: Instrument, expiry: date) -> OptionChain:
        """With volatility and greeks where Upstox could solve for them.

        Raises
        ------
        Unsupported
            For an underlying on MCX.
        DataError
            If there are no options of `expiry`; the message names those there are.
        """
        if underlying.segment.exchange is Exchange.MCX:
            raise Unsupported("Upstox has no option chain of MCX.", hint="Ask for the contracts' quotes.")
        key = _key(underlying)
        rows = await self._reads.rows(
            "option chain",
            via("OptionsApi", lambda api, given: api.get_put_call_option_chain(key, str(expiry), **given)),
        )
        if not rows:
            raise no_such_expiry(underlying, expiry, await self.expiries(underlying))
        spot = parse.paise(rows[0].get("underlying_spot_price"))
        options = [option for row in rows for option in self._options(row)]
        return chain(underlying, expiry, spot, options)

    async def _batch(self, keys: str) -> dict[str, Any]:
        rows = await self._reads.read(
            "quotes",
            via("MarketQuoteV3Api", lambda api, given: api.get_full_market_quote_v3(instrument_key=keys, **given)),
        )
        if not isinstance(rows, dict):
            raise BrokerError("Upstox, quotes: expected an object.")
        return rows

    def _known(self, rows: dict[str, Any], keys: dict[str, Instrument]) -> Iterator[Quote]:
        for row in rows.values():
            with counted(self.refusals, "bad quote"):
                asked = keys.get(text(row.get("instrument_token"))) if isinstance(row, dict) else None
                if asked is None:
                    raise DataError("not a quote of anything that was asked for")
                yield quote(asked, row)

    def _options(self, row: dict[str, Any]) -> Iterator[OptionQuote]:
        for side, right in _SIDES:
            if row.get(side) is None:  # a strike may have one of the two only
                continue
            with counted(self.refusals, "bad option"):
                yield option(row, side, right, self._lookup)


def quote(instrument: Instrument, row: Row) -> Quote:
    """One instrument of an answer; the rows are keyed by symbol there, and told apart by `instrument_token`.

    Raises
    ------
    DataError
        If it is none, or tells a negative price.
    """
    day, depth = _part(row, "ohlc"), _part(row, "depth")
    return Quote(
        instrument=instrument.id,
        ltp=_price(row.get("last_price")),
        open=_price(day.get("open")),
        high=_price(day.get("high")),
        low=_price(day.get("low")),
        previous_close=_price(row.get("prev_close_price")),
        volume=parse.count(row, "volume"),
        bid=_best(depth.get("buy")),
        ask=_best(depth.get("sell")),
        open_interest=parse.count(row, "oi"),
        lower_limit=_price(row.get("lower_circuit_limit")),
        upper_limit=_price(row.get("upper_circuit_limit")),
        ts=_moment(row.get("last_trade_time")),
    )


def option(row: Row, side: str, right: Right, lookup: InstrumentLookup) -> OptionQuote:
    """One side of one strike of a chain. Upstox writes zeros where it could not solve for the volatility.

    Raises
    ------
    DataError
        If it is none.
    """
    half = _part(row, side)
    market, model = _part(half, "market_data"), _part(half, "option_greeks")
    strike = _price(row.get("strike_price"))
    if not strike:
        raise DataError("Upstox gave an option without a strike.")
    known = lookup.by_upstox(text(half.get("instrument_key")))
    solved = bool(model.get("iv"))

    def greek(name: str) -> float | None:
        value = model.get(name)
        return float(value) if solved and isinstance(value, (int, float)) else None

    return OptionQuote(
        strike=strike,
        right=right,
        ltp=_price(market.get("ltp")),
        bid=_price(market.get("bid_price")),
        ask=_price(market.get("ask_price")),
        volume=parse.count(market, "volume"),
        open_interest=parse.count(market, "oi"),
        iv=greek("iv"),
        delta=greek("delta"),
        theta=greek("theta"),
        gamma=greek("gamma"),
        vega=greek("vega"),
        instrument=known.id if known is not None else InstrumentId(""),
    )


def _key(instrument: Instrument) -> str:
    return checks.named(instrument, instrument.upstox_id, "Upstox key")


def _expiry(row: Row, _: InstrumentLookup) -> date:
    try:
        return date.fromisoformat(str(row.get("expiry"))[:10])
    except ValueError:
        raise DataError(f"Upstox gave {row.get('expiry')!r} for an expiry.") from None


def _part(row: Row, name: str) -> Row:
    found = row.get(name) or {}
    if not isinstance(found, dict):
        raise DataError(f"Upstox gave {type(found).__name__} for {name}.")
    return found


def _price(value: object) -> Paise:
    price = parse.paise(value)
    if price < 0:
        raise DataError(f"Upstox gave {value!r} for a price.")
    return price


def _best(levels: object) -> Paise:
    first = levels[0] if isinstance(levels, list) and levels else {}
    return _price(first.get("price")) if isinstance(first, dict) and first.get("quantity") else 0


def _moment(value: object) -> Nanos:
    """Milliseconds as text; 0 where there are none."""
    told = text(value)
    return int(told) * _MS if told.isdecimal() and int(told) < _LATEST else 0
