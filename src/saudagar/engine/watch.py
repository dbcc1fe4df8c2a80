"""Prices against positions: protective exits, and the profit of the day.

Asked at every tick of an instrument that is held; costs one dictionary look-up for those that are not.
"""

from __future__ import annotations

from saudagar.engine.core import Core
from saudagar.engine.guard import Guard
from saudagar.execution import protection
from saudagar.model import InstrumentId, Paise, PositionId, Source, Tick, TradingState
from saudagar.model import events as ev
from saudagar.portfolio import Position
from saudagar.risk import day_limit

_REASONS = {protection.TARGETED: "target", protection.AGED: "time"}

_UNLIMITED = 1 << 62


class Watch:
    """Follows every open position."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._guards: dict[InstrumentId, dict[PositionId, Guard]] = {}
        self._seen_trades = 0
        limits = core.settings.limits
        self._least = -limits.day_loss if limits.day_loss else -_UNLIMITED
        self._most = limits.day_profit or _UNLIMITED
        self.open_profit: Paise = 0  # gross, of the open round trips at the last prices
        self.realised: Paise = 0  # gross, today
        self.charges: Paise = 0  # of today's closed round trips
        self.trades = 0  # today's closed round trips

    @property
    def profit(self) -> Paise:
        """Of the day: realised, less the charges on it, plus what is open."""
        return self.realised - self.charges + self.open_profit

    def resume(self) -> None:
        """Take up what the state holds, after a restart."""
        self._count_trades()
        for position in self._core.state.positions.values():
            if position.quantity:
                self.filled(position)

    def on_tick(self, tick: Tick) -> None:
        """One price of one instrument."""
        guards = self._guards.get(tick.instrument)
        if not guards:
            return
        price, now = tick.ltp, self._core.now
        for guard in guards.values():
            if not (guard.floor < price < guard.ceiling and now < guard.due):
                self._follow(guard, price)
            elif guard.hit_since:
                guard.hit_since = 0
            self._mark(guard, price)
        self._check_day()

    def filled(self, position: Position) -> None:
        """The quantity of `position` has changed."""
        core = self._core
        self._count_trades()
        name, quantity = position.instrument, position.quantity
        guards = self._guards.setdefault(name, {})
        guard = guards.get(position.id)
        if guard is not None and (guard.average != position.average_price or guard.sign * quantity <= 0):
            self.open_profit -= guard.profit
            del guards[position.id]
            guard = None
        if quantity:
            if guard is None:
                guard = guards[position.id] = Guard(position, core.instrument(name))
                self._record(guard)
            else:
                guard.count()
            self._mark(guard, core.last(name) or position.average_price)
        self._check_day()

    def stop_reason(self, position: Position) -> str:
        """Why a stop order of `position` filled, for the report."""
        guard = self._guards.get(position.instrument, {}).get(position.id)
        return guard.stop_reason if guard is not None else "stop"

    def _follow(self, guard: Guard, price: Paise) -> None:
        before = guard.stop
        decision = guard.on_price(price, self._core.now)
        if guard.stop != before:
            self._record(guard)
            self._core.touch(guard.position.id)
        if decision == protection.HOLD:
            guard.hit_since = 0
        elif guard.position.target * guard.sign > 0:
            self._leave(guard, decision)

    def _leave(self, guard: Guard, decision: int) -> None:
        core = self._core
        if decision == protection.STOPPED:
            if self._rests(guard) and (not guard.hit_since or core.now - guard.hit_since < core.settings.tactics.chase):
                guard.hit_since = guard.hit_since or core.now  # the broker's stop has the first word
                return
            core.set_target(guard.position, 0, guard.stop_reason, Source.PROTECTION)
        else:
            core.set_target(guard.position, 0, _REASONS[decision], Source.PROTECTION)

    def _rests(self, guard: Guard) -> bool:
        """Whether a stop order at this very level is working at the broker."""
        orders = self._core.state.working_orders(guard.position.id)
        return any(o.terms.trigger_price == guard.stop for o in orders)

    def _record(self, guard: Guard) -> None:
        position = guard.position
        if position.stop != guard.stop or position.target_price != guard.target:
            self._core.emit(
                ev.ProtectionMoved(
                    ts=self._core.now,
                    position=position.id,
                    stop=guard.stop,
                    target=guard.target,
                    best=guard.best,
                    trailed=guard.trailed,
                )
            )

    def _mark(self, guard: Guard, price: Paise) -> None:
        profit = guard.quantity * price + guard.base
        self.open_profit += profit - guard.profit
        guard.profit = profit

    def _count_trades(self) -> None:
        trades = self._core.state.trades
        if len(trades) == self._seen_trades:
            return
        begin, end = self._core.span
        for trade in trades[self._seen_trades :]:
            if begin <= trade.exit_ts < end:
                self.trades += 1
                self.realised += trade.gross
                self.charges += self._core.costs(trade)
        self._seen_trades = len(trades)

    def _check_day(self) -> None:
        core = self._core
        if self._least < self.profit < self._most or core.state.trading is not TradingState.ACTIVE:
            return
        reason = day_limit(self.profit, core.settings.limits)
        core.emit(ev.TradingStateChanged(ts=core.now, state=TradingState.REDUCING, reason=reason, source=Source.LIMIT))
        core.alert("critical", f"{reason}. Closing all positions; no entries until resumed.")
        for position in list(core.state.positions.values()):
            if position.target or position.quantity:
                core.set_target(position, 0, "day limit", Source.LIMIT)
