"""Whether the request to stay awake is made, held for as long as it should be, and its refusal told."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from saudagar.app.awake import Awake
from saudagar.app.rehearsal import Rehearsal


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


def _cores() -> dict[int, set[int]]:
    return {int(thread): os.sched_getaffinity(int(thread)) for thread in os.listdir("/proc/self/task")}


def _may_go_first() -> bool:
    """A container's root may not."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    return True


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core only, which nobody can have alone")
def test_has_a_core_of_its_own_and_gives_it_back(tmp_path: Path) -> None:
    request = tmp_path / "cpu_dma_latency"
    request.write_bytes(b"")
    before, me = os.sched_getaffinity(0), threading.get_native_id()
    done = threading.Event()
    early, late = (threading.Thread(target=done.wait) for _ in range(2))
    early.start()
    try:
        with Awake(True, request) as awake:
            late.start()
            awake.look_over_threads()
            cores = _cores()
            assert len(cores[me]) == 1
            assert os.sched_getscheduler(0) == (os.SCHED_FIFO if _may_go_first() else os.SCHED_OTHER)
            for thread in (early, late):
                assert thread.native_id is not None
                assert cores[thread.native_id] == before - cores[me]
                assert os.sched_getscheduler(thread.native_id) == os.SCHED_OTHER
        assert set(map(frozenset, _cores().values())) == {frozenset(before)}
        assert os.sched_getscheduler(0) == os.SCHED_OTHER
    finally:
        done.set()
        early.join()
        late.join()


def test_rehearses_until_it_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = tmp_path / "cpu_dma_latency"
    request.write_bytes(b"")
    times: list[int] = []
    often = asyncio.Event()

    def second(self: Rehearsal) -> Iterator[None]:
        times.append(len(times))
        if len(times) == 3:
            often.set()
        yield

    monkeypatch.setattr(Rehearsal, "second", second)

    async def stay() -> None:
        with Awake(True, request) as awake:
            rehearsing = asyncio.create_task(awake.rehearse())
            await often.wait()
            rehearsing.cancel()
            await asyncio.wait({rehearsing})

    asyncio.run(stay())
    assert len(times) >= 3


def test_rehearses_nothing_where_nothing_is_kept_awake() -> None:
    with Awake(False) as awake:
        asyncio.run(awake.rehearse())
