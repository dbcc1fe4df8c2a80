"""After-market orders enter when their broker said they would: with the pre-open, at the opening, or later."""

from datetime import date

import pytest

from saudagar.exchange.core import MatchingCore
from saudagar.market.ist import at
from saudagar.market.sessions import Calendar
from saudagar.model import (
    MINUTE,
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

DAY, NEXT = date(2026, 11, 19), date(2026, 11, 20)
SHARE = Instrument(segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5)
PENDING, OPEN, FILLED, CANCELLED = (
    OrderStatus.PENDING,
    OrderStatus.OPEN,
    OrderStatus.FILLED,
    OrderStatus.CANCELLED,
)


@pytest.fixture
def core() -> MatchingCore:
    core = MatchingCore([SHARE], Calendar(), capital=10**10, previous_close={SHARE.id: 80_000})
    core.advance(at(DAY, "18:00"))
    return core


def place(core: MatchingCore, delay: int | None, kind: OrderType = OrderType.LIMIT, trigger: int = 0):
    price = 80_500 if kind is OrderType.LIMIT else 0
    side = Side.BUY if kind is OrderType.LIMIT else Side.SELL
    terms = OrderTerms(quantity=10, order_type=kind, price=price, trigger_price=trigger)
    return core.place(
        tag="T",
        instrument=SHARE.id,
        side=side,
        terms=terms,
        product=Product.INTRADAY,
        after_market=True,
        amo_delay=delay,
    )


def tick(core: MatchingCore, clock: str, price: int) -> None:
    ts = at(NEXT, clock)
    core.advance(ts, [Tick(SHARE.id, ts, price, 1_000, ((price - 5, 100),), ((price + 5, 100),))])


def test_each_enters_at_its_time(core):
    pre, opening, half, hour = (place(core, delay) for delay in (None, 0, 30 * MINUTE, 60 * MINUTE))
    all_ = (pre, opening, half, hour)
    core.advance(at(NEXT, "09:00"))
    assert [each.status for each in all_] == [OPEN, PENDING, PENDING, PENDING]
    tick(core, "09:15", 80_400)
    assert [each.status for each in all_] == [FILLED, FILLED, PENDING, PENDING]
    assert opening.value == 10 * 80_400  # at the opening's one price
    tick(core, "09:44:59", 80_300)
    assert half.status is PENDING
    tick(core, "09:45", 80_300)
    assert (half.status, hour.status) == (FILLED, PENDING)
    tick(core, "10:20", 80_200)  # the first sign of life after a quarter past
    assert hour.status is FILLED


def test_one_that_waits_is_changed_and_withdrawn_while_the_market_is_open(core):
    gone, changed = place(core, 30 * MINUTE), place(core, 30 * MINUTE)
    tick(core, "09:15", 80_400)
    core.modify(changed.exchange_id, OrderTerms(quantity=5, order_type=OrderType.LIMIT, price=80_600))
    core.cancel(gone.exchange_id)
    tick(core, "09:45", 80_300)
    assert (gone.status, gone.filled) == (CANCELLED, 0)
    assert (changed.status, changed.filled) == (FILLED, 5)
    assert core._waiting._due == {}
    assert core.funds().used == changed.value // 5  # five times leverage, and nothing of the other


def test_a_stop_that_enters_later_looks_at_the_price_of_then(core):
    stop = place(core, 30 * MINUTE, OrderType.SL_M, trigger=79_000)
    tick(core, "09:15", 78_500)
    assert stop.status is PENDING
    tick(core, "09:45", 78_500)
    assert stop.status is FILLED


def test_a_stop_at_the_opening_is_not_woken_by_yesterdays_price(core):
    tick(core, "09:15", 78_500)
    core.advance(at(NEXT, "18:00"))
    stop = place(core, 0, OrderType.SL_M, trigger=79_000)
    monday = date(2026, 11, 23)
    core.advance(at(monday, "09:15"))
    assert stop.status is OrderStatus.TRIGGER_PENDING
    ts = at(monday, "09:15:01")
    core.advance(ts, [Tick(SHARE.id, ts, 79_500, 10)])
    assert stop.status is OrderStatus.TRIGGER_PENDING
