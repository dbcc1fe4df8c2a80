"""Bought for delivery yesterday, sold today: the broker has the shares among its holdings, and some of your own too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import date
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace
from tests.contract.suite.conftest import PATIENT
from tests.contract.suite.desk import Desk
from tests.contract.suite.floor import ACCOUNT, floor_of
from tests.contract.suite.market import DAY, PRICE, RELIANCE
from tests.contract.suite.stage import ALL, PaperStage, Stage, stage_of

from saudagar.app.accept import TRADE_BOOK, Accepting
from saudagar.app.sale_leave import reminder
from saudagar.brokers.paper import PaperBroker
from saudagar.brokers.router import Router
from saudagar.engine.state import State
from saudagar.execution.held import Held
from saudagar.execution.ports import LinkState, LinkStatus
from saudagar.market.ist import at
from saudagar.model import (
    CloseAll,
    InstrumentId,
    Offset,
    OrderStatus,
    OrderType,
    Product,
    Protection,
    Purpose,
    Side,
    Source,
    StrategyId,
    position_id,
)
from saudagar.model import events as ev
from saudagar.model.errors import BrokerError, SaudagarError

pytestmark = pytest.mark.children_unmeasured

SHARES, OURS = 200, 30
"""In the demat account in the morning, and of them the desk's."""
BARE = Protection()
STOP = Protection(stop=Offset(ppm=20_000))
TARGET = Protection(target=Offset(ppm=20_000))
YESTERDAY = date(2026, 11, 19)
A = position_id(StrategyId("a"), RELIANCE.id)
_desks = count(1)


@pytest.fixture(scope="module", params=ALL)
def any_stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A broker with shares in the account."""
    if request.param == "paper":
        stage = PaperStage()
        stage.core.account("").holdings[RELIANCE.id] = SHARES
        yield stage
        stage.close()
        return
    account = replace(ACCOUNT, holdings={RELIANCE.id: SHARES})
    with floor_of(request.param, account=account) as floor, stage_of(request.param, floor, timeout=PATIENT) as stage:
        yield stage


def bought(protection: Protection) -> list[ev.Event]:
    """Yesterday's journal."""
    ts = at(YESTERDAY, "15:00")
    return [
        ev.DayOpened(ts=at(YESTERDAY, "09:00"), day=YESTERDAY, desk="T", config=""),
        ev.TargetSet(
            ts=ts,
            position=A,
            quantity=OURS,
            reason="test",
            source=Source.STRATEGY,
            protection=protection,
            reference=PRICE,
        ),
        ev.PositionAdopted(ts=ts, position=A, quantity=OURS, price=PRICE),
    ]


class Morning:
    """A desk that opens with shares of yesterday."""

    def __init__(self, stage: Stage, protection: Protection = BARE) -> None:
        self.stage = stage
        journal = bought(protection)
        self.desk = Desk(stage, product=Product.DELIVERY, journal=journal, desk=f"T{next(_desks)}")
        self.state = self.desk.engine.state

    def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            running = asyncio.create_task(self.desk.runner.run(self.desk.engine.start(DAY, self.stage.core.now)))
            await self.desk.step(PRICE)
            self.desk.runner.on_link(LinkStatus(LinkState.UP, "orders"))
            await self.desk.runner.quiet()
            await work()
            assert State.replay(self.desk.journal.events).digest() == self.state.digest()
            self.desk.runner.stop()
            await running

        self.stage.run(main())

    async def held(self) -> int:
        """What the broker holds by its own two books."""
        client = self.stage.client
        isin = {RELIANCE.id: RELIANCE.isin}.__getitem__
        return Held(Product.DELIVERY, await client.positions(), await client.holdings(), isin, {}).of(RELIANCE.id)

    @property
    def sales(self) -> list[int]:
        """Units sold by each order of this desk, at the exchange."""
        orders = [self.stage.core.by_tag(order_id) for order_id in self.state.orders]
        assert all(order is None or order.side is Side.SELL for order in orders)
        return [order.filled for order in orders if order is not None and order.filled]

    @property
    def alerts(self) -> list[str]:
        return [event.message for event in self.desk.journal.events if isinstance(event, ev.Alerted)]

    def close(self) -> None:
        self.desk.runner.put(CloseAll(ts=self.desk.engine.now, reason="test"))


@pytest.mark.parametrize("how", ["stop", "target", "flatten"])
def test_an_exit_is_one_sale(stage: Stage, how: str) -> None:
    morning = Morning(stage, protection={"stop": STOP, "target": TARGET}.get(how, BARE))

    async def main() -> None:
        there = await morning.held()
        await morning.desk.compare()
        assert not morning.state.frozen
        resting = [order.remaining for order in stage.core.orders.values() if order.status.working]
        assert resting == ([OURS] if how == "stop" else [])
        if how == "flatten":
            morning.close()
        else:
            await morning.desk.step(round(PRICE * (0.978 if how == "stop" else 1.03)))
        for _ in range(3):
            await morning.desk.step(stage.day.price)
        assert morning.state.positions[A].quantity == 0
        await morning.desk.compare()
        assert not morning.state.frozen
        assert morning.sales == [OURS]
        assert await morning.held() == there - OURS  # what is yours is still there
        (share,) = await stage.client.holdings()
        assert (share.quantity, share.sellable) == (SHARES, there - OURS)  # nothing was bought today

    morning.run(main)


def test_a_part_is_sold_and_then_the_rest(stage: Stage) -> None:
    morning = Morning(stage, protection=STOP)

    async def main() -> None:
        there = await morning.held()
        morning.desk.long("a", 10, STOP)
        for _ in range(3):
            await morning.desk.step(PRICE)
        assert morning.state.positions[A].quantity == 10
        await morning.desk.compare()
        assert not morning.state.frozen
        morning.close()
        for _ in range(3):
            await morning.desk.step(PRICE)
        await morning.desk.compare()
        assert not morning.state.frozen
        assert sum(morning.sales) == OURS
        assert await morning.held() == there - OURS

    morning.run(main)


def test_your_own_shares_are_yours_until_you_sell_the_desks(stage: Stage) -> None:
    morning = Morning(stage)
    accept = Accepting(morning.desk.runner, stage.client, lambda name: InstrumentId(f"NSE_EQ:{name}")).accept

    async def main() -> None:
        there = await morning.held()
        await by_hand(stage, there - OURS)  # all of yours
        await morning.desk.compare()
        assert not morning.state.frozen
        with pytest.raises(SaudagarError, match=f"agree on \\+{OURS};"):
            await accept("RELIANCE", 0, yes=True)

        price = await by_hand(stage, 10)
        await morning.desk.compare()
        assert RELIANCE.id in morning.state.frozen
        shown = await accept("RELIANCE", 0, yes=True)
        assert [(row.strategy, row.quantity, row.price, row.source) for row in shown.bookings] == [
            ("a", -10, price, TRADE_BOOK)
        ]
        assert RELIANCE.id not in morning.state.frozen

        await by_hand(stage, 5)
        await morning.desk.compare()
        morning.close()
        for _ in range(3):
            await morning.desk.step(PRICE)
        assert morning.sales == [OURS - 15]  # never more than there is
        assert await morning.held() == 0
        await buy_back(stage, there)

    morning.run(main)


def test_more_at_the_broker_is_told_as_yours(stage: Stage) -> None:
    morning = Morning(stage)
    accept = Accepting(morning.desk.runner, stage.client, lambda name: InstrumentId(f"NSE_EQ:{name}")).accept

    async def main() -> None:
        more = await morning.held() - OURS
        assert more > 0
        with pytest.raises(SaudagarError, match=f"the other {more} at the broker are not the desk's"):
            await accept("RELIANCE", 0, yes=True)

    morning.run(main)


def test_holdings_that_nobody_can_read_are_not_none(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails() -> list[object]:
        raise BrokerError("it does not answer.")

    monkeypatch.setattr(stage.client, "holdings", fails)
    morning = Morning(stage, protection=STOP)

    async def main() -> None:
        await morning.desk.compare()
        assert not morning.state.frozen
        assert not morning.desk.engine.differences
        assert any(
            "holdings is down: it does not answer. Positions are not compared" in text for text in morning.alerts
        )
        with pytest.raises(BrokerError):
            await Accepting(morning.desk.runner, stage.client, lambda _: RELIANCE.id).accept("RELIANCE", 0, yes=False)
        await morning.desk.step(round(PRICE * 0.978))  # the exit goes all the same
        for _ in range(3):
            await morning.desk.step(stage.day.price)
        assert morning.sales == [OURS]
        monkeypatch.undo()
        await morning.desk.compare()
        assert not morning.state.frozen

    morning.run(main)


def test_leave_to_sell_is_asked_for_where_the_broker_needs_it(stage: Stage) -> None:
    morning = Morning(stage)
    stranger = Desk(stage)  # an intraday desk asks for none

    async def main() -> None:
        told = await reminder(morning.desk.engine, stage.client)
        assert told.startswith("" if stage.name == "paper" else f"{stage.name} sells {OURS} RELIANCE of earlier days")
        assert ("sale-form" in told) == (stage.name == "dhan")
        assert not await reminder(stranger.engine, stage.client)
        router = Router({"x": stage.client, "y": PaperBroker(stage.core)}, {StrategyId("a"): "x"}, "y")
        assert await reminder(morning.desk.engine, router) == told
        if stage.client.capabilities.e_dis:
            await stage.client.account.sale_form(RELIANCE, OURS - 1)
            assert await reminder(morning.desk.engine, stage.client) == told
            await stage.client.account.sale_form(RELIANCE, OURS)  # at the simulated depository it is signed at once
            assert not await reminder(morning.desk.engine, stage.client)

    stage.run(main())


def test_leave_is_asked_for_where_nobody_tells(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> list[object]:
        raise BrokerError("it does not answer.")

    monkeypatch.setattr(stage.client, "holdings", fails)
    monkeypatch.setattr(stage.client.account, "sale_authorities", fails)
    told = stage.run(reminder(Morning(stage).desk.engine, stage.client))
    assert (f"{OURS} RELIANCE" in told) == (stage.name != "paper")


async def by_hand(stage: Stage, quantity: int) -> int:
    """An order that the desk did not send sells so many; the price of the last of them."""
    new = stage.order(
        OrderType.LIMIT,
        round(PRICE * 0.98),
        side=Side.SELL,
        quantity=quantity,
        product=Product.DELIVERY,
        purpose=Purpose.EXIT,
    )
    await stage.place(new)
    await stage.reported(new.order_id, OrderStatus.FILLED)
    return stage.truth(new.order_id).trades[-1].price


async def buy_back(stage: Stage, quantity: int) -> None:
    """For the next test."""
    new = stage.order(OrderType.LIMIT, round(PRICE * 1.02), quantity=quantity, product=Product.DELIVERY)
    await stage.place(new)
    await stage.reported(new.order_id, OrderStatus.FILLED)
