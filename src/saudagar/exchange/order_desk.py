"""The broker's own desk between a wire face and the exchange: which orders are its own, and what it refuses late.

A broker answers before its risk desk and the exchange do. What they refuse stands in the order book as REJECTED with
the reason, and goes out on the order stream; the exchange itself never saw it. All faces trade for one account, but
each shows only the orders that came in through it; one of them may take what no other claims.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_conditional import Conditionals
from saudagar.exchange.core_orders import ExchangeOrder, Refusal, Update, snapshot
from saudagar.market.ist import ist
from saudagar.model import Instrument, OrderStatus, OrderTerms, OrderType, Product, Side, Validity


def parts(quantity: int, freeze: int) -> list[int]:
    """`quantity` in orders of at most `freeze` units; 0 is no limit."""
    if not freeze:
        return [quantity]
    whole, rest = divmod(quantity, freeze)
    return [freeze] * whole + ([rest] if rest else [])


class OrderDesk:
    """The orders of one face.

    Parameters
    ----------
    name
        The face's, e.g. ``dhan``: conditional orders whose kind begins so are its own.
    mark
        A digit that keeps its rejected orders' ids apart from other faces'.
    foreign
        Whether another face claims an order; None if this face shows only what it took itself.
    """

    def __init__(
        self,
        core: MatchingCore,
        conditionals: Conditionals,
        *,
        name: str,
        mark: str,
        foreign: Callable[[str], bool] | None = None,
    ) -> None:
        self._core = core
        self._conditionals = conditionals
        self._name = name
        self._mark = mark
        self._foreign = foreign
        self._own: set[str] = set()
        self._rejected: dict[str, ExchangeOrder] = {}
        self._late: list[Update] = []

    def place(self, instrument: Instrument, late: Collection[str], **order: Any) -> ExchangeOrder:
        """Place an order; a refusal whose code is in `late` becomes a rejected order in the book.

        Raises
        ------
        Refusal
            For every other code; nothing was done.
        """
        try:
            placed = self._core.place(instrument=instrument.id, **order)
        except Refusal as refusal:
            if refusal.code not in late:
                raise
            placed = self._reject(
                ExchangeOrder(exchange_id="", instrument=instrument, status=OrderStatus.REJECTED, **order), refusal
            )
        self._own.add(placed.exchange_id)
        return placed

    def square_off(self, instrument: Instrument, side: Side, quantity: int) -> None:
        """The broker's own market orders against an intraday position; what is refused is not tried again."""
        for part in parts(quantity, instrument.freeze_quantity):
            terms = OrderTerms(quantity=part, order_type=OrderType.MARKET)
            with suppress(Refusal):
                self.place(
                    instrument, (), tag="", side=side, terms=terms, product=Product.INTRADAY, validity=Validity.DAY
                )

    def owns(self, exchange_id: str) -> bool:
        """Whether this face took the order, or fired it."""
        if self._foreign is not None:
            return not self._foreign(exchange_id)
        if exchange_id in self._own:
            return True
        fired = self._conditionals.placed.get(exchange_id)
        return fired is not None and fired.kind.startswith(self._name)

    def orders(self) -> list[ExchangeOrder]:
        """The face's whole book, oldest first."""
        own = [order for order in self._core.orders.values() if self.owns(order.exchange_id)]
        return sorted([*own, *self._rejected.values()], key=lambda order: order.created)

    def find(self, exchange_id: str) -> ExchangeOrder | None:
        order = self._core.orders.get(exchange_id)
        if order is not None:
            return order if self.owns(exchange_id) else None
        return self._rejected.get(exchange_id)

    def working(self, exchange_id: str) -> str:
        """`exchange_id`, if it is here. Raises `Refusal`: ``order``, or ``state`` for a rejected one."""
        if exchange_id in self._rejected:
            raise Refusal("state", f"order {exchange_id} is {OrderStatus.REJECTED} and cannot be changed.")
        if self.find(exchange_id) is None:
            raise Refusal("order", f"no such order: {exchange_id!r}.")
        return exchange_id

    def by_tag(self, tag: str) -> list[ExchangeOrder]:
        """The orders placed with `tag`, oldest first."""
        return [order for order in self.orders() if order.tag == tag]

    def drain(self) -> list[Update]:
        """Every update since the last call, the late rejections last."""
        late, self._late = self._late, []
        return [*self._core.drain(), *late]

    def _reject(self, order: ExchangeOrder, refusal: Refusal) -> ExchangeOrder:
        now = self._core.now
        order.exchange_id = f"{ist(now):%y%m%d}{self._mark}{len(self._rejected) + 1:06d}"
        order.reason = f"RMS:{order.exchange_id}:{refusal.message}"
        order.created = order.updated = now
        self._rejected[order.exchange_id] = order
        self._late.append(snapshot(order))
        return order
