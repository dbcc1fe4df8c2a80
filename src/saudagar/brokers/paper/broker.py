"""`PaperBroker`: orders against the matching core, in process.

The same rules as the simulated exchange behind the wire, because it is the same core: order types, ticks, bands,
freeze, sessions, depth, partial fills. What it cannot show is what a wire does; for that there is the exchange
process. Fed with every frame before the engine sees it (`on_frame`), so that resting orders trade at the prices of
the moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from saudagar.brokers.paper.account import PaperAccount
from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_account import shares_sold
from saudagar.exchange.core_orders import ExchangeOrder, Refusal, Update
from saudagar.execution.ports import Capabilities, LinkState, LinkStatus
from saudagar.model import (
    BrokerOrderId,
    BrokerPosition,
    ClientOrderId,
    ConditionalKind,
    Funds,
    Holding,
    InstrumentId,
    Nanos,
    NewOrder,
    Order,
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Tick,
    TradeReport,
)
from saudagar.model.errors import RejectedByBroker


class PaperBroker:
    """An `ExecutionClient` over a `MatchingCore`."""

    capabilities = Capabilities(
        name="paper",
        order_types=frozenset(OrderType),
        products=frozenset(Product),
        conditional=frozenset(ConditionalKind),
        exit_all=True,
    )

    def __init__(self, core: MatchingCore) -> None:
        self.account = PaperAccount(core, self._tell)
        self._core = core
        self._on_report: Callable[[OrderReport], None] = lambda _: None
        self._earlier: dict[ClientOrderId, OrderReport] = {}
        self._carried: dict[tuple[InstrumentId, Product], int] = {}

    def restore(self, orders: Iterable[Order]) -> None:
        """Take over what earlier runs traded on paper, today or before.

        Their fills stand, and shares bought for delivery may be sold. What still worked is gone with that process and
        is reported as cancelled; the desk then sets its stops anew.
        """
        for order in orders:
            key = (order.new.instrument, order.new.product)
            self._carried[key] = self._carried.get(key, 0) + order.new.side.sign * order.filled
            self._earlier[order.id] = OrderReport(
                order_id=order.id,
                status=OrderStatus.CANCELLED if order.working else order.status,
                ts=order.last_change,
                broker_id=order.broker_id,
                filled=order.filled,
                average_price=order.value / order.filled if order.filled else 0.0,
                terms=order.terms,
                reason="the paper exchange was restarted" if order.working else order.reason,
                instrument=order.new.instrument,
                side=order.new.side,
                product=order.new.product,
            )
        account = self._core.account("")
        account.funded.update(
            {name: units for (name, product), units in self._carried.items() if product is Product.MTF}
        )
        shares = account.holdings
        for key in [key for key, quantity in self._carried.items() if key[1] is Product.DELIVERY and quantity > 0]:
            shares[key[0]] = shares.get(key[0], 0) + self._carried.pop(key)

    async def open(self) -> None:
        """Always open."""

    async def start(self, on_report: Callable[[OrderReport], None], on_status: Callable[[LinkStatus], None]) -> None:
        self._on_report = on_report
        on_status(LinkStatus(LinkState.UP, "paper"))

    async def renew(self, token: str) -> None:
        """Paper knows no tokens."""

    async def stop(self) -> None:
        """Nothing runs by itself."""

    def on_market(self, ts: Nanos, ticks: Sequence[Tick]) -> None:
        """Let the market move; what trades is reported at once."""
        for update in self._core.advance(ts, ticks):
            self._on_report(report_of(update))
        for update in self.account.on_market(ticks):
            self._on_report(report_of(update))

    async def submit(self, order: NewOrder) -> OrderReport:
        self.capabilities.check(order)
        try:
            placed = self._core.place(
                tag=order.order_id,
                instrument=order.instrument,
                side=order.side,
                terms=order.terms,
                product=order.product,
                validity=order.validity,
                after_market=order.after_market,
            )
        except Refusal as refusal:
            raise RejectedByBroker(refusal.message, code=refusal.code) from None
        self._tell()
        return OrderReport(
            order_id=order.order_id,
            status=OrderStatus.PENDING,
            ts=self._core.now,
            broker_id=BrokerOrderId(placed.exchange_id),
        )

    async def modify(self, order: Order, terms: OrderTerms) -> None:
        try:
            self._core.modify(order.broker_id, terms)
        except Refusal as refusal:
            raise RejectedByBroker(refusal.message, code=refusal.code) from None
        self._tell()

    async def cancel(self, order: Order) -> None:
        try:
            self._core.cancel(order.broker_id)
        except Refusal as refusal:
            raise RejectedByBroker(refusal.message, code=refusal.code) from None
        self._tell()

    async def find(self, order_id: ClientOrderId) -> OrderReport | None:
        found = self._core.by_tag(order_id)
        return self._earlier.get(order_id) if found is None else _report(found)

    async def trades_of(self, order: Order) -> tuple[TradeReport, ...]:
        found = self._core.by_tag(order.id)
        return () if found is None else _trades(found)

    async def orders(self) -> list[OrderReport]:
        return [*self._earlier.values(), *(_report(order) for order in self._core.orders.values())]

    async def positions(self) -> list[BrokerPosition]:
        earlier = [
            BrokerPosition(instrument=instrument, product=product, quantity=quantity)
            for (instrument, product), quantity in self._carried.items()
        ]
        return earlier + [
            BrokerPosition(
                instrument=instrument.id,
                product=product,
                quantity=bought - sold,
                buy_quantity=bought,
                buy_value=buy_value,
                sell_quantity=sold,
                sell_value=sell_value,
            )
            for instrument, product, bought, buy_value, sold, sell_value in self._core.positions()
        ]

    async def holdings(self) -> list[Holding]:
        """What earlier runs bought for delivery, those of today too. Paper does not know what it was paid for."""
        sold = shares_sold(self._core.positions())
        return [
            Holding(instrument=name, quantity=quantity, sellable=quantity - sold.get(name, 0), average_price=0)
            for name, quantity in self._core.account("").holdings.items()
        ]

    async def funds(self) -> Funds:
        return self._core.funds()

    def _tell(self) -> None:
        for update in self._core.drain():
            self._on_report(report_of(update))


def report_of(update: Update) -> OrderReport:
    """One update of the core as a broker's report."""
    return OrderReport(
        order_id=ClientOrderId(update.tag),
        status=update.status,
        ts=update.ts,
        broker_id=BrokerOrderId(update.exchange_id),
        filled=update.filled,
        last_price=update.trade.price if update.trade else 0,
        average_price=update.average_price,
        terms=update.terms,
        reason=update.reason if update.status.terminal else "",
        instrument=update.instrument.id,
        side=update.side,
        product=update.product,
    )


def _report(order: ExchangeOrder) -> OrderReport:
    return OrderReport(
        order_id=ClientOrderId(order.tag),
        status=order.status,
        ts=order.updated,
        broker_id=BrokerOrderId(order.exchange_id),
        filled=order.filled,
        average_price=order.average_price,
        trades=_trades(order),
        terms=order.terms,
        reason=order.reason if order.status.terminal else "",
        instrument=order.instrument.id,
        side=order.side,
        product=order.product,
    )


def _trades(order: ExchangeOrder) -> tuple[TradeReport, ...]:
    return tuple(TradeReport(t.trade_id, t.quantity, t.price, t.ts) for t in order.trades)
