"""Text in columns, in a terminal of any width and in none."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from saudagar.app.columns import wrapped
from saudagar.app.strategy_commands import app


@pytest.mark.parametrize("columns", [40, 60, 80, 111, 112, 200])
def test_the_list_of_strategies_keeps_to_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = CliRunner().invoke(app, ["list"]).output.splitlines()
    assert max(map(len, lines)) <= columns
    monkeypatch.delenv("COLUMNS")
    whole = CliRunner().invoke(app, ["list"]).output
    assert " ".join(" ".join(lines).split()) == " ".join(whole.split())  # not a word is lost
    assert max(map(len, whole.splitlines())) > 100  # and a pipe gets whole lines


def test_text_goes_on_under_itself() -> None:
    assert wrapped("a = 1  ", "one two three", 14, indent=2) == ["  a = 1  one", "       two", "       three"]
    assert wrapped("a = 1  ", "one two three", 0, indent=2) == ["  a = 1  one two three"]
    assert wrapped("a = 1  ", "", 80, indent=2) == ["  a = 1"]
    assert wrapped("", "one", 80, indent=2) == ["  one"]
