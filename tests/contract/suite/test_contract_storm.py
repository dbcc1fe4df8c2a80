"""Five minutes of 429 in a few seconds: the real clients, their governors and their sockets, on a clock that jumps."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from tests.contract.suite.floor import WIRED, floor_of
from tests.contract.suite.stage import WiredStage, stage_of

from saudagar.brokers import lane
from saudagar.brokers.dhan import client as dhan
from saudagar.brokers.governor import Governor
from saudagar.brokers.kite import client as kite
from saudagar.brokers.upstox import lane as upstox
from saudagar.exchange.faults import Fault, FaultKind, FaultPlan
from saudagar.model import SECOND, NewOrder, Order, Purpose, Side
from saudagar.model.errors import RateLimited

pytestmark = pytest.mark.unmeasured

LIMITS = {"dhan": dhan.LIMITS, "upstox": upstox.LIMITS, "kite": kite.LIMITS}
STORM, AFTER = 300, 30  # seconds
ENTRIES = 6  # asked for in each of them
PATIENCE = 3.0


class JumpingLoop(asyncio.SelectorEventLoop):
    """Its clock jumps to the next timer, but stands still while another thread is at work for it."""

    def __init__(self) -> None:
        super().__init__()
        self.jumping = False
        self._ahead = 0.0
        self._moment = 0.0
        self._at_work = 0
        look = self._selector.select

        def select(timeout: float | None = None) -> Any:
            if not self.jumping or timeout is None or timeout <= 0:
                return look(timeout)
            if self._at_work:
                return look(0.05)
            self._moment += timeout
            return look(0)

        self._selector.select = select  # type: ignore[method-assign]  # the loop's own hook is private

    def time(self) -> float:
        if not self.jumping:
            self._moment = super().time()
        return self._moment

    def clock(self) -> int:
        return round(self.time() * SECOND)

    def counted(self, do: Callable[..., Any]) -> Callable[..., Any]:
        """`do`, a lane's way to its thread, with the clock standing still until the answer is there."""

        async def work(*args: Any) -> Any:
            self._at_work += 1
            try:
                return await do(*args)
            finally:
                self._at_work -= 1

        return work


class Storm(FaultPlan):
    """Every order write is refused for speed, until the weather changes; notes what arrived and when."""

    def __init__(self, name: str, loop: JumpingLoop) -> None:
        super().__init__()
        self.raging = True
        self.arrived: list[int] = []  # in order
        self._writes = {f"{name}.orders.{request}" for request in ("place", "modify", "cancel")}
        self._loop = loop

    def next(self, endpoint: str, kinds: frozenset[FaultKind]) -> Fault | None:
        if endpoint not in self._writes:
            return None
        self.arrived.append(self._loop.clock())
        return Fault(FaultKind.TOO_MANY) if self.raging else None


class Desk:
    """Asks for far more than there is room for, as a desk does that has gone wild."""

    def __init__(self, stage: WiredStage, resting: Order, loop: JumpingLoop) -> None:
        self.ends: Counter[tuple[str, str]] = Counter()
        self.asked: dict[str, int] = {}
        self.handed: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self.urgent: set[str] = set()
        self.answered: list[int] = []
        self._stage, self._resting, self._loop = stage, resting, loop
        stage.client.on_hand_over = lambda order_id, _: self.handed.setdefault(order_id, loop.clock())

    async def write(self, what: str) -> None:
        new = self._new(what)
        self.asked[new.order_id] = self._loop.clock()
        if what != "entry":
            self.urgent.add(new.order_id)
        try:
            if what == "cancel":
                await self._stage.client.cancel(Order(new=new, terms=new.terms, broker_id=self._resting.broker_id))
            else:
                await self._stage.client.submit(new)
        except RateLimited:
            self.ends[what, "429" if new.order_id in self.handed else "no room"] += 1
        else:
            self.ends[what, "yes"] += 1
            self.answered.append(self._loop.clock())
        self.ended[new.order_id] = self._loop.clock()

    def _new(self, what: str) -> NewOrder:
        if what == "exit":
            return self._stage.order(price=1_400_00, side=Side.SELL, purpose=Purpose.EXIT)
        return self._stage.order()

    def passed_over(self) -> list[tuple[str, str]]:
        """Each entry that was handed over while a cancel or an exit stood waiting, and that one."""
        urgent = [(self.asked[each], self.handed.get(each, self.ended[each]), each) for each in self.urgent]
        entries = [(ts, each) for each, ts in self.handed.items() if each not in self.urgent]
        return [(each, other) for ts, each in entries for asked, gone, other in urgent if asked < ts < gone]


def most_in_a_second(times: list[int]) -> int:
    """Of any second, wherever it begins."""
    return max(bisect_left(times, start + SECOND) - place for place, start in enumerate(times))


async def weather(stage: WiredStage, storm: Storm, loop: JumpingLoop) -> tuple[Desk, int]:
    """Five minutes of storm and half a minute after it; the desk, and when the storm was over."""
    chance = random.Random(7)
    desk = Desk(stage, await stage.place(stage.order()), loop)
    stage.floor.exchange.wire.plan = storm
    loop.jumping = True
    tasks, over = [], 0
    for second in range(STORM + AFTER):
        if second == STORM:
            storm.raging, over = False, loop.clock()
        wanted = ["entry"] * ENTRIES + ["exit"] * chance.randint(0, 2)
        if second < STORM and second % 7 == 0:
            wanted.append("cancel")
        chance.shuffle(wanted)
        tasks += [asyncio.create_task(desk.write(what)) for what in wanted]
        await asyncio.sleep(1.0)
    await asyncio.gather(*tasks)
    loop.jumping = False
    return desk, over


@pytest.mark.parametrize("name", WIRED)
def test_five_minutes_of_429(name, monkeypatch):
    loop = JumpingLoop()
    monkeypatch.setattr(lane._Thread, "do", loop.counted(lane._Thread.do))
    governor = Governor(LIMITS[name], patience=PATIENCE, clock=loop.clock)
    with (
        floor_of(name) as floor,
        stage_of(name, floor, runner=asyncio.Runner(loop_factory=lambda: loop), governor=governor) as stage,
    ):
        storm = Storm(name, loop)
        try:
            desk, over = stage.run(weather(stage, storm, loop))
        finally:
            loop.jumping = False
        times, ends = storm.arrived, desk.ends
        there = Counter(order.tag for order in floor.exchange.core.orders.values())

    assert len(times) > STORM / 2
    assert most_in_a_second(times) <= 10
    assert max(Counter(ts // SECOND for ts in times).values()) <= 10
    assert most_in_a_second([ts for ts in times if ts < over]) <= 2, "a second of quiet after each refusal"
    assert desk.passed_over() == [], "cancels and exits first"
    assert {what for what, how in ends if how == "429"} >= {"exit", "cancel"}
    assert ends["entry", "no room"] > STORM, "what has waited too long is given up, and nothing was sent"
    assert all(ended - desk.asked[each] <= (PATIENCE + 1) * SECOND for each, ended in desk.ended.items())

    assert 0 <= min(desk.answered) - over <= 2 * SECOND, "it goes on as soon as the weather has changed"
    assert ends["entry", "yes"] > AFTER
    assert ends["exit", "yes"] > 0
    accepted = ends["entry", "yes"] + ends["exit", "yes"]
    assert set(there.values()) == {1}
    assert len(there) == accepted + 1, "each yes is an order, and no refusal is"
