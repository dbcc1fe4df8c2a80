"""The loop around the engine: durable before the wire, every answer back in the queue, no exception lost."""

from __future__ import annotations

import asyncio

import pytest
from tests.adversary import DAY, FUTURE, OPEN, SBIN, SETTINGS, STOP, Lookup

from saudagar.engine.clock import stopwatch, wall_clock
from saudagar.engine.engine import Engine
from saudagar.engine.latency import Latency
from saudagar.engine.ports import Entry
from saudagar.engine.runner import Runner
from saudagar.engine.state import State
from saudagar.market.sessions import Calendar
from saudagar.model import (
    SECOND,
    AccountSnapshot,
    BrokerOrderId,
    Direction,
    Funds,
    Intent,
    OrderReport,
    OrderStatus,
    StrategyId,
    Tick,
    TickFrame,
    TimeAdvanced,
    TradeReport,
)
from saudagar.model import events as ev
from saudagar.model.errors import (
    AuthError,
    JournalError,
    OutcomeUnknown,
    RateLimited,
    RejectedByBroker,
)

A = "a@NSE_EQ:SBIN"
WANT = Intent(
    strategy=StrategyId("a"),
    instrument=SBIN.id,
    direction=Direction.LONG,
    ts=OPEN,
    reason="test",
    quantity=50,
    protection=STOP,
)


class Memory:
    """A journal in memory; can be full."""

    def __init__(self) -> None:
        self.rows: list[Entry] = []
        self.full = False

    def append(self, events) -> int:
        if self.full:
            raise JournalError("the disk is full.")
        self.rows += [Entry(len(self.rows) + 1, OPEN, event) for event in events]
        return len(self.rows)

    def entries(self, after=0):
        return iter(self.rows[after:])

    def close(self) -> None: ...


class Broker:
    """Answers from a script, and checks that the journal had everything first."""

    def __init__(self, journal: Memory) -> None:
        self.journal = journal
        self.script: dict[str, list] = {}
        self.calls: list[str] = []

    def _next(self, name: str, default=None):
        self.calls.append(name)
        queue = self.script.get(name)
        answer = queue.pop(0) if queue else default
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def submit(self, order):
        written = [e.event.order.order_id for e in self.journal.rows if isinstance(e.event, ev.OrderSubmitted)]
        assert order.order_id in written, "on the wire before it was on disk"
        return self._next("submit", self.report(order.order_id, OrderStatus.PENDING))

    async def modify(self, order, terms):
        return self._next("modify")

    async def cancel(self, order):
        return self._next("cancel")

    async def find(self, order_id):
        return self._next("find")

    async def trades_of(self, order):
        return self._next("trades", (TradeReport("T1", 50, 80_400, OPEN),))

    async def orders(self):
        return self._next("orders", [])

    async def positions(self):
        return self._next("positions", [])

    async def funds(self):
        return self._next("funds", Funds(available=1, used=0, opening=1))

    @staticmethod
    def report(order_id, status, **changes) -> OrderReport:
        return OrderReport(order_id=order_id, status=status, ts=OPEN, broker_id=BrokerOrderId("B1"), **changes)


class Bench:
    """A runner with its parts, driven by a script of inputs."""

    def __init__(self) -> None:
        self.journal = Memory()
        self.broker = Broker(self.journal)
        self.told: list = []
        self.idle = 0
        engine = Engine(SETTINGS, Lookup(SBIN, FUTURE), Calendar(), State(), lambda _: 0, watched=(SBIN.id,))
        self.runner = Runner(engine, self.journal, self.broker, on_events=self.told.extend, on_idle=self._count_idle)
        self.engine = engine

    def _count_idle(self) -> None:
        self.idle += 1

    def frame(self, second: int = 1, price: int = 80_000) -> TickFrame:
        ts = OPEN + second * SECOND
        return TickFrame(ts, [Tick(SBIN.id, ts, price, second)], received=stopwatch())

    def run(self, *inputs) -> Bench:
        async def day() -> None:
            task = asyncio.create_task(self.runner.run(self.engine.start(DAY, OPEN)))
            try:
                for each in inputs:
                    self.runner.put(each)
                    await asyncio.wait({task, asyncio.create_task(self.runner.quiet())}, return_when="FIRST_COMPLETED")
                    if task.done():
                        break
                self.runner.nudge()
                self.runner.stop()
                await task
            finally:
                for other in asyncio.all_tasks() - {asyncio.current_task()}:
                    other.cancel()

        asyncio.run(asyncio.wait_for(day(), 20))
        return self

    def order(self):
        return next(iter(self.engine.state.orders.values()))


def fill(order_id: str, **changes) -> OrderReport:
    return Broker.report(order_id, OrderStatus.FILLED, filled=50, **changes)


FIRST = "TEST26112000001"


def test_a_tick_an_order_its_fill_and_its_stop():
    bench = Bench()
    bench.run(bench.frame(), WANT, fill(FIRST, last_price=80_400, average_price=80_400.0), bench.frame(2))
    state = bench.engine.state
    assert state.positions[A].quantity == 50
    assert bench.runner.orders_sent == 2
    assert bench.runner.ticks == 2
    assert bench.runner.last_frame == OPEN + 2 * SECOND
    assert bench.runner.idle
    assert bench.idle >= 4
    assert [e.event for e in bench.journal.rows] == bench.told
    assert State.replay(bench.told).digest() == state.digest()


def test_the_time_from_a_tick_to_its_order_is_measured():
    bench = Bench()
    bench.broker.script["submit"] = [Broker.report(FIRST, OrderStatus.PENDING), RejectedByBroker("no stops today")]
    bench.run(
        bench.frame(),
        WANT,
        fill(FIRST, last_price=80_400, average_price=80_400.0),
        bench.frame(2, 79_000),  # below the stop that was refused: the tick itself causes the exit
    )
    assert bench.runner.orders_sent == 3
    assert bench.runner.submitted.count == bench.runner.decided.count == 1
    assert 0 < bench.runner.decided.max <= bench.runner.submitted.max


def test_a_book_without_its_funds_is_a_book():
    bench, books = Bench(), []
    take = bench.engine.process

    def process(event):
        books.extend([event] if isinstance(event, AccountSnapshot) else [])
        return take(event)

    bench.engine.process = process
    bench.broker.script["funds"] = [RejectedByBroker("not now")]
    bench.run()
    assert [book.funds for book in books] == [None]


def test_samples_are_bounded():
    latency = Latency(4)
    for n in range(1, 13):
        latency.add(n)
    assert latency.count == 12
    assert latency.max == 12
    assert len(latency.samples) < 4
    assert latency.quantile(0) <= latency.quantile(0.5) <= latency.quantile(1) <= 12
    assert Latency().quantile(0.5) == 0
    assert wall_clock() > OPEN - 10 * 365 * 86_400 * SECOND


@pytest.mark.parametrize(
    ("error", "status", "target"),
    [
        (RejectedByBroker("no funds", code="DH-1"), OrderStatus.REJECTED, 0),
        (RateLimited("slow down"), OrderStatus.REJECTED, 50),
        (OutcomeUnknown("time-out"), OrderStatus.UNKNOWN, 50),
        (KeyError("orderId"), OrderStatus.UNKNOWN, 50),  # whatever an SDK throws, the order may be out
    ],
)
def test_how_a_submit_may_end(error, status, target):
    bench = Bench()
    bench.broker.script["submit"] = [error]
    bench.run(bench.frame(), WANT)
    assert bench.order().status is status
    assert bench.engine.state.positions[A].target == target


def test_a_refused_token_blocks_entries_and_says_so():
    bench = Bench()
    bench.broker.script["submit"] = [AuthError("expired")]
    bench.run(bench.frame(), WANT, WANT)
    assert bench.engine.state.denials == {"frozen": 1}
    assert any("orders is down: expired" in alert.message for alert in bench.engine.state.alerts)


def test_an_unknown_order_is_looked_up_until_it_is_known():
    bench = Bench()
    bench.broker.script["submit"] = [OutcomeUnknown("time-out")]
    bench.broker.script["find"] = [
        OutcomeUnknown("time-out"),
        None,
        fill(FIRST, last_price=80_400, average_price=80_400.0),
    ]
    bench.run(bench.frame(), WANT, *(TimeAdvanced(OPEN + n * SECOND) for n in range(2, 12)))
    assert bench.broker.calls.count("find") == 3
    assert bench.order().status is OrderStatus.FILLED


def test_a_fill_without_a_price_fetches_the_trades():
    bench = Bench()
    bench.broker.script["trades"] = [OutcomeUnknown("time-out")]
    bench.run(bench.frame(), WANT, fill(FIRST))
    assert bench.engine.state.positions[A].quantity == 0
    again = Bench()
    again.run(again.frame(), WANT, fill(FIRST))
    assert again.engine.state.positions[A].quantity == 50
    assert again.engine.state.positions[A].entry_value == 50 * 80_400


def test_trades_of_an_order_that_the_report_itself_names():
    bench = Bench()
    bench.broker.script["submit"] = [OutcomeUnknown("time-out")]
    bench.broker.script["find"] = [fill(FIRST)]
    bench.run(bench.frame(), WANT)
    assert bench.engine.state.positions[A].quantity == 50


def test_modify_and_cancel_answer_too():
    bench = Bench()
    out = Intent(strategy=StrategyId("a"), instrument=SBIN.id, direction=Direction.FLAT, ts=OPEN, reason="out")
    bench.run(
        bench.frame(),
        WANT,
        fill(FIRST, last_price=80_400, average_price=80_400.0),
        out,  # the stop becomes the exit
    )
    assert "modify" in bench.broker.calls
    stop = bench.engine.state.orders["TEST26112000002"]
    assert stop.modify_sent is None
    other = Bench()
    other.broker.script["cancel"] = [RejectedByBroker("too late")]
    other.run(other.frame(), WANT, out)
    assert "cancel" in other.broker.calls
    assert "find" in other.broker.calls


def test_a_book_that_does_not_come_is_told():
    bench = Bench()
    bench.broker.script["orders"] = [OutcomeUnknown("time-out")]
    bench.run(bench.frame())
    assert any("reconciliation is down" in alert.message for alert in bench.engine.state.alerts)


def test_a_full_disk_stops_the_desk_before_the_wire():
    bench = Bench()
    bench.journal.append([])

    def fill_up(_):
        bench.journal.full = True

    bench.runner._on_events = fill_up
    with pytest.raises(JournalError):
        bench.run(bench.frame(), WANT)
    assert "submit" not in bench.broker.calls


def test_what_breaks_in_a_read_is_told_and_the_desk_goes_on():
    bench = Bench()
    bench.broker.script["positions"] = [KeyError("netQty")]
    bench.run(bench.frame(), WANT, bench.frame(7))  # a book that does not come is waited for, but not for ever
    assert any("reconciliation is down: KeyError: 'netQty'" in alert.message for alert in bench.engine.state.alerts)
    assert "submit" in bench.broker.calls


def test_what_breaks_in_a_question_about_an_order_is_told():
    bench = Bench()
    bench.broker.script |= {"submit": [OutcomeUnknown("time-out")], "find": [TypeError("no row")]}
    bench.broker.script["trades"] = [TypeError("no trade")]
    bench.run(bench.frame(), WANT, fill("TEST26112000001"))
    told = [alert.message for alert in bench.engine.state.alerts]
    assert "look-up is down: TypeError: no row" in told
    assert "trades is down: TypeError: no trade" in told
    assert bench.order().status is OrderStatus.UNKNOWN
