"""What has happened. These, in order, are the journal; `State.apply` is the only reader that matters.

Each event is a frozen value with the engine's time `ts` (UTC ns). The tag is the journal's `kind`.
"""

from __future__ import annotations

from datetime import date
from typing import TypeAlias

import msgspec

from saudagar.model.data import Nanos
from saudagar.model.enums import Source, TradingState
from saudagar.model.ids import BrokerOrderId, ClientOrderId, InstrumentId, PositionId
from saudagar.model.intent import Protection
from saudagar.model.money import Paise
from saudagar.model.order import NewOrder, OrderStatus, OrderTerms


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    ts: Nanos


class DayOpened(_Event, frozen=True):
    """The desk began (or, after a crash, resumed) a trading day."""

    day: date
    desk: str  # the prefix of our order ids
    config: str  # digest of the configuration in force
    resumed: bool = False


class TargetSet(_Event, frozen=True):
    """A position's wanted size, after sizing and risk. The engine steers towards it until it is reached."""

    position: PositionId
    quantity: int  # signed units
    reason: str
    source: Source
    protection: Protection = Protection()
    reference: Paise = 0  # the price the decision saw
    key: str = ""  # idempotency key of the intent, remembered for the day


class IntentDenied(_Event, frozen=True):
    """Risk said no, or the intent made no sense; people can see why."""

    position: PositionId
    rule: str  # short name of the rule, e.g. "price-band"
    message: str
    source: Source
    key: str = ""


class OrderSubmitted(_Event, frozen=True):
    order: NewOrder


class OrderMoved(_Event, frozen=True):
    """The order's status changed along the transition table, or the broker gave it an id."""

    order_id: ClientOrderId
    status: OrderStatus
    broker_id: BrokerOrderId = BrokerOrderId("")
    reason: str = ""


class OrderFilled(_Event, frozen=True):
    """One execution. `cumulative` identifies it within its order: the same fill told twice changes nothing."""

    order_id: ClientOrderId
    quantity: int
    price: Paise
    cumulative: int
    traded: Nanos  # the exchange's time


class ModifyRequested(_Event, frozen=True):
    order_id: ClientOrderId
    terms: OrderTerms


class ModifyEnded(_Event, frozen=True):
    """Confirmed (`terms` in force) or refused (`terms` is None)."""

    order_id: ClientOrderId
    terms: OrderTerms | None
    reason: str = ""


class CancelRequested(_Event, frozen=True):
    order_id: ClientOrderId
    reason: str = ""


class CancelRefused(_Event, frozen=True):
    order_id: ClientOrderId
    reason: str = ""


class ProtectionMoved(_Event, frozen=True):
    """The protective levels of a position changed: armed at entry, trailed, or moved to break-even. 0 means none."""

    position: PositionId
    stop: Paise
    target: Paise
    best: Paise  # the most favourable price since entry
    trailed: bool = False  # the stop has left its first level


class TradingStateChanged(_Event, frozen=True):
    state: TradingState
    reason: str
    source: Source


class InstrumentFrozen(_Event, frozen=True):
    """No entries on this instrument until a look-up or a person clears it (`frozen=False`)."""

    instrument: InstrumentId
    frozen: bool
    reason: str


class ForeignOrderSeen(_Event, frozen=True):
    """The broker has an order or trade that this desk did not send."""

    broker_id: BrokerOrderId
    instrument: InstrumentId
    message: str
    order_id: ClientOrderId = ClientOrderId("")  # an id like ours: sent under another journal, and never used again


class PositionAdopted(_Event, frozen=True):
    """A trade that the desk did not send is booked.

    On a position of its own, which nothing steers but a close-all; or on a strategy's, where a person has accepted it.
    """

    position: PositionId
    quantity: int  # signed units, what came on top
    price: Paise
    reason: str = "by hand"


class Alerted(_Event, frozen=True):
    """Something a person should know."""

    level: str  # info, warning, critical
    message: str


class DayClosed(_Event, frozen=True):
    day: date
    prices: dict[InstrumentId, Paise] = {}  # the last ones of what is held over night


Event: TypeAlias = (
    DayOpened
    | TargetSet
    | IntentDenied
    | OrderSubmitted
    | OrderMoved
    | OrderFilled
    | ModifyRequested
    | ModifyEnded
    | CancelRequested
    | CancelRefused
    | ProtectionMoved
    | TradingStateChanged
    | InstrumentFrozen
    | ForeignOrderSeen
    | PositionAdopted
    | Alerted
    | DayClosed
)
