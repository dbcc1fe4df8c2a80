"""Damage to a journal, of every sort that a disk or a person can do, is found and named, never passed over."""

import os
import shutil
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from saudagar.model import events as ev
from saudagar.model.errors import JournalError
from saudagar.storage.journal import SqliteJournal, read_journal, verify_journal


def alert(ts: int, message: str = "text") -> ev.Alerted:
    return ev.Alerted(ts=ts, level="info", message=message)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "desk" / "journal.db"


def filled(path: Path, entries: int = 9) -> Path:
    journal = SqliteJournal(path, count(1_000).__next__)
    for number in range(1, entries + 1):
        journal.append([alert(number)])
    journal.close()
    return path


def tamper(path: Path, *statements: str) -> None:
    """What a person with the sqlite3 shell could do."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for trigger in ("journal_is_gapless", "journal_keeps_rows", "journal_keeps_content"):
            connection.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(statement)


CHANGES = [
    ("UPDATE journal SET body = replace(body, '\"ts\":4', '\"ts\":5') WHERE seq = 4", 4, "changed or torn"),
    ("UPDATE journal SET body = substr(body, 1, 20) WHERE seq = 4", 4, "changed or torn"),
    ("UPDATE journal SET body = x'ff' WHERE seq = 4", 4, "cannot be read"),
    ("UPDATE journal SET kind = 'DayClosed' WHERE seq = 9", 9, "changed or torn"),
    ("UPDATE journal SET recorded = 1 WHERE seq = 1", 1, "changed or torn"),
    ("UPDATE journal SET causation_id = 1 WHERE seq = 2", 2, "changed or torn"),
    ("UPDATE journal SET chain = x'00' WHERE seq = 7", 7, "changed or torn"),
    ("UPDATE journal SET chain = 'text' WHERE seq = 7", 7, "changed or torn"),
    ("DELETE FROM journal WHERE seq = 5", 5, "is missing; the next one is 6"),
    ("DELETE FROM journal WHERE seq = 1", 1, "is missing"),
    ("DELETE FROM journal WHERE seq = 9", 9, "up to 9 were acknowledged, the journal ends at 8"),
    ("DELETE FROM journal", 1, "the journal ends at 0"),
    ("DROP TABLE journal", 1, "cannot be read: no such table"),
]


@pytest.mark.parametrize(("statement", "seq", "what"), CHANGES)
def test_a_changed_or_missing_row_is_named(path: Path, statement: str, seq: int, what: str) -> None:
    tamper(filled(path), statement)
    found = verify_journal(path)
    assert (found.sound, found.broken_at, found.entries) == (False, seq, seq - 1)
    assert what in found.problem
    with pytest.raises(JournalError, match=rf"entry {seq} .*journal verify"):
        SqliteJournal(path, lambda: 0)


def test_reading_stops_at_the_damaged_row(path: Path) -> None:
    tamper(filled(path), "UPDATE journal SET ts = 0 WHERE seq = 5")
    read = []
    with pytest.raises(JournalError, match="entry 5"):
        read.extend(entry.seq for entry in read_journal(path))
    reading = read_journal(path, after=4)
    with pytest.raises(JournalError, match="entry 5"):
        next(reading)
    with pytest.raises(JournalError, match="entry 77 does not exist"):
        next(read_journal(path, after=77))


def test_a_whole_rewritten_chain_is_seen_by_the_note_of_the_last_row(path: Path, tmp_path: Path) -> None:
    filled(path)
    other = filled(tmp_path / "other.db", 12)
    with closing(SqliteJournal(other, lambda: 5)) as journal:
        journal.append([alert(99)])
    shutil.copy(f"{path}.lock", f"{other}.lock")
    assert verify_journal(other).sound  # the first nine are the same in both
    different = tmp_path / "different.db"
    with closing(SqliteJournal(different, lambda: 5)) as journal:
        journal.append([alert(-number) for number in range(12)])
    shutil.copy(f"{path}.lock", f"{different}.lock")
    found = verify_journal(different)
    assert (found.broken_at, found.entries) == (9, 8)
    assert "rewritten" in found.problem


def crashed(path: Path, to: Path, entries: int = 40) -> Path:
    """A copy of the files as a killed process leaves them: the newest rows only in the ``-wal`` file."""
    with closing(SqliteJournal(path, lambda: 0)) as journal:
        for number in range(1, entries + 1):
            journal.append([alert(number, "x" * 500)])
        to.mkdir()
        for suffix in ("", "-wal", ".lock"):
            shutil.copy(f"{path}{suffix}", to / f"{path.name}{suffix}")
    return to / path.name


def test_the_write_ahead_log_of_a_killed_desk_is_taken_over(path: Path, tmp_path: Path) -> None:
    left = crashed(path, tmp_path / "left")
    assert verify_journal(left).entries == 40
    with closing(SqliteJournal(left, lambda: 0)) as journal:
        assert journal.append([alert(41)]) == 41


@pytest.mark.parametrize("cut", [0, 1_000, 100_000])
def test_a_cut_write_ahead_log_is_not_passed_over_in_silence(path: Path, tmp_path: Path, cut: int) -> None:
    left = crashed(path, tmp_path / "left")
    wal = Path(f"{left}-wal")
    assert wal.stat().st_size > 120_000
    os.truncate(wal, cut)
    found = verify_journal(left)
    assert found.entries < 40
    assert f"up to 40 were acknowledged, the journal ends at {found.entries}" in found.problem
    with pytest.raises(JournalError, match=f"entry {found.broken_at} is missing"):
        SqliteJournal(left, lambda: 0)


def test_a_note_cut_off_by_a_power_failure_is_no_reason_to_stop(path: Path) -> None:
    Path(f"{filled(path)}.lock").write_bytes(b"\0\0\0")
    with closing(SqliteJournal(path, lambda: 0)) as journal:
        assert journal.append([alert(10)]) == 10


@pytest.mark.parametrize("where", ["row", "page"])
def test_torn_pages_are_found(path: Path, where: str) -> None:
    journal = SqliteJournal(path, lambda: 0)
    for number in range(200):
        journal.append([alert(number, "y" * 300)])
    journal.close()
    data = bytearray(path.read_bytes())
    row = data.rindex(b"y" * 300)
    start = row if where == "row" else row // 4096 * 4096
    data[start : start + 40] = b"\xee" * 40
    path.write_bytes(data)
    found = verify_journal(path)
    assert not found.sound
    assert found.broken_at > 1
    with pytest.raises(JournalError, match=rf"entry {found.broken_at} .*journal verify"):
        SqliteJournal(path, lambda: 0)


def test_a_file_that_was_cut_off_is_refused(path: Path) -> None:
    size = filled(path, 200).stat().st_size
    os.truncate(path, size - 4096)
    for opening in (lambda: SqliteJournal(path, lambda: 0), lambda: verify_journal(path)):
        with pytest.raises(JournalError, match=r"malformed.*restore a good copy"):
            opening()


def test_damage_outside_the_rows_is_found_by_verify(path: Path) -> None:
    filled(path)
    tamper(path, "CREATE TABLE other (x)", "INSERT INTO other VALUES (zeroblob(9000))", "DROP TABLE other")
    data = bytearray(path.read_bytes())
    data[32:36] = (2).to_bytes(4, "big")  # the list of free pages now begins inside the table
    path.write_bytes(data)
    found = verify_journal(path)
    assert not found.sound
    assert "file is damaged" in found.problem


@pytest.mark.parametrize(
    "content", [b"this is not a database, whatever its name says" * 100, b"SQLite format 3\0" + b"\1" * 200]
)
def test_a_file_that_is_no_database_is_refused(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    for opening in (lambda: SqliteJournal(path, lambda: 0), lambda: verify_journal(path)):
        with pytest.raises(JournalError, match="cannot be"):
            opening()
    assert path.read_bytes() == content


def test_other_databases_and_newer_layouts_are_refused(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE journal (seq)")
    with pytest.raises(JournalError, match="no journal of saudagar"):
        SqliteJournal(path, lambda: 0)
    newer = filled(path.parent / "newer.db")
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(JournalError, match="newer saudagar"):
        verify_journal(newer)


def test_missing_empty_and_unreachable_files(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no such journal"):
        verify_journal(tmp_path / "nothing.db")
    (tmp_path / "empty.db").touch()
    assert verify_journal(tmp_path / "empty.db").entries == 0  # its writer died before the first entry
    assert list(read_journal(tmp_path / "empty.db")) == []
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot be written"):
        SqliteJournal(tmp_path / "file" / "journal.db", lambda: 0)
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(JournalError, match="cannot be opened"):
        SqliteJournal(tmp_path / "folder.db", lambda: 0)


def test_a_writer_that_died_while_it_made_the_file_left_an_empty_journal(tmp_path: Path) -> None:
    """A hot rollback journal lies beside the file; whoever may only read cannot undo what was half done."""
    begun, left = tmp_path / "begun.db", tmp_path / "left.db"
    with closing(sqlite3.connect(begun, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 2")  # so that it is written before it is committed
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE journal (body)")
        connection.executemany("INSERT INTO journal VALUES (?)", [("x" * 3_000,)] * 20)
        for end in ("", "-journal"):  # as -9 leaves them
            shutil.copy(f"{begun}{end}", f"{left}{end}")
    found = verify_journal(left)
    assert (found.sound, found.entries) == (True, 0)
    assert list(read_journal(left)) == []
    assert SqliteJournal(left, lambda: 0).append([alert(1)]) == 1


def test_a_sealed_folder_is_read_without_writing_to_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path)
    before = sorted(path.parent.iterdir())
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert verify_journal(path).entries == 9
    assert sorted(path.parent.iterdir()) == before
