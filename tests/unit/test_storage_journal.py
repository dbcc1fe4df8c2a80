"""The journal keeps every promise of its port, and says so when it cannot."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from saudagar.model import (
    ClientOrderId,
    InstrumentId,
    NewOrder,
    OrderStatus,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Side,
    Source,
)
from saudagar.model import events as ev
from saudagar.model.errors import JournalError
from saudagar.storage import journal_rows as module
from saudagar.storage.journal import SqliteJournal, read_journal, verify_journal
from saudagar.storage.journal_rows import CORRELATION

RELIANCE = InstrumentId("NSE_EQ:RELIANCE")
POSITION = PositionId("ema@NSE_EQ:RELIANCE")
ORDER = ClientOrderId("DEMO26112000001")
TERMS = OrderTerms(quantity=10, order_type=OrderType.LIMIT, price=1_450_00)
NEW = NewOrder(
    order_id=ORDER,
    instrument=RELIANCE,
    side=Side.BUY,
    terms=TERMS,
    product=Product.INTRADAY,
    purpose=Purpose.ENTRY,
    position=POSITION,
)


def alert(ts: int, message: str = "हल्का text") -> ev.Alerted:
    return ev.Alerted(ts=ts, level="info", message=message)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "desk" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(path, count(1_000).__next__)
    yield journal
    journal.close()


def filled(path: Path, entries: int = 9) -> Path:
    journal = SqliteJournal(path, count(1_000).__next__)
    for number in range(1, entries + 1):
        journal.append([alert(number)])
    journal.close()
    return path


# What it gives back -------------------------------------------------------------------------------------------------


def test_what_was_appended_reads_back_in_order(journal: SqliteJournal) -> None:
    target = ev.TargetSet(ts=1, position=POSITION, quantity=10, reason="cross", source=Source.STRATEGY)
    submitted = ev.OrderSubmitted(ts=1, order=NEW)
    moved = ev.OrderMoved(ts=2, order_id=ORDER, status=OrderStatus.OPEN)
    assert journal.append([target, submitted]) == 2
    assert journal.append([moved]) == 3
    assert journal.append([]) == 3
    entries = list(journal.entries())
    assert [entry.event for entry in entries] == [target, submitted, moved]
    assert [entry.seq for entry in entries] == [1, 2, 3]
    assert [entry.causation for entry in entries] == [0, 1, 0]
    assert [entry.correlation for entry in entries] == [POSITION, ORDER, ORDER]
    assert [entry.recorded for entry in entries] == [1_000, 1_000, 1_001]
    assert [entry.seq for entry in journal.entries(after=2)] == [3]
    assert list(journal.entries(after=3)) == []


def test_a_new_opening_goes_on_where_the_last_ended(path: Path) -> None:
    filled(path, 3)
    with closing(SqliteJournal(path, lambda: 7)) as journal:
        assert journal.last == 3
        assert journal.append([alert(4)]) == 4
    assert [entry.seq for entry in read_journal(path)] == [1, 2, 3, 4]


def test_every_commit_is_synced_to_a_write_ahead_log(journal: SqliteJournal) -> None:
    pragma = journal._connection.execute
    assert pragma("PRAGMA journal_mode").fetchone() == (b"wal",)
    assert pragma("PRAGMA synchronous").fetchone() == (2,)


def test_readers_see_a_running_desk(journal: SqliteJournal, path: Path) -> None:
    journal.append([alert(1)])
    reading = read_journal(path)
    assert next(reading).seq == 1
    journal.append([alert(2)])  # a reader in the middle of the table stops no writer
    reading.close()
    assert verify_journal(path).entries == 2


def test_each_kind_of_event_belongs_to_something_or_to_the_day() -> None:
    of_the_day = {ev.DayOpened, ev.DayClosed, ev.Alerted, ev.TradingStateChanged}
    assert set(CORRELATION) | of_the_day == set(get_args(ev.Event))
    assert not set(CORRELATION) & of_the_day


def test_an_instrument_and_a_foreign_order_name_themselves(journal: SqliteJournal) -> None:
    journal.append(
        [
            ev.InstrumentFrozen(ts=1, instrument=RELIANCE, frozen=True, reason="unknown outcome"),
            ev.ForeignOrderSeen(ts=1, broker_id="B1", instrument=RELIANCE, message="not ours"),
            alert(1),
        ]
    )
    assert [entry.correlation for entry in journal.entries()] == [RELIANCE, "B1", ""]


# One writer, and only appends ---------------------------------------------------------------------------------------


def test_a_second_writer_is_told_who_the_first_is(journal: SqliteJournal, path: Path) -> None:
    with pytest.raises(JournalError, match=f"process {os.getpid()} is writing"):
        SqliteJournal(path, lambda: 0)
    assert journal.append([alert(1)]) == 1


def test_a_writer_in_another_process_is_told_too(journal: SqliteJournal, path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from saudagar.storage.journal import SqliteJournal\n"
        "try: SqliteJournal(Path(sys.argv[1]), lambda: 0)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert f"JournalInUse {path}: process {os.getpid()} is writing" in done.stdout


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET body = '{}' WHERE seq = 1",
        "DELETE FROM journal WHERE seq = 2",
        "INSERT INTO journal SELECT seq + 5, ts, 0, kind, version, body, '', 0, chain FROM journal WHERE seq = 1",
        "INSERT OR REPLACE INTO journal SELECT seq, 0, 0, kind, version, body, '', 0, chain FROM journal WHERE seq = 1",
    ],
)
def test_the_table_refuses_change_deletion_and_gaps(path: Path, statement: str) -> None:
    filled(path, 2)
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError, match="journal"):
        connection.execute(statement)
    assert verify_journal(path).sound


def test_a_row_from_elsewhere_stops_the_writer_for_good(journal: SqliteJournal, path: Path) -> None:
    journal.append([alert(1)])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO journal VALUES (2, 0, 0, 'Alerted', 1, '{}', '', 0, x'00')")
    for _ in range(2):
        with pytest.raises(JournalError, match=r"another program|restart the desk"):
            journal.append([alert(2)])


def test_a_closed_journal_refuses_and_closing_twice_is_harmless(path: Path) -> None:
    journal = SqliteJournal(path, lambda: 0)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.append([alert(1)])
    SqliteJournal(path, lambda: 0).close()


# Bad events ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        ev.OrderFilled(ts=1, order_id=ORDER, quantity=1, price=float("nan"), cumulative=1, traded=1),
        ev.OrderFilled(ts=1, order_id=ORDER, quantity=1, price=12.5, cumulative=1, traded=1),
        ev.Alerted(ts=1, level="info", message=object()),
        ev.Alerted(ts=1 << 70, level="info", message=""),
    ],
    ids=["nan", "float", "object", "huge"],
)
def test_an_event_that_would_not_read_back_is_not_written(journal: SqliteJournal, bad: ev.Event) -> None:
    journal.append([alert(1)])
    with pytest.raises(JournalError, match=r"not written|nothing was written"):
        journal.append([alert(2), bad])
    assert journal.append([alert(3)]) == 2
    assert [entry.event.ts for entry in journal.entries()] == [1, 3]


# Full, locked, read-only --------------------------------------------------------------------------------------------


def test_a_full_database_writes_nothing_and_recovers(journal: SqliteJournal) -> None:
    journal.append([alert(1)])
    ((pages,),) = journal._connection.execute("PRAGMA page_count").fetchall()
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    for _ in range(3):
        with pytest.raises(JournalError, match="full"):
            journal.append([alert(2, "z" * 9_000), alert(3)])
    journal._connection.execute("PRAGMA max_page_count = 100000")
    assert journal.append([alert(4)]) == 2
    assert [entry.event.ts for entry in journal.entries()] == [1, 4]


def test_a_locked_database_writes_nothing_and_recovers(journal: SqliteJournal, path: Path) -> None:
    journal.append([alert(1)])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="locked"):
            journal.append([alert(2)])
        other.execute("ROLLBACK")
    assert journal.append([alert(3)]) == 2


def test_a_read_only_database_writes_nothing_and_recovers(journal: SqliteJournal) -> None:
    journal._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(JournalError, match="readonly"):
        journal.append([alert(1)])
    journal._connection.execute("PRAGMA query_only = OFF")
    assert journal.append([alert(2)]) == 1


def test_an_interrupt_in_the_middle_of_an_append_is_rolled_back(journal: SqliteJournal) -> None:
    journal.append([alert(1)])
    journal._connection.execute("BEGIN IMMEDIATE")  # where a KeyboardInterrupt may leave us
    journal._doubt = True
    assert journal.append([alert(2)]) == 2


LIMITED = """
import resource, sys
from pathlib import Path
from saudagar.model.errors import JournalError
from saudagar.model.events import Alerted
from saudagar.storage.journal import SqliteJournal, verify_journal
path = Path(sys.argv[1])
journal = SqliteJournal(path, lambda: 0)
def fill(start, times):
    for ts in range(start, start + times):
        journal.append([Alerted(ts=ts, level="info", message="m" * 1000)])
    return journal.last
kept = fill(1, 20)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))  # far below where the next row goes
for _ in range(3):
    try: fill(100, 1); print("written?")
    except JournalError as error: print(error.__cause__)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(kept, fill(200, 5), [entry.event.ts for entry in journal.entries(after=19)], verify_journal(path).sound)
"""


def test_a_disk_that_takes_no_more_writes_nothing_and_recovers(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True)
    *failures, last = done.stdout.splitlines()
    assert failures == ["disk I/O error"] * 3
    assert last == "20 25 [20, 200, 201, 202, 203, 204] True"


FULL = """
import subprocess, sys
from pathlib import Path
from saudagar.model.errors import JournalError
from saudagar.model.events import Alerted
from saudagar.storage.journal import SqliteJournal, verify_journal
room = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", room], check=True)
ballast = room / "ballast"
ballast.write_bytes(bytes(500_000))
journal = SqliteJournal(room / "journal.db", lambda: 0)
try:
    while True: journal.append([Alerted(ts=1, level="info", message="m" * 1000)])
except JournalError as error: print(error.__cause__)
kept = journal.last
try: journal.append([Alerted(ts=2, level="info", message="m" * 1000)])
except JournalError as error: print(error.__cause__)
ballast.unlink()
again = journal.append([Alerted(ts=3, level="info", message="")])
print(kept > 10, again == kept + 1, verify_journal(room / "journal.db").sound)
journal.close()
subprocess.run(["mount", "-o", "remount,ro", room], check=True)
print(verify_journal(room / "journal.db").entries == kept + 1)
try: SqliteJournal(room / "journal.db", lambda: 0)
except JournalError as error: print(error)
"""


def test_a_file_system_without_space_and_one_that_is_read_only(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], capture_output=True).returncode:
        pytest.skip("needs unprivileged mount namespaces (unshare -rm)")
    command = [unshare, "-rm", sys.executable, "-c", FULL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second, third, fourth, last = done.stdout.splitlines()
    assert {first, second} <= {"database or disk is full", "disk I/O error"}
    assert third == "True True True"
    assert fourth == "True"
    assert "Read-only file system" in last


# Versions -----------------------------------------------------------------------------------------------------------


def test_an_old_version_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path, 1)
    monkeypatch.setitem(module.VERSIONS, "Alerted", 3)
    monkeypatch.setitem(module.UPCASTERS, ("Alerted", 1), lambda body: body | {"level": body["level"].upper()})
    monkeypatch.setitem(module.UPCASTERS, ("Alerted", 2), lambda body: body | {"message": f"{body['level']}!"})
    with closing(SqliteJournal(path, lambda: 0)) as journal:
        journal.append([alert(2, "new")])
        assert [entry.event for entry in journal.entries()] == [
            ev.Alerted(ts=1, level="INFO", message="INFO!"),
            alert(2, "new"),
        ]


def test_a_newer_version_and_a_missing_upcaster_are_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as future:
        future.setitem(module.VERSIONS, "Alerted", 2)
        filled(path, 2)
    found = verify_journal(path)
    assert (found.broken_at, found.entries) == (1, 0)
    assert "newer than this saudagar" in found.problem
    monkeypatch.setitem(module.VERSIONS, "Alerted", 4)
    with pytest.raises(JournalError, match="entry 1 cannot be understood"):
        list(read_journal(path))


def test_the_kind_on_disk_is_the_tag_in_the_body() -> None:
    for kind in get_args(ev.Event):
        assert msgspec.inspect.type_info(kind).tag == kind.__name__
