"""The inside of a stream's child process: one SDK, one connection, and a pipe to the desk.

An SDK's threads, prints and leaks end with the process that holds them, so a child lives exactly as long as its
connection; `saudagar.brokers.supervisor` starts the next one. Started as ``python -P -m saudagar.brokers.child MODULE
PIPE PARENT``: MODULE must offer ``run(settings: bytes, outlet: Outlet, ended: threading.Event)``. The settings come
over standard input (secrets never appear in a command line), which then stays open: its end means that the desk is
gone, and so does the kernel's death signal where there is one.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import struct
import sys
import threading
from enum import IntEnum
from typing import Protocol, cast

import msgspec

HEADER = struct.Struct("<BI")
_PR_SET_PDEATHSIG = 1
_STDIN = 0
_GRACE = 1.5  # seconds a child may take to end by itself


class Kind(IntEnum):
    """What a message on the pipe is."""

    STATUS = 0  # `Status` as JSON
    DATA = 1  # the stream's own bytes
    ALIVE = 2  # nothing but a sign of life (a pong, a market status)


class Status(msgspec.Struct, frozen=True):
    """The link as the child sees it; `state` is a word of `LinkState`."""

    state: str
    detail: str = ""


class Outlet:
    """The child's end of the pipe. Safe to use from several threads."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def send(self, kind: Kind, body: bytes = b"") -> None:
        message = memoryview(HEADER.pack(kind, len(body)) + body)
        with self._lock:
            while message:
                message = message[os.write(self._fd, message) :]

    def status(self, state: str, detail: str = "") -> None:
        self.send(Kind.STATUS, msgspec.json.encode(Status(state, detail[:500])))


class Runner(Protocol):
    def run(self, settings: bytes, outlet: Outlet, ended: threading.Event) -> None: ...


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when `parent` dies, however it dies. Linux only; elsewhere the end of
    standard input has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we could ask
        os._exit(1)


def _first_line() -> bytes:
    """The settings. Read past `sys.stdin`, whose lock a thread must not hold when the interpreter ends."""
    line = b""
    while not line.endswith(b"\n") and (chunk := os.read(_STDIN, 1 << 16)):
        line += chunk
    return line


def _end_with_desk(ended: threading.Event) -> None:
    while os.read(_STDIN, 4096):
        pass
    ended.set()
    threading.Event().wait(_GRACE)
    os._exit(1)  # the SDK did not let go


def main(arguments: list[str]) -> int:
    module, pipe, parent = arguments[0], int(arguments[1]), int(arguments[2])
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the desk, which closes us in order
    outlet, ended = Outlet(pipe), threading.Event()
    settings = _first_line()
    threading.Thread(target=_end_with_desk, args=(ended,), daemon=True).start()
    try:
        cast(Runner, importlib.import_module(module)).run(settings, outlet, ended)
    except BrokenPipeError:
        return 1
    except Exception as error:
        outlet.status("DOWN", f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
