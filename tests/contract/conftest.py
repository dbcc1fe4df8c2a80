"""A small market in a thread of its own, so that the real, blocking SDKs can be tested against it over sockets."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from typing import Any

import pytest
from tests.scripted import Server

from saudagar.exchange.pace import PaceClient
from saudagar.exchange.server import RunningExchange, serve
from saudagar.market.ist import DAY, at
from saudagar.model import MINUTE, SECOND, Bar, Instrument, InstrumentId, InstrumentKind, Nanos, Segment, Tick

MARKET_DAY = date(2026, 11, 20)
OPEN = at(MARKET_DAY, "09:15")

RELIANCE = Instrument(
    segment=Segment.NSE_EQ,
    symbol="RELIANCE",
    kind=InstrumentKind.EQUITY,
    tick_size=10,
    freeze_quantity=100_000,
    name="Reliance Industries",
    isin="INE002A01018",
    closing_auction=True,
    dhan_id="2885",
    upstox_id="NSE_EQ|INE002A01018",
    kite_id="738561",
    kite_symbol="RELIANCE",
)
IDEA = Instrument(
    segment=Segment.NSE_EQ,
    symbol="IDEA",
    kind=InstrumentKind.EQUITY,
    tick_size=1,
    freeze_quantity=1_000,
    name="Vodafone Idea",
    isin="INE669E01016",
    closing_auction=True,
    dhan_id="14366",
    upstox_id="NSE_EQ|INE669E01016",
    kite_id="3677697",
    kite_symbol="IDEA",
)
NIFTY = Instrument(
    segment=Segment.NSE_INDEX,
    symbol="NIFTY",
    kind=InstrumentKind.INDEX,
    tick_size=5,
    name="Nifty 50",
    closing_auction=True,
    dhan_id="13",
    upstox_id="NSE_INDEX|Nifty 50",
    kite_id="256265",
    kite_symbol="NIFTY 50",
)


class ScriptedDay:
    """Twenty seconds of RELIANCE around ₹1,300, five levels of 100 a tick apart; IDEA every other second; NIFTY."""

    day = MARKET_DAY
    instruments = (RELIANCE, IDEA, NIFTY)
    step_ns = SECOND

    def __init__(self, prices: Sequence[int] = (1_300_00,) * 20) -> None:
        self._prices = prices

    def steps(self) -> Iterator[tuple[Nanos, list[Tick]]]:
        for number, price in enumerate(self._prices):
            ts = OPEN + number * SECOND
            ticks = [_quoted(RELIANCE, ts, price, 1_000 * (number + 1))]
            if number % 2 == 0:
                ticks.append(_quoted(IDEA, ts, 10_05 + number, 500 * (number + 1)))
            ticks.append(Tick(NIFTY.id, ts, 24_010_00 + number))
            yield ts, ticks

    def history(self, instrument: InstrumentId, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        every = [
            Bar(instrument, MINUTE, ts, ts + MINUTE, 100_00, 101_00 + minute, 99_00, 100_50, 10 + minute)
            for opening in (OPEN - DAY, OPEN)
            for minute, ts in enumerate(range(opening, opening + 3 * MINUTE, MINUTE))
        ]
        assert interval == MINUTE
        return [bar for bar in every if start <= bar.start and bar.end <= end]

    def previous_close(self, instrument: InstrumentId) -> int:
        return {RELIANCE.id: 1_290_00, IDEA.id: 10_00, NIFTY.id: 24_000_00}[instrument]


def _quoted(instrument: Instrument, ts: Nanos, price: int, volume: int) -> Tick:
    step = instrument.tick_size
    bids = tuple((price - step * level, 100) for level in range(1, 6))
    asks = tuple((price + step * level, 100) for level in range(1, 6))
    return Tick(instrument.id, ts, price, volume, bids, asks)


class Market:
    """A served day in a thread; `step` lets it move, in lock-step, as a desk would."""

    def __init__(self, day: ScriptedDay, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.exchange: RunningExchange = self.call(serve(day, lockstep=True, **options))
        self.base = f"http://127.0.0.1:{self.exchange.ports.dhan}"
        self.upstox = f"http://127.0.0.1:{self.exchange.ports.upstox}"
        self.control = f"http://127.0.0.1:{self.exchange.ports.control}"
        self.pace = self.call(PaceClient.connect(f"ws://127.0.0.1:{self.exchange.ports.control}/pace"))
        self.wait(lambda: self.exchange.steps > 0)

    def call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def wait(self, ready: Any, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.002)

    def step(self, count: int = 1) -> None:
        """Acknowledge everything until `count` more steps have begun, or the day is over; the market waits in the last.

        A step whose frame a fault has swallowed is not waited for: the market passes it by itself, and it counts.
        """
        exchange = self.exchange
        wanted = exchange.steps + count

        async def moved() -> bool:  # in the market's own loop: looked at from here, `now` might be a step ahead
            if exchange.steps >= wanted or exchange.finished.is_set():
                return True
            await self.pace.ack(exchange.tape.now, exchange.updates.sent or 0)
            return False

        self.wait(lambda: self.call(moved()), 5.0 * count)

    def close(self) -> None:
        self.call(self.pace.close())
        self.call(self.exchange.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


@pytest.fixture
def scripted_market() -> Iterator[Any]:
    """Makes markets: ``scripted_market(prices=…, around=…, faults=…, …)``; they end with the test."""
    with ExitStack() as stack:

        def make(
            prices: Sequence[int] = (1_300_00,) * 20, around: Callable[[Any], Any] = lambda day: day, **options: Any
        ) -> Market:
            market = Market(around(ScriptedDay(prices)), **options)
            stack.callback(market.close)
            return market

        yield make


@pytest.fixture
def server() -> Iterator[Server]:
    """An HTTP server that answers as the test tells it."""
    server = Server()
    yield server
    server.close()
