"""The bars that a backtest or a sweep of the command line trades: from the catalog, or made up for whoever has none."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np

from saudagar.backtest.data import Market, from_catalog
from saudagar.exchange.market_feed import check_interval
from saudagar.exchange.synthetic import DEFAULT_DAY
from saudagar.exchange.synthetic_history import past_bars
from saudagar.exchange.universe import listing
from saudagar.indicators import BarArrays, bar_arrays
from saudagar.market.ist import ist_day
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
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


def catalogued(directory: Path, masters: Path, names: tuple[InstrumentId, ...], length: Nanos, span: Span) -> Market:
    """What the catalog in `directory` holds of `span`.

    Raises
    ------
    DataError
        No bars of an instrument, or no master that tells of a derivative.
    """
    catalog = Catalog(directory)
    try:
        bars = {name: from_catalog(catalog, name, length, span) for name in names}
    finally:
        catalog.close()
    for name, each in bars.items():
        if not len(each):
            raise DataError(
                f"{directory} holds no bars of {name} at {interval_name(length)}{_in(span)}.",
                hint="See: saudagar data list. Without data of your own: --synthetic 7.",
            )
    return Market(bars, master_of(masters, bars), Calendar())


def synthetic(seed: int, names: tuple[InstrumentId, ...], length: Nanos, span: Span) -> Market:
    """The ten made-up sessions before the demo's day, as the simulated exchange tells them.

    Raises
    ------
    DataError
        An instrument that it does not list, a length it does not have, or no session in `span`.
    """
    check_interval(length)
    calendar, bars = Calendar(), {}
    for name in names:
        found = past_bars(seed, listing(name), DEFAULT_DAY, calendar, length)
        inside = [bar for bar in found if span[0] <= bar.start < span[1]]
        if not inside:
            raise DataError(
                f"the synthetic history has no bars in that time; it runs from {_day(found[0].start)} "
                f"to {_day(found[-1].start)}."
            )
        bars[name] = bar_arrays(inside)
    return Market(bars, Master(DEFAULT_DAY, tuple(listing(name).instrument for name in names)), calendar)


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
