"""`DhanBroker`: the desk's orders, look-ups and order updates at Dhan, for the engine's runner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from saudagar.brokers.dhan import outcome, parse, request, words
from saudagar.brokers.dhan.account import DhanAccount
from saudagar.brokers.dhan.capabilities import CAPABILITIES
from saudagar.brokers.dhan.client import LIMITS, READS, DhanSettings, connect
from saudagar.brokers.governor import Governor, of_questions, of_writes
from saudagar.brokers.lane import Lane
from saudagar.brokers.lanes import Lanes, believed, understood
from saudagar.brokers.order_desk import OrderDesk
from saudagar.brokers.supervisor import Stream, Watch
from saudagar.execution.ports import InstrumentLookup
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
from saudagar.model.errors import BrokerError

_NO_HOLDINGS = "DH-1111"  # an empty demat account is answered with an error
_LEG = "ENTRY_LEG"  # of an ordinary order; an empty text is refused

__all__ = ["DhanBroker", "DhanSettings"]


class DhanBroker(OrderDesk[InstrumentLookup]):
    """The `ExecutionClient` over the official SDK; see `OrderDesk` for its attributes.

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
        self._settings = settings
        url = settings.rest_url

        def client() -> tuple[Any, Any, str]:
            now = self._settings
            return connect(now.client_id, now.token, now.rest_url, now.timeout)

        secrets = (settings.token,)
        writes = Lane("dhan-writes", client, secrets=secrets, governor=governor or of_writes(url, LIMITS))
        reads = Lane("dhan-reads", client, secrets=secrets, governor=of_questions(url, READS))
        super().__init__(Lanes("Dhan", writes, reads, outcome.content, lookup), watch, clock)
        self._account = DhanAccount(self._lanes, clock)

    @property
    def account(self) -> DhanAccount:
        """What else a person may ask of this account; see `ExecutionClient.account`."""
        return self._account

    async def submit(self, order: NewOrder) -> OrderReport:
        """Place `order` with our id as Dhan's ``correlationId``."""
        self.capabilities.check(order)
        fields = request.order(order, self._lookup)
        body = await self._write(
            order.order_id, "order", lambda dhan: dhan.place_order(**fields), urgent=order.purpose.reduces
        )
        with believed("Dhan, order"):
            return parse.reply_report(order, body, self._clock())

    async def modify(self, order: Order, terms: OrderTerms) -> None:
        """Set all of `terms`; the quantity is the total, filled part included."""
        number = self._number(order)
        quantity, price, trigger = request.terms(self._lookup.get(order.new.instrument), terms)
        kind, validity = words.ORDER_TYPE[terms.order_type], words.VALIDITY[order.new.validity]
        body = await self._write(
            order.id,
            "modification",
            lambda dhan: dhan.modify_order(number, kind, _LEG, quantity, price, trigger, 0, validity),
            urgent=order.new.purpose.reduces,
        )
        self._lanes.confirmed(body, "orderId", "modification", number=number)

    async def cancel(self, order: Order) -> None:
        number = self._number(order)
        body = await self._write(order.id, "cancellation", lambda dhan: dhan.cancel_order(number), urgent=True)
        self._lanes.confirmed(body, "orderId", "cancellation", number=number)

    async def find(self, order_id: ClientOrderId) -> OrderReport | None:
        """The order by our id. That Dhan cannot find it proves little: its book must not have it either.

        Dhan also has none while an order is still on its way inside: ask again later.
        """
        try:
            body = await self._lanes.read("look-up", lambda dhan: dhan.get_order_by_correlationID(order_id))
        except BrokerError as error:
            if not outcome.no_such_order(error):
                raise
            body = []
        rows = body if isinstance(body, list) else [body]
        if not rows:
            book = await self._lanes.rows("order book", lambda dhan: dhan.get_order_list())
            rows = [row for row in book if row.get("correlationId") == order_id]
        reports = [self._lanes.parsed(parse.book_report, row) for row in rows]
        if not reports:
            return None
        if len(reports) > 1 or reports[0].order_id != order_id:
            raise BrokerError(f"Dhan answered the look-up of {order_id} with {[r.order_id for r in reports]}.")
        return reports[0]

    async def trades_of(self, order: Order) -> tuple[TradeReport, ...]:
        """See `ExecutionClient.trades_of`. Dhan's documentation has a single trade as an object, not a list."""
        number = self._number(order)
        body = await self._lanes.read("trades", lambda dhan: dhan.get_trade_book(number))
        rows = self._lanes.listed([body] if isinstance(body, dict) else body, "trades")
        with understood():
            return parse.trades([row for row in rows if str(row.get("orderId", number)) == number], self._lookup)

    async def orders(self) -> list[OrderReport]:
        rows = await self._lanes.rows("order book", lambda dhan: dhan.get_order_list())
        return self._book(rows, parse.book_report, "correlationId")

    async def positions(self) -> list[BrokerPosition]:
        return await self._lanes.each("positions", lambda dhan: dhan.get_positions(), parse.position)

    async def holdings(self) -> list[Holding]:
        try:
            return await self._lanes.each("holdings", lambda dhan: dhan.get_holdings(), parse.holding)
        except BrokerError as error:
            if error.code == _NO_HOLDINGS:
                return []
            raise

    async def funds(self) -> Funds:
        body = await self._lanes.read("funds", lambda dhan: dhan.get_fund_limits())
        return self._lanes.parsed(lambda row, _: parse.funds(row), body)

    def _take(self, token: str) -> tuple[str, ...]:
        self._settings = msgspec.structs.replace(self._settings, token=token)
        return (token,)

    def _stream(self) -> Stream:
        settings = self._settings
        handed = {"client_id": settings.client_id, "token": settings.token, "url": settings.order_feed_url}
        return Stream(
            "dhan orders",
            "saudagar.brokers.dhan.stream",
            msgspec.json.encode(handed | {"silence": self._watch.silence}),
            on_data=self._update,
            on_status=self._status,
            watch=self._watch,
            secrets=(settings.token,),
        )

    def _report(self, body: bytes) -> OrderReport:
        message = msgspec.json.decode(body, type=dict[str, Any])
        return parse.stream_report({key.lower(): value for key, value in message.items()}, self._lookup)
