"""Prices inside a kernel: the grid, slippage, and the protective levels of one position; see `engine.guard`."""

from __future__ import annotations

from typing import Any

from saudagar.backtest import slots as at
from saudagar.backtest.compiled import compiled
from saudagar.execution import protection

_first_levels = compiled(protection.first_levels)
_PPM = 1_000_000


@compiled
def of(c: Any, s: Any, kind: int, price: int) -> int:
    """The distance of one exit from `price`: `kind` counts stop, target, trail, break-even."""
    return int(price * c[at.PPM + kind] // _PPM + s[at.POINTS + kind])


@compiled
def on_grid(distance: int, tick: int) -> int:
    return max(tick, -(-distance // tick) * tick)


@compiled
def reaching(sign: int, price: int, ppm: int, tick: int) -> int:
    """See `execution.steering`: beyond `price` in the order's favour to fill, on the grid."""
    reached = max(price + sign * (price * ppm // _PPM), tick)
    return -(-reached // tick) * tick if sign > 0 else reached // tick * tick


@compiled
def slipped(c: Any, sign: int, price: int, reach: int) -> int:
    """What a marketable order gets at `price`: worse by the stated slippage, never beyond its limit or below one tick.

    `reach` says how far the limit lies beyond `price`, ppm; -1 for an order without one.
    """
    if c[at.SLIP_TICKS] == 0 and c[at.SLIP_PPM] == 0:
        return price
    tick = c[at.TICK]
    away = c[at.SLIP_TICKS] * tick - (-(price * c[at.SLIP_PPM]) // (_PPM * tick)) * tick
    filled = max(price + sign * away, tick)
    return sign * min(sign * filled, sign * reaching(sign, price, reach, tick)) if reach >= 0 else int(filled)


@compiled
def arm(c: Any, s: Any) -> None:
    """The levels of a position that has just changed its average; see `engine.guard`."""
    average = s[at.ENTRY_VALUE] // s[at.ENTRY_QUANTITY]
    if average == s[at.AVERAGE]:
        return
    tick = c[at.TICK]
    sign = 1 if s[at.QUANTITY] > 0 else -1
    entry = max(tick, average // tick * tick)
    s[at.AVERAGE], s[at.ENTRY], s[at.HIT] = average, entry, 0
    s[at.TRAIL] = on_grid(of(c, s, 2, entry), tick) if c[at.HAS + 2] else 0
    s[at.TRAIL_STEP] = max(tick, s[at.TRAIL] // 10 // tick * tick)
    s[at.BREAK_EVEN] = max(tick, of(c, s, 3, entry)) if c[at.HAS + 3] else 0
    stop = on_grid(of(c, s, 0, entry), tick) if c[at.HAS] else 0
    target = on_grid(of(c, s, 1, entry), tick) if c[at.HAS + 1] else 0
    stop, target = _first_levels(sign, entry, stop, target, s[at.TRAIL])
    if stop <= 0 and (c[at.HAS] or c[at.HAS + 2]):
        stop = tick
    s[at.GOAL] = max(0, target)
    if s[at.TRAILED] == 0:
        s[at.STOP], s[at.BEST] = stop, entry


@compiled
def rest(c: Any, s: Any) -> bool:
    """Bring the resting stop to its level, as far as the broker's count of modifications allows; whether it moved."""
    if s[at.QUANTITY] == 0 or c[at.REST] == 0 or s[at.STOP] == 0:
        return False
    trigger = reaching(-1 if s[at.QUANTITY] > 0 else 1, s[at.STOP], 0, c[at.TICK])
    if s[at.TRIGGER] == trigger:
        return False
    if s[at.TRIGGER] == 0:
        s[at.CHANGES] = 0
    elif s[at.CHANGES] < c[at.MOST_CHANGES]:
        s[at.CHANGES] += 1
    else:
        return False
    s[at.TRIGGER] = trigger
    return True


@compiled
def corridor(c: Any, s: Any) -> None:
    """Between FLOOR and CEILING, both left out, nothing happens to the position."""
    low, high = 0, at.FAR
    if s[at.WOKEN] or s[at.TARGET] != s[at.QUANTITY]:
        low = at.FAR
    elif s[at.QUANTITY] > 0:
        low = s[at.STOP]
        high = s[at.GOAL] if s[at.GOAL] else at.FAR
        if s[at.TRAIL]:
            high = min(high, s[at.STOP] + s[at.TRAIL] + s[at.TRAIL_STEP])
        if s[at.BREAK_EVEN] and (s[at.STOP] == 0 or s[at.ENTRY] > s[at.STOP]):
            high = min(high, s[at.ENTRY] + s[at.BREAK_EVEN])
    elif s[at.QUANTITY] < 0:
        low = s[at.GOAL]
        high = s[at.STOP] if s[at.STOP] else at.FAR
        if s[at.TRAIL]:
            low = max(low, s[at.STOP] - s[at.TRAIL] - s[at.TRAIL_STEP])
        if s[at.BREAK_EVEN] and (s[at.STOP] == 0 or s[at.ENTRY] < s[at.STOP]):
            low = max(low, s[at.ENTRY] - s[at.BREAK_EVEN])
    s[at.FLOOR], s[at.CEILING] = low, high
