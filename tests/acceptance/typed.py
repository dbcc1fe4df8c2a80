"""``saudagar ARGUMENTS`` typed in this process, and what it answered."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import pytest

from saudagar.app import cli


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The only line of an error."""
        (line,) = self.err.splitlines()
        return line


Run: TypeAlias = Callable[..., Said]


def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["saudagar", *arguments])
        for kind in ("registered_commands", "registered_groups"):  # as in a new process
            monkeypatch.setattr(cli.app, kind, [])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        return Said(int(ended.value.code or 0), shown.out, shown.err)

    return run
