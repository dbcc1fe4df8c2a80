"""The journal on SQLite: one append-only table, durable when `append` returns, and able to prove that it is whole.

The desk holds one `SqliteJournal` (one writer, kept so by a lock file); everybody else reads with `read_journal` and
`verify_journal`, also while the desk is running.

Four things keep it honest. WAL with ``synchronous=FULL`` puts every commit on the disk before the call returns.
Triggers refuse a change, a deletion and a gap. Each row carries a hash of the row before it and of itself. And the
lock file notes the last acknowledged row, so that an end that went missing (a cut or deleted ``-wal`` file) is seen
too: SQLite alone would drop it without a word.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from hashlib import blake2b
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from saudagar.engine.ports import Entry
from saudagar.model import Nanos, events
from saudagar.model.errors import JournalError
from saudagar.model.events import Event

APPLICATION_ID = 0x53_41_55_44  # "SAUD": tells `file` and us what this SQLite file is
LAYOUT = 1  # of the table; `PRAGMA user_version`

Upcaster: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

VERSIONS: dict[str, int] = {}
"""The version in which a kind of event is written now; 1 where none is named."""

UPCASTERS: dict[tuple[str, int], Upcaster] = {}
"""``(kind, version found)`` → the body one version later. It may change ``type``, too, when a kind is renamed."""

_SCHEMA = """
CREATE TABLE journal (
    seq            INTEGER PRIMARY KEY,
    ts             INTEGER NOT NULL,
    recorded       INTEGER NOT NULL,
    kind           TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    body           TEXT    NOT NULL,
    correlation_id TEXT    NOT NULL,
    causation_id   INTEGER NOT NULL,
    chain          BLOB    NOT NULL
);
CREATE TRIGGER journal_is_gapless BEFORE INSERT ON journal
    WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM journal)
    BEGIN SELECT RAISE(ABORT, 'the journal has no gaps: another program has written to it'); END;
CREATE TRIGGER journal_keeps_rows BEFORE DELETE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_keeps_content BEFORE UPDATE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""
_SELECT = "SELECT seq, ts, recorded, kind, version, body, correlation_id, causation_id, chain FROM journal"
_INSERT = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"

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
}
"""What an event belongs to. The others belong to the day as a whole."""


class Head(msgspec.Struct, frozen=True):
    """The end of a journal: its last row's number and chain."""

    seq: int = 0
    chain: bytes = _ORIGIN


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


class _Broken(Exception):
    def __init__(self, seq: int, what: str) -> None:
        super().__init__(what)
        self.seq = seq
        self.what = what


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
        self._lock = _Lock(path)
        try:
            self._connection = _connect_to_write(path)
            self._head = self._check(self._lock.head)
            self._lock.note(self._head)
        except BaseException:
            self.close()
            raise

    @property
    def last(self) -> int:
        """The seq of the last row; 0 for a new journal."""
        return self._head.seq

    def append(self, new: Sequence[Event]) -> int:
        """Write all of `new` durably or none of it; return the last row's seq.

        The first event of a call came from outside; the others are what followed from it (their `causation`).

        Raises
        ------
        JournalError
            Nothing was written: disk full or read-only, locked, closed, or an event that would not read back.
            A later append works again once the cause is gone.
        """
        if not new:
            return self._head.seq
        rows, head = self._rows_of(new)
        try:
            if self._doubt:
                self._settle()
            self._doubt = True
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(_INSERT, rows)
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OverflowError) as error:
            self._roll_back()
            raise JournalError(
                f"{self.path}: {len(rows)} event(s) from {rows[0][3]} on were not written: {error}.",
                hint="Nothing may be sent until the journal takes entries again: check disk space and permissions.",
            ) from error
        self._head, self._doubt = head, False
        with suppress(OSError):  # the rows are safe; the note may lag behind
            self._lock.note(head)
        return head.seq

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

    def _rows_of(self, new: Sequence[Event]) -> tuple[list[tuple[Any, ...]], Head]:
        seq, chain = self._head.seq, self._head.chain
        first, recorded = seq + 1, self._now()
        rows = []
        for event in new:
            seq += 1
            kind, body = type(event).__name__, _encode(event)
            correlation = CORRELATION.get(type(event), _of_nothing)(event)
            version, causation = VERSIONS.get(kind, 1), first if seq > first else 0
            fields = (seq, event.ts, recorded, kind, version, body, correlation, causation)
            chain = _link(chain, *fields)
            rows.append((*fields, chain))
        return rows, Head(seq, chain)

    def _settle(self) -> None:
        """After a failed append the table must end where we believe; otherwise only a restart can tell what is true."""
        self._roll_back()
        found = _last(self._connection)
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
            for row in _chained(self._connection, Head(), noted):
                head = Head(row[0], row[-1])
        except _Broken as broken:
            raise _damaged(self.path, broken) from None
        return head


def read_journal(path: Path, after: int = 0) -> Iterator[Entry]:
    """The rows of the journal at `path` with ``seq > after``; works beside a running desk.

    Raises
    ------
    JournalError
        No such journal, or, at the row in question, a damaged one.
    """
    with closing(_connect_to_read(path)) as connection:
        yield from _entries(path, connection, after)


def verify_journal(path: Path) -> Verification:
    """Check chain, numbering, content, end and pages of the journal at `path`, and name the first row that is wrong.

    Raises
    ------
    JournalError
        There is no journal to verify.
    """
    noted = _read_head(_lock_path(path))
    seq = first = recorded = 0
    with closing(_connect_to_read(path)) as connection:
        try:
            for row in _chained(connection, Head(), noted):
                _decode(row)
                seq, recorded = row[0], row[2]
                first = first or recorded
            _check_pages(connection, seq)
        except _Broken as broken:
            return Verification(
                entries=seq,
                broken_at=broken.seq,
                problem=broken.what,
                first_recorded=first,
                last_recorded=recorded,
            )
    return Verification(entries=seq, first_recorded=first, last_recorded=recorded)


# Rows -----------------------------------------------------------------------------------------------------------------


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


def _decode(row: tuple[Any, ...]) -> Entry:
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
        raise _Broken(seq, f"cannot be understood: {error}") from error
    return Entry(seq=seq, recorded=recorded, event=event, correlation=correlation, causation=causation)


def _chained(connection: sqlite3.Connection, start: Head, noted: Head) -> Iterator[tuple[Any, ...]]:
    """The rows after `start`; raises `_Broken` at the first that does not follow from the one before it."""
    seq, chain = start.seq, start.chain
    try:
        for row in connection.execute(f"{_SELECT} WHERE seq > ? ORDER BY seq", (seq,)):
            row = tuple(value.decode() if isinstance(value, bytes) else value for value in row[:-1]) + row[-1:]
            if row[0] != seq + 1:
                raise _Broken(seq + 1, f"is missing; the next one is {row[0]}")
            chain = _link(chain, *row[:-1])
            if chain != row[-1]:
                raise _Broken(seq + 1, "was changed or torn: it does not fit the chain")
            seq += 1
            if seq == noted.seq and chain != noted.chain:
                raise _Broken(seq, "is not the one that was acknowledged: the journal was rewritten")
            yield row
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise _Broken(seq + 1, f"cannot be read: {error}") from error
    if seq < noted.seq:
        raise _Broken(seq + 1, f"is missing: entries up to {noted.seq} were acknowledged, the journal ends at {seq}")


def _entries(path: Path, connection: sqlite3.Connection, after: int) -> Iterator[Entry]:
    try:
        for row in _chained(connection, _head_at(connection, after), Head()):
            yield _decode(row)
    except _Broken as broken:
        raise _damaged(path, broken) from None


def _head_at(connection: sqlite3.Connection, seq: int) -> Head:
    if seq <= 0:
        return Head()
    try:
        row = connection.execute("SELECT chain FROM journal WHERE seq = ?", (seq,)).fetchone()
    except sqlite3.Error as error:
        raise _Broken(seq, f"cannot be read: {error}") from error
    if row is None:
        raise _Broken(seq, "does not exist, so nothing can be read after it")
    return Head(seq, row[0])


def _last(connection: sqlite3.Connection) -> Head:
    row = connection.execute("SELECT seq, chain FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
    return Head(*row) if row else Head()


def _check_pages(connection: sqlite3.Connection, last: int) -> None:
    try:
        ((verdict,),) = connection.execute("PRAGMA integrity_check(1)").fetchall()
    except sqlite3.Error as error:
        raise _Broken(last, f"and all before it read well, but the file is damaged: {error}") from error
    if verdict != b"ok":
        raise _Broken(last, f"and all before it read well, but the file is damaged: {verdict.decode()}")


def _damaged(path: Path, broken: _Broken) -> JournalError:
    return JournalError(
        f"{path}: entry {broken.seq} {broken.what}.",
        hint=f"Do not trade on it: keep the file, run `saudagar journal verify {path}`, restore a good copy "
        f"or begin a new journal and let the desk reconcile with the broker.",
    )


# Files ----------------------------------------------------------------------------------------------------------------


def _connect_to_write(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=1.0, isolation_level=None)
    except sqlite3.Error as error:
        raise JournalError(f"{path}: the journal cannot be opened: {error}.") from error
    try:
        connection.text_factory = bytes
        new = _identify(path, connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: plain fsync stops at the drive's cache
        if new:
            connection.executescript(
                f"BEGIN; {_SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LAYOUT}; COMMIT;"
            )
    except sqlite3.Error as error:
        connection.close()
        raise JournalError(
            f"{path}: the journal cannot be opened: {error}.", hint=f"See `saudagar journal verify {path}`."
        ) from error
    except JournalError:
        connection.close()
        raise
    return connection


def _connect_to_read(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise JournalError(f"{path}: there is no such journal.")
    # A folder we may not write to has no room for the WAL's index; without a WAL none is needed.
    sealed = not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{'immutable=1' if sealed else 'mode=ro'}", uri=True)
    try:
        connection.text_factory = bytes
        if _identify(path, connection):
            raise JournalError(f"{path}: the journal is empty, not even its table is there.")
    except (sqlite3.Error, JournalError) as error:
        connection.close()
        if isinstance(error, JournalError):
            raise
        raise JournalError(f"{path}: the journal cannot be read: {error}.") from error
    return connection


def _identify(path: Path, connection: sqlite3.Connection) -> bool:
    """Whether the file is new and empty. Anything but ours is refused."""
    ((application,),) = connection.execute("PRAGMA application_id").fetchall()
    ((layout,),) = connection.execute("PRAGMA user_version").fetchall()
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    if not (application or tables):
        return True
    if application != APPLICATION_ID:
        raise JournalError(f"{path} is an SQLite file, but no journal of saudagar.", hint="Name another file.")
    if layout > LAYOUT:
        raise JournalError(f"{path}: written by a newer saudagar (layout {layout}, known {LAYOUT}).", hint="Update.")
    return False


def _lock_path(path: Path) -> Path:
    return Path(f"{path}.lock")


def _read_head(path: Path) -> Head:
    """The last acknowledged row as noted in the lock file; the beginning if it says nothing legible."""
    try:
        _, seq, chain = path.read_text().split()
        return Head(int(seq), bytes.fromhex(chain)) if int(seq) > 0 else Head()
    except (OSError, ValueError):
        return Head()


class _Lock:
    """``PATH.lock``: held while open, by the kernel, so that a killed process leaves no lock behind.

    It holds the owner's pid and the last acknowledged row. That note is not fsynced (it costs 2 µs): after a power
    failure it may lag behind the journal or be illegible, but it never runs ahead of it.
    """

    def __init__(self, journal: Path) -> None:
        path = _lock_path(journal)
        try:
            journal.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(f"{journal}: the journal cannot be written: {error.strerror} ({path}).") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.head = _read_head(path)
            self.note(self.head)
        except BlockingIOError:
            self.release()
            owner = (path.read_text().split() or ["unknown"])[0]
            raise JournalError(
                f"{journal}: process {owner} is writing this journal; a journal has one writer.",
                hint="Stop that desk first, or give this one another directory.",
            ) from None
        except OSError as error:
            self.release()
            raise JournalError(f"{path}: the journal's lock cannot be held: {error.strerror}.") from error

    def note(self, head: Head) -> None:
        os.pwrite(self._file, b"%-10d %-20d %32s\n" % (os.getpid(), head.seq, head.chain.hex().encode()), 0)

    def release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
