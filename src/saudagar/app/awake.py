"""Keeps the processor at hand between ticks, for whoever wants the last half millisecond. Used by the desk.

An idle core halts. On a virtual machine the host then gives it to somebody else: it comes back late and with its
caches cold, and the desk pays for that at every frame and at every wait for the disk. Three things help, at the price
of electricity:

* Linux keeps all cores awake for as long as somebody holds a file open and has asked it for a wake-up time of zero
  (kernel.org, "PM Quality of Service").
* The event loop has a core for itself and the streams' children, which work while it waits for them, and they go
  before whatever else runs there (real-time scheduling). The desk's other threads, the broker's above all, have the
  others.
* What an order needs is kept in the caches by running it (`rehearsal`).
"""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

_REQUEST = Path("/dev/cpu_dma_latency")
_ZERO = bytes(4)  # microseconds, as a 32-bit number
_THREADS = Path("/proc/self/task")
_PAUSE = 0.0007  # seconds between two parts of a rehearsal
_ROUND = 500  # rehearsals between two looks at the threads


class Awake(ExitStack):
    """A context in which no core sleeps and the caller's thread has its own, where that is `wanted` and allowed.

    Attributes
    ----------
    why_not
        Why it is not so though it was wanted; empty otherwise.
    """

    def __init__(self, wanted: bool, request: Path = _REQUEST) -> None:
        super().__init__()
        self.why_not = ""
        self._core, self._others = set[int](), set[int]()
        if not wanted:
            return
        try:
            held = os.open(request, os.O_WRONLY)
            self.callback(os.close, held)
            os.write(held, _ZERO)
        except OSError as error:
            self.close()
            self.why_not = f"{request}: {error.strerror}"
            return
        cores = os.sched_getaffinity(0)
        self._core = {min(cores)}
        self._others = cores - self._core
        if self._others:
            self.callback(_place, cores, cores, first=False)
            self.look_over_threads()

    def look_over_threads(self) -> None:
        """Keep the caller's core for the caller: a new thread, like a new process, begins where its maker is."""
        if self._others:
            _place(self._core, self._others, first=True)

    async def rehearse(self) -> None:
        """Keep the caches warm until cancelled, where anything is kept awake at all."""
        if not self._core:
            return
        from saudagar.app.rehearsal import Rehearsal

        rehearsal = Rehearsal()
        while True:
            self.look_over_threads()
            for _ in range(_ROUND):
                for _ in rehearsal.second():
                    await asyncio.sleep(_PAUSE)


def _place(mine: set[int], others: set[int], *, first: bool) -> None:
    """Run this thread on the cores `mine`, before all else there if it is to be `first`; the other threads of the
    process run on `others`, and as usual.
    """
    me = threading.get_native_id()
    for thread in map(int, os.listdir(_THREADS)):
        policy, priority = (os.SCHED_FIFO, 1) if first and thread == me else (os.SCHED_OTHER, 0)
        with suppress(ProcessLookupError):  # it has just ended
            os.sched_setaffinity(thread, mine if thread == me else others)
            with suppress(PermissionError):  # it is quick enough without
                os.sched_setscheduler(thread, policy, os.sched_param(priority))
