"""Ticks as they come, appended to a file by a thread of its own; read back as far as the file is whole.

A record is its length and checksum (32 bits each, little-endian) and then msgpack: frames of a second or so, each with
the feed's time and, per tick, instrument, exchange time, paise and the day's volume. Whoever is killed loses the last
second; a torn record at the end is cut off when the file is opened again, and told. Written by a desk that records,
read by `app.recording`.
"""

from __future__ import annotations

import os
import struct
import threading
from array import array
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import msgspec

from saudagar.model import InstrumentId, Nanos, Paise, TickFrame
from saudagar.model.errors import DataError

MAGIC = b"saudagar ticks 1\n"

_Row = tuple[InstrumentId, Nanos, Paise, int]
_Frame = tuple[Nanos, list[_Row]]
_HEAD = struct.Struct("<II")
_CHUNK = 64  # frames of a record: what the thread encodes at one go keeps the desk waiting
_PAUSE = 1.0  # seconds between two looks at what has come
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[_Frame]).decode


class Columns:
    """One instrument's ticks by column, in the order of arrival."""

    def __init__(self) -> None:
        self.frame, self.ts, self.ltp, self.volume = (array("q") for _ in range(4))

    def add(self, frame: Nanos, ts: Nanos, ltp: Paise, volume: int) -> None:
        self.frame.append(frame)
        self.ts.append(ts)
        self.ltp.append(ltp)
        self.volume.append(volume)


class Recorder:
    """Appends frames to the file at `path`.

    Parameters
    ----------
    anew
        Forget what the file holds.

    Raises
    ------
    DataError
        If there is a file that is no recording.
    OSError
        If it cannot be written.

    Attributes
    ----------
    torn
        Bytes that were cut off its end, where its last writer was killed.
    trouble
        Why nothing is written any more, if so: a disk that is full. The desk goes on.
    """

    def __init__(self, path: Path, *, anew: bool = False) -> None:
        self.path = path
        self.torn = 0
        self.trouble: OSError | None = None
        self._came: deque[TickFrame] = deque()
        self._ending = threading.Event()
        self._file = path.open("wb" if anew or not path.exists() else "r+b", buffering=0)
        try:
            self._go_to_end()
        except BaseException:
            self._file.close()
            raise
        self._thread = threading.Thread(target=self._write, name="tick recorder", daemon=True)
        self._thread.start()

    def add(self, frame: TickFrame) -> None:
        """Note what came. Costs an append; raises nothing."""
        self._came.append(frame)

    def close(self) -> None:
        """Write what is left, and be done."""
        self._ending.set()
        self._thread.join()
        self._file.close()

    def _go_to_end(self) -> None:
        whole = max((end for end, _ in _records(self.path)), default=0)
        self.torn = os.fstat(self._file.fileno()).st_size - whole
        self._file.truncate(whole)
        self._file.seek(whole)
        if not whole:
            self._file.write(MAGIC)

    def _write(self) -> None:
        while True:
            last = self._ending.wait(_PAUSE)
            try:
                self._drain()
            except OSError as error:
                self.trouble = error
            if self.trouble is not None:
                self._came.clear()
            if last:
                return

    def _drain(self) -> None:
        if not self._came or self.trouble is not None:
            return
        while self._came:
            frames = [self._came.popleft() for _ in range(min(_CHUNK, len(self._came)))]
            body = _encode([_plain(frame) for frame in frames])
            _write_whole(self._file.fileno(), _HEAD.pack(len(body), crc32(body)) + body)
        os.fsync(self._file.fileno())


def read_recording(path: Path) -> tuple[dict[InstrumentId, Columns], int]:
    """The ticks of a recording by instrument, and how many bytes of a torn record its end holds.

    Raises
    ------
    DataError
        If it cannot be read, or is no recording.
    """
    found: dict[InstrumentId, Columns] = {}
    whole = 0
    try:
        for end, frames in _records(path):
            whole = end
            for ts, rows in frames:
                for name, *values in rows:
                    if name not in found:
                        found[name] = Columns()
                    found[name].add(ts, *values)
        return found, path.stat().st_size - whole
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None


def _records(path: Path) -> Iterator[tuple[int, list[_Frame]]]:
    """Each whole record with where it ends, the first of them the head; one that is not whole ends it."""
    with path.open("rb") as stream:
        size, start = os.fstat(stream.fileno()).st_size, stream.read(len(MAGIC))
        if not MAGIC.startswith(start):
            raise DataError(f"{path} is no recording of ticks.", hint="Move it away.")
        if start != MAGIC:  # killed before it had begun
            return
        yield stream.tell(), []
        while len(head := stream.read(_HEAD.size)) == _HEAD.size:
            length, checksum = _HEAD.unpack(head)
            body = stream.read(min(length, size))
            if len(body) < length or crc32(body) != checksum:
                return
            try:
                yield stream.tell(), _decode(body)
            except msgspec.DecodeError:
                return


def _plain(frame: TickFrame) -> _Frame:
    return frame.ts, [(tick.instrument, tick.ts, tick.ltp, tick.volume) for tick in frame.ticks]


def _write_whole(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
