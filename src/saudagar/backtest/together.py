"""Many instruments inside one kernel: one clock, one account, the limits that all positions share.

At each moment first all opens, then each leg of the walk through the bars, as in `replay`: resting stops fill, the
desk sees the prices and the signals, and then the orders go out, those that reduce before those that open. Orders are
answered one after another, and every answer may change what the next one is allowed.
"""

from __future__ import annotations

from typing import Any

from saudagar.backtest import slots as at
from saudagar.backtest.compiled import apart
from saudagar.backtest.levels import corridor, rest
from saudagar.backtest.steps import book, morning, next_level, order_price, stop_fill, stopped_out, watch
from saudagar.backtest.wishes import aim, next_order, want

_UNLIMITED = 1 << 60


@apart
def mark(s: Any, g: Any, price: int) -> None:
    """Count the open profit of a position at `price`."""
    profit = 0
    if s[at.QUANTITY]:
        sign = 1 if s[at.QUANTITY] > 0 else -1
        profit = s[at.QUANTITY] * price + sign * (s[at.EXIT_VALUE] - s[at.ENTRY_VALUE])
    g[at.OPEN_PROFIT] += profit - s[at.MARK]
    s[at.MARK] = profit


@apart
def count_tied(S: Any, g: Any, own: int) -> None:  # noqa: N803
    """What all positions but `own` hold, at its cost, and are opening; see `portfolio.position`."""
    tied = 0
    for k in range(len(S)):
        quantity, target = S[k, at.QUANTITY], S[k, at.TARGET]
        if k != own and (quantity or target):
            stays = abs(quantity) if quantity * target >= 0 else 0
            tied += stays * S[k, at.AVERAGE] + max(0, abs(target) - stays) * S[k, at.LAST]
    g[at.TIED] = tied


@apart
def flatten(S: Any, g: Any, reason: int) -> None:  # noqa: N803  # S and C hold a row for each position
    g[at.FLATTENED] = 1
    for k in range(len(S)):
        if S[k, at.QUANTITY] or S[k, at.TARGET]:
            aim(S[k], g, 0, reason)


@apart
def check_day(c: Any, S: Any, g: Any) -> None:  # noqa: N803
    """The profit of the day against its limits."""
    least = -c[at.DAY_LOSS] if c[at.DAY_LOSS] else -_UNLIMITED
    most = c[at.DAY_PROFIT] if c[at.DAY_PROFIT] else _UNLIMITED
    profit = g[at.REALISED] - g[at.CHARGES] + g[at.OPEN_PROFIT] - g[at.BROUGHT]
    if g[at.REDUCING] or least < profit < most:
        return
    g[at.REDUCING] = 1
    flatten(S, g, at.BY_DAY_LIMIT)


@apart
def begin_day(C: Any, S: Any, g: Any) -> None:  # noqa: N803
    g[at.EARNED] += g[at.REALISED] - g[at.CHARGES]
    g[at.TODAY] = g[at.REALISED] = g[at.CHARGES] = g[at.REDUCING] = g[at.SQUARED] = g[at.OPEN_PROFIT] = 0
    for k in range(len(S)):
        S[k, at.MARK] = 0
        if S[k, at.QUANTITY]:
            morning(C[k], S[k])
            mark(S[k], g, S[k, at.LAST])
    g[at.BROUGHT] = g[at.OPEN_PROFIT]


@apart
def send(C: Any, S: Any, g: Any, k: int, queue: Any, end: int) -> int:  # noqa: N803
    """Send the next order of position `k`, if it needs one and none is under way; the new end of the queue."""
    if S[k, at.PENDING]:
        return end
    if C[k, at.LEVERAGE]:
        count_tied(S, g, k)
    signed = next_order(C[k], S[k], g, S[k, at.LAST])
    if signed:
        S[k, at.PENDING] = signed
        queue[end % len(queue)] = k
        end += 1
    return end


@apart
def send_rest(C: Any, S: Any, g: Any, group: Any, count: int, queue: Any, end: int) -> int:  # noqa: N803
    """After an answer: whoever is not where it should be is looked at again."""
    whole = g[at.FLATTENED] == 1
    g[at.FLATTENED] = 0
    for j in range(len(S) if whole else count):
        k = j if whole else group[j]
        if S[k, at.QUANTITY] != S[k, at.TARGET]:
            end = send(C, S, g, k, queue, end)
    return end


@apart
def opens(s: Any) -> bool:
    return bool(abs(s[at.TARGET]) > abs(s[at.QUANTITY]) and s[at.TARGET] * s[at.QUANTITY] >= 0)


@apart
def settle_all(C: Any, S: Any, g: Any, group: Any, count: int, ts: int, out: Any, queue: Any) -> None:  # noqa: N803
    """Trade until every position of the group (of all, after a flattening) is where it should be, or refused."""
    first = end = 0
    whole = g[at.FLATTENED] == 1
    g[at.FLATTENED] = 0
    size = len(S) if whole else count
    for opening in (False, True):
        for j in range(size):
            k = j if whole else group[j]
            if S[k, at.QUANTITY] != S[k, at.TARGET] and opens(S[k]) == opening:
                end = send(C, S, g, k, queue, end)
    while True:
        while first < end:
            k = queue[first % len(queue)]
            first += 1
            s = S[k]
            signed = s[at.PENDING]
            s[at.PENDING] = 0
            book(C[k], s, g, signed, order_price(C[k], s, signed, s[at.LAST]), ts, out, k)
            mark(s, g, s[at.LAST])
            check_day(C[k], S, g)
            end = send(C, S, g, k, queue, end)
            end = send_rest(C, S, g, group, count, queue, end)
        moved = False
        for j in range(count):
            moved |= rest(C[group[j]], S[group[j]])
        if moved:  # another answer, after which what was refused is looked at again
            end = send_rest(C, S, g, group, count, queue, end)
        if first == end:
            return


@apart
def phase(
    C: Any,  # noqa: N803
    S: Any,  # noqa: N803
    g: Any,
    group: Any,
    count: int,
    ts: int,
    clock: int,
    bits: Any,
    atr: Any,
    spot: Any,
    signals: bool,
    out: Any,
    queue: Any,
) -> None:
    """The market stands at LAST of each position of the group: the broker's orders trade, then the desk sees it."""
    if clock >= C[0, at.SQUARE_OFF] and g[at.SQUARED] == 0:
        g[at.SQUARED] = 1
        flatten(S, g, at.BY_SQUARE_OFF)
    stops = 0
    for j in range(count):
        s = S[group[j]]
        s[at.FILLED] = stop_fill(C[group[j]], s, s[at.LAST]) if s[at.QUANTITY] and C[group[j], at.REST] else 0
        stops += s[at.FILLED] != 0
    if stops:
        for j in range(count):
            k = group[j]
            if S[k, at.FILLED]:
                stopped_out(C[k], S[k], g, S[k, at.FILLED], ts, out, k)
                mark(S[k], g, 0)
                check_day(C[k], S, g)
    for j in range(count):
        k = group[j]
        s = S[k]
        if s[at.QUANTITY]:
            watch(C[k], s, s[at.LAST], ts)
            mark(s, g, s[at.LAST])
            check_day(C[k], S, g)
        if signals and bits[spot[k]]:
            if C[k, at.LEVERAGE]:
                count_tied(S, g, k)
            want(C[k], s, g, int(bits[spot[k]]), atr[spot[k]] if len(atr) else 0.0, s[at.LAST], clock)
    settle_all(C, S, g, group, count, ts, out, queue)


@apart
def walk_all(
    C: Any,  # noqa: N803
    S: Any,  # noqa: N803
    g: Any,
    group: Any,
    count: int,
    prices: Any,
    spot: Any,
    bits: Any,
    atr: Any,
    start: int,
    clock: int,
    length: int,
    one: Any,
    out: Any,
    queue: Any,
) -> None:
    """Inside the bars of the group; `prices` holds four columns: open, worst, kindest, close of each position."""
    for leg in range(1, 4):
        later = length // 4 if leg == 1 else length // 2 if leg == 2 else length - 1
        for j in range(count):
            k = group[j]
            one[0] = k
            level = next_level(S[k], S[k, at.LAST], prices[k, leg]) if S[k, at.QUANTITY] else 0
            while level:
                S[k, at.LAST] = level
                phase(C, S, g, one, 1, start + later, clock + later, bits, atr, spot, False, out, queue)
                level = next_level(S[k], level, prices[k, leg]) if S[k, at.QUANTITY] else 0
        for j in range(count):
            S[group[j], at.LAST] = prices[group[j], leg]
        phase(C, S, g, group, count, start + later, clock + later, bits, atr, spot, False, out, queue)


@apart
def moment(
    C: Any,  # noqa: N803
    S: Any,  # noqa: N803
    g: Any,
    group: Any,
    count: int,
    spot: Any,
    columns: Any,
    times: Any,
    bits: Any,
    atr: Any,
    prices: Any,
    scratch: Any,
    out: Any,
) -> None:
    """All bars that begin now: `spot` is where each position's bar stands in the columns."""
    open_, high, low, close = columns
    starts, ends, clocks = times
    inside, one, queue = scratch
    place = spot[group[0]]
    start, clock = starts[place], clocks[place]
    for j in range(count):
        S[group[j], at.LAST] = int(open_[spot[group[j]]])
    phase(C, S, g, group, count, start, clock, bits, atr, spot, True, out, queue)
    length, walked = 0, 0
    square = False
    for j in range(count):
        square |= g[at.SQUARED] == 0 and clock + ends[spot[group[j]]] - start > C[0, at.SQUARE_OFF]
    limits = C[0, at.DAY_LOSS] or C[0, at.DAY_PROFIT]
    for j in range(count):
        k = group[j]
        s, c, i = S[k], C[k], spot[k]
        quiet = s[at.QUANTITY] == 0 and s[at.TARGET] == 0
        if not quiet and not limits:
            corridor(c, s)
            aged = c[at.MAX_AGE] and ends[i] > s[at.OPENED] + c[at.MAX_AGE]
            quiet = not aged and s[at.FLOOR] < low[i] and high[i] < s[at.CEILING]
        if quiet and not square:
            continue
        down = s[at.QUANTITY] >= 0
        prices[k, 1] = int(low[i]) if down else int(high[i])
        prices[k, 2] = int(high[i]) if down else int(low[i])
        prices[k, 3] = int(close[i])
        inside[walked] = k
        walked += 1
        length = max(length, ends[i] - start)
    if walked:
        walk_all(C, S, g, inside, walked, prices, spot, bits, atr, start, clock, length, one, out, queue)
    for j in range(count):
        S[group[j], at.LAST] = int(close[spot[group[j]]])
