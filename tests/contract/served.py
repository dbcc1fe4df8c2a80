"""A day served in a thread of its own, in lock-step: it moves when it is told to, by as much as it is told to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from saudagar.exchange.market_feed import DaySource
from saudagar.exchange.pace import PaceClient
from saudagar.exchange.server import RunningExchange, serve

T = TypeVar("T")


class Served:
    """An exchange, the loop that it runs in, and the desk's end of its pace. `options` are those of `serve`."""

    def __init__(self, day: DaySource, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.exchange: RunningExchange = self.call(serve(day, lockstep=True, **options))
        self.pace = self.call(PaceClient.connect(f"ws://127.0.0.1:{self.exchange.ports.control}/pace"))
        self.wait(lambda: self.exchange.steps > 0)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the exchange's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def wait(self, ready: Callable[[], object], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.002)

    def step(self, count: int = 1) -> None:
        """Acknowledge everything until `count` more steps have begun, or the day is over; the market waits in the last.

        A step whose frame a fault has swallowed is not waited for: the market passes it by itself, and it counts.
        """
        exchange = self.exchange
        wanted = exchange.steps + count

        async def moved() -> bool:  # in the market's own loop: looked at from here, `now` might be a step ahead
            if exchange.steps >= wanted or exchange.finished.is_set():
                return True
            await self.pace.ack(exchange.tape.now, exchange.updates.sent or 0)
            return False

        self.wait(lambda: self.call(moved()))

    def close(self) -> None:
        self.call(self.pace.close())
        self.call(self.exchange.stop())
        self.call(end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


async def end_tasks() -> None:
    """End what still waits in this loop: a connection whose other end broke off is served until somebody says stop."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
