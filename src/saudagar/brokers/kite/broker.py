"""`KiteBroker`: the desk's orders, look-ups and order updates at Kite, for the engine's runner."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from saudagar.brokers.governor import Governor
from saudagar.brokers.kite import parse, request, words
from saudagar.brokers.kite.account import KiteAccount
from saudagar.brokers.kite.capabilities import CAPABILITIES
from saudagar.brokers.kite.client import LIMITS, KiteLookup, KiteSettings
from saudagar.brokers.kite.feed import KiteFeed, ticker_stream
from saudagar.brokers.kite.line import Line, list_of, parsed
from saudagar.brokers.lane import Call
from saudagar.brokers.supervisor import Stream, Watch
from saudagar.execution.ports import LinkState, LinkStatus
from saudagar.model import (
    BrokerOrderId,
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

LINK = "kite orders"

_BAD_UPDATE = "bad order update"


class KiteBroker:
    """The `ExecutionClient` over the official SDK.

    Kite cannot find an order by our id, its `tag`: `find` reads the whole book. Its answer to an order says that its
    order system has it; what the exchange says comes over the ticker's socket.

    Parameters
    ----------
    lookup
        Finds instruments by our id and by Kite's token.
    feed
        A feed of the same account that is yet to be started: order updates come over its first socket then, instead of
        one of their own. Kite allows three.
    watch
        The supervision of a socket of its own.
    clock
        The time of reports for which Kite gives none (the reply to a placement); without it they carry 0.
    governor
        What holds writes back. By default Kite's own limits; at another address, a simulated exchange, nothing: its
        seconds are not ours, and the engine counts them already.

    Attributes
    ----------
    updates_received
        Messages of type ``order`` on the stream's present connection.
    on_update_count
        Called with `updates_received` after each message has been passed on.
    on_hand_over
        Called in the writing thread just before the SDK is, with the order's id and `time.monotonic_ns()`.
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        settings: KiteSettings,
        lookup: KiteLookup,
        *,
        feed: KiteFeed | None = None,
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
        self._feed = feed
        self._watch = watch or Watch(stale=0)  # an account may rest for hours
        self._open: Callable[[], Stream] | None = None
        self._on_status: Callable[[LinkStatus], None] = lambda _: None
        self._variety: dict[BrokerOrderId, str] = {}
        if governor is None and settings.rest_url is None:
            governor = Governor(LIMITS)
        self._line = Line(settings, governor)
        self._account = KiteAccount(self._line, lookup, clock)

    @property
    def account(self) -> KiteAccount:
        """What else a person may ask of this account."""
        return self._account

    async def open(self) -> None:
        """Load the SDK; see `ExecutionClient.open`."""
        await self._line.open()

    async def start(self, on_report: Callable[[OrderReport], None], on_status: Callable[[LinkStatus], None]) -> None:
        """Load the SDK and connect the order stream; returns when the first attempt has come to an end.

        With a feed to share, the stream begins when that starts.
        """

        def status(link: LinkStatus) -> None:
            if link.state is LinkState.UP:
                self.updates_received = 0
            on_status(msgspec.structs.replace(link, link=LINK))

        def text(message: bytes) -> None:
            self._update(message, on_report)

        self._on_status = on_status
        opened = [self.open()]
        if self._feed is not None:
            self._feed.listen(text, status)
        else:
            self._open = lambda: ticker_stream(
                self._settings,
                LINK,
                [],
                orders=True,
                watch=self._watch,
                on_data=lambda body: text(body[1:]),
                on_status=status,
            )
            self.stream = self._open()
            opened.append(self.stream.start())
        await asyncio.gather(*opened)

    async def renew(self, token: str) -> None:
        """Go on with a new token; see `ExecutionClient.renew`. A shared feed must be renewed too."""
        self._settings = msgspec.structs.replace(self._settings, token=token)
        await self._line.renew(self._settings)
        await self.funds()  # a token that is refused must not open the desk
        if self.stream is not None and self._open is not None:
            await self.stream.stop()
            self.stream = self._open()
            await self.stream.start()
        self._on_status(LinkStatus(LinkState.UP, "orders"))

    async def stop(self) -> None:
        if self.stream is not None:
            await self.stream.stop()
        await self._line.close()

    async def submit(self, order: NewOrder) -> OrderReport:
        """Place `order` with our id as Kite's ``tag``."""
        self.capabilities.check(order)
        fields = request.order(order, self._lookup, self._settings.protection)
        body = await self._write(
            order.order_id, "order", lambda kite: kite.place_order(**fields), urgent=order.purpose.reduces
        )
        try:
            report = parse.reply_report(order, body, self._clock())
        except DataError as error:
            raise OutcomeUnknown(f"Kite, order: {error}") from None
        self._variety[report.broker_id] = fields["variety"]
        return report

    async def modify(self, order: Order, terms: OrderTerms) -> None:
        """Set all of `terms`; the quantity is the total, filled part included."""
        number = _broker_id(order)
        instrument = self._lookup.get(order.new.instrument)
        fields = request.terms(instrument, terms, self._settings.protection)
        fields |= {"validity": words.VALIDITY[order.new.validity]}
        variety = self._variety_of(order)
        body = await self._write(
            order.id,
            "modification",
            lambda kite: kite.modify_order(variety, number, **fields),
            urgent=order.new.purpose.reduces,
        )
        _confirmed(body, "modification")

    async def cancel(self, order: Order) -> None:
        number, variety = _broker_id(order), self._variety_of(order)
        body = await self._write(order.id, "cancellation", lambda kite: kite.cancel_order(variety, number), urgent=True)
        _confirmed(body, "cancellation")

    async def find(self, order_id: ClientOrderId) -> OrderReport | None:
        """The order whose tag is our id, from the whole book."""
        rows = [row for row in await self._book() if row.get("tag") == order_id]
        if not rows:
            return None
        if len(rows) > 1:
            raise BrokerError(f"Kite has {len(rows)} orders with our id {order_id}.")
        return parsed(parse.order_report, rows[0], self._lookup)

    async def trades_of(self, order: Order) -> tuple[TradeReport, ...]:
        number = _broker_id(order)
        rows = await self._line.rows("trades", lambda kite: kite.order_trades(number))
        try:
            return parse.trades([row for row in rows if str(row.get("order_id", number)) == number], self._lookup)
        except DataError as error:
            raise BrokerError(str(error)) from None

    async def orders(self) -> list[OrderReport]:
        return [parsed(parse.order_report, row, self._lookup) for row in await self._book()]

    async def positions(self) -> list[BrokerPosition]:
        body = await self._line.read("positions", lambda kite: kite.positions())
        net = body.get("net") if isinstance(body, dict) else None
        return [parsed(parse.position, row, self._lookup) for row in list_of(net, "positions")]

    async def holdings(self) -> list[Holding]:
        rows = await self._line.rows("holdings", lambda kite: kite.holdings())
        return [parsed(parse.holding, row, self._lookup) for row in rows]

    async def funds(self) -> Funds:
        body = await self._line.read("margins", lambda kite: kite.margins())
        return parsed(lambda row, _: parse.funds(row), body, self._lookup)

    def _variety_of(self, order: Order) -> str:
        """The door it came through; after a restart, as the book or the stream said."""
        usual = words.AMO if order.new.after_market else words.REGULAR
        return self._variety.get(order.broker_id, usual)

    async def _book(self) -> list[dict[str, Any]]:
        rows = await self._line.rows("order book", lambda kite: kite.orders())
        for row in rows:
            self._learn(row)
        return rows

    def _learn(self, row: dict[str, Any]) -> None:
        if row.get("order_id") and row.get("variety"):
            self._variety[BrokerOrderId(str(row["order_id"]))] = str(row["variety"])

    async def _write(self, order_id: ClientOrderId, what: str, call: Call, *, urgent: bool) -> Any:
        def told(kite: Any) -> Any:
            if self.on_hand_over is not None:
                self.on_hand_over(order_id, time.monotonic_ns())
            return call(kite)

        return await self._line.write(what, told, urgent=urgent)

    def _update(self, text: bytes, on_report: Callable[[OrderReport], None]) -> None:
        """Pass on one text message. A broken one counts as an order's: the exchange sent it as such."""
        try:
            message = msgspec.json.decode(text)
            if isinstance(message, dict) and message.get("type") != "order":
                return  # a notice, or an error that the socket's end will tell
            row = message["data"]
            self._learn(row)
            report = parse.order_report(row, self._lookup)
        except (DataError, msgspec.DecodeError, TypeError, KeyError, AttributeError):
            self.refusals[_BAD_UPDATE] = self.refusals.get(_BAD_UPDATE, 0) + 1
        else:
            on_report(report)
        self.updates_received += 1
        if self.on_update_count is not None:
            self.on_update_count(self.updates_received)


def _broker_id(order: Order) -> str:
    if not order.broker_id:
        raise RejectedByBroker(f"Kite's id of order {order.id} is not known yet.", hint="Look it up first.")
    return str(order.broker_id)


def _confirmed(body: object, what: str) -> None:
    if not isinstance(body, dict) or not body.get("order_id"):
        raise OutcomeUnknown(f"Kite, {what}: the answer does not name the order.")
