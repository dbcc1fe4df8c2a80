"""The days before a synthetic day: minute bars that end exactly at the previous close.

Drawn per instrument when somebody asks, from the same moods as the day itself, and kept. An index's past is drawn on
its own and not added up from its members'.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from zlib import crc32

import numpy as np

from saudagar.exchange.market_feed import SourceCalendar, continuous_window, resample, with_auction
from saudagar.exchange.synthetic_course import Noise, course, growth
from saudagar.exchange.universe import Listing
from saudagar.market.ist import DAY
from saudagar.model import MINUTE, Bar, Instrument, Nanos
from saudagar.model.errors import CalendarError

SESSIONS = 10
"""How many sessions back the history goes."""

POINTS = 4  # of the path in each minute
SWING = 0.011  # standard deviation of a usual day
GAP = 0.006
AUCTION_JUMP = 0.0025
AUCTION_SHARE = 0.07


def past_bars(seed: int, listing: Listing, day: date, calendar: SourceCalendar, interval: Nanos) -> list[Bar]:
    """Bars of `interval` of the `SESSIONS` sessions before `day`, oldest first.

    Minute bars hold continuous trading; the day bar's close and volume include the closing auction.
    """
    windows = _windows(listing.instrument, day, calendar)
    bars: list[Bar] = []
    for window, (minutes, close, volume) in zip(windows, _sessions(seed, listing, windows), strict=True):
        session = resample(minutes, interval, *window)
        bars += [with_auction(bar, close, volume) for bar in session] if interval == DAY else session
    return bars


def _windows(instrument: Instrument, day: date, calendar: SourceCalendar) -> tuple[tuple[Nanos, Nanos], ...]:
    """Continuous trading of the `SESSIONS` sessions before `day`, without a muhurat whose hours nobody knows."""
    windows: list[tuple[Nanos, Nanos]] = []
    while len(windows) < SESSIONS:
        day = calendar.previous_session(instrument.segment, day)
        try:
            window = continuous_window(calendar.phases_of(instrument, day))
        except CalendarError:
            continue
        if window is not None:
            windows.insert(0, window)
    return tuple(windows)


@lru_cache(maxsize=256)
def _sessions(
    seed: int, listing: Listing, windows: tuple[tuple[Nanos, Nanos], ...]
) -> list[tuple[list[Bar], int, int]]:
    """Each session's minute bars, its closing price, and its whole volume."""
    instrument, tick = listing.instrument, listing.instrument.tick_size
    noise = Noise(seed, crc32(instrument.id.encode()), 2)
    level = 0.0
    drawn = []
    for start, end in windows:
        minutes = (end - start) // MINUTE
        mood = course(noise, minutes, 1)
        swing = np.repeat(mood.swing[:, 0], POINTS) / (minutes * POINTS) ** 0.5
        drift = np.repeat(mood.drift[:, 0], POINTS) / POINTS
        gap, jump = (noise.normal(2) * (GAP, AUCTION_JUMP)).tolist()
        path = level + gap + np.cumsum((noise.normal(minutes * POINTS) * swing + drift) * SWING)
        level = float(path[-1]) + jump
        pull = noise.uniform(minutes) + noise.uniform(minutes)
        drawn.append((path, level, (listing.volume * mood.volume[:, 0] * pull * pull).astype(np.int64)))
    sessions = []
    for (start, _), (path, close, volumes) in zip(windows, drawn, strict=True):
        scaled = np.round(listing.previous_close * growth(path - level) / tick).astype(np.int64) * tick
        points = scaled.reshape(-1, POINTS)
        rows = zip(points[:, 0], points.max(axis=1), points.min(axis=1), points[:, -1], volumes, strict=True)
        bars = [
            Bar(instrument.id, MINUTE, start + n * MINUTE, start + (n + 1) * MINUTE, *map(int, row))
            for n, row in enumerate(rows)
        ]
        last = round(listing.previous_close * float(growth(np.array(close - level))) / tick) * tick
        sessions.append((bars, last, int(volumes.sum()) + int(listing.volume * AUCTION_SHARE)))
    return sessions
