"""Where the bars of a notebook come from: tables, files, the catalog, or a seed. Called by `saudagar.data`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np

from saudagar.app.research_bars import FIRST_CAPS, FOREVER, catalogued, master_of, synthetic, tradable
from saudagar.app.research_ticks import CATALOG
from saudagar.backtest.data import Market
from saudagar.indicators import BarArrays
from saudagar.market.ist import DAY, midnight
from saudagar.market.sessions import Calendar
from saudagar.model import InstrumentId, Nanos
from saudagar.model.errors import ConfigError, DataError
from saudagar.notebook.bars import Data
from saudagar.notebook.frames import PRICES, bars_of, is_table
from saudagar.storage.catalog import Span, interval_name, interval_of
from saudagar.storage.catalog_import import Shape, read_bars

Day: TypeAlias = date | str | None

_TICK_FILES = (".csv", ".csv.gz")
_FILES = (".csv", ".zip", ".parquet", ".txt")
_NAMELESS = "NSE:DATA"  # of a table that does not say whose bars it holds
_USUAL = "1m"  # of the catalog and of made-up bars, where nobody says


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """How to read a source."""

    interval: str = ""
    symbol: str = ""  # of a table or file that does not say whose bars it holds
    first: Day = None
    last: Day = None
    directory: Path = Path("var/catalog")
    masters: Path = Path("var/instruments")

    @property
    def length(self) -> Nanos:
        """ns; 0 where nobody says."""
        try:
            return interval_of(self.interval) if self.interval else 0
        except DataError as error:
            raise ConfigError(error.message) from None

    @property
    def days(self) -> tuple[date | None, date | None]:
        """The first and the last, None where nobody says."""
        return _day(self.first), _day(self.last)

    @property
    def span(self) -> Span:
        """From the first day's midnight in India to the end of the last, UTC ns."""
        first, last = self.days
        start, end = midnight(first) if first else 0, midnight(last) + DAY if last else FOREVER
        if start >= end:
            raise ConfigError(f"first {first} must not be after last {last}.")
        return start, end


def read(source: Any, wanted: Wanted) -> Data:
    """The bars of `source`; see `saudagar.data`."""
    if isinstance(source, Data):
        return source
    if isinstance(source, Market):
        return Data(source, _one_interval(source.bars))
    if isinstance(source, str | Path) and _is_file(source):
        tables = _file(Path(source), wanted)
        return _of_tables(tables, wanted, repr(str(source)))
    if isinstance(source, str):
        return _stored(source, wanted)
    if isinstance(source, Path):
        raise DataError(f"{source} does not exist.")
    if is_table(source):
        return _of_tables(bars_of(source, wanted.length, wanted.symbol), wanted)
    if isinstance(source, Mapping) and source:
        return _of_tables({str(name): _part(name, table, wanted) for name, table in source.items()}, wanted)
    if isinstance(source, Sequence) and source and all(isinstance(each, str) for each in source):
        return _stored(",".join(source), wanted)
    raise DataError(
        f"there are no bars in a {type(source).__name__}.",
        hint="Give a frame with open, high, low and close, a dict of such frames by symbol, a file, or a symbol.",
    )


def ticks_of(source: Any) -> tuple[str, list[Path]]:
    """The symbols whose ticks of the catalog are meant, or "" and the files; and what `prepare_ticks` takes for files.

    Raises
    ------
    DataError
        It names neither.
    """
    given = [source] if isinstance(source, str | Path) else source
    if not (isinstance(given, Sequence) and given and all(isinstance(each, str | Path) for each in given)):
        raise DataError(
            f"there are no ticks in a {type(source).__name__}.",
            hint="Give symbols of the catalog, like NSE:RELIANCE, a file of recorded ticks, or a folder of them.",
        )
    files = [isinstance(each, Path) or each.endswith(_TICK_FILES) or Path(each).is_dir() for each in given]
    if all(files):
        return "", [Path(each) for each in given]
    if any(files):
        raise ConfigError(f"ticks come from the catalog or from files, not both; got {', '.join(map(str, given))}.")
    return ",".join(map(str, given)), [CATALOG]


def words_of(source: Any) -> str:
    """Names of symbols and files as one would write them in a call."""
    return repr(str(source) if isinstance(source, Path) else source)


def made_up(seed: int, symbols: str, wanted: Wanted) -> Data:
    """The simulated exchange's own history."""
    names = tradable(symbols) if symbols else FIRST_CAPS
    length = wanted.length or interval_of(_USUAL)
    given = ", ".join([str(seed), *([repr(symbols)] if symbols else []), f"interval={interval_name(length)!r}"])
    return Data(synthetic(seed, names, length, wanted.span), length, f"saudagar.synthetic({given})", seed)


def _stored(symbols: str, wanted: Wanted) -> Data:
    length = wanted.length or interval_of(_USUAL)
    market = catalogued(wanted.directory, wanted.masters, tradable(symbols), length, wanted.span)
    return Data(market, length, repr(symbols))


def _part(name: Any, table: Any, wanted: Wanted) -> BarArrays:
    try:
        return table if isinstance(table, BarArrays) else bars_of(table, wanted.length, str(name))[str(name)]
    except DataError as error:
        raise DataError(f"{name}: {error.message}", hint=error.hint) from None


def _of_tables(tables: Mapping[str, BarArrays], wanted: Wanted, words: str = "data") -> Data:
    start, end = wanted.span
    bars: dict[InstrumentId, BarArrays] = {}
    for symbol, given in tables.items():
        name = _only(symbol or _NAMELESS)
        if name in bars:
            raise DataError(f"{name} is there twice.")
        bars[name] = _between(given, start, end)
        if not len(bars[name]):
            raise DataError(f"{name} has no bars in that time.")
    market = Market(bars, master_of(wanted.masters, bars), Calendar())
    return Data(market, _one_interval(bars), words)


def _only(symbol: str) -> InstrumentId:
    names = tradable(symbol)
    if len(names) != 1:
        raise ConfigError(f"one symbol is wanted, got {symbol!r}.")
    return names[0]


def _between(bars: BarArrays, start: Nanos, end: Nanos) -> BarArrays:
    first, last = np.searchsorted(bars.start, [start, end])
    if last - first == len(bars):
        return bars
    rows = slice(int(first), int(last))
    columns = {name: getattr(bars, name)[rows] for name in ("start", "end", "open", "high", "low", "close", "volume")}
    return BarArrays.from_columns(interval=bars.interval, session_open=bars.session_open, **columns)


def _one_interval(bars: Mapping[InstrumentId, BarArrays]) -> Nanos:
    lengths = {each.interval for each in bars.values()}
    if len(lengths) != 1:
        raise DataError(f"bars of one interval are wanted, got {len(lengths)} different ones.")
    return lengths.pop()


def _file(path: Path, wanted: Wanted) -> dict[str, BarArrays]:
    rows, _ = read_bars(path, InstrumentId("NSE_EQ:FILE"), wanted.length or DAY, Shape())
    table = {name: np.array([getattr(row, name) for row in rows]) for name in ("start", "volume")}
    rupees = {name: np.array([getattr(row, name) for row in rows]) / 100 for name in PRICES}
    return bars_of({**table, **rupees}, wanted.length, wanted.symbol or path.name.partition(".")[0].upper())


def _is_file(source: str | Path) -> bool:
    path = Path(source)
    if path.suffix.lower() in _FILES:
        if not path.is_file():
            raise DataError(f"{path} does not exist.")
        return True
    return False


def _day(value: Day) -> date | None:
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ConfigError(f"a day is written 2026-01-31, got {value!r}.") from None
