"""Replay of a day of ticks against the matching core: the paper desk without an event loop.

The same engine, the same core and the same order of things as a simulated day in process; many times as fast,
because nothing waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

import msgspec

from saudagar.backtest.result import Costs, Result
from saudagar.backtest.session import Session
from saudagar.brokers.paper.broker import report_of
from saudagar.engine.analysis import Analysis
from saudagar.engine.engine import Inbound
from saudagar.engine.settings import Settings
from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_orders import Refusal
from saudagar.execution.effects import (
    CancelOrder,
    Effect,
    FetchPriceBand,
    FindOrder,
    ModifyOrder,
    SubmitOrder,
    TakeSnapshot,
)
from saudagar.execution.ports import InstrumentLookup
from saudagar.market.sessions import Calendar
from saudagar.model import (
    AccountSnapshot,
    Bar,
    BrokerOrderId,
    BrokerPosition,
    ClientOrderId,
    DayEnded,
    InstrumentId,
    LookUpMissed,
    ModifyAccepted,
    Nanos,
    NewOrder,
    OrderReport,
    OrderStatus,
    OrderTerms,
    PriceBandTold,
    RequestFailed,
    Tick,
    TickFrame,
)
from saudagar.model.events import Event


class CoreBroker:
    """Carries out the engine's effects on a `MatchingCore`, at once."""

    def __init__(self, core: MatchingCore) -> None:
        self._core = core

    def on_market(self, ts: Nanos, ticks: Sequence[Tick]) -> list[OrderReport]:
        """Let the market move; what trades is reported."""
        return [report_of(update) for update in self._core.advance(ts, ticks)]

    def carry_out(self, effect: Effect) -> list[Inbound]:
        """Do what the engine asks; the answers, in order."""
        match effect:
            case SubmitOrder(order):
                return self._try("submit", order.order_id, lambda: self._place(order))
            case ModifyOrder(order_id, terms):
                return self._try("modify", order_id, lambda: self._modify(order_id, terms))
            case CancelOrder(order_id):
                return self._try("cancel", order_id, lambda: self._cancel(order_id))
            case FindOrder(order_id):
                found = self._core.by_tag(order_id)
                if found is None:
                    return [LookUpMissed(self._core.now, order_id)]
                return [OrderReport(order_id=order_id, status=found.status, ts=found.updated, filled=found.filled)]
            case FetchPriceBand(instrument):
                low, high = self._core.band(instrument)
                return [PriceBandTold(ts=self._core.now, instrument=instrument, low=low, high=high)]
            case TakeSnapshot():
                return [self._snapshot()]
        return []  # executions: every one was told by itself

    def _try(self, request: str, order_id: ClientOrderId, call: Callable[[], list[Inbound]]) -> list[Inbound]:
        try:
            last = call()
        except Refusal as refusal:
            reason = f"{refusal.code} {refusal.message}"
            return [RequestFailed(ts=self._core.now, order_id=order_id, request=request, refused=True, reason=reason)]
        return [*(report_of(update) for update in self._core.drain()), *last]

    def _place(self, order: NewOrder) -> list[Inbound]:
        placed = self._core.place(
            tag=order.order_id,
            instrument=order.instrument,
            side=order.side,
            terms=order.terms,
            product=order.product,
            validity=order.validity,
            after_market=order.after_market,
        )
        broker_id = BrokerOrderId(placed.exchange_id)
        return [
            OrderReport(order_id=order.order_id, status=OrderStatus.PENDING, ts=self._core.now, broker_id=broker_id)
        ]

    def _modify(self, order_id: ClientOrderId, terms: OrderTerms) -> list[Inbound]:
        self._core.modify(self._exchange_id(order_id), terms)
        return [ModifyAccepted(self._core.now, order_id)]

    def _cancel(self, order_id: ClientOrderId) -> list[Inbound]:
        self._core.cancel(self._exchange_id(order_id))
        return []

    def _snapshot(self) -> AccountSnapshot:
        reports = tuple(
            OrderReport(order_id=ClientOrderId(each.tag), status=each.status, ts=each.updated, filled=each.filled)
            for each in self._core.orders.values()
            if each.status.working
        )
        positions = tuple(
            BrokerPosition(instrument=instrument.id, product=product, quantity=bought - sold)
            for instrument, product, bought, _, sold, _ in self._core.positions()
        )
        return AccountSnapshot(ts=self._core.now, reports=reports, positions=positions)

    def _exchange_id(self, order_id: ClientOrderId) -> str:
        found = self._core.by_tag(order_id)
        return "" if found is None else found.exchange_id


def replay_ticks(
    settings: Settings,
    day: date,
    steps: Iterable[tuple[Nanos, list[Tick]]],
    core: MatchingCore,
    instruments: InstrumentLookup,
    calendar: Calendar,
    costs: Costs,
    *,
    now: Nanos = 0,
    watched: Sequence[InstrumentId] = (),
    warm: Mapping[tuple[InstrumentId, Nanos], Sequence[Bar]] | None = None,
    on_events: Callable[[Sequence[Event]], None] | None = None,
) -> Result:
    """Trade one day of ticks with the plans of `settings`.

    Parameters
    ----------
    steps
        Moments of the day (UTC ns) with their ticks, e.g. `SyntheticDay.steps()`.
    core
        The exchange, at the morning of `day`.
    now
        When the desk starts, UTC ns; by default with the core's time.
    warm
        Past bars per instrument and interval, oldest first.
    """
    settings = msgspec.structs.replace(settings, reconcile=0)
    broker = CoreBroker(core)
    session = Session(settings, instruments, calendar, costs, broker, on_events)
    analysis = Analysis(settings.plans, instruments.get, calendar, session.standing, settings.bar_grace)
    for (instrument, interval), bars in (warm or {}).items():
        analysis.warm(instrument, interval, bars)
    session.begin_day(day, now or core.now, analysis, watched)
    for ts, ticks in steps:
        session.visited += 1
        for report in broker.on_market(ts, ticks):
            session.process(report)
        session.process(TickFrame(ts, ticks))
    session.process(DayEnded(session.engine.now))
    return session.result(len(core.trades))
