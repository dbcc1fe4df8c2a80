"""The journal on SQLite: one append-only table, durable when `append` returns, and able to prove that it is whole.

The desk holds one `SqliteJournal` (one writer, kept so by a lock file); everybody else reads with `read_journal` and
`verify_journal`, also while the desk is running.

Four things keep it honest. WAL with ``synchronous=FULL`` puts every commit on the disk before the call returns.
Triggers refuse a change, a deletion and a gap. Each row carries a hash of the row before it and of itself. And the
lock file notes the last acknowledged row, so that an end that went missing (a cut or deleted ``-wal`` file) is seen
too: SQLite alone would drop it without a word.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from saudagar.engine.ports import Entry
from saudagar.model import Nanos
from saudagar.model.errors import JournalError
from saudagar.model.events import Event
from saudagar.storage.journal_file import Lock, connect_to_read, connect_to_write, read_head, what_to_do
from saudagar.storage.journal_rows import READ_ERRORS, Broken, Head, chained, decode, head_at, last, new_rows

_INSERT = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What `verify_journal` found: `entries` sound rows from the first on, and the first problem after them."""

    entries: int
    broken_at: int = 0  # seq of the first row that is torn, changed or missing; 0 if none is
    problem: str = ""
    first_recorded: Nanos = 0
    last_recorded: Nanos = 0

    @property
    def sound(self) -> bool:
        return not self.problem


class SqliteJournal:
    """The journal of one desk, open for writing. Implements `engine.ports.Journal`.

    Opening checks every row, so a desk never starts on a damaged journal.

    Parameters
    ----------
    path
        The SQLite file; made, with its folder, if it does not exist. ``PATH.lock`` lies beside it.
    now
        The wall clock (UTC ns), stamped on every row.

    Raises
    ------
    JournalError
        Another process writes it, it is damaged, it is no journal, or the disk refuses.
    """

    def __init__(self, path: Path, now: Callable[[], Nanos]) -> None:
        self.path = path
        self._now = now
        self._doubt = False  # the last append failed: look at the table before the next
        self._lock = Lock(path)
        try:
            self._connection = connect_to_write(path)
            self._head = self._check(self._lock.head)
            self._lock.note(self._head)
        except BaseException:
            self.close()
            raise

    @property
    def last(self) -> int:
        """The seq of the last row; 0 for a new journal."""
        return self._head.seq

    def append(self, events: Sequence[Event]) -> int:
        """Write all of `events` durably or none of it; return the last row's seq.

        The first event of a call came from outside; the others are what followed from it (their `causation`).

        Raises
        ------
        JournalError
            Nothing was written: disk full or read-only, locked, closed, or an event that would not read back.
            A later append works again once the cause is gone.
        """
        if not events:
            return self._head.seq
        rows = new_rows(events, self._head, self._now())
        try:
            if self._doubt:
                self._settle()
            self._doubt = True
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(_INSERT, rows)
            self._connection.execute("COMMIT")
        except (*READ_ERRORS, OverflowError) as error:
            self._roll_back()
            raise JournalError(
                f"{self.path}: {len(rows)} event(s) from {rows[0][3]} on were not written: {error}.",
                hint="Nothing may be sent until the journal takes entries again: check disk space and permissions.",
            ) from error
        self._head, self._doubt = Head(rows[-1][0], rows[-1][-1]), False
        with suppress(OSError):  # the rows are safe; the note may lag behind
            self._lock.note(self._head)
        return self._head.seq

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """The rows with ``seq > after``, in order, each checked against the chain.

        Raises
        ------
        JournalError
            At the first row that is damaged; it is never skipped.
        """
        return _entries(self.path, self._connection, after)

    def close(self) -> None:
        """Fold the WAL into the file and let another process write. Harmless when repeated."""
        if hasattr(self, "_connection"):
            self._connection.close()
        self._lock.release()

    def _settle(self) -> None:
        """After a failed append the table must end where we believe; otherwise only a restart can tell what is true."""
        self._roll_back()
        found = last(self._connection)
        if found != self._head:
            raise sqlite3.DatabaseError(
                f"the table ends at entry {found.seq}, {self._head.seq} was expected; restart the desk to replay it"
            )

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _check(self, noted: Head) -> Head:
        head = Head()
        try:
            for row in chained(self._connection, Head(), noted):
                head = Head(row[0], row[-1])
        except Broken as broken:
            raise _damaged(self.path, broken) from None
        return head


def read_journal(path: Path, after: int = 0) -> Iterator[Entry]:
    """The rows of the journal at `path` with ``seq > after``; works beside a running desk.

    Raises
    ------
    JournalError
        No such journal, or, at the row in question, a damaged one.
    """
    with closing(connect_to_read(path)) as connection:
        yield from _entries(path, connection, after)


def verify_journal(path: Path) -> Verification:
    """Check chain, numbering, content, end and pages of the journal at `path`, and name the first row that is wrong.

    Raises
    ------
    JournalError
        There is no journal to verify.
    """
    noted = read_head(path)
    seq = first = recorded = 0
    with closing(connect_to_read(path)) as connection:
        try:
            for row in chained(connection, Head(), noted):
                decode(row)
                seq, recorded = row[0], row[2]
                first = first or recorded
            _check_pages(connection, seq)
        except Broken as broken:
            return Verification(
                entries=seq,
                broken_at=broken.seq,
                problem=broken.what,
                first_recorded=first,
                last_recorded=recorded,
            )
    return Verification(entries=seq, first_recorded=first, last_recorded=recorded)


def _entries(path: Path, connection: sqlite3.Connection, after: int) -> Iterator[Entry]:
    try:
        for row in chained(connection, head_at(connection, after), Head()):
            yield decode(row)
    except Broken as broken:
        raise _damaged(path, broken) from None


def _check_pages(connection: sqlite3.Connection, last: int) -> None:
    try:
        ((verdict,),) = connection.execute("PRAGMA integrity_check(1)").fetchall()
    except READ_ERRORS as error:
        raise Broken(last, f"and all before it read well, but the file is damaged: {error}") from error
    if verdict != b"ok":
        raise Broken(last, f"and all before it read well, but the file is damaged: {verdict.decode(errors='replace')}")


def _damaged(path: Path, broken: Broken) -> JournalError:
    return JournalError(f"{path}: entry {broken.seq} {broken.what}.", hint=what_to_do(path))
