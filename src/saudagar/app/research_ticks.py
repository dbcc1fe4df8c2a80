"""``saudagar backtest --ticks``: the files of recorded ticks, day by day, and the bars that they make up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec

from saudagar.app.research_bars import FOREVER, tradable
from saudagar.app.research_setup import Asked, Prepared, prepare
from saudagar.backtest.data import Market
from saudagar.exchange.book import INVENTED_VALUE
from saudagar.exchange.recorded import RecordedDay
from saudagar.indicators import BarArrays, bar_arrays
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import InstrumentId, Nanos, SizeBy, inr
from saudagar.model.errors import ConfigError, DataError
from saudagar.storage.catalog import interval_name, interval_of

_SQUARE_OFF = "15:10"
_ENDINGS = (".csv", ".csv.gz")


def prepare_ticks(asked: Asked, files: Sequence[Path]) -> tuple[Prepared, list[RecordedDay]]:
    """What to run, and the days in order.

    Raises
    ------
    ConfigError
        An option that has no meaning on ticks.
    DataError
        A file that is missing or no tick file, or none of the days or instruments that were asked for.
    """
    _check(asked)
    days = [day for day in _days(files) if (asked.first or date.min) <= day.day <= (asked.last or date.max)]
    if not days:
        raise DataError("the tick files hold no day from --from to --to.")
    asked = msgspec.structs.replace(asked, square_off=asked.square_off or _SQUARE_OFF)
    prepared = prepare(asked, market=_market(asked, days))
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


def _days(files: Sequence[Path]) -> list[RecordedDay]:
    """The files by their day; a folder stands for the tick files in it."""
    found: dict[date, list[Path]] = {}
    for given in files:
        inside = sorted(path for path in given.iterdir() if path.name.endswith(_ENDINGS)) if given.is_dir() else [given]
        if not inside:
            raise DataError(f"{given} holds no tick files ({' or '.join(_ENDINGS)}).")
        for path in inside:
            found.setdefault(RecordedDay([path]).day, []).append(path)
    return [RecordedDay(found[day]) for day in sorted(found)]


def _market(asked: Asked, days: Sequence[RecordedDay]) -> Market:
    """The bars that the ticks make up."""
    try:
        length = interval_of(asked.interval)
    except DataError as error:
        raise ConfigError(error.message) from None
    known = {each.id: each for day in days for each in day.instruments if each.segment.tradable}
    names = tradable(asked.instruments) if asked.instruments else tuple(known)
    if missing := [name for name in names if name not in known]:
        raise DataError(f"no tick file is of {', '.join(missing)}; there are {', '.join(known) or 'none'}.")
    for day in days:
        for _ in day.steps():
            pass  # the history reaches as far as the day has been played
    bars = {name: _bars(name, days, length) for name in names}
    return Market(bars, Master(days[-1].day, tuple(known.values())), Calendar())


def _bars(name: InstrumentId, days: Sequence[RecordedDay], length: Nanos) -> BarArrays:
    having = [day for day in days if name in {each.id for each in day.instruments}]
    bars = [bar for day in having for bar in day.history(name, length, 0, FOREVER)]
    if not bars:
        raise DataError(f"the ticks of {name} make up no bar of {interval_name(length)}.")
    return bar_arrays(bars)
