"""From intents to targets: what each position should be, after size and risk have had their say."""

from __future__ import annotations

from saudagar.engine.core import Core, Line
from saudagar.engine.entry_time import objection
from saudagar.engine.orders import OrderDesk
from saudagar.engine.settings import Plan
from saudagar.execution.steering import entry_terms
from saudagar.model import (
    Direction,
    Intent,
    Paise,
    Protection,
    Purpose,
    Side,
    SizeBy,
    TradeSide,
    position_id,
)
from saudagar.model import events as ev
from saudagar.model.errors import UnknownInstrument
from saudagar.portfolio import Position
from saudagar.risk import Denied, size

_NO_PROTECTION = Protection()
_side = Side.of
_FLAT, _BOTH, _ENTRY, _RISK = Direction.FLAT, TradeSide.BOTH, Purpose.ENTRY, SizeBy.RISK


class Targets:
    """Takes or refuses what strategies and people want."""

    def __init__(self, core: Core, orders: OrderDesk) -> None:
        self._core = core
        self._orders = orders
        self._plans = {plan.id: plan for plan in core.settings.plans}

    def want(self, intent: Intent) -> None:
        """Refuse it, or set the position's target."""
        core = self._core
        name = position_id(intent.strategy, intent.instrument)
        position = core.state.positions.get(name) or core.state.position(name)
        if intent.key and intent.key in core.state.keys:
            self._deny(position, intent, Denied("duplicate", f"the key {intent.key!r} was seen before."))
            return
        plan = self._plans.get(intent.strategy)
        direction, target = intent.direction, position.target
        if direction is _FLAT or (plan is not None and plan.side is not _BOTH and not plan.side.allows(direction)):
            if target * (direction or -target) < 0:
                self._aim(position, intent, 0)
            else:
                self._stay(position, intent)
            return
        if target * direction > 0 and intent.quantity is None and not intent.additional:
            self._stay(position, intent)  # already wanted: a repeated target is harmless
            return
        goal, denied = self._goal(position, intent, plan)
        if denied is None and goal == target:
            self._stay(position, intent)
            return
        if denied is None and not (goal * target >= 0 and abs(goal) < abs(target)):
            denied = self._objection(position, intent, goal)
        if denied is None:
            self._aim(position, intent, goal)
            return
        self._deny(position, intent, denied)
        if goal * target < 0 or (target * direction < 0 and not intent.additional):
            self._aim(position, intent, 0)  # a reversal that may not open still closes

    def _goal(self, position: Position, intent: Intent, plan: Plan | None) -> tuple[int, Denied | None]:
        """Signed units that the intent asks for, or why there are none."""
        core = self._core
        if intent.additional and not intent.key:
            return 0, Denied("key", "an intent that adds to a position needs an idempotency key.")
        try:
            line = core.line(intent.instrument)
        except UnknownInstrument as error:
            return 0, Denied("unknown", str(error))
        quantity = intent.quantity
        if quantity is None:
            if plan is None:
                return 0, Denied("size", f"strategy {intent.strategy!r} has no sizing rule; give a quantity.")
            quantity = self._size(plan, intent, line)
            if quantity <= 0:
                text = f"not even one lot fits the size of {intent.strategy!r} at this price and stop."
                return 0, Denied("size", text)
        elif type(quantity) is not int or quantity <= 0 or quantity % line.instrument.lot_size:
            text = f"quantity {quantity!r} is not a positive multiple of the lot {line.instrument.lot_size}."
            return 0, Denied("grid", text)
        return intent.direction * quantity + (position.target if intent.additional else 0), None

    def _size(self, plan: Plan, intent: Intent, line: Line) -> int:
        core, limits = self._core, self._core.settings.limits
        instrument, price = line.instrument, line.last
        if price <= 0:
            return instrument.lot_size  # for risk to refuse: it says why
        most_value = limits.max_order_value
        if most_value:  # at the worst price that the order may pay
            side = _side(intent.direction)
            worst = entry_terms(instrument, side, instrument.lot_size, price, core.settings.tactics)
            most_value = most_value * price // max(price, worst.price)
        distance = stop_distance(intent.protection, price) if plan.sizing.by is _RISK else 0
        units = size(plan.sizing, instrument, price, distance, most_value)
        most = limits.max_order_quantity
        return instrument.whole_lots(min(units, most)) if most else units

    def _objection(self, position: Position, intent: Intent, goal: int) -> Denied | None:
        """What risk would say to the first order of this target, asked before anything is changed."""
        core = self._core
        if too_late := objection(core, core.now):
            return too_late
        line = core.line(intent.instrument)
        if not line.last:
            return Denied("stale-price", f"{intent.instrument} has no price yet.")
        kept = abs(position.quantity) if 0 < goal * position.quantity < goal * goal else 0
        whole, held = abs(goal) - kept, position.quantity
        side = _side(goal)
        terms = entry_terms(line.instrument, side, whole, line.last, core.settings.tactics)
        verdict = self._orders.verdict(position, _ENTRY, side, terms, held=held, working=0, whole=whole, kept=kept)
        return verdict if isinstance(verdict, Denied) else None

    def _stay(self, position: Position, intent: Intent) -> None:
        """Nothing to do, now. A key is used up all the same: said again later, it would open or close."""
        if intent.key:
            self._core.set_target(position, position.target, position.reason, intent.source, intent.key)

    def _aim(self, position: Position, intent: Intent, quantity: int) -> None:
        core, plan = self._core, intent.protection
        if plan == _NO_PROTECTION and quantity * position.target > 0:
            plan = position.protection if position.quantity * quantity > 0 else position.planned  # the exits it has
        core.emit(
            ev.TargetSet(
                ts=core.now,
                position=position.id,
                quantity=quantity,
                reason=intent.reason,
                source=intent.source,
                protection=plan,
                reference=core.last(intent.instrument),
                key=intent.key,
            )
        )
        core.touch(position.id)

    def _deny(self, position: Position, intent: Intent, denied: Denied) -> None:
        self._core.emit(
            ev.IntentDenied(
                ts=self._core.now,
                position=position.id,
                rule=denied.rule,
                message=denied.message,
                source=intent.source,
                key="" if denied.rule == "duplicate" else intent.key,
            )
        )


def stop_distance(plan: Protection, price: Paise) -> Paise:
    """The nearer of stop and trail at an entry at `price`, paise per unit; 0 if there is neither."""
    if plan.stop is None and plan.trail is None:
        return 0
    distances = [offset.of(price) for offset in (plan.stop, plan.trail) if offset is not None]
    return min(distances)
