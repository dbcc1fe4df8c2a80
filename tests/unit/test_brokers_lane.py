"""The lane's thread: jobs in order, answers in the loop, nothing begun that nobody waits for any more."""

from __future__ import annotations

import asyncio
import threading

import pytest

from saudagar.brokers.lane import Lane, Reply


class Echo(Lane):
    """A lane without an SDK: a call's result is its reply."""

    def __init__(self) -> None:
        super().__init__("echo", lambda: (None, None, ""))
        self.threads: set[str] = set()

    def _exchange(self, call) -> Reply:
        self.threads.add(threading.current_thread().name)
        return call(None)


def test_calls_are_carried_out_in_order_by_one_thread():
    done: list[int] = []

    def call(number: int):
        return lambda _: done.append(number) or Reply(200, b"%d" % number)

    async def main() -> None:
        lane = Echo()
        replies = await asyncio.gather(*(lane.ask(call(n)) for n in range(50)))
        assert [reply.body for reply in replies] == [b"%d" % n for n in range(50)]
        assert lane.threads == {"echo"}
        await lane.close()

    asyncio.run(main())
    assert done == list(range(50))


def test_what_a_call_raises_comes_out_of_its_own_ask():
    def broken(_) -> Reply:
        raise KeyError("orderId")

    async def main() -> None:
        lane = Echo()
        with pytest.raises(KeyError, match="orderId"):
            await lane.ask(broken)
        assert (await lane.ask(lambda _: Reply(200, b""))).status == 200
        await lane.close()

    asyncio.run(main())


def test_a_call_given_up_while_it_waits_is_not_begun_and_one_under_way_holds_up_nobody():
    begun, go_on = threading.Event(), threading.Event()
    sent: list[str] = []

    def slow(_) -> Reply:
        begun.set()
        assert go_on.wait(10)
        sent.append("slow")
        return Reply(200, b"")

    def order(name: str):
        return lambda _: sent.append(name) or Reply(200, b"")

    async def main() -> None:
        lane = Echo()
        first = asyncio.create_task(lane.ask(slow))
        second = asyncio.create_task(lane.ask(order("given up")))
        third = asyncio.create_task(lane.ask(order("third")))
        await asyncio.to_thread(begun.wait, 10)
        first.cancel()
        second.cancel()
        await asyncio.wait({first, second})
        go_on.set()
        assert (await third).status == 200
        await lane.close()

    asyncio.run(main())
    assert sent == ["slow", "third"]


def test_a_closed_lane_says_so_and_a_closed_loop_hurts_nobody():
    begun, go_on = threading.Event(), threading.Event()

    def slow(_) -> Reply:
        begun.set()
        assert go_on.wait(10)
        return Reply(200, b"")

    async def main() -> threading.Thread:
        lane = Echo()
        asking = asyncio.create_task(lane.ask(slow))
        await asyncio.to_thread(begun.wait, 10)
        asking.cancel()
        await lane.close()
        with pytest.raises(RuntimeError, match="echo is closed"):
            await lane.ask(slow)
        return next(thread for thread in threading.enumerate() if thread.name == "echo")

    thread = asyncio.run(main())
    go_on.set()
    thread.join(10)
    assert not thread.is_alive()
