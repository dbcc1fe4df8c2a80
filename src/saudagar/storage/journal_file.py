"""The files of a journal: the SQLite file with its one table, opened to write or to read, and the lock beside it.

Used by `storage.journal` alone.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from saudagar.model.errors import JournalError, JournalInUse
from saudagar.storage.journal_rows import READ_ERRORS, Head

APPLICATION_ID = 0x53_41_55_44  # "SAUD": tells `file` and us what this SQLite file is
LAYOUT = 1  # of the table; `PRAGMA user_version`
_WAL_BYTES = 1_000 * 4_096  # at so many pages SQLite moves them to the main file
_CACHE_KIB = -2_000  # SQLite's own default

_COLUMNS = """
    seq            INTEGER PRIMARY KEY,
    ts             INTEGER NOT NULL,
    recorded       INTEGER NOT NULL,
    kind           TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    body           TEXT    NOT NULL,
    correlation_id TEXT    NOT NULL,
    causation_id   INTEGER NOT NULL,
    chain          BLOB    NOT NULL
"""
_TRIGGERS = """
CREATE TRIGGER journal_is_gapless BEFORE INSERT ON journal
    WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM journal)
    BEGIN SELECT RAISE(ABORT, 'the journal has no gaps: another program has written to it'); END;
CREATE TRIGGER journal_keeps_rows BEFORE DELETE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_keeps_content BEFORE UPDATE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""


def what_to_do(path: Path) -> str:
    """The next step for a person whose journal is damaged."""
    return (
        f"Do not trade on it: keep the files (`saudagar journal verify {path}` tells what is damaged), and restore a "
        "good copy or begin a new journal and let the desk reconcile with the broker."
    )


def connect_to_write(path: Path) -> sqlite3.Connection:
    """The one writing connection, its table made if the file is new. Raises `JournalError`."""
    try:
        connection = sqlite3.connect(path, timeout=1.0, isolation_level=None)
    except READ_ERRORS as error:
        raise JournalError(f"{path}: the journal cannot be opened: {error}.") from error
    try:
        connection.text_factory = bytes
        new = _identify(path, connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: plain fsync stops at the drive's cache
        _make_room(connection)
        if new:
            connection.executescript(
                f"BEGIN; CREATE TABLE journal ({_COLUMNS}); {_TRIGGERS} "
                f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LAYOUT}; COMMIT;"
            )
    except READ_ERRORS as error:
        connection.close()
        raise JournalError(f"{path}: the journal cannot be opened: {error}.", hint=what_to_do(path)) from error
    except JournalError:
        connection.close()
        raise
    return connection


def _make_room(connection: sqlite3.Connection) -> None:
    """Let the ``-wal`` file have its full size now: a commit that makes a file longer waits a third longer.

    A change too large for the cache goes to that file before it is committed, and this one never is. SQLite begins
    again at the front of the file once it is full, so it keeps that size.
    """
    with suppress(sqlite3.Error):  # no room left: the first append will say so
        connection.execute("PRAGMA cache_size = 10")
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE room (blank BLOB)")
        connection.execute("INSERT INTO room VALUES (zeroblob(?))", (_WAL_BYTES,))
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    connection.execute(f"PRAGMA cache_size = {_CACHE_KIB}")


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises `JournalError` for a missing or unreadable file."""
    if not path.is_file():
        hint = f"Its journal may be {path}/journal.db." if path.is_dir() else "A desk's directory holds it: journal.db."
        raise JournalError(f"{path}: there is no such journal.", hint=hint)
    # A folder we may not write to has no room for the WAL's index; without a WAL none is needed.
    sealed = not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()
    # A writer that died while it made the file left a half-done change, which only a connection that may write undoes.
    undo = Path(f"{path}-journal").exists()
    mode = "immutable=1" if sealed else "mode=rw" if undo else "mode=ro"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)
    try:
        connection.text_factory = bytes
        if _identify(path, connection):  # its writer died before the table was there
            connection.execute(f"CREATE TEMP TABLE journal ({_COLUMNS})")
        connection.execute("PRAGMA query_only = ON")
    except JournalError:
        connection.close()
        raise
    except READ_ERRORS as error:
        connection.close()
        raise JournalError(f"{path}: the journal cannot be read: {error}.", hint=what_to_do(path)) from error
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


def read_head(journal: Path) -> Head:
    """The last acknowledged row as noted in the lock file; the beginning if it says nothing legible."""
    try:
        _, seq, chain = _lock_path(journal).read_text().split()
        return Head(int(seq), bytes.fromhex(chain)) if int(seq) > 0 else Head()
    except (OSError, ValueError):
        return Head()


class Lock:
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
            self.head = read_head(journal)
            self.note(self.head)
        except BlockingIOError:
            self.release()
            owner = (path.read_text().split() or ["unknown"])[0]
            raise JournalInUse(
                f"{journal}: process {owner} is writing this journal; a journal has one writer.",
                hint="Stop that desk first, or give this one another directory.",
            ) from None
        except OSError as error:
            self.release()
            raise JournalError(f"{path}: the journal's lock cannot be held: {error.strerror}.") from error

    def note(self, head: Head) -> None:
        """Remember `head` as acknowledged."""
        os.pwrite(self._file, b"%-10d %-20d %32s\n" % (os.getpid(), head.seq, head.chain.hex().encode()), 0)

    def release(self) -> None:
        """Let the next writer in; harmless when repeated."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _lock_path(journal: Path) -> Path:
    return Path(f"{journal}.lock")
