"""Our own kernels: columns, constants, arithmetic, comparison, logic, lag, and what is bound to the session.

Each has an array form and a one-bar form of the same arithmetic in the same order, so that both give the same bits.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from saudagar.indicators.bars import Floats, Ints
from saudagar.indicators.kernel import NAN, Arrays, Computed, Kernel, Step
from saudagar.model import MINUTE, SECOND, Nanos
from saudagar.model.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Field(Kernel):
    """A column of the bar. The drivers fill it."""

    name: str

    def words(self) -> tuple[Any, ...]:
        return (self.name,)


@dataclass(frozen=True, slots=True)
class Const(Kernel):
    """A number. The drivers fill it."""

    value: float

    def words(self) -> tuple[Any, ...]:
        return (self.value,)


@dataclass(frozen=True, slots=True)
class Align(Kernel):
    """The last closed value of a higher interval. The drivers do it."""

    interval: Nanos
    boolean: ClassVar[bool | None] = None

    def words(self) -> tuple[Any, ...]:
        return ("closed",)

    def check(self, own: Nanos, base: Nanos) -> None:
        if self.interval % base:
            raise ConfigError(
                f"bars of {self.interval // SECOND} s cannot be made of bars of {base // SECOND} s.",
                hint="The higher interval must be a whole multiple of the lower.",
            )


@dataclass(frozen=True, slots=True)
class Pure(Computed):
    """A function of this bar's values alone; `name` picks it from the table below."""

    name: str

    def words(self) -> tuple[Any, ...]:
        return (self.name,)

    @property
    def formula(self) -> str:
        """Python for one bar; ``{0}``, ``{1}`` … stand for the inputs. For a driver that writes a graph as code."""
        return _TABLE[self.name][0]

    def batch(self, *inputs: Floats) -> Arrays:
        result: Floats = _TABLE[self.name][1](*inputs)
        return result

    def live(self) -> Step:
        return _compiled(self.formula)


@dataclass(frozen=True, slots=True)
class Elementwise(Pure):
    """Number from numbers."""


@dataclass(frozen=True, slots=True)
class Compare(Pure):
    """True or false from two numbers; undefined if either is."""

    boolean: ClassVar[bool | None] = True


@dataclass(frozen=True, slots=True)
class Logic(Pure):
    """Kleene's and, or, not."""

    boolean: ClassVar[bool | None] = True


@dataclass(frozen=True, slots=True)
class Choose(Pure):
    """One of two, both numbers or both conditions."""

    boolean: ClassVar[bool | None] = None


def _truths(yes: Any, no: Any) -> Floats:
    result: Floats = np.where(yes, 1.0, np.where(no, 0.0, NAN))
    return result


def _divide(a: Floats, b: Floats) -> Floats:
    quotient: Floats = np.divide(a, b, out=np.full(len(a), NAN), where=b != 0.0)
    return quotient


@cache
def _compiled(formula: str) -> Step:
    names = [name for number, name in enumerate("abc") if f"{{{number}}}" in formula]
    code = f"lambda {', '.join(names)}: {formula.format(*names)}"
    step: Step = eval(code, {"NAN": NAN})  # noqa: S307  # a line of the table below
    return step


# name: one bar, all bars. A NaN fails every comparison; the order of the tests lets it through.
_TABLE: dict[str, tuple[str, Step]] = {
    "add": ("{0} + {1}", np.add),
    "sub": ("{0} - {1}", np.subtract),
    "mul": ("{0} * {1}", np.multiply),
    "div": ("{0} / {1} if {1} else NAN", _divide),
    "neg": ("-{0}", np.negative),
    "abs": ("abs({0})", np.abs),
    "max": ("{0} if {0} >= {1} or {0} != {0} else {1}", lambda a, b: np.where((a >= b) | (a != a), a, b)),
    "min": ("{0} if {0} <= {1} or {0} != {0} else {1}", lambda a, b: np.where((a <= b) | (a != a), a, b)),
    "gt": ("1.0 if {0} > {1} else 0.0 if {0} <= {1} else NAN", lambda a, b: _truths(a > b, a <= b)),
    "ge": ("1.0 if {0} >= {1} else 0.0 if {0} < {1} else NAN", lambda a, b: _truths(a >= b, a < b)),
    "lt": ("1.0 if {0} < {1} else 0.0 if {0} >= {1} else NAN", lambda a, b: _truths(a < b, a >= b)),
    "le": ("1.0 if {0} <= {1} else 0.0 if {0} > {1} else NAN", lambda a, b: _truths(a <= b, a > b)),
    "and": (
        "{0} * {1} if {0} and {1} else 0.0",
        lambda a, b: np.where((a != 0.0) & (b != 0.0), a * b, 0.0),
    ),
    "or": (
        "1.0 if {0} == 1.0 or {1} == 1.0 else {0} + {1}",
        lambda a, b: np.where((a == 1.0) | (b == 1.0), 1.0, a + b),
    ),
    "not": ("1.0 - {0}", lambda a: 1.0 - a),
    "if": (
        "{1} if {0} == 1.0 else {2} if {0} == 0.0 else NAN",
        lambda c, a, b: np.where(c == 1.0, a, np.where(c == 0.0, b, NAN)),
    ),
}


@dataclass(frozen=True, slots=True)
class Lag(Computed):
    """The value `bars` bars ago."""

    bars: int
    boolean: ClassVar[bool | None] = None

    def batch(self, x: Floats) -> Arrays:
        result = np.full(len(x), NAN)
        result[self.bars :] = x[: -self.bars]
        return result

    def live(self) -> Step:
        past = deque([NAN] * (self.bars + 1), maxlen=self.bars + 1)

        def step(x: float) -> float:
            past.append(x)
            return past[0]

        return step

    def need(self, interval: Nanos) -> tuple[int, int]:
        return 0, self.bars


@dataclass(frozen=True, slots=True)
class Pick(Computed):
    """One output of a kernel that has several."""

    index: int

    def batch(self, many: tuple[Floats, ...]) -> Arrays:
        return many[self.index]

    def live(self) -> Step:
        return lambda many: float(many[self.index])  # a trend comes as an int


def _days(day: Ints) -> Iterator[slice]:
    edges = [0, *(np.flatnonzero(day[1:] != day[:-1]) + 1).tolist(), len(day)]
    return (slice(a, b) for a, b in pairwise(edges) if a < b)


@dataclass(frozen=True, slots=True)
class SessionVwap(Computed):
    """Volume-weighted average of the typical price since the day's first bar; undefined until something traded."""

    def batch(self, day: Ints, high: Floats, low: Floats, close: Floats, volume: Floats) -> Arrays:
        result = np.full(len(day), NAN)
        turnover = (high + low + close) * volume
        for today in _days(day):
            result[today] = _divide(np.cumsum(turnover[today]), 3.0 * np.cumsum(volume[today]))
        return result

    def live(self) -> Step:
        current: int | None = None
        turnover = units = 0.0

        def step(day: int, high: float, low: float, close: float, volume: float) -> float:
            nonlocal current, turnover, units
            if day != current:
                current, turnover, units = day, 0.0, 0.0
            turnover += (high + low + close) * volume
            units += volume
            return turnover / (3.0 * units) if units else NAN

        return step

    def need(self, interval: Nanos) -> tuple[int, int]:
        return 1, 0


_FOLDS: dict[str, tuple[Callable[[float, float], float], Callable[[Floats], float]]] = {
    "high": (max, np.max),
    "low": (min, np.min),
    "close": (lambda old, new: new, operator.itemgetter(-1)),
}


@dataclass(frozen=True, slots=True)
class PreviousDay(Computed):
    """The high, low or close of the last trading day that the bars hold before today."""

    what: str

    def batch(self, day: Ints, x: Floats) -> Arrays:
        result = np.full(len(day), NAN)
        yesterday = NAN
        for today in _days(day):
            result[today] = yesterday
            yesterday = _FOLDS[self.what][1](x[today])
        return result

    def live(self) -> Step:
        fold = _FOLDS[self.what][0]
        current: int | None = None
        yesterday = so_far = NAN

        def step(day: int, x: float) -> float:
            nonlocal current, yesterday, so_far
            if day == current:
                so_far = fold(so_far, x)
            else:
                current, yesterday, so_far = day, so_far, x
            return yesterday

        return step

    def need(self, interval: Nanos) -> tuple[int, int]:
        return 2, 0


@dataclass(frozen=True, slots=True)
class OpeningRange(Computed):
    """The high or low of the first `minutes` of the session, from the bar that completes them to the day's end."""

    what: str
    minutes: int

    def batch(self, day: Ints, since: Ints, until: Ints, x: Floats) -> Arrays:
        length = self.minutes * MINUTE
        result = np.full(len(day), NAN)
        inside, done = (since >= 0) & (until <= length), until >= length
        for today in _days(day):
            opening = x[today][inside[today]]
            if len(opening):
                result[today][done[today]] = _FOLDS[self.what][1](opening)
        return result

    def live(self) -> Step:
        fold, length = _FOLDS[self.what][0], self.minutes * MINUTE
        current: int | None = None
        level = NAN

        def step(day: int, since: int, until: int, x: float) -> float:
            nonlocal current, level
            if day != current:
                current, level = day, NAN
            if since >= 0 and until <= length:
                level = x if level != level else fold(level, x)
            return level if until >= length else NAN

        return step

    def need(self, interval: Nanos) -> tuple[int, int]:
        return 1, self.minutes * MINUTE // interval - 1

    def check(self, own: Nanos, base: Nanos) -> None:
        if self.minutes * MINUTE % own:
            raise ConfigError(
                f"an opening range of {self.minutes} minutes cannot be cut from bars of {own // SECOND} s.",
                hint="Make it a whole number of bars.",
            )
