"""The wall clock. The only place that reads one; everything else is handed its time."""

from __future__ import annotations

import time

from saudagar.model import Nanos


def wall_clock() -> Nanos:
    """Now, UTC ns."""
    return time.time_ns()


def stopwatch() -> Nanos:
    """A reading that only grows, comparable between processes of one machine; for durations, never for decisions."""
    return time.monotonic_ns()
