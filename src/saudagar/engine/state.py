"""The desk's memory: a pure function of the journal. `State.apply` is the one place where anything changes.

Prices, bars and indicators are not here: they come from the market again. After a crash the journal is applied to a
new `State`, and the desk goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from hashlib import blake2b
from typing import Any

import msgspec

from saudagar.model import (
    TRANSITIONS,
    BrokerOrderId,
    ClientOrderId,
    InstrumentId,
    Order,
    OrderStatus,
    Paise,
    PositionId,
    Side,
    StrategyId,
    TradingState,
    order_sequence,
)
from saudagar.model import events as ev
from saudagar.model.errors import InvariantError
from saudagar.model.order import TERMINAL
from saudagar.portfolio import Position, Trade

_FILLED, _PARTIALLY_FILLED = OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED


class State:
    """Orders, positions, round trips, limits and switches of one desk."""

    def __init__(self) -> None:
        self.day: date | None = None
        self.closed: date | None = None  # the last day whose end the desk has seen
        self.closes: dict[InstrumentId, Paise] = {}  # of the day before, where its end was seen: of what was held then
        self.brought: dict[InstrumentId, Paise] = {}  # profit that lay in what was held at that end
        self.desk = ""
        self.sequence = 0  # of the last order id: orders ever submitted under this journal, or a higher one seen in use
        self.trading = TradingState.ACTIVE
        self.trading_reason = ""
        self.orders: dict[ClientOrderId, Order] = {}
        self.working: dict[PositionId, dict[ClientOrderId, Order]] = {}
        self.positions: dict[PositionId, Position] = {}
        self.trades: list[Trade] = []
        self.frozen: dict[InstrumentId, str] = {}
        self.keys: set[str] = set()
        self.foreign: set[BrokerOrderId] = set()
        self.denials: dict[str, int] = {}
        self.alerts: list[ev.Alerted] = []

    @classmethod
    def replay(cls, events: Iterable[ev.Event]) -> State:
        """The state after `events`."""
        state = cls()
        for event in events:
            state.apply(event)
        return state

    def apply(self, event: ev.Event) -> None:
        """Change the state by what `event` says has happened."""
        APPLY[type(event)](self, event)

    def position(self, position: PositionId) -> Position:
        """The position of that id; where there never was any, a flat one that is not kept: reading changes nothing."""
        found = self.positions.get(position)
        if found is None:
            strategy, _, instrument = position.partition("@")
            found = Position(strategy=StrategyId(strategy), instrument=InstrumentId(instrument))
        return found

    def _own(self, position: PositionId) -> Position:
        found = self.positions.get(position)
        if found is None:
            found = self.positions[position] = self.position(position)
        return found

    def working_orders(self, position: PositionId) -> list[Order]:
        orders = self.working.get(position)
        return [*orders.values()] if orders else []

    def digest(self) -> str:
        """A fingerprint of everything here: equal digests, equal states."""
        return blake2b(msgspec.json.encode(self.as_dict(), order="deterministic"), digest_size=16).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """The whole state as plain values, for people and for comparison."""
        return {
            "day": self.day,
            "closed": self.closed,
            "closes": self.closes,
            "brought": self.brought,
            "desk": self.desk,
            "trading": self.trading,
            "trading_reason": self.trading_reason,
            "sequence": self.sequence,
            "orders": self.orders,
            "positions": self.positions,
            "trades": self.trades,
            "frozen": self.frozen,
            "keys": sorted(self.keys),
            "foreign": sorted(self.foreign),
            "denials": self.denials,
        }

    # -- what each event does ------------------------------------------------------------------------------------

    def _day_opened(self, event: ev.DayOpened) -> None:
        if self.day != event.day:
            self.keys.clear()
            if self.closed is None or self.closed != self.day:
                self.closes = {}  # nobody knows them: the day counts from the entries
            self.brought = dict.fromkeys(self.closes, 0)
            for position in self.positions.values():
                if price := self.closes.get(position.instrument):
                    self.brought[position.instrument] += position.profit(price)
        self.day, self.desk = event.day, event.desk

    def _target_set(self, event: ev.TargetSet) -> None:
        name, quantity = event.position, event.quantity
        position = self.positions.get(name) or self._own(name)
        held = position.quantity
        if abs(quantity) > abs(held) or quantity * held < 0:
            position.planned, position.reference, position.decided = event.protection, event.reference, event.ts
        position.reason = event.reason
        position.target = quantity
        if event.key:
            self.keys.add(event.key)

    def _intent_denied(self, event: ev.IntentDenied) -> None:
        self.denials[event.rule] = self.denials.get(event.rule, 0) + 1
        if event.key:
            self.keys.add(event.key)

    def _order_submitted(self, event: ev.OrderSubmitted) -> None:
        new, ts = event.order, event.ts
        name = new.order_id
        if name in self.orders:
            raise InvariantError(f"order id {name} was used twice.")
        self.sequence += 1
        order = self.orders[name] = Order(new=new, terms=new.terms, submitted=ts, last_change=ts)
        working = self.working.get(new.position)
        if working is None:
            working = self.working[new.position] = {}
        working[name] = order

    def _order_moved(self, event: ev.OrderMoved) -> None:
        order = self.orders[event.order_id]
        order.last_change = event.ts
        if event.broker_id:
            order.broker_id = event.broker_id
        if event.status is not order.status:
            self._move(order, event.status)
        if event.reason:
            order.reason = event.reason

    def _move(self, order: Order, status: OrderStatus) -> None:
        if status not in TRANSITIONS[order.status]:
            raise InvariantError(f"order {order.id} cannot go from {order.status} to {status}.")
        self._become(order, status)

    def _become(self, order: Order, status: OrderStatus) -> None:
        order.status = status
        if status in TERMINAL:
            new = order.new
            order.cancel_sent, order.modify_sent = 0, None
            self.working[new.position].pop(new.order_id, None)

    def _order_filled(self, event: ev.OrderFilled) -> None:
        order = self.orders[event.order_id]
        quantity, price, filled, known = event.quantity, event.price, event.cumulative, order.filled
        if filled <= known:
            return
        if filled != known + quantity:
            raise InvariantError(f"order {order.id}: a fill of {quantity} to {filled} does not follow {known}.")
        order.filled = filled
        order.value += quantity * price
        order.last_change = event.ts
        whole, asked = order.terms.quantity, order.modify_sent
        if asked is not None and asked.quantity > whole:
            whole = asked.quantity  # it may already be in force
        wanted = _FILLED if filled >= whole else _PARTIALLY_FILLED
        if wanted in TRANSITIONS[order.status]:  # else the order ended before its last fills were told
            self._become(order, wanted)
        new = order.new
        position = self.positions.get(new.position) or self._own(new.position)
        trade = position.fill(new.order_id, new.side, quantity, price, event.ts)
        if trade is not None:
            self.trades.append(trade)

    def _modify_requested(self, event: ev.ModifyRequested) -> None:
        order = self.orders[event.order_id]
        order.modify_sent, order.last_change = event.terms, event.ts
        order.modifications += 1

    def _modify_ended(self, event: ev.ModifyEnded) -> None:
        order = self.orders[event.order_id]
        order.modify_sent, order.last_change = None, event.ts
        if event.terms is None:
            order.unchanged += 1
        else:
            order.terms, order.unchanged = event.terms, 0
        if order.filled >= order.terms.quantity and order.status.working:
            self._move(order, OrderStatus.FILLED)

    def _cancel_requested(self, event: ev.CancelRequested) -> None:
        self.orders[event.order_id].cancel_sent = event.ts

    def _cancel_refused(self, event: ev.CancelRefused) -> None:
        order = self.orders[event.order_id]
        order.cancel_sent, order.last_change = 0, event.ts

    def _protection_moved(self, event: ev.ProtectionMoved) -> None:
        position = self.positions.get(event.position) or self._own(event.position)
        position.trailed = event.trailed
        position.stop, position.target_price, position.best = event.stop, event.target, event.best

    def _trading_state_changed(self, event: ev.TradingStateChanged) -> None:
        self.trading, self.trading_reason = event.state, event.reason

    def _instrument_frozen(self, event: ev.InstrumentFrozen) -> None:
        if event.frozen:
            self.frozen[event.instrument] = event.reason
        else:
            self.frozen.pop(event.instrument, None)

    def _foreign_order_seen(self, event: ev.ForeignOrderSeen) -> None:
        self.foreign.add(event.broker_id)
        if self.day is not None and event.order_id:
            self.sequence = max(self.sequence, order_sequence(self.desk, self.day, event.order_id))

    def _position_adopted(self, event: ev.PositionAdopted) -> None:
        position = self._own(event.position)
        held, target, reason = position.quantity, position.target, position.reason
        side = Side.of(event.quantity)
        position.reason = event.reason
        trade = position.fill(ClientOrderId(""), side, abs(event.quantity), event.price, event.ts)
        position.target = left = position.quantity
        if held * left > 0 and side.sign * held < 0 and (target * held <= 0 or abs(target) < abs(held)):
            keeps = abs(target) if target * held > 0 else 0  # it was on its way out, and what is left still is
            position.target, position.reason = min(keeps, abs(left)) * -side.sign, reason
        if trade is not None:
            self.trades.append(trade)

    def _alerted(self, event: ev.Alerted) -> None:
        self.alerts.append(event)

    def _day_closed(self, event: ev.DayClosed) -> None:
        self.closed, self.closes = event.day, event.prices


APPLY: dict[type, Callable[[State, Any], None]] = {
    ev.DayOpened: State._day_opened,
    ev.TargetSet: State._target_set,
    ev.IntentDenied: State._intent_denied,
    ev.OrderSubmitted: State._order_submitted,
    ev.OrderMoved: State._order_moved,
    ev.OrderFilled: State._order_filled,
    ev.ModifyRequested: State._modify_requested,
    ev.ModifyEnded: State._modify_ended,
    ev.CancelRequested: State._cancel_requested,
    ev.CancelRefused: State._cancel_refused,
    ev.ProtectionMoved: State._protection_moved,
    ev.TradingStateChanged: State._trading_state_changed,
    ev.InstrumentFrozen: State._instrument_frozen,
    ev.ForeignOrderSeen: State._foreign_order_seen,
    ev.PositionAdopted: State._position_adopted,
    ev.Alerted: State._alerted,
    ev.DayClosed: State._day_closed,
}
"""What each kind of event changes: the whole of `State.apply`."""
