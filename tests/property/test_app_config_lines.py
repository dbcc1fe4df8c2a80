"""The line numbers of keys agree with `tomllib`, whatever the file looks like; and no file makes the loader trip."""

import json
import tomllib
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from saudagar.app.config import parse
from saudagar.app.config.lines import key_lines
from saudagar.app.errors import ConfigProblems

ROOT = Path(__file__).resolve().parents[2]
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
BARE = st.text("abcXYZ019_-", min_size=1, max_size=5)
KEYS = BARE | TEXT.map(lambda text: json.dumps(text)) | BARE.map(lambda text: f"'{text}#]'")
SCALARS = st.one_of(
    st.integers(-99, 10**9).map(str),
    st.booleans().map(lambda value: str(value).lower()),
    st.sampled_from(
        ["2026-11-20", "15:10:00", "1.5e3", "nan", "'a # b'", '"""\n[x]\na = 1 \\""" """', "'''\n[y]\n'''"]
    ),
    TEXT.map(lambda text: json.dumps(text)),
)


def arrays(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.lists(inner, max_size=3), st.sampled_from([", ", ",\n  ", " , # ]}\n"])).map(
        lambda given: f"[ {given[1].join(given[0])} ]"
    )


def inline_tables(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.dictionaries(KEYS, inner, max_size=3)
    return pairs.map(lambda given: "{ " + ", ".join(f"{key} = {value}" for key, value in given.items()) + " }")


VALUES = st.recursive(SCALARS, lambda inner: arrays(inner) | inline_tables(inner), max_leaves=5)
DOTTED = st.lists(KEYS, min_size=1, max_size=3).map(" . ".join)
PAIRS = st.tuples(DOTTED, VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}")
HEADERS = DOTTED.map(lambda key: f"[ {key} ]") | DOTTED.map(lambda key: f"[[{key}]]")
LINES = st.one_of(PAIRS, HEADERS, st.sampled_from(["", "  # [comment] a = 1"]))


def paths(value: Any, at: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {at}.union(*(paths(child, (*at, key)) for key, child in children))


@given(st.lists(LINES, max_size=8).map("\n".join))
def test_every_key_has_the_line_on_which_it_stands(text: str) -> None:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = key_lines(text)
    assert set(lines) <= paths(data)
    assert {path for path in paths(data) if path} <= set(lines) | {path[:size] for path in lines for size in range(9)}
    rows = text.split("\n")
    for path, line in lines.items():
        if isinstance(path[-1], str) and path[-1].isalnum() and path[-1].isascii():
            assert path[-1] in rows[line - 1]


EXAMPLE = (ROOT / "saudagar.example.toml").read_text()


@given(st.integers(0, len(EXAMPLE)), st.integers(0, 30), st.text(max_size=12))
def test_a_damaged_file_is_right_or_its_mistakes_are_named(start: int, cut: int, noise: str) -> None:
    text = EXAMPLE[:start] + noise + EXAMPLE[start + cut :]
    found = mistakes(text)
    assert all(problem.startswith(str(ROOT)) and len(problem) < 500 for problem in found)


def mistakes(text: str) -> tuple[str, ...]:
    try:
        parse(text, ROOT / "desk.toml", {})
    except ConfigProblems as error:
        return error.problems or ("none is named",)
    return ()
