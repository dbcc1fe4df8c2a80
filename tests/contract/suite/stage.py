"""The four brokers behind one door: what a test of the contract may do on the stage, and what it may do behind it.

On the stage there is the `ExecutionClient` (or the `DataClient`) and what it reports. Behind it stands the exchange:
the truth about every order, the market's next step, and whatever shall go wrong.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar

from tests.contract.suite.floor import CAPITAL, WIRED, Floor, token_of
from tests.contract.suite.links import QUICK, client_of
from tests.contract.suite.market import RELIANCE, CalledDay

from saudagar.brokers.governor import Governor
from saudagar.brokers.paper.broker import PaperBroker
from saudagar.brokers.supervisor import Watch
from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_orders import ExchangeOrder
from saudagar.exchange.faults import FaultRule
from saudagar.execution.ports import ExecutionClient, LinkState, LinkStatus
from saudagar.market.sessions import Calendar
from saudagar.model import (
    ClientOrderId,
    Instrument,
    NewOrder,
    Order,
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Side,
    Validity,
)
from saudagar.model.errors import DataError, RejectedByBroker

ALL = ("paper", *WIRED)

T = TypeVar("T")


class Stage(ABC):
    """One broker's client in a loop of its own, and what it told. Made by `paper` and `wired`."""

    name: str
    client: ExecutionClient
    day: CalledDay
    _ids = count(1)

    def __init__(self, name: str, loop: asyncio.Runner | None = None) -> None:
        self.name = name
        self.reports: list[OrderReport] = []
        self.links: list[LinkStatus] = []
        self._told = asyncio.Event()
        self._runner = loop or asyncio.Runner()

    # -- on the stage --------------------------------------------------------------------------------------------

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def order(
        self,
        kind: OrderType = OrderType.LIMIT,
        price: int = 0,
        *,
        trigger: int = 0,
        side: Side = Side.BUY,
        quantity: int = 1,
        instrument: Instrument = RELIANCE,
        product: Product = Product.INTRADAY,
        validity: Validity = Validity.DAY,
        purpose: Purpose = Purpose.ENTRY,
        after_market: bool = False,
        order_id: str = "",
    ) -> NewOrder:
        """An order with an id that no other one has; without a price it rests a tenth below the market."""
        if kind.has_price and not price:
            price = RELIANCE.round_price(self.day.price * 0.9, Side.BUY)
        return NewOrder(
            order_id=ClientOrderId(order_id or f"C{next(self._ids):06}"),
            instrument=instrument.id,
            side=side,
            terms=OrderTerms(quantity=quantity, order_type=kind, price=price, trigger_price=trigger),
            product=product,
            purpose=purpose,
            position=PositionId(f"t@{instrument.id}"),
            validity=validity,
            after_market=after_market,
        )

    async def place(self, new: NewOrder) -> Order:
        """Submit, and keep what the broker called it."""
        report = await self.client.submit(new)
        assert report.order_id == new.order_id
        assert report.broker_id
        return Order(new=new, terms=new.terms, broker_id=report.broker_id, status=report.status)

    async def refusal(self, new: NewOrder) -> str:
        """Why `new` was not taken: refused at once, or taken and rejected by the order system a moment later."""
        try:
            await self.client.submit(new)
        except (RejectedByBroker, DataError) as error:  # of the broker, or of our own check of lots
            return str(error)
        reason = (await self.reported(new.order_id, OrderStatus.REJECTED)).reason
        found = await self.client.find(new.order_id)
        assert found is not None
        assert found.reason == reason
        return reason

    def said(self, order_id: str) -> list[OrderReport]:
        return [report for report in self.reports if report.order_id == order_id]

    async def until(self, ready: Callable[[], object], seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not ready():
                self._told.clear()
                with_poll = asyncio.wait_for(self._told.wait(), 0.02)
                try:
                    await with_poll
                except TimeoutError:
                    continue

    async def reported(self, order_id: str, status: OrderStatus, filled: int | None = None) -> OrderReport:
        """The first report of `order_id` with that status (and cumulative quantity)."""

        def found() -> list[OrderReport]:
            return [r for r in self.said(order_id) if r.status is status and filled in (None, r.filled)]

        try:
            await self.until(found)
        except TimeoutError:
            heard = [(r.status.value, r.filled, r.reason) for r in self.said(order_id)]
            raise AssertionError(f"{self.name} never said {status} {filled}; it said {heard}") from None
        return found()[0]

    def up(self) -> bool:
        return bool(self.links) and self.links[-1].state is LinkState.UP

    async def start(self) -> None:
        await self.client.start(self._report, self._link)
        await self.until(self.up)

    def _report(self, report: OrderReport) -> None:
        self.reports.append(report)
        self._told.set()

    def _link(self, link: LinkStatus) -> None:
        self.links.append(link)
        self._told.set()

    # -- behind it -----------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def core(self) -> MatchingCore: ...

    def truth(self, order_id: str) -> ExchangeOrder:
        found = self.core.by_tag(order_id)
        assert found is not None, f"the exchange never saw {order_id}"
        return found

    async def step(self, price: int | None = None) -> None:
        """Let the market move once."""
        if price is not None:
            self.day.price = price
        await self._step()

    @abstractmethod
    async def _step(self) -> None: ...

    def close(self) -> None:
        self._runner.close()


class PaperStage(Stage):
    """Paper: the exchange in process, no wire at all."""

    def __init__(self, day: CalledDay | None = None) -> None:
        super().__init__("paper")
        self.day = day or CalledDay()
        closes = {each.id: self.day.previous_close(each.id) for each in self.day.instruments}
        self._core = MatchingCore(self.day.instruments, Calendar(), capital=CAPITAL, previous_close=closes)
        self._steps = self.day.steps()
        self.client = self._paper = PaperBroker(self._core)
        self.run(self._begin())

    async def _begin(self) -> None:
        await self.start()
        self._core.advance(self.day.not_before - self.day.step_ns)
        await self._step()

    @property
    def core(self) -> MatchingCore:
        return self._core

    async def _step(self) -> None:
        ts, ticks = next(self._steps)
        self._paper.on_market(ts, ticks)
        await asyncio.sleep(0)

    def close(self) -> None:
        self.run(self.client.stop())
        super().close()


class WiredStage(Stage):
    """One of the three real SDKs, over sockets."""

    def __init__(
        self,
        name: str,
        floor: Floor,
        *,
        runner: asyncio.Runner | None = None,
        watch: Watch = QUICK,
        timeout: tuple[float, float] = (2.0, 2.0),
        governor: Governor | None = None,
        token: str = "",
        begin: bool = True,
    ) -> None:
        super().__init__(name, runner)
        self.floor, self.day, self.wire = floor, floor.day, floor.wires[name]
        self.client = client_of(
            name, floor, watch=watch, timeout=timeout, governor=governor, token=token or token_of(name, floor)
        )
        if begin:
            self.run(self.start())
            self.run(self.until(self.joined))

    def joined(self) -> bool:
        """The exchange has the order stream too (an opened socket is told before the login on it is read)."""
        return self.floor.exchange.updates.sent is not None and self.floor.exchange.updates.sent >= 0

    @property
    def core(self) -> MatchingCore:
        return self.floor.exchange.core

    async def _step(self) -> None:
        await asyncio.to_thread(self.floor.step)

    def faults(self, *rules: FaultRule) -> None:
        self.floor.faults(*rules)

    async def hang_up(self) -> None:
        await asyncio.to_thread(self.floor.hang_up)

    async def shut_wire(self) -> None:
        """Nobody listens any more."""
        await asyncio.to_thread(self.floor.call, self.wire.shut())

    async def open_wire(self) -> None:
        await asyncio.to_thread(self.floor.call, self.wire.open())

    def close(self) -> None:
        self.run(self.client.stop())
        super().close()


@contextmanager
def stage_of(name: str, floor: Floor, **options: Any) -> Iterator[WiredStage]:
    stage = WiredStage(name, floor, **options)
    try:
        yield stage
    finally:
        stage.close()
