"""The instrument master: every instrument of one day, found by our id, by each broker's, or by what a person types.

Immutable; a new day is a new `Master`. Implements `execution.ports.InstrumentLookup`. Built by `merge`, kept on disk
by `saudagar.storage.master`, asked by everyone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from difflib import get_close_matches
from functools import cached_property
from heapq import nsmallest

import msgspec

from saudagar.market.master.indices import index_symbol
from saudagar.model import Exchange, Instrument, InstrumentId, InstrumentKind, Right, Segment
from saudagar.model.errors import DataError, UnknownInstrument

_SEARCH_ORDER = (
    Segment.NSE_EQ,
    Segment.NSE_INDEX,
    Segment.BSE_INDEX,
    Segment.BSE_EQ,
    Segment.NSE_FNO,
    Segment.BSE_FNO,
    Segment.MCX_COMM,
)
_SEARCHED: dict[str, tuple[Segment, ...]] = {
    **{exchange.value: tuple(s for s in _SEARCH_ORDER if s.exchange is exchange) for exchange in Exchange},
    **{segment.value: (segment,) for segment in Segment},
}  # what NSE or NSE_EQ before the colon may mean
_DERIVATIVES = (Segment.NSE_FNO, Segment.BSE_FNO, Segment.MCX_COMM)


class Conflict(msgspec.Struct, frozen=True):
    """The brokers disagree about an instrument: it must not be traded until they agree again."""

    instrument: InstrumentId
    field: str  # symbol, isin, token, tick_size, lot_size; id where one broker lists it twice
    detail: str  # who says what


class Master:
    """The instruments of one day.

    Parameters
    ----------
    day
        The day the table was made for.
    instruments
        Every instrument once.
    conflicts
        What the brokers disagree about.
    refused
        Per broker, how many rows of its file were left out, by reason.
    """

    def __init__(
        self,
        day: date,
        instruments: tuple[Instrument, ...],
        conflicts: tuple[Conflict, ...] = (),
        refused: Mapping[str, Mapping[str, int]] | None = None,
    ) -> None:
        self.day = day
        self.conflicts = conflicts
        self.refused = {broker: dict(counts) for broker, counts in (refused or {}).items()}
        self._by_id = {instrument.id: instrument for instrument in instruments}
        if len(self._by_id) != len(instruments):
            twice = [name for name, count in Counter(i.id for i in instruments).items() if count > 1]
            raise DataError(f"the instrument master holds {twice[0]} twice.")
        self._in_conflict: dict[InstrumentId, list[Conflict]] = {}
        for conflict in conflicts:
            self._in_conflict.setdefault(conflict.instrument, []).append(conflict)

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, instrument: object) -> bool:
        return instrument in self._by_id

    def age(self, today: date) -> int:
        """Days since the table was made; 0 means it is of `today`."""
        return (today - self.day).days

    @cached_property
    def counts(self) -> dict[Segment, int]:
        """Rows per segment."""
        return dict(Counter(instrument.segment for instrument in self))

    # By id ----------------------------------------------------------------------------------------------------

    def get(self, instrument: InstrumentId) -> Instrument:
        """The instrument of our id, also one in conflict.

        Raises
        ------
        UnknownInstrument
            If the master does not hold it; the message names the nearest.
        """
        try:
            return self._by_id[instrument]
        except KeyError:
            raise self._unknown(instrument) from None

    def by_dhan(self, segment: str, security_id: str) -> Instrument | None:
        """By Dhan's exchange segment (``NSE_EQ``, ``IDX_I``, …) and security id, which is unique only within it."""
        return self._dhan.get(segment, {}).get(security_id)

    def by_upstox(self, instrument_key: str) -> Instrument | None:
        """By Upstox's instrument key, e.g. ``NSE_EQ|INE002A01018``."""
        return self._upstox.get(instrument_key)

    def by_kite(self, token: int | str) -> Instrument | None:
        """By Kite's instrument token."""
        return self._kite.get(str(token))

    @cached_property
    def _dhan(self) -> dict[str, dict[str, Instrument]]:
        table: dict[str, dict[str, Instrument]] = {}
        for instrument in self:
            if instrument.dhan_id:
                segment = instrument.segment.value if instrument.segment.tradable else "IDX_I"
                table.setdefault(segment, {})[instrument.dhan_id] = instrument
        return table

    @cached_property
    def _upstox(self) -> dict[str, Instrument]:
        return {instrument.upstox_id: instrument for instrument in self if instrument.upstox_id}

    @cached_property
    def _kite(self) -> dict[str, Instrument]:
        return {instrument.kite_id: instrument for instrument in self if instrument.kite_id}

    # May it be traded? ----------------------------------------------------------------------------------------

    def conflicts_of(self, instrument: InstrumentId) -> tuple[Conflict, ...]:
        """What the brokers disagree about; empty means that it may be traded."""
        return tuple(self._in_conflict.get(instrument, ()))

    def check_tradable(self, instrument: InstrumentId) -> Instrument:
        """The instrument, if the brokers agree about it.

        Raises
        ------
        UnknownInstrument
            If the master does not hold it.
        DataError
            If it is in conflict.
        """
        found = self.get(instrument)
        conflicts = self.conflicts_of(instrument)
        if conflicts:
            said = "; ".join(f"{conflict.field}: {conflict.detail}" for conflict in conflicts)
            raise DataError(
                f"{instrument} is not tradable: the brokers' instrument files disagree ({said}).",
                hint="Sync the instruments again with files of the same day.",
            )
        return found

    # By what a person types -----------------------------------------------------------------------------------

    def resolve(self, text: str, *, conflicts: bool = False) -> Instrument:
        """The instrument meant by ``RELIANCE``, ``NSE:RELIANCE``, ``NIFTY 50`` or a whole id.

        A bare name means the NSE share, else the index, else the BSE share, else the contract of that symbol.

        Parameters
        ----------
        conflicts
            Also an instrument that the brokers disagree about, to look at it.

        Raises
        ------
        UnknownInstrument
            If there is none; the message names the nearest.
        DataError
            If the brokers disagree about it.
        """
        prefix, colon, rest = text.strip().upper().rpartition(":")
        for segment in _SEARCHED.get(prefix, ()) if colon else _SEARCH_ORDER:
            symbol = rest.strip() if segment.tradable else index_symbol(rest)
            instrument = InstrumentId(f"{segment.value}:{symbol}")
            if instrument in self._by_id:
                return self.get(instrument) if conflicts else self.check_tradable(instrument)
        raise self._unknown(text)

    def find(self, text: str, limit: int = 10) -> list[Instrument]:
        """The instruments whose symbol, name, ISIN or Kite symbol hold every word of `text`, best first.

        If none does, those with the nearest symbols.
        """
        words = text.upper().split()
        if not words:
            return []
        hits = [instrument for instrument in self if all(word in _haystack(instrument) for word in words)]
        if not hits:
            near = self._nearest(text, limit)
            hits = [instrument for instrument in self if instrument.symbol in near]
        return nsmallest(limit, hits, key=lambda instrument: _rank(instrument, words[0], " ".join(words)))

    def _unknown(self, text: str) -> UnknownInstrument:
        near = self._nearest(text.rpartition(":")[2], 3)
        hint = f"Did you mean {' or '.join(near)}?" if near else "Find it with: saudagar instruments find TEXT"
        return UnknownInstrument(f"the instrument master of {self.day} does not hold {text!r}.", hint=hint)

    def _nearest(self, text: str, limit: int) -> list[str]:
        name = text.strip().upper()
        plausible = (
            symbol
            for symbol in self._names
            if abs(len(symbol) - len(name)) <= 2 and (symbol[:1] == name[:1] or symbol[-1:] == name[-1:])
        )
        return get_close_matches(name, plausible, n=limit) if limit > 0 else []

    @cached_property
    def _names(self) -> list[str]:
        return sorted({instrument.underlying or instrument.symbol for instrument in self})

    # Derivatives ----------------------------------------------------------------------------------------------

    def contracts(
        self, underlying: str, expiry: date, right: Right | None = None, exchange: Exchange | None = None
    ) -> tuple[Instrument, ...]:
        """The options of one expiry, by strike; calls and puts in turn if `right` is None.

        `exchange` matters for stocks with derivatives on both; by default NSE, then BSE, then MCX.
        """
        options = self._series(underlying, InstrumentKind.OPTION, exchange).get(expiry, [])
        return tuple(option for option in options if right is None or option.right is right)

    def futures(self, underlying: str, exchange: Exchange | None = None) -> tuple[Instrument, ...]:
        """The futures, nearest expiry first."""
        series = self._series(underlying, InstrumentKind.FUTURE, exchange)
        return tuple(future for futures in series.values() for future in futures)

    def expiries(
        self, underlying: str, kind: InstrumentKind = InstrumentKind.OPTION, exchange: Exchange | None = None
    ) -> tuple[date, ...]:
        """The expiry days that are listed, nearest first; empty for what has no derivatives."""
        return tuple(self._series(underlying, kind, exchange))

    def _series(self, underlying: str, kind: InstrumentKind, exchange: Exchange | None) -> dict[date, list[Instrument]]:
        for segment in _DERIVATIVES:
            if exchange is None or segment.exchange is exchange:
                found = self._derivatives.get((segment, underlying.upper(), kind))
                if found:
                    return found
        return {}

    @cached_property
    def _derivatives(self) -> dict[tuple[Segment, str, InstrumentKind], dict[date, list[Instrument]]]:
        table: dict[tuple[Segment, str, InstrumentKind], dict[date, list[Instrument]]] = {}
        listed = [(instrument.expiry, instrument) for instrument in self if instrument.expiry is not None]
        listed.sort(key=lambda item: (item[0], item[1].strike, item[1].symbol))
        for expiry, instrument in listed:
            key = (instrument.segment, instrument.underlying, instrument.kind)
            table.setdefault(key, {}).setdefault(expiry, []).append(instrument)
        return table


def _haystack(instrument: Instrument) -> str:
    return f"{instrument.symbol} {instrument.name} {instrument.isin} {instrument.kite_symbol}".upper()


def _rank(instrument: Instrument, first: str, whole: str) -> tuple[bool, bool, int, date, int, str]:
    return (
        instrument.symbol != whole,
        not instrument.symbol.startswith(first),
        _SEARCH_ORDER.index(instrument.segment),
        instrument.expiry or date.min,
        len(instrument.symbol),
        instrument.symbol,
    )
