"""One row of the journal: an event as text, its place in the hash chain, and the versions it may come in.

Used by `storage.journal` alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec

from saudagar.engine.ports import Entry
from saudagar.model import Nanos, events
from saudagar.model.errors import JournalError
from saudagar.model.events import Event

Upcaster: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

VERSIONS: dict[str, int] = {}
"""The version in which a kind of event is written now; 1 where none is named."""

UPCASTERS: dict[tuple[str, int], Upcaster] = {}
"""``(kind, version found)`` → the body one version later. It may change ``type``, too, when a kind is renamed."""

_SELECT = "SELECT seq, ts, recorded, kind, version, body, correlation_id, causation_id, chain FROM journal"
READ_ERRORS = (sqlite3.Error, UnicodeError)
"""What reading a damaged file can raise: `sqlite3` trips over its own message where that quotes damaged text."""

_ORIGIN = b"saudagar journal"  # stands for the chain before the first row
_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)

_of_order, _of_position = attrgetter("order_id"), attrgetter("position")
CORRELATION: dict[type[Event], Callable[[Any], str]] = {
    events.TargetSet: _of_position,
    events.IntentDenied: _of_position,
    events.ProtectionMoved: _of_position,
    events.OrderSubmitted: attrgetter("order.order_id"),
    events.OrderMoved: _of_order,
    events.OrderFilled: _of_order,
    events.ModifyRequested: _of_order,
    events.ModifyEnded: _of_order,
    events.CancelRequested: _of_order,
    events.CancelRefused: _of_order,
    events.InstrumentFrozen: attrgetter("instrument"),
    events.ForeignOrderSeen: attrgetter("broker_id"),
    events.PositionAdopted: attrgetter("position"),
}
"""What an event belongs to. The others belong to the day as a whole."""


class Head(msgspec.Struct, frozen=True):
    """The end of a journal: its last row's number and chain."""

    seq: int = 0
    chain: bytes = _ORIGIN


class Broken(Exception):
    """Row `seq` is damaged: `what` completes the sentence "entry 7 …"."""

    def __init__(self, seq: int, what: str) -> None:
        super().__init__(what)
        self.seq = seq
        self.what = what


def new_rows(new: Sequence[Event], head: Head, recorded: Nanos) -> list[tuple[Any, ...]]:
    """The rows of `new` after `head`. The first event came from outside, the others followed from it.

    Raises
    ------
    JournalError
        An event that would not read back as itself.
    """
    rows: list[tuple[Any, ...]] = []
    chain, first = head.chain, head.seq + 1
    for seq, event in enumerate(new, first):
        kind, body = type(event).__name__, _encode(event)
        correlation = CORRELATION.get(type(event), _of_nothing)(event)
        version, causation = VERSIONS.get(kind, 1), first if seq > first else 0
        fields = (seq, event.ts, recorded, kind, version, body, correlation, causation)
        chain = _link(chain, *fields)
        rows.append((*fields, chain))
    return rows


def _of_nothing(event: Event) -> str:
    return ""


def _encode(event: Event) -> str:
    try:
        body = _ENCODER.encode(event)
        if _DECODER.decode(body) != event:
            raise ValueError("it reads back different")
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise JournalError(f"the event {event!r} cannot be journalled: {error}; nothing was written.") from error
    return body.decode()


def _link(chain: bytes, *fields: Any) -> bytes:
    text = "\x1f".join(map(str, fields))
    return blake2b(chain + text.encode(), digest_size=16).digest()


def decode(row: tuple[Any, ...]) -> Entry:
    """The entry of a row, brought to today's version; raises `Broken`."""
    seq, _, recorded, kind, version, body, correlation, causation, _ = row
    current = VERSIONS.get(kind, 1)
    try:
        if version > current:
            raise ValueError(f"{kind} version {version} is newer than this saudagar knows ({current}); update it")
        if version < current:
            fields = msgspec.json.decode(body)
            for found in range(version, current):
                fields = UPCASTERS[kind, found](fields)
            body = msgspec.json.encode(fields)
        event = _DECODER.decode(body)
    except (ValueError, KeyError, msgspec.MsgspecError) as error:
        raise Broken(seq, f"cannot be understood: {error}") from error
    return Entry(seq=seq, recorded=recorded, event=event, correlation=correlation, causation=causation)


def chained(connection: sqlite3.Connection, start: Head, noted: Head) -> Iterator[tuple[Any, ...]]:
    """The rows after `start`; raises `Broken` at the first that does not follow from the one before it."""
    seq, chain = start.seq, start.chain
    try:
        for row in connection.execute(f"{_SELECT} WHERE seq > ? ORDER BY seq", (seq,)):
            row = tuple(value.decode() if isinstance(value, bytes) else value for value in row[:-1]) + row[-1:]
            if row[0] != seq + 1:
                raise Broken(seq + 1, f"is missing; the next one is {row[0]}")
            chain = _link(chain, *row[:-1])
            if chain != row[-1]:
                raise Broken(seq + 1, "was changed or torn: it does not fit the chain")
            seq += 1
            if seq == noted.seq and chain != noted.chain:
                raise Broken(seq, "is not the one that was acknowledged: the journal was rewritten")
            yield row
    except READ_ERRORS as error:
        raise Broken(seq + 1, f"cannot be read: {error}") from error
    if seq < noted.seq:
        raise Broken(seq + 1, f"is missing: entries up to {noted.seq} were acknowledged, the journal ends at {seq}")


def head_at(connection: sqlite3.Connection, seq: int) -> Head:
    """Where reading after row `seq` starts; raises `Broken` if there is no such row."""
    if seq <= 0:
        return Head()
    try:
        row = connection.execute("SELECT chain FROM journal WHERE seq = ?", (seq,)).fetchone()
    except READ_ERRORS as error:
        raise Broken(seq, f"cannot be read: {error}") from error
    if row is None:
        raise Broken(seq, "does not exist, so nothing can be read after it")
    return Head(seq, row[0])


def last(connection: sqlite3.Connection) -> Head:
    """The end of the table as it is on disk, unchecked."""
    row = connection.execute("SELECT seq, chain FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
    return Head(*row) if row else Head()
