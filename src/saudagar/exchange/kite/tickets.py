"""Kite's own record of an order: what the member sent, and the log of its life that `order_history` shows.

The exchange knows an order's terms and fills; variety, tags, market protection and the steps between the words are
Kite's. `orders` makes tickets, the order stream writes their log.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from saudagar.exchange.core_orders import ExchangeOrder, Update, snapshot
from saudagar.exchange.kite import words
from saudagar.model import OrderStatus, OrderType, Paise

_NOT_ENTERED = (OrderStatus.PENDING, OrderStatus.CANCELLED, OrderStatus.REJECTED)


class Iceberg(msgspec.Struct, frozen=True, kw_only=True):
    """Which leg of an iceberg an order is; quantities in units."""

    leg: int
    legs: int
    leg_quantity: int
    total: int

    @property
    def remaining(self) -> int:
        """Of later legs."""
        return max(self.total - self.leg * self.leg_quantity, 0)


class Ticket(msgspec.Struct, kw_only=True, eq=False):
    """One order at Kite.

    `order` is the exchange's own, alive; for an order that Kite's risk desk refused it is a copy nobody trades.
    """

    order: ExchangeOrder
    variety: str
    asked: OrderType
    tags: list[str] = []
    protection: float = 0.0  # percent, -1 is automatic, 0 is none
    disclosed: int = 0  # units
    ttl: int = 0  # minutes; 0 is no TTL order
    parent: str = ""  # the order that this one follows
    iceberg: Iceberg | None = None
    stop: Paise = 0  # trigger of the stop that follows a cover order
    raw_reason: str = ""  # the risk desk's own words
    modifications: int = 0
    entered: bool = False  # the exchange has had it
    coming: tuple[str, ...] = ()  # steps that go before the next change
    steps: list[tuple[str, Update]] = []

    @property
    def order_id(self) -> str:
        return self.order.exchange_id

    @property
    def door(self) -> str:
        """The variety that changes of it must name: once it is at the exchange, an after-hours order is a regular one.

        What the book says stays as it was (kite.trade/forum 40302).
        """
        return words.REGULAR if self.variety == words.AMO and self.entered else self.variety

    def word(self, status: OrderStatus) -> str:
        """The book's word for `status` of this order."""
        if self.order.after_market and not self.entered:
            if status is OrderStatus.PENDING:
                return words.AMO_RECEIVED
            if status is OrderStatus.CANCELLED:
                return words.AMO_CANCELLED
        return words.STATUS[status]

    def record(self, update: Update) -> str:
        """Write a change into the log; return the word that the order stream uses for it."""
        if not self.steps:
            status = update.status
            rejected, amo = status is OrderStatus.REJECTED, self.order.after_market
            self.coming = words.BEFORE_REJECTION if rejected else words.BEFORE_AMO if amo else words.BEFORE_OPEN
        changed = words.BEFORE_MODIFIED[-1] in self.coming
        self.entered = self.entered or update.status not in _NOT_ENTERED
        before = self.steps[-1][1] if self.steps else msgspec.structs.replace(update, status=OrderStatus.PENDING)
        for word in self.coming:
            terms = update if word == words.BEFORE_MODIFIED[-1] else before
            self.steps.append((word, msgspec.structs.replace(before, terms=terms.terms, ts=update.ts)))
        self.coming = ()
        word = self.word(update.status)
        self.steps.append((word, update))
        partial = update.status is OrderStatus.PARTIALLY_FILLED
        return words.STREAM_UPDATE if (changed and update.status.working) or partial else word


class TicketBook:
    """All of Kite's orders of the day, oldest first."""

    def __init__(self) -> None:
        self._tickets: dict[str, Ticket] = {}

    def __iter__(self) -> Iterator[Ticket]:
        return iter(self._tickets.values())

    def __len__(self) -> int:
        return len(self._tickets)

    def __contains__(self, order_id: str) -> bool:
        return order_id in self._tickets

    def get(self, order_id: str) -> Ticket | None:
        return self._tickets.get(order_id)

    def add(self, ticket: Ticket) -> Ticket:
        """Keep `ticket`; returns it."""
        self._tickets[ticket.order_id] = ticket
        return ticket


def current(ticket: Ticket) -> Update:
    """The order as it stands now."""
    return snapshot(ticket.order)
