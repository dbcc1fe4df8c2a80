"""What looks wrong in a series of past bars: missing days, holes, bars outside the session, jumps of the price.

Nothing is mended: a split is adjusted by whoever knows of it, a gap is fetched again. Called by `saudagar data`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby, pairwise

import msgspec

from saudagar.market.ist import DAY, ist_day, midnight
from saudagar.market.sessions import Calendar, continuous
from saudagar.model import MINUTE, Bar, Nanos, Paise, Segment
from saudagar.model.errors import CalendarError

JUMP = 0.14
"""A change over night of more than this part is shown: the smallest usual bonus, 1 for 5, is 16.7 %."""

_HOLE: Nanos = 15 * MINUTE  # shorter silences are ordinary in quiet instruments
_NEAR = 0.03
_ACTIONS: tuple[tuple[float, str], ...] = tuple(
    sorted(
        {
            **{float(n): f"a split or bonus, {n} shares for 1" for n in (2, 3, 4, 5, 6, 8, 10, 20, 50, 100)},
            **{1 / n: f"a consolidation, 1 share for {n}" for n in (2, 5, 10)},
            1.2: "a bonus of 1 for 5",
            1.25: "a bonus of 1 for 4",
            4 / 3: "a bonus of 1 for 3",
            1.5: "a bonus of 1 for 2",
            5 / 3: "a bonus of 2 for 3",
            2.5: "a split or bonus, 5 shares for 2",
        }.items()
    )
)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person should look at. Times in UTC ns."""

    kind: str  # "missing days", "hole", "outside hours", "jump", "not checked"
    start: Nanos
    end: Nanos
    detail: str


def check_bars(bars: Sequence[Bar], segment: Segment, calendar: Calendar, now: Nanos | None = None) -> list[Finding]:
    """What looks wrong in `bars`: one instrument and interval, oldest first; after `now` none is missed yet."""
    if not bars:
        return []
    days = {day: list(group) for day, group in groupby(bars, key=lambda bar: ist_day(bar.start))}
    found = [*_gaps(days, segment, calendar, now), *_jumps(bars)]
    return sorted(found, key=lambda finding: finding.start)


def _gaps(days: dict[date, list[Bar]], segment: Segment, calendar: Calendar, now: Nanos | None) -> Iterator[Finding]:
    missing: list[date] = []
    unknown: dict[str, list[date]] = {}
    day, last = min(days), max(days)
    while day <= last:
        try:
            if day in days:
                yield from _within(days[day], day, segment, calendar, now)
            elif calendar.is_session(segment, day):
                missing.append(day)
        except CalendarError as error:
            unknown.setdefault(error.message, []).append(day)
        day += timedelta(days=1)
    for run in _runs(missing, segment, calendar):
        words = f"{len(run)} session{'s' if len(run) > 1 else ''} without a bar"
        yield Finding(kind="missing days", start=midnight(run[0]), end=midnight(run[-1]) + DAY, detail=words)
    for message, which in unknown.items():
        yield Finding(kind="not checked", start=midnight(which[0]), end=midnight(which[-1]) + DAY, detail=message)


def _runs(days: list[date], segment: Segment, calendar: Calendar) -> list[list[date]]:
    """Sessions that follow each other, together."""
    runs: list[list[date]] = []
    for day in days:
        if runs and calendar.next_session(segment, runs[-1][-1]) == day:
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def _within(bars: list[Bar], day: date, segment: Segment, calendar: Calendar, now: Nanos | None) -> Iterator[Finding]:
    phases = calendar.phases(segment, day, closing_auction=True)
    if not phases:
        words = f"{len(bars)} bar{'s' if len(bars) > 1 else ''} on a day without a session"
        yield Finding(kind="outside hours", start=bars[0].start, end=bars[-1].end, detail=words)
        return
    if bars[0].interval >= DAY:
        return
    outside = [bar for bar in bars if not phases[0].start <= bar.start < phases[-1].end]
    if outside:
        words = f"{len(outside)} bar{'s' if len(outside) > 1 else ''} outside the session"
        yield Finding(kind="outside hours", start=outside[0].start, end=outside[-1].end, detail=words)
    longest = max(_HOLE, 3 * bars[0].interval)
    for opened, closed in continuous(phases):
        inside = [bar for bar in bars if opened <= bar.start < closed]
        end = closed if now is None else min(closed, max(opened, now))
        edges = [opened, *(time for bar in inside for time in (bar.start, bar.end)), end]
        for until, start in zip(edges[::2], edges[1::2], strict=True):
            if start - until >= longest:
                words = f"{(start - until) // MINUTE} minutes of the session without a bar"
                yield Finding(kind="hole", start=until, end=start, detail=words)


def _jumps(bars: Sequence[Bar]) -> Iterator[Finding]:
    for before, after in pairwise(bars):
        if ist_day(before.start) == ist_day(after.start):
            continue
        if abs(after.open / before.close - 1) > JUMP:
            yield Finding(kind="jump", start=before.start, end=after.start, detail=jump_words(before.close, after.open))


def jump_words(close: Paise, opened: Paise) -> str:
    """What a night looks like that leads from `close` to `opened`; after a semicolon, if to a corporate action."""
    like = next((words for ratio, words in _ACTIONS if abs(close / opened / ratio - 1) <= _NEAR), "")
    words = f"opens at {opened / 100:,.2f} after {close / 100:,.2f} ({opened / close - 1:+.1%})"
    return f"{words}; looks like {like}" if like else words
