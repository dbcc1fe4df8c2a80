"""What the engine needs of the world: a journal that is durable, and a clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from saudagar.model import Nanos
from saudagar.model.events import Event


class Entry(msgspec.Struct, frozen=True):
    """One row of the journal."""

    seq: int  # 1, 2, 3, … without a gap
    recorded: Nanos  # wall clock, UTC
    event: Event
    correlation: str = ""  # what it belongs to: an order id or a position id
    causation: int = 0  # seq of the entry that caused it; 0 if it came from outside


class Journal(Protocol):
    """The append-only record of what happened. When `append` returns, the events are on disk."""

    def append(self, events: Sequence[Event]) -> int:
        """Write all of `events` or none; return the seq of the last.

        Raises
        ------
        JournalError
            Nothing was written (disk full, locked, closed). The caller must not act on the events.
        """
        ...

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """The rows with `seq > after`, in order."""
        ...

    def close(self) -> None: ...
