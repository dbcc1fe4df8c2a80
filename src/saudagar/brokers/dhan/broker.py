"""`DhanBroker`: the desk's orders, look-ups and order updates at Dhan, for the engine's runner."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from saudagar.brokers.dhan import outcome, parse, request, words
from saudagar.brokers.dhan.account import DhanAccount
from saudagar.brokers.dhan.capabilities import CAPABILITIES
from saudagar.brokers.dhan.client import DhanSettings
from saudagar.brokers.dhan.lane import LIMITS, Lanes, connect
from saudagar.brokers.governor import Governor
from saudagar.brokers.lane import Call, Lane
from saudagar.brokers.supervisor import Stream, Watch
from saudagar.execution.ports import InstrumentLookup, LinkState, LinkStatus
from saudagar.model import (
    BrokerPosition,
    ClientOrderId,
    Funds,
    Holding,
    Nanos,
    NewOrder,
    Order,
    OrderReport,
    OrderTerms,
    TradeReport,
)
from saudagar.model.errors import BrokerError, DataError, OutcomeUnknown, RejectedByBroker

_NO_HOLDINGS = "DH-1111"  # an empty demat account is answered with an error
_LEG = "ENTRY_LEG"  # of an ordinary order; an empty text is refused

__all__ = ["DhanBroker", "DhanSettings"]


class DhanBroker:
    """The `ExecutionClient` over the official SDK.

    Parameters
    ----------
    lookup
        Finds instruments by our id and by Dhan's.
    watch
        The supervision of the order stream.
    clock
        The time of reports for which Dhan gives none (the reply to a placement); without it they carry 0.
    governor
        What holds writes back. By default Dhan's own limits; at another address, a simulated exchange, nothing: its
        seconds are not ours, and the engine counts them already.

    Attributes
    ----------
    updates_received
        Messages of the order stream on its present connection.
    on_update_count
        Called with `updates_received` after each message has been passed on.
    on_hand_over
        Called in the writing thread just before the SDK is, with the order's id and `time.monotonic_ns()`.
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        settings: DhanSettings,
        lookup: InstrumentLookup,
        *,
        watch: Watch | None = None,
        clock: Callable[[], Nanos] = lambda: 0,
        governor: Governor | None = None,
    ) -> None:
        self.refusals: dict[str, int] = Counter()
        self.updates_received = 0
        self.on_update_count: Callable[[int], None] | None = None
        self.on_hand_over: Callable[[ClientOrderId, int], None] | None = None
        self.stream: Stream | None = None
        self._told: tuple[Callable[[OrderReport], None], Callable[[LinkStatus], None]] | None = None
        self._settings, self._lookup, self._clock = settings, lookup, clock
        self._watch = watch or Watch(stale=0)  # an account may rest for hours
        if governor is None and settings.rest_url is None:
            governor = Governor(LIMITS)

        def client() -> tuple[Any, Any, str]:
            now = self._settings
            return connect(now.client_id, now.token, now.rest_url, now.timeout)

        self._writes = Lane("dhan-writes", client, secrets=(settings.token,), governor=governor)
        self._reads = Lane("dhan-reads", client, secrets=(settings.token,))
        self._lanes = Lanes(self._writes, self._reads, lookup)
        self._account = DhanAccount(self._lanes, clock)

    @property
    def account(self) -> DhanAccount:
        """What else a person may ask of this account; see `ExecutionClient.account`."""
        return self._account

    async def open(self) -> None:
        """Load the SDK; see `ExecutionClient.open`."""
        await asyncio.gather(self._writes.open(), self._reads.open())

    async def start(self, on_report: Callable[[OrderReport], None], on_status: Callable[[LinkStatus], None]) -> None:
        """Load the SDK and connect the order stream; returns when the first attempt has come to an end."""
        self._told = (on_report, on_status)
        self.stream = self._stream(on_report, on_status)
        await asyncio.gather(self.open(), self.stream.start())

    def _stream(self, on_report: Callable[[OrderReport], None], on_status: Callable[[LinkStatus], None]) -> Stream:
        settings = self._settings

        def status(link: LinkStatus) -> None:
            if link.state is LinkState.UP:
                self.updates_received = 0
            on_status(link)

        handed = {"client_id": settings.client_id, "token": settings.token, "url": settings.order_feed_url}
        return Stream(
            "dhan orders",
            "saudagar.brokers.dhan.stream",
            msgspec.json.encode(handed | {"silence": self._watch.silence}),
            on_data=lambda body: self._update(body, on_report),
            on_status=status,
            watch=self._watch,
            secrets=(settings.token,),
        )

    async def renew(self, token: str) -> None:
        """Go on with a new token; see `ExecutionClient.renew`."""
        self._settings = msgspec.structs.replace(self._settings, token=token)
        await self._writes.renew(token)
        await self._reads.renew(token)
        await self.funds()  # a token that is refused must not open the desk
        if self.stream is None or self._told is None:
            return
        await self.stream.stop()
        self.stream = self._stream(*self._told)
        await self.stream.start()
        self._told[1](LinkStatus(LinkState.UP, "orders"))

    async def stop(self) -> None:
        if self.stream is not None:
            await self.stream.stop()
        await self._writes.close()
        await self._reads.close()

    async def submit(self, order: NewOrder) -> OrderReport:
        """Place `order` with our id as Dhan's ``correlationId``."""
        fields = request.order(order, self._lookup)
        body = await self._write(
            order.order_id, "order", lambda dhan: dhan.place_order(**fields), urgent=order.purpose.reduces
        )
        try:
            return parse.reply_report(order, body, self._clock())
        except DataError as error:
            raise OutcomeUnknown(f"Dhan, order: {error}") from None

    async def modify(self, order: Order, terms: OrderTerms) -> None:
        """Set all of `terms`; the quantity is the total, filled part included."""
        number = _broker_id(order)
        quantity, price, trigger = request.terms(terms)
        kind, validity = words.ORDER_TYPE[terms.order_type], words.VALIDITY[order.new.validity]
        body = await self._write(
            order.id,
            "modification",
            lambda dhan: dhan.modify_order(number, kind, _LEG, quantity, price, trigger, 0, validity),
            urgent=order.new.purpose.reduces,
        )
        _confirmed(body, "modification")

    async def cancel(self, order: Order) -> None:
        number = _broker_id(order)
        body = await self._write(order.id, "cancellation", lambda dhan: dhan.cancel_order(number), urgent=True)
        _confirmed(body, "cancellation")

    async def find(self, order_id: ClientOrderId) -> OrderReport | None:
        """The order by our id. Dhan also has none while an order is still on its way inside: ask again later."""
        try:
            body = await self._lanes.read("look-up", lambda dhan: dhan.get_order_by_correlationID(order_id))
        except BrokerError as error:
            if outcome.no_such_order(error):
                return None
            raise
        rows = body if isinstance(body, list) else [body]
        if not rows:
            return None
        reports = [self._lanes.parsed(parse.book_report, row) for row in rows]
        if len(reports) > 1 or reports[0].order_id != order_id:
            raise BrokerError(f"Dhan answered the look-up of {order_id} with {[r.order_id for r in reports]}.")
        return reports[0]

    async def trades_of(self, order: Order) -> tuple[TradeReport, ...]:
        number = _broker_id(order)
        rows = await self._lanes.rows("trades", lambda dhan: dhan.get_trade_book(number))
        try:
            return parse.trades([row for row in rows if str(row.get("orderId", number)) == number])
        except DataError as error:
            raise BrokerError(str(error)) from None

    async def orders(self) -> list[OrderReport]:
        rows = await self._lanes.rows("order book", lambda dhan: dhan.get_order_list())
        return [self._lanes.parsed(parse.book_report, row) for row in rows]

    async def positions(self) -> list[BrokerPosition]:
        rows = await self._lanes.rows("positions", lambda dhan: dhan.get_positions())
        return [self._lanes.parsed(parse.position, row) for row in rows]

    async def holdings(self) -> list[Holding]:
        try:
            rows = await self._lanes.rows("holdings", lambda dhan: dhan.get_holdings())
        except BrokerError as error:
            if error.code == _NO_HOLDINGS:
                return []
            raise
        return [self._lanes.parsed(parse.holding, row) for row in rows]

    async def funds(self) -> Funds:
        body = await self._lanes.read("funds", lambda dhan: dhan.get_fund_limits())
        return self._lanes.parsed(lambda row, _: parse.funds(row), body)

    async def _write(self, order_id: ClientOrderId, what: str, call: Call, *, urgent: bool) -> Any:
        def told(dhan: Any) -> Any:
            if self.on_hand_over is not None:
                self.on_hand_over(order_id, time.monotonic_ns())
            return call(dhan)

        return await self._lanes.write(what, told, urgent=urgent)

    def _update(self, body: bytes, on_report: Callable[[OrderReport], None]) -> None:
        try:
            message = {key.lower(): value for key, value in msgspec.json.decode(body, type=dict[str, Any]).items()}
            report = parse.stream_report(message, self._lookup)
        except (DataError, msgspec.DecodeError):
            self.refusals["bad order update"] = self.refusals.get("bad order update", 0) + 1
        else:
            on_report(report)
        self.updates_received += 1
        if self.on_update_count is not None:
            self.on_update_count(self.updates_received)


def _broker_id(order: Order) -> str:
    if not order.broker_id:
        raise RejectedByBroker(f"Dhan's id of order {order.id} is not known yet.", hint="Look it up first.")
    return str(order.broker_id)


def _confirmed(body: object, what: str) -> None:
    if not isinstance(body, dict) or not body.get("orderId"):
        raise OutcomeUnknown(f"Dhan, {what}: the answer does not name the order.")
