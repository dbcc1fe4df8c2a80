"""A desk killed with -9 again and again loses no order, sends none twice, and ends the day with true books."""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from saudagar.engine.state import State
from saudagar.model import OrderStatus
from saudagar.storage.journal import read_journal, verify_journal

pytestmark = pytest.mark.unmeasured

AS_TYPED = 10
"""Every tenth desk is started by the command, as a user does; the others are forked from a process that has loaded it,
which saves most of a second each. They die alike."""


class Killer:
    """Kills the desks of one day at random moments, and looks at the books each time."""

    def __init__(self, day: Any, forge: Any, seed: int, rows: int) -> None:
        self.day = day
        self._forge = forge
        self.kills = 0
        self.found: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._rows = rows  # of the journal, between two kills on average

    def run(self, kills: int) -> dict[str, Any]:
        """Until the day is over; the last desk's report."""
        known: dict[str, tuple[int, int]] = {}
        while True:
            acks = self.day.exchange.state()["acks"]
            last = self.kills >= kills
            start = self._forge.start if self.kills % AS_TYPED else self._forge.typed
            desk = self.day.desk() if last else self.day.desk(start)
            if last or not self._live(desk):
                report: dict[str, Any] = desk.finish()
                return report
            desk.kill()
            self.kills += 1
            known = self._look(known, acks)

    def _live(self, desk: Any) -> bool:
        """Let `desk` live until its moment has come; False if its day was over before."""
        chance = self._random
        how = chance.choices(["start", "time", "row", "order"], [1, 2, 4, 3])[0]
        self.found[how] += 1
        if how == "start":
            time.sleep(chance.uniform(0.0, 1.0))
            return bool(desk.running)
        with self.day.rows() as last:
            first = last()
            if how == "time":
                self._until(desk, lambda: last() > first)
                time.sleep(chance.uniform(0.0, 0.2))
                return bool(desk.running)
            ahead = first + chance.randint(1, 2 * self._rows)
            self._until(desk, lambda: last(after=first) >= ahead)
            if how == "order":
                now = last()
                self._until(desk, lambda: last("OrderSubmitted", now) > now)
        return bool(desk.running)

    def _until(self, desk: Any, ready: Callable[[], bool]) -> None:
        while desk.running and not ready():
            time.sleep(0.0005)

    def _look(self, known: dict[str, tuple[int, int]], acks: int) -> dict[str, tuple[int, int]]:
        """`known`: what the exchange had filled when the desk before this one was killed."""
        books = self.day.books()
        caught_up = books.exchange["acks"] > acks  # the desk has said that it is up to date
        self.found["caught up"] += caught_up
        self.found["steps"] = books.exchange["steps"]
        assert not (wrong := books.faults(at_least=known if caught_up else {})), (self.kills, wrong)
        tags = {order["tag"] for order in books.exchange["orders"]}
        for order in books.state.orders.values():
            if order.status is OrderStatus.SUBMITTED:
                self.found["between disk and answer"] += 1
                self.found["between disk and wire"] += order.id not in tags
            self.found["change under way"] += bool(order.cancel_sent or order.modify_sent)
            self.found["fill not yet heard"] += order.id in tags and order.filled < books.filled()[order.id][0]
        return books.filled()


def finished(day: Any, report: dict[str, Any], killer: Killer) -> None:
    """What must be true when the day is over."""
    books = day.books()
    assert books.exchange["done"]
    assert not (wrong := books.faults()), wrong
    theirs, ours = books.positions()
    assert theirs == ours == {}, "everything is flat after the square-off"
    assert not [order for order in books.exchange["orders"] if order["status"] in ("PENDING", "OPEN", "PARTIAL")]
    assert all(order.status.terminal for order in books.state.orders.values())
    assert books.state.frozen == {}
    assert verify_journal(day.journal).sound
    assert report["state"] == State.replay(entry.event for entry in read_journal(day.journal)).digest()
    assert sum(trade["gross"] for trade in report["trades"]) == sum(
        order["value"] * (1 if order["side"] == "SELL" else -1) for order in books.exchange["orders"]
    )
    told = subprocess.run(
        [*day.command, "journal", "verify", str(day.journal)], capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 0, told
    print(f"{killer.kills} kills, {len(books.exchange['orders'])} orders, {books.rows} rows: {dict(killer.found)}")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_kills_in_one_day(trading_day: Callable[..., Any], forge: Any) -> None:
    day = trading_day(end="11:40", last_entry="11:35", square_off="11:38")
    day.open()
    killer = Killer(day, forge, seed=20261120, rows=3)
    report = killer.run(100)
    finished(day, report, killer)
    assert killer.kills == 100
    assert killer.found["between disk and answer"] > 0, killer.found


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_five_hundred_kills_in_a_whole_day_on_a_bad_line(
    trading_day: Callable[..., Any], forge: Any, seed: int
) -> None:
    rules = [
        {"kind": "drop_after_accept", "endpoint": "dhan.orders.*", "probability": 0.03},
        {"kind": "drop_before_accept", "endpoint": "dhan.orders.*", "probability": 0.03},
        {"kind": "garbled", "endpoint": "dhan.orders.*", "probability": 0.03},
        {"kind": "stale_feed", "endpoint": "dhan.updates", "probability": 0.05},
    ]
    day = trading_day(seed=seed, end="15:15", last_entry="15:00", square_off="15:10")
    day.open()
    day.exchange.set_faults({"seed": seed, "rules": rules})
    killer = Killer(day, forge, seed=seed, rows=3)
    finished(day, killer.run(500), killer)
    assert killer.kills == 500
