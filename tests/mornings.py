"""Desks that open on one morning after another: each knows its journal and the bars of the days before, no more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from msgspec.structs import replace

from saudagar.engine.engine import Engine, Step
from saudagar.engine.settings import Plan, Settings
from saudagar.engine.state import State
from saudagar.indicators import BarFields
from saudagar.market.ist import DAY, at
from saudagar.market.sessions import Calendar
from saudagar.model import (
    MINUTE,
    SECOND,
    Bar,
    Instrument,
    Nanos,
    SizeBy,
    Sizing,
    StrategyId,
    Tick,
    TickFrame,
    TimeAdvanced,
    position_id,
)
from saudagar.model import events as ev
from saudagar.strategies import Signals, Strategy
from tests.adversary import FUTURE, SBIN, SETTINGS, Lookup

THURSDAY, FRIDAY, MONDAY = date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23)
UP, DOWN, STILL = 80_200, 79_800, 80_000


class Lines(Strategy):
    """Long above one line, short below another; `leaves`: out of a long just below the first, and of a short."""

    leaves: bool = False
    upper: int = 80_100

    def signals(self, bar: BarFields) -> Signals:
        out = self.leaves
        return Signals(
            long=bar.close > self.upper,
            short=None if out else bar.close < 79_900,
            exit_long=bar.close < 79_900 if out else None,
        )


def settings(
    strategy: Strategy | None = None,
    interval: Nanos = MINUTE,
    instrument: Instrument = SBIN,
    base: Settings = SETTINGS,
    **changes: Any,
) -> Settings:
    """One plan, ``a``, on one instrument."""
    plan = Plan(
        id=StrategyId("a"),
        strategy=strategy or Lines(),
        instruments=(instrument.id,),
        interval=interval,
        sizing=Sizing(SizeBy.QUANTITY, 10 * instrument.lot_size),
    )
    limits = replace(base.limits, allowed=frozenset({instrument.id}), stale=10 * SECOND, price_band_ppm=50_000)
    return replace(base, plans=(replace(plan, **changes),), limits=limits, reconcile=0)


def last_bar(day: date, close: int = UP, *, end: str = "15:30", interval: Nanos = MINUTE, of: Instrument = SBIN) -> Bar:
    """The bar of `interval` before `end` (a day's begins at midnight, as brokers tell it)."""
    start = at(day, "00:00") if interval == DAY else at(day, end) - interval
    return Bar(of.id, interval, start, start + interval, close, close, close, close, 100)


class Desk:
    """One process of a desk: started at `clock` on `journal`, warmed up on `bars`."""

    def __init__(
        self,
        day: date,
        clock: str,
        bars: Sequence[Bar],
        *,
        journal: Sequence[ev.Event] = (),
        wanted: Settings | None = None,
        calendar: Calendar | None = None,
        instrument: Instrument = SBIN,
    ) -> None:
        self.day, self.instrument = day, instrument
        self.journal = list(journal)
        self.settings = wanted or settings()
        lookup = Lookup(SBIN, FUTURE, instrument)
        self.engine = Engine(self.settings, lookup, calendar or Calendar(), State.replay(journal), lambda _: 0)
        (need,) = self.engine.analysis.needs()
        self.engine.analysis.warm(need.instrument, need.interval, bars)
        self._volume = 0
        self.take(self.engine.start(day, at(day, clock)))

    def take(self, step: Step) -> list[ev.Event]:
        self.journal += step.events
        return list(step.events)

    def tick(self, clock: str, price: int = STILL, *, heard: str = "") -> list[ev.Event]:
        """A trade at `clock` (heard of then, if nothing else is said), and what comes of it."""
        self._volume += 10
        ts, now = at(self.day, clock), at(self.day, heard or clock)
        return self.take(self.engine.process(TickFrame(now, [Tick(self.instrument.id, ts, price, self._volume)])))

    def time(self, clock: str) -> list[ev.Event]:
        return self.take(self.engine.process(TimeAdvanced(at(self.day, clock))))

    def again(self, clock: str, bars: Sequence[Bar], **changes: Any) -> Desk:
        """The same desk after a crash."""
        given: dict[str, Any] = {"wanted": self.settings, "instrument": self.instrument, "journal": self.journal}
        return Desk(self.day, clock, bars, **given | changes)

    @property
    def target(self) -> int:
        return self.engine.state.position(position_id(StrategyId("a"), self.instrument.id)).target

    @property
    def denials(self) -> dict[str, int]:
        return self.engine.state.denials


def holding(day: date, quantity: int = 10, price: int = STILL) -> list[ev.Event]:
    """The journal of a desk that took a position on `day`."""
    name = position_id(StrategyId("a"), SBIN.id)
    return [
        ev.DayOpened(ts=at(day, "09:00"), day=day, desk="TEST", config=""),
        ev.PositionAdopted(ts=at(day, "12:00"), position=name, quantity=quantity, price=price),
    ]
