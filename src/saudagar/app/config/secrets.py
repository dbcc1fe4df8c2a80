"""Secrets: from the environment, or from a file that nobody else can read. Shown as ``•••`` wherever they turn up."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr

from saudagar.app.errors import Problem

MASK = "•••"
PREFIX = "SAUDAGAR_"
_LINE = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*(?P<value>.*)")


class Secret(SecretStr):
    """Text that prints as ``•••``; `get_secret_value()` gives it to the broker's SDK."""

    def _display(self) -> str:
        return MASK if self.get_secret_value() else ""


class Secrets(BaseModel):
    """The credentials of the brokers. An absent one is empty."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    dhan_client_id: Secret = Secret("")
    dhan_token: Secret = Secret("")
    upstox_token: Secret = Secret("")


NAMES = {PREFIX + field.upper(): field for field in Secrets.model_fields}
"""Environment variable → field."""


def looks_secret(key: str) -> bool:
    """Whether a value under `key` must not be repeated in a message."""
    return re.search(r"token|secret|passw|pin\b|totp|api_?key|client_id", key, re.IGNORECASE) is not None


def read_secrets(environ: Mapping[str, str], file: Path | None) -> tuple[Secrets, list[Problem]]:
    """The secrets of `file` (if one is named), those of `environ` before them; and what is wrong with either."""
    found, problems = _read_file(file) if file else ({}, [])
    for name in NAMES:
        if environ.get(name):
            found[name] = environ[name]
            problems += _check(name, environ[name], "environment", 0)
    return Secrets(**{NAMES[name]: Secret(value) for name, value in found.items()}), problems


def _read_file(file: Path) -> tuple[dict[str, str], list[Problem]]:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            return {}, [
                Problem(
                    file=str(file),
                    message=f"others on this machine can read it (mode {mode:04o}); it was not used.",
                    hint=f"Run: chmod 600 {file}",
                )
            ]
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        return {}, [Problem(file=str(file), message=f"cannot be read: {reason}.")]
    return _parse(file, lines)


def _parse(file: Path, lines: list[str]) -> tuple[dict[str, str], list[Problem]]:
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            problems.append(Problem(file=str(file), line=number, message="expected NAME=value or a # comment."))
        elif match["name"] in NAMES:
            found[match["name"]] = value = _unquoted(match["value"])
            problems += _check(match["name"], value, str(file), number)
        elif match["name"].startswith(PREFIX):
            near = get_close_matches(match["name"].removeprefix(PREFIX).lower(), NAMES.values(), n=1)
            hint = f"Did you mean {PREFIX}{near[0].upper()}?" if near else f"Known: {', '.join(NAMES)}."
            problems.append(
                Problem(file=str(file), line=number, key=match["name"], message="unknown secret.", hint=hint)
            )
    return {name: value for name, value in found.items() if value}, problems


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value.split(" #", 1)[0].rstrip()


def _check(name: str, value: str, file: str, line: int) -> list[Problem]:
    if value.isascii() and value.isprintable() and " " not in value:
        return []
    message = "holds a blank, a line break or a letter outside ASCII; it was probably not copied whole."
    return [Problem(file=file, line=line, key=name, value=MASK, message=message)]
