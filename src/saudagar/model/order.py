"""An order's life: its status words, the table of allowed moves, and what brokers report about it."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from saudagar.model.data import Nanos
from saudagar.model.enums import OrderType, Product, Purpose, Side, Validity
from saudagar.model.ids import BrokerOrderId, ClientOrderId, InstrumentId, PositionId
from saudagar.model.money import Paise


class OrderStatus(StrEnum):
    SUBMITTED = "SUBMITTED"  # durable in the journal; the wire may or may not have it
    UNKNOWN = "UNKNOWN"  # the wire failed us; the broker may or may not have it
    PENDING = "PENDING"  # the broker has it, the exchange not yet
    OPEN = "OPEN"
    TRIGGER_PENDING = "TRIGGER_PENDING"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"  # may carry fills
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"  # may carry fills

    @property
    def terminal(self) -> bool:
        return self in TERMINAL

    @property
    def working(self) -> bool:
        """May still fill."""
        return self not in TERMINAL


TERMINAL = frozenset({OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED})
"""What an order ends in."""

_S = OrderStatus
_ANSWERS = "PENDING OPEN TRIGGER_PENDING PARTIALLY_FILLED FILLED CANCELLED REJECTED EXPIRED"

# from, to (several, parted by blanks), why it can happen. Anything else is a late or crossed message: no change.
_MOVES: tuple[tuple[str, str, str], ...] = (
    ("SUBMITTED", _ANSWERS, "the broker answered"),
    ("SUBMITTED", "UNKNOWN", "time-out, reset, garbled or empty reply"),
    ("UNKNOWN", _ANSWERS, "found by our own id, or its stream spoke first; REJECTED also when the broker never had it"),
    ("PENDING", "OPEN TRIGGER_PENDING PARTIALLY_FILLED FILLED CANCELLED REJECTED EXPIRED", "the exchange answered"),
    ("OPEN", "PARTIALLY_FILLED FILLED CANCELLED EXPIRED", "traded, cancelled, or the day ended"),
    ("OPEN", "REJECTED", "the exchange may refuse after the broker's OPEN (band, freeze)"),
    ("OPEN", "TRIGGER_PENDING", "modified back to a stop order"),
    ("TRIGGER_PENDING", "OPEN PARTIALLY_FILLED FILLED CANCELLED REJECTED EXPIRED", "triggered, cancelled, refused"),
    ("PARTIALLY_FILLED", "FILLED CANCELLED EXPIRED", "the rest traded, was cancelled, or the day ended"),
    ("CANCELLED", "FILLED", "the cancel crossed the last fill: a fill for the whole quantity is proof"),
    ("EXPIRED", "FILLED", "the day's end crossed the last fill"),
)

TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    status: frozenset(_S(word) for start, words, _ in _MOVES if start == status for word in words.split())
    for status in OrderStatus
}
"""Every allowed move. `FILLED` and `REJECTED` are final without exception."""

TRANSITION_REMARKS = _MOVES


class OrderTerms(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The part of an order that a modification may change."""

    quantity: int  # units, the total, filled part included
    order_type: OrderType
    price: Paise = 0  # for LIMIT and SL
    trigger_price: Paise = 0  # for SL and SL_M


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order as it is first sent. Durable in the journal before the wire sees it."""

    order_id: ClientOrderId
    instrument: InstrumentId
    side: Side
    terms: OrderTerms
    product: Product
    purpose: Purpose
    position: PositionId
    validity: Validity = Validity.DAY
    after_market: bool = False


class Order(msgspec.Struct, kw_only=True, gc=False):
    """An order as the desk knows it now. Changed by `State.apply` alone."""

    new: NewOrder
    terms: OrderTerms
    status: OrderStatus = OrderStatus.SUBMITTED
    broker_id: BrokerOrderId = BrokerOrderId("")
    filled: int = 0  # units
    value: Paise = 0  # of the filled part
    reason: str = ""
    submitted: Nanos = 0
    cancel_sent: Nanos = 0  # when a cancel was last asked for; 0 if none is under way
    modify_sent: OrderTerms | None = None  # terms asked for and not yet confirmed
    modifications: int = 0
    unchanged: int = 0  # modifications in a row that were refused
    last_change: Nanos = 0

    @property
    def id(self) -> ClientOrderId:
        return self.new.order_id

    @property
    def working(self) -> bool:
        return self.status.working

    @property
    def remaining(self) -> int:
        """Units that may still fill; 0 once the order has ended."""
        return 0 if self.status in TERMINAL else self.terms.quantity - self.filled


class TradeReport(msgspec.Struct, frozen=True, gc=False):
    """One execution as the broker's trade book has it."""

    trade_id: str
    quantity: int
    price: Paise
    ts: Nanos


class OrderReport(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a broker says about one order, from any of its mouths: a reply, its stream, its book.

    Reports repeat, arrive out of order and skip. What counts is the cumulative `filled` (it only grows) and the
    first terminal status.
    """

    order_id: ClientOrderId  # empty for an order that is not ours
    status: OrderStatus
    ts: Nanos
    broker_id: BrokerOrderId = BrokerOrderId("")
    filled: int = 0  # cumulative units
    last_price: Paise = 0  # of the newest execution; 0 if the source does not say
    average_price: float = 0.0  # paise, over `filled`; rounded by the broker, so a check, not a truth
    trades: tuple[TradeReport, ...] | None = None  # all executions of the order, where the source is the trade book
    terms: OrderTerms | None = None  # as the broker has them now, where the source says
    reason: str = ""
    instrument: InstrumentId = InstrumentId("")  # for orders that are not ours
    side: Side | None = None
    product: Product | None = None
