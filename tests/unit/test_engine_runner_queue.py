"""The queue in front of the engine: what is put at rest, while an input is processed, and after a failure."""

from __future__ import annotations

import asyncio

import pytest
from tests.adversary import DAY, OPEN, SBIN
from tests.unit.test_engine_runner import WANT, Bench

from saudagar.execution.ports import LinkState, LinkStatus
from saudagar.model import (
    SECOND,
    AccountSnapshot,
    Funds,
    Tick,
    TickFrame,
)
from saudagar.model import events as ev
from saudagar.model.errors import (
    JournalError,
)


def test_a_large_frame_is_taken_in_parts_and_links_are_told():
    bench = Bench()
    frame = TickFrame(OPEN + SECOND, [Tick(SBIN.id, OPEN + SECOND, 80_000 + 5 * (n % 3), n) for n in range(200)])
    bench.runner.on_link(LinkStatus(LinkState.DOWN, "feed", "silent"))
    bench.runner.on_link(LinkStatus(LinkState.UP, "feed"))
    bench.run(frame)
    assert bench.runner.ticks == 200
    assert [a.message for a in bench.engine.state.alerts if "feed" in a.message] == [
        "feed is down: silent",
        "feed is up",
    ]


def test_taken_waits_for_the_queue():
    bench = Bench()

    async def day() -> None:
        task = asyncio.create_task(bench.runner.run())
        bench.engine.start(DAY, OPEN)
        bench.runner.put(bench.frame())
        await bench.runner.taken()
        assert bench.runner.ticks == 1
        bench.runner.stop()
        await task

    asyncio.run(day())


def test_an_input_is_processed_before_put_returns():
    bench = Bench()

    async def day() -> None:
        bench.runner.put(bench.frame(1))  # before the run: it waits
        assert bench.runner.ticks == 0
        task = asyncio.create_task(bench.runner.run(bench.engine.start(DAY, OPEN)))
        await bench.runner.quiet()
        for number in (2, 3):
            bench.runner.put(bench.frame(number))
            assert bench.runner.ticks == number
        bench.runner.stop()
        await task

    asyncio.run(day())


def test_what_is_put_while_an_input_is_processed_waits_its_turn():
    bench = Bench()
    seen: list[tuple[str, int]] = []

    def on_events(events) -> None:
        for event in events:
            seen.append((type(event).__name__, bench.runner.ticks))
            if isinstance(event, ev.TargetSet):
                bench.runner.put(bench.frame(2))
                assert bench.runner.ticks == 1

    bench.runner._on_events = on_events
    bench.run(bench.frame(), WANT)
    assert bench.runner.ticks == 2
    assert ("OrderSubmitted", 1) in seen


def test_a_failure_inside_put_ends_the_run_and_nothing_more_is_processed():
    bench = Bench()

    async def day() -> None:
        task = asyncio.create_task(bench.runner.run(bench.engine.start(DAY, OPEN)))
        await bench.runner.quiet()
        bench.runner.put(bench.frame())
        bench.journal.full = True
        bench.runner.put(WANT)  # whoever hands in is not to blame
        bench.runner.put(bench.frame(2))
        with pytest.raises(JournalError):
            await task
        assert bench.runner.ticks == 1
        assert "submit" not in bench.broker.calls
        bench.runner.put(bench.frame(3))  # a stream may be some frames late to hear of it
        assert bench.runner.ticks == 1

    asyncio.run(day())


def test_a_book_is_as_old_as_the_beginning_of_its_reading():
    bench, told = Bench(), []
    put = bench.runner.put

    async def funds():
        put(bench.frame(30))  # they are long in coming
        return Funds(available=1, used=0, opening=1)

    def heard(event):
        told.append(event)
        put(event)

    bench.broker.funds, bench.runner.put = funds, heard
    bench.run(bench.frame())
    (book,) = [event for event in told if isinstance(event, AccountSnapshot)]
    assert book.ts < bench.engine.now == OPEN + 30 * SECOND
