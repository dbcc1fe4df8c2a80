"""When a position may be opened: within the hours of entry, and soon after it was decided.

A signal is about the price of its moment. What keeps an entry from leaving at once (its turn under the throttle, the
other half of a reversal, a refused token, an order whose fate is unknown) may take minutes; then it is given up. Asked
by `targets` before a target is set, and by `orders` before an entry is sent; exits are never late.
"""

from __future__ import annotations

from saudagar.engine.core import Core
from saudagar.model import SECOND, Nanos
from saudagar.risk import Denied

_OUT_OF_HOURS = Denied("entry-window", "outside the hours in which the desk opens positions.")


def objection(core: Core, decided: Nanos) -> Denied | None:
    """Why nothing decided at `decided` (UTC ns) may be opened now; None if it may."""
    now, (first, end) = core.now, core.window
    if not first <= now < end:
        return _OUT_OF_HOURS
    if now == decided:
        return None
    waited, most = now - decided, core.settings.tactics.entry_age
    if most and waited > most:
        text = f"the signal is {waited // SECOND} s old; an entry is sent within {most / SECOND:g} s or not at all."
        return Denied("late", text)
    return None
