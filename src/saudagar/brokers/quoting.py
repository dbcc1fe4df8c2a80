"""Where the `QuoteClient`s of Dhan, Upstox and Kite agree: pieces of a long list, contracts of a chain, bad rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TypeVar

from saudagar.model import Instrument, InstrumentKind, OptionChain, OptionQuote, Paise
from saudagar.model.errors import DataError

T = TypeVar("T")


def pieces(things: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """`things` in order, at most so many at a time."""
    for first in range(0, len(things), most):
        yield things[first : first + most]


def options_on(underlying: Instrument, known: Iterable[Instrument]) -> Iterator[Instrument]:
    """The options on `underlying` among the `known`, of its own exchange."""
    name, exchange = underlying.underlying or underlying.symbol, underlying.segment.exchange
    for each in known:
        if each.kind is InstrumentKind.OPTION and each.underlying == name and each.segment.exchange is exchange:
            yield each


def chain(underlying: Instrument, expiry: date, spot: Paise, rows: Iterable[OptionQuote]) -> OptionChain:
    """`rows` by strike and right."""
    ordered = sorted(rows, key=lambda row: (row.strike, row.right))
    return OptionChain(underlying=underlying.id, expiry=expiry, spot=spot, rows=tuple(ordered))


def no_such_expiry(underlying: Instrument, expiry: date, known: Iterable[date]) -> DataError:
    """What to raise where `underlying` has no options of `expiry`."""
    told = ", ".join(map(str, known)) or "none"
    return DataError(f"{underlying.id} has no options that expire on {expiry}; known expiries: {told}.")


@contextmanager
def counted(refusals: dict[str, int], kind: str) -> Iterator[None]:
    """A row that makes no sense is counted and left out."""
    try:
        yield
    except DataError:
        refusals[kind] = refusals.get(kind, 0) + 1
