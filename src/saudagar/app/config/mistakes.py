"""Turns mistakes into problems that a person can act on: place, value, what is allowed, the nearest right word."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from saudagar.app.config.lines import Path as KeyPath
from saudagar.app.config.secrets import MASK, NAMES, looks_secret
from saudagar.app.config.sections import SECTIONS
from saudagar.app.errors import Problem

_EXPECTED = {
    "missing": "this key is required",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "bool_type": "expected true or false",
    "string_type": 'expected text in "quotes"',
    "string_too_short": "expected some text",
    "tuple_type": "expected a list in [brackets]",
    "list_type": "expected a list in [brackets]",
    "dict_type": "expected a table",
    "model_type": "expected a table",
    "date_type": "expected a date such as 2026-11-20",
    "date_parsing": "expected a date such as 2026-11-20",
    "date_from_datetime_parsing": "expected a date such as 2026-11-20",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected {ge} or more",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected {le} or less",
    "too_short": "expected at least {min_length}",
    "literal_error": "expected {expected}",
    "enum": "expected {expected}",
    "value_error": "{error}",
}
"""pydantic's kind of error → our words, filled from its context. Other kinds speak for themselves."""


_SAID_ELSEWHERE = {
    "zerodha": "kite",
    "mis": "intraday",
    "cnc": "delivery",
    "nrml": "margin",
    "long": "buy",
    "short": "sell",
    "demo": "simulation",
}
"""What brokers and traders call it → our word."""


class Mistakes:
    """Gathers the problems of one file.

    Parameters
    ----------
    file
        Its name, as the messages show it.
    data
        What `tomllib` made of it.
    lines
        Where each key stands.
    """

    def __init__(self, file: str, data: Mapping[str, Any], lines: Mapping[KeyPath, int]) -> None:
        self.file = file
        self.data = data
        self.lines = lines
        self.found: list[Problem] = []

    def add(self, path: KeyPath, message: str, hint: str = "") -> None:
        """Note a mistake at `path`; its line and value are looked up."""
        self.found.append(
            Problem(
                file=self.file,
                line=self._line(path),
                key=_dotted(path),
                value=self._value(path),
                message=message,
                hint=hint,
            )
        )

    def unknown(self, path: KeyPath, known: Iterable[str]) -> None:
        """Note a key that does not exist, with the nearest that does."""
        self.add(path, "there is no such key", _nearest_key(str(path[-1]), sorted(known), self._section(path)))

    def invalid(self, model: type[BaseModel], error: ValidationError, prefix: KeyPath) -> None:
        """Note everything that pydantic found wrong with the table at `prefix`, which should be a `model`."""
        details = error.errors(include_url=False)
        inner = {detail["loc"][:-1] for detail in details}
        for detail in details:
            path = (*prefix, *detail["loc"])
            kind, context = detail["type"], detail.get("ctx", {})
            if kind == "too_short" and detail["loc"] in inner:
                continue  # only because its elements are wrong
            owner = _model_at(model, detail["loc"][:-1])
            if kind == "extra_forbidden" and owner:
                self.unknown(path, owner.model_fields)
                continue
            message = _message(kind, context, detail["msg"])
            described = owner.model_fields.get(str(detail["loc"][-1])) if owner and detail["loc"] else None
            if described and described.description:
                pattern = kind == "string_pattern_mismatch"
                message = f"expected {described.description}" if pattern else f"{message} ({described.description})"
            self.add(self._existing(path, kind), message, _nearest_word(detail["input"], context))

    def _existing(self, path: KeyPath, kind: str) -> KeyPath:
        """`path` without the inner places of a value, which the file does not have."""
        while kind != "missing" and len(path) > 1 and path not in self.lines:
            path = path[:-1]
        return path

    def _line(self, path: KeyPath) -> int:
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return 0

    def _section(self, path: KeyPath) -> str:
        return str(path[0]) if len(path) > 1 else ""

    def _value(self, path: KeyPath) -> str:
        value: Any = self.data
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return ""
        masked = any(looks_secret(str(part)) for part in path) or (path[:1] == ("secrets",) and path[1:] != ("file",))
        return MASK if masked and not isinstance(value, dict) else _as_toml(value)


def _message(kind: str, context: Mapping[str, Any], spoken: str) -> str:
    shown = {name: f"{value:g}" if isinstance(value, float) else value for name, value in context.items()}
    return _EXPECTED[kind].format(**shown) if kind in _EXPECTED else spoken


def _dotted(path: KeyPath) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{_as_key(part)}" for part in path]
    return "".join(parts).removeprefix(".")


def _as_key(part: str) -> str:
    return part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part, ensure_ascii=False)


def _as_toml(value: Any) -> str:
    if isinstance(value, dict):
        return ""
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, bool | str | list) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _model_at(model: type[BaseModel], path: Sequence[int | str]) -> type[BaseModel] | None:
    for part in path:
        field = model.model_fields.get(str(part))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return None
        model = field.annotation
    return model


def _nearest_key(key: str, known: list[str], section: str) -> str:
    if looks_secret(key):
        return f"Secrets do not stand in this file: set {', '.join(NAMES)} in the environment or the secrets file."
    elsewhere = [name for name, model in SECTIONS.items() if key in model.model_fields and name != section]
    if elsewhere:
        return f"It belongs in [{elsewhere[0]}]."
    near = get_close_matches(key, known, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}."


def _nearest_word(given: Any, context: Mapping[str, Any]) -> str:
    words = {word.casefold(): word for word in re.findall(r"'([^']*)'", str(context.get("expected", "")))}
    if not isinstance(given, str):
        return ""
    said = _SAID_ELSEWHERE.get(given.casefold(), given.casefold())
    near = get_close_matches(said, words, n=1)
    return f'Did you mean "{words[near[0]]}"?' if near else ""
