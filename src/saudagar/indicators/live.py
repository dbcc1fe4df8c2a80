"""Run a graph one bar at a time: what the desk calls at each closed bar of an instrument."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from saudagar.indicators.bars import SESSION_OPEN, bucket_end, check_bar, trading_time
from saudagar.indicators.evaluate import check_intervals, ordered
from saudagar.indicators.expr import Expr, align
from saudagar.indicators.kernel import NAN, Computed, Step
from saudagar.indicators.kernels import Align, Const, Field
from saudagar.model import Bar, Nanos
from saudagar.model.errors import DataError

_FIELDS = {"open": 0, "high": 1, "low": 2, "close": 3, "volume": 4, "day": 5, "since": 6, "until": 7}
_check_intervals = lru_cache(maxsize=256)(check_intervals)
_Row = tuple[float, float, float, float, float, int, int, int]


class Live:
    """The state of a graph over one instrument's bars.

    Built as slots and a list of operations: each value has a slot, each operation reads slots and writes one. Which
    they are is worked out once per graph and shared (`_Layout`): what a thousand instruments keep of their own is
    small, for at the end of a minute all of it comes from memory, not from a cache. Cheap to make, one per instrument
    and strategy; warmed up by stepping through history.

    Parameters
    ----------
    exprs
        The wanted expressions.
    session_open
        When the session opens, ns since midnight IST.
    """

    def __init__(self, exprs: Sequence[Expr], *, session_open: Nanos = SESSION_OPEN) -> None:
        self._layout = layout = _layout(tuple(exprs))
        self._session_open = session_open
        self._slots: list[Any] = list(layout.slots)
        self._identity: tuple[str, Nanos] | None = None
        self._last_end: Nanos = -(1 << 63)
        self._base = _Lane(layout.base, self._slots)
        self._higher = [
            (_Forming(interval, session_open), _Lane(plan, self._slots)) for interval, plan in layout.higher
        ]

    def step(self, bar: Bar) -> tuple[float | bool, ...]:
        """Take the next closed bar; give the value of each expression at it.

        Returns
        -------
        tuple
            One value per expression: a float (NaN while undefined) or a bool (False while undefined).

        Raises
        ------
        DataError
            The bar is impossible, late, or of another instrument or interval. Nothing has changed then.
        ConfigError
            At the first bar: its interval cannot serve a node of the graph. Nothing has changed then.
        """
        self._accept(bar)
        day, since = trading_time(bar.start, self._session_open)
        until = since + bar.end - bar.start
        prices = float(bar.open), float(bar.high), float(bar.low), float(bar.close)
        row: _Row = (*prices, float(bar.volume), day, since, until)
        for forming, lane in self._higher:
            for closed in forming.push(row, bar.interval):
                lane.run(closed)
        self._base.run(row)
        slots = self._slots
        return tuple([slots[at] == 1.0 if boolean else slots[at] for at, boolean in self._layout.outputs])

    def _accept(self, bar: Bar) -> None:
        check_bar(bar)
        if self._identity is None:
            _check_intervals(self._layout.nodes, bar.interval)
            self._identity = bar.instrument, bar.interval
        if bar.instrument != self._identity[0] or bar.interval != self._identity[1]:
            raise DataError(f"a bar of {self._identity} is wanted, got {bar!r}.")
        if bar.start < self._last_end:
            raise DataError(f"a bar from {self._last_end} on is wanted, got the late {bar!r}.")
        self._last_end = bar.end


class _Operation(NamedTuple):
    """Where one operation writes and what it reads. `b` is -1 for one source, `sources` is empty below three."""

    to: int
    a: int
    b: int
    sources: tuple[int, ...]


class _LanePlan(NamedTuple):
    """The operations that run when a bar of one interval closes, and where that bar's fields go."""

    first: int
    kernels: tuple[Computed, ...]
    operations: tuple[_Operation, ...]


class _Layout(NamedTuple):
    """What all instruments of one graph share."""

    nodes: tuple[Expr, ...]
    slots: tuple[Any, ...]  # as they are before the first bar
    base: _LanePlan
    higher: tuple[tuple[Nanos, _LanePlan], ...]
    outputs: tuple[tuple[int, bool], ...]  # slot, and whether it is a condition


@lru_cache(maxsize=256)
def _layout(exprs: tuple[Expr, ...]) -> _Layout:
    roots = [align(expr) for expr in exprs]
    nodes = tuple(ordered(roots))
    slots: list[Any] = []
    place: dict[Expr, int] = {}
    first: dict[Nanos, int] = {}
    parts: dict[Nanos, list[tuple[Computed, _Operation]]] = {}
    for interval in dict.fromkeys([0, *(node.interval or 0 for node in nodes)]):
        first[interval], parts[interval] = len(slots), []
        slots += [NAN] * len(_FIELDS)
    for node in nodes:
        interval = node.interval or 0
        match node.kernel:
            case Field(name):
                place[node] = first[interval] + _FIELDS[name]
            case Align():
                place[node] = place[node.inputs[0]]  # a slot holds its value until its lane runs again
            case Const(value):
                place[node] = len(slots)
                slots.append(value)
            case kernel:
                assert isinstance(kernel, Computed)
                place[node] = len(slots)
                slots.append((NAN,) * kernel.outputs if kernel.outputs else NAN)
                parts[interval].append((kernel, _operation(place[node], [place[part] for part in node.inputs])))
    plans = {
        interval: _LanePlan(first[interval], tuple(kernel for kernel, _ in part), tuple(place for _, place in part))
        for interval, part in parts.items()
    }
    base = plans.pop(0)
    return _Layout(nodes, tuple(slots), base, tuple(plans.items()), tuple((place[r], r.boolean) for r in roots))


def _operation(to: int, sources: list[int]) -> _Operation:
    if len(sources) > 2:
        return _Operation(to, sources[0], sources[1], tuple(sources))
    return _Operation(to, sources[0], sources[1] if len(sources) == 2 else -1, ())


class _Lane:
    """One instrument's steps of a lane."""

    __slots__ = ("_plan", "_slots", "_steps")

    def __init__(self, plan: _LanePlan, slots: list[Any]) -> None:
        self._plan = plan
        self._slots = slots
        self._steps: list[Step] = [kernel.live() for kernel in plan.kernels]

    def run(self, row: _Row) -> None:
        slots, plan = self._slots, self._plan
        slots[plan.first : plan.first + len(row)] = row
        for step, (to, a, b, sources) in zip(self._steps, plan.operations, strict=True):
            if b < 0:
                slots[to] = step(slots[a])
            elif not sources:
                slots[to] = step(slots[a], slots[b])
            else:
                slots[to] = step(*[slots[at] for at in sources])


class _Forming:
    """The higher bar that is being made."""

    __slots__ = ("_interval", "_row", "_session_open")

    def __init__(self, interval: Nanos, session_open: Nanos) -> None:
        self._interval = interval
        self._session_open = session_open
        self._row: _Row | None = None

    def push(self, row: _Row, interval: Nanos) -> list[_Row]:
        """Add a lower bar; give the higher bars that closed by its end, oldest first."""
        if interval == self._interval:
            return [row]
        day, since, until = row[5:]
        end = bucket_end(since, self._interval, self._session_open)
        closed = []
        old = self._row
        if old is not None and (old[5], old[7]) != (day, end):
            closed.append(old)
            old = None
        o, h, lo, _, v = row[:5] if old is None else old[:5]
        if old is not None:
            h, lo, v = max(h, row[1]), min(lo, row[2]), v + row[4]
        self._row = (o, h, lo, row[3], v, day, end - self._interval, end)
        if until >= end:
            closed.append(self._row)
            self._row = None
        return closed
