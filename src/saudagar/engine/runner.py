"""The loop around the engine: one queue, drained in order; events are on disk before any effect leaves.

The runner owns every await. It carries effects to the broker and brings the answers back into the queue, so the
engine sees one ordered stream of inputs, whatever the sockets do. Whoever hands in an input while nothing is being
processed has it processed before `put` returns: to wake a task first would cost a turn of the event loop per frame.
"""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import msgspec

from saudagar.engine.clock import stopwatch
from saudagar.engine.engine import Engine, Inbound, Step
from saudagar.engine.latency import Latency
from saudagar.engine.ports import Journal
from saudagar.execution.effects import (
    CancelOrder,
    Effect,
    FetchPriceBand,
    FetchTrades,
    FindOrder,
    ModifyOrder,
    SubmitOrder,
)
from saudagar.execution.ports import ExecutionClient, LinkState, LinkStatus
from saudagar.model import (
    AccountSnapshot,
    ClientOrderId,
    Holding,
    InstrumentId,
    LinkReported,
    LookUpMissed,
    ModifyAccepted,
    Nanos,
    OrderReport,
    Paise,
    PriceBandTold,
    Product,
    RequestFailed,
    TickFrame,
)
from saudagar.model.errors import (
    AuthError,
    BrokerError,
    OutcomeUnknown,
    RateLimited,
)
from saudagar.model.events import Event

_CHUNK = 64
"""Ticks processed between two looks at what they caused: bounds the wait of an order behind a large frame."""


async def _no_band(_: InstrumentId) -> tuple[Paise, Paise]:
    return 0, 0


class Runner:
    """Runs one engine against one broker until it is stopped.

    Parameters
    ----------
    on_events
        Told every event after it is on disk, in order: the view, notifications.
    on_idle
        Called when the queue is empty and nothing is in flight; the simulated exchange's lock-step waits for it.
    on_frame
        Told every frame of ticks after it was processed, usable or not: a recorder.
    price_band
        Tells the lowest and the highest price (paise) that the exchange takes now; zeros where it cannot.
    """

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        broker: ExecutionClient,
        *,
        on_events: Callable[[list[Event]], None] = lambda _: None,
        on_idle: Callable[[], None] = lambda: None,
        on_frame: Callable[[TickFrame], None] = lambda _: None,
        price_band: Callable[[InstrumentId], Awaitable[tuple[Paise, Paise]]] = _no_band,
    ) -> None:
        self.engine = engine
        self._journal = journal
        self._broker = broker
        self._on_events = on_events
        self.on_idle = on_idle
        self._on_frame = on_frame
        self._price_band = price_band
        self._queue: deque[Inbound] = deque()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiet = asyncio.Event()
        self._taken = asyncio.Event()
        self._stopping = False
        self._ready = False  # running, and nothing is being processed just now
        self._failure: BaseException | None = None
        self.last_frame: Nanos = 0
        self.ticks = 0
        self.orders_sent = 0
        self.decided = Latency()
        self.submitted = Latency()

    # -- inputs --------------------------------------------------------------------------------------------------

    def put(self, event: Inbound) -> None:
        """Hand in an input, from the event loop's thread. Raises nothing: what fails ends `run`."""
        self._queue.append(event)
        if self._ready:
            self._drain()
        self._wake.set()

    def on_link(self, status: LinkStatus) -> None:
        """Hand in a change of a stream's health."""
        self.put(
            LinkReported(
                ts=self.engine.now,
                link=status.link,
                up=status.state is LinkState.UP,
                blocks_entries=status.state is LinkState.AUTH,
                detail=status.detail,
            )
        )

    def nudge(self) -> None:
        """Something outside changed that `on_idle` may want to know."""
        self._wake.set()

    async def taken(self) -> None:
        """Wait until what is queued now has been processed."""
        while self._queue:
            self._taken.clear()
            await self._taken.wait()

    async def quiet(self) -> None:
        """Wait until nothing is queued and nothing in flight."""
        self._quiet.clear()
        self._wake.set()
        await self._quiet.wait()

    def stop(self) -> None:
        """End `run` once the queue is empty and nothing is in flight."""
        self._stopping = True
        self._wake.set()

    @property
    def idle(self) -> bool:
        """Nothing queued, nothing in flight."""
        return not self._queue and not self._tasks

    # -- the loop ------------------------------------------------------------------------------------------------

    async def run(self, first: Step | None = None) -> None:
        """Drain the queue until stopped.

        Raises
        ------
        JournalError
            The journal cannot be written. Nothing that was not on disk has been sent.
        InvariantError
            The engine found itself wrong.
        """
        gc.freeze()  # what is here now stays all day, and looking it over again stops the desk for 50 ms and more
        try:
            if first is not None:
                self._settle(first, 0)
            await self._until_stopped()
        finally:
            self._ready = False
            gc.unfreeze()

    async def _until_stopped(self) -> None:
        while True:
            self._drain()
            self._taken.set()
            if self._failure is not None:
                raise self._failure
            if not self._tasks:
                if self._stopping:
                    return
                self.on_idle()
                self._quiet.set()
            self._wake.clear()
            if not self._queue:
                await self._wake.wait()

    def _drain(self) -> None:
        """Process what is queued. Called by `put` as well, so a failure is kept for `run` to raise."""
        self._ready = False  # what is put meanwhile, by whom we call, waits its turn
        try:
            while self._queue and self._failure is None:
                self._take(self._queue.popleft())
        except BaseException as failure:
            self._failure = failure
        else:
            self._ready = self._failure is None

    def _take(self, event: Inbound) -> None:
        if not isinstance(event, TickFrame):
            self._settle(self.engine.process(event), 0)
            return
        self.ticks += len(event.ticks)
        for part in _parts(event):
            self._settle(self.engine.process(part), event.received)
        self.last_frame = event.ts
        self._on_frame(event)

    def _settle(self, step: Step, received: Nanos) -> None:
        """Durable first, then the wire."""
        if received and step.effects:
            self.decided.add(stopwatch() - received)
        if step.events:
            self._journal.append(step.events)
        for effect in step.effects:
            self._start(effect, received)
        if step.events:
            self._on_events(list(step.events))

    def _start(self, effect: Effect, received: Nanos) -> None:
        task = asyncio.get_running_loop().create_task(self._carry_out(effect, received))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = error
        self._wake.set()

    # -- effects -------------------------------------------------------------------------------------------------

    async def _carry_out(self, effect: Effect, received: Nanos) -> None:
        match effect:
            case SubmitOrder(order):
                self.orders_sent += 1
                if received:
                    self.submitted.add(stopwatch() - received)
                await self._write("submit", order.order_id, self._broker.submit(order))
            case ModifyOrder(order_id, terms):
                order_now = self.engine.state.orders[order_id]
                await self._write("modify", order_id, self._broker.modify(order_now, terms))
            case CancelOrder(order_id):
                await self._write("cancel", order_id, self._broker.cancel(self.engine.state.orders[order_id]))
            case FindOrder(order_id):
                await self._find(order_id)
            case FetchTrades(report):
                await self._fetch_trades(report)
            case FetchPriceBand(instrument):
                await self._fetch_band(instrument)
            case _:
                await self._snapshot()

    async def _write(self, request: str, order_id: ClientOrderId, call: Awaitable[OrderReport | None]) -> None:
        try:
            report = await call
        except BrokerError as error:
            self.put(self._failed(request, order_id, error))
            if isinstance(error, AuthError):
                self.on_link(LinkStatus(LinkState.AUTH, "orders", error.message))
            return
        except Exception as error:  # an SDK may raise anything; whatever it was, the order may be out
            self.put(self._failed(request, order_id, OutcomeUnknown(f"{type(error).__name__}: {error}")))
            return
        if report is not None:
            self.put(report)
        elif request == "modify":
            self.put(ModifyAccepted(self.engine.now, order_id))

    def _failed(self, request: str, order_id: ClientOrderId, error: BrokerError) -> RequestFailed:
        return RequestFailed(
            ts=self.engine.now,
            order_id=order_id,
            request=request,
            refused=not isinstance(error, OutcomeUnknown),
            reason=f"{error.code} {error.message}".strip(),
            retry=isinstance(error, RateLimited),
        )

    async def _find(self, order_id: ClientOrderId) -> None:
        try:
            report = await self._broker.find(order_id)
        except Exception as error:  # still unknown; the engine asks again
            self._odd("look-up", error)
            return
        self.put(LookUpMissed(self.engine.now, order_id) if report is None else report)

    async def _fetch_trades(self, report: OrderReport) -> None:
        order = self.engine.state.orders[report.order_id]
        if not order.broker_id:  # after a lost reply the report itself is the first to name it
            order = msgspec.structs.replace(order, broker_id=report.broker_id)
        try:
            trades = await self._broker.trades_of(order)
        except Exception as error:  # the next report of this order asks again; a snapshot comes every minute
            self._odd("trades", error)
            return
        self.put(msgspec.structs.replace(report, trades=trades))

    async def _fetch_band(self, instrument: InstrumentId) -> None:
        low = high = 0
        try:
            low, high = await self._price_band(instrument)
        except Exception as error:  # the desk goes by the last price then
            self._odd("price band", error)
        self.put(PriceBandTold(ts=self.engine.now, instrument=instrument, low=low, high=high))

    async def _snapshot(self) -> None:
        began = self.engine.now  # what happens from here on may or may not be in it
        try:
            orders, positions = await self._broker.orders(), await self._broker.positions()
        except BrokerError as error:
            self.on_link(LinkStatus(LinkState.DOWN, "reconciliation", error.message))
            return
        except Exception as error:
            self._odd("reconciliation", error)
            return
        holdings = await self._holdings()
        funds = None
        with suppress(Exception):  # the books matter more than the money
            funds = await self._broker.funds()
        told = AccountSnapshot(
            ts=began, reports=tuple(orders), positions=tuple(positions), holdings=holdings, funds=funds
        )
        self.put(told)

    async def _holdings(self) -> tuple[Holding, ...] | None:
        """Shares of the days before, where the desk trades for delivery; None where nobody can say."""
        if self.engine.product is not Product.DELIVERY:
            return ()
        try:
            return tuple(await self._broker.holdings())
        except Exception as error:
            why = error.message if isinstance(error, BrokerError) else f"{type(error).__name__}: {error}"
            self.on_link(LinkStatus(LinkState.DOWN, "holdings", f"{why} Positions are not compared until it answers."))
            return None

    def _odd(self, read: str, error: Exception) -> None:
        """An answer that made somebody's code stumble is told, and must not end a desk that holds positions."""
        if not isinstance(error, BrokerError):
            self.on_link(LinkStatus(LinkState.DOWN, read, f"{type(error).__name__}: {error}"))


def _parts(frame: TickFrame) -> Iterable[TickFrame]:
    ticks = frame.ticks
    if len(ticks) <= _CHUNK:
        return (frame,)
    return (TickFrame(frame.ts, ticks[i : i + _CHUNK], frame.received) for i in range(0, len(ticks), _CHUNK))
