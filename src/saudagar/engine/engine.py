"""The desk: one synchronous, pure function from what arrives to what has happened and what to do about it.

`Engine.process` takes a tick frame, a broker's report, an intent or a command. It answers with the events that have
happened (applied to `State`, not yet on disk) and the effects that the caller may carry out once those events are on
disk. It reads no clock, does no I/O and awaits nothing: the live runner, a replay and a test drive the same code.

Read from `process` downwards: market → intents → targets; `orders.py` takes it from there: targets → requests → fills.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, NamedTuple, TypeAlias

from saudagar.engine.analysis import Analysis, Standing
from saudagar.engine.core import Core
from saudagar.engine.orders import OrderDesk
from saudagar.engine.reconciliation import Reconciliation
from saudagar.engine.settings import Plan, Settings
from saudagar.engine.state import State
from saudagar.engine.watch import Watch
from saudagar.execution.effects import Effect, TakeSnapshot
from saudagar.execution.ports import InstrumentLookup
from saudagar.execution.steering import entry_terms
from saudagar.market.ist import at
from saudagar.market.screen import TickScreen
from saudagar.market.sessions import Calendar
from saudagar.model import (
    AccountSnapshot,
    CloseAll,
    Command,
    DayEnded,
    Direction,
    Instrument,
    InstrumentId,
    Intent,
    LinkReported,
    LookUpMissed,
    ModifyAccepted,
    Nanos,
    OrderReport,
    Paise,
    PositionId,
    Protection,
    Purpose,
    RequestFailed,
    SetTradingState,
    Side,
    Source,
    TickFrame,
    TimeAdvanced,
    TradingState,
    position_id,
)
from saudagar.model import events as ev
from saudagar.portfolio import Position, Trade
from saudagar.risk import Denied, size

Inbound: TypeAlias = TickFrame | OrderReport | Intent | Command


class Step(NamedTuple):
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
    ) -> None:
        self._core = Core(settings, instruments, calendar, state, costs)
        self._plans = {plan.id: plan for plan in settings.plans}
        self.watch = Watch(self._core)
        self._orders = OrderDesk(self._core, self.watch)
        self._reconciliation = Reconciliation(self._core, self._orders)
        self.analysis = analysis or Analysis(
            settings.plans, self._core.instrument, calendar, self._standing, settings.bar_grace
        )
        planned = (i for plan in settings.plans for i in plan.instruments)
        seen = {i: self._core.instrument(i) for i in (*watched, *planned)}
        self.screen = TickScreen(seen.values(), calendar)
        self._entry_window: tuple[Nanos, Nanos] = (0, 0)
        self._handlers: dict[type, Callable[[Any], None]] = {
            TickFrame: self._frame,
            OrderReport: self._report,
            Intent: self._intent,
            TimeAdvanced: lambda event: self._advance(event.ts),
            LookUpMissed: self._orders.missed,
            RequestFailed: self._orders.failed,
            ModifyAccepted: self._orders.modified,
            AccountSnapshot: self._reconciliation.snapshot,
            SetTradingState: self._set_trading_state,
            CloseAll: self._close_all,
            LinkReported: self._link,
            DayEnded: self._day_ended,
        }

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

    def start(self, day: date, now: Nanos) -> Step:
        """Open `day`, or resume it after a restart. Start-up and recovery are this one path."""
        core, hours = self._core, self._core.settings.hours
        core.now, core.day = now, day
        resumed = core.state.day == day
        core.emit(ev.DayOpened(ts=now, day=day, desk=core.settings.desk, config=core.settings.digest, resumed=resumed))
        self._entry_window = (
            at(day, hours.no_entry_before) if hours.no_entry_before else 0,
            at(day, hours.no_entry_after) if hours.no_entry_after else 1 << 62,
        )
        if hours.square_off:
            core.later(at(day, hours.square_off), self._square_off)
        self.watch.resume()
        self._orders.resume()
        self._compare_books()
        return self._finish()

    def process(self, event: Inbound) -> Step:
        """Take in one event. Raises `InvariantError` if saudagar itself is wrong; then stop."""
        self._handlers[type(event)](event)
        return self._finish()

    def _finish(self) -> Step:
        core = self._core
        self._orders.steer_touched()
        if not core.events and not core.effects:
            return _NOTHING
        step = Step(core.events, core.effects)
        core.events, core.effects = [], []
        return step

    # -- market --------------------------------------------------------------------------------------------------

    def _frame(self, frame: TickFrame) -> None:
        self._advance(frame.ts)
        check, prices = self.screen.check, self._core.prices
        for tick in frame.ticks:
            if check(tick, frame.ts) is None:
                continue
            prices[tick.instrument] = tick
            self.watch.on_tick(tick)
            for intent in self.analysis.on_tick(tick):
                self._intent(intent)

    def _advance(self, now: Nanos) -> None:
        core = self._core
        if now <= core.now:
            return
        core.now = now
        for action in core.due():
            action()
        for intent in self.analysis.advance(now):
            self._intent(intent)

    # -- intents become targets ----------------------------------------------------------------------------------

    def _intent(self, intent: Intent) -> None:
        """Refuse it, or set the position's target."""
        core = self._core
        position = core.state.position(position_id(intent.strategy, intent.instrument))
        if intent.key and intent.key in core.state.keys:
            self._deny(position, intent, Denied("duplicate", f"the key {intent.key!r} was seen before."))
            return
        plan = self._plans.get(intent.strategy)
        if intent.direction is Direction.FLAT or (plan and not plan.side.allows(intent.direction)):
            if position.target * (intent.direction or -position.target) < 0:
                self._aim(position, intent, 0)
            return
        if position.target * intent.direction > 0 and not intent.additional:
            return  # already wanted: a repeated target is harmless
        quantity, denied = self._quantity(position, intent, plan)
        if denied is None:
            self._aim(position, intent, intent.direction * quantity)
            return
        self._deny(position, intent, denied)
        if position.target * intent.direction < 0:
            self._aim(position, intent, 0)  # a reversal that may not open still closes

    def _quantity(self, position: Position, intent: Intent, plan: Plan | None) -> tuple[int, Denied | None]:
        """Units for the intent, or why there are none."""
        core = self._core
        if intent.additional and not intent.key:
            return 0, Denied("key", "an intent that adds to a position needs an idempotency key.")
        first, last = self._entry_window
        if not first <= core.now < last:
            return 0, Denied("entry-window", "outside the hours in which the desk opens positions.")
        instrument, price = core.instrument(intent.instrument), core.last(intent.instrument)
        quantity = intent.quantity
        if quantity is None:
            if plan is None:
                return 0, Denied("size", f"strategy {intent.strategy!r} has no sizing rule; give a quantity.")
            distance = stop_distance(intent.protection, price)
            quantity = size(plan.sizing, instrument, price, distance, core.settings.limits.max_order_value)
        if quantity <= 0:
            return 0, Denied("size", f"not even one lot fits the size of {intent.strategy!r} at this price and stop.")
        if intent.additional:
            quantity += abs(position.target)
        return quantity, self._objection(position, intent, instrument, quantity, price)

    def _objection(
        self, position: Position, intent: Intent, instrument: Instrument, quantity: int, price: Paise
    ) -> Denied | None:
        """What risk would say to the first order of this target, asked before anything is changed."""
        side = Side.of(intent.direction)
        if price <= 0:
            return Denied("stale-price", f"{instrument.id} has no price yet.")
        terms = entry_terms(instrument, side, quantity, price, self._core.settings.tactics)
        verdict = self._orders.verdict(position, Purpose.ENTRY, side, terms, 0)
        return verdict if isinstance(verdict, Denied) else None

    def _aim(self, position: Position, intent: Intent, quantity: int) -> None:
        core = self._core
        core.emit(
            ev.TargetSet(
                ts=core.now,
                position=position.id,
                quantity=quantity,
                reason=intent.reason,
                source=intent.source,
                protection=intent.protection,
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

    def _standing(self, position: PositionId) -> Standing:
        known = self._core.state.positions.get(position)
        return Standing(known.quantity, known.average_price, known.target) if known else Standing(0, 0, 0)

    # -- reports and commands ------------------------------------------------------------------------------------

    def _report(self, report: OrderReport) -> None:
        if report.order_id in self._core.state.orders:
            self._orders.report(report)
        else:
            self._reconciliation.foreign(report)

    def _set_trading_state(self, command: SetTradingState) -> None:
        core = self._core
        if command.flatten:
            self._flatten(command.reason, command.source)
            self._orders.steer_touched()
        core.emit(
            ev.TradingStateChanged(ts=core.now, state=command.state, reason=command.reason, source=command.source)
        )
        if command.state is not TradingState.ACTIVE:
            for position in list(core.state.positions.values()):
                if abs(position.target) > abs(position.quantity) or position.target * position.quantity < 0:
                    core.set_target(position, position.quantity, command.reason, command.source)

    def _close_all(self, command: CloseAll) -> None:
        self._flatten(command.reason, command.source, keep=command.keep)

    def _square_off(self) -> None:
        self._flatten("square-off", Source.SESSION)
        self._entry_window = (0, 0)

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
        if core.day is not None:
            core.emit(ev.DayClosed(ts=core.now, day=core.day))
        core.effects.append(TakeSnapshot())

    def _flatten(self, reason: str, source: Source, keep: Sequence[InstrumentId] = ()) -> None:
        for position in list(self._core.state.positions.values()):
            if position.instrument not in keep and (position.quantity or position.target):
                self._core.set_target(position, 0, reason, source)

    def _link(self, link: LinkReported) -> None:
        core = self._core
        if link.blocks_entries:
            core.entries_blocked = f"{link.link}: {link.detail}"
        elif link.up:
            core.entries_blocked = ""
            core.effects.append(TakeSnapshot())
        word = "is up" if link.up else f"is down: {link.detail}"
        core.alert("info" if link.up else "critical" if link.blocks_entries else "warning", f"{link.link} {word}")


def stop_distance(plan: Protection, price: Paise) -> Paise:
    """The nearer of stop and trail at an entry at `price`, paise per unit; 0 if there is neither."""
    distances = [offset.of(price) for offset in (plan.stop, plan.trail) if offset is not None]
    return min(distances, default=0)
