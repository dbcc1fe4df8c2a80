"""Grids and conditions as people write them."""

from __future__ import annotations

import pytest

from saudagar.model.errors import ConfigError
from saudagar.research.sweep_grid import combinations, parse_axis, parse_condition


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("fast=2:5", ("fast", [2, 3, 4, 5])),
        ("slow=10:30:10", ("slow", [10, 20, 30])),
        ("slow=10:35:10", ("slow", [10, 20, 30])),
        ("reach=0.1:0.4:0.1", ("reach", [0.1, 0.2, 0.3, 0.4])),
        ("reach=-1:1", ("reach", [-1, 0, 1])),
        ("exits.stop=0.5%, 1%,2atr", ("exits.stop", ["0.5%", "1%", "2atr"])),
        ("n=5,9,12.5", ("n", [5, 9, 12.5])),
        ("quick=true,False", ("quick", [True, False])),
    ],
)
def test_axes(text: str, axis: tuple[str, list[object]]) -> None:
    name, values = parse_axis(text)
    assert (name, values) == axis
    assert [type(value) for value in values] == [type(value) for value in axis[1]]


@pytest.mark.parametrize(
    "text", ["", "fast", "fast=", "=1:2", "a b=1", "fast=5:2", "fast=1:5:0", "n=1,,2", "n=1:9999999"]
)
def test_axes_that_make_no_sense(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_axis(text)


def test_combinations_keep_the_order_of_the_axes_and_meet_the_conditions() -> None:
    sets = combinations({"fast": [2, 3], "slow": [2, 3, 4]}, ["fast < slow", lambda params: params["slow"] != 4])
    assert sets == [{"fast": 2, "slow": 3}]
    assert len(combinations({"fast": [2, 3], "slow": [2, 3, 4]}, ["slow >= 3"])) == 4


@pytest.mark.parametrize(
    ("grid", "where", "words"),
    [
        ({}, [], "at least one axis"),
        ({"a": []}, [], "different values"),
        ({"a": [1, 1]}, [], "different values"),
        ({"a": list(range(1001)), "b": list(range(1000))}, [], "10,01,000 sets"),
        ({"a": [1]}, ["a > 1"], "none of the 1 sets"),
        ({"a": [1]}, ["a > b"], "no axis"),
        ({"a": ["1%"]}, ["a > 1"], "text with a number"),
        ({"a": [1]}, ["a >"], "a condition compares"),
        ({"a": [1]}, ["__import__('os') > 1"], "a condition compares"),
    ],
)
def test_grids_that_make_no_sense(grid: dict[str, list[int]], where: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        combinations(grid, where)  # type: ignore[arg-type]  # one of them holds text


@pytest.mark.parametrize(("text", "held"), [("a<b", True), ("a == 1", True), ("b<=1.5", False), ("a!=1", False)])
def test_conditions(text: str, held: bool) -> None:
    assert parse_condition(text)({"a": 1, "b": 2}) is held
