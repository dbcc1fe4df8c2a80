"""Run a graph one bar at a time: what the desk calls at each closed bar of an instrument."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from saudagar.indicators.bars import SESSION_OPEN, bucket_end, check_bar, trading_time
from saudagar.indicators.evaluate import check_intervals
from saudagar.indicators.expr import Expr
from saudagar.indicators.kernel import Step, Warming
from saudagar.indicators.program import Lane, Row, program
from saudagar.model import Bar, InstrumentId, Nanos
from saudagar.model.errors import DataError

_check_intervals = lru_cache(maxsize=256)(check_intervals)


class _State:
    """What one instrument keeps of a lane: a step for each node that remembers."""

    __slots__ = ("_run", "_steps", "_warming")

    def __init__(self, lane: Lane) -> None:
        self._run = lane.run
        self._steps: tuple[Step, ...] = tuple([kernel.live() for kernel in lane.kernels])
        self._warming = tuple([at for at in lane.finite if isinstance(self._steps[at], Warming)])

    def run(self, row: Row, held: list[Any]) -> tuple[float | bool, ...]:
        values = self._run(row, self._steps, held)
        if self._warming:
            self._settle()
        return values

    def _settle(self) -> None:
        """Call what has warmed up directly from now on: what it reads is always finite."""
        steps = list(self._steps)
        for at in self._warming:
            step = steps[at]
            if isinstance(step, Warming) and step.settled is not None:
                steps[at] = step.settled
        self._steps = tuple(steps)
        self._warming = tuple([at for at in self._warming if isinstance(steps[at], Warming)])


class Live(_State):
    """The state of a graph over one instrument's bars.

    The graph is compiled once (`indicators.program`) and shared: what a thousand instruments keep of their own is
    small, for at the end of a minute all of it comes from memory, not from a cache. Warmed up by stepping through
    history.

    Parameters
    ----------
    exprs
        The wanted expressions.
    session_open
        When the session opens, ns since midnight IST.
    """

    __slots__ = ("_held", "_higher", "_instrument", "_interval", "_last_end", "_nodes", "_session_open", "_timed")

    def __init__(self, exprs: Sequence[Expr], *, session_open: Nanos = SESSION_OPEN) -> None:
        made = program(tuple(exprs))
        super().__init__(made.base)
        self._nodes, self._timed = made.nodes, made.timed
        self._session_open = session_open
        self._instrument: InstrumentId | None = None
        self._interval: Nanos = 0
        self._last_end: Nanos = -(1 << 63)
        self._held: list[Any] = list(made.held)
        self._higher = tuple((_Forming(interval, session_open), _State(lane)) for interval, lane in made.higher)

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
        check_bar(bar)
        if bar.instrument != self._instrument or bar.interval != self._interval or bar.start < self._last_end:
            self._begin(bar)
        self._last_end = bar.end
        day = since = 0
        if self._timed:
            day, since = trading_time(bar.start, self._session_open)
        row = (bar.open, bar.high, bar.low, bar.close, bar.volume, day, since, since + bar.end - bar.start)
        for forming, state in self._higher:
            for closed in forming.push(row, bar.interval):
                state.run(closed, self._held)
        return self.run(row, self._held)

    def _begin(self, bar: Bar) -> None:
        if self._instrument is not None:
            if bar.instrument != self._instrument or bar.interval != self._interval:
                raise DataError(f"a bar of {(self._instrument, self._interval)} is wanted, got {bar!r}.")
            raise DataError(f"a bar from {self._last_end} on is wanted, got the late {bar!r}.")
        _check_intervals(self._nodes, bar.interval)
        self._instrument, self._interval = bar.instrument, bar.interval


class _Forming:
    """The higher bar that is being made."""

    __slots__ = ("_interval", "_row", "_session_open")

    def __init__(self, interval: Nanos, session_open: Nanos) -> None:
        self._interval = interval
        self._session_open = session_open
        self._row: Row | None = None

    def push(self, row: Row, interval: Nanos) -> list[Row]:
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
