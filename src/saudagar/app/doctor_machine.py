"""What `saudagar doctor` looks at on this machine: disk, its promises, the journal, the instrument master."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from datetime import date
from enum import StrEnum
from pathlib import Path
from statistics import median

import msgspec

from saudagar.app.config import DeskConfig
from saudagar.app.desk import JOURNAL
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import Segment
from saudagar.model.errors import CalendarError, SaudagarError

_LITTLE_SPACE, _NO_SPACE = 2_000_000_000, 200_000_000  # bytes; a day's journal is some MB, a master some 10
_SLOW_SYNC = 20.0  # ms; each order waits for one before it is sent
_SYNCS = 15


class Verdict(StrEnum):
    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at, and what to do about it."""

    check: str
    verdict: Verdict
    detail: str
    advice: str = ""


def ok(check: str, detail: str) -> Finding:
    return Finding(check=check, verdict=Verdict.OK, detail=detail)


def warn(check: str, detail: str, advice: str) -> Finding:
    return Finding(check=check, verdict=Verdict.WARN, detail=detail, advice=advice)


def fail(check: str, detail: str, advice: str) -> Finding:
    return Finding(check=check, verdict=Verdict.FAIL, detail=detail, advice=advice)


def space(directory: Path) -> Finding:
    """Room for the journal."""
    free = shutil.disk_usage(_existing(directory)).free
    words = f"{free / 1e9:.1f} GB free for {directory}"
    if free < _NO_SPACE:
        return fail("disk", words, "Make room: without a journal no order is sent.")
    if free < _LITTLE_SPACE:
        return warn("disk", words, "Make room before the next session.")
    return ok("disk", words)


def sync(directory: Path) -> Finding:
    """How long the disk takes to promise that something is on it."""
    where = _existing(directory)
    try:
        with tempfile.TemporaryFile(dir=where) as file:
            taken = median(_sync_once(file.fileno()) for _ in range(_SYNCS))
    except OSError as error:
        return fail("fsync", f"cannot write in {where}: {error.strerror}.", "Let this user write there.")
    words = f"{taken:.1f} ms, the median of {_SYNCS}"
    if taken > _SLOW_SYNC:
        return warn("fsync", words, "Every order waits that long: put the desk's directory on a local SSD.")
    return ok("fsync", words)


def _sync_once(handle: int) -> float:
    begin = time.perf_counter()
    os.pwrite(handle, b"x" * 4096, 0)
    os.fsync(handle)
    return (time.perf_counter() - begin) * 1e3


def journal(directory: Path) -> Finding:
    """Whether the journal reads back whole."""
    from saudagar.storage.journal import verify_journal

    path = directory / JOURNAL
    if not path.exists():
        return ok("journal", f"none yet in {directory}")
    try:
        found = verify_journal(path)
    except SaudagarError as error:
        return fail("journal", error.message, error.hint or f"Look into it: saudagar journal verify {path}")
    if not found.sound:
        words = f"{found.entries} sound entries, then entry {found.broken_at} {found.problem}"
        return fail("journal", words, f"Keep the files, restore a good copy or begin anew: {path}")
    return ok("journal", f"{found.entries} entries, whole")


def desk_runs(directory: Path) -> bool:
    """Whether a desk is at work there: it holds the journal's lock."""
    try:
        handle = os.open(directory / f"{JOURNAL}.lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def master_of(config: DeskConfig, master: Master, today: date, calendar: Calendar) -> Finding:
    """Whether the instrument master is of `today` and holds what the desk trades."""
    advice = "Run: saudagar instruments sync --upstox … --dhan …"
    age = master.age(today)
    if age and _trades(calendar, today):
        return fail("instruments", f"the master is of {master.day}, today is {today}", advice)
    lacking = []
    for name in dict.fromkeys((*config.names, *config.risk.allowed)):
        try:
            master.resolve(name)
        except SaudagarError as error:
            lacking.append(f"{name}: {error.message}")
    if lacking:
        return fail("instruments", "; ".join(lacking), "Mend the names in the configuration; saudagar instruments find")
    if age:
        return warn("instruments", f"the master is of {master.day}; {today} is no trading day", advice)
    return ok("instruments", f"{len(master)} of {master.day}, all {len(config.names)} of the desk among them")


def _trades(calendar: Calendar, day: date) -> bool:
    try:
        return any(calendar.is_session(segment, day) for segment in (Segment.NSE_EQ, Segment.MCX_COMM))
    except CalendarError:
        return True  # better one warning too many


def _existing(directory: Path) -> Path:
    """`directory`, or the nearest folder above it that is there: looking must not make it."""
    path = directory.absolute()
    while not path.is_dir():
        path = path.parent
    return path
