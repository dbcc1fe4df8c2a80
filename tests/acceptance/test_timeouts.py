"""A thousand orders whose answers go astray, through engine, runner, the real SDK and the exchange's Dhan face.

Whatever happens to a reply, each order is sent once, ends known, and the books agree. The plainest case is the worst:
the exchange has accepted the order and the desk never hears of it, neither by the reply nor by the order stream.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from saudagar.app.config import parse
from saudagar.app.venues import wired
from saudagar.brokers.dhan import client
from saudagar.engine.clock import wall_clock
from saudagar.engine.engine import Engine
from saudagar.engine.runner import Runner
from saudagar.engine.settings import Settings
from saudagar.engine.state import State
from saudagar.exchange.process import ExchangeConfig, ExchangeProcess, SyntheticSource
from saudagar.model import ClientOrderId, CloseAll, Direction, Intent, OrderStatus, StrategyId
from saudagar.model.events import OrderMoved
from saudagar.risk import Limits
from saudagar.storage.journal import SqliteJournal, read_journal

pytestmark = pytest.mark.unmeasured

TIMEOUT = (1.0, 0.25)  # seconds to connect, seconds for a reply
LATE = 0.4  # an answer after the time-out
SHARES = 50
JOURNAL = "journal.db"
DESK = """
[desk]
mode = "simulation"
[strategies.unused]
kind = "ema_cross"
instruments = ["NSE:RELIANCE"]
size = { quantity = 1 }
"""
PLACE = "dhan.orders.place"

UNHEARD = [
    {"kind": "drop_after_accept", "endpoint": PLACE},
    {"kind": "stale_feed", "endpoint": "dhan.updates"},
]
"""Accepted, and not a word of it reaches the desk: only a look-up by our own id can tell."""

MIXED = [
    {"kind": "delay", "endpoint": PLACE, "skip": 50, "count": 12, "delay": LATE},
    {"kind": "drop_after_accept", "endpoint": PLACE, "probability": 0.25},
    {"kind": "drop_before_accept", "endpoint": PLACE, "probability": 0.1},
    {"kind": "garbled", "endpoint": PLACE, "probability": 0.15},
    {"kind": "429", "endpoint": PLACE, "probability": 0.1},
    {"kind": "garbled", "endpoint": "dhan.orders.find", "probability": 0.1},
    {"kind": "429", "endpoint": "dhan.*", "probability": 0.02},
    {"kind": "stale_feed", "endpoint": "dhan.updates", "probability": 0.7},
    {"kind": "duplicate", "endpoint": "dhan.updates", "probability": 0.1},
    {"kind": "garbled", "endpoint": "dhan.updates", "probability": 0.02},
]


class Desk:
    """An engine without strategies, told what to want by hand, at a simulated exchange."""

    def __init__(self, exchange: ExchangeProcess, journal: SqliteJournal, seed: int) -> None:
        self.venue = wired.WiredVenue(exchange.config, parse(DESK, Path("desk.toml"), {}), attach=exchange.ports)
        self.state = State()
        self._journal = journal
        self._random = random.Random(seed)

    async def trade(self, orders: int) -> None:
        """Send at least so many orders, then close everything and wait until nothing is open or unknown."""
        venue = self.venue
        await venue.open()
        shares = [each for each in venue.watched() if each.segment.tradable]
        limits = Limits(allowed=frozenset(each.id for each in shares), orders_per_second=0, max_open_positions=SHARES)
        settings = Settings(desk="TIME", plans=(), limits=limits)
        watched = [each.id for each in venue.watched()]
        engine = Engine(settings, venue.instruments, venue.calendar, self.state, lambda _: 0, watched)
        runner = Runner(engine, self._journal, venue.broker)
        now = await venue.now()
        tasks: list[asyncio.Task[Any]] = []
        try:
            await venue.connect(runner, venue.watched())
            tasks.append(asyncio.create_task(runner.run(engine.start(venue.day, now))))
            tasks.append(asyncio.create_task(venue.trade(runner)))
            wishes = asyncio.create_task(self._wish(runner, [each.id for each in shares], orders))
            done, _ = await asyncio.wait({*tasks, wishes}, return_when=asyncio.FIRST_COMPLETED)
            assert wishes in done, [task.exception() for task in done]
            await wishes
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await venue.close()

    async def _wish(self, runner: Runner, instruments: list[Any], orders: int) -> None:
        state = self.state
        await self._until(runner, lambda: all(runner.engine.price(each) for each in instruments))
        while state.sequence < orders:
            for instrument in instruments:
                runner.put(
                    Intent(
                        strategy=StrategyId("hand"),
                        instrument=instrument,
                        direction=self._random.choice(list(Direction)),
                        ts=runner.engine.now,
                        reason="a wish",
                        quantity=self._random.randint(1, 20),
                    )
                )
            then = runner.engine.now
            await self._until(runner, lambda then=then: runner.engine.now >= then + 2_000_000_000)
        runner.put(CloseAll(ts=runner.engine.now, reason="enough"))
        await self._until(
            runner,
            lambda: not any(state.working.values()) and not any(each.quantity for each in state.positions.values()),
        )

    async def _until(self, runner: Runner, ready: Callable[[], bool]) -> None:
        """The market moves on by itself whenever the desk is idle."""
        async with asyncio.timeout(240):
            while not ready():  # noqa: ASYNC110  # what is waited for is spread over the whole state
                await asyncio.sleep(0.001)


def trade(folder: Path, monkeypatch: pytest.MonkeyPatch, rules: list[dict[str, Any]], orders: int) -> State:
    monkeypatch.setattr(client, "DhanSettings", partial(client.DhanSettings, timeout=TIMEOUT))
    config = ExchangeConfig(
        source=SyntheticSource(seed=11, instruments=SHARES + 1, start="09:30", end="15:00"),
        lockstep=True,
        hold=True,
        writes_per_second=0,
        faults={"seed": 5, "rules": rules},
    )
    with ExchangeProcess(config) as exchange:
        journal = SqliteJournal(folder / JOURNAL, wall_clock)
        try:
            desk = Desk(exchange, journal, seed=3)
            asyncio.run(desk.trade(orders))
            assert desk.state.digest() == State.replay(entry.event for entry in journal.entries()).digest()
        finally:
            journal.close()
        compare(desk.state, exchange.state())
    return desk.state


def compare(state: State, exchange: dict[str, Any]) -> None:
    tags = Counter(order["tag"] for order in exchange["orders"])
    assert set(tags.values()) == {1}, "sent twice"
    assert exchange["calls"][PLACE] == len(state.orders), "one call for each order, and never another"
    there = {order["tag"]: order for order in exchange["orders"]}
    assert there.keys() <= state.orders.keys()
    for order in state.orders.values():
        assert order.status.terminal, order
        theirs = there.get(order.id)
        if theirs is None:
            assert order.status is OrderStatus.REJECTED, order
        else:
            assert (order.filled, order.value) == (theirs["filled"], theirs["value"]), (order, theirs)
            assert order.status.value == theirs["status"], (order, theirs)
    assert state.frozen == {}
    assert sum(trade.gross for trade in state.trades) == sum(
        order["value"] * (1 if order["side"] == "SELL" else -1) for order in exchange["orders"]
    )


def doubts(journal: Path) -> dict[ClientOrderId, str]:
    """Why each order was UNKNOWN, if it ever was."""
    found: dict[ClientOrderId, str] = {}
    for event in (entry.event for entry in read_journal(journal)):
        if isinstance(event, OrderMoved) and event.status is OrderStatus.UNKNOWN:
            found.setdefault(event.order_id, event.reason)
    return found


@pytest.mark.slow
def test_a_thousand_accepted_orders_of_which_no_word_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = trade(tmp_path, monkeypatch, UNHEARD, 1_000)
    assert len(doubts(tmp_path / JOURNAL)) == len(state.orders) >= 1_000
    assert {order.status for order in state.orders.values()} <= {OrderStatus.FILLED, OrderStatus.CANCELLED}


@pytest.mark.slow
def test_a_thousand_replies_that_are_lost_late_garbled_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = trade(tmp_path, monkeypatch, MIXED, 1_000)
    why = doubts(tmp_path / JOURNAL).values()
    for sign in ("Connection aborted", "Read timed out", "makes no sense", "empty body"):
        assert any(sign in reason for reason in why), (sign, Counter(why))
    refused = [order.reason for order in state.orders.values() if order.status is OrderStatus.REJECTED]
    assert any("never had it" in reason for reason in refused), Counter(refused)
    assert any("DH-904" in reason for reason in refused), Counter(refused)
