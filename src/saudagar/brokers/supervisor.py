"""The desk's side of a stream's child process: starts it, reads its pipe, watches it, starts it again.

One `Stream` per broker connection. Everything happens in the event loop's thread; the callbacks are called in order.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from saudagar.brokers.child import HEADER, Kind, Status
from saudagar.execution.ports import LinkState, LinkStatus

_CHUNK = 1 << 14  # some twenty frames; Python makes room for all of it first, which costs more than the reading
_LARGE = 1 << 18  # in the middle of a message
_PIPE = 1 << 20  # room for seconds of ticks while the desk is busy with a disk
_F_SETPIPE_SZ = 1031
_SETTLED = 5.0  # a link that was up this long starts its back-off anew
_GRACE = 2.0
_SOON = 0.01


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """When a link is given up for dead, and how soon it is tried again.

    Attributes
    ----------
    silence
        Seconds without any message, pong or other sign of life; 0 turns the watch off (simulated time).
    stale
        Seconds without data although `expecting` says that there should be some; 0 turns it off.
    expecting
        Asked before a stale link is dropped: is the market open now?
    connect
        Seconds a child may take from its start to a working connection.
    back_off, longest
        Seconds before the second attempt, doubled each time up to `longest`, less a random part of up to one half.
    """

    silence: float = 9.0  # so that a dead link is told within ten seconds, the end of its socket included
    stale: float = 30.0
    expecting: Callable[[], bool] = lambda: True
    connect: float = 15.0
    back_off: float = 0.25
    longest: float = 30.0


class Stream:
    """One supervised connection of one SDK.

    Parameters
    ----------
    link
        The name people see, e.g. ``upstox feed``.
    module
        The child's module, see `saudagar.brokers.child`.
    settings
        One line of JSON for the child; may hold secrets.
    secrets
        Texts to be struck out of every status detail.
    """

    def __init__(
        self,
        link: str,
        module: str,
        settings: bytes,
        *,
        on_data: Callable[[bytes], None],
        on_status: Callable[[LinkStatus], None],
        watch: Watch | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self.link = link
        self.restarts = 0
        self._module = module
        self._settings = settings
        self._on_data = on_data
        self._on_status = on_status
        self._watch = watch or Watch()
        self._secrets = tuple(secret for secret in secrets if secret)
        self._task: asyncio.Task[None] | None = None
        self._reaping: asyncio.Future[None] | None = None
        self._state: LinkState | None = None
        self._told = asyncio.Event()  # some status is known
        self._ended = asyncio.Event()  # this child's connection is over
        self._rest = b""  # the beginning of a message whose end is still in the pipe
        self._fd = -1
        self._up_since = self._last_sign = self._last_data = 0.0
        self._failures = 0
        self.pid = 0

    async def start(self) -> None:
        """Start, and wait until the first attempt has come up, failed or taken too long."""
        self._task = asyncio.create_task(self._run(), name=self.link)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._watch.connect):
                await self._told.wait()

    async def stop(self) -> None:
        """End the connection; the child process is gone when this returns."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})  # does not swallow a cancellation of our own caller
            if self._reaping is not None:  # the cancellation may have come while the child was being ended
                await asyncio.wait({self._reaping})
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._one_life()
            except OSError as error:  # the machine has no process or no pipe to give just now
                self._tell(LinkState.DOWN, f"cannot be started: {error.strerror}")
            if self._state is LinkState.AUTH:
                return  # another try with the same token cannot help and may lock the account
            self._tell(LinkState.DOWN, "the connection ended")
            await asyncio.sleep(self._delay())
            self.restarts += 1

    def _delay(self) -> float:
        if self._up_since and time.monotonic() - self._up_since > _SETTLED:
            self._failures = 0
        elif self._last_data > self._up_since > 0:
            self._failures = min(self._failures, 2)  # it works, and breaks at once: quick, yet not a hammer
        delay = min(self._watch.longest, self._watch.back_off * 2.0**self._failures)
        self._failures = min(self._failures + 1, 16)
        return delay * random.uniform(0.5, 1.0)

    async def _one_life(self) -> None:
        self._ended.clear()
        self._rest = b""
        self._up_since = self._last_data = 0.0
        self._last_sign = time.monotonic()
        self._fd, child_end = os.pipe()
        loop = asyncio.get_running_loop()
        process: subprocess.Popen[bytes] | None = None
        try:
            process = self._spawn(child_end)
            os.close(child_end)
            child_end = -1
            self.pid = process.pid
            loop.add_reader(self._fd, self._read)
            await asyncio.to_thread(_hand_over, process, self._settings)
            await self._watch_over()
        finally:
            loop.remove_reader(self._fd)
            for fd in (self._fd, child_end):
                if fd >= 0:
                    os.close(fd)
            if process is not None:
                self._reaping = asyncio.ensure_future(asyncio.to_thread(_reap, process))
                await asyncio.shield(self._reaping)

    def _spawn(self, child_end: int) -> subprocess.Popen[bytes]:
        os.set_blocking(self._fd, False)
        _widen(child_end)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SAUDAGAR_")}
        command = [sys.executable, "-P", "-m", "saudagar.brokers.child", self._module, str(child_end), str(os.getpid())]
        return subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # SDKs print tokens
            stderr=subprocess.DEVNULL,
            pass_fds=(child_end,),
            env=environment,
        )

    async def _watch_over(self) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                # `wait_for` of Python 3.11 forgets a cancellation that meets the end: `stop` would wait for ever
                async with asyncio.timeout(self._until_next_look(time.monotonic())):
                    await self._ended.wait()
            if fault := self._fault(time.monotonic()):
                self._tell(LinkState.DOWN, fault)
                return

    def _until_next_look(self, now: float) -> float:
        """A quarter of the shortest period, but not past the moment at which silence is over."""
        watch = self._watch
        pause = min(period for period in (watch.silence, watch.stale, watch.connect) if period) / 4
        if self._up_since and watch.silence:
            pause = min(pause, self._last_sign + watch.silence - now)
        return max(pause, _SOON)

    def _fault(self, now: float) -> str:
        watch = self._watch
        if not self._up_since:
            return f"no connection within {watch.connect:g} s" if now - self._last_sign > watch.connect else ""
        if watch.silence and now - self._last_sign > watch.silence:
            return f"silent for {watch.silence:g} s"
        if watch.stale and now - max(self._last_data, self._up_since) > watch.stale and watch.expecting():
            return f"no data for {watch.stale:g} s"
        return ""

    def _read(self) -> None:
        try:
            chunk = os.read(self._fd, _LARGE if self._rest else _CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            asyncio.get_running_loop().remove_reader(self._fd)
            self._ended.set()
            return
        data = self._rest + chunk if self._rest else chunk
        start, end = 0, len(data)
        try:
            while (body := start + HEADER.size) <= end:
                kind, length = HEADER.unpack_from(data, start)
                if body + length > end:
                    break
                start = body + length
                self._take(kind, data[body:start])
        finally:
            self._rest = data[start:]

    def _take(self, kind: int, body: bytes) -> None:
        self._last_sign = time.monotonic()
        if kind == Kind.DATA:
            self._last_data = self._last_sign
            self._on_data(body)
        elif kind == Kind.STATUS:
            status = msgspec.json.decode(body, type=Status)
            if status.state == LinkState.UP:
                self._up_since = self._last_sign
            self._tell(LinkState(status.state), status.detail)

    def _tell(self, state: LinkState, detail: str) -> None:
        if state is self._state:
            return
        self._state = state
        self._told.set()
        for secret in self._secrets:
            detail = detail.replace(secret, "•••")
        self._on_status(LinkStatus(state, self.link, "" if state is LinkState.UP else detail))


def _hand_over(process: subprocess.Popen[bytes], settings: bytes) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.write(settings + b"\n")
        process.stdin.flush()


def _reap(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()  # the child reads this as: end
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _widen(fd: int) -> None:
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # the system's limit is lower: the default will do
            fcntl.fcntl(fd, _F_SETPIPE_SZ, _PIPE)
