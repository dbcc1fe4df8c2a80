"""What the broker squared off, or a person traded by hand: shown, then booked at the prices that it got there."""

from __future__ import annotations

import asyncio

import pytest
from tests.contract.suite.desk import Desk
from tests.contract.suite.market import DAY, PRICE, RELIANCE
from tests.contract.suite.stage import Stage

from saudagar.app.accept import LAST, TRADE_BOOK, Accepting
from saudagar.engine.state import State
from saudagar.model import InstrumentId, Offset, OrderStatus, OrderType, Protection, Side
from saudagar.model.errors import SaudagarError

pytestmark = pytest.mark.children_unmeasured

STOP = Protection(stop=Offset(ppm=100_000))


def accepting(desk: Desk, stage: Stage) -> Accepting:
    return Accepting(desk.runner, stage.client, lambda name: InstrumentId(f"NSE_EQ:{name}"))


async def traded_by_hand(stage: Stage, side: Side, quantity: int) -> int:
    """An order that the desk did not send; what one unit brought."""
    new = stage.order(OrderType.MARKET, side=side, quantity=quantity)
    await stage.place(new)
    await stage.reported(new.order_id, OrderStatus.FILLED)
    truth = stage.truth(new.order_id)
    assert truth.value == quantity * truth.trades[0].price
    return truth.trades[0].price


def test_what_was_squared_off_is_booked_at_the_price_it_got(stage: Stage) -> None:
    async def main() -> None:
        desk = Desk(stage)
        running = asyncio.create_task(desk.runner.run(desk.engine.start(DAY, stage.core.now)))
        state, accept = desk.engine.state, accepting(desk, stage).accept
        before = sum(p.quantity for p in await stage.client.positions() if p.instrument == RELIANCE.id)
        if before:  # of another test at this broker
            await stage.place(stage.order(OrderType.MARKET, side=Side.of(-before), quantity=abs(before)))
        await desk.step(PRICE)
        desk.long("a", 7, STOP)
        desk.long("b", 5, Protection())
        for _ in range(3):
            await desk.step(PRICE)
        a, b = state.positions.values()
        assert (a.quantity, b.quantity) == (7, 5)
        with pytest.raises(SaudagarError, match="agree on \\+12"):
            await accept("RELIANCE", 0, yes=True)

        price = await traded_by_hand(stage, Side.SELL, 9)
        with pytest.raises(SaudagarError, match="a fill may be under way"):
            await accept("RELIANCE", 0, yes=True)
        await desk.compare()
        assert RELIANCE.id in state.frozen

        shown = await accept("RELIANCE", 0, yes=False)
        assert (shown.ours, shown.theirs, shown.booked) == (12, 3, False)
        told = [(row.strategy, row.quantity, row.price, row.source) for row in shown.bookings]
        assert told == [("b", -5, price, TRADE_BOOK), ("a", -4, price, TRADE_BOOK)]
        assert shown.bookings[0].profit == 5 * (price - b.average_price)
        assert (a.quantity, b.quantity) == (7, 5)  # nothing was changed

        done = await accept("RELIANCE", 0, yes=True)
        assert done.booked
        assert done.bookings == shown.bookings
        assert (a.quantity, a.target, b.quantity, b.target) == (3, 3, 0, 0)
        (trade,) = state.trades
        assert (trade.strategy, trade.exit_value) == ("b", 5 * price)
        assert "trade book" in trade.exit_reason
        assert RELIANCE.id not in state.frozen
        await desk.step(PRICE)
        (stop,) = [order for order in stage.core.orders.values() if order.status.working]
        assert (stop.tag in state.orders, stop.remaining) == (True, 3)  # the stop covers what is left
        with pytest.raises(SaudagarError, match="agree on \\+3"):
            await accept("RELIANCE", 0, yes=True)

        await traded_by_hand(stage, Side.SELL, 3)
        await desk.compare()
        done = await accept("RELIANCE", 1_111_00, yes=True)
        assert [(row.strategy, row.quantity, row.price) for row in done.bookings] == [("a", -3, 1_111_00)]
        await desk.step(PRICE)
        assert not [order for order in stage.core.orders.values() if order.status.working]
        assert State.replay(desk.journal.events).digest() == state.digest()
        desk.runner.stop()
        await running

    stage.run(main())


def test_without_a_trade_book_it_is_the_last_price(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing() -> list[object]:
        return []

    monkeypatch.setattr(stage.client.account, "trades", nothing)

    async def main() -> None:
        desk = Desk(stage)
        running = asyncio.create_task(desk.runner.run(desk.engine.start(DAY, stage.core.now)))
        await desk.step(PRICE)
        await traded_by_hand(stage, Side.BUY, 4)
        await desk.compare()
        done = await accepting(desk, stage).accept("RELIANCE", 0, yes=True)
        assert [(row.strategy, row.quantity, row.price, row.source) for row in done.bookings] == [
            ("hand", 4, PRICE, LAST)
        ]
        assert desk.engine.state.positions[f"hand@{RELIANCE.id}"].target == 4
        await traded_by_hand(stage, Side.SELL, 4)
        desk.runner.stop()
        await running

    stage.run(main())
