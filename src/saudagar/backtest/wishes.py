"""Wishes inside a kernel: from a bar's signals to a target, past size and risk, and from there to the next order.

What `engine.targets`, `risk` and `execution.steering` do, for the standard case.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from saudagar.backtest import slots as at
from saudagar.backtest.compiled import apart, compiled
from saudagar.backtest.levels import on_grid, reaching

_PPM = 1_000_000


@apart
def affordable(c: Any, s: Any, g: Any, kept: int, value: int) -> bool:
    """Whether the cash reaches for so much more; counts where it does not."""
    money = c[at.CAPITAL] + g[at.EARNED] + g[at.REALISED] - g[at.CHARGES]
    reaches = g[at.TIED] + kept * s[at.AVERAGE] + value <= money * c[at.LEVERAGE] // 100
    g[at.REFUSED] += not reaches
    return bool(reaches)


@compiled
def allowed(c: Any, s: Any, g: Any, sign: int, units: int, kept: int, price: int) -> bool:
    """Whether risk lets `units` be opened at `price` while `kept` units stay; see `risk.rules`."""
    limit = reaching(sign, price, c[at.ENTRY_REACH], c[at.TICK]) if c[at.ENTRY_REACH] >= 0 else 0
    if c[at.ALLOWED] == 0 or g[at.REDUCING]:
        return False
    if c[at.MOST_QUANTITY] and units > c[at.MOST_QUANTITY]:
        return False
    if c[at.MOST_VALUE] and units * max(limit, price) > c[at.MOST_VALUE]:
        return False
    if limit and abs(limit - price) * _PPM > c[at.PRICE_BAND] * price:
        return False
    if c[at.MOST_OPEN] and s[at.QUANTITY] == 0 and g[at.OPEN] - (1 if s[at.TARGET] else 0) >= c[at.MOST_OPEN]:
        return False
    reverses = s[at.QUANTITY] * sign < 0  # which completes a round trip before it opens the next
    if c[at.MOST_TRADES] and g[at.TODAY] + reverses >= c[at.MOST_TRADES]:
        return False
    if c[at.LEVERAGE] == 0 or s[at.QUANTITY] * sign >= units + kept:  # nobody counts, or nothing is bought
        return True
    return bool(affordable(c, s, g, kept, units * max(limit, price)))


@compiled
def sized(c: Any, s: Any, sign: int, price: int) -> int:
    """Units of an entry at `price`; see `risk.sizing` and `engine.targets`."""
    lot, amount = c[at.LOT], c[at.AMOUNT]
    units = amount
    if c[at.SIZE_BY] == at.BY_RISK:
        distance = at.FAR
        for kind in (0, 2):
            if c[at.HAS + kind]:
                distance = min(distance, price * c[at.PPM + kind] // _PPM + s[at.WISHED + kind])
        units = amount // on_grid(distance, c[at.TICK]) if 0 < distance < at.FAR else 0
    elif c[at.SIZE_BY] == at.BY_VALUE:
        units = amount // price
    elif c[at.SIZE_BY] == at.BY_LOTS:
        units = amount * lot
    if c[at.MOST_VALUE]:
        worst = reaching(sign, price, c[at.ENTRY_REACH], c[at.TICK]) if c[at.ENTRY_REACH] >= 0 else 0
        most = c[at.MOST_VALUE] * price // max(price, worst)
        if most:
            units = min(units, most // price)
    units = units // lot * lot
    if c[at.MOST_QUANTITY]:
        units = min(units, c[at.MOST_QUANTITY]) // lot * lot
    return int(units)


@compiled
def aim(s: Any, g: Any, target: int, reason: int) -> None:
    was = s[at.QUANTITY] != 0 or s[at.TARGET] != 0
    s[at.TARGET], s[at.REASON] = target, reason
    g[at.OPEN] += int(s[at.QUANTITY] != 0 or target != 0) - int(was)


@compiled
def want(c: Any, s: Any, g: Any, bits: int, atr: float, price: int, clock: int) -> None:
    """The signals of the bar that has closed, at the first price of the next; see `engine.targets`."""
    target = s[at.TARGET]
    if (target > 0 and bits & at.EXIT_LONG) or (target < 0 and bits & at.EXIT_SHORT):
        aim(s, g, 0, at.BY_SIGNAL)
        return
    direction = (1 if bits & at.LONG else 0) - (1 if bits & at.SHORT else 0)
    if direction == 0 or (c[at.NEEDS_ATR] and not np.isfinite(atr)):
        return
    if c[at.SIDE] * direction < 0:
        if target * direction < 0:
            aim(s, g, 0, at.BY_SIGNAL)
        return
    if target * direction > 0:
        return
    for kind in range(4):
        s[at.WISHED + kind] = c[at.CONST_POINTS + kind]
        if c[at.ATR_MILLI + kind]:
            s[at.WISHED + kind] = max(1, int(np.rint(c[at.ATR_MILLI + kind] / c[at.ATR_SCALE + kind] * atr)))
    goal = direction * sized(c, s, direction, price)
    if goal != 0:
        quantity = s[at.QUANTITY]
        kept = abs(quantity) if goal * quantity > 0 and abs(goal) > abs(quantity) else 0
        smaller = goal * target > 0 and abs(goal) < abs(target)
        inside = c[at.FROM] <= clock < c[at.UNTIL]
        if smaller or (inside and allowed(c, s, g, direction, abs(goal) - kept, kept, price)):
            if abs(goal) > abs(quantity) or goal * quantity < 0:
                for kind in range(4):
                    s[at.POINTS + kind] = s[at.WISHED + kind]
            aim(s, g, goal, at.BY_SIGNAL)
            return
    if target * direction < 0:
        aim(s, g, 0, at.BY_SIGNAL)


@compiled
def next_order(c: Any, s: Any, g: Any, price: int) -> int:
    """Signed units of the next order towards the target; 0 if there is none. See `execution.steering`."""
    quantity, target = s[at.QUANTITY], s[at.TARGET]
    if quantity == target:
        return 0
    if target * quantity < 0 and c[at.FLIP] and s[at.STOP] == 0:
        if allowed(c, s, g, 1 if target > 0 else -1, abs(target), 0, price):
            return int(target - quantity)
        aim(s, g, 0, at.BY_DENIAL)
        return 0  # the desk leaves at the next price
    if quantity and (target * quantity <= 0 or abs(target) < abs(quantity)):
        return int(-quantity if target * quantity <= 0 else target - quantity)
    if allowed(c, s, g, 1 if target > quantity else -1, abs(target - quantity), abs(quantity), price):
        return int(target - quantity)
    aim(s, g, quantity, s[at.REASON])
    return 0
