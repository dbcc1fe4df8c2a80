"""`UpstoxBroker`: the desk's orders, look-ups and order updates at Upstox, for the engine's runner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from saudagar.brokers import checks
from saudagar.brokers.governor import Governor, of_questions, of_writes
from saudagar.brokers.lane import Call
from saudagar.brokers.lanes import Lanes, believed, understood
from saudagar.brokers.order_desk import OrderDesk
from saudagar.brokers.supervisor import Stream, Watch
from saudagar.brokers.upstox import outcome, parse, words
from saudagar.brokers.upstox.account import UpstoxAccount
from saudagar.brokers.upstox.calls import Asked, Client, algo, via
from saudagar.brokers.upstox.capabilities import CAPABILITIES
from saudagar.brokers.upstox.lane import LIMITS, READS, Lane
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import (
    BrokerPosition,
    ClientOrderId,
    Funds,
    Holding,
    Instrument,
    Nanos,
    NewOrder,
    Order,
    OrderReport,
    OrderTerms,
    OrderType,
    TradeReport,
)
from saudagar.model.errors import BrokerError, DataError, RejectedByBroker

_V2 = "2.0"
_AUTOMATIC = -1.0


class UpstoxOrderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach Upstox's order desk.

    Attributes
    ----------
    token
        The day's access token (ends at 03:30 IST).
    rest_host, order_stream_url
        Other addresses, for a simulated exchange.
    timeout
        Seconds to connect and seconds to wait for a reply.
    protection
        Market protection of MARKET and SL-M orders: percent, above 0 and up to 25, or -1 for Upstox's own.
    algo_name
        The name of a registered algo; below ten orders a second none is needed.
    """

    token: str
    rest_host: str | None = None
    order_stream_url: str | None = None
    timeout: tuple[float, float] = (3.0, 7.0)
    protection: float = _AUTOMATIC
    algo_name: str = ""

    def __post_init__(self) -> None:
        if self.protection != _AUTOMATIC and not 0 < self.protection <= 25:
            raise DataError(f"Upstox's market protection is -1, or above 0 and up to 25, not {self.protection!r}.")

    def __repr__(self) -> str:
        return f"UpstoxOrderSettings(token='•••', rest_host={self.rest_host!r})"


class UpstoxBroker(OrderDesk[InstrumentLookup]):
    """The `ExecutionClient` over the official SDK; see `OrderDesk` for its attributes.

    Parameters
    ----------
    lookup
        Finds instruments by our id and by Upstox's key.
    watch
        The supervision of the order stream.
    clock
        The time of reports for which Upstox gives none (the reply to a placement); without it they carry 0.
    governor
        What holds writes back. By default Upstox's own limits; at another address, a simulated exchange, nothing: its
        seconds are not ours, and the engine counts them already.
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        settings: UpstoxOrderSettings,
        lookup: InstrumentLookup,
        *,
        watch: Watch | None = None,
        clock: Callable[[], Nanos] = lambda: 0,
        governor: Governor | None = None,
    ) -> None:
        self._settings = settings
        host = settings.rest_host
        self._client = Client(settings.token, host)
        given: dict[str, Any] = {"timeout": settings.timeout, "secrets": (settings.token,)}
        writes = Lane("upstox-writes", self._client, governor=governor or of_writes(host, LIMITS), **given)
        reads = Lane("upstox-reads", self._client, governor=of_questions(host, READS), **given)
        super().__init__(Lanes("Upstox", writes, reads, outcome.content, lookup), watch, clock)
        self._account = UpstoxAccount(self._lanes, algo(settings.algo_name), settings.protection, clock)

    @property
    def account(self) -> UpstoxAccount:
        """What else a person may ask; see `execution.account_ports.AccountClient`."""
        return self._account

    async def stop(self) -> None:
        await super().stop()
        await self._client.close()

    async def submit(self, order: NewOrder) -> OrderReport:
        """Place `order` with our id as Upstox's ``tag``."""
        self.capabilities.check(order)
        fields = self._fields(order)

        def place(api: Any, asked: Asked) -> Any:
            from upstox_client import PlaceOrderV3Request

            return api.place_order(PlaceOrderV3Request(**fields), **asked)

        data = await self._write(order.order_id, "order", self._order_call(place), urgent=order.purpose.reduces)
        with believed("Upstox, order"):
            return parse.reply_report(order, data, self._clock())

    async def modify(self, order: Order, terms: OrderTerms) -> None:
        """Set all of `terms`; the quantity is the total, filled part included."""
        number = self._number(order)
        fields = self._terms(self._lookup.get(order.new.instrument), terms)
        fields |= {"order_id": number, "validity": words.VALIDITY[order.new.validity]}
        del fields["disclosed_quantity"]  # documented as: if provided, not 0

        def modify(api: Any, asked: Asked) -> Any:
            from upstox_client import ModifyOrderRequest

            return api.modify_order(ModifyOrderRequest(**fields), **asked)

        data = await self._write(order.id, "modification", self._order_call(modify), urgent=order.new.purpose.reduces)
        self._lanes.confirmed(data, "order_id", "modification", number=number)

    async def cancel(self, order: Order) -> None:
        number = self._number(order)

        def cancel(api: Any, asked: Asked) -> Any:
            return api.cancel_order(number, **asked)

        data = await self._write(order.id, "cancellation", self._order_call(cancel), urgent=True)
        self._lanes.confirmed(data, "order_id", "cancellation", number=number)

    async def find(self, order_id: ClientOrderId) -> OrderReport | None:
        """The order by our id. A history by tag that Upstox refuses proves nothing: then the book is searched."""
        try:
            steps = await self._lanes.rows(
                "look-up", via("OrderApi", lambda api, asked: api.get_order_details(_V2, tag=order_id, **asked))
            )
        except RejectedByBroker:
            steps = []
        numbers = {str(row.get("order_id")) for row in steps if row.get("tag") == order_id}
        if not numbers:
            reports = [report for report in await self.orders() if report.order_id == order_id]
        else:
            reports = [
                self._lanes.parsed(parse.order_report, await self._details(number)) for number in sorted(numbers)
            ]
        if not reports:
            return None
        if len(reports) > 1 or reports[0].order_id != order_id:
            raise BrokerError(f"Upstox answered the look-up of {order_id} with {[r.order_id for r in reports]}.")
        return reports[0]

    async def trades_of(self, order: Order) -> tuple[TradeReport, ...]:
        number = self._number(order)
        rows = await self._lanes.rows(
            "trades", via("OrderApi", lambda api, asked: api.get_trades_by_order(number, _V2, **asked))
        )
        with understood():
            return parse.trades([row for row in rows if str(row.get("order_id", number)) == number], self._lookup)

    async def orders(self) -> list[OrderReport]:
        rows = await self._lanes.rows(
            "order book", via("OrderApi", lambda api, asked: api.get_order_book(_V2, **asked))
        )
        return self._book(rows, parse.order_report, "tag")

    async def positions(self) -> list[BrokerPosition]:
        """The day's positions, those on margin funding (MTF) among them."""
        rows = await self._lanes.rows(
            "positions", via("PortfolioApi", lambda api, asked: api.get_positions(_V2, **asked))
        )
        funded = await self._lanes.rows(
            "MTF positions", via("PortfolioApi", lambda api, asked: api.get_mtf_positions(**asked))
        )
        # whether the first list holds those of the second is documented nowhere: each counts once
        rows = [row for row in rows if row.get("product") != "MTF" or not funded] + funded
        return [self._lanes.parsed(parse.position, row) for row in rows]

    async def holdings(self) -> list[Holding]:
        return await self._lanes.each(
            "holdings", via("PortfolioApi", lambda api, asked: api.get_holdings(_V2, **asked)), parse.holding
        )

    async def funds(self) -> Funds:
        data = await self._lanes.read("funds", via("UserApi", lambda api, asked: api.get_user_fund_margin_v3(**asked)))
        return self._lanes.parsed(lambda row, _: parse.funds(row), data)

    # -- inside --------------------------------------------------------------------------------------------------

    def _take(self, token: str) -> tuple[str, ...]:
        self._settings = msgspec.structs.replace(self._settings, token=token)
        self._client.token = token
        return (token,)

    def _stream(self) -> Stream:
        settings = self._settings
        handed = {"token": settings.token, "url": settings.order_stream_url, "silence": self._watch.silence}
        return Stream(
            "upstox orders",
            "saudagar.brokers.upstox.portfolio",
            msgspec.json.encode(handed),
            on_data=self._update,
            on_status=self._status,
            watch=self._watch,
            secrets=(settings.token,),
        )

    def _report(self, body: bytes) -> OrderReport | None:
        message = msgspec.json.decode(body, type=dict[str, Any])
        told = message.get("update_type", "order") == "order"
        return parse.order_report(message, self._lookup) if told else None

    def _fields(self, order: NewOrder) -> dict[str, Any]:
        instrument = self._lookup.get(order.instrument)
        words.check_tradable(instrument, order.product)
        return self._terms(instrument, order.terms) | {
            "instrument_token": instrument.upstox_id,
            "transaction_type": order.side.value,
            "product": words.PRODUCT[order.product],
            "validity": words.VALIDITY[order.validity],
            "is_amo": order.after_market,
            "slice": False,  # the desk slices by itself: one order of ours is one of theirs
            "tag": order.order_id,
        }

    def _terms(self, instrument: Instrument, terms: OrderTerms) -> dict[str, Any]:
        """The changeable part as the SDK can send it."""
        kind = terms.order_type
        checks.taken_there(instrument, kind)
        quantity, price, trigger = checks.terms_of(terms)
        fields: dict[str, Any] = {
            "quantity": checks.in_lots(instrument, quantity),
            "order_type": words.ORDER_TYPE[kind],
            "price": checks.rupees(price),
            "trigger_price": checks.rupees(trigger),
            "disclosed_quantity": 0,
        }
        if kind in (OrderType.MARKET, OrderType.SL_M):
            fields["market_protection"] = self._settings.protection
        return fields

    def _order_call(self, call: Callable[[Any, Asked], Any]) -> Call:
        return via("OrderApiV3", call, algo(self._settings.algo_name))

    async def _details(self, number: str) -> Any:
        return await self._lanes.read(
            "look-up", via("OrderApi", lambda api, asked: api.get_order_status(order_id=number, **asked))
        )
