"""Conditional orders: what a broker keeps and sends by itself once a price is reached, with or without our being there.

Kite calls them GTT, Dhan forever and super orders, Upstox GTT. They belong to a person, not to the engine: the engine's
own stops are ordinary orders. Asked for through `execution.account_ports.AccountClient`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from saudagar.model.data import Nanos
from saudagar.model.enums import Product, Side
from saudagar.model.errors import DataError
from saudagar.model.ids import BrokerOrderId, ClientOrderId, InstrumentId
from saudagar.model.money import Paise, inr


class ConditionalKind(StrEnum):
    SINGLE = "SINGLE"  # one trigger, one order: Kite GTT, Dhan forever, Upstox GTT
    OCO = "OCO"  # target and stop of what is held; one cancels the other
    BRACKET = "BRACKET"  # entry with target and stop: Dhan super order, Upstox GTT of several legs
    TRAILING = "TRAILING"  # a bracket whose stop follows the price


class LegName(StrEnum):
    ENTRY = "ENTRY"
    TARGET = "TARGET"
    STOP = "STOP"


class ConditionalStatus(StrEnum):
    ACTIVE = "ACTIVE"  # waits for a trigger
    WORKING = "WORKING"  # an order of it is in the market, or its entry has traded and its exits wait
    DONE = "DONE"  # nothing of it waits any more
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"

    @property
    def live(self) -> bool:
        return self in (ConditionalStatus.ACTIVE, ConditionalStatus.WORKING)


class ConditionalLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One trigger and the order it sends."""

    name: LegName
    trigger: Paise = 0  # 0: at once (the entry of a bracket only)
    price: Paise = 0  # the limit; 0: at the market
    trail: Paise = 0  # the stop follows the price in steps of this; 0: it stands still


_LEGS: dict[ConditionalKind, frozenset[LegName]] = {
    ConditionalKind.SINGLE: frozenset({LegName.ENTRY}),
    ConditionalKind.OCO: frozenset({LegName.TARGET, LegName.STOP}),
    ConditionalKind.BRACKET: frozenset(LegName),
    ConditionalKind.TRAILING: frozenset(LegName),
}


class NewConditional(msgspec.Struct, frozen=True, kw_only=True):
    """A conditional order as it is first asked for.

    `side` is that of the first order sent: the single one, both of an OCO, the entry of a bracket (whose exits take the
    other side). `last_price` tells from which side a trigger is reached; Kite and Upstox ask for it.
    """

    order_id: ClientOrderId
    kind: ConditionalKind
    instrument: InstrumentId
    side: Side
    quantity: int  # units
    product: Product
    legs: tuple[ConditionalLeg, ...]
    last_price: Paise

    def leg(self, name: LegName) -> ConditionalLeg:
        """Raises KeyError if the kind has no such leg."""
        for leg in self.legs:
            if leg.name is name:
                return leg
        raise KeyError(name)

    def check(self) -> None:
        """Refuse what no broker can mean.

        Raises
        ------
        DataError
            Nothing has been sent.
        """
        names = [leg.name for leg in self.legs]
        if sorted(names) != sorted(_LEGS[self.kind]):
            raise DataError(f"{self.kind} has the legs {', '.join(sorted(_LEGS[self.kind]))}, got {', '.join(names)}.")
        if self.quantity <= 0 or self.last_price <= 0:
            raise DataError(f"quantity and last price must be positive, got {self.quantity} and {self.last_price}.")
        for leg in self.legs:
            if min(leg.trigger, leg.price, leg.trail) < 0:
                raise DataError(f"the prices of leg {leg.name} must not be negative, got {leg!r}.")
            waits = not (leg.name is LegName.ENTRY and self.kind in _BRACKETS)
            if waits and not leg.trigger:
                raise DataError(f"leg {leg.name} needs a trigger price.")
            if leg.trail and not (leg.name is LegName.STOP and self.kind is ConditionalKind.TRAILING):
                raise DataError(f"only the stop of a {ConditionalKind.TRAILING} order trails, not {leg.name}.")
        if self.kind is ConditionalKind.TRAILING and not self.leg(LegName.STOP).trail:
            raise DataError(f"the stop of a {ConditionalKind.TRAILING} order needs its trail.")
        if self.kind is not ConditionalKind.SINGLE:
            self._check_exits()

    def _check_exits(self) -> None:
        """A target on the wrong side of its stop would fire at once."""
        target, stop = self.leg(LegName.TARGET).trigger, self.leg(LegName.STOP).trigger
        long = (self.side is Side.SELL) if self.kind is ConditionalKind.OCO else (self.side is Side.BUY)
        if (target > stop) is not long or target == stop:
            where = "above" if long else "below"
            got = f"{inr(target)} and {inr(stop)}"
            raise DataError(f"the target must lie {where} the stop of this position, got {got}.")


_BRACKETS = frozenset({ConditionalKind.BRACKET, ConditionalKind.TRAILING})


class ConditionalReport(msgspec.Struct, frozen=True, kw_only=True):
    """A conditional order as the broker has it now."""

    broker_id: BrokerOrderId
    kind: ConditionalKind
    status: ConditionalStatus
    instrument: InstrumentId
    side: Side
    quantity: int
    product: Product
    legs: tuple[ConditionalLeg, ...]
    order_id: ClientOrderId = ClientOrderId("")  # our own id, where the broker keeps one for these
    orders: tuple[BrokerOrderId, ...] = ()  # what it has sent so far
    reason: str = ""
    ts: Nanos = 0  # of the last change; 0 where the broker does not say
