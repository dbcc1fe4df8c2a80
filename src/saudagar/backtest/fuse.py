"""One loop from a strategy's graph: the source text of a kernel that Numba compiles.

Lengths and constants are arguments, so a text serves every set of parameters of a strategy; nodes whose recurrence is
not known to give TA-Lib's very bits are evaluated beforehand and read as columns. Called by `kernel`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from saudagar.backtest.compiled import fma
from saudagar.indicators import BarArrays, Expr, evaluate, if_else
from saudagar.indicators.expr import align
from saudagar.indicators.kernels import Choose, Compare, Const, Elementwise, Field, Lag, Logic
from saudagar.indicators.talib_kernel import TaLib

_COLUMNS = ("open", "high", "low", "close", "volume")

_NUMBERS = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1} if {1} != 0.0 else nan",
    "neg": "-{0}",
    "abs": "abs({0})",
    "max": "{0} if {0} >= {1} or {0} != {0} else {1}",
    "min": "{0} if {0} <= {1} or {0} != {0} else {1}",
    "if": "{1} if {0} else {2} if {0}_no else nan",
}

# A condition is two flags, surely true and surely false; with neither it is undefined. That is Kleene's logic without
# a branch, and the compiler drops whichever flag nobody reads.
_CONDITIONS = {
    "gt": ("{0} > {1}", "{0} <= {1}"),
    "ge": ("{0} >= {1}", "{0} < {1}"),
    "lt": ("{0} < {1}", "{0} >= {1}"),
    "le": ("{0} <= {1}", "{0} > {1}"),
    "and": ("{0} & {1}", "{0}_no | {1}_no"),
    "or": ("{0} | {1}", "{0}_no & {1}_no"),
    "not": ("{0}_no", "{0}"),
    "if": ("({0} & {1}) | ({0}_no & {2})", "({0} & {1}_no) | ({0}_no & {2}_no)"),
}

# Recurrences: what stands before the loop, and what is done at each bar. {v} is the result, {n} the length, {x} the
# input, {s} a prefix for names of its own. A window of past inputs is a ring of n.
_BEFORE = {
    "EMA": "{s}sum = {s}last = 0.0; {s}count = 0; {s}weight = 2.0 / ({n} + 1)",
    "SMA": "{s}sum = 0.0; {s}count = 0; {s}at = 0; {s}ring = np.zeros({n})",
    "MAX": "{s}best = 0.0; {s}count = 0; {s}at = 0; {s}where = 0; {s}ring = np.zeros({n})",
    "MIN": "{s}best = 0.0; {s}count = 0; {s}at = 0; {s}where = 0; {s}ring = np.zeros({n})",
}
_EXTREME = """
{s}ring[{s}at] = {x}
if {s}count == 0 or {x} {better} {s}best:
    {s}best, {s}where = {x}, {s}at
elif {s}where == {s}at:
    {s}best = {s}ring[0]
    {s}where = 0
    for {s}j in range(1, {n}):
        if {s}ring[{s}j] {better} {s}best:
            {s}best, {s}where = {s}ring[{s}j], {s}j
{s}count += 1
{s}at += 1
if {s}at == {n}:
    {s}at = 0
{v} = {s}best if {s}count >= {n} else nan
"""
_AT_BAR = {
    "EMA": """
if {s}count >= {n}:
    {s}last = {ema}
    {v} = {s}last
else:
    {s}sum += {x}
    {s}count += 1
    {v} = nan
    if {s}count == {n}:
        {s}last = {s}sum / {n}
        {v} = {s}last
""",
    "SMA": """
{s}sum += {x}
{s}ring[{s}at] = {x}
{s}at += 1
if {s}at == {n}:
    {s}at = 0
{s}count += 1
{v} = nan
if {s}count >= {n}:
    {v} = {s}sum / {n}
    {s}sum -= {s}ring[{s}at]
""",
    "MAX": _EXTREME.replace("{better}", ">="),
    "MIN": _EXTREME.replace("{better}", "<="),
}


# How this build of TA-Lib rounds an EMA's step; compilers differ. The first that gives its very bits is used.
_EMA_STEPS: dict[str, Callable[[float, float, float], float]] = {
    "fma({x} - {s}last, {s}weight, {s}last)": lambda x, last, weight: fma(x - last, weight, last),
    "({x} - {s}last) * {s}weight + {s}last": lambda x, last, weight: (x - last) * weight + last,
}


@cache
def _ema_step() -> str:
    """The text of an EMA's step; empty if none is TA-Lib's, and then EMAs are evaluated beforehand."""
    values = np.random.default_rng(1).integers(1, 100_000, 200).astype(np.float64)
    for text, step in _EMA_STEPS.items():
        if all(_ema_agrees(values, length, step) for length in (2, 9, 21)):
            return text
    return ""


def _ema_agrees(values: NDArray[np.float64], length: int, step: Callable[[float, float, float], float]) -> bool:
    wanted = TaLib("EMA", (("timeperiod", length),)).batch(values)
    last, weight = float(np.cumsum(values[:length])[-1]) / length, 2.0 / (length + 1)
    for value, known in zip(values[length:].tolist(), np.asarray(wanted)[length:].tolist(), strict=True):
        last = step(value, last, weight)
        if last != known:
            return False
    return True


class Fused(msgspec.Struct, frozen=True):
    """The parts of a kernel's text, and the run-time values that go with it."""

    before: tuple[str, ...]
    at_bar: tuple[str, ...]
    results: tuple[str, ...]  # a variable for each root
    columns: tuple[str, ...]  # of the bars, by name
    given: tuple[Expr, ...]  # nodes evaluated beforehand, read as columns g0, g1, …
    values: tuple[float, ...]  # lengths and constants, P[0], P[1], …

    def arrays(self, bars: BarArrays) -> list[NDArray[np.float64]]:
        """The columns beside the bars' own."""
        wanted = [if_else(each, 1, 0) if each.boolean else each for each in self.given]
        return [np.ascontiguousarray(column) for column in evaluate(wanted, bars)] if wanted else []


class _Text:
    def __init__(self) -> None:
        self.before: list[str] = []
        self.at_bar: list[str] = []
        self.columns: list[str] = []
        self.given: list[Expr] = []
        self.values: list[float] = []
        self._names: dict[Expr, str] = {}

    def name(self, expr: Expr) -> str:
        found = self._names.get(expr)
        if found is None:
            found = self._names[expr] = self._add(expr)
        return found

    def _add(self, expr: Expr) -> str:
        kernel = expr.kernel
        if not expr.interval:
            match kernel:
                case Const(value):
                    return self._value(value)
                case Field(name) if name in _COLUMNS:
                    return self._column(name)
                case Elementwise(name) | Compare(name) | Logic(name) | Choose(name):
                    parts = [self.name(part) for part in expr.inputs]
                    if expr.boolean:
                        return self._flags(*(text.format(*parts) for text in _CONDITIONS[name]))
                    return self._line(_NUMBERS[name].format(*parts))
                case Lag(bars) if expr.boolean:
                    x = self.name(expr.inputs[0])
                    v = self._lag(x, bars, "False")
                    self._lag(f"{x}_no", bars, "False", f"{v}_no")
                    return v
                case Lag(bars):
                    return self._lag(self.name(expr.inputs[0]), bars, "nan")
                case TaLib(name, params) if name in _AT_BAR and (name != "EMA" or _ema_step()):
                    return self._recurrence(name, expr.inputs[0], dict(params)["timeperiod"])
        self.given.append(expr)
        column = f"g{len(self.given) - 1}[i]"
        return self._flags(f"{column} == 1.0", f"{column} == 0.0") if expr.boolean else self._line(column)

    def _value(self, value: float) -> str:
        self.values.append(value)
        name = f"p{len(self.values) - 1}"
        self.before.append(f"{name} = P[{len(self.values) - 1}]")
        return name

    def _length(self, value: float) -> str:
        self.values.append(value)
        name = f"n{len(self.values) - 1}"
        self.before.append(f"{name} = int(P[{len(self.values) - 1}])")
        return name

    def _column(self, name: str) -> str:
        if name not in self.columns:
            self.columns.append(name)
        return f"b_{name}"

    def _line(self, text: str) -> str:
        name = f"v{len(self.at_bar)}"
        self.at_bar.append(f"{name} = {text}")
        return name

    def _flags(self, yes: str, no: str) -> str:
        name = self._line(yes)
        self.at_bar.append(f"{name}_no = {no}")
        return name

    def _lag(self, x: str, bars: int, first: str, name: str = "") -> str:
        v = name or f"v{len(self.at_bar)}"
        if bars == 1:
            self.before.append(f"{v}_past = {first}")
            self.at_bar.append(f"{v} = {v}_past\n{v}_past = {x}")
        else:
            n = self._length(bars)
            self.before.append(f"{v}_ring = np.full({n}, {first}); {v}_at = 0")
            self.at_bar.append(
                f"{v} = {v}_ring[{v}_at]\n{v}_ring[{v}_at] = {x}\n{v}_at += 1\nif {v}_at == {n}:\n    {v}_at = 0"
            )
        return v

    def _recurrence(self, name: str, source: Expr, length: float) -> str:
        x = self.name(source)
        n, v = self._length(length), f"v{len(self.at_bar)}"
        words = {"v": v, "s": f"{v}_", "n": n, "x": x}
        self.before.append(_BEFORE[name].format(**words))
        text = _AT_BAR[name].replace("{ema}", _ema_step()).format(**words).strip()
        if not isinstance(source.kernel, Field):  # a bar on which the input is undefined does not count
            text = f"{v} = nan\nif np.isfinite({x}):\n" + _indent(text, 1)
        self.at_bar.append(text)
        return v


def fuse(roots: Sequence[Expr]) -> Fused:
    """Take a graph apart into the lines of one loop."""
    text = _Text()
    results = tuple(text.name(align(root)) for root in roots)
    return Fused(
        tuple(text.before),
        tuple(text.at_bar),
        results,
        tuple(text.columns),
        tuple(text.given),
        tuple(map(float, text.values)),
    )


def _indent(text: str, depth: int) -> str:
    return "\n".join("    " * depth + line for line in text.splitlines())


_HEAD = '''"""A kernel made by saudagar. Made anew when it is missing."""

import numpy as np

from saudagar.backtest.compiled import fma, kept
from saudagar.backtest import slots as at
{import}
nan = np.nan

'''
_STEPS = "from {steps} import bar, morning\n"
_CLOSE = "from {close} import act_at_close\n"

# Two loops: the inner one is all a quiet bar costs, and calls nothing, so that its values stay in registers.
_ALONE = """
@kept
def run(n, o, h, l, c, volume, start, end, clock, mornings, {given}P, C, S, G, out):
    {before}
    bits = 0
    atr = nan
    floor, ceiling = -np.inf, np.inf
    mask = 3
    due = square = 1 << 62
    at_morning = 0
    i = 0
    while i < n:
        {act}
        if i == mornings[at_morning]:
            morning(C, S)
            at_morning += 1
        if bits & mask{inside}{timed}:
            {grow}
            now = bits & mask != 0
            high, low, close = {inner}
            bar(C, S, G, now, bits, atr, int(o[i]), high, low, close, start[i], {end}, {clock}, out, 0)
            {look}
        stop = min(n, mornings[at_morning])
        while True:
            {loads}
            {at_bar}
            bits = {bits}
            {atr}
            i += 1
            if i >= stop or bits & mask{inside}{timed}:
                break
    {act}
    return out
"""
_LOOK = """
mask = 3 if S[at.TARGET] == 0 else 6 if S[at.TARGET] > 0 else 9
if S[at.QUANTITY] != 0:
    floor, ceiling = float(S[at.FLOOR]), float(S[at.CEILING])
    due = S[at.OPENED] + C[at.MAX_AGE] if C[at.MAX_AGE] else 1 << 62
    square = C[at.SQUARE_OFF]
else:
    floor, ceiling = -np.inf, np.inf
    due = square = 1 << 62
"""
_ACT = """
if bits & mask:
    {grow}
    ts = end[i - 1] - 1
    act_at_close(C, S, G, bits, atr, int(c[i - 1]), ts, clock[i - 1] + (ts - start[i - 1]), out, 0)
    {look}
bits = 0
"""
# One number after another: to assign a slice compiles the text of an error that cannot be, which takes seconds.
_GROW = """
if G[at.TRADES] + 3 > len(out):
    wider = np.empty((2 * len(out), at.OUT), np.int64)
    for k in range(G[at.TRADES]):
        for j in range(at.OUT):
            wider[k, j] = out[k, j]
    out = wider
"""
_TIMED = " or end[i] > due or clock[i] + (end[i] - start[i]) > square"

_SIGNALS = """
@kept
def run(n, o, h, l, c, volume, {given}P, bits, atrs):
    {before}
    for i in range(n - 1):
        {loads}
        {at_bar}
        bits[i + 1] = {bits}
        {atrs}
"""

_COLUMN_ARGUMENTS = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "volume"}


def alone(fused: Fused, names: Sequence[str], *, timed: bool, inside: bool, hours: bool, at_close: bool = False) -> str:
    """The text of a kernel for one instrument that trades by itself.

    Parameters
    ----------
    names
        What the roots are: long, short, exit_long, exit_short, atr.
    timed, inside, hours
        Whether positions may end by age or by the clock; whether anything can happen inside a bar; whether the clock
        matters. A column that is not read is not fetched from memory.
    at_close
        Whether a signal acts at the close of its bar, not at the next open.
    """
    text = _ALONE
    for word, lines in (("act", _ACT if at_close else ""), ("look", _LOOK), ("grow", _GROW)):
        text = _place(text, word, lines)
    head = _HEAD.replace("{import}", _STEPS + (_CLOSE if at_close else ""))
    text = head + _fill(text, fused, names).replace("{timed}", _TIMED if timed else "")
    text = text.replace("{end}", "end[i]" if inside or timed else "start[i] + 1")
    text = text.replace("{inside}", " or l[i] <= floor or h[i] >= ceiling" if inside else "")
    text = text.replace("{inner}", "int(h[i]), int(l[i]), int(c[i])" if inside or timed else "0, 0, 0")
    return text.replace("{clock}", "clock[i]" if hours else "0")


def signals_only(fused: Fused, names: Sequence[str]) -> str:
    """The text of a loop that leaves each bar's signals, and its ATR, at the place of the bar after it."""
    return _HEAD.replace("{import}", "") + _fill(_SIGNALS, fused, names)


def _fill(template: str, fused: Fused, names: Sequence[str]) -> str:
    roots = dict(zip(names, fused.results, strict=True))
    bits = {"long": 1, "short": 2, "exit_long": 4, "exit_short": 8}
    terms = [f"({bit} if {roots[name]} else 0)" for name, bit in bits.items() if name in roots]
    parts = {
        "before": "\n".join(fused.before),
        "loads": "\n".join(f"b_{name} = {_COLUMN_ARGUMENTS[name]}[i]" for name in fused.columns),
        "at_bar": "\n".join(fused.at_bar),
        "atr": f"atr = {roots['atr']}" if "atr" in roots else "",
        "atrs": f"atrs[i + 1] = {roots['atr']}" if "atr" in roots else "",
    }
    for word, lines in parts.items():
        template = _place(template, word, lines)
    given = "".join(f"g{k}, " for k in range(len(fused.given)))
    return template.replace("{given}", given).replace("{bits}", " | ".join(terms) or "0")


def _place(template: str, word: str, text: str) -> str:
    """`template` with `text` for each line ``{word}``, as deep as it stands."""
    lines = []
    for line in template.splitlines():
        body = line.lstrip()
        lines.append(_indent(text.strip("\n"), (len(line) - len(body)) // 4) if body == f"{{{word}}}" else line)
    return "\n".join(lines) + "\n"
