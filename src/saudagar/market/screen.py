"""The first thing a tick meets in the desk: is it usable at all?

Feeds repeat yesterday's trades, send the year 1970, run backwards and garble prices. A tick that fails here is counted
by kind and goes no further, so no bar, stop or order ever sees it. Called by the engine for every frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from saudagar.market.ist import DAY, ist_day, midnight
from saudagar.market.sessions import Calendar, Phase, PhaseKind, SessionBounds
from saudagar.model import SECOND, Instrument, InstrumentId, InstrumentKind, Nanos, Paise, Tick
from saudagar.model.errors import DataError

REFUSALS = ("unknown", "price", "volume", "future", "day", "session", "late", "jump")
"""Why a tick is refused: an instrument nobody asked for; a price that is not positive or beyond all measure; likewise
a volume; a time after now, before today, or in closed hours; a time before the newest tick's; a price too far from the
last one."""

JUMP_PERCENT: Mapping[InstrumentKind, int] = {
    InstrumentKind.EQUITY: 20,
    InstrumentKind.INDEX: 20,
    InstrumentKind.FUTURE: 20,
    InstrumentKind.OPTION: 0,  # no limit: a premium may double in a second
}
"""The largest step from the last price: the widest circuit band (20 %), which no share can cross in a day."""

_CONFIRMATIONS = 3
_DEAREST: Paise = 10**12
"""Ten thousand million rupees: nothing that trades costs that (the dearest share some 1.5 lakh)."""
MOST_UNITS = 10**12
"""Units in a day that nothing reaches (the busiest trade some 10**10). Volume only grows: one wrong giant, once
believed, would make every true volume after it look like a fall."""


class _Seen:
    """What the screen remembers of one instrument."""

    __slots__ = ("bounds", "jump", "last", "pending", "pending_count", "ts", "windows")

    def __init__(self, bounds: SessionBounds, jump: int) -> None:
        self.bounds = bounds
        self.jump = jump
        self.windows: tuple[tuple[Nanos, Nanos], ...] = ()
        self.ts: Nanos = 0
        self.last: Paise = 0
        self.pending: Paise = 0
        self.pending_count = 0


class TickScreen:
    """Lets usable ticks through and counts the others.

    Parameters
    ----------
    instruments
        The instruments that are expected.
    calendar
        Tells their sessions. Ticks of all phases but the post-close pass; hours between phases are closed.
    skew
        How far (ns) a tick's time may lie ahead of now.
    jump_percent
        Largest step from the last price by kind of instrument, in percent; 0 for none. Three refused ticks in a row
        that agree with one another within it are believed: otherwise one wrong price would shut an instrument out.

    Attributes
    ----------
    counts
        Refused ticks by kind (see `REFUSALS`).

    Raises
    ------
    DataError
        If `skew` or a percentage is negative.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        calendar: Calendar,
        *,
        skew: Nanos = 2 * SECOND,
        jump_percent: Mapping[InstrumentKind, int] = JUMP_PERCENT,
    ) -> None:
        if skew < 0 or any(percent < 0 for percent in jump_percent.values()):
            raise DataError(f"skew and jump percentages cannot be negative, got {skew} and {dict(jump_percent)}.")
        self.counts = dict.fromkeys(REFUSALS, 0)
        self._skew = skew
        self._seen: dict[InstrumentId, _Seen] = {
            instrument.id: _Seen(calendar.bounds(instrument), jump_percent.get(instrument.kind, 0))
            for instrument in instruments
        }
        self._day_start = self._day_end = 0

    def check(self, tick: Tick, now: Nanos) -> Tick | None:
        """`tick` if it can be used, None if it was refused and counted.

        Parameters
        ----------
        now
            Market time, UTC ns: the frame's own time. Its IST date is today; it opens the day's sessions.

        Raises
        ------
        CalendarError
            If the calendar does not know today.
        """
        if now >= self._day_end:
            self._begin_day(now)
        seen = self._seen.get(tick.instrument)
        if seen is None:
            return self._refuse("unknown")
        price = tick.ltp
        ts = tick.ts
        if not 0 < price < _DEAREST:
            return self._refuse("price")
        if not 0 <= tick.volume < MOST_UNITS:
            return self._refuse("volume")
        if ts > now + self._skew:
            return self._refuse("future")
        for start, end in seen.windows:
            if start <= ts < end:
                break
        else:
            return self._refuse("session" if self._day_start <= ts < self._day_end else "day")
        if ts < seen.ts:
            return self._refuse("late")
        if seen.jump and seen.last and abs(price - seen.last) * 100 > seen.jump * seen.last:
            if not _confirmed(seen, price):
                return self._refuse("jump")
        elif seen.pending_count:
            seen.pending_count = 0
        seen.ts = ts
        seen.last = price
        return tick

    def usable(self, ticks: Iterable[Tick], now: Nanos) -> list[Tick]:
        """The ticks of a frame that `check` lets through, in order."""
        check = self.check
        return [tick for tick in ticks if check(tick, now) is not None]

    def _begin_day(self, now: Nanos) -> None:
        day = ist_day(now)
        windows = [_passing(seen.bounds(day)) for seen in self._seen.values()]  # may refuse the day
        for seen, todays in zip(self._seen.values(), windows, strict=True):
            seen.windows = todays
        self._day_start = midnight(day)
        self._day_end = self._day_start + DAY

    def _refuse(self, kind: str) -> Tick | None:
        self.counts[kind] += 1
        return None


def _confirmed(seen: _Seen, price: Paise) -> bool:
    agrees = seen.pending_count and abs(price - seen.pending) * 100 <= seen.jump * seen.pending
    seen.pending = price
    seen.pending_count = seen.pending_count + 1 if agrees else 1
    if seen.pending_count < _CONFIRMATIONS:
        return False
    seen.pending_count = 0
    return True


@lru_cache(maxsize=64)
def _passing(phases: tuple[Phase, ...]) -> tuple[tuple[Nanos, Nanos], ...]:
    """The hours of all phases but the post-close, adjoining ones merged.

    Every tick looks at them: instruments with the same hours share one object.
    """
    merged: list[tuple[Nanos, Nanos]] = []
    for phase in phases:
        if phase.kind is PhaseKind.POST_CLOSE:
            continue
        if merged and merged[-1][1] == phase.start:
            merged[-1] = (merged[-1][0], phase.end)
        else:
            merged.append((phase.start, phase.end))
    return tuple(merged)
