"""One position's life inside a kernel: prices in, fills and round trips out.

The same decisions in the same order as the engine with `fills.BarBroker` behind it, on rows of whole numbers: a state
row per position, a constant row per plan and instrument. `execution.protection` is compiled as it stands; sizing, risk
and steering are written again for the standard case, and a property test holds them to the engine to the paisa.
Imported by kernels only, since it needs Numba.
"""

from __future__ import annotations

from typing import Any

from saudagar.backtest import slots as at
from saudagar.backtest.compiled import compiled
from saudagar.backtest.levels import arm, corridor, reaching, rest, slipped
from saudagar.backtest.wishes import next_order, want
from saudagar.execution import protection

_step = compiled(protection.step)
_PPM = 1_000_000


@compiled
def book(c: Any, s: Any, g: Any, signed: int, price: int, ts: int, out: Any, row: int) -> None:
    """One fill of `signed` units at `price`; what it closes becomes a line of `out`."""
    quantity = s[at.QUANTITY]
    was = quantity != 0 or s[at.TARGET] != 0
    s[at.FILLS] += 1 if c[at.MOST_UNITS] == 0 else -(-abs(signed) // c[at.MOST_UNITS])
    closing = 0
    if quantity * signed < 0:
        closing = min(abs(signed), abs(quantity))
        s[at.EXIT_QUANTITY] += closing
        s[at.EXIT_VALUE] += closing * price
        quantity += closing if signed > 0 else -closing
        s[at.QUANTITY] = quantity
        if quantity == 0:
            close(c, s, g, 1 if signed < 0 else -1, ts, out, row)
            out[g[at.TRADES] - 1, at.OUT_THROUGH] = abs(signed) > closing
    opening = abs(signed) - closing
    if opening:
        if s[at.QUANTITY] == 0:
            s[at.OPENED] = ts
        s[at.QUANTITY] += opening if signed > 0 else -opening
        s[at.ENTRY_QUANTITY] += opening
        s[at.ENTRY_VALUE] += opening * price
        arm(c, s)
    g[at.OPEN] += int(s[at.QUANTITY] != 0 or s[at.TARGET] != 0) - int(was)


@compiled
def close(c: Any, s: Any, g: Any, sign: int, ts: int, out: Any, row: int) -> None:
    m = g[at.TRADES]
    out[m, at.OUT_ROW], out[m, at.OUT_SIGN], out[m, at.OUT_QUANTITY] = row, sign, s[at.ENTRY_QUANTITY]
    out[m, at.OUT_ENTRY_TS], out[m, at.OUT_ENTRY_VALUE] = s[at.OPENED], s[at.ENTRY_VALUE]
    out[m, at.OUT_EXIT_TS], out[m, at.OUT_EXIT_VALUE], out[m, at.OUT_REASON] = ts, s[at.EXIT_VALUE], s[at.REASON]
    g[at.TRADES] = m + 1
    g[at.TODAY] += 1
    turnover = s[at.ENTRY_VALUE] + s[at.EXIT_VALUE]
    g[at.REALISED] += sign * (s[at.EXIT_VALUE] - s[at.ENTRY_VALUE])
    g[at.CHARGES] += (c[at.COST_PPM] * turnover + 500_000) // _PPM
    s[at.ENTRY_QUANTITY] = s[at.ENTRY_VALUE] = s[at.EXIT_QUANTITY] = s[at.EXIT_VALUE] = 0
    s[at.STOP] = s[at.GOAL] = s[at.BEST] = s[at.TRAILED] = s[at.AVERAGE] = 0
    s[at.TRIGGER] = s[at.WOKEN] = s[at.CHANGES] = s[at.HIT] = 0
    s[at.TRAIL] = s[at.TRAIL_STEP] = s[at.BREAK_EVEN] = 0


@compiled
def stop_reason(s: Any) -> int:
    if s[at.TRAILED] == 0:
        return at.BY_STOP
    return at.BY_BREAK_EVEN if s[at.BREAK_EVEN] and s[at.STOP] == s[at.ENTRY] else at.BY_TRAIL


@compiled
def stop_fill(c: Any, s: Any, price: int) -> int:
    """The price at which the resting stop fills now that the market stands at `price`; 0 if it does not."""
    sign = 1 if s[at.QUANTITY] > 0 else -1
    if s[at.WOKEN]:
        return int(s[at.WOKEN]) if sign * (price - s[at.WOKEN]) >= 0 else 0
    if s[at.TRIGGER] == 0 or sign * (price - s[at.TRIGGER]) > 0:
        return 0
    if c[at.STOP_BAND] < 0:
        return slipped(c, -sign, price, -1)
    limit = reaching(-sign, s[at.TRIGGER], c[at.STOP_BAND], c[at.TICK])
    if sign * (price - limit) < 0:
        s[at.WOKEN] = limit
        return 0
    return sign * max(sign * limit, sign * slipped(c, -sign, price, -1))


@compiled
def stopped_out(c: Any, s: Any, g: Any, price: int, ts: int, out: Any, row: int) -> None:
    """The resting stop has filled at `price`."""
    if s[at.TARGET] * s[at.QUANTITY] > 0:
        s[at.TARGET], s[at.REASON] = 0, stop_reason(s)
    book(c, s, g, -s[at.QUANTITY], price, ts, out, row)


@compiled
def watch(c: Any, s: Any, price: int, ts: int) -> None:
    """The desk sees `price`: levels move, or the position is to be left; see `engine.watch`."""
    sign = 1 if s[at.QUANTITY] > 0 else -1
    decision, stop, best = _step(
        sign,
        s[at.ENTRY],
        s[at.STOP],
        s[at.GOAL],
        s[at.BEST],
        s[at.TRAIL],
        s[at.TRAIL_STEP],
        s[at.BREAK_EVEN],
        price,
        price,
    )
    if stop != s[at.STOP]:
        s[at.TRAILED] = 1
    s[at.STOP], s[at.BEST] = stop, best
    reason = 0
    if decision == protection.STOPPED:
        if c[at.REST] and s[at.TRIGGER] == stop and (s[at.HIT] == 0 or ts - s[at.HIT] < c[at.CHASE]):
            if s[at.TARGET] * sign > 0 and s[at.HIT] == 0:
                s[at.HIT] = ts
        else:
            reason = stop_reason(s)
    elif decision == protection.TARGETED:
        reason = at.BY_TARGET
    else:
        s[at.HIT] = 0
        if c[at.MAX_AGE] and ts - s[at.OPENED] >= c[at.MAX_AGE]:
            reason = at.BY_TIME
    if reason and s[at.TARGET] * sign > 0:
        s[at.TARGET], s[at.REASON] = 0, reason


@compiled
def next_level(s: Any, price: int, end: int) -> int:
    """The first level strictly between two prices; 0 if there is none."""
    found = 0
    resting = s[at.WOKEN] if s[at.WOKEN] else s[at.TRIGGER]
    for level in (resting, s[at.STOP], s[at.GOAL]):
        if (price < level < end and (found == 0 or level < found)) or (end < level < price and level > found):
            found = level
    return found


@compiled
def order_price(c: Any, s: Any, signed: int, price: int) -> int:
    """What an order of `signed` units gets when the market stands at `price`."""
    closes = s[at.QUANTITY] * signed < 0 and abs(signed) <= abs(s[at.QUANTITY])
    return slipped(c, 1 if signed > 0 else -1, price, c[at.EXIT_REACH] if closes else c[at.ENTRY_REACH])


@compiled
def settle(c: Any, s: Any, g: Any, price: int, ts: int, out: Any, row: int) -> None:
    """Trade towards the target at `price` until it is reached or refused."""
    signed = next_order(c, s, g, price)
    while signed:
        book(c, s, g, signed, order_price(c, s, signed, price), ts, out, row)
        signed = next_order(c, s, g, price)
    rest(c, s)


@compiled
def arrive(c: Any, s: Any, g: Any, price: int, ts: int, clock: int, out: Any, row: int) -> None:
    """A price comes: square-off, the resting stop, the desk's own watch."""
    if s[at.QUANTITY] == 0:
        return
    if clock >= c[at.SQUARE_OFF]:
        s[at.TARGET], s[at.REASON] = 0, at.BY_SQUARE_OFF
    if c[at.REST]:
        filled = stop_fill(c, s, price)
        if filled:
            stopped_out(c, s, g, filled, ts, out, row)
    if s[at.QUANTITY]:
        watch(c, s, price, ts)


@compiled
def stand(c: Any, s: Any, g: Any, price: int, ts: int, clock: int, out: Any, row: int) -> None:
    arrive(c, s, g, price, ts, clock, out, row)
    settle(c, s, g, price, ts, out, row)


@compiled
def walk(
    c: Any,
    s: Any,
    g: Any,
    o: int,
    h: int,
    low: int,
    close_: int,
    start: int,
    end: int,
    clock: int,
    timed: bool,
    out: Any,
    row: int,
) -> None:
    """Inside a bar: open, worst, kindest, close, standing still at every level on the way."""
    first, second = (low, h) if s[at.QUANTITY] > 0 else (h, low)
    price = o
    quiet = not timed
    for leg in range(3):
        goal = first if leg == 0 else second if leg == 1 else close_
        if quiet and s[at.FLOOR] < min(price, goal) and max(price, goal) < s[at.CEILING]:
            price = goal
            continue
        later = (end - start) // 4 if leg == 0 else (end - start) // 2 if leg == 1 else end - 1 - start
        level = 1
        while level and s[at.QUANTITY]:  # at each level, then at the end of the leg
            level = next_level(s, price, goal)
            price = level if level else goal
            stand(c, s, g, price, start + later, clock + later, out, row)
        if level:
            return
        corridor(c, s)


@compiled
def moved_quietly(c: Any, s: Any, o: int, h: int, low: int, close_: int) -> bool:
    """Whether the bar does no more than move the stop: what happens most, told without walking through the bar."""
    sign = 1 if s[at.QUANTITY] > 0 else -1
    worst, kindest = (low, h) if sign > 0 else (h, low)
    if not (s[at.FLOOR] < o < s[at.CEILING] and s[at.FLOOR] < worst < s[at.CEILING]):
        return False
    decision, stop, best = _step(
        sign,
        s[at.ENTRY],
        s[at.STOP],
        s[at.GOAL],
        s[at.BEST],
        s[at.TRAIL],
        s[at.TRAIL_STEP],
        s[at.BREAK_EVEN],
        kindest,
        kindest,
    )
    if decision != protection.HOLD or (stop and sign * (close_ - stop) <= 0):
        return False
    if stop != s[at.STOP]:
        s[at.TRAILED] = 1
    s[at.STOP], s[at.BEST], s[at.HIT] = stop, best, 0
    rest(c, s)
    corridor(c, s)
    return True


@compiled
def bar(
    c: Any,
    s: Any,
    g: Any,
    wish: bool,
    bits: int,
    atr: float,
    o: int,
    h: int,
    low: int,
    close_: int,
    start: int,
    end: int,
    clock: int,
    out: Any,
    row: int,
) -> None:
    """One bar of one instrument that trades alone: its open, the wish of the bar before, its inside.

    `wish` says whether `bits` ask for anything that is not so already.
    """
    timed = (c[at.MAX_AGE] and end > s[at.OPENED] + c[at.MAX_AGE]) or clock + (end - 1 - start) >= c[at.SQUARE_OFF]
    if not wish and not timed and moved_quietly(c, s, o, h, low, close_):
        return
    if wish or timed or not s[at.FLOOR] < o < s[at.CEILING]:
        arrive(c, s, g, o, start, clock, out, row)
        if bits:
            want(c, s, g, bits, atr, o, clock)
        settle(c, s, g, o, start, out, row)
        if s[at.QUANTITY] == 0:
            return
        corridor(c, s)
        timed = timed or (c[at.MAX_AGE] and end > s[at.OPENED] + c[at.MAX_AGE])
    if low <= s[at.FLOOR] or h >= s[at.CEILING] or timed:
        walk(c, s, g, o, h, low, close_, start, end, clock, timed, out, row)


@compiled
def act_at_close(
    c: Any, s: Any, g: Any, bits: int, atr: float, price: int, ts: int, clock: int, out: Any, row: int
) -> None:
    """The wish of a bar at its own close, seen once more as a last price."""
    arrive(c, s, g, price, ts, clock, out, row)
    want(c, s, g, bits, atr, price, clock)
    settle(c, s, g, price, ts, out, row)
    if s[at.QUANTITY]:
        corridor(c, s)


@compiled
def morning(c: Any, s: Any) -> None:
    """Day orders have ended; what rests is sent anew."""
    s[at.TRIGGER] = s[at.WOKEN] = s[at.HIT] = s[at.CHANGES] = 0
    rest(c, s)
