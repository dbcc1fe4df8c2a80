"""What brokers do with intraday positions in the afternoon, and what they take after that."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_conditional import Conditionals
from saudagar.exchange.core_orders import ExchangeOrder, Refusal
from saudagar.exchange.order_desk import OrderDesk
from saudagar.exchange.square_off import SquareOff
from saudagar.market.ist import at
from saudagar.market.sessions import Calendar
from saudagar.model import (
    Instrument,
    InstrumentKind,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Segment,
    Side,
    Tick,
)

DAY = date(2026, 11, 20)
SBIN = Instrument(
    segment=Segment.NSE_EQ,
    symbol="SBIN",
    kind=InstrumentKind.EQUITY,
    tick_size=5,
    freeze_quantity=100,
    closing_auction=True,
)
SMALL = Instrument(segment=Segment.NSE_EQ, symbol="SMALL", kind=InstrumentKind.EQUITY, tick_size=5)
FUTURE = Instrument(segment=Segment.NSE_FNO, symbol="NIFTY-FUT", kind=InstrumentKind.FUTURE, tick_size=5)
INTRADAY, DELIVERY = Product.INTRADAY, Product.DELIVERY


class Afternoon:
    def __init__(self, clock: str = "15:10", day: date = DAY) -> None:
        self.day = day
        listed = (SBIN, SMALL, FUTURE)
        self.core = MatchingCore(
            listed, Calendar(), capital=10**12, previous_close={each.id: 80_000 for each in listed}
        )
        self.core.advance(at(day, clock))
        self.desk = OrderDesk(self.core, Conditionals(self.core), name="dhan", mark="9", foreign=lambda _: False)
        self.square_off = SquareOff(self.core, day, (self.desk,))
        self.square_off.advance()

    def step(self, clock: str, ltp: int = 0, volume: int = 1) -> list:
        ts = at(self.day, clock)
        ticks = [Tick(each.id, ts, ltp, volume) for each in (SBIN, SMALL, FUTURE)] if ltp else []
        return [*self.core.advance(ts, ticks), *self.square_off.advance()]

    def place(
        self, side: Side, quantity: int, price: int, product: Product = INTRADAY, instrument=SBIN
    ) -> ExchangeOrder:
        terms = OrderTerms(quantity=quantity, order_type=OrderType.LIMIT, price=price)
        return self.core.place(tag="T", instrument=instrument.id, side=side, terms=terms, product=product)

    def net(self, instrument: Instrument, product: Product = INTRADAY) -> int:
        return sum(row[2] - row[4] for row in self.core.positions() if row[:2] == (instrument, product))


def test_orders_are_withdrawn_and_positions_closed():
    noon = Afternoon()
    noon.step("15:10:01", 80_000)
    noon.place(Side.BUY, 100, 80_005)
    noon.place(Side.BUY, 60, 80_005)
    noon.place(Side.SELL, 30, 80_000, instrument=SMALL)
    noon.place(Side.BUY, 10, 80_005, DELIVERY)
    waits = noon.place(Side.BUY, 10, 79_000)
    kept = noon.place(Side.BUY, 10, 79_000, DELIVERY)
    noon.step("15:19:59", 80_000, 2)
    assert (noon.net(SBIN), noon.net(SMALL)) == (160, -30)
    updates = noon.step("15:20", 80_000, 3)
    assert (waits.status, kept.status) == (OrderStatus.CANCELLED, OrderStatus.OPEN)
    assert [each.terms.quantity for each in updates if each.status is OrderStatus.OPEN] == [100, 60, 30]
    assert noon.net(SMALL) == 0, "a stock without derivatives trades until 15:30"
    noon.step("15:28:30", 80_500, 1_000)
    assert (noon.net(SBIN), noon.net(SBIN, DELIVERY)) == (0, 10), "the others in the closing auction"


def test_no_intraday_order_is_taken_after_it():
    noon = Afternoon()
    noon.step("15:19", 80_000)
    noon.place(Side.BUY, 5, 80_005, DELIVERY, SMALL)
    noon.step("15:20", 80_000, 2)
    for refused in (
        lambda: noon.place(Side.BUY, 1, 80_000),
        lambda: noon.core.convert(SMALL.id, DELIVERY, INTRADAY, Side.BUY, 5),
    ):
        with pytest.raises(Refusal, match="after the square-off") as problem:
            refused()
        assert problem.value.code == "product"
    noon.place(Side.BUY, 1, 80_000, DELIVERY)
    noon.place(Side.BUY, 1, 80_000, instrument=FUTURE)
    noon.step("15:25", 80_000, 3)
    with pytest.raises(Refusal, match="after the square-off"):
        noon.place(Side.BUY, 1, 80_000, instrument=FUTURE)
    assert noon.net(FUTURE) == 0
    noon.day += timedelta(days=3)
    noon.core.advance(at(noon.day, "09:16"))
    noon.place(Side.BUY, 1, 80_000)


def test_a_market_that_begins_later_has_none_of_it():
    late = Afternoon("15:21")
    late.step("15:21:01", 80_000)
    late.place(Side.BUY, 1, 80_000, instrument=SMALL)
