"""Prices against positions: protective exits, and the profit of the day.

Asked at every tick of an instrument that is held; costs one dictionary look-up for those that are not.
"""

from __future__ import annotations

from saudagar.engine.core import Core
from saudagar.engine.guard import NEVER, Guard
from saudagar.execution import protection
from saudagar.model import InstrumentId, Nanos, Paise, PositionId, Protection, Source, Tick, TradingState
from saudagar.model import events as ev
from saudagar.portfolio import Position
from saudagar.risk import day_limit

_NO_PROTECTION = Protection()
_REASONS = {protection.TARGETED: "target", protection.AGED: "time"}


class _Held:
    """The open positions of one instrument, their guards, and the corridor that is common to these."""

    __slots__ = ("ceiling", "due", "floor", "guards", "positions", "profit", "waiting")

    def __init__(self) -> None:
        self.positions: dict[PositionId, Position] = {}
        self.guards: dict[PositionId, Guard] = {}
        self.profit: Paise = 0  # gross, of the open round trips when they were last marked
        self.waiting = False  # whether a guard waits for the broker's stop
        self.floor, self.ceiling, self.due = 0, NEVER, NEVER

    def narrow(self) -> None:
        """Take the corridor anew from the guards."""
        self.floor, self.ceiling, self.due = 0, NEVER, NEVER
        for guard in self.guards.values():
            if guard.floor > self.floor:
                self.floor = guard.floor
            if guard.ceiling < self.ceiling:
                self.ceiling = guard.ceiling
            if guard.due < self.due:
                self.due = guard.due


class Watch:
    """Follows every open position."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._held: dict[InstrumentId, _Held] = {}
        self._seen_trades = 0
        limits = core.settings.limits
        self._limited = bool(limits.day_loss or limits.day_profit)
        self._counts_cash = limits.leverage_percent > 0
        self._open: Paise = 0  # the sum of what was last marked
        self._brought: Paise = 0  # of it and of what is realised, what lay in the positions at the last day's end
        self.realised: Paise = 0  # gross, today
        self.charges: Paise = 0  # of today's closed round trips
        self.earned: Paise = 0  # by all closed round trips there are, after charges; counted where cash is
        self.trades = 0  # today's closed round trips

    @property
    def open_profit(self) -> Paise:
        """Gross, of the open round trips at the last prices."""
        for name, held in self._held.items():
            self._mark(held, self._core.last(name))
        return self._open

    @property
    def profit(self) -> Paise:
        """Of the day: realised, less the charges on it, plus what is open, less what of both is of earlier days."""
        return self.realised - self.charges + self.open_profit - self._brought

    @property
    def closes(self) -> dict[InstrumentId, Paise]:
        """The last price of each instrument that is held; where it had none today, that of the day before."""
        core, state = self._core, self._core.state
        held = {position.instrument for position in state.positions.values() if position.quantity}
        prices = ((name, core.last(name) or state.closes.get(name, 0)) for name in sorted(held))
        return {name: price for name, price in prices if price}

    def resume(self) -> None:
        """Take up what the state holds, after a restart."""
        core = self._core
        self._count_trades()
        self._brought = sum(profit for name, profit in core.state.brought.items() if name not in core.strange)
        for position in core.state.positions.values():
            if position.quantity and position.instrument not in core.strange:
                self._take_up(position)
        if self._limited:
            for name, held in self._held.items():
                self._mark(held, core.last(name))
            self.check_day()

    def corridor(self, instrument: InstrumentId) -> tuple[Paise, Paise, Nanos]:
        """Before the third, a price of `instrument` between the first two, both left out, changes nothing."""
        held = self._held.get(instrument)
        return (held.floor, held.ceiling, held.due) if held is not None else (0, NEVER, NEVER)

    def alone(self, instrument: InstrumentId) -> Guard | None:
        """The guard of the only position held of `instrument`, if nothing but its own levels counts."""
        held = self._held.get(instrument)
        if held is None or self._limited or held.waiting or len(held.positions) != 1 or len(held.guards) != 1:
            return None
        (guard,) = held.guards.values()
        return guard

    def moved(self, guard: Guard) -> None:
        """The stop of `guard` has moved."""
        self._record(guard)
        self._held[guard.position.instrument].narrow()

    def on_tick(self, tick: Tick) -> None:
        """One price of one instrument."""
        held = self._held.get(tick.instrument)
        if held is None:
            return
        price = tick.ltp
        if not (held.floor < price < held.ceiling and self._core.now < held.due):
            self._follow(held, price)
        elif held.waiting:
            self._forget(held)
        if self._limited:
            self._mark(held, price)
            self.check_day()

    def filled(self, position: Position) -> None:
        """The quantity of `position` has changed."""
        core, name = self._core, position.instrument
        if len(core.state.trades) != self._seen_trades:
            self._count_trades()
        if name in core.strange:
            return
        held = self._take_up(position)
        if self._limited or (held.profit and not held.positions):
            self._mark(held, core.last(name))
            self.check_day()

    def _take_up(self, position: Position) -> _Held:
        """Follow `position` as it is now."""
        name = position.instrument
        held = self._held.get(name)
        if held is None:
            held = self._held[name] = _Held()
        if position.quantity:
            held.positions[position.id] = position
        else:
            held.positions.pop(position.id, None)
        if not held.positions:
            del self._held[name]
        elif held.guards or position.protection != _NO_PROTECTION or position.stop:
            self._guard(held, position)
        return held

    def _guard(self, held: _Held, position: Position) -> None:
        guards, name = held.guards, position.id
        guard = guards.get(name)
        if guard is not None and guard.outdated:
            del guards[name]
            guard = None
        if guard is None and position.quantity:
            guard = guards[name] = Guard(position, self._core.instrument(position.instrument).tick_size)
            self._record(guard)
        held.narrow()

    def stop_reason(self, position: Position) -> str:
        """Why a stop order of `position` filled, for the report."""
        held = self._held.get(position.instrument)
        guard = held.guards.get(position.id) if held is not None else None
        return guard.stop_reason if guard is not None else "stop"

    def _follow(self, held: _Held, price: Paise) -> None:
        now, waiting = self._core.now, False
        for guard in held.guards.values():
            if guard.floor < price < guard.ceiling and now < guard.due:
                guard.hit_since = 0
                continue
            before = guard.stop
            decision = guard.on_price(price, now)
            if guard.stop != before:
                self.moved(guard)
                self._core.touch(guard.position.id)
            if decision == protection.HOLD:
                guard.hit_since = 0
            elif guard.position.target * guard.sign > 0:
                self._leave(guard, decision)
            waiting |= guard.hit_since > 0
        held.waiting = waiting

    def _forget(self, held: _Held) -> None:
        held.waiting = False
        for guard in held.guards.values():
            guard.hit_since = 0

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

    def _mark(self, held: _Held, price: Paise) -> None:
        profit = 0
        for position in held.positions.values():
            known = price or self._core.state.closes.get(position.instrument, 0)
            profit += position.profit(known or position.average_price)
        self._open += profit - held.profit
        held.profit = profit

    def _count_trades(self) -> None:
        trades = self._core.state.trades
        begin, end = self._core.span
        for trade in trades[self._seen_trades :]:
            today = begin <= trade.exit_ts < end
            if not (today or self._counts_cash):
                continue
            charges = 0 if trade.instrument in self._core.strange else self._core.costs(trade)
            gross = trade.gross
            self.earned += gross - charges
            if today:
                self.trades += 1
                self.realised += gross
                self.charges += charges
        self._seen_trades = len(trades)

    def check_day(self) -> None:
        """End the day's trading where its profit has reached a limit."""
        core = self._core
        if not self._limited or core.state.trading is TradingState.HALTED:
            return
        reason = day_limit(self.realised - self.charges + self._open - self._brought, core.settings.limits)
        if not reason:
            return
        if core.state.trading is not TradingState.ACTIVE and not any(p.target for p in core.state.positions.values()):
            return  # paused, and everything is on its way out
        core.emit(ev.TradingStateChanged(ts=core.now, state=TradingState.REDUCING, reason=reason, source=Source.LIMIT))
        core.alert("critical", f"{reason}. Closing all positions; no entries today, and none later until resumed.")
        for position in list(core.state.positions.values()):
            if position.target or position.quantity:
                core.set_target(position, 0, "day limit", Source.LIMIT)
