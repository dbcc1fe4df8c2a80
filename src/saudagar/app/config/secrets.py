"""Secrets: from the environment, a file that nobody else can read, or the store of `saudagar login`.

Shown as ``•••`` wherever they turn up.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr

from saudagar.app.errors import Problem
from saudagar.app.tokens import StoredToken, store_of
from saudagar.engine.clock import wall_clock
from saudagar.model import Nanos
from saudagar.model.errors import SaudagarError

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
    kite_api_key: Secret = Secret("")
    kite_token: Secret = Secret("")


NAMES = {PREFIX + field.upper(): field for field in Secrets.model_fields}
"""Environment variable → field."""

FOR_LOGIN = tuple(
    PREFIX + name
    for name in (
        *("DHAN_PIN", "DHAN_TOTP", "DHAN_APP_ID", "DHAN_APP_SECRET"),
        *("UPSTOX_API_KEY", "UPSTOX_API_SECRET", "KITE_API_SECRET"),
    )
)
"""What only `saudagar login` needs; the desk passes over them."""
_KNOWN = (*NAMES, *FOR_LOGIN)
_STORED = {
    "dhan": ("dhan_client_id", "dhan_token"),
    "upstox": ("", "upstox_token"),
    "kite": ("kite_api_key", "kite_token"),
}
"""Broker → the fields of a stored token: the public name it goes with, and itself."""


def looks_secret(key: str) -> bool:
    """Whether a value under `key` must not be repeated in a message."""
    return re.search(r"token|secret|passw|pin\b|totp|api_?key|client_id", key, re.IGNORECASE) is not None


def read_secrets(
    environ: Mapping[str, str], file: Path | None, clock: Callable[[], Nanos] = wall_clock
) -> tuple[Secrets, list[Problem]]:
    """The secrets of `file` (if one is named), those of `environ` before them; and what is wrong with either.

    A token that is in neither is taken from the store of `saudagar login`, as long as it is good.
    """
    given, problems = read_given(environ, file)
    found = {NAMES[name]: value for name, value in given.items() if name in NAMES}
    for broker, (key, token) in _STORED.items():
        stored = None if found.get(token) else _from_store(environ, broker)
        if stored and stored.good(clock()) and found.get(key, stored.key) == stored.key:
            found |= {token: stored.token} | ({key: stored.key} if key else {})
    return Secrets(**{field: Secret(value) for field, value in found.items()}), problems


def read_given(environ: Mapping[str, str], file: Path | None) -> tuple[dict[str, str], list[Problem]]:
    """All that `file` and, before it, `environ` hold under our names, those of `FOR_LOGIN` among them."""
    found, problems = _read_file(file) if file else ({}, [])
    for name in _KNOWN:
        if environ.get(name):
            found[name] = environ[name]
            problems += _check(name, environ[name], "environment", 0)
    return found, problems


def _from_store(environ: Mapping[str, str], broker: str) -> StoredToken | None:
    store = store_of(environ)
    try:
        return store.load(broker) if store else None
    except SaudagarError:
        return None  # a desk that needs the token hears that it is missing; `login --show` says why


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
        elif match["name"] in _KNOWN:
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
