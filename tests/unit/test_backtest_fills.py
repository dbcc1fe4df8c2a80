"""The bar replay's broker on its own: what trades at once, what rests, what wakes, what is refused."""

from __future__ import annotations

import pytest

from saudagar.backtest.fills import BarBroker
from saudagar.execution.effects import CancelOrder, FetchTrades, FindOrder, ModifyOrder, SubmitOrder, TakeSnapshot
from saudagar.model import (
    AccountSnapshot,
    ClientOrderId,
    InstrumentId,
    LookUpMissed,
    ModifyAccepted,
    NewOrder,
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    RequestFailed,
    Side,
)

NAME = InstrumentId("NSE_EQ:RELIANCE")
LIMIT, SL, SL_M, MARKET = OrderType.LIMIT, OrderType.SL, OrderType.SL_M, OrderType.MARKET


def order(kind: OrderType, side: Side = Side.BUY, price: int = 0, trigger: int = 0, number: int = 1) -> NewOrder:
    return NewOrder(
        order_id=ClientOrderId(f"BT{number}"),
        instrument=NAME,
        side=side,
        terms=OrderTerms(quantity=10, order_type=kind, price=price, trigger_price=trigger),
        product=Product.INTRADAY,
        purpose=Purpose.ENTRY,
        position=PositionId(f"plan@{NAME}"),
    )


@pytest.fixture
def broker() -> BarBroker:
    """The market stands at 100.00."""
    made = BarBroker()
    assert made.on_price(NAME, 1, 10_000) == []
    return made


@pytest.mark.parametrize(
    ("new", "status", "price"),
    [
        (order(MARKET), OrderStatus.FILLED, 10_000),
        (order(LIMIT, price=10_000), OrderStatus.FILLED, 10_000),
        (order(LIMIT, price=10_100), OrderStatus.FILLED, 10_000),
        (order(LIMIT, price=9_999), OrderStatus.OPEN, 0),
        (order(LIMIT, Side.SELL, price=10_001), OrderStatus.OPEN, 0),
        (order(SL, Side.SELL, price=9_800, trigger=9_900), OrderStatus.TRIGGER_PENDING, 0),
        (order(SL, Side.SELL, price=9_900, trigger=10_000), OrderStatus.FILLED, 10_000),
        (order(SL_M, trigger=10_001), OrderStatus.TRIGGER_PENDING, 0),
        (order(SL_M, trigger=10_000), OrderStatus.FILLED, 10_000),
    ],
)
def test_an_order_on_arrival(broker: BarBroker, new: NewOrder, status: OrderStatus, price: int) -> None:
    (report,) = broker.carry_out(SubmitOrder(new))
    assert isinstance(report, OrderReport)
    assert (report.status, report.last_price) == (status, price)
    assert broker.fills == (status is OrderStatus.FILLED)
    assert (broker.asleep(NAME) is None) == (status is OrderStatus.OPEN)


@pytest.mark.parametrize(
    ("new", "level", "market", "filled_at"),
    [
        (order(LIMIT, price=9_900), 9_900, 9_850, 9_900),
        (order(SL, Side.SELL, price=9_800, trigger=9_900), 9_900, 9_880, 9_880),
        (order(SL_M, trigger=10_100), 10_100, 10_150, 10_150),
    ],
    ids=["a limit at its own price", "a stop at the price that woke it", "a market stop likewise"],
)
def test_what_rests_trades_when_the_price_comes(
    broker: BarBroker, new: NewOrder, level: int, market: int, filled_at: int
) -> None:
    broker.carry_out(SubmitOrder(new))
    assert list(broker.levels(NAME)) == [level]
    assert broker.on_price(NAME, 2, 10_001) == []
    (report,) = broker.on_price(NAME, 3, market)
    assert (report.status, report.last_price, report.ts) == (OrderStatus.FILLED, filled_at, 3)
    assert list(broker.levels(NAME)) == []


def test_a_stop_jumped_beyond_its_limit_rests_as_a_limit(broker: BarBroker) -> None:
    broker.carry_out(SubmitOrder(order(SL, Side.SELL, price=9_850, trigger=9_900)))
    (woken,) = broker.on_price(NAME, 2, 9_700)
    assert woken.status is OrderStatus.OPEN
    assert broker.asleep(NAME) is None
    (filled,) = broker.on_price(NAME, 3, 9_860)
    assert filled.last_price == 9_850


def test_a_modification_rests_or_trades(broker: BarBroker) -> None:
    new = order(SL, Side.SELL, price=9_800, trigger=9_900)
    broker.carry_out(SubmitOrder(new))
    higher = OrderTerms(quantity=10, order_type=SL, price=9_850, trigger_price=9_950)
    assert broker.carry_out(ModifyOrder(new.order_id, higher)) == [ModifyAccepted(1, new.order_id)]
    assert list(broker.levels(NAME)) == [9_950]
    exit_terms = OrderTerms(quantity=10, order_type=LIMIT, price=9_950)
    accepted, filled = broker.carry_out(ModifyOrder(new.order_id, exit_terms))
    assert isinstance(accepted, ModifyAccepted)
    assert isinstance(filled, OrderReport)
    assert filled.last_price == 10_000


def test_a_cancel_and_what_can_be_found(broker: BarBroker) -> None:
    new = order(LIMIT, price=9_000)
    broker.carry_out(SubmitOrder(new))
    (found,) = broker.carry_out(FindOrder(new.order_id))
    assert isinstance(found, OrderReport)
    assert found.status is OrderStatus.OPEN
    (gone,) = broker.carry_out(CancelOrder(new.order_id))
    assert isinstance(gone, OrderReport)
    assert gone.status is OrderStatus.CANCELLED
    assert broker.carry_out(FindOrder(new.order_id)) == [LookUpMissed(1, new.order_id)]
    for effect in (CancelOrder(new.order_id), ModifyOrder(new.order_id, new.terms)):
        (failed,) = broker.carry_out(effect)
        assert isinstance(failed, RequestFailed)
        assert failed.refused
    assert broker.carry_out(FetchTrades(found)) == []


def test_day_orders_end_with_the_day_and_the_book_says_so(broker: BarBroker) -> None:
    resting = order(SL_M, trigger=10_100, number=2)
    broker.carry_out(SubmitOrder(order(MARKET, Side.SELL)))
    broker.carry_out(SubmitOrder(resting))
    (before,) = broker.carry_out(TakeSnapshot())
    broker.end_day()
    (after,) = broker.carry_out(TakeSnapshot())
    assert isinstance(before, AccountSnapshot)
    assert isinstance(after, AccountSnapshot)
    assert [(r.order_id, r.status) for r in before.reports] == [(resting.order_id, OrderStatus.TRIGGER_PENDING)]
    assert [(r.order_id, r.status) for r in after.reports] == [(resting.order_id, OrderStatus.EXPIRED)]
    assert [(p.instrument, p.quantity) for p in after.positions] == [(NAME, -10)]
    assert broker.on_price(NAME, 2, 10_200) == []
