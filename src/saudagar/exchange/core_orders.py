"""What the exchange keeps and says about orders: the live order, its trades, and the snapshot after each change.

The wire faces read these; `core.MatchingCore` alone changes them.
"""

from __future__ import annotations

import msgspec

from saudagar.model import (
    Instrument,
    Nanos,
    OrderStatus,
    OrderTerms,
    Paise,
    Product,
    Side,
    Validity,
)


class Refusal(Exception):
    """The exchange or its risk desk said no, and nothing was done.

    Parameters
    ----------
    code
        One of `REFUSAL_CODES`; a wire face maps it to its broker's own code.
    message
        What was wrong, what was received, what is allowed.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


REFUSAL_CODES = frozenset(
    {
        "tick",
        "band",
        "freeze",
        "lot",
        "session",
        "funds",
        "instrument",
        "order",
        "state",
        "quantity",
        "authority",
        "price",
        "product",
    }
)


class ExchangeTrade(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One execution. `price` in paise, `ts` in UTC ns of market time."""

    trade_id: str
    exchange_id: str
    tag: str
    instrument: Instrument
    side: Side
    product: Product
    quantity: int
    price: Paise
    ts: Nanos


class ExchangeOrder(msgspec.Struct, kw_only=True, eq=False):
    """One order in the exchange's book, changed in place as it lives.

    `terms` stay as the member sent them. `limit` is the price that the order really works at: its own for a limit
    order, the protection price for a market order, which in an auction is the edge of the band.
    """

    exchange_id: str
    tag: str
    instrument: Instrument
    side: Side
    terms: OrderTerms
    product: Product
    validity: Validity
    status: OrderStatus
    after_market: bool = False
    amo_delay: Nanos | None = None  # after the opening of continuous trading; None enters with the first phase
    filled: int = 0  # units
    value: Paise = 0  # of the filled part
    reason: str = ""
    created: Nanos = 0
    updated: Nanos = 0
    trades: list[ExchangeTrade] = []
    limit: Paise = 0
    margin_price: Paise = 0  # at which margin was blocked for each unit
    triggered: bool = False  # a stop that has woken up
    rank: int = 0  # place in time priority: smaller was first
    protection_ppm: int | None = None  # of a market order, where the member named it
    account: str = ""  # whose cash and positions it moves

    @property
    def remaining(self) -> int:
        """Units that may still trade; 0 once the order has ended."""
        return self.terms.quantity - self.filled if self.status.working else 0

    @property
    def average_price(self) -> float:
        """Paise over the filled part; 0 before the first trade."""
        return self.value / self.filled if self.filled else 0.0


class Update(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The order as it stood right after one change; `trade` is the execution that caused it, if one did."""

    exchange_id: str
    tag: str
    instrument: Instrument
    side: Side
    product: Product
    validity: Validity
    terms: OrderTerms
    status: OrderStatus
    filled: int
    value: Paise
    reason: str
    ts: Nanos
    after_market: bool = False
    created: Nanos = 0
    limit: Paise = 0
    trade: ExchangeTrade | None = None

    @property
    def remaining(self) -> int:
        return self.terms.quantity - self.filled if self.status.working else 0

    @property
    def average_price(self) -> float:
        return self.value / self.filled if self.filled else 0.0


def snapshot(order: ExchangeOrder, trade: ExchangeTrade | None = None) -> Update:
    """`order` as it stands now."""
    return Update(
        exchange_id=order.exchange_id,
        tag=order.tag,
        instrument=order.instrument,
        side=order.side,
        product=order.product,
        validity=order.validity,
        terms=order.terms,
        status=order.status,
        filled=order.filled,
        value=order.value,
        reason=order.reason,
        ts=order.updated,
        after_market=order.after_market,
        created=order.created,
        limit=order.limit,
        trade=trade,
    )
