"""Behind the stage: an exchange in a thread of its own, and what may be done to it in the middle of a test."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.contract.suite.market import CalledDay
from tests.contract.suite.wire import Wire

from saudagar.exchange.faults import FaultPlan, FaultRule
from saudagar.exchange.pace import PaceClient
from saudagar.exchange.process import Account
from saudagar.exchange.server import RunningExchange, serve

WIRED = ("dhan", "upstox", "kite")
CAPITAL = 50_00_00_000_00
CANARY = "canary"
ACCOUNT = Account(
    capital=CAPITAL,
    dhan_token="canary-dhan-1",
    upstox_token="canary-upstox-1",
    kite_token="canarykite1",
    kite_key="canarykitekey",
    kite_secret="canarykitesecret",
    upstox_secret="canary-upstox-secret",
    dhan_secret="canary-dhan-secret",
)

T = TypeVar("T")


class Floor:
    """An exchange in a thread of its own that moves in lock-step, with a wire in front of each face that may break."""

    def __init__(self, day: CalledDay | None = None, *, names: tuple[str, ...] = WIRED, **options: Any) -> None:
        self.day = day or CalledDay()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        options = {"writes_per_second": 0, "account": ACCOUNT} | options
        self.exchange: RunningExchange = self.call(serve(self.day, lockstep=True, **options))
        self.account: Account = options["account"]
        self.wires = {name: Wire(getattr(self.exchange.ports, name)) for name in names}
        for wire in self.wires.values():
            self.call(wire.open())
        self._pace: PaceClient = self.call(PaceClient.connect(f"ws://127.0.0.1:{self.exchange.ports.control}/pace"))
        self._wait(lambda: self.exchange.steps > 0)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def step(self) -> None:
        """Acknowledge all there is until one more step has begun."""
        exchange, before = self.exchange, self.exchange.steps

        def moved() -> bool:
            if exchange.steps == before:
                self.call(self._pace.ack(exchange.tape.now, exchange.updates.sent or 0))
            return exchange.steps > before

        self._wait(moved)

    def _wait(self, ready: Callable[[], bool], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < deadline, "the market does not move"
            time.sleep(0.002)

    def faults(self, *rules: FaultRule, seed: int = 1) -> None:
        self.exchange.wire.plan = FaultPlan(rules, seed)

    def token(self, name: str, token: str) -> None:
        """The token that is good from now on."""
        face = {"dhan": self.exchange.dhan, "upstox": self.exchange.upstox}.get(name)
        if face is not None:
            face.token = token
        if name == "upstox":
            self.exchange.feed.token = token
        if name == "kite":
            self.exchange.kite.session.renew(token)

    async def _hang_up(self) -> None:
        for face in (self.exchange.feed, self.exchange.dhan.feed, self.exchange.updates):
            face.disconnect()

    def hang_up(self) -> None:
        """Reset every stream."""
        self.call(self._hang_up())

    def close(self) -> None:
        self.call(self._pace.close())
        for wire in self.wires.values():
            self.call(wire.close())
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


@contextmanager
def floor_of(name: str, day: CalledDay | None = None, **options: Any) -> Iterator[Floor]:
    """An exchange with one face to speak to; closed in the end, come what may."""
    floor = Floor(day, names=(name,), **options)
    try:
        yield floor
    finally:
        floor.close()


def token_of(name: str, floor: Floor) -> str:
    token: str = getattr(floor.account, f"{name}_token")
    return token
