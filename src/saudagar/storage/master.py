"""The instrument master on disk: one file per day, taken in whole or not at all.

A day's table replaces the one in force only if its row counts look like it; a bad download changes nothing. Called by
`saudagar instruments sync` and by whoever starts the desk.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

import msgspec

from saudagar.market.master import Conflict, Master
from saudagar.model import Instrument, Segment
from saudagar.model.errors import DataError

TOLERANCE = 0.05
"""How far a segment's row count may move from one day to the next, as a part of yesterday's."""

_MAGIC = b"saudagar-master 1 "  # then the SHA-256 of all that follows the first line
_NAME = "master-{day}.bin"
_KEEP = 7  # files


class Moved(msgspec.Struct, frozen=True):
    """A segment whose row count changed by more than the tolerance."""

    segment: Segment
    before: int
    after: int

    def __str__(self) -> str:
        return f"{self.segment.value} from {self.before} rows to {self.after}"


class _File(msgspec.Struct, frozen=True):
    day: date
    instruments: tuple[Instrument, ...]
    conflicts: tuple[Conflict, ...]
    refused: dict[str, dict[str, int]]


def check_against(master: Master, previous: Master, tolerance: float = TOLERANCE) -> tuple[Moved, ...]:
    """The segments whose row counts moved too far, those that came or went among them; empty is good.

    Parameters
    ----------
    tolerance
        The allowed change as a part of `previous`, e.g. 0.05 for 5 %.
    """
    if not 0 <= tolerance < 1:
        raise DataError(f"the tolerance must be at least 0 and below 1 (0.05 is 5 %), got {tolerance!r}.")
    pairs = ((segment, previous.counts.get(segment, 0), master.counts.get(segment, 0)) for segment in Segment)
    return tuple(Moved(*pair) for pair in pairs if abs(pair[2] - pair[1]) > tolerance * pair[1])


def save(master: Master, directory: Path, *, tolerance: float = TOLERANCE, accept: bool = False) -> Path:
    """Put `master` in force: checked against the one before, written aside, synced, renamed. A week is kept.

    Parameters
    ----------
    accept
        Take it although segments moved by more than `tolerance`.

    Raises
    ------
    DataError
        If segments moved too far, a newer master is in force, or the disk refuses. The one in force stays.
    """
    previous = next(_readable(directory), None)
    if previous is not None:
        if previous.day > master.day:
            raise DataError(f"the instrument master in force is of {previous.day}, newer than this of {master.day}.")
        moved = check_against(master, previous, tolerance)
        if moved and not accept:
            raise DataError(
                f"the instrument master of {master.day} was not taken, {previous.day} stays in force: row counts moved "
                f"by more than {tolerance:.0%}: {', '.join(map(str, moved))}.",
                hint="If that is right (a file added or left out, a new segment), run it again with --accept.",
            )
    path = directory / _NAME.format(day=master.day)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _write_whole(path, _encode(master))
        for old in _newest_first(directory)[_KEEP:]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"cannot write the instrument master {path}: {error.strerror or error}.") from error
    return path


def load_latest(directory: Path) -> Master:
    """The master in force: the newest file. Ask its `age` whether it is of today.

    Raises
    ------
    DataError
        If there is none, or the newest is damaged. An older one is never taken in its place silently.
    """
    paths = _newest_first(directory)
    if not paths:
        raise DataError(
            f"no instrument master in {directory}.",
            hint="Make one: saudagar instruments sync --upstox FILE --dhan FILE",
        )
    return _load(paths[0])


def _newest_first(directory: Path) -> list[Path]:
    return sorted(directory.glob(_NAME.format(day="????-??-??")), reverse=True)


def _readable(directory: Path) -> Iterator[Master]:
    for path in _newest_first(directory):
        with suppress(DataError):
            yield _load(path)


def _encode(master: Master) -> bytes:
    file = _File(master.day, tuple(master), master.conflicts, master.refused)
    body = zlib.compress(msgspec.msgpack.encode(file), 1)
    return _MAGIC + sha256(body).hexdigest().encode() + b"\n" + body


def _load(path: Path) -> Master:
    try:
        head, _, body = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise DataError(f"cannot read the instrument master {path}: {error.strerror or error}.") from error
    if head != _MAGIC + sha256(body).hexdigest().encode():
        raise DataError(
            f"the instrument master {path} is damaged: its checksum does not match.",
            hint="Run saudagar instruments sync again, or remove the file to go on with the one before it.",
        )
    try:
        file = msgspec.msgpack.decode(zlib.decompress(body), type=_File)
    except (msgspec.DecodeError, zlib.error) as error:
        raise DataError(
            f"the instrument master {path} was written by another version of saudagar: {error}.",
            hint="Run saudagar instruments sync again.",
        ) from None
    return Master(file.day, file.instruments, file.conflicts, file.refused)


def _write_whole(path: Path, data: bytes) -> None:
    """The file as a whole or not at all: a crash leaves the old one."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
