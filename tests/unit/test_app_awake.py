"""Whether the request to stay awake is made, held for as long as it should be, and its refusal told."""

from __future__ import annotations

import os
from pathlib import Path

from saudagar.app.awake import Awake


def _holds(path: Path) -> bool:
    names = (os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))
    return str(path) in names


def test_asks_for_a_wake_up_time_of_zero_and_lets_go_at_the_end(tmp_path: Path) -> None:
    request = tmp_path / "cpu_dma_latency"
    request.write_bytes(b"")
    with Awake(True, request) as awake:
        assert request.read_bytes() == b"\0\0\0\0"
        assert _holds(request)
        assert not awake.why_not
    assert not _holds(request)


def test_asks_for_nothing_unless_wanted(tmp_path: Path) -> None:
    with Awake(False, tmp_path / "cpu_dma_latency") as awake:
        assert not awake.why_not
    assert list(tmp_path.iterdir()) == []


def test_says_why_it_cannot_and_goes_on(tmp_path: Path) -> None:
    with Awake(True, tmp_path / "cpu_dma_latency") as awake:
        assert "No such file" in awake.why_not


def test_lets_go_of_what_takes_no_request() -> None:
    with Awake(True, Path("/dev/full")) as awake:
        assert "No space left" in awake.why_not
        assert not _holds(Path("/dev/full"))
