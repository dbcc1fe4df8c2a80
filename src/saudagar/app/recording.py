"""A desk that keeps the ticks it sees: recorded while it trades, in the catalog when the day is over.

The recording stays beside the journal until another day begins: a desk that is started again on the same day goes on
with it. One of an earlier day, whose desk did not live to the close, is brought in then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from saudagar.app.config import DeskConfig, Mode
from saudagar.market.sessions import Calendar, continuous
from saudagar.model import InstrumentId, Segment, TickFrame, segment_of
from saudagar.model.errors import DataError

if TYPE_CHECKING:
    from saudagar.storage.catalog_ticks import TickCatalog
    from saudagar.storage.catalog_ticks_import import TickPart
    from saudagar.storage.tick_recording import Columns

SUFFIX = ".rec"
_NAME = "ticks-{day}" + SUFFIX

Say = Callable[[str], None]


@contextmanager
def recording(
    config: DeskConfig, day: date, calendar: Calendar, *, anew: bool, over: Callable[[], bool], say: Say
) -> Iterator[Callable[[TickFrame], None]]:
    """What takes each frame, for as long as the desk trades; does nothing unless the configuration wants it.

    Parameters
    ----------
    anew
        The market begins anew, so that an earlier recording of this day does not belong to it.
    over
        Whether the day is: then its ticks go into the catalog.
    say
        Is told what became of them.

    Raises
    ------
    DataError
        If the file beside the journal is no recording, or cannot be written.
    """
    if not config.data.record_ticks:
        yield lambda _: None
        return
    from saudagar.storage.tick_recording import Recorder  # most desks record nothing

    path, target = config.directory / _NAME.format(day=day), _catalog_of(config)
    for left in sorted(config.directory.glob(_NAME.format(day="????-??-??"))):
        if left != path and _bring_in(left, target, calendar, say):
            left.unlink()
    try:
        recorder = Recorder(path, anew=anew)
    except OSError as error:
        raise DataError(f"{path}: the ticks cannot be recorded: {error.strerror or error}.") from None
    if recorder.torn:
        say(f"{path}: its torn end of {recorder.torn} bytes was cut off; the ticks before it are kept.")
    try:
        yield recorder.add
    finally:
        recorder.close()
    if recorder.trouble is not None:
        say(f"{path}: the ticks are recorded in part only: {recorder.trouble.strerror or recorder.trouble}.")
    if over():
        _bring_in(path, target, calendar, say)


def recorded_parts(path: Path, calendar: Calendar) -> tuple[list[TickPart], int]:
    """The instruments of a recording, and how many bytes of its end are torn.

    Raises
    ------
    DataError
        If it is no recording.
    """
    from saudagar.storage.tick_recording import read_recording

    try:
        day = date.fromisoformat(path.stem.partition("-")[2])
    except ValueError:
        raise DataError(f"{path}: a recording is called {_NAME.format(day='2026-11-20')}.") from None
    found, torn = read_recording(path)
    parts = (_part(name, day, rows, calendar) for name, rows in found.items())
    return [part for part in parts if part is not None], torn


def _catalog_of(config: DeskConfig) -> Path:
    """Ticks of a simulation never lie among real ones."""
    simulated = config.desk.mode is Mode.SIMULATION
    return config.directory / "catalog" if simulated else config.path(config.data.catalog)


def _bring_in(path: Path, target: Path, calendar: Calendar, say: Say) -> bool:
    """Keep each instrument's day, unless it came from elsewhere. What fails is told: the day's report matters more."""
    from saudagar.storage.catalog_ticks import TickCatalog

    catalog = TickCatalog(target)
    try:
        parts, torn = recorded_parts(path, calendar)
        ours = [each for each in parts if _is_ours(catalog, each, path.name)]
        days = [catalog.put(each.instrument, each.day, each.ticks, dirt=each.dirt, source=path.name) for each in ours]
    except (DataError, OSError) as error:
        say(f"{path} stays where it is: {error} Try again: saudagar data import --ticks {path} -d {target}")
        return False
    finally:
        catalog.close()
    told = [f"{sum(each.rows for each in days)} ticks of {len(days)} instruments are in {target}."]
    told += [f"Those of {len(parts) - len(ours)} came from elsewhere and stay."] if len(ours) < len(parts) else []
    told += [f"A torn end of {torn} bytes was left out."] if torn else []
    say(" ".join(told))
    return True


def _is_ours(catalog: TickCatalog, part: TickPart, source: str) -> bool:
    """Whether the catalog lacks this day, or has it from the same recording."""
    there = part.day in catalog.days(part.instrument)
    return not there or catalog.held(part.instrument, part.day).source == source


def _part(name: InstrumentId, day: date, rows: Columns, calendar: Calendar) -> TickPart | None:
    """None if `name` has no session on `day`: nothing of it could be played."""
    from saudagar.exchange.recorded import arrival_times
    from saudagar.storage.catalog_ticks import Ticks
    from saudagar.storage.catalog_ticks_check import count_dirt
    from saudagar.storage.catalog_ticks_import import TickPart

    segment = segment_of(name)
    phases = calendar.phases(segment, day, closing_auction=segment is Segment.NSE_EQ)
    if not phases:
        return None
    arrived = arrival_times(rows.frame, day, continuous(phases)[0][0])
    return TickPart(
        instrument=name,
        day=day,
        ticks=Ticks.of(arrived, rows.ts, rows.ltp, rows.volume),
        dirt=count_dirt(zip(rows.ts, rows.ltp, rows.volume, strict=True), day, phases),
    )
