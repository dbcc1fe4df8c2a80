"""Run a graph one bar at a time: what the desk calls at each closed bar of an instrument."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from saudagar.indicators.bars import SESSION_OPEN, bucket_end, check_bar, trading_time
from saudagar.indicators.evaluate import check_intervals, ordered
from saudagar.indicators.expr import Expr, align
from saudagar.indicators.kernel import NAN, Step
from saudagar.indicators.kernels import Align, Const, Field
from saudagar.model import Bar, Nanos
from saudagar.model.errors import DataError

_FIELDS = {"open": 0, "high": 1, "low": 2, "close": 3, "volume": 4, "day": 5, "since": 6, "until": 7}
_Row = tuple[float, float, float, float, float, int, int, int]


class Live:
    """The state of a graph over one instrument's bars.

    Built as slots and a list of operations: each value has a slot, each operation reads slots and writes one.
    Cheap to make, one per instrument and strategy; warmed up by stepping through history.

    Parameters
    ----------
    exprs
        The wanted expressions.
    session_open
        When the session opens, ns since midnight IST.
    """

    def __init__(self, exprs: Sequence[Expr], *, session_open: Nanos = SESSION_OPEN) -> None:
        roots = [align(expr) for expr in exprs]
        self._nodes = list(ordered(roots))
        self._session_open = session_open
        self._slots: list[Any] = []
        self._lanes: dict[int, _Lane] = {0: _Lane(self._slots)}
        self._identity: tuple[str, Nanos] | None = None
        self._last_end: Nanos = -(1 << 63)
        place: dict[Expr, int] = {}
        for node in self._nodes:
            place[node] = self._place(node, place)
        self._base = self._lanes.pop(0)
        self._higher = [(_Forming(interval, session_open), lane) for interval, lane in self._lanes.items()]
        self._outputs = [(place[root], root.boolean) for root in roots]

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
        return tuple([slots[at] == 1.0 if boolean else slots[at] for at, boolean in self._outputs])

    def _accept(self, bar: Bar) -> None:
        check_bar(bar)
        if self._identity is None:
            check_intervals(self._nodes, bar.interval)
            self._identity = bar.instrument, bar.interval
        if bar.instrument != self._identity[0] or bar.interval != self._identity[1]:
            raise DataError(f"a bar of {self._identity} is wanted, got {bar!r}.")
        if bar.start < self._last_end:
            raise DataError(f"a bar from {self._last_end} on is wanted, got the late {bar!r}.")
        self._last_end = bar.end

    def _place(self, node: Expr, place: dict[Expr, int]) -> int:
        """The slot of `node`; operations go to the lane of its interval."""
        interval = node.interval or 0
        if interval not in self._lanes:
            self._lanes[interval] = _Lane(self._slots)
        lane = self._lanes[interval]
        match node.kernel:
            case Field(name):
                return lane.first + _FIELDS[name]
            case Align():
                return place[node.inputs[0]]  # a slot holds its value until its lane runs again
            case Const(value):
                self._slots.append(value)
            case kernel:
                self._slots.append((NAN,) * kernel.outputs if kernel.outputs else NAN)
                sources = [place[part] for part in node.inputs]
                lane.operations.append(_operation(kernel.live(), self._slots, len(self._slots) - 1, sources))
        return len(self._slots) - 1


class _Lane:
    """The operations that run when a bar of one interval closes, and where that bar's fields go."""

    __slots__ = ("_slots", "first", "operations")

    def __init__(self, slots: list[Any]) -> None:
        self._slots = slots
        self.first = len(slots)
        self.operations: list[Callable[[], None]] = []
        slots.extend([NAN] * len(_FIELDS))

    def run(self, row: _Row) -> None:
        self._slots[self.first : self.first + len(row)] = row
        for operation in self.operations:
            operation()


def _operation(step: Step, slots: list[Any], to: int, sources: list[int]) -> Callable[[], None]:
    def one() -> None:
        slots[to] = step(slots[a])

    def two() -> None:
        slots[to] = step(slots[a], slots[b])

    def many() -> None:
        slots[to] = step(*[slots[at] for at in sources])

    a, b = sources[0], sources[-1]
    return {1: one, 2: two}.get(len(sources), many)


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
