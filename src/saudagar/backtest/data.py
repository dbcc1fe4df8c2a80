"""Past bars for a backtest: read from the catalog or handed in, and checked once for everything that runs on them.

A `Market` is what `run` takes; making one costs a look at every bar, using it costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b
from itertools import chain
from typing import Any

import numpy as np

from saudagar.backtest.days import in_session
from saudagar.backtest.detail import check_detail
from saudagar.execution.ports import InstrumentLookup
from saudagar.indicators import BarArrays
from saudagar.market.ist import ist
from saudagar.market.sessions import Calendar, session_open
from saudagar.model import InstrumentId, Nanos
from saudagar.model.errors import DataError
from saudagar.storage.catalog import Catalog

_COLUMNS = ("start", "end", "open", "high", "low", "close", "volume", "day", "since", "until")
_PRICES = ("open", "high", "low", "close")


class Market:
    """Bars of several instruments, in whole paise and units.

    Parameters
    ----------
    bars
        Per instrument; their order decides who comes first where two want the same moment. Each is cut to the hours
        in which it trades, see `days`; one with no such hours is left out.
    detail
        Finer bars of any of them, along which orders and exits are walked; see `detail`.

    Raises
    ------
    DataError
        Prices or volumes that are not whole numbers; not one bar in trading hours; detail that does not fit.
    UnknownInstrument
        One that the lookup does not have.

    Attributes
    ----------
    outside
        Instruments of which some bars were left out.
    """

    def __init__(
        self,
        bars: Mapping[InstrumentId, BarArrays],
        instruments: InstrumentLookup,
        calendar: Calendar,
        detail: Mapping[InstrumentId, BarArrays] | None = None,
    ) -> None:
        self.instruments = instruments
        self.calendar = calendar
        self.outside: list[InstrumentId] = []
        self.bars = {name: self._in_hours(name, each) for name, each in bars.items()}
        self.detail = {name: self._in_hours(name, each) for name, each in (detail or {}).items()}
        for name, each in self.detail.items():
            check_detail(name, self.bars[name], each)

    def _in_hours(self, name: InstrumentId, given: BarArrays) -> BarArrays:
        _check_whole(name, given)
        if given.session_open != session_open(name):
            columns = {column: getattr(given, column) for column in ("start", "end", *_PRICES, "volume")}
            given = BarArrays.from_columns(interval=given.interval, session_open=session_open(name), **columns)
        bars, held = in_session(given, self.instruments.get(name), self.calendar)
        if held.all():
            return bars
        if not held.any():
            raise DataError(
                f"none of the {len(bars)} bars of {name} lies within continuous trading; the first starts at "
                f"{ist(int(bars.start[0])):%Y-%m-%d %H:%M} IST.",
                hint="Times without a zone are taken as India's.",
            )
        if name not in self.outside:
            self.outside.append(name)
        columns = {column: getattr(bars, column)[held] for column in _COLUMNS}
        return BarArrays(interval=bars.interval, session_open=bars.session_open, **columns)

    @cached_property
    def digest(self) -> str:
        """A fingerprint of all bars."""
        return bars_digest(self.bars, self.detail)


def bars_digest(*bars: Mapping[InstrumentId, BarArrays]) -> str:
    """A fingerprint of `bars`: names in their order, intervals, times, prices and volumes."""
    state = blake2b(digest_size=16)
    for name, each in chain.from_iterable(part.items() for part in bars):
        state.update(f"{name} {each.interval} {len(each)} ".encode())
        for column in ("start", "end", *_PRICES, "volume"):
            state.update(np.ascontiguousarray(getattr(each, column)).data)
    return state.hexdigest()


def from_catalog(catalog: Catalog, instrument: InstrumentId, interval: Nanos, span: tuple[Nanos, Nanos]) -> BarArrays:
    """The catalog's bars of `[start, end)`, UTC ns."""
    columns = catalog.columns(instrument, interval, span)
    wanted: dict[str, Any] = {name: columns[name] for name in ("start", "end", *_PRICES, "volume")}
    return BarArrays.from_columns(interval=interval, session_open=session_open(instrument), **wanted)


def _check_whole(name: InstrumentId, bars: BarArrays) -> None:
    for column in (*_PRICES, "volume"):
        values = getattr(bars, column)
        if not (values == np.rint(values)).all():
            raise DataError(f"{name}: the {column} column must hold whole numbers (paise, units).")
