"""Paper: the ports' words over the matching core, and what an earlier run left."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest
from msgspec.structs import replace

from saudagar.brokers.paper import PaperBroker
from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_orders import Refusal
from saudagar.execution.ports import LinkState
from saudagar.market.ist import at
from saudagar.market.sessions import Calendar
from saudagar.model import (
    SECOND,
    BrokerOrderId,
    ClientOrderId,
    Instrument,
    InstrumentKind,
    NewOrder,
    Order,
    OrderStatus,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Segment,
    Side,
    Tick,
)
from saudagar.model.errors import OutcomeUnknown, RejectedByBroker

OPEN = at(date(2026, 11, 20), "09:15")
SBIN = Instrument(segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5)
BIDS, ASKS = ((79_995, 100), (79_990, 50)), ((80_005, 100), (80_010, 50))


class Desk:
    """A broker, and what it has told."""

    def __init__(self) -> None:
        core = MatchingCore([SBIN], Calendar(), capital=10**10, previous_close={SBIN.id: 80_000})
        self.broker = PaperBroker(core)
        self.told: list = []
        self.links: list = []
        asyncio.run(self.broker.start(self.told.append, self.links.append))
        self.market(0)

    def market(self, second: int, ltp: int = 80_000, bids=BIDS, asks=ASKS) -> None:
        self.broker.on_market(
            OPEN + second * SECOND, [Tick(SBIN.id, OPEN + second * SECOND, ltp, 1_000 + second, bids, asks)]
        )

    def do(self, call):
        return asyncio.run(call)


def new(number: int = 1, quantity: int = 100, price: int = 80_005, side: Side = Side.BUY) -> NewOrder:
    return NewOrder(
        order_id=ClientOrderId(f"T{number}"),
        instrument=SBIN.id,
        side=side,
        terms=OrderTerms(quantity=quantity, order_type=OrderType.LIMIT, price=price),
        product=Product.INTRADAY,
        purpose=Purpose.ENTRY,
        position=PositionId("a@NSE_EQ:SBIN"),
    )


def known(order: NewOrder, broker_id: str) -> Order:
    return Order(new=order, terms=order.terms, broker_id=BrokerOrderId(broker_id))


def test_an_order_that_fills_is_told_with_its_execution():
    desk = Desk()
    assert desk.links[0].state is LinkState.UP
    reply = desk.do(desk.broker.submit(new()))
    assert (reply.status, reply.order_id) == (OrderStatus.PENDING, "T1")
    last = desk.told[-1]
    assert (last.status, last.filled, last.last_price, last.average_price) == (
        OrderStatus.FILLED,
        100,
        80_005,
        80_005.0,
    )
    assert last.broker_id == reply.broker_id
    found = desk.do(desk.broker.find(ClientOrderId("T1")))
    assert [trade.quantity for trade in found.trades] == [100]
    assert desk.do(desk.broker.trades_of(known(new(), reply.broker_id))) == found.trades
    (position,) = desk.do(desk.broker.positions())
    assert (position.instrument, position.quantity, position.buy_value) == (SBIN.id, 100, 8_000_500)
    assert desk.do(desk.broker.orders()) == [found]
    assert desk.do(desk.broker.holdings()) == []
    assert desk.do(desk.broker.funds()).available > 0
    desk.do(desk.broker.stop())


def test_a_resting_order_trades_when_the_market_comes():
    desk = Desk()
    desk.do(desk.broker.submit(new(price=79_900)))
    assert desk.told[-1].status is OrderStatus.OPEN
    desk.market(1, 79_895, ((79_890, 500),), ((79_895, 500),))
    assert desk.told[-1].status is OrderStatus.FILLED


def test_modify_and_cancel():
    desk = Desk()
    reply = desk.do(desk.broker.submit(new(price=79_900)))
    order = known(new(price=79_900), reply.broker_id)
    desk.do(desk.broker.modify(order, OrderTerms(quantity=50, order_type=OrderType.LIMIT, price=79_905)))
    assert desk.told[-1].terms.quantity == 50
    desk.do(desk.broker.cancel(order))
    assert desk.told[-1].status is OrderStatus.CANCELLED
    for again in (desk.broker.cancel(order), desk.broker.modify(order, order.terms)):
        with pytest.raises(RejectedByBroker):
            desk.do(again)


def test_a_refusal_is_the_brokers_no():
    desk = Desk()
    with pytest.raises(RejectedByBroker) as error:
        desk.do(desk.broker.submit(new(price=80_001)))
    assert error.value.code == "tick"
    assert desk.do(desk.broker.find(ClientOrderId("T9"))) is None
    assert desk.do(desk.broker.trades_of(known(new(9), "X"))) == ()


def test_an_exit_of_everything_that_is_refused_half_way_is_not_told_as_refused(monkeypatch):
    desk = Desk()
    for order in (new(quantity=30), replace(new(2, quantity=40), product=Product.DELIVERY)):
        desk.do(desk.broker.submit(order))
    core, placed = desk.broker._core, []
    place = core.place

    def second_refused(**asked):
        placed.append(asked)
        if len(placed) % 2 == 0:
            raise Refusal("freeze", "too many at once")
        return place(**asked)

    monkeypatch.setattr(core, "place", second_refused)
    told = len(desk.told)
    with pytest.raises(OutcomeUnknown, match="1 order was placed, then: too many at once"):
        desk.do(desk.broker.account.exit_all())
    assert len(desk.told) > told  # of the one that was placed
    placed.append({})
    with pytest.raises(RejectedByBroker, match="too many at once"):
        desk.do(desk.broker.account.exit_all())


def test_what_an_earlier_run_traded_still_stands():
    desk = Desk()
    traded, rests = known(new(1), "B1"), known(new(2, side=Side.SELL), "B2")
    traded.filled, traded.value, traded.status = 100, 8_000_500, OrderStatus.FILLED
    rests.filled, rests.value = 40, 40 * 80_005
    desk.broker.restore([traded, rests, known(new(3), "")])
    reports = {report.order_id: report for report in desk.do(desk.broker.orders())}
    assert reports["T1"].status is OrderStatus.FILLED
    assert (reports["T2"].status, reports["T2"].filled) == (OrderStatus.CANCELLED, 40)
    assert "restarted" in reports["T2"].reason
    assert desk.do(desk.broker.find(ClientOrderId("T2"))) == reports["T2"]
    assert [p.quantity for p in desk.do(desk.broker.positions())] == [60]


def test_shares_bought_for_delivery_by_an_earlier_run_may_be_sold():
    desk = Desk()
    bought = known(delivery(1, Side.BUY), "B1")
    bought.status, bought.filled, bought.value = OrderStatus.FILLED, 100, 100 * 80_000
    with pytest.raises(RejectedByBroker, match="only 0 shares"):
        desk.do(desk.broker.submit(delivery(2, Side.SELL)))
    desk.broker.restore([bought])
    assert desk.do(desk.broker.positions()) == []
    desk.do(desk.broker.submit(delivery(3, Side.SELL)))
    assert sum(p.quantity for p in desk.do(desk.broker.positions())) == -100
    assert [(h.quantity, h.sellable) for h in desk.do(desk.broker.holdings())] == [(100, 0)]
    with pytest.raises(RejectedByBroker, match="only 0 shares"):
        desk.do(desk.broker.submit(delivery(4, Side.SELL)))


def test_what_an_earlier_run_bought_on_mtf_may_be_sold():
    desk = Desk()
    bought = known(replace(delivery(1, Side.BUY), product=Product.MTF), "B1")
    bought.status, bought.filled, bought.value = OrderStatus.FILLED, 100, 100 * 80_000
    sale = replace(delivery(2, Side.SELL), product=Product.MTF)
    with pytest.raises(RejectedByBroker, match="only 0 shares"):
        desk.do(desk.broker.submit(sale))
    desk.broker.restore([bought])
    desk.do(desk.broker.submit(sale))
    assert sum(p.quantity for p in desk.do(desk.broker.positions())) == 0


def delivery(number: int, side: Side) -> NewOrder:
    return replace(new(number, side=side, price=80_005 if side is Side.BUY else 79_990), product=Product.DELIVERY)
