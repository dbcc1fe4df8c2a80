"""At the circuit limit nobody buys: what the whole desk does there, at every broker, with the real quotes between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.contract.suite.desk import Desk
from tests.contract.suite.floor import WIRED, Floor
from tests.contract.suite.market import DAY, PRICE, RELIANCE, CalledDay
from tests.contract.suite.stage import PaperStage, Stage, WiredStage

from saudagar.model import CloseAll, Instrument, Nanos, Offset, OrderType, Protection, Tick

pytestmark = pytest.mark.children_unmeasured

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
        desk.long("a", 7, STOP if stopped else Protection())
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
