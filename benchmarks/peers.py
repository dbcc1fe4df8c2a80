"""Other people's programs for comparison, each in an environment of its own under ``var/bench``.

Without a package index, or when a peer fails, its lines say so and nothing else stops.
"""

from __future__ import annotations

import json
import subprocess
import venv
from pathlib import Path
from typing import Any

from benchmarks.measure import SCRATCH, Figure

BACKTESTING = "backtesting==0.6.6"
VECTORBT = "vectorbt[rust]==1.2.0"
_INSTALLING = 300  # seconds


def ask(peer: str, script: str, *arguments: str, seconds: float = 240) -> dict[str, Any] | str:
    """What `script` of this folder prints as JSON, run where `peer` is installed; or why it does not."""
    python = _python(peer)
    if python is None:
        return "skipped: no package index is reachable"
    command = [python, str(Path(__file__).with_name(script)), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"gave up after {seconds:g} s"
    if done.returncode:
        return f"failed: {done.stderr.strip().splitlines()[-1:]}"
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def absent(group: str, what: str, why: str) -> Figure:
    """The line of a peer that did not run."""
    return Figure(group=group, what=what, unit="", best=0, middle=0, rounds=0, note=why)


def times(group: str, what: str, ours: Figure, theirs: Figure, note: str = "") -> Figure:
    """How many times as fast."""
    best, middle = ours.best / theirs.best, ours.middle / theirs.middle
    return Figure(group=group, what=what, unit="times", best=best, middle=middle, rounds=1, note=note)


def _python(peer: str) -> str | None:
    """The interpreter of the environment that holds `peer`, made if need be; None if it cannot be installed."""
    home = SCRATCH / f"peer-{peer.partition('=')[0].partition('[')[0]}"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "1", peer]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_INSTALLING, check=False)
        except subprocess.TimeoutExpired:
            return None
        if done.returncode:
            return None
        (home / "ready").touch()
    return str(python)
