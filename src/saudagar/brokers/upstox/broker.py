"""`UpstoxBroker`: the desk's orders, look-ups and order updates at Upstox, for the engine's runner."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from saudagar.brokers import checks
from saudagar.brokers.governor import Governor
from saudagar.brokers.supervisor import Stream, Watch
from saudagar.brokers.upstox import parse, words
from saudagar.brokers.upstox.account import UpstoxAccount
from saudagar.brokers.upstox.calls import Asked, Client, Reads, Writes
from saudagar.brokers.upstox.capabilities import CAPABILITIES
from saudagar.brokers.upstox.lane import LIMITS, Lane
from saudagar.execution.ports import InstrumentLookup, LinkState, LinkStatus
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
from saudagar.model.errors import BrokerError, DataError, OutcomeUnknown, RejectedByBroker

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


class UpstoxBroker:
    """The `ExecutionClient` over the official SDK.

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
        settings: UpstoxOrderSettings,
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
        self._settings, self._lookup, self._clock = settings, lookup, clock
        self._watch = watch or Watch(stale=0)  # an account may rest for hours
        self._told: tuple[Callable[[OrderReport], None], Callable[[LinkStatus], None]] | None = None
        if governor is None and settings.rest_host is None:
            governor = Governor(LIMITS)
        self._client = Client(settings.token, settings.rest_host)
        given: dict[str, Any] = {"timeout": settings.timeout, "secrets": (settings.token,)}
        lane = Lane("upstox-writes", self._client, governor=governor, **given)
        self._writes = Writes(lane, settings.algo_name)
        self._reads = Reads(Lane("upstox-reads", self._client, **given), lookup)
        self._account = UpstoxAccount(self._reads, self._writes, lookup, protection=settings.protection, clock=clock)

    @property
    def account(self) -> UpstoxAccount:
        """What else a person may ask; see `execution.account_ports.AccountClient`."""
        return self._account

    async def open(self) -> None:
        """Load the SDK; see `ExecutionClient.open`."""
        await asyncio.gather(self._writes.lane.open(), self._reads.lane.open())

    async def start(self, on_report: Callable[[OrderReport], None], on_status: Callable[[LinkStatus], None]) -> None:
        """Load the SDK and connect the order stream; returns when the first attempt has come to an end."""
        self._told = (on_report, on_status)
        self.stream = self._stream(on_report, on_status)
        await asyncio.gather(self.open(), self.stream.start())

    async def renew(self, token: str) -> None:
        """Go on with a new token; see `ExecutionClient.renew`."""
        self._settings = msgspec.structs.replace(self._settings, token=token)
        self._client.token = token
        await self._writes.lane.renew(token)
        await self._reads.lane.renew(token)
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
        await self._writes.lane.close()
        await self._reads.lane.close()
        await self._client.close()

    async def submit(self, order: NewOrder) -> OrderReport:
        """Place `order` with our id as Upstox's ``tag``."""
        self.capabilities.check(order)
        fields = self._fields(order)

        def place(api: Any, asked: Asked) -> Any:
            from upstox_client import PlaceOrderV3Request

            return api.place_order(PlaceOrderV3Request(**fields), **asked)

        data = await self._write(order.order_id, "order", place, urgent=order.purpose.reduces)
        try:
            return parse.reply_report(order, data, self._clock())
        except DataError as error:
            raise OutcomeUnknown(f"Upstox, order: {error}.") from None

    async def modify(self, order: Order, terms: OrderTerms) -> None:
        """Set all of `terms`; the quantity is the total, filled part included."""
        number = _broker_id(order)
        fields = self._terms(self._lookup.get(order.new.instrument), terms)
        fields |= {"order_id": number, "validity": words.VALIDITY[order.new.validity]}

        def modify(api: Any, asked: Asked) -> Any:
            from upstox_client import ModifyOrderRequest

            return api.modify_order(ModifyOrderRequest(**fields), **asked)

        data = await self._write(order.id, "modification", modify, urgent=order.new.purpose.reduces)
        _confirmed(data, number, "modification")

    async def cancel(self, order: Order) -> None:
        number = _broker_id(order)

        def cancel(api: Any, asked: Asked) -> Any:
            return api.cancel_order(number, **asked)

        data = await self._write(order.id, "cancellation", cancel, urgent=True)
        _confirmed(data, number, "cancellation")

    async def find(self, order_id: ClientOrderId) -> OrderReport | None:
        """The order by our id. A history by tag that Upstox refuses proves nothing: then the book is searched."""
        try:
            steps = await self._reads.rows(
                "look-up", lambda api, asked: api.get_order_details(_V2, tag=order_id, **asked)
            )
        except RejectedByBroker:
            steps = []
        numbers = {str(row.get("order_id")) for row in steps if row.get("tag") == order_id}
        if not numbers:
            reports = [report for report in await self.orders() if report.order_id == order_id]
        else:
            reports = [
                self._reads.parsed(parse.order_report, await self._details(number)) for number in sorted(numbers)
            ]
        if not reports:
            return None
        if len(reports) > 1 or reports[0].order_id != order_id:
            raise BrokerError(f"Upstox answered the look-up of {order_id} with {[r.order_id for r in reports]}.")
        return reports[0]

    async def trades_of(self, order: Order) -> tuple[TradeReport, ...]:
        number = _broker_id(order)
        rows = await self._reads.rows("trades", lambda api, asked: api.get_trades_by_order(number, _V2, **asked))
        try:
            return parse.trades([row for row in rows if str(row.get("order_id", number)) == number], self._lookup)
        except DataError as error:
            raise BrokerError(str(error)) from None

    async def orders(self) -> list[OrderReport]:
        rows = await self._reads.rows("order book", lambda api, asked: api.get_order_book(_V2, **asked))
        return [self._reads.parsed(parse.order_report, row) for row in rows]

    async def positions(self) -> list[BrokerPosition]:
        """The day's positions, those on margin funding (MTF) among them."""
        rows = await self._reads.rows("positions", lambda api, asked: api.get_positions(_V2, **asked), "PortfolioApi")
        rows += await self._reads.rows(
            "MTF positions", lambda api, asked: api.get_mtf_positions(**asked), "PortfolioApi"
        )
        return [self._reads.parsed(parse.position, row) for row in rows]

    async def holdings(self) -> list[Holding]:
        rows = await self._reads.rows("holdings", lambda api, asked: api.get_holdings(_V2, **asked), "PortfolioApi")
        return [self._reads.parsed(parse.holding, row) for row in rows]

    async def funds(self) -> Funds:
        data = await self._reads.data("funds", lambda api, asked: api.get_user_fund_margin_v3(**asked), "UserApi")
        return self._reads.parsed(lambda row, _: parse.funds(row), data)

    # -- inside --------------------------------------------------------------------------------------------------

    def _stream(self, on_report: Callable[[OrderReport], None], on_status: Callable[[LinkStatus], None]) -> Stream:
        settings = self._settings

        def status(link: LinkStatus) -> None:
            if link.state is LinkState.UP:
                self.updates_received = 0
            on_status(link)

        handed = {"token": settings.token, "url": settings.order_stream_url, "silence": self._watch.silence}
        return Stream(
            "upstox orders",
            "saudagar.brokers.upstox.portfolio",
            msgspec.json.encode(handed),
            on_data=lambda body: self._update(body, on_report),
            on_status=status,
            watch=self._watch,
            secrets=(settings.token,),
        )

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

    async def _write(
        self, order_id: ClientOrderId, request: str, call: Callable[[Any, Asked], Any], *, urgent: bool
    ) -> Any:
        def told() -> None:
            if self.on_hand_over is not None:
                self.on_hand_over(order_id, time.monotonic_ns())

        return await self._writes.ask(request, call, urgent=urgent, before=told)

    async def _details(self, number: str) -> Any:
        return await self._reads.data("look-up", lambda api, asked: api.get_order_status(order_id=number, **asked))

    def _update(self, body: bytes, on_report: Callable[[OrderReport], None]) -> None:
        try:
            message = msgspec.json.decode(body, type=dict[str, Any])
            if message.get("update_type", "order") == "order":
                on_report(parse.order_report(message, self._lookup))
        except (DataError, msgspec.DecodeError):
            self.refusals["bad order update"] = self.refusals.get("bad order update", 0) + 1
        self.updates_received += 1
        if self.on_update_count is not None:
            self.on_update_count(self.updates_received)


def _broker_id(order: Order) -> str:
    if not order.broker_id:
        raise RejectedByBroker(f"Upstox's id of order {order.id} is not known yet.", hint="Look it up first.")
    return str(order.broker_id)


def _confirmed(data: object, number: str, request: str) -> None:
    if not isinstance(data, dict) or str(data.get("order_id")) != number:
        raise OutcomeUnknown(f"Upstox, {request}: the answer does not name the order.")
