"""Backtests on ticks: which days of the catalog or of files are asked for, and the bars that they make up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Protocol

import msgspec

from saudagar.app.research_bars import tradable
from saudagar.app.research_setup import Asked, Prepared, prepare
from saudagar.backtest.data import Market
from saudagar.backtest.tick_days import StoredDays
from saudagar.exchange.book import INVENTED_VALUE
from saudagar.exchange.recorded import PlayedDay, RecordedDay, listed
from saudagar.indicators import bar_arrays
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import Bar, Instrument, InstrumentId, Paise, Segment, SizeBy, inr, segment_of
from saudagar.model.errors import ConfigError, DataError
from saudagar.storage.catalog import interval_name, interval_of
from saudagar.storage.catalog_ticks import TickCatalog
from saudagar.storage.master import load_latest
from saudagar.strategies import Strategy

CATALOG = Path("catalog")
"""Given as the file of ticks, it means those of the catalog."""

_SQUARE_OFF = "15:10"
_ENDINGS = (".csv", ".csv.gz")
_SHOWN = 5
_LISTED = (Segment.NSE_EQ, Segment.NSE_INDEX)

Progress = Callable[[float], None]


class PlayedDays(Protocol):
    """What both sources are: days in order, perhaps made when they are come to."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[PlayedDay]: ...


def prepare_ticks(
    asked: Asked, files: Sequence[Path], strategy: Strategy | None = None, progress: Progress = lambda _: None
) -> tuple[Prepared, PlayedDays]:
    """What to run, and the days in order.

    Parameters
    ----------
    files
        Recorded ticks and folders of them; or `CATALOG` alone.
    strategy
        At hand already, as in a notebook.
    progress
        Told the share of the days that have been read.

    Raises
    ------
    ConfigError
        An option that has no meaning on ticks.
    DataError
        A file that is missing or no tick file, or days or instruments that were asked for and are not there.
    """
    _check(asked)
    if CATALOG in files and len(files) > 1:
        raise ConfigError(f"ticks come from the catalog or from files, not both; got {', '.join(map(str, files))}.")
    days = _stored(asked) if CATALOG in files else _recorded(asked, files)
    asked = msgspec.structs.replace(asked, square_off=asked.square_off or _SQUARE_OFF)
    prepared = prepare(asked, strategy, _market(asked, days, progress))
    said = prepared.assumptions | {
        "orders": "market orders; a signal at a bar's close trades at the next tick",
        "inside a bar": f"every tick, against a book of {inr(INVENTED_VALUE)} a side made up around it",
        "slippage": "half the spread of that book, and what lies behind its best price",
        "square-off": f"{asked.square_off}; every day stands alone",
    }
    (plan,) = prepared.backtest.settings.plans
    warnings = prepared.warnings
    if plan.sizing.by is SizeBy.VALUE and plan.sizing.amount > INVENTED_VALUE:
        warnings += (
            f"Entries of {inr(plan.sizing.amount)} empty a book of {inr(INVENTED_VALUE)} a side and pay for it. "
            "Give a smaller --value.",
        )
    return msgspec.structs.replace(prepared, assumptions=said, warnings=warnings), days


def lost_words(lost: int) -> tuple[str, ...]:
    """What to say of positions that the ticks of a day left open."""
    return (f"{lost} positions were open when a day's ticks ended; they are left out.",) if lost else ()


def _check(asked: Asked) -> None:
    given = {
        "--synthetic": asked.synthetic is not None,
        "--fill": asked.fill != "next-open",
        "--participation": asked.participation != 0,
        "--slippage": asked.slippage != "0",
        "--detail": bool(asked.detail),
    }
    if wrong := [option for option, is_given in given.items() if is_given]:
        raise ConfigError(f"{', '.join(wrong)} and --ticks do not go together: on ticks the exchange decides.")


def _recorded(asked: Asked, files: Sequence[Path]) -> list[RecordedDay]:
    """The files by their day; a folder stands for the tick files in it."""
    found: dict[date, list[Path]] = {}
    for path in tick_files(files, _ENDINGS):
        found.setdefault(RecordedDay([path]).day, []).append(path)
    first, last = asked.first or date.min, asked.last or date.max
    days = [RecordedDay(found[day]) for day in sorted(found) if first <= day <= last]
    if not days:
        raise DataError("the tick files hold no day from --from to --to.")
    return days


def tick_files(files: Sequence[Path], endings: tuple[str, ...]) -> list[Path]:
    """`files`, with those that end so in place of each folder."""
    found: list[Path] = []
    for given in files:
        inside = sorted(path for path in given.iterdir() if path.name.endswith(endings)) if given.is_dir() else [given]
        if not inside:
            raise DataError(f"{given} holds no tick files ({' or '.join(endings)}).")
        found += inside
    return found


def _stored(asked: Asked) -> StoredDays:
    """The catalog's days from --from to --to, all of them; those that it holds where neither is given."""
    if not asked.instruments:
        raise ConfigError("--ticks catalog wants --instruments, like NSE:RELIANCE,NSE:TCS.")
    calendar, names, catalog = Calendar(), tradable(asked.instruments), TickCatalog(asked.directory)
    held = {name: catalog.days(name) for name in names}
    for name, days in held.items():
        if not days:
            raise _not_there(asked.directory, name, "any day")
    every = sorted(set().union(*held.values()))
    first, last = asked.first or every[0], asked.last or every[-1]
    if first > last:
        raise ConfigError(f"--from {first} must not be after --to {last}.")
    for name, days in held.items():
        wanted = calendar.sessions(segment_of(name), first, last) if asked.first or asked.last else every
        if missing := [day for day in wanted if day not in days]:
            shown = ", ".join(map(str, missing[:_SHOWN]))
            more = f" and {len(missing) - _SHOWN} more days" if len(missing) > _SHOWN else ""
            raise _not_there(asked.directory, name, shown + more)
    chosen = [day for day in every if first <= day <= last]
    if not chosen:
        raise DataError(f"there is no session from {first} to {last}.")
    return StoredDays(catalog, names, chosen, Listing(asked.masters), calendar)


def _not_there(directory: Path, name: InstrumentId, days: str) -> DataError:
    return DataError(
        f"{directory} holds no ticks of {name} on {days}.",
        hint=f"Bring them in: saudagar data import --ticks FILE --symbol {name}. What is there: saudagar data list.",
    )


class Listing:
    """What trades under a name on a day: NSE's shares on the price grid of that day, all else as the master says."""

    def __init__(self, masters: Path) -> None:
        self._directory = masters
        self._master: Master | None = None

    def __call__(self, name: InstrumentId, price: Paise, day: date) -> Instrument:
        segment, _, symbol = name.partition(":")
        if segment in _LISTED:
            return listed(symbol, price, day)
        if self._master is None:
            self._master = load_latest(self._directory)
        return self._master.get(name)


def _market(asked: Asked, days: PlayedDays, progress: Progress) -> Market:
    """The bars that the ticks make up."""
    try:
        length = interval_of(asked.interval)
    except DataError as error:
        raise ConfigError(error.message) from None
    known: dict[InstrumentId, Instrument] = {}
    bars: dict[InstrumentId, list[Bar]] = {}
    newest = date.min
    for number, day in enumerate(days, 1):
        for instrument in day.instruments:
            if instrument.segment.tradable:
                known[instrument.id] = instrument
                bars.setdefault(instrument.id, []).extend(day.bars(instrument.id, length))
        newest = day.day
        progress(number / len(days))
    names = tradable(asked.instruments) if asked.instruments else tuple(known)
    if missing := [name for name in names if name not in known]:
        raise DataError(f"no tick file is of {', '.join(missing)}; there are {', '.join(known) or 'none'}.")
    for name in names:
        if not bars[name]:
            raise DataError(f"the ticks of {name} make up no bar of {interval_name(length)}.")
    return Market({name: bar_arrays(bars[name]) for name in names}, Master(newest, tuple(known.values())), Calendar())
