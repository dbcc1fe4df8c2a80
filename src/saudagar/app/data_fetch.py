"""Fills the catalog from a broker, piece by piece, so that a run that was stopped goes on where it was.

A piece is a month of short bars, or all of the days at once; the broker's own limits per call are its adapter's
business. Each piece is on disk before the next is asked for. Called by `saudagar data fetch`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import timedelta
from typing import Protocol

import msgspec

from saudagar.market.ist import DAY, ist_day, midnight
from saudagar.model import Bar, Instrument, Nanos
from saudagar.model.errors import AuthError, BrokerError, RateLimited
from saudagar.storage.catalog import Catalog, Span

TRIES = 6
"""How often a broker that asks us to slow down is asked again, waiting 1, 2, 4 … seconds."""


class History(Protocol):
    """The part of a `DataClient` that gives past bars."""

    async def bars(self, instrument: Instrument, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]: ...


class Piece(msgspec.Struct, frozen=True):
    instrument: Instrument
    interval: Nanos
    span: Span


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one piece; `trouble` is empty if it is on disk."""

    piece: Piece
    bars: int = 0
    trouble: str = ""


def plan(
    catalog: Catalog,
    instruments: Iterable[Instrument],
    interval: Nanos,
    span: Span,
    now: Nanos,
    *,
    again: bool = False,
) -> list[Piece]:
    """What has to be asked for, oldest first within each instrument.

    Parameters
    ----------
    now
        Nothing after it is asked for; the day's bar not before the day is over. UTC ns.
    again
        Ask for all of `span`, though it is there.
    """
    latest = midnight(ist_day(now)) if interval >= DAY else now
    start, end = span[0], min(span[1], latest)
    if start >= end:
        return []
    return [
        Piece(instrument, interval, part)
        for instrument in instruments
        for missing in ([(start, end)] if again else catalog.missing(instrument.id, interval, (start, end)))
        for part in ([missing] if interval >= DAY else _by_month(missing))
    ]


async def fetch(
    history: History,
    catalog: Catalog,
    pieces: Iterable[Piece],
    now: Nanos,
    *,
    source: str,
    done: Callable[[Outcome], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Ask for `pieces` one after the other, keep each at once, and tell `done`.

    A piece that fails is told and the next is tried.

    Raises
    ------
    AuthError
        The token is refused: nothing more would come.
    """
    for piece in pieces:
        try:
            bars = await _patiently(history, piece, sleep)
        except AuthError:
            raise
        except BrokerError as error:
            done(Outcome(piece=piece, trouble=str(error)))
            continue
        covered = _covered(piece.span, bars, now)
        if covered[0] < covered[1]:
            inside = [bar for bar in bars if covered[0] <= bar.start < covered[1]]
            catalog.add(piece.instrument.id, piece.interval, inside, covered, source=source)
        done(Outcome(piece=piece, bars=len(bars)))


async def _patiently(history: History, piece: Piece, sleep: Callable[[float], Awaitable[None]]) -> list[Bar]:
    for attempt in range(TRIES - 1):
        try:
            return await history.bars(piece.instrument, piece.interval, *piece.span)
        except RateLimited:
            await sleep(2.0**attempt)
    return await history.bars(piece.instrument, piece.interval, *piece.span)


def _covered(span: Span, bars: list[Bar], now: Nanos) -> Span:
    """Of a day that still runs only what the closed bars cover: the next one must be asked for later."""
    today = midnight(ist_day(now))
    if span[1] <= today:
        return span
    return span[0], max(span[0], min(today, span[1]), *(min(bar.end, span[1]) for bar in bars))


def _by_month(span: Span) -> Iterator[Span]:
    start, end = span
    while start < end:
        month = ist_day(start).replace(day=1)
        until = min(end, midnight((month + timedelta(days=31)).replace(day=1)))
        yield start, until
        start = until
