"""Ticks to bars: one builder per instrument and interval, fed with every tick the screen let through.

Bars are aligned to the start of the day's continuous trading (09:15 for shares) and never reach beyond it: the last
one ends where trading does. Volume is the difference of the feed's cumulative volume. The same builder serves live
feeds, replays and recorded files, so what a feed gets wrong is dealt with here once and counted by kind.

What counts as a trade, and what a bar takes in:

* A tick is a trade when its volume rose or its price changed. A source without volume (an index, an LTP-only feed)
  sends 0; there every tick with a new time is one. Anything else is ``quiet``: it moves time on but makes no bar.
* An older tick than the newest one that still falls into the open bar (``disordered``) widens high and low, and moves
  the open if it is older than that; the close belongs to the newest tick by (time, volume). After its bar has been
  closed it is ``late`` and changes nothing.
* Cumulative volume that falls cannot be: such a tick is no trade (``falling``).
* Ticks outside continuous trading are ``outside``. The day bar alone also takes the closing auction's ticks in, so that
  its close is the auction price and its volume the whole day's; intraday bars end at 15:15 for those instruments.
* The first bar of the session takes the whole cumulative volume (the opening auction's included). So does a later
  first bar if the feed was heard before the open; otherwise the desk joined mid-day and its first volume is the base.
"""

from __future__ import annotations

from functools import lru_cache

from saudagar.market.ist import DAY, ist_day, midnight
from saudagar.market.sessions import Phase, PhaseKind, SessionBounds
from saudagar.model import SECOND, Bar, InstrumentId, Nanos, Tick
from saudagar.model.errors import DataError

ODD_TICKS = ("duplicate", "quiet", "disordered", "falling", "late", "outside", "unusable")
"""The kinds that `BarBuilder.counts` counts. All but ``disordered`` left the bars as they were."""


class BarBuilder:
    """Builds the bars of one instrument at one interval.

    Parameters
    ----------
    instrument
        The id that the bars carry.
    interval
        Length in ns: whole seconds from one second to a day (`ist.DAY`, one bar per session).
    bounds
        The phases of a day, `Calendar.bounds(instrument)`.

    Attributes
    ----------
    counts
        Ticks that were no plain trade, by kind (see `ODD_TICKS`).

    Raises
    ------
    DataError
        If `interval` is not allowed.
    """

    __slots__ = (
        "_base",
        "_bounds",
        "_close",
        "_day_end",
        "_day_start",
        "_end",
        "_final",
        "_heard_before_open",
        "_high",
        "_joined",
        "_limit",
        "_low",
        "_newest",
        "_open",
        "_open_ts",
        "_open_volume",
        "_session",
        "_start",
        "_ticks",
        "_volume",
        "_windows",
        "counts",
        "instrument",
        "interval",
    )

    def __init__(self, instrument: InstrumentId, interval: Nanos, bounds: SessionBounds) -> None:
        if not SECOND <= interval <= DAY or interval % SECOND:
            raise DataError(f"a bar lasts whole seconds, from one second to a day; got {interval} ns.")
        self.instrument = instrument
        self.interval = interval
        self.counts = dict.fromkeys(ODD_TICKS, 0)
        self._bounds = bounds
        self._day_start = self._day_end = 0
        self._session = 0  # where the day's continuous trading begins
        self._windows: tuple[tuple[Nanos, Nanos], ...] = ()
        self._heard_before_open = False
        self._final = 0  # bars that end here or earlier are closed for good
        self._volume = -1  # newest cumulative volume of the day; -1 before the first
        self._base = 0  # cumulative volume where the open bar begins
        self._joined = False  # the open bar is the one in which the desk joined mid-day
        self._start = self._end = 0  # of the open bar; the end is 0 while there is none
        self._limit = 0  # where the trading window ends that the open bar is in; 0 while there is none
        self._newest = 0  # time of the newest tick
        self._open = self._high = self._low = self._close = 0
        self._open_ts = self._open_volume = 0
        self._ticks = 0

    @property
    def open_end(self) -> Nanos:
        """Where the open bar will end, UTC ns; 0 while there is none."""
        return self._end

    def on_tick(self, tick: Tick) -> Bar | None:
        """Take one tick in; return the bar that it closed, if it did.

        Raises
        ------
        CalendarError
            The tick opens a day that the calendar does not know; nothing has changed then.
        """
        ts = tick.ts
        if self._newest <= ts < self._limit:
            price = tick.ltp
            volume = tick.volume
            if volume > self._volume or (
                volume == self._volume and (price != self._close or (volume == 0 and ts != self._newest))
            ):
                if price > self._high:
                    self._high = price
                elif price < self._low:
                    if price <= 0:
                        self._count("unusable")
                        return None
                    self._low = price
                self._close = price
                self._volume = volume
                self._newest = ts
                self._ticks += 1
                return None
        return self._on_odd_tick(tick)

    def close_until(self, now: Nanos) -> Bar | None:
        """Declare that time has reached `now`; return the open bar if it ends by then.

        Bars that end at or before `now` are final from here on. Whoever wants to wait for stragglers hands in an
        earlier time.
        """
        if now < self._end:
            return None
        self._final = max(self._final, now)
        return self._finish()

    def _on_odd_tick(self, tick: Tick) -> Bar | None:
        ts, price, volume = tick.ts, tick.ltp, tick.volume
        if price <= 0 or volume < 0 or ts < self._day_start:
            self._count("late" if ts < self._day_start else "unusable")
            return None
        closed = self._begin_day(ts) if ts >= self._day_end else None
        start, end, limit = self._slot(ts)
        if not end:
            self._heard_before_open |= ts < self._session
            self._count("outside")
        elif end <= self._final:
            self._count("late")
        elif start == self._start and self._end:
            if ts >= self._limit:  # a day bar goes on in the next window
                self._limit = limit
                return self.on_tick(tick)
            self._within(ts, price, volume)
        elif volume < self._volume:
            self._count("falling")
        else:
            closed = self._finish() or closed
            self._final = max(self._final, start)
            if volume == self._volume != 0 and price == self._close:
                self._newest = ts
                self._count("quiet")
            else:
                self._limit = limit
                self._begin_bar(start, end, ts, price, volume)
        return closed

    def _within(self, ts: Nanos, price: int, volume: int) -> None:
        if ts > self._newest and volume < self._volume:
            self._count("falling")
        elif ts < self._newest or volume < self._volume:
            self._insert(ts, price, volume)
        elif ts == self._newest:
            self._count("duplicate")
        else:
            self._newest = ts
            self._count("quiet")

    def _insert(self, ts: Nanos, price: int, volume: int) -> None:
        if volume > self._volume or (volume < self._base and not self._joined):
            self._count("falling")
            return
        self._count("disordered")
        self._ticks += 1
        self._high = max(self._high, price)
        self._low = min(self._low, price)
        if self._joined:
            self._base = min(self._base, volume)
        if (ts, volume) < (self._open_ts, self._open_volume):
            self._open, self._open_ts, self._open_volume = price, ts, volume

    def _begin_day(self, ts: Nanos) -> Bar | None:
        day = ist_day(ts)
        phases = self._bounds(day)  # may refuse the day: before anything has changed
        closed = self._finish()
        self._day_start = midnight(day)
        self._day_end = self._day_start + DAY
        self._windows = _taken_in(phases, daily=self.interval == DAY)
        self._session = self._windows[0][0] if self._windows else self._day_end
        self._heard_before_open = False
        self._volume = -1
        return closed

    def _slot(self, ts: Nanos) -> tuple[Nanos, Nanos, Nanos]:
        """Start and end of the bar that `ts` belongs to, and where its ticks end for now; zeros outside trading."""
        for start, end in self._windows:
            if start <= ts < end:
                if self.interval == DAY:
                    return self._session, self._windows[-1][1], end
                begin = ts - (ts - self._session) % self.interval
                end = min(begin + self.interval, end)
                return max(begin, start), end, end
        return 0, 0, 0

    def _begin_bar(self, start: Nanos, end: Nanos, ts: Nanos, price: int, volume: int) -> None:
        self._joined = self._volume < 0 and start != self._session and not self._heard_before_open
        if self._volume < 0:
            self._base = volume if self._joined else 0
        self._start, self._end = start, end
        self._open = self._high = self._low = self._close = price
        self._open_ts = self._newest = ts
        self._open_volume = self._volume = volume
        self._ticks = 1

    def _finish(self) -> Bar | None:
        if not self._end:
            return None
        bar = Bar(
            self.instrument,
            self.interval,
            self._start,
            self._end,
            self._open,
            self._high,
            self._low,
            self._close,
            self._volume - self._base,
            self._ticks,
        )
        self._base = self._volume
        self._end = self._limit = 0
        return bar

    def _count(self, kind: str) -> None:
        self.counts[kind] += 1


@lru_cache(maxsize=64)
def _taken_in(phases: tuple[Phase, ...], *, daily: bool) -> tuple[tuple[Nanos, Nanos], ...]:
    """The hours whose ticks make bars; one object for all instruments that share them."""
    return tuple(
        (phase.start, phase.end)
        for phase in phases
        if phase.kind is PhaseKind.CONTINUOUS or (daily and phase.kind.closing_auction)
    )
