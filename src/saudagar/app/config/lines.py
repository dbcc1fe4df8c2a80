"""Where each key of a TOML text stands. `tomllib` says what the values are, but not their lines.

The text has already been accepted by `tomllib`, so this only walks over it. Called by `config.load`.
"""

from __future__ import annotations

import re
import tomllib
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t]|\r?\n|#[^\n]*)*")
_GAP = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]+")
_STRINGS = (
    re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\\n])*"'),
    re.compile(r"'[^'\n]*'"),
)


def key_lines(text: str) -> dict[Path, int]:
    """The line (from 1) of every table, key and array element in `text`, by path."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self._arrays: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        while self._skip(_BLANK) < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        array = self.text.startswith("[[", self.at)
        here = self.at
        self.at += 2 if array else 1
        path = self._within_arrays(self._key())
        self.at = self.text.index("]", self.at) + (2 if array else 1)
        if array:
            number = self._arrays[path] = self._arrays.get(path, -1) + 1
            self.lines.setdefault(path, self._line(here))
            path = (*path, number)
        self._mark(path, here)
        return path

    def _within_arrays(self, key: Path) -> Path:
        path: Path = ()
        for part in key[:-1]:
            path = (*path, part)
            if path in self._arrays:
                path = (*path, self._arrays[path])
        return (*path, key[-1])

    def _pair(self, table: Path) -> None:
        here = self.at
        key = self._key()
        for length in range(1, len(key) + 1):
            self._mark((*table, *key[:length]), here)
        self.at = self.text.index("=", self.at) + 1
        self._value((*table, *key))

    def _key(self) -> Path:
        parts: list[str] = []
        while True:
            self._skip(_GAP)
            bare = _BARE.match(self.text, self.at)
            end = bare.end() if bare else self._string_end()
            word = self.text[self.at : end]
            parts.append(word if bare else tomllib.loads(f"key = {word}")["key"])
            self.at = end
            self._skip(_GAP)
            if not self.text.startswith(".", self.at):
                return tuple(parts)
            self.at += 1

    def _value(self, path: Path) -> None:
        self._skip(_GAP)
        opening = self.text[self.at]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        elif opening in "\"'":
            self.at = self._string_end()
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        self.at += 1
        number = 0
        while self._next("]"):
            self._mark((*path, number), self.at)
            self._value((*path, number))
            number += 1

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        while self._next("}"):
            self._pair(path)

    def _next(self, closing: str) -> bool:
        """Stand before the next element; False once the closing bracket is behind us."""
        self._skip(_BLANK)
        if self.text[self.at] == ",":
            self.at += 1
            self._skip(_BLANK)
        if self.text[self.at] == closing:
            self.at += 1
            return False
        return True

    def _string_end(self) -> int:
        return max((found.end() for kind in _STRINGS if (found := kind.match(self.text, self.at))), default=self.at)

    def _skip(self, what: re.Pattern[str]) -> int:
        found = what.match(self.text, self.at)
        if found:
            self.at = found.end()
        return self.at

    def _mark(self, path: Path, position: int) -> None:
        self.lines.setdefault(path, self._line(position))

    def _line(self, position: int) -> int:
        return self.text.count("\n", 0, position) + 1
