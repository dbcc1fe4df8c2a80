"""The one rule of protective exits: stop, target, trail, break-even, age.

Pure arithmetic on whole paise, written in the subset that Numba compiles, so that the desk (per tick) and a research
kernel (per bar) run the same source. A tick is a bar whose open, high, low and close are one price.

Within one bar the worst comes first: the bar may have touched the stop and the target, and then it is the stop; the
trail follows the best price only after the old stop was found untouched.
"""

from __future__ import annotations

from saudagar.model import Nanos, Paise

HOLD, STOPPED, TARGETED, AGED = 0, 1, 2, 3
"""What `step` decided."""


def first_levels(
    sign: int, entry: Paise, stop_distance: Paise, target_distance: Paise, trail_distance: Paise
) -> tuple[Paise, Paise]:
    """Stop and target at the entry; 0 where there is none. The nearer of stop and trail is in force."""
    distance = stop_distance
    if trail_distance and (not distance or trail_distance < distance):
        distance = trail_distance
    stop = entry - sign * distance if distance else 0
    target = entry + sign * target_distance if target_distance else 0
    return stop, target


def step(
    sign: int,
    entry: Paise,
    stop: Paise,
    target: Paise,
    best: Paise,
    trail_distance: Paise,
    trail_step: Paise,
    break_even_distance: Paise,
    high: Paise,
    low: Paise,
) -> tuple[int, Paise, Paise]:
    """One tick or bar of an open position.

    Parameters
    ----------
    sign
        +1 long, -1 short.
    trail_step
        The stop follows the best price in steps of at least this, so that a resting order is not modified on each
        tick.
    high, low
        Of the bar; both the price for a tick.

    Returns
    -------
    decision, stop, best
        `STOPPED` leaves `stop` at the level that was hit.
    """
    worst, kindest = (low, high) if sign > 0 else (high, low)
    if stop and sign * (worst - stop) <= 0:
        return STOPPED, stop, best
    if target and sign * (kindest - target) >= 0:
        return TARGETED, stop, best
    if sign * (kindest - best) > 0:
        best = kindest
        if (
            break_even_distance
            and sign * (best - entry) >= break_even_distance
            and (not stop or sign * (entry - stop) > 0)
        ):
            stop = entry
        if trail_distance:
            level = best - sign * trail_distance
            if not stop or sign * (level - stop) >= trail_step:
                stop = level
    return HOLD, stop, best


def aged(now: Nanos, opened: Nanos, max_age: Nanos) -> bool:
    """Whether the position is older than it may be."""
    return max_age > 0 and now - opened >= max_age
