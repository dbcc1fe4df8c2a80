"""What moves the simulated market: the port that a day's tape fills, and bars out of minute arrays.

`synthetic.SyntheticDay` and `recorded.RecordedDay` are the two sources; the exchange's server and the paper broker
step through one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Protocol

import msgspec

from saudagar.market.ist import DAY
from saudagar.market.sessions import Phase, PhaseKind
from saudagar.model import MINUTE, Bar, Instrument, InstrumentId, Nanos, Paise, Segment, Tick
from saudagar.model.errors import DataError


class DaySource(Protocol):
    """One market day as a sequence of steps."""

    @property
    def day(self) -> date: ...

    @property
    def instruments(self) -> tuple[Instrument, ...]: ...

    @property
    def step_ns(self) -> Nanos:
        """Market time from one step to the next while the market is open."""
        ...

    def steps(self) -> Iterator[tuple[Nanos, list[Tick]]]:
        """The moments of the day in order (UTC ns, strictly growing), each with the ticks that arrive in it.

        May be empty of ticks; may hold several ticks of one instrument, which arrive in the order given.
        """
        ...

    def history(self, instrument: InstrumentId, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        """Closed bars of `[start, end)`, oldest first, as far as market time has come.

        Raises
        ------
        UnknownInstrument
            If the source does not have `instrument`.
        DataError
            If `interval` (ns) is not whole minutes up to a day.
        """
        ...

    def previous_close(self, instrument: InstrumentId) -> Paise:
        """The last close before this day, paise. Raises as `history` does."""
        ...


class SourceCalendar(Protocol):
    """What a day source asks of a calendar; `saudagar.market.sessions.Calendar` is one."""

    def phases_of(self, instrument: Instrument, day: date) -> Sequence[Phase]: ...
    def previous_session(self, segment: Segment, day: date) -> date: ...


def check_interval(interval: Nanos) -> None:
    """Raise `DataError` unless `interval` is whole minutes up to a day."""
    if interval <= 0 or interval % MINUTE or interval > DAY:
        raise DataError(f"history comes in whole minutes up to a day, got an interval of {interval} ns.")


def continuous_window(phases: Iterable[Phase]) -> tuple[Nanos, Nanos] | None:
    """First start and last end of continuous trading among `phases`, None if there is none."""
    windows = [phase for phase in phases if phase.kind is PhaseKind.CONTINUOUS]
    return (windows[0].start, windows[-1].end) if windows else None


def resample(minutes: Sequence[Bar], interval: Nanos, opening: Nanos, closing: Nanos) -> list[Bar]:
    """One session's minute bars as bars of `interval`, aligned to `opening`; the last ends at `closing`.

    The inputs are in order and inside `[opening, closing)`; a bar without a minute in it does not exist.
    """
    if interval == MINUTE:
        return list(minutes)
    bars: list[Bar] = []
    group: list[Bar] = []
    for minute in minutes:
        if group and (minute.start - opening) // interval != (group[0].start - opening) // interval:
            bars.append(_merged(group, interval, opening, closing))
            group = []
        group.append(minute)
    if group:
        bars.append(_merged(group, interval, opening, closing))
    return bars


def with_auction(bar: Bar, close: Paise, volume: int) -> Bar:
    """A day bar with the closing auction's price and the whole day's volume."""
    return msgspec.structs.replace(bar, high=max(bar.high, close), low=min(bar.low, close), close=close, volume=volume)


def _merged(group: Sequence[Bar], interval: Nanos, opening: Nanos, closing: Nanos) -> Bar:
    start = opening + (group[0].start - opening) // interval * interval
    return Bar(
        instrument=group[0].instrument,
        interval=interval,
        start=start,
        end=min(start + interval, closing),
        open=group[0].open,
        high=max(bar.high for bar in group),
        low=min(bar.low for bar in group),
        close=group[-1].close,
        volume=sum(bar.volume for bar in group),
        ticks=sum(bar.ticks for bar in group),
    )
