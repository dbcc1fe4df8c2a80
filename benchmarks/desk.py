"""A desk for measuring: many instruments, two strategies on each, and one that never rests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from saudagar.engine.engine import Engine, Inbound, Step
from saudagar.engine.settings import Plan, Settings
from saudagar.engine.state import State
from saudagar.execution.effects import SubmitOrder
from saudagar.indicators import BarFields
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, SECOND, ClientOrderId, Instrument, Nanos, SizeBy, Sizing, StrategyId, TickFrame
from saudagar.risk import Limits
from saudagar.strategies import Signals, Strategy
from saudagar.strategies.ema_cross import EmaCross
from saudagar.strategies.volume_breakout import VolumeBreakout

DAY = date(2026, 11, 20)


class Follow(Strategy):
    """Long after a rising bar, short after a falling one: an order at almost every bar."""

    def signals(self, bar: BarFields) -> Signals:
        return Signals(long=bar.close > bar.open, short=bar.close < bar.open)


class NotedEngine(Engine):
    """Notes for each order that a tick brought when that tick was received (monotonic ns)."""

    born: dict[ClientOrderId, Nanos]
    settings: Settings

    def process(self, event: Inbound) -> Step:
        step = super().process(event)
        if type(event) is TickFrame:
            for effect in step.effects:
                if isinstance(effect, SubmitOrder):
                    self.born[effect.order.order_id] = event.received
        return step


def desk(instruments: Sequence[Instrument], restless: int = 0, every: Nanos = 5 * SECOND) -> NotedEngine:
    """An engine with EMA cross and volume breakout at one minute on all of `instruments`.

    Parameters
    ----------
    restless
        On so many of them `Follow` runs as well.
    every
        The interval of its bars.
    """
    tradable = [each.id for each in instruments if each.segment.tradable]
    one = Sizing(SizeBy.QUANTITY, 1)
    plans = [
        Plan(id=StrategyId(kind.__name__), strategy=kind(), instruments=tuple(tradable), interval=MINUTE, sizing=one)
        for kind in (EmaCross, VolumeBreakout)
    ]
    if restless:
        plans.append(
            Plan(
                id=StrategyId("Follow"),
                strategy=Follow(),
                instruments=tuple(tradable[:: len(tradable) // restless][:restless]),
                interval=every,
                sizing=one,
            )
        )
    limits = Limits(allowed=frozenset(tradable), orders_per_second=0)
    settings = Settings(desk="BENCH", plans=tuple(plans), limits=limits, reconcile=0)
    engine = NotedEngine(
        settings,
        Master(DAY, tuple(instruments)),
        Calendar(),
        State(),
        lambda _: 0,
        [each.id for each in instruments],
    )
    engine.born, engine.settings = {}, settings
    return engine
