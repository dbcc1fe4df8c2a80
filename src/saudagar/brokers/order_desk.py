"""What the order desks of Dhan, Upstox and Kite have in common: their lanes, their order stream, their life.

Each broker's own desk says how an order is written, asked for and read; here is when it is connected, renewed and
ended, and how a message of the stream becomes a report.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Generic

import msgspec

from saudagar.brokers.fields import Row, text
from saudagar.brokers.lane import Call
from saudagar.brokers.lanes import Lanes, Look
from saudagar.brokers.supervisor import Stream, Watch
from saudagar.execution.ports import LinkState, LinkStatus
from saudagar.model import ClientOrderId, Funds, Nanos, Order, OrderReport
from saudagar.model.errors import AuthError, BrokerError, DataError, RejectedByBroker

OnReport = Callable[[OrderReport], None]
OnStatus = Callable[[LinkStatus], None]

REQUESTS = "orders"
"""The link that a request with a refused token shuts (`engine.runner`), and that a new token opens."""

_BAD_UPDATE, _BAD_ORDER = "bad order update", "bad order"
_NOBODYS = ("", "NA")


class OrderDesk(ABC, Generic[Look]):
    """The part of an `ExecutionClient` that is the same everywhere.

    Parameters
    ----------
    watch
        The supervision of the order stream.
    clock
        The time of reports for which the broker gives none (the reply to a placement).

    Attributes
    ----------
    updates_received
        Messages of the order stream on its present connection.
    on_update_count
        Called with `updates_received` after each message has been passed on.
    on_hand_over
        Called in the writing thread just before the SDK is, with the order's id and `time.monotonic_ns()`.
    refusals
        Messages that made no sense, by kind.
    """

    def __init__(self, lanes: Lanes[Look], watch: Watch | None, clock: Callable[[], Nanos]) -> None:
        self.refusals: dict[str, int] = Counter()
        self.updates_received = 0
        self.on_update_count: Callable[[int], None] | None = None
        self.on_hand_over: Callable[[ClientOrderId, int], None] | None = None
        self.stream: Stream | None = None
        self._lanes, self._lookup, self._clock = lanes, lanes.lookup, clock
        self._watch = watch or Watch(stale=0)  # an account may rest for hours
        self._told: tuple[OnReport, OnStatus] | None = None

    async def open(self) -> None:
        """Load the SDK; see `ExecutionClient.open`."""
        await self._lanes.open()

    async def start(self, on_report: OnReport, on_status: OnStatus) -> None:
        """Load the SDK and connect the order stream; returns when the first attempt has come to an end."""
        self._told = (on_report, on_status)
        self.stream = self._stream()
        await asyncio.gather(self.open(), self.stream.start())

    async def renew(self, token: str) -> None:
        """Go on with a new token; see `ExecutionClient.renew`."""
        await self._lanes.renew(*self._take(token))
        try:
            await self.funds()
        except AuthError:  # a token that is refused must not open the desk
            raise
        except BrokerError:
            pass  # says nothing of the token; the stream and the next request will
        if self.stream is not None:
            await self.stream.stop()
            self.stream = self._stream()
            await self.stream.start()
        if self._told is not None:
            self._told[1](LinkStatus(LinkState.UP, REQUESTS))

    async def stop(self) -> None:
        if self.stream is not None:
            await self.stream.stop()
        await self._lanes.close()

    @abstractmethod
    async def funds(self) -> Funds: ...

    @abstractmethod
    def _take(self, token: str) -> tuple[str, ...]:
        """Use `token` for all that is made from now on; the texts that no message may hold."""

    @abstractmethod
    def _stream(self) -> Stream:
        """The order stream with the present token, its messages to `_update` and its health to `_status`."""

    @abstractmethod
    def _report(self, body: bytes) -> OrderReport | None:
        """What a message of the stream says of an order; None where it speaks of something else.

        Raises
        ------
        DataError, msgspec.DecodeError
            If it makes no sense.
        """

    def _status(self, link: LinkStatus) -> None:
        if link.state is LinkState.UP:
            self.updates_received = 0
        if self._told is not None:
            self._told[1](link)

    def _update(self, body: bytes) -> None:
        try:
            report = self._report(body)
        except (DataError, msgspec.DecodeError):
            self.refusals[_BAD_UPDATE] = self.refusals.get(_BAD_UPDATE, 0) + 1
        else:
            if report is not None and self._told is not None:
                self._told[0](report)
        self.updates_received += 1
        if self.on_update_count is not None:
            self.on_update_count(self.updates_received)

    def _book(self, rows: Iterable[Row], parser: Callable[[Row, Look], OrderReport], own_id: str) -> list[OrderReport]:
        """The day's orders, read with `parser`. One that makes no sense is counted and left out, unless it may be ours.

        Raises
        ------
        BrokerError
            For one that has something under `own_id`, and where none makes sense.
        """
        found: list[OrderReport] = []
        fault: BrokerError | None = None
        for row in rows:
            try:
                found.append(self._lanes.parsed(parser, row))
            except BrokerError as error:
                if text(row.get(own_id)) not in _NOBODYS:
                    raise
                fault = error
                self.refusals[_BAD_ORDER] = self.refusals.get(_BAD_ORDER, 0) + 1
        if fault is not None and not found:
            raise fault
        return found

    async def _write(self, order_id: ClientOrderId, request: str, call: Call, *, urgent: bool) -> Any:
        def told(sdk: Any) -> Any:
            if self.on_hand_over is not None:
                self.on_hand_over(order_id, time.monotonic_ns())
            return call(sdk)

        return await self._lanes.write(request, told, urgent=urgent)

    def _number(self, order: Order) -> str:
        """The broker's id of `order`. Raises `RejectedByBroker` while nobody knows it."""
        if not order.broker_id:
            raise RejectedByBroker(
                f"{self._lanes.broker}'s id of order {order.id} is not known yet.", hint="Look it up first."
            )
        return str(order.broker_id)
