"""Keeps what an order needs in the processor's caches, by letting a desk of its own trade thin air between the ticks.

A tick finds the desk's code where other programs have pushed it: in slow memory, a frame of twenty takes three times
as long as it would if it had just run. So the same code just runs: a small engine on invented instruments takes a
second of an invented market every few milliseconds, closes its bars, decides on an order and makes the order's rows
for a journal. It has no broker and no journal; nothing that it does leaves this module, and no strategy of the user
has a part in it. Used by `awake` alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from saudagar.engine.engine import Engine
from saudagar.engine.settings import Plan, Settings
from saudagar.engine.state import State
from saudagar.exchange.universe import universe
from saudagar.execution.effects import Effect, SubmitOrder
from saudagar.indicators import BarFields, lag
from saudagar.market.ist import at
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import SECOND, Nanos, OrderReport, OrderStatus, SizeBy, Sizing, StrategyId, Tick, TickFrame
from saudagar.model.events import Event
from saudagar.risk import Limits
from saudagar.storage.journal_rows import Head, new_rows
from saudagar.strategies import Signals, Strategy
from saudagar.strategies.ema_cross import EmaCross
from saudagar.strategies.volume_breakout import VolumeBreakout

_DAY = date(2026, 11, 20)  # any session that the calendar knows
_FIRST, _LAST = at(_DAY, "10:00"), at(_DAY, "10:10")  # then from the beginning, with nothing remembered
_INSTRUMENTS = 5  # one of them an index
_PRICE, _VOLUME, _RISE, _TURN = 100_000, 10, 5, 20  # per second; averages never cross at such a rise
_NOWHERE = Head(0, bytes(16))


class _Restless(Strategy):
    """An order at every bar: its prices go up and down in turn."""

    def signals(self, bar: BarFields) -> Signals:
        before = lag(bar.close)
        return Signals(long=bar.close > before, short=bar.close < before)


class Rehearsal:
    """An engine that trades thin air.

    Attributes
    ----------
    orders
        How many orders it has decided on.
    """

    def __init__(self) -> None:
        self.orders = 0
        self._begin()

    def _begin(self) -> None:
        instruments = universe()[:_INSTRUMENTS]
        traded = tuple(each.id for each in instruments if each.segment.tradable)
        restless = traded[:1]
        one = Sizing(SizeBy.QUANTITY, 1)
        settings = Settings(
            desk="REHEARSAL",
            plans=tuple(
                Plan(id=StrategyId(kind.__name__), strategy=kind(), instruments=where, interval=SECOND, sizing=one)
                for kind, where in ((EmaCross, traded), (VolumeBreakout, traded), (_Restless, restless))
            ),
            limits=Limits(allowed=frozenset(traded), orders_per_second=0),
            reconcile=0,
        )
        watched = sorted((each.id for each in instruments), key=restless.count, reverse=True)  # that one first
        self._engine = Engine(settings, Master(_DAY, instruments), Calendar(), State(), lambda _: 0, watched)
        self._names = watched
        self._now: Nanos = _FIRST
        self._engine.start(_DAY, self._now)

    def second(self) -> Iterator[None]:
        """A second of that market: a tick of each instrument, the rows of what came of it, an answer to every order.

        In parts, for a real frame that comes meanwhile has to wait for the end of one.
        """
        self._now += SECOND
        if self._now > _LAST:
            self._begin()
        seconds = (self._now - _FIRST) // SECOND
        price = _PRICE + seconds * _RISE + seconds % 2 * _TURN
        ticks = [Tick(name, self._now, price, seconds * _VOLUME) for name in self._names]
        events: list[Event] = []
        effects: list[Effect] = []
        for part in (ticks[1:], ticks[:1]):
            step = self._engine.process(TickFrame(self._now, part, 0))
            events += step.events
            effects += step.effects
            yield
        new_rows(events, _NOWHERE, self._now)
        for effect in effects:
            if isinstance(effect, SubmitOrder):
                self.orders += 1
                refused = OrderReport(order_id=effect.order.order_id, status=OrderStatus.REJECTED, ts=self._now)
                self._engine.process(refused)
        yield
