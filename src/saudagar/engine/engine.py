"""The desk: one synchronous, pure function from what arrives to what has happened and what to do about it.

`Engine.process` takes a tick frame, a broker's report, an intent or a command. It answers with the events that have
happened (applied to `State`, not yet on disk) and the effects that the caller may carry out once those events are on
disk. It reads no clock, does no I/O and awaits nothing: the live runner, a replay and a test drive the same code.

Read from `process` downwards: market → intents. `targets.py` decides on them (intents → targets), `orders.py` goes on
from there (targets → requests), and `answers.py` books what comes back (reports → fills).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypeAlias

import msgspec

from saudagar.engine.analysis import Analysis
from saudagar.engine.answers import Answers
from saudagar.engine.core import Core
from saudagar.engine.guard import Guard
from saudagar.engine.opening import Opening
from saudagar.engine.orders import OrderDesk
from saudagar.engine.plan_run import Standing
from saudagar.engine.reconciliation import Reconciliation
from saudagar.engine.settings import Settings
from saudagar.engine.state import State
from saudagar.engine.targets import Targets
from saudagar.engine.watch import Watch
from saudagar.execution.effects import Effect, TakeSnapshot
from saudagar.execution.ports import InstrumentLookup
from saudagar.market.ist import DAY, at, midnight
from saudagar.market.screen import TickScreen
from saudagar.market.sessions import Calendar
from saudagar.model import (
    AcceptBook,
    AccountSnapshot,
    CloseAll,
    Command,
    DayEnded,
    InstrumentId,
    Intent,
    LinkReported,
    LookUpMissed,
    ModifyAccepted,
    Nanos,
    OrderReport,
    OrderStatus,
    Paise,
    PositionId,
    PriceBandTold,
    Product,
    RequestFailed,
    SetTradingState,
    Source,
    TickFrame,
    TimeAdvanced,
    TradingState,
)
from saudagar.model import events as ev
from saudagar.model.errors import UnknownInstrument
from saudagar.portfolio import Trade

Inbound: TypeAlias = TickFrame | OrderReport | Intent | Command


class Step(msgspec.Struct, frozen=True, gc=False):
    """The answer of one `process`: first make `events` durable, then carry out `effects` in order."""

    events: Sequence[ev.Event]
    effects: Sequence[Effect]


_NOTHING = Step((), ())


class Engine:
    """One desk.

    Parameters
    ----------
    state
        A new one, or what the journal's replay gave.
    costs
        The charges on a round trip, paise; they count against the day's limits.
    watched
        Instruments to take prices of beside those of the plans.
    analysis
        What turns ticks into intents; by default bars and graphs made from the plans, cold.
    screen
        What lets usable ticks through; by default one for all instruments of the plans and those `watched`.
    """

    def __init__(
        self,
        settings: Settings,
        instruments: InstrumentLookup,
        calendar: Calendar,
        state: State,
        costs: Callable[[Trade], Paise],
        watched: Sequence[InstrumentId] = (),
        analysis: Analysis | None = None,
        screen: TickScreen | None = None,
    ) -> None:
        self._core = Core(settings, instruments, calendar, state, costs)
        self.watch = Watch(self._core)
        self._orders = OrderDesk(self._core, self.watch)
        self._targets = Targets(self._core, self._orders)
        self._opening = Opening(self._core, self._targets)
        self._answers = Answers(self._core, self._orders, self.watch)
        self._reconciliation = Reconciliation(self._core, self._answers, self._orders, self.watch)
        self.analysis = analysis or Analysis(
            settings.plans,
            self._core.instrument,
            calendar,
            self._standing,
            settings.bar_grace,
            self._strategy_failed,
        )
        self.screen = screen or self._screen(watched)
        self._halt_when_flat: SetTradingState | None = None
        self._handlers: dict[type, Callable[[Any], None]] = {
            TickFrame: self._frame,
            OrderReport: self._report,
            Intent: self._targets.want,
            TimeAdvanced: lambda event: self._advance(event.ts),
            LookUpMissed: self._answers.missed,
            RequestFailed: self._answers.failed,
            ModifyAccepted: self._answers.modified,
            AccountSnapshot: self._reconciliation.snapshot,
            SetTradingState: self._set_trading_state,
            CloseAll: lambda command: self._leave_all("close-all", command.reason, command.source, command.keep),
            LinkReported: self._link,
            AcceptBook: self._reconciliation.accept,
            PriceBandTold: self._orders.bands.told,
            DayEnded: self._day_ended,
        }

    def _screen(self, watched: Sequence[InstrumentId]) -> TickScreen:
        core = self._core
        planned = (i for plan in core.settings.plans for i in plan.instruments)
        seen = {i: core.instrument(i) for i in (*watched, *planned)}
        return TickScreen(seen.values(), core.calendar)

    @property
    def state(self) -> State:
        return self._core.state

    @property
    def now(self) -> Nanos:
        """The engine's time: the latest any event brought."""
        return self._core.now

    def price(self, instrument: InstrumentId) -> Paise:
        """The latest price, paise; 0 if there was none."""
        return self._core.last(instrument)

    @property
    def product(self) -> Product:
        """What every order of the desk trades."""
        return self._core.settings.product

    @property
    def differences(self) -> Mapping[InstrumentId, int]:
        """Signed units that the broker holds, where its book has been found to differ from ours."""
        return self._core.broker_holds

    def isin(self, instrument: InstrumentId) -> str:
        """Of a share, by today's master; else empty."""
        return self._core.isin(instrument)

    def quote(self, instrument: InstrumentId, price: Paise) -> None:
        """Know a price before its tick comes, so that orders which a report calls for go by it. Nothing acts on it.

        For a replay, whose prices lie far apart: live, a tick is never older than the report that follows it.
        """
        line = self._core.line(instrument)
        if line.last:  # the first one of a day must come as a tick
            line.last = price

    def follower(self, instrument: InstrumentId) -> tuple[Guard, int, Nanos] | None:
        """The guard of the only position of `instrument`, how often its stop may move, and until when.

        None where a better price may do anything else. For a replay, which lets the guard follow many prices
        (`Guard.follows`) and then tells the desk the last of them (`followed`).
        """
        core, guard = self._core, self.watch.alone(instrument)
        if guard is None:
            return None
        line, most = core.line(instrument), self._orders.free_moves(guard.position)
        return (guard, most, min(line.closes, guard.due)) if most and core.is_open(line) else None

    def followed(self, guard: Guard, ts: Nanos, price: Paise, moves: int) -> Step:
        """What `process` would have made of the prices that `guard` has followed, as one move.

        `price` (paise) at `ts` is the last of them; the broker has said yes to each of the `moves`.
        """
        line = self._core.line(guard.position.instrument)
        self._advance(ts)
        line.last, line.ts = price, ts
        self.watch.moved(guard)
        self._orders.move_stop(guard.position, moves)
        return self._finish()

    def start(self, day: date, now: Nanos) -> Step:
        """Open `day`, or resume it after a restart. Start-up and recovery are this one path."""
        core, hours = self._core, self._core.settings.hours
        core.now, core.day, self._opening.began = now, day, now
        resumed = core.state.day == day
        core.emit(ev.DayOpened(ts=now, day=day, desk=core.settings.desk, config=core.settings.digest, resumed=resumed))
        core.window = (
            at(day, hours.no_entry_before) if hours.no_entry_before else 0,
            min(at(day, clock) for clock in (hours.no_entry_after or "23:59:59", hours.square_off or "23:59:59")),
        )
        core.span = (midnight(day), midnight(day) + DAY)
        if hours.square_off:
            core.later(at(day, hours.square_off), self._square_off)
        self._look_over_positions(new_day=not resumed)
        self.watch.resume()
        self._answers.resume()
        self._compare_books()
        return self._finish()

    def _look_over_positions(self, *, new_day: bool) -> None:
        """What another day wanted and did not get is not opened today; what today's master does not know is told."""
        core = self._core
        for position in list(core.state.positions.values()):
            if new_day and position.opens:
                core.set_target(position, position.kept, "its day is over", Source.SESSION)
            try:
                core.line(position.instrument)
            except UnknownInstrument:
                core.strange.add(position.instrument)
                if held := position.quantity:
                    core.alert("critical", f"{position.id} holds {held}, and today's master has no such instrument.")

    def process(self, event: Inbound) -> Step:
        """Take in one event. Raises `InvariantError` if saudagar itself is wrong; then stop."""
        self._handlers[type(event)](event)
        return self._finish()

    def process_all(self, events: Sequence[Inbound]) -> Step:
        """Take in what was said in one breath, and act on it after the last."""
        for event in events:
            self._handlers[type(event)](event)
        return self._finish()

    def _finish(self) -> Step:
        core = self._core
        if core.touched:
            self._orders.steer_touched()
        if self._halt_when_flat is not None:
            self._halt_if_flat(self._halt_when_flat)
        events, effects = core.events, core.effects
        if not events and not effects:
            return _NOTHING
        core.events, core.effects = [], []
        return Step(events, effects)

    # -- market --------------------------------------------------------------------------------------------------

    def _frame(self, frame: TickFrame) -> None:
        now, core = frame.ts, self._core
        first, end = core.span
        if not first <= now < end:
            self.screen.counts["day"] += len(frame.ticks)
            return
        if now > core.now:
            self._advance(now)
        check, line_of = self.screen.check, core.line
        watch, bars = self.watch.on_tick, self.analysis.on_tick
        for tick in frame.ticks:
            if check(tick, now) is None:
                continue
            line = line_of(tick.instrument)
            if not line.last:
                self._first_price(tick.instrument)
            line.last, line.ts = tick.ltp, tick.ts
            watch(tick)
            for intent in bars(tick):
                (self._opening if intent.key else self._targets).want(intent)

    def _first_price(self, instrument: InstrumentId) -> None:
        """What could not be priced before can be now."""
        for position in self._core.state.positions.values():
            if position.instrument == instrument:
                self._core.touch(position.id)

    def _advance(self, now: Nanos) -> None:
        core = self._core
        if not core.now < now < core.span[1]:
            return
        if self._orders.vigil.steered:
            self._orders.vigil.time_goes_on()
        core.now = now
        if core.due <= now:
            core.do_due()
        for intent in self.analysis.advance(now):
            self._targets.want(intent)

    def _strategy_failed(self, position: PositionId, why: str) -> None:
        """A position that is held keeps its exits: they need no strategy."""
        self._core.alert("critical", f"{position} raised {why}. It gives no more signals today; its exits stay.")

    def _standing(self, position: PositionId) -> Standing:
        known = self._core.state.positions.get(position)
        return Standing(known.quantity, known.average_price, known.target) if known else Standing(0, 0, 0)

    # -- reports and commands ------------------------------------------------------------------------------------

    def _report(self, report: OrderReport) -> None:
        order = self._core.state.orders.get(report.order_id)
        if order is not None:
            self._answers.report(order, report)
        else:
            self._reconciliation.foreign(report)

    def _set_trading_state(self, command: SetTradingState) -> None:
        core, state = self._core, command.state
        self._halt_when_flat = None
        if command.flatten:
            self._flatten(command.reason, command.source)
            if state is TradingState.HALTED and not self._flat:
                self._halt_when_flat = command  # a halt would stop the exits too
                state = TradingState.REDUCING
        core.emit(ev.TradingStateChanged(ts=core.now, state=state, reason=command.reason, source=command.source))
        self.watch.check_day()  # what it lets in now would go out again at once
        if state is not TradingState.ACTIVE:
            for position in list(core.state.positions.values()):
                if position.opens:
                    core.set_target(position, position.kept, command.reason, command.source)
        self._orders.release()

    @property
    def _flat(self) -> bool:
        state = self._core.state
        return not any(state.working.values()) and not any(p.quantity for p in state.positions.values())

    def _halt_if_flat(self, command: SetTradingState) -> None:
        """The second half of "close everything and halt". Lost in a restart, which leaves the desk REDUCING."""
        core = self._core
        if self._flat:
            self._halt_when_flat = None
            core.emit(
                ev.TradingStateChanged(
                    ts=core.now, state=TradingState.HALTED, reason=command.reason, source=command.source
                )
            )

    def _square_off(self) -> None:
        self._leave_all("square-off", "square-off", Source.SESSION)

    def _leave_all(self, asked: str, reason: str, source: Source, keep: Sequence[InstrumentId] = ()) -> None:
        """Close everything, at once; who has halted the desk is told that it does not."""
        self._flatten(reason, source, keep)
        self._orders.release()
        held = [p.id for p in self._core.state.positions.values() if p.quantity and p.instrument not in keep]
        if held and self._core.state.trading is TradingState.HALTED:
            text = f"trading is HALTED, which leaves {', '.join(held)} open. Resume, or close at the broker."
            self._core.alert("critical", f"{asked}: {text}")

    def _compare_books(self) -> None:
        """Ask for the broker's book now and at every interval."""
        core, interval = self._core, self._core.settings.reconcile
        core.effects.append(TakeSnapshot())
        if interval:
            core.later(core.now + interval, self._compare_books)

    def _day_ended(self, end: DayEnded) -> None:
        """Nothing can be filled any more: say what was left open."""
        core = self._core
        self._advance(end.ts)
        for position in core.state.positions.values():
            if position.quantity and core.settings.hours.square_off:
                core.alert("critical", f"{position.id} is still open with {position.quantity} at the day's end.")
        for order in core.state.orders.values():
            if order.status is OrderStatus.UNKNOWN:
                name = f"order {order.id} {order.new.instrument}"
                core.alert("critical", f"{name} is still UNKNOWN at the day's end: look at the broker's book.")
        if core.day is not None:
            core.emit(ev.DayClosed(ts=core.now, day=core.day, prices=self.watch.closes))
        core.effects.append(TakeSnapshot())

    def _flatten(self, reason: str, source: Source, keep: Sequence[InstrumentId] = ()) -> None:
        for position in list(self._core.state.positions.values()):
            if position.instrument not in keep and (position.quantity or position.target):
                self._core.set_target(position, 0, reason, source)

    def _link(self, link: LinkReported) -> None:
        core = self._core
        if link.blocks_entries:
            if link.link in core.blocked:
                return  # every request may say so again
            core.blocked[link.link] = f"{link.link}: {link.detail}"
        elif link.up:
            core.blocked.pop(link.link, None)
            core.effects.append(TakeSnapshot())
        word = "is up" if link.up else f"is down: {link.detail}"
        core.alert("info" if link.up else "critical" if link.blocks_entries else "warning", f"{link.link} {word}")
