"""The contract of `ExecutionClient` over time: a closed market, a token that ends, a desk that comes back."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

import pytest
from tests.contract.suite.floor import CANARY, WIRED, Floor, floor_of, token_of
from tests.contract.suite.market import DAY, LEVEL, PRICE, CalledDay
from tests.contract.suite.stage import ALL, PaperStage, Stage, WiredStage, stage_of

from saudagar.execution.ports import LinkState
from saudagar.market.ist import at
from saudagar.model import Order, OrderStatus, OrderTerms, OrderType, Side
from saudagar.model.errors import AuthError

pytestmark = pytest.mark.children_unmeasured

ANOTHER = "canary2"


@pytest.fixture(params=ALL)
def early(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A broker at half past eight in the morning."""
    day = CalledDay(opening="08:30")
    if request.param == "paper":
        stage: Stage = PaperStage(day)
        yield stage
        stage.close()
        return
    with floor_of(request.param, day) as floor, stage_of(request.param, floor) as wired:
        yield wired


@pytest.fixture(params=WIRED)
def floor(request: pytest.FixtureRequest) -> Iterator[tuple[str, Floor]]:
    with floor_of(request.param) as market:
        yield request.param, market


def test_an_after_market_order_waits_is_changed_and_goes_in_at_the_opening(early: Stage):
    async def main():
        assert await early.refusal(early.order())  # the market takes none
        goes = await early.place(early.order(OrderType.LIMIT, PRICE + 50, quantity=5, after_market=True))
        stays = await early.place(early.order(after_market=True))
        for order in (goes, stays):
            found = await early.client.find(order.id)
            assert found.status in (OrderStatus.PENDING, OrderStatus.OPEN)  # Dhan has one word for both
            assert found.filled == 0
            assert early.truth(order.id).after_market
        terms = OrderTerms(quantity=4, order_type=OrderType.LIMIT, price=PRICE + 60)
        await early.client.modify(goes, terms)
        assert early.truth(goes.id).terms == terms
        await early.client.cancel(stays)
        await early.reported(stays.id, OrderStatus.CANCELLED)
        early.day.not_before = at(DAY, "09:15")
        await early.step()
        await early.step()
        await early.reported(goes.id, OrderStatus.FILLED, 4)
        assert await early.refusal(early.order(after_market=True))  # it is open now

    early.run(main())


def test_a_token_that_ends_in_mid_session_is_told_and_renewed_with_orders_resting(floor):
    name, market = floor

    async def main(stage: WiredStage):
        resting = await stage.place(stage.order(OrderType.SL_M, trigger=PRICE - 50_00, side=Side.SELL))
        await stage.reported(resting.id, OrderStatus.TRIGGER_PENDING)
        market.token(name, ANOTHER)
        await stage.hang_up()
        await stage.until(lambda: stage.links[-1].state is LinkState.AUTH)
        refused = stage.order()
        for request in (
            stage.client.submit(refused),
            stage.client.modify(resting, OrderTerms(quantity=2, order_type=OrderType.SL_M, trigger_price=PRICE - 10)),
            stage.client.cancel(resting),
            stage.client.find(resting.id),
            stage.client.orders(),
            stage.client.positions(),
            stage.client.funds(),
            stage.client.renew("canary-wrong"),
        ):
            with pytest.raises(AuthError) as error:
                await request
            assert CANARY not in "".join(traceback.format_exception(error.value)) + repr(vars(error.value))
            assert "log in" in str(error.value).lower()
        assert stage.links[-1].state is not LinkState.UP
        assert stage.core.by_tag(refused.order_id) is None
        assert stage.truth(resting.id).status is OrderStatus.TRIGGER_PENDING, "a resting stop is not touched"

        told = len(stage.links)
        await stage.client.renew(ANOTHER)
        up = {link.link for link in stage.links[told:] if link.state is LinkState.UP}
        assert up == {f"{name} orders", "orders"}
        await stage.until(stage.joined)
        await stage.client.cancel(resting)
        await stage.reported(resting.id, OrderStatus.CANCELLED)
        order = await stage.place(stage.order())
        await stage.reported(order.id, OrderStatus.OPEN)
        assert CANARY not in repr(stage.links)

    with stage_of(name, market) as stage:
        stage.run(main(stage))


def test_a_client_that_starts_anew_finds_everything_in_the_books(floor):
    """What rests, what traded, what ended; and it can be changed by the ids on disk alone."""
    name, market = floor
    orders: dict[str, Order] = {}

    async def before(first: WiredStage):
        orders["rests"] = await first.place(first.order(quantity=3))
        orders["stop"] = await first.place(first.order(OrderType.SL_M, trigger=PRICE - 50_00, side=Side.SELL))
        orders["part"] = await first.place(first.order(OrderType.LIMIT, PRICE + 10, quantity=LEVEL + 50))
        orders["done"] = await first.place(first.order(OrderType.MARKET, quantity=2))
        orders["gone"] = await first.place(first.order())
        await first.client.cancel(orders["gone"])
        await first.reported(orders["gone"].id, OrderStatus.CANCELLED)

    expected = {
        "rests": (OrderStatus.OPEN, 0),
        "stop": (OrderStatus.TRIGGER_PENDING, 0),
        "part": (OrderStatus.PARTIALLY_FILLED, LEVEL),
        "done": (OrderStatus.FILLED, 2),
        "gone": (OrderStatus.CANCELLED, 0),
    }

    async def after(second: WiredStage):
        book = {report.order_id: report for report in await second.client.orders()}
        assert set(book) == {order.id for order in orders.values()}
        for what, order in orders.items():
            found = await second.client.find(order.id)
            for report in (book[order.id], found):
                assert (report.status, report.filled) == expected[what], what
                assert report.broker_id == order.broker_id
                assert report.terms.quantity == order.terms.quantity
            trades = await second.client.trades_of(order)
            assert sum(trade.quantity for trade in trades) == expected[what][1]
        (held,) = await second.client.positions()
        assert held.quantity == LEVEL + 2
        terms = OrderTerms(quantity=9, order_type=OrderType.LIMIT, price=PRICE - 100_00)
        await second.client.modify(orders["rests"], terms)
        assert second.truth(orders["rests"].id).terms == terms
        for what in ("rests", "stop", "part"):
            await second.client.cancel(orders[what])
            await second.reported(orders[what].id, OrderStatus.CANCELLED, expected[what][1])

    with stage_of(name, market) as first:
        first.run(before(first))
    with stage_of(name, market) as second:
        second.run(after(second))


@pytest.mark.parametrize("name", WIRED)
def test_an_after_market_order_is_cancelled_by_a_client_that_did_not_place_it(name):
    """Kite has two doors, and an order must leave through the one that it came in by."""
    with floor_of(name, CalledDay(opening="08:30")) as market:
        with stage_of(name, market) as first:
            order = first.run(first.place(first.order(after_market=True)))
        with stage_of(name, market) as second:
            second.run(second.client.cancel(order))
            assert second.truth(order.id).status is OrderStatus.CANCELLED


def test_nothing_of_a_client_shows_its_token(floor):
    name, market = floor
    with stage_of(name, market) as stage:
        settings = stage.client._settings
        for shown in (repr(stage.client), str(stage.client), repr(settings), str(settings), f"{settings}"):
            assert CANARY not in shown
            assert token_of(name, market) not in shown
