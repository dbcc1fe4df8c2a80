"""Keeps the processor from sleeping between ticks, for whoever wants the last half millisecond.

An idle core halts. On a virtual machine the host then gives it to somebody else: it comes back late and with its
caches cold, and the desk pays for that at every frame and at every wait for the disk. Linux keeps all cores awake for
as long as somebody holds this file open and has asked it for a wake-up time of zero (kernel.org, "PM Quality of
Service"). It costs electricity and nothing else. Used by the desk.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

_REQUEST = Path("/dev/cpu_dma_latency")
_ZERO = bytes(4)  # microseconds, as a 32-bit number


class Awake(ExitStack):
    """A context in which no core sleeps, where that is `wanted` and allowed.

    Attributes
    ----------
    why_not
        Why it is not so though it was wanted; empty otherwise.
    """

    def __init__(self, wanted: bool, request: Path = _REQUEST) -> None:
        super().__init__()
        self.why_not = ""
        if not wanted:
            return
        try:
            held = os.open(request, os.O_WRONLY)
            self.callback(os.close, held)
            os.write(held, _ZERO)
        except OSError as error:
            self.close()
            self.why_not = f"{request}: {error.strerror}"
