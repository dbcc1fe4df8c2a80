"""What a person asked of a broker with a single command, on disk before the broker hears of it.

The desk's own orders are in its journal; these are the others: a conversion, a conditional order, a kill switch. One
file of JSON lines, each with its own ``fsync``: a request, and later what became of it. A command that was killed in
between leaves a request without an answer, which the next command asks after. Used by `saudagar account`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from saudagar.model import Nanos
from saudagar.model.errors import JournalError


class Outcome(StrEnum):
    DONE = "DONE"
    REFUSED = "REFUSED"  # nothing was done, for sure
    UNKNOWN = "UNKNOWN"  # the wire failed us: only the broker's own books tell


class Request(msgspec.Struct, frozen=True, kw_only=True, tag="request"):
    """One request. `body` is what was asked, in the words of the model."""

    id: str
    ts: Nanos
    broker: str
    kind: str  # "convert", "place conditional", …
    body: dict[str, Any] = {}


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag="answer"):
    id: str
    ts: Nanos
    outcome: Outcome
    detail: str = ""


_Line = Request | Answer


class RequestLog:
    """Append-only.

    Raises
    ------
    JournalError
        From every method, if the file cannot be written or holds what is none of ours. From `ask`: nothing was sent.
    """

    def __init__(self, path: Path, clock: Callable[[], Nanos]) -> None:
        self._path, self._clock = path, clock

    def ask(self, id: str, broker: str, kind: str, body: object) -> Request:
        """Note that `kind` is about to be asked; on disk when this returns."""
        request = Request(id=id, ts=self._clock(), broker=broker, kind=kind, body=msgspec.to_builtins(body))
        self._append(request, "Nothing was sent.")
        return request

    def answer(self, request: Request, outcome: Outcome, detail: str = "") -> None:
        """Note what became of `request`."""
        became = f"The request {request.id}, {request.kind}, was made: {outcome}{detail and f' ({detail})'}."
        self._append(Answer(id=request.id, ts=self._clock(), outcome=outcome, detail=detail), became)

    def entries(self) -> list[tuple[Request, Answer | None]]:
        """Every request with its latest answer, oldest first. A last line that a crash tore is passed over."""
        requests: dict[str, Request] = {}
        answers: dict[str, Answer] = {}
        for line in self._lines():
            if isinstance(line, Request):
                requests[line.id] = line
            else:
                answers[line.id] = line
        return [(request, answers.get(request.id)) for request in requests.values()]

    def unanswered(self) -> list[Request]:
        """Requests of which nobody has written down what became of them."""
        return [request for request, answer in self.entries() if answer is None]

    def _lines(self) -> Iterator[_Line]:
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise JournalError(f"{self._path}: cannot be read: {error.strerror}.") from None
        *whole, _torn = raw.split(b"\n")
        for number, line in enumerate(whole, 1):
            try:
                yield msgspec.json.decode(line, type=_Line)
            except msgspec.DecodeError as error:
                raise JournalError(f"{self._path}:{number}: {error}.", hint="Move the file away, keep it.") from None

    def _append(self, line: _Line, so_far: str) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self._path) as handle:
                _cut_torn_end(handle)
                rest = msgspec.json.encode(line) + b"\n"
                while rest:
                    rest = rest[os.write(handle, rest) :]
                os.fsync(handle)
        except OSError as error:
            raise JournalError(f"{self._path}: cannot be written: {error.strerror}. {so_far}") from None


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _cut_torn_end(handle: int) -> None:
    """Drop a last line without its end: its request was never sent, because its write never returned."""
    size = os.fstat(handle).st_size
    whole = os.pread(handle, size, 0).rfind(b"\n") + 1
    if whole < size:
        os.ftruncate(handle, whole)
