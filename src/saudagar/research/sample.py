"""A made-up market to try strategies on: seeded minutes of large caps, the same everywhere and without any download.

Used by `saudagar strategy check`, the golden runs of the built-in strategies and the tutorial. It has trends, quiet
spells and bursts of volume, but nobody's money moves it: profit on it says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from saudagar.exchange.synthetic import DEFAULT_DAY
from saudagar.exchange.synthetic_history import past_bars
from saudagar.exchange.universe import listing, universe
from saudagar.indicators import BarArrays, bar_arrays
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, Instrument, InstrumentId, InstrumentKind, Nanos, Segment
from saudagar.model.errors import DataError
from saudagar.storage.catalog import Catalog, interval_of

_END: Nanos = 1 << 62
_SHARES = (Segment.NSE_EQ, Segment.BSE_EQ)
_COLUMNS = ("start", "end", "open", "high", "low", "close", "volume")


class Sample(msgspec.Struct, frozen=True):
    """Bars with what is needed to trade them."""

    bars: dict[InstrumentId, BarArrays]
    instruments: Master
    calendar: Calendar

    @property
    def interval(self) -> Nanos:
        return next(iter(self.bars.values())).interval

    def instrument(self, name: InstrumentId) -> Instrument:
        return self.instruments.get(name)


def synthetic_sample(seed: int = 1, count: int = 2, interval: Nanos = MINUTE) -> Sample:
    """Ten sessions of `count` large caps in bars of `interval` ns; the same seed gives the same bars, bit by bit."""
    calendar, chosen = Calendar(), universe(count + 1)[1:]
    bars = {each.id: bar_arrays(past_bars(seed, listing(each.id), DEFAULT_DAY, calendar, interval)) for each in chosen}
    return Sample(bars, Master(DEFAULT_DAY, chosen), calendar)


def catalog_sample(directory: Path, symbols: Sequence[str], interval: str) -> Sample:
    """The bars of `symbols` (shares, like ``NSE_EQ:RELIANCE``) that the catalog under `directory` holds.

    The catalog knows bars, not masters: the tick is the greatest step in which all the prices can be counted.

    Raises
    ------
    DataError
        A symbol is no share, or the catalog has no bars of it at that interval.
    """
    length, catalog = interval_of(interval), Catalog(directory)
    bars: dict[InstrumentId, BarArrays] = {}
    shares: list[Instrument] = []
    try:
        for symbol in dict.fromkeys(symbols):
            name = InstrumentId(symbol)
            columns = catalog.columns(name, length, (0, _END))
            if not len(columns["start"]):
                raise DataError(f"{directory} holds no bars of {symbol} at {interval}.", hint="See: saudagar data list")
            wanted: dict[str, Any] = {each: columns[each] for each in _COLUMNS}
            bars[name] = BarArrays.from_columns(interval=length, **wanted)
            shares.append(_share(name, int(np.gcd.reduce(np.concatenate([columns["open"], columns["close"]])))))
    finally:
        catalog.close()
    return Sample(bars, Master(DEFAULT_DAY, tuple(shares)), Calendar())


def _share(name: InstrumentId, tick: int) -> Instrument:
    segment, _, symbol = name.partition(":")
    if segment not in _SHARES:
        raise DataError(f"{name} is no share.", hint="Shares are written NSE_EQ:RELIANCE or BSE_EQ:RELIANCE.")
    return Instrument(segment=Segment(segment), symbol=symbol, kind=InstrumentKind.EQUITY, tick_size=tick)
