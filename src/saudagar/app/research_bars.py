"""The bars that a backtest or a sweep of the command line trades: from the catalog, or made up for whoever has none."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from saudagar.backtest.data import Market, from_catalog
from saudagar.exchange.synthetic import DEFAULT_DAY
from saudagar.exchange.synthetic_past import past_columns
from saudagar.exchange.universe import listing
from saudagar.indicators import BarArrays
from saudagar.indicators.bars import resample
from saudagar.market.ist import ist_day
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar, session_open
from saudagar.model import Instrument, InstrumentId, InstrumentKind, Nanos, Segment
from saudagar.model.errors import ConfigError, DataError, UnknownInstrument
from saudagar.storage.catalog import Catalog, Span, interval_name
from saudagar.storage.master import load_latest

FIRST_CAPS = (InstrumentId("NSE_EQ:RELIANCE"), InstrumentId("NSE_EQ:HDFCBANK"))
"""Of a made-up history, where no instruments are named."""

FOREVER: Nanos = 1 << 62
_SHARES = (Segment.NSE_EQ, Segment.BSE_EQ)


def tradable(text: str) -> tuple[InstrumentId, ...]:
    """The instruments of a list like ``NSE:RELIANCE,NSE_FNO:…``, each once.

    Raises
    ------
    ConfigError
        An empty name, or something that is not traded, such as an index.
    """
    symbols = [symbol.strip() for symbol in text.split(",")]
    if not all(symbols):
        raise ConfigError(f"--instruments has an empty name: {text!r}.")
    names = tuple(dict.fromkeys(_id(symbol) for symbol in symbols))
    for name in names:
        segment = name.partition(":")[0]
        if segment not in [each.value for each in Segment] or not Segment(segment).tradable:
            raise ConfigError(f"{name} cannot be traded.", hint="Instruments are written NSE:RELIANCE or NSE_FNO:….")
    return names


def _id(symbol: str) -> InstrumentId:
    """``NSE:RELIANCE`` and ``RELIANCE`` are shares."""
    exchange, colon, name = symbol.partition(":")
    if not colon:
        return InstrumentId(f"NSE_EQ:{symbol}")
    return InstrumentId(f"{exchange}_EQ:{name}" if exchange in ("NSE", "BSE") else symbol)


def catalogued(
    directory: Path, masters: Path, names: tuple[InstrumentId, ...], length: Nanos, span: Span, detail: Nanos = 0
) -> Market:
    """What the catalog in `directory` holds of `span`; with `detail` bars of that length, and those they make up.

    Raises
    ------
    DataError
        No bars of an instrument, or no master that tells of a derivative.
    """
    catalog = Catalog(directory)
    try:
        bars = {name: from_catalog(catalog, name, detail or length, span) for name in names}
    finally:
        catalog.close()
    for name, each in bars.items():
        if not len(each):
            raise DataError(
                f"{directory} holds no bars of {name} at {interval_name(detail or length)}{_in(span)}.",
                hint="See: saudagar data list. Without data of your own: --synthetic 7.",
            )
    return _market(bars, length, master_of(masters, bars), Calendar())


def _market(bars: dict[InstrumentId, BarArrays], length: Nanos, instruments: Master, calendar: Calendar) -> Market:
    """Of `bars`, or where they are finer of those of `length` that they make up, with them as detail."""
    coarse = {name: resample(each, length) for name, each in bars.items()}
    detail = {name: each for name, each in bars.items() if each.interval < length}
    return Market(coarse, instruments, calendar, detail)


def synthetic(seed: int, names: tuple[InstrumentId, ...], length: Nanos, span: Span, detail: Nanos = 0) -> Market:
    """Made-up sessions before the demo's day: the ten that the simulated exchange tells, and those of `span` before.

    Raises
    ------
    CalendarError
        `span` begins in a year whose holidays nobody has tabled.
    DataError
        An instrument that it does not list, a length it does not have, or no session in `span`.
    """
    calendar, bars = Calendar(), {}
    first = ist_day(span[0]) if span[0] else DEFAULT_DAY
    for name in names:
        found: dict[str, Any] = dict(past_columns(seed, listing(name), DEFAULT_DAY, calendar, detail or length, first))
        start = found["start"]
        inside = (start >= span[0]) & (start < span[1])
        if not inside.any():
            raise DataError(
                f"the synthetic history has no bars in that time; it ends on {_day(int(start[-1]))}.",
                hint="Say --from and --to before that.",
            )
        columns = {column: values[inside] for column, values in found.items()}
        bars[name] = BarArrays.from_columns(interval=detail or length, session_open=session_open(name), **columns)
    instruments = Master(DEFAULT_DAY, tuple(listing(name).instrument for name in names))
    return _market(bars, length, instruments, calendar)


def master_of(directory: Path, bars: dict[InstrumentId, BarArrays]) -> Master:
    """The instrument master; shares that it lacks get the tick in which all their prices can be counted."""
    master = load_latest(directory) if any(directory.glob("master-*.bin")) else Master(date(1970, 1, 1), ())
    known = {name: master.get(name) for name in bars if name in master}
    if len(known) == len(bars):
        return master
    shares = list(known.values())
    for name, each in bars.items():
        if name in known:
            continue
        segment, _, symbol = name.partition(":")
        if segment not in _SHARES and len(master):
            raise UnknownInstrument(f"the instrument master in {directory} does not hold {name}.")
        if segment not in _SHARES:
            raise DataError(
                f"{name} needs the instrument master, and there is none in {directory}.",
                hint="Make one: saudagar instruments sync.",
            )
        tick = int(np.gcd.reduce(np.concatenate([each.open, each.high, each.low, each.close]).astype(np.int64)))
        shares.append(
            Instrument(segment=Segment(segment), symbol=symbol, kind=InstrumentKind.EQUITY, tick_size=max(tick, 1))
        )
    return Master(master.day, tuple(shares))


def _in(span: Span) -> str:
    return " in that time" if span != (0, FOREVER) else ""


def _day(ts: Nanos) -> str:
    return ist_day(ts).isoformat()
