"""At the circuit limit nobody buys: what the whole desk does there, at every broker, with the real quotes between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from tests.contract.suite.floor import WIRED, Floor
from tests.contract.suite.links import quotes_of
from tests.contract.suite.market import DAY, PRICE, RELIANCE, CalledDay, Lookup
from tests.contract.suite.stage import PaperStage, Stage, WiredStage

from saudagar.app.venues.base import told_band
from saudagar.engine.engine import Engine
from saudagar.engine.runner import Runner
from saudagar.engine.settings import Settings
from saudagar.engine.state import State
from saudagar.market.sessions import Calendar
from saudagar.model import (
    CloseAll,
    Direction,
    Instrument,
    Intent,
    Nanos,
    Offset,
    OrderReport,
    OrderType,
    Protection,
    StrategyId,
    Tick,
    TickFrame,
)
from saudagar.model import events as ev
from saudagar.risk import Limits

LOW = PRICE * 80 // 100  # of the band
STOP = Protection(stop=Offset(ppm=190_000))  # at ₹1,053: its limit, one per cent beyond, is inside the band


class LockedDay(CalledDay):
    """RELIANCE has no buyers while `locked`."""

    locked = False

    def _quoted(self, instrument: Instrument, ts: Nanos, number: int) -> Tick:
        tick = super()._quoted(instrument, ts, number)
        if instrument is RELIANCE and self.locked:
            return Tick(tick.instrument, ts, tick.ltp, tick.volume, (), tick.asks)
        return tick


class Journal:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.events: list[ev.Event] = []

    def append(self, events: Sequence[ev.Event]) -> int:
        self.events += events
        return len(self.events)

    def entries(self, after: int = 0) -> Iterator[object]:
        return iter(())

    def close(self) -> None: ...


class Heard(list[OrderReport]):
    """A stage's reports, on their way to a runner."""

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self._runner = runner

    def append(self, report: OrderReport) -> None:
        super().append(report)
        self._runner.put(report)


class Desk:
    """An engine and its runner on a stage."""

    def __init__(self, stage: Stage) -> None:
        limits = Limits(allowed=frozenset({RELIANCE.id}), price_band_ppm=200_000)
        settings = Settings(desk="T", plans=(), limits=limits, reconcile=0)
        self.stage, self.journal = stage, Journal()
        lookup = Lookup()
        self.engine = Engine(settings, lookup, Calendar(), State(), lambda _: 0, watched=[RELIANCE.id])
        self.runner = Runner(self.engine, self.journal, stage.client, price_band=self._band)
        stage.reports = Heard(self.runner)

    async def _band(self, instrument: str) -> tuple[int, int]:
        if isinstance(self.stage, WiredStage):
            return await told_band(quotes_of(self.stage.name, self.stage.floor), RELIANCE)
        return self.stage.core.band(RELIANCE.id)

    async def step(self, price: int) -> None:
        """The market moves, the desk sees it, and both come to rest."""
        await self.stage.step(price)
        last = self.stage.core.last(RELIANCE.id)
        assert last is not None
        self.runner.put(TickFrame(self.stage.core.now, [last]))
        await self.runner.quiet()
        await self.stage.until(self._agree)

    def _agree(self) -> bool:
        """Whether the desk knows of every order what the exchange knows (Dhan does not say that a stop has woken)."""
        known = self.engine.state.orders
        return self.runner.idle and all(
            (known[each.tag].working, known[each.tag].filled) == (each.status.working, each.filled)
            for each in self.stage.core.orders.values()
        )

    @property
    def refusals(self) -> list[str]:
        """What the exchange refused: orders, and changes of orders."""
        orders = [order.reason for order in self.engine.state.orders.values() if order.status == "REJECTED"]
        changes = [e.reason for e in self.journal.events if isinstance(e, ev.ModifyEnded) and e.terms is None]
        return orders + changes


@pytest.fixture(params=["paper", *WIRED])
def locked_stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    day = LockedDay()
    if request.param == "paper":
        paper = PaperStage(day)
        yield paper
        paper.close()
        return
    floor = Floor(day, names=(request.param,))
    wired = WiredStage(request.param, floor, timeout=(10.0, 10.0))
    yield wired
    wired.close()
    floor.close()


@pytest.mark.parametrize("stopped", [True, False], ids=["with its stop", "bare"])
def test_an_exit_rests_at_the_circuit_limit_and_trades_when_buyers_come(locked_stage: Stage, stopped: bool) -> None:
    stage, day = locked_stage, locked_stage.day
    assert isinstance(day, LockedDay)

    async def main() -> None:
        desk = Desk(stage)
        running = asyncio.create_task(desk.runner.run(desk.engine.start(DAY, stage.core.now)))
        state = desk.engine.state
        await desk.step(PRICE)
        desk.runner.put(
            Intent(
                strategy=StrategyId("a"),
                instrument=RELIANCE.id,
                direction=Direction.LONG,
                ts=desk.engine.now,
                reason="test",
                quantity=7,
                protection=STOP if stopped else Protection(),
            )
        )
        for price in (PRICE, 1_180_00, 1_070_00):
            await desk.step(price)
        (position,) = state.positions.values()
        assert position.quantity == 7
        day.locked = True
        await desk.step(LOW)  # through the stop, with nobody there to sell to
        desk.runner.put(CloseAll(ts=desk.engine.now, reason="enough"))
        for _ in range(20):
            await desk.step(LOW)
        assert len(desk.refusals) <= 1, desk.refusals
        (resting,) = [order for order in stage.core.orders.values() if order.status.working]
        assert (resting.terms.order_type, resting.terms.price, resting.remaining) == (OrderType.LIMIT, LOW, 7)
        day.locked = False
        for _ in range(3):
            await desk.step(LOW + 100)
        assert (position.quantity, [trade.quantity for trade in state.trades]) == (0, [7])
        assert not [order for order in stage.core.orders.values() if order.status.working]
        desk.runner.stop()
        await running

    stage.run(main())
