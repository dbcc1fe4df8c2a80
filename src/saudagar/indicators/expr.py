"""The words of a signal graph: expressions over bars, and the rules for combining them.

A strategy writes ``ema(bar.close, 9) > bar.vwap`` and gets an `Expr`: a frozen node of a graph. Equal expressions are
one object (hash-consed), so whatever is used twice is computed once. Nothing here computes: `evaluate` and `Live` do.

There is one kind of value, float64. Undefined (warming up, no opening range yet, divided by zero) is NaN, true is 1,
false is 0, and logic is three-valued (Kleene): ``undefined | true`` is true, ``~undefined`` is undefined. On the way
out an undefined boolean reads as False.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from saudagar.indicators.bars import parse_interval
from saudagar.indicators.kernel import Kernel
from saudagar.indicators.kernels import Align, Compare, Const, Elementwise, Field, Logic
from saudagar.model import SECOND, Nanos
from saudagar.model.errors import ConfigError


class Expr:
    """A node of the graph. Combine with ``+ - * /``, ``> >= < <=``, ``& | ~`` and the functions of this package."""

    __slots__ = ("__weakref__", "boolean", "inputs", "interval", "kernel")

    kernel: Kernel
    inputs: tuple[Expr, ...]
    interval: Nanos | None  # of the bars it runs on: 0 for those handed in, None for a constant
    boolean: bool

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"expressions are frozen: cannot set {name}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _intern, (self.kernel, self.inputs, self.interval)

    def __repr__(self) -> str:
        name, *params = self.kernel.words()
        if not self.inputs:
            return f"{name}@{self.interval // SECOND}s" if self.interval else str(name)
        return f"{name}({', '.join(map(str, [*self.inputs, *params]))})"

    def __bool__(self) -> bool:
        raise ConfigError("an expression is not true or false yet.", hint="Write & for and, | for or, ~ for not.")

    def __add__(self, other: Operand) -> Expr:
        return arithmetic("add", self, other)

    def __radd__(self, other: Operand) -> Expr:
        return arithmetic("add", other, self)

    def __sub__(self, other: Operand) -> Expr:
        return arithmetic("sub", self, other)

    def __rsub__(self, other: Operand) -> Expr:
        return arithmetic("sub", other, self)

    def __mul__(self, other: Operand) -> Expr:
        return arithmetic("mul", self, other)

    def __rmul__(self, other: Operand) -> Expr:
        return arithmetic("mul", other, self)

    def __truediv__(self, other: Operand) -> Expr:
        return arithmetic("div", self, other)

    def __rtruediv__(self, other: Operand) -> Expr:
        return arithmetic("div", other, self)

    def __neg__(self) -> Expr:
        return arithmetic("neg", self)

    def __abs__(self) -> Expr:
        return arithmetic("abs", self)

    def __gt__(self, other: Operand) -> Expr:
        return arithmetic("gt", self, other)

    def __ge__(self, other: Operand) -> Expr:
        return arithmetic("ge", self, other)

    def __lt__(self, other: Operand) -> Expr:
        return arithmetic("lt", self, other)

    def __le__(self, other: Operand) -> Expr:
        return arithmetic("le", self, other)

    def __and__(self, other: Expr) -> Expr:
        return logic("and", self, other)

    def __or__(self, other: Expr) -> Expr:
        return logic("or", self, other)

    def __invert__(self) -> Expr:
        return logic("not", self)


Operand: TypeAlias = Expr | float

_nodes: WeakValueDictionary[tuple[Any, ...], Expr] = WeakValueDictionary()


def _intern(kernel: Kernel, inputs: tuple[Expr, ...], interval: Nanos | None) -> Expr:
    key = (kernel, inputs, interval)
    node = _nodes.get(key)
    if node is None:
        node = object.__new__(Expr)
        boolean = inputs[-1].boolean if kernel.boolean is None and inputs else bool(kernel.boolean)
        fields = {"kernel": kernel, "inputs": inputs, "interval": interval, "boolean": boolean}
        for name, value in fields.items():
            object.__setattr__(node, name, value)
        _nodes[key] = node
    return node


def node(kernel: Kernel, *inputs: Expr) -> Expr:
    """The one node of `kernel` over `inputs`; inputs of unlike intervals meet at the interval handed in."""
    intervals = {part.interval for part in inputs} - {None}
    if len(intervals) > 1:
        inputs = tuple(align(part) for part in inputs)
        intervals = {0}
    return _intern(kernel, inputs, intervals.pop() if intervals else 0)


def align(expr: Expr) -> Expr:
    """Bring a higher interval's value down: at each bar, the value of the last higher bar that has closed."""
    return _intern(Align(expr.interval), (expr,), 0) if expr.interval else expr


def const(value: float) -> Expr:
    """A number as an expression.

    Raises
    ------
    ConfigError
        Not a finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ConfigError(f"expected an expression or a finite number, got {value!r}.")
    return _intern(Const(float(value) + 0.0), (), None)  # + 0.0: minus zero and zero are one constant


def operand(value: Operand) -> Expr:
    return value if isinstance(value, Expr) else const(value)


def numeric(value: Operand) -> Expr:
    """`value` as an expression that is a number.

    Raises
    ------
    ConfigError
        It is true-or-false, or no expression at all.
    """
    expr = operand(value)
    if expr.boolean:
        raise ConfigError(f"a number is wanted, got the true-or-false {expr!r}.", hint="if_else(condition, 1, 0)")
    return expr


def truth(value: Expr) -> Expr:
    """`value`, which must be true-or-false.

    Raises
    ------
    ConfigError
        It is not.
    """
    if not isinstance(value, Expr) or not value.boolean:
        raise ConfigError(f"a condition is wanted, got {value!r}.", hint="Compare it with something first.")
    return value


def arithmetic(name: str, *operands: Operand) -> Expr:
    kernel = Compare if name in ("gt", "ge", "lt", "le") else Elementwise
    return node(kernel(name), *map(numeric, operands))


def logic(name: str, *conditions: Expr) -> Expr:
    return node(Logic(name), *map(truth, conditions))


COLUMNS = ("open", "high", "low", "close", "volume", "day", "since", "until")


class BarFields:
    """The columns of a bar as expressions; what `Strategy.signals` is given."""

    __slots__ = ("interval",)

    def __init__(self, interval: Nanos = 0) -> None:
        self.interval = interval

    def column(self, name: str) -> Expr:
        """Prices, volume, or the bar's place in the session: ``day``, ``since`` and ``until`` of `BarArrays`.

        Raises
        ------
        ConfigError
            Another name.
        """
        if name not in COLUMNS:
            raise ConfigError(f"a bar has the columns {', '.join(COLUMNS)}; got {name!r}.")
        return _intern(Field(name), (), self.interval)

    @property
    def open(self) -> Expr:
        return self.column("open")

    @property
    def high(self) -> Expr:
        return self.column("high")

    @property
    def low(self) -> Expr:
        return self.column("low")

    @property
    def close(self) -> Expr:
        return self.column("close")

    @property
    def volume(self) -> Expr:
        return self.column("volume")

    @property
    def typical(self) -> Expr:
        """A third of high + low + close."""
        return (self.high + self.low + self.close) / 3

    @property
    def hl2(self) -> Expr:
        """The middle of high and low."""
        return (self.high + self.low) / 2

    def at(self, interval: str) -> BarFields:
        """The bars of a higher interval, e.g. ``bar.at("15m")``.

        They are aligned to the session open. Only closed bars count: one becomes visible at the first bar whose end
        has reached its own, and its values hold until the next one closes. The last bar of a day that the close cuts
        short becomes visible with the next day's first bar.
        """
        return BarFields(parse_interval(interval))
