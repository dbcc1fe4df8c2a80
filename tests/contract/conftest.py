"""A small market in a thread of its own, so that the real, blocking SDKs can be tested against it over sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from typing import Any

import pytest
from tests.contract.served import Served
from tests.scripted import Server

from saudagar.exchange.process import Account
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


class Market(Served):
    """A served day; `step` lets it move as a desk would."""

    def __init__(self, day: ScriptedDay, **options: Any) -> None:
        super().__init__(day, **options)
        self.base = f"http://127.0.0.1:{self.exchange.ports.dhan}"
        self.upstox = f"http://127.0.0.1:{self.exchange.ports.upstox}"
        self.control = f"http://127.0.0.1:{self.exchange.ports.control}"


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


@pytest.fixture
def api() -> Iterator[Callable[..., Any]]:
    """Makes the real client of an exchange's Upstox face: ``api(market)``."""
    import upstox_client

    made: list[Any] = []

    def make(market: Any, token: str = Account().upstox_token) -> Any:
        configuration = upstox_client.Configuration()
        configuration.host = configuration.order_host = market.upstox
        configuration.access_token = token
        for name in ("upstox_client", "urllib3"):
            logging.getLogger(name).handlers.clear()
        made.append(upstox_client.ApiClient(configuration))
        return made[-1]

    yield make
    for each in made:
        each.pool.close()
        each.pool.join()
        each.rest_client.pool_manager.clear()
