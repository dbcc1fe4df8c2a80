"""Today's real market: live ticks from Upstox, orders to Dhan or filled on this machine (paper).

Instruments come from the master kept on disk (`saudagar instruments sync`), which must be today's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence

from saudagar.app.clients import data_client, order_desk, quote_client
from saudagar.app.compose import resolve_all
from saudagar.app.config import DeskConfig, Mode
from saudagar.app.config.secrets import Secret
from saudagar.app.venues import renewal
from saudagar.app.venues.base import day_span, route_look_ups, told_band
from saudagar.brokers.paper import PaperBroker
from saudagar.brokers.supervisor import Watch
from saudagar.engine.clock import wall_clock
from saudagar.engine.runner import Runner
from saudagar.exchange.core import MatchingCore
from saudagar.execution.ports import ExecutionClient, LinkState, LinkStatus
from saudagar.market.ist import ist_day
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import SECOND, Bar, Instrument, InstrumentId, Nanos, Paise, TickFrame, TimeAdvanced
from saudagar.model.errors import CalendarError, DataError
from saudagar.storage.master import load_latest

_BEAT = 0.25  # seconds between two tellings of the time
_AHEAD: Nanos = 60 * SECOND  # no feed's clock is so far before ours: such a frame is garbled
_AFTER_CLOSE: Nanos = 60 * SECOND  # how long the last reports are waited for


class LiveVenue:
    """The market of today.

    Parameters
    ----------
    clock
        UTC ns; the wall's.
    """

    def __init__(self, config: DeskConfig, clock: Callable[[], Nanos] = wall_clock) -> None:
        self._config = config
        self._clock = clock
        self.day = ist_day(clock())
        self.fresh = False
        self.calendar = Calendar()
        self.span: tuple[Nanos, Nanos] = (0, 1)
        self.links: dict[str, LinkState] = {"feed": LinkState.DOWN, "orders": LinkState.DOWN}
        self._paper: PaperBroker | None = None
        self._early = 0  # frames from the future
        self._secrets = config.secrets

    async def open(self) -> None:
        """Load the master and make the clients; nothing is connected yet.

        Raises
        ------
        DataError
            If the instrument master is not today's.
        ConfigError
            If it does not hold all instruments of the strategies.
        CalendarError
            If today is no session.
        """
        config = self._config
        self._master = load_latest(config.path(config.instruments.directory))
        if self._master.age(self.day):
            raise DataError(
                f"the instrument master is of {self._master.day}, today is {self.day}.",
                hint="Run: saudagar instruments sync --upstox … --dhan …",
            )
        traded = list(resolve_all(config.names, self.resolve).values())
        if not any(self.calendar.is_session(each.segment, self.day) for each in traded):
            raise CalendarError(f"{self.day:%A %d %B %Y} is not a trading day.")
        self.span = day_span(self.calendar, traded, self.day)
        secrets, watch = config.secrets, Watch(expecting=self._open_now)
        self._feed = data_client(
            config.data.broker, secrets, watch=watch, depth=self._is_paper, warm=config.desk.keep_awake
        )
        self._broker: ExecutionClient
        if self._is_paper:
            self._core = MatchingCore(traded, self.calendar, capital=config.desk.capital)
            self._paper = self._broker = PaperBroker(self._core)
        else:
            self._broker = order_desk(config, self._master, clock=self._clock, feed=self._feed)

    @property
    def _is_paper(self) -> bool:
        return self._config.desk.mode is Mode.PAPER

    def _open_now(self) -> bool:
        return self.span[0] <= self._clock() < self.span[1]

    @property
    def instruments(self) -> Master:
        return self._master

    @property
    def broker(self) -> ExecutionClient:
        return self._broker

    def resolve(self, name: str) -> Instrument:
        return self._master.resolve(name)

    def watched(self) -> list[Instrument]:
        return []

    async def now(self) -> Nanos:
        return self._clock()

    async def bars(self, instrument: Instrument, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        return await self._feed.bars(instrument, interval, start, end)

    async def price_band(self, instrument: InstrumentId) -> tuple[Paise, Paise]:
        if self._paper is not None:
            return self._core.band(instrument)
        config = self._config
        return await told_band(
            quote_client(config.data.broker, self._secrets, self._master), self._master.get(instrument)
        )

    async def renew(self, token: str) -> None:
        """Go on with a new token of the data's broker, for its prices on request as well."""
        mine = {f"{self._config.data.broker}_token": Secret(token)}
        self._secrets = self._secrets.model_copy(update=mine)
        await self._feed.renew(token)

    async def connect(self, runner: Runner, instruments: Sequence[Instrument]) -> None:
        if self._paper is not None:
            self._paper.restore(runner.engine.state.orders.values())

        def on_status(name: str, status: LinkStatus) -> None:
            self.links[name] = status.state
            runner.on_link(status)

        def on_frame(frame: TickFrame) -> None:
            if frame.ts > self._clock() + _AHEAD:  # one such frame would take the desk to its square-off
                self._early += 1
                return
            if self._paper is not None:  # resting orders trade before the desk sees the prices
                self._paper.on_market(max(frame.ts, self._core.now), frame.ticks)
            runner.put(frame)

        route_look_ups(self._broker, runner)
        await self._broker.start(runner.put, lambda status: on_status("orders", status))
        await self._feed.start(instruments, on_frame, lambda status: on_status("feed", status))

    async def trade(self, runner: Runner) -> None:
        end = self.span[1] + _AFTER_CLOSE
        broker = None if self._is_paper else self._broker
        watched = renewal.sources(self._config, self, broker, os.environ)
        tokens = asyncio.create_task(renewal.follow(watched), name="tokens")
        try:
            while (now := self._clock()) < end:
                runner.put(TimeAdvanced(now))
                await asyncio.sleep(_BEAT)
        finally:
            tokens.cancel()

    def refusals(self) -> dict[str, int]:
        early = {"frame from the future": self._early} if self._early else {}
        return dict(self._feed.refusals) | getattr(self._broker, "refusals", {}) | early

    async def close(self) -> None:
        for client in (getattr(self, "_feed", None), getattr(self, "_broker", None)):
            if client is not None:
                await client.stop()
