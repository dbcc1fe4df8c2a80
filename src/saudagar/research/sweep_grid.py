"""Which sets of parameters a sweep tries: the axes of a grid, and the conditions that rule sets out.

Read from the command line (``--grid fast=2:50 --where "fast < slow"``) or given as Python values. A set of parameters
is a plain dict in the order of the axes; names of the strategy's own fields stand bare, those of its exits carry
``exits.`` in front.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import product
from typing import Any, TypeAlias

from saudagar.model import group_digits
from saudagar.model.errors import ConfigError

Value: TypeAlias = int | float | str | bool
Params: TypeAlias = dict[str, Value]
Grid: TypeAlias = Mapping[str, Sequence[Value]]
Condition: TypeAlias = Callable[[Params], bool]

MOST = 1_000_000
"""Sets of parameters of one sweep."""

_NAME = re.compile(r"(?:exits\.)?[A-Za-z_]\w*")
_NUMBER = r"-?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"({_NUMBER}):({_NUMBER})(?::({_NUMBER}))?")
_CONDITION = re.compile(r"\s*([\w.]+)\s*(<=|>=|==|!=|<|>)\s*([\w.-]+)\s*")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def parse_axis(text: str) -> tuple[str, list[Value]]:
    """``fast=2:50`` (both ends included), ``stop=0.5:2:0.5``, ``exits.stop=1%,2%`` as a name and its values.

    Raises
    ------
    ConfigError
        Says what may be written.
    """
    name, _, values = text.partition("=")
    name, values = name.strip(), values.strip()
    if not _NAME.fullmatch(name) or not values:
        raise ConfigError(f"a grid axis is written name=first:last, name=first:last:step or name=a,b,c; got {text!r}.")
    match = _RANGE.fullmatch(values)
    return name, _span(text, *match.groups()) if match else [_value(each.strip(), text) for each in values.split(",")]


def parse_condition(text: str) -> Condition:
    """``fast < slow`` or ``slow >= 20``: one comparison of parameters and numbers.

    Raises
    ------
    ConfigError
        For anything else.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ConfigError(f"a condition compares two parameters or numbers, such as fast < slow; got {text!r}.")
    left, compare, right = _term(match[1]), _COMPARE[match[2]], _term(match[3])

    def holds(params: Params) -> bool:
        try:
            return compare(left(params), right(params))
        except KeyError as error:
            raise ConfigError(f"condition {text!r} names {error.args[0]!r}, which is no axis of the grid.") from None
        except TypeError:
            raise ConfigError(f"condition {text!r} compares text with a number.") from None

    return holds


def combinations(grid: Grid, where: Iterable[Condition | str] = ()) -> list[Params]:
    """Every set of `grid` that meets all conditions, the last axis moving fastest.

    Raises
    ------
    ConfigError
        No axis, an axis without values or with one twice, more than `MOST` sets, or none left by the conditions.
    """
    if not grid:
        raise ConfigError("a sweep needs at least one axis, such as fast=2:50.")
    count = 1
    for name, values in grid.items():
        if not values or len(set(values)) != len(values):
            raise ConfigError(f"axis {name!r} must hold different values, got {list(values)[:10]!r}.")
        count *= len(values)
    if count > MOST:
        raise ConfigError(
            f"the grid has {group_digits(count)} sets of parameters; {group_digits(MOST)} are the most.",
            hint="Use a search.",
        )
    conditions = [parse_condition(each) if isinstance(each, str) else each for each in where]
    sets = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    left = [params for params in sets if all(condition(params) for condition in conditions)]
    if not left:
        raise ConfigError(f"none of the {group_digits(count)} sets of the grid meets the conditions.")
    return left


def _span(text: str, first: str, last: str, step: str | None) -> list[Value]:
    begin, end, by = Decimal(first), Decimal(last), Decimal(step or "1")
    if by <= 0 or end < begin:
        raise ConfigError(f"a range runs upwards by a step above 0, got {text!r}.")
    count = int((end - begin) / by) + 1
    if count > MOST:
        raise ConfigError(f"axis {text!r} has {group_digits(count)} values; {group_digits(MOST)} are the most.")
    whole = all(each == each.to_integral_value() for each in (begin, by))
    values = [begin + by * k for k in range(count)]
    return [int(each) if whole else float(each) for each in values]


def _value(text: str, axis: str) -> Value:
    if not text:
        raise ConfigError(f"a grid axis has an empty value in {axis!r}.")
    if re.fullmatch(_NUMBER, text):
        return float(text) if "." in text else int(text)
    return {"true": True, "false": False}.get(text.lower(), text)


def _term(text: str) -> Callable[[Params], object]:
    if re.fullmatch(_NUMBER, text):
        number = float(text)
        return lambda _: number
    return lambda params: params[text]
