"""A process that has loaded the desk and forks one for each line of standard input; see `Forge` in the conftest.

A forked desk forks its streams' children too: with what the SDKs take to load, starting them is half of a short life.
Each line is the JSON of a desk's arguments, its folder and the files for its output and errors. Answered are its pid
and, when it has ended, its exit code.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import aiohttp  # noqa: F401
import dhanhq  # noqa: F401
import talib  # noqa: F401
import upstox_client  # noqa: F401

import saudagar.app.desk
import saudagar.app.report_html
import saudagar.app.report_text
import saudagar.app.venues.wired
import saudagar.brokers.dhan.stream
import saudagar.brokers.upstox.stream  # noqa: F401
from saudagar.app import cli
from saudagar.brokers import child, supervisor


class Child:
    """What a stream's supervisor wants of `subprocess.Popen`. It dies with its desk like one that was started anew."""

    def __init__(self, command: list[str], *, pass_fds: tuple[int], **_: Any) -> None:
        (pipe,), (settings, write) = pass_fds, os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                signal.set_wakeup_fd(-1)
                point(settings, os.open(os.devnull, os.O_RDWR), os.open(os.devnull, os.O_RDWR))
                os.closerange(3, pipe)  # the desk's lock and its sockets are not the child's
                os.closerange(pipe + 1, 1 << 16)
                code = child.main(command[-3:])
            finally:
                os._exit(code)
        os.close(settings)
        self.stdin = os.fdopen(write, "wb")

    def wait(self, timeout: float = 600.0) -> None:
        end = time.monotonic() + timeout
        while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("child", timeout)
            time.sleep(0.002)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def point(*to: int) -> None:
    """Standard input, output and errors."""
    for fd, file in enumerate(to):
        os.dup2(file, fd)


def desk(arguments: list[str], folder: str, out: str, errors: str) -> None:
    os.chdir(folder)
    point(*(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600) for path in (os.devnull, out, errors)))
    sys.argv = ["saudagar", *arguments]
    cli.main()


def main() -> None:
    supervisor.subprocess = SimpleNamespace(  # type: ignore[assignment]
        **{name: getattr(subprocess, name) for name in ("PIPE", "DEVNULL", "TimeoutExpired")}, Popen=Child
    )
    print(flush=True)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                desk(*json.loads(line))
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stdout.flush()
                os._exit(code)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
