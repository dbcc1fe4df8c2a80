"""The desk of a replay: one engine a day on one state, and a broker that answers at once.

The runner's place without its event loop: an event goes in, its effects go to the broker, the broker's answers go in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import date
from typing import Protocol

import msgspec

from saudagar.backtest.result import Costs, Result
from saudagar.engine.analysis import Analysis
from saudagar.engine.engine import Engine, Inbound, Step
from saudagar.engine.guard import Guard
from saudagar.engine.plan_run import Standing
from saudagar.engine.settings import Settings
from saudagar.engine.state import State
from saudagar.execution.effects import Effect
from saudagar.execution.ports import InstrumentLookup
from saudagar.market.screen import TickScreen
from saudagar.market.sessions import Calendar
from saudagar.model import InstrumentId, Nanos, Paise, PositionId, SetTradingState, Source, TradingState
from saudagar.model.events import DayClosed, Event
from saudagar.model.order import TERMINAL
from saudagar.portfolio import Trade


class Broker(Protocol):
    """A broker without a wire: asked and answered in one breath."""

    def carry_out(self, effect: Effect) -> Sequence[Inbound]: ...


class Session:
    """Engine, state and broker of a replay.

    Parameters
    ----------
    on_events
        Told the events of every step, in order; what a journal would hold.

    Attributes
    ----------
    engine
        That of the present day.
    changes
        Steps in which something has happened.
    """

    engine: Engine

    def __init__(
        self,
        settings: Settings,
        instruments: InstrumentLookup,
        calendar: Calendar,
        costs: Costs,
        broker: Broker,
        on_events: Callable[[Sequence[Event]], None] | None = None,
    ) -> None:
        self.settings = settings
        self.state = State()
        self.visited = 0
        self._instruments = instruments
        self._calendar = calendar
        self._costs = costs
        self._broker = broker
        self._on_events = on_events
        self.changes = 0
        self._trades: list[Trade] = []
        limits = settings.limits
        self.day_limits = bool(limits.day_loss or limits.day_profit)
        self._counts_cash = limits.leverage_percent > 0

    def standing(self, position: PositionId) -> Standing:
        """What a strategy may know of its own position."""
        known = self.state.positions.get(position)
        return Standing(known.quantity, known.average_price, known.target) if known else Standing(0, 0, 0)

    def begin_day(
        self,
        day: date,
        now: Nanos,
        analysis: Analysis,
        watched: Sequence[InstrumentId] = (),
        screen: TickScreen | None = None,
    ) -> None:
        """A new engine on the old state, as on a morning after. What has ended is put away first, its profit kept."""
        if self._counts_cash and self.state.day is not None:
            self.settings = with_earned(self.settings, self.engine.watch.earned)
        if self.day_limits and self.state.day is not None:  # the new day's profit counts from here
            self.state.apply(DayClosed(ts=self.engine.now, day=self.state.day, prices=self.engine.watch.closes))
        self._put_away()
        costs = self._costs if self.day_limits or self._counts_cash else _nothing
        self.engine = Engine(
            self.settings, self._instruments, self._calendar, self.state, costs, watched, analysis, screen
        )
        steps = [self.engine.start(day, now)]
        if self.state.trading is TradingState.REDUCING:  # the limits are of the day: a person resumes in the morning,
            command = SetTradingState(ts=now, state=TradingState.ACTIVE, reason="a new day", source=Source.SESSION)
            steps.append(self.engine.process(command))  # before the first order, which may reach them again
        for step in steps:
            self._settle(step)

    def process(self, event: Inbound) -> None:
        """Hand in one event and everything that follows from it."""
        step = self.engine.process(event)
        if step.events or step.effects:
            self._settle(step)

    def followed(self, guard: Guard, ts: Nanos, price: Paise, moves: int) -> None:
        """See `engine.engine`. The broker's yes is among the events."""
        self.changes += 1
        for effect in self.engine.followed(guard, ts, price, moves).effects:
            self._broker.carry_out(effect)

    def _settle(self, step: Step) -> None:
        engine, carry_out, on_events = self.engine, self._broker.carry_out, self._on_events
        answers: deque[Sequence[Inbound]] = deque()
        self.changes += 1
        while True:
            if on_events is not None and step.events:
                on_events(step.events)
            for effect in step.effects:
                if told := carry_out(effect):
                    answers.append(told)
            if not answers:
                return
            told = answers.popleft()
            step = engine.process(told[0]) if len(told) == 1 else engine.process_all(told)

    def _put_away(self) -> None:
        """Orders and round trips that are over: a day's rules count the day's, and memory stays small."""
        state = self.state
        self._trades += state.trades
        state.trades.clear()
        state.orders = {name: order for name, order in state.orders.items() if order.status not in TERMINAL}

    def result(self, fills: int) -> Result:
        """What has come of it. Ends the session."""
        self._put_away()
        return Result(
            trades=tuple(self._trades),
            open=tuple(position for position in self.state.positions.values() if position.quantity),
            costs=tuple(self._costs(trade) for trade in self._trades),
            orders=self.state.sequence,
            fills=fills,
            denials=dict(self.state.denials),
            visited=self.visited,
        )


def with_earned(settings: Settings, earned: Paise) -> Settings:
    """`settings` of a desk that no longer remembers the round trips by which it earned so much, paise after charges."""
    limits = msgspec.structs.replace(settings.limits, capital=settings.limits.capital + earned)
    return msgspec.structs.replace(settings, limits=limits)


def _nothing(_: Trade) -> int:
    return 0
