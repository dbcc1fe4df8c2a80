"""How mistakes reach a person: one problem with its place, all problems together, and the exit code of a command."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec
import typer

from saudagar.model.errors import ConfigError, InvariantError, SaudagarError


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake in a configuration: where, what, what is allowed."""

    file: str
    line: int = 0  # from 1; 0 where the mistake has no line, such as a missing table
    key: str = ""  # the path, "risk.day_loss"
    value: str = ""  # as it was read; secrets are masked
    message: str = ""
    hint: str = ""  # the nearest right key or word, or the next step

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        subject = " = ".join(part for part in (self.key, self.value) if part)
        said = ": ".join(part for part in (place, subject, self.message.rstrip(".")) if part)
        return f"{said}. {self.hint}".rstrip()


class ConfigProblems(ConfigError):
    """Everything that is wrong with a configuration; `details` for programs, `problems` for people."""

    def __init__(self, details: Iterable[Problem]) -> None:
        self.details = tuple(sorted(details, key=lambda problem: (problem.file, problem.line)))
        count = len(self.details)
        files = ", ".join(sorted({problem.file for problem in self.details}))
        super().__init__(
            f"{files}: {count} mistake{'s' if count > 1 else ''} in the configuration.",
            [str(problem) for problem in self.details],
        )


def as_json(error: SaudagarError) -> str:
    """`error` as one line of JSON, for commands with ``--json``."""
    shown: dict[str, object] = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
    if isinstance(error, ConfigProblems):
        shown |= {"error": "ConfigError", "problems": error.details}
    elif isinstance(error, ConfigError) and error.problems:
        shown["problems"] = error.problems
    return msgspec.json.encode(shown).decode()


def tell(error: SaudagarError, *, json: bool = False) -> int:
    """Print `error` (to stderr, or as JSON to stdout) and return the exit code of its kind."""
    if json:
        sys.stdout.write(as_json(error) + "\n")
        return error.exit_code
    sys.stderr.write(f"error: {error}\n")
    for problem in getattr(error, "problems", ()):
        sys.stderr.write(f"  {problem}\n")
    return error.exit_code


def as_ours(error: Exception) -> SaudagarError:
    """`error` as one of ours: the machine's own (no room, no right) by its words, any other as the defect it is.

    The trace of a defect goes to a file that only the user can read, for the report of it.
    """
    if isinstance(error, SaudagarError):
        return error
    if isinstance(error, OSError) and error.strerror:
        return SaudagarError(f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}.")
    with tempfile.NamedTemporaryFile("w", prefix="saudagar-", suffix=".txt", delete=False, encoding="utf-8") as trace:
        traceback.print_exception(error, file=trace)
    return InvariantError(
        f"a defect of saudagar: {type(error).__name__}: {error}.",
        hint=f"It stopped at once; what rests at the broker stays there. Report it with {trace.name}.",
    )


@contextmanager
def told(*, json: bool = False) -> Iterator[None]:
    """Around the body of a command: an error on purpose is printed and becomes the exit code."""
    try:
        yield
    except SaudagarError as error:
        raise typer.Exit(tell(error, json=json)) from None
