"""Dirt in recorded ticks, counted by kind. Nothing is mended: the desk's screen meets it as it did live.

Called when ticks are brought into the catalog.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from saudagar.market.ist import DAY, midnight
from saudagar.market.sessions import Phase, PhaseKind
from saudagar.model import Nanos, Paise

KINDS = (
    "no price",
    "no volume",
    "1970",
    "another day",
    "before the open",
    "after the close",
    "duplicate",
    "late",
    "falling volume",
)
"""Why a row is no plain tick, each counted under the first that holds: a price that is not positive; a volume below
zero; a time of a clock that was never set; a time of another day, or of this one outside the session; a row that was
there already, letter by letter; a time before the newest so far; a volume below the highest so far."""

_UNSET: Nanos = 2 * DAY  # times so near to 1970 are of no clock


def count_dirt(rows: Iterable[tuple[Nanos, Paise, int]], day: date, phases: Iterable[Phase]) -> dict[str, int]:
    """How many of `rows` (time in UTC ns, paise, units so far, as they arrived) are no plain ticks, by kind.

    Parameters
    ----------
    phases
        Of the instrument on `day`; the post-close is no time to trade.
    """
    trading = [phase for phase in phases if phase.kind is not PhaseKind.POST_CLOSE]
    begin, opening, close = midnight(day), trading[0].start, trading[-1].end
    counts = dict.fromkeys(KINDS, 0)
    seen: set[tuple[Nanos, Paise, int]] = set()
    newest = highest = 0
    for row in rows:
        ts, ltp, volume = row
        if ltp <= 0:
            counts["no price"] += 1
        elif volume < 0:
            counts["no volume"] += 1
        elif abs(ts) < _UNSET:
            counts["1970"] += 1
        elif not begin <= ts < begin + DAY:
            counts["another day"] += 1
        elif ts < opening:
            counts["before the open"] += 1
        elif ts >= close:
            counts["after the close"] += 1
        elif row in seen:
            counts["duplicate"] += 1
        elif ts < newest:
            counts["late"] += 1
            seen.add(row)
        elif volume < highest:
            counts["falling volume"] += 1
            seen.add(row)
        else:
            newest, highest = ts, volume
            seen.add(row)
    return {kind: count for kind, count in counts.items() if count}
