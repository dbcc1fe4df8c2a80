"""A simulated day without a wire: the same market and the same matching core, called directly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter

from saudagar.app.venues.base import day_span
from saudagar.brokers.paper import PaperBroker
from saudagar.engine.clock import stopwatch
from saudagar.engine.runner import Runner
from saudagar.exchange.core import MatchingCore
from saudagar.exchange.market_feed import DaySource
from saudagar.execution.ports import LinkState
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import SECOND, Bar, Instrument, InstrumentId, Nanos, Paise, TickFrame


class InProcessVenue:
    """Drives the day step by step, waiting for the desk between two phases as the exchange's lock-step does."""

    def __init__(self, source: DaySource, *, capital: Paise, speed: float) -> None:
        self.day = source.day
        self.fresh = True
        self.calendar = Calendar()
        self.instruments = Master(source.day, tuple(source.instruments))
        self.links: dict[str, LinkState] = {"feed": LinkState.UP, "orders": LinkState.UP}
        self.span = day_span(self.calendar, source.instruments, source.day)
        self.core = MatchingCore(
            source.instruments,
            self.calendar,
            capital=capital,
            previous_close={each.id: source.previous_close(each.id) for each in source.instruments},
        )
        self.broker = PaperBroker(self.core)
        self._source = source
        self._speed = speed

    def resolve(self, name: str) -> Instrument:
        return self.instruments.resolve(name)

    def watched(self) -> list[Instrument]:
        return list(self._source.instruments)

    async def open(self) -> None:
        """Nothing to connect."""

    async def now(self) -> Nanos:
        return self.core.now or self.span[0]

    async def bars(self, instrument: Instrument, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        return self._source.history(instrument.id, interval, start, end)

    async def price_band(self, instrument: InstrumentId) -> tuple[Paise, Paise]:
        return self.core.band(instrument)

    async def connect(self, runner: Runner, instruments: Sequence[Instrument]) -> None:
        await self.broker.start(runner.put, lambda _: None)
        self._wanted = {instrument.id for instrument in instruments}

    async def trade(self, runner: Runner) -> None:
        wanted = self._wanted
        begin, first = perf_counter(), self.span[0]
        for ts, ticks in self._source.steps():
            self.broker.on_market(ts, ticks)
            await runner.quiet()
            runner.put(TickFrame(ts, [tick for tick in ticks if tick.instrument in wanted], stopwatch()))
            await runner.quiet()
            if self._speed:
                ahead = (ts - first) / SECOND / self._speed - (perf_counter() - begin)
                await asyncio.sleep(max(0.0, ahead))

    def refusals(self) -> dict[str, int]:
        return {}

    async def close(self) -> None:
        """Nothing to close."""
