"""Years of made-up past, by column: whoever sweeps wants more than the ten sessions that the simulated exchange tells.

Those ten stay as they are (`synthetic_history`); each session before them has noise of its own, drawn by its date, and
the path leads backwards: a session closes where the next one begins. So a session's bars do not depend on how far
back anybody looks. Called by backtests from the command line and notebooks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from saudagar.exchange.market_feed import SourceCalendar, check_interval, continuous_window
from saudagar.exchange.synthetic_course import Noise, course_of, growth
from saudagar.exchange.synthetic_history import AUCTION_JUMP, AUCTION_SHARE, GAP, POINTS, SESSIONS, SWING, past_bars
from saudagar.exchange.universe import Listing
from saudagar.market.ist import DAY
from saudagar.model import MINUTE, Nanos
from saudagar.model.errors import CalendarError

Columns: TypeAlias = dict[str, NDArray[np.int64]]
"""start, end (UTC ns), open, high, low, close (paise), volume (units)."""

_NAMES = ("start", "end", "open", "high", "low", "close", "volume")
_STREAM = 3  # of noise; 2 is that of the last ten sessions
_SMALL = 8  # `growth` is good for small returns: an eighth of one is taken, and the result to the power of eight


class _Session(NamedTuple):
    day: date
    start: Nanos
    end: Nanos

    @property
    def minutes(self) -> int:
        return (self.end - self.start) // MINUTE


def past_columns(
    seed: int, listing: Listing, day: date, calendar: SourceCalendar, interval: Nanos, first: date
) -> Columns:
    """Bars of `interval` from `first` (or the last ten sessions, if that is later) to the session before `day`.

    Raises
    ------
    CalendarError
        `first` lies in a year whose holidays nobody has tabled.
    DataError
        An interval that is not whole minutes.
    """
    check_interval(interval)
    recent = past_bars(seed, listing, day, calendar, interval)
    tail = {name: np.array([getattr(bar, name) for bar in recent], np.int64) for name in _NAMES}
    sessions = _sessions(listing, day, calendar, first)
    if not sessions:
        return tail
    parts = _drawn(seed, listing, sessions, int(tail["open"][0]), interval)
    return {name: np.concatenate([*(part[name] for part in parts), tail[name]]) for name in _NAMES}


def _sessions(listing: Listing, day: date, calendar: SourceCalendar, first: date) -> list[_Session]:
    """Those from `first` on that lie before the last ten, oldest first, without a muhurat whose hours nobody knows."""
    calendar.phases_of(listing.instrument, first)  # raises for a year that is not known
    found: list[_Session] = []
    while day > first:
        day -= timedelta(days=1)
        try:
            window = continuous_window(calendar.phases_of(listing.instrument, day))
        except CalendarError:
            continue
        if window is not None:
            found.append(_Session(day, *window))
    return found[SESSIONS:][::-1]


def _drawn(seed: int, listing: Listing, sessions: Sequence[_Session], before: int, interval: Nanos) -> list[Columns]:
    """The sessions' bars; the last one closes a gap away from `before`, paise."""
    noises = [Noise(seed, crc32(listing.instrument.id.encode()), _STREAM, each.day.toordinal()) for each in sessions]
    draws: list[tuple[Any, ...]] = [
        (
            noise.uniform(each.minutes, 2, 1),
            noise.normal(2),
            noise.normal(each.minutes, POINTS),
            noise.uniform(2, each.minutes),
        )
        for noise, each in zip(noises, sessions, strict=True)
    ]
    made: list[Columns] = [{}] * len(sessions)
    moods = _moods([draw[0] for draw in draws])
    level = 0.0  # of the close of the session at hand, in returns on `before`
    for k in range(len(sessions) - 1, -1, -1):
        each, (swing, drift, volume), (_, jumps, normal, pull) = sessions[k], moods[k], draws[k]
        gap, jump = (jumps * (GAP, AUCTION_JUMP)).tolist()
        steps = normal * (swing / (each.minutes * POINTS) ** 0.5)[:, None] + (drift / POINTS)[:, None]
        path = np.cumsum(steps.ravel() * SWING)
        begin = level - jump - float(path[-1])
        volumes = (listing.volume * volume * pull.sum(axis=0)).astype(np.int64)
        made[k] = _bars(listing, each, interval, before, begin + path, level, volumes)
        level = begin - gap
    return made


def _moods(draws: Sequence[NDArray[np.float64]]) -> list[tuple[Any, ...]]:
    """Swing, drift and volume of each session, minute by minute; sessions of one length are worked out together."""
    moods: list[tuple[Any, ...]] = [()] * len(draws)
    for minutes in {len(draw) for draw in draws}:
        alike = [k for k, draw in enumerate(draws) if len(draw) == minutes]
        course = course_of(np.concatenate([draws[k] for k in alike], axis=2))
        for column, k in enumerate(alike):
            moods[k] = (course.swing[:, column], course.drift[:, column], course.volume[:, column])
    return moods


def _bars(
    listing: Listing,
    session: _Session,
    interval: Nanos,
    base: int,
    path: NDArray[np.float64],
    close: float,
    volumes: NDArray[np.int64],
) -> Columns:
    """One session's bars, aligned to its opening; the day bar holds the closing auction."""
    tick = listing.instrument.tick_size

    def paise(returns: Any) -> NDArray[np.int64]:
        return np.maximum(np.round(base * growth(returns / _SMALL) ** _SMALL / tick).astype(np.int64), 1) * tick

    points = paise(path).reshape(-1, POINTS)
    first = np.arange(0, session.minutes, min(interval // MINUTE, session.minutes))
    start = session.start + first * MINUTE
    columns = {
        "start": start,
        "end": np.minimum(start + interval, session.end),
        "open": points[first, 0],
        "high": np.maximum.reduceat(points.max(axis=1), first),
        "low": np.minimum.reduceat(points.min(axis=1), first),
        "close": points[np.append(first[1:], session.minutes) - 1, -1],
        "volume": np.add.reduceat(volumes, first),
    }
    if interval == DAY:
        auction = paise(np.array([close]))
        columns |= {
            "high": np.maximum(columns["high"], auction),
            "low": np.minimum(columns["low"], auction),
            "close": auction,
            "volume": columns["volume"] + int(listing.volume * AUCTION_SHARE),
        }
    return columns
