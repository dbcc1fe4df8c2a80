"""A strategy's own position in one instrument, from flat to flat, in whole paise.

The broker nets everything that trades one instrument; the desk keeps each strategy's part apart, so that two
strategies can hold the same share with their own stops. The sum of the parts is checked against the broker.
Changed by `State.apply` alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from saudagar.model import (
    ClientOrderId,
    InstrumentId,
    Nanos,
    Paise,
    PositionId,
    Protection,
    Side,
    StrategyId,
    position_id,
)

_BUY, _SELL = Side.BUY, Side.SELL
_NO_PROTECTION = Protection()


class Leg(msgspec.Struct, gc=False):
    """The part of one order that belongs to one round trip: the unit on which brokerage is charged."""

    order_id: ClientOrderId
    side: Side
    quantity: int = 0
    value: Paise = 0


class Trade(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A closed round trip."""

    position: PositionId
    strategy: StrategyId
    instrument: InstrumentId
    side: Side  # of the entry
    quantity: int
    entry_ts: Nanos
    entry_value: Paise
    exit_ts: Nanos
    exit_value: Paise
    entry_reason: str
    exit_reason: str
    legs: tuple[Leg, ...]

    @property
    def entry_price(self) -> float:
        """Average, paise."""
        return self.entry_value / self.quantity

    @property
    def exit_price(self) -> float:
        """Average, paise."""
        return self.exit_value / self.quantity

    @property
    def gross(self) -> Paise:
        """Before charges."""
        return self.side.sign * (self.exit_value - self.entry_value)


@dataclass(slots=True, kw_only=True)
class Position:
    """Where one strategy stands in one instrument, and where it wants to be.

    No struct: made once and changed often, and setting a field of a struct takes four times as long.
    """

    strategy: StrategyId
    instrument: InstrumentId
    id: PositionId = field(init=False)
    quantity: int = 0  # signed units
    target: int = 0  # signed units; the engine steers `quantity` towards it
    protection: Protection = _NO_PROTECTION  # of what is held
    planned: Protection = _NO_PROTECTION  # of what the target adds, in force for all once any of that is filled
    reference: Paise = 0  # price at the decision
    decided: Nanos = 0  # when that was
    reason: str = ""  # of the target
    stop: Paise = 0  # level in force; 0 means none
    target_price: Paise = 0
    best: Paise = 0  # most favourable price since entry
    trailed: bool = False  # the stop has left its first level
    opened: Nanos = 0
    realised: Paise = 0  # gross of the closed round trips
    entry_reason: str = ""
    exit_reason: str = ""
    entry_quantity: int = 0  # of the open round trip, unsigned
    entry_value: Paise = 0
    exit_quantity: int = 0
    exit_value: Paise = 0
    legs: list[Leg] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.id = position_id(self.strategy, self.instrument)

    @property
    def side(self) -> Side:
        """The side that opened it; meaningless when flat."""
        return Side.of(self.quantity)

    @property
    def opens(self) -> bool:
        """Whether the target asks for more than is held, or for the other side."""
        return abs(self.target) > abs(self.quantity) or self.target * self.quantity < 0

    @property
    def kept(self) -> int:
        """Signed units that are held and still wanted: the target when nothing more may be opened."""
        return self.quantity if self.quantity * self.target > 0 else 0

    @property
    def average_price(self) -> Paise:
        """Of the entry, rounded down to a paisa; 0 when flat."""
        return self.entry_value // self.entry_quantity if self.entry_quantity else 0

    def profit(self, price: Paise) -> Paise:
        """Gross profit of the open round trip at `price`, its closed part included."""
        if not self.quantity:
            return 0
        sign = 1 if self.quantity > 0 else -1
        return self.quantity * price + sign * (self.exit_value - self.entry_value)

    def tied(self, price: Paise) -> Paise:
        """What is held, at its cost, and what is being opened, at `price`; a reversal frees what it closes."""
        stays = abs(self.quantity) if self.quantity * self.target >= 0 else 0
        return stays * self.average_price + max(0, abs(self.target) - stays) * price

    def fill(self, order_id: ClientOrderId, side: Side, quantity: int, price: Paise, ts: Nanos) -> Trade | None:
        """Book one execution; return the round trip that it closed.

        An execution that crosses zero is booked as a close and an opening.
        """
        sign, held, trade = side.sign, self.quantity, None
        if held * sign < 0:
            room = abs(held)
            closing = quantity if quantity < room else room
            self.quantity = held = held + sign * closing
            self.exit_reason = self.reason
            self.exit_quantity += closing
            self.exit_value += closing * price
            self._book(order_id, side, closing, price)
            if not held:
                trade = self._close(_SELL if side is _BUY else _BUY, ts)
            quantity -= closing
        if quantity:
            if not held:
                self.opened, self.entry_reason = ts, self.reason
            self.quantity = held + sign * quantity
            self.protection = self.planned
            self.entry_quantity += quantity
            self.entry_value += quantity * price
            self._book(order_id, side, quantity, price)
        return trade

    def _book(self, order_id: ClientOrderId, side: Side, quantity: int, price: Paise) -> None:
        value = quantity * price
        for leg in self.legs:
            if leg.order_id == order_id and leg.side is side:  # what no order made has no id, on either side
                leg.quantity += quantity
                leg.value += value
                return
        self.legs.append(Leg(order_id, side, quantity, value))

    def _close(self, side: Side, ts: Nanos) -> Trade:
        trade = Trade(
            position=self.id,
            strategy=self.strategy,
            instrument=self.instrument,
            side=side,
            quantity=self.entry_quantity,
            entry_ts=self.opened,
            entry_value=self.entry_value,
            exit_ts=ts,
            exit_value=self.exit_value,
            entry_reason=self.entry_reason,
            exit_reason=self.exit_reason,
            legs=tuple(self.legs),
        )
        self.realised += side.sign * (trade.exit_value - trade.entry_value)
        self.entry_quantity = self.entry_value = self.exit_quantity = self.exit_value = 0
        self.stop = self.target_price = self.best = 0
        self.trailed = False
        self.legs = []
        return trade


def net(positions: Iterable[Position]) -> dict[InstrumentId, int]:
    """Signed units of each instrument that `positions` hold together."""
    sums: dict[InstrumentId, int] = {}
    for position in positions:
        sums[position.instrument] = sums.get(position.instrument, 0) + position.quantity
    return sums
