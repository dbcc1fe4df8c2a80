"""Prices against positions: protective exits, and the profit of the day.

Asked at every tick of an instrument that is held; costs one dictionary look-up for those that are not.
"""

from __future__ import annotations

from saudagar.engine.core import Core
from saudagar.engine.guard import Guard
from saudagar.execution import protection
from saudagar.market.ist import ist_day
from saudagar.model import InstrumentId, Paise, PositionId, Source, Tick, TradingState
from saudagar.model import events as ev
from saudagar.portfolio import Position
from saudagar.risk import day_limit

_REASONS = {protection.TARGETED: "target", protection.AGED: "time"}


class Watch:
    """Follows every open position."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._guards: dict[InstrumentId, list[Guard]] = {}
        self._open: dict[PositionId, Paise] = {}  # gross profit of the open round trips at the last price
        self._seen_trades = 0
        self.open_profit: Paise = 0
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
        for guard in guards:
            self._follow(guard, tick.ltp)
            self._mark(guard.position, tick.ltp)
        self._check_day()

    def filled(self, position: Position) -> None:
        """The quantity of `position` has changed."""
        core = self._core
        self._count_trades()
        guards = self._guards.setdefault(position.instrument, [])
        known = next((g for g in guards if g.position is position), None)
        if position.quantity == 0:
            if known:
                guards.remove(known)
            self.open_profit -= self._open.pop(position.id, 0)
            self._check_day()
            return
        if known is None or known.average != position.average_price or known.sign * position.quantity < 0:
            if known:
                guards.remove(known)
            known = Guard(position, core.instrument(position.instrument))
            guards.append(known)
            self._record(known)
        self._mark(position, core.last(position.instrument) or position.average_price)

    def stop_reason(self, position: Position) -> str:
        """Why a stop order of `position` filled, for the report."""
        for guard in self._guards.get(position.instrument, ()):
            if guard.position is position:
                return guard.stop_reason
        return "stop"

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
        if (position.stop, position.target_price) != (guard.stop, guard.target):
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

    def _mark(self, position: Position, price: Paise) -> None:
        profit = position.profit(price)
        self.open_profit += profit - self._open.get(position.id, 0)
        self._open[position.id] = profit

    def _count_trades(self) -> None:
        trades = self._core.state.trades
        for trade in trades[self._seen_trades :]:
            if self._core.day is not None and ist_day(trade.exit_ts) == self._core.day:
                self.trades += 1
                self.realised += trade.gross
                self.charges += self._core.costs(trade)
        self._seen_trades = len(trades)

    def _check_day(self) -> None:
        core = self._core
        if core.state.trading is not TradingState.ACTIVE:
            return
        reason = day_limit(self.profit, core.settings.limits)
        if not reason:
            return
        core.emit(ev.TradingStateChanged(ts=core.now, state=TradingState.REDUCING, reason=reason, source=Source.LIMIT))
        core.alert("critical", f"{reason}. Closing all positions; no entries until resumed.")
        for position in list(core.state.positions.values()):
            if position.target or position.quantity:
                core.set_target(position, 0, "day limit", Source.LIMIT)
