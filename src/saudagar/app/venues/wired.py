"""A simulated day over the wire: the exchange in a process of its own, the brokers' real SDKs between it and us."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Any
from urllib.request import urlopen

from saudagar.app.clients import data_client, order_desk, quote_client
from saudagar.app.config import DeskConfig
from saudagar.app.simulated import state_of
from saudagar.app.venues.base import day_span, route_look_ups, told_band
from saudagar.brokers.supervisor import Watch
from saudagar.engine.runner import Runner
from saudagar.exchange.pace import PaceClient
from saudagar.exchange.process import Account, ExchangeConfig, ExchangeProcess, Ports
from saudagar.execution.ports import ExecutionClient, LinkState, LinkStatus
from saudagar.market.master import Master, merge, read_dhan, read_kite, read_upstox
from saudagar.market.sessions import Calendar
from saudagar.model import Bar, Instrument, InstrumentId, Nanos, Paise, TickFrame
from saudagar.model.errors import BrokerError

_DOWNLOAD_SECONDS = 10


class WiredVenue:
    """The desk's side of a simulated exchange.

    Parameters
    ----------
    config
        What to simulate. With `attach` the exchange is already running there and is not started or stopped.
    desk
        Whose wires the desk speaks.
    """

    day: date

    def __init__(self, config: ExchangeConfig, desk: DeskConfig, attach: Ports | None = None) -> None:
        self.span: tuple[Nanos, Nanos] = (0, 1)
        self.fresh = attach is None
        self.calendar = Calendar()
        self.links: dict[str, LinkState] = {"feed": LinkState.DOWN, "orders": LinkState.DOWN}
        self.exchange = ExchangeProcess(config)
        self._attach = attach
        self._desk = desk
        self.account: Account = config.account
        self._pace: PaceClient | None = None
        self._acked = (0, -1)
        self._sending: set[asyncio.Task[None]] = set()
        self._last_frame: Nanos = 0

    async def open(self) -> None:
        """Start the exchange, fetch the brokers' instrument files from it, merge them."""
        if self._attach is not None:
            self.exchange.ports = self._attach
        else:
            await asyncio.to_thread(self.exchange.start)
        self.day = date.fromisoformat((await asyncio.to_thread(state_of, self.exchange))["day"])
        await asyncio.to_thread(self._load_master)
        watch = Watch(silence=0, stale=0)  # market time may stand still for as long as the desk likes
        data, warm = self._desk.data, self._desk.desk.keep_awake
        self.feed = data_client(data.broker, self._desk.secrets, self, watch, depth=data.depth, warm=warm)
        self._broker: Any = order_desk(self._desk, self._master, self, watch, feed=self.feed)

    def _load_master(self) -> None:
        readings = [
            read_upstox(_download(self.exchange.upstox_master_url)),
            read_dhan(_download(self.exchange.dhan_master_url)),
        ]
        if self.exchange.ports.kite:  # three ports given: a desk without Kite
            readings.append(read_kite(_download(self.exchange.kite_master_url)))
        self._master = merge(readings, self.day)
        self.span = day_span(self.calendar, self._master, self.day)

    @property
    def instruments(self) -> Master:
        return self._master

    @property
    def broker(self) -> ExecutionClient:
        client: ExecutionClient = self._broker
        return client

    def resolve(self, name: str) -> Instrument:
        return self._master.resolve(name)

    def watched(self) -> list[Instrument]:
        return [each for each in self._master if each.upstox_id]

    async def now(self) -> Nanos:
        state: dict[str, Any] = await asyncio.to_thread(self.exchange.state)
        return int(state["now"])

    async def bars(self, instrument: Instrument, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        return await self.feed.bars(instrument, interval, start, end)

    async def price_band(self, instrument: InstrumentId) -> tuple[Paise, Paise]:
        desk = self._desk
        return await told_band(
            quote_client(desk.data.broker, desk.secrets, self._master, self), self._master.get(instrument)
        )

    async def connect(self, runner: Runner, instruments: Sequence[Instrument]) -> None:
        def on_status(name: str, status: LinkStatus) -> None:
            self.links[name] = status.state
            self._acked = (0, -1)  # a new connection counts anew: the exchange wants to be told again
            runner.on_link(status)

        def on_frame(frame: TickFrame) -> None:
            self._last_frame = frame.ts
            runner.put(frame)

        route_look_ups(self._broker, runner)
        await self._broker.start(runner.put, lambda status: on_status("orders", status))
        await self.feed.start(instruments, on_frame, lambda status: on_status("feed", status))
        self._broker.on_update_count = lambda _: runner.nudge()

    async def trade(self, runner: Runner) -> None:
        self._pace = await PaceClient.connect(self.exchange.pace_url)
        runner.on_idle = self._acknowledge
        runner.nudge()
        await self._pace.done.wait()
        await runner.quiet()

    def _acknowledge(self) -> None:
        """The desk is idle: let the market go on, if anything has happened since it was told last."""
        now = (self._last_frame, self._broker.updates_received)
        if self._pace is None or now == self._acked or self._pace.done.is_set():
            return
        self._acked = now
        task = asyncio.get_running_loop().create_task(self._send(*now))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, ts: Nanos, updates: int) -> None:
        assert self._pace is not None
        try:
            await self._pace.ack(ts, updates)
        except BrokerError:
            self._pace.done.set()  # the exchange has gone; there will be no more ticks

    def refusals(self) -> dict[str, int]:
        counts: dict[str, int] = self.feed.refusals | self._broker.refusals
        return counts

    async def close(self) -> None:
        if self._pace is not None:
            await self._pace.close()
        if hasattr(self, "feed"):
            await asyncio.gather(self.feed.stop(), self._broker.stop())
        if self._attach is None:
            await asyncio.to_thread(self.exchange.stop)


def _download(url: str) -> bytes:
    with urlopen(url, timeout=_DOWNLOAD_SECONDS) as response:  # noqa: S310  # loopback, our own exchange
        body: bytes = response.read()
    return body
