"""`KiteBroker`: the desk's orders, look-ups and order updates at Kite, for the engine's runner."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from saudagar.brokers.fields import Row, part, text
from saudagar.brokers.governor import Governor, of_questions, of_writes
from saudagar.brokers.kite import outcome, parse, request, words
from saudagar.brokers.kite.account import KiteAccount
from saudagar.brokers.kite.capabilities import CAPABILITIES
from saudagar.brokers.kite.client import LIMITS, READS, KiteLookup, KiteSettings, connect
from saudagar.brokers.kite.feed import KiteFeed, ticker_stream
from saudagar.brokers.lane import Lane
from saudagar.brokers.lanes import Lanes, believed, understood
from saudagar.brokers.order_desk import OnReport, OnStatus, OrderDesk
from saudagar.brokers.supervisor import Stream, Watch
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
from saudagar.model.errors import BrokerError

LINK = "kite orders"


class KiteBroker(OrderDesk[KiteLookup]):
    """The `ExecutionClient` over the official SDK; see `OrderDesk` for its attributes.

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
        self._settings, self._feed = settings, feed
        self._variety: dict[BrokerOrderId, str] = {}
        url, secrets = settings.rest_url, (settings.token, settings.api_key)
        governor = governor or of_writes(url, LIMITS)
        writes = Lane("kite-writes", lambda: connect(self._settings), secrets=secrets, governor=governor)
        asking = of_questions(url, READS)
        reads = Lane("kite-reads", lambda: connect(self._settings), secrets=secrets, governor=asking)
        super().__init__(Lanes("Kite", writes, reads, outcome.content, lookup), watch, clock)
        self._account = KiteAccount(self._lanes, clock)

    @property
    def account(self) -> KiteAccount:
        """What else a person may ask of this account."""
        return self._account

    async def start(self, on_report: OnReport, on_status: OnStatus) -> None:
        """See `OrderDesk.start`. With a feed to share, the stream begins when that starts."""
        if self._feed is None:
            await super().start(on_report, on_status)
            return
        self._told = (on_report, on_status)
        self._feed.listen(self._text, lambda link: self._status(msgspec.structs.replace(link, link=LINK)))
        await self.open()

    async def submit(self, order: NewOrder) -> OrderReport:
        """Place `order` with our id as Kite's ``tag``."""
        self.capabilities.check(order)
        fields = request.order(order, self._lookup, self._settings.protection)
        body = await self._write(
            order.order_id, "order", lambda kite: kite.place_order(**fields), urgent=order.purpose.reduces
        )
        with believed("Kite, order"):
            report = parse.reply_report(order, body, self._clock())
        self._variety[report.broker_id] = fields["variety"]
        return report

    async def modify(self, order: Order, terms: OrderTerms) -> None:
        """Set all of `terms`; the quantity is the total, filled part included."""
        number = self._number(order)
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
        self._lanes.confirmed(body, "order_id", "modification", number=number)

    async def cancel(self, order: Order) -> None:
        number, variety = self._number(order), self._variety_of(order)
        body = await self._write(order.id, "cancellation", lambda kite: kite.cancel_order(variety, number), urgent=True)
        self._lanes.confirmed(body, "order_id", "cancellation", number=number)

    async def find(self, order_id: ClientOrderId) -> OrderReport | None:
        """The order whose tag is our id, from the whole book."""
        rows = [row for row in await self._rows() if row.get("tag") == order_id]
        if not rows:
            return None
        if len(rows) > 1:
            raise BrokerError(f"Kite has {len(rows)} orders with our id {order_id}.")
        return self._lanes.parsed(parse.order_report, rows[0])

    async def trades_of(self, order: Order) -> tuple[TradeReport, ...]:
        number = self._number(order)
        rows = await self._lanes.rows("trades", lambda kite: kite.order_trades(number))
        with understood():
            return parse.trades([row for row in rows if str(row.get("order_id", number)) == number], self._lookup)

    async def orders(self) -> list[OrderReport]:
        return self._book(await self._rows(), parse.order_report, "tag")

    async def positions(self) -> list[BrokerPosition]:
        body = await self._lanes.read("positions", lambda kite: kite.positions())
        net = body.get("net") if isinstance(body, dict) else None
        return [self._lanes.parsed(parse.position, row) for row in self._lanes.listed(net, "positions")]

    async def holdings(self) -> list[Holding]:
        return await self._lanes.each("holdings", lambda kite: kite.holdings(), parse.holding)

    async def funds(self) -> Funds:
        body = await self._lanes.read("margins", lambda kite: kite.margins())
        return self._lanes.parsed(lambda row, _: parse.funds(row), body)

    def _variety_of(self, order: Order) -> str:
        """The door for its changes; after a restart, as the book or the stream said."""
        usual = words.AMO if order.new.after_market else words.REGULAR
        return self._variety.get(order.broker_id, usual)

    async def _rows(self) -> list[dict[str, Any]]:
        rows = await self._lanes.rows("order book", lambda kite: kite.orders())
        for row in rows:
            self._learn(row)
        return rows

    def _learn(self, row: Row) -> None:
        if row.get("order_id") and row.get("variety"):
            sent = text(row.get("status")).upper() not in words.NOT_SENT_YET
            door = words.REGULAR if row["variety"] == words.AMO and sent else str(row["variety"])
            self._variety[BrokerOrderId(str(row["order_id"]))] = door

    def _take(self, token: str) -> tuple[str, ...]:
        self._settings = msgspec.structs.replace(self._settings, token=token)
        return token, self._settings.api_key

    def _stream(self) -> Stream:
        return ticker_stream(
            self._settings,
            LINK,
            [],
            orders=True,
            watch=self._watch,
            on_data=lambda body: self._text(body[1:]),
            on_status=self._status,
        )

    def _text(self, message: bytes) -> None:
        """Pass on one text message. A broken one counts as an order's: the exchange sent it as such."""
        with suppress(msgspec.DecodeError):
            if msgspec.json.decode(message, type=_Headed).type != "order":
                return  # a notice, or an error that the socket's end will tell
        self._update(message)

    def _report(self, body: bytes) -> OrderReport:
        row = part(msgspec.json.decode(body, type=dict[str, Any]), "data")
        self._learn(row)
        return parse.order_report(row, self._lookup)


class _Headed(msgspec.Struct):
    """What a text message of the ticker is about."""

    type: object = None
