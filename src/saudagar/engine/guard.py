"""The protective levels of one open position, between ticks.

Made from the position when it opens (and again after a restart), dropped when it closes. The rule itself is
`execution.protection`; what must survive a crash goes into the journal as `ProtectionMoved`.
"""

from __future__ import annotations

from saudagar.execution import protection
from saudagar.model import Nanos, Offset, Paise, Protection
from saudagar.portfolio import Position

_STEPS_PER_TRAIL = 10
"""A trailing stop moves in tenths of its distance: brokers allow some 25 modifications of one order."""

NEVER = 1 << 62
"""A price and a time that never come."""


class Guard:
    """Follows one open position tick by tick."""

    __slots__ = (
        "average",
        "best",
        "break_even",
        "ceiling",
        "due",
        "entry",
        "floor",
        "hit_since",
        "lead",
        "max_age",
        "opened",
        "plan",
        "position",
        "sign",
        "stop",
        "target",
        "trail",
        "trail_step",
        "trailed",
    )

    def __init__(self, position: Position, tick: Paise) -> None:
        self.plan = plan = position.protection
        self.position = position
        self.sign = 1 if position.quantity > 0 else -1
        self.average = average = position.average_price
        entry = average // tick * tick
        self.entry = self.best = entry if entry > tick else tick
        self.max_age, self.opened = plan.max_age, position.opened
        self.due: Nanos = self.opened + self.max_age if self.max_age else NEVER
        self.hit_since: Nanos = 0
        self.trailed = position.trailed
        self._arm(plan, tick)

    def _arm(self, plan: Protection, tick: Paise) -> None:
        entry = self.entry
        self.trail = trail = _distance(plan.trail, entry, tick) if plan.trail else 0
        step = trail // _STEPS_PER_TRAIL // tick * tick
        self.trail_step = step if step > tick else tick
        self.lead = self.sign * (trail + self.trail_step)
        self.break_even = max(tick, plan.break_even.of(entry)) if plan.break_even else 0
        stop = _distance(plan.stop, entry, tick) if plan.stop else 0
        target = _distance(plan.target, entry, tick) if plan.target else 0
        self.stop, self.target = protection.first_levels(self.sign, entry, stop, target, self.trail)
        if self.stop <= 0 and (plan.stop or plan.trail):
            self.stop = tick  # wider than the price itself: the lowest price there is
        if self.target < 0:
            self.target = 0
        if self.trailed:
            self.stop, self.best = self.position.stop, self.position.best
        self._draw_corridor()

    def _draw_corridor(self) -> None:
        """The prices between which nothing can happen: no exit, and no better price that moves the stop."""
        sign, stop = self.sign, self.stop
        kind = self.target or sign * NEVER
        if self.trail:
            moves = stop + self.lead
            if sign * (kind - moves) > 0:
                kind = moves
        if self.break_even and (not stop or sign * (self.entry - stop) > 0):
            moves = self.entry + sign * self.break_even
            kind = moves if sign * (kind - moves) > 0 else kind
        if sign > 0:
            self.floor, self.ceiling = stop, kind
        else:
            self.floor, self.ceiling = kind, stop or NEVER

    def on_price(self, price: Paise, now: Nanos) -> int:
        """The decision for this price; `stop` may have moved."""
        decision, stop, best = self._seen(price)
        self._follow(stop, best)
        if decision == protection.HOLD and protection.aged(now, self.opened, self.max_age):
            return protection.AGED
        return decision

    def follows(self, price: Paise, back: Paise) -> bool:
        """Have the stop follow `price` if that is all it does, then and on the way back to `back`; whether it did."""
        decision, stop, best = self._seen(price)
        if decision or stop == self.stop or self.sign * (back - stop) <= 0:
            return False
        self._follow(stop, best)
        return True

    def _follow(self, stop: Paise, best: Paise) -> None:
        self.best = best
        if stop != self.stop:
            self.stop, self.trailed = stop, True
            self._draw_corridor()

    def _seen(self, price: Paise) -> tuple[int, Paise, Paise]:
        return protection.step(
            self.sign,
            self.entry,
            self.stop,
            self.target,
            self.best,
            self.trail,
            self.trail_step,
            self.break_even,
            price,
            price,
        )

    @property
    def outdated(self) -> bool:
        """Whether the position is another one than when this was made: its price, its side or its exits."""
        position = self.position
        return (
            self.average != position.average_price
            or self.sign * position.quantity <= 0
            or self.plan is not position.protection
        )

    @property
    def stop_reason(self) -> str:
        """What a stop at the present level is called in the report."""
        if not self.trailed:
            return "stop"
        return "break-even" if self.break_even and self.stop == self.entry else "trailing stop"


def _distance(offset: Offset, entry: Paise, tick: Paise) -> Paise:
    """`offset` rounded up to whole ticks, at least one: a level never lies nearer than asked."""
    distance = offset.of(entry)
    return -(-distance // tick) * tick if distance > tick else tick
