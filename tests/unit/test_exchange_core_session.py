"""The matching core over a day: pre-open, auctions, the close, after-market orders, odd sessions."""

from __future__ import annotations

from datetime import date

import pytest

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_orders import ExchangeOrder, Refusal
from saudagar.market.ist import at
from saudagar.market.sessions import Calendar
from saudagar.model import (
    Instrument,
    InstrumentKind,
    Nanos,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Segment,
    Side,
    Tick,
    Validity,
)
from saudagar.model.errors import CalendarError

DAY = date(2026, 11, 20)
AUCTIONED = Instrument(
    segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5, closing_auction=True
)
PLAIN = Instrument(segment=Segment.NSE_EQ, symbol="SMALL", kind=InstrumentKind.EQUITY, tick_size=5)
BUY, SELL = Side.BUY, Side.SELL


def market(clock: str = "08:55", day: date = DAY) -> MatchingCore:
    closes = {AUCTIONED.id: 80_000, PLAIN.id: 80_000}
    core = MatchingCore([AUCTIONED, PLAIN], Calendar(), capital=10**10, previous_close=closes)
    core.advance(at(day, clock))
    return core


def step(core: MatchingCore, clock: str, ltp: int = 0, volume: int = 0, instrument=AUCTIONED, day=DAY, **book) -> list:
    ts = at(day, clock)
    return core.advance(ts, [Tick(instrument.id, ts, ltp, volume, **book)] if ltp else [])


def place(core: MatchingCore, side: Side, quantity: int, kind: str, price=0, trigger=0, **rest) -> ExchangeOrder:
    terms = OrderTerms(quantity=quantity, order_type=OrderType(kind), price=price, trigger_price=trigger)
    rest = {"tag": "T", "instrument": AUCTIONED.id, "product": Product.INTRADAY, **rest}
    return core.place(side=side, terms=terms, **rest)


def code(core: MatchingCore, side: Side, quantity: int, kind: str, price=0, trigger=0, **rest) -> str:
    """The refusal's code, empty if the order is taken (and withdrawn again)."""
    try:
        order = place(core, side, quantity, kind, price, trigger, **rest)
    except Refusal as refusal:
        return refusal.code
    if order.status.working:
        core.cancel(order.exchange_id)
    return ""


# clock, MARKET, LIMIT, SL-M, IOC, after market
TAKEN = [
    ("08:59", "session", "session", "session", "session", ""),
    ("09:00", "", "", "session", "session", "session"),
    ("09:06", "session", "", "session", "session", "session"),
    ("09:11", "session", "session", "session", "session", "session"),
    ("09:13", "session", "session", "session", "session", "session"),
    ("09:15", "", "", "", "", "session"),
    ("15:14:59", "", "", "", "", "session"),
    ("15:15", "session", "session", "session", "session", "session"),
    ("15:20", "", "", "session", "session", "session"),
    ("15:26", "session", "", "session", "session", "session"),
    ("15:31", "session", "session", "session", "session", "session"),
    ("15:55", "session", "session", "session", "session", ""),
    ("23:00", "session", "session", "session", "session", ""),
]


@pytest.mark.parametrize(("clock", "market_order", "limit", "stop", "ioc", "later"), TAKEN)
def test_what_each_phase_takes(clock, market_order, limit, stop, ioc, later):
    core = market(clock)
    assert code(core, BUY, 1, "MARKET") == market_order
    assert code(core, BUY, 1, "LIMIT", 80_000) == limit
    assert code(core, SELL, 1, "SL_M", trigger=79_000) == stop
    assert code(core, BUY, 1, "LIMIT", 80_000, validity=Validity.IOC) == ioc
    assert code(core, BUY, 1, "LIMIT", 80_000, after_market=True) == later


def test_the_opening_print_is_the_one_price():
    core = market("09:00")
    high = place(core, BUY, 100, "LIMIT", 82_000)
    exact = place(core, BUY, 100, "LIMIT", 81_000)
    low = place(core, BUY, 100, "LIMIT", 80_995)
    seller = place(core, SELL, 50, "MARKET")
    core.drain()
    assert step(core, "09:12") == []
    step(core, "09:15", 81_000, volume=260, bids=((80_900, 10),), asks=((81_100, 10),))
    assert [(each.filled, each.value) for each in (high, exact, low, seller)] == [
        (100, 100 * 81_000),
        (100, 100 * 81_000),
        (0, 0),
        (50, 50 * 81_000),
    ]
    assert {trade.price for trade in core.trades} == {81_000}


def test_an_unmatched_market_order_works_on_at_the_opening_price():
    core = market("09:00")
    order = place(core, BUY, 100, "MARKET")
    assert order.limit == 96_000, "the band's edge, so that it trades at any opening price"
    step(core, "09:15", 82_500, volume=40, bids=((82_400, 5),), asks=((82_600, 5),))
    assert (order.filled, order.limit, order.status) == (40, 82_500, OrderStatus.PARTIALLY_FILLED)
    step(core, "09:15:01", 82_500, volume=90, bids=((82_400, 5),), asks=((82_500, 500),))
    assert order.status is OrderStatus.FILLED


def test_market_orders_stand_in_the_limit_only_minutes():
    core = market("09:00")
    order, other = place(core, BUY, 100, "MARKET"), place(core, BUY, 100, "LIMIT", 80_000)
    step(core, "09:06")
    for change in (
        core.cancel,
        lambda i: core.modify(i, OrderTerms(quantity=50, order_type=OrderType.LIMIT, price=1000)),
    ):
        with pytest.raises(Refusal) as refused:
            change(order.exchange_id)
        assert refused.value.code in ("session", "band")
    core.cancel(other.exchange_id)
    assert order.status is OrderStatus.OPEN


@pytest.mark.parametrize("clock", ["09:11", "09:13"])
def test_nothing_is_withdrawn_while_the_opening_price_is_found(clock):
    core = market("09:00")
    order = place(core, BUY, 100, "LIMIT", 80_000)
    step(core, clock)
    with pytest.raises(Refusal, match="withdrawn") as refused:
        core.cancel(order.exchange_id)
    assert (refused.value.code, order.status) == ("session", OrderStatus.OPEN)
    step(core, "09:15", 80_500, 10)
    assert core.cancel(order.exchange_id).status is OrderStatus.CANCELLED


@pytest.mark.parametrize(("clock", "taken"), [("15:16", False), ("15:21", True), ("15:26", True), ("15:31", False)])
def test_what_is_carried_into_the_closing_auction_may_be_withdrawn_while_it_collects(clock, taken):
    core = market("09:15")
    step(core, "15:14", 80_000, 1_000)
    order = place(core, BUY, 100, "LIMIT", 79_900)
    step(core, clock)
    if taken:
        core.cancel(order.exchange_id)
    else:
        with pytest.raises(Refusal, match="withdrawn"):
            core.cancel(order.exchange_id)


def test_a_sweep_before_any_price_finds_nothing():
    core = MatchingCore([PLAIN], Calendar(), capital=10**9)
    core.advance(at(DAY, "10:00"))
    order = place(core, BUY, 10, "LIMIT", 12_345, instrument=PLAIN.id)
    step(core, "10:01", 12_350, 0, PLAIN)
    assert order.filled == 0, "no volume in the print, no offer at the limit"
    assert code(core, BUY, 1, "LIMIT", 14_825, instrument=PLAIN.id) == "band", "the first price is the base"


def test_an_order_before_the_first_tick_waits_for_it():
    core = market("09:15")
    order = place(core, BUY, 10, "LIMIT", 80_500)
    hasty = place(core, BUY, 10, "LIMIT", 80_500, validity=Validity.IOC)
    assert (order.status, hasty.status) == (OrderStatus.OPEN, OrderStatus.CANCELLED)
    step(core, "09:15:04", 80_200, volume=500)
    assert order.value == 10 * 80_200


def test_the_closing_auction():
    core = market("09:15")
    step(core, "15:14", 80_000, 1_000, bids=((79_990, 10),), asks=((80_010, 10),))
    carried = place(core, BUY, 100, "LIMIT", 79_900)
    stop = place(core, SELL, 10, "SL_M", trigger=79_000)
    updates = step(core, "15:15")
    assert [(each.status, each.reason) for each in updates][2:] == [
        (OrderStatus.CANCELLED, "stop orders end with continuous trading")
    ]
    assert stop.status is OrderStatus.CANCELLED
    step(core, "15:20")
    assert code(core, BUY, 1, "LIMIT", 82_405) == "band", "±3 % of the last price before the auction"
    assert code(core, BUY, 1, "LIMIT", 82_400) == ""
    seller = place(core, SELL, 300, "LIMIT", 79_000)
    keen = place(core, BUY, 60, "MARKET")
    core.drain()
    assert step(core, "15:27", 80_000, 1_000) == [], "no volume, no print"
    updates = step(core, "15:28:30", 79_850, 1_200)
    assert {each.trade.price for each in updates if each.trade} == {79_850}
    assert (keen.filled, carried.filled, seller.filled) == (60, 100, 200)
    assert (seller.status, seller.reason) == (OrderStatus.CANCELLED, "not traded in the closing auction")
    assert step(core, "15:35") == []


def test_a_tick_in_the_reference_minutes_is_no_print():
    core = market("09:15")
    step(core, "15:14", 80_000, 1_000)
    order = place(core, BUY, 100, "LIMIT", 79_900)
    step(core, "15:16", 79_000, 2_000)
    assert order.filled == 0


def test_without_a_print_the_auction_ends_in_expiry():
    core = market("15:20")
    order = place(core, BUY, 10, "LIMIT", 80_000)
    step(core, "15:34")
    assert order.status is OrderStatus.OPEN
    step(core, "15:36")
    assert (order.status, order.updated) == (OrderStatus.EXPIRED, at(DAY, "15:35"))


def test_the_close_expires_what_rests():
    core = market("09:15")
    step(core, "09:15", 80_000, 10, PLAIN, bids=((79_990, 40),), asks=((80_010, 40),))
    order = place(core, BUY, 100, "LIMIT", 80_010, instrument=PLAIN.id)
    assert order.filled == 40
    core.drain()
    updates = step(core, "15:30")
    assert [(each.status, each.filled, each.reason) for each in updates] == [
        (OrderStatus.EXPIRED, 40, "the session has ended")
    ]
    assert order.remaining == 0
    assert core.funds().used == 40 * 80_010 // 5
    assert step(core, "15:30:01", 70_000, 50, PLAIN) == []


def test_after_market_orders_enter_with_the_next_session():
    core = market("16:30")
    order = place(core, BUY, 10, "LIMIT", 80_500, after_market=True)
    stop = place(core, SELL, 10, "SL_M", trigger=79_000, after_market=True)
    gone = place(core, BUY, 10, "MARKET", after_market=True, instrument=PLAIN.id)
    small = place(core, BUY, 10, "LIMIT", 79_000, after_market=True, instrument=PLAIN.id)
    assert {each.status for each in (order, stop, gone, small)} == {OrderStatus.PENDING}
    core.modify(order.exchange_id, OrderTerms(quantity=20, order_type=OrderType.LIMIT, price=80_600))
    core.cancel(gone.exchange_id)
    monday = date(2026, 11, 23)
    core.drain()
    core.advance(at(monday, "08:00"))
    assert order.status is OrderStatus.PENDING
    core.advance(at(monday, "09:00"))
    assert (order.status, stop.status) == (OrderStatus.OPEN, OrderStatus.TRIGGER_PENDING)
    assert small.status is OrderStatus.OPEN
    step(core, "09:15", 80_100, 400, day=monday)
    assert (order.filled, order.value) == (20, 20 * 80_100)
    step(core, "09:15:01", 78_900, 500, day=monday)
    assert stop.status is OrderStatus.FILLED
    assert gone.status is OrderStatus.CANCELLED
    with pytest.raises(Refusal, match="IOC"):
        place(market("16:30"), BUY, 1, "LIMIT", 80_000, after_market=True, validity=Validity.IOC)


def test_the_new_day_has_the_old_close_as_its_base():
    core = market("15:14")
    step(core, "15:14:30", 90_000, 10)
    step(core, "16:00")
    assert code(core, BUY, 1, "LIMIT", 107_995, after_market=True) == ""
    assert code(core, BUY, 1, "LIMIT", 108_005, after_market=True) == "band"
    core.advance(at(date(2026, 11, 23), "09:00"))
    order = place(core, BUY, 1, "LIMIT", 107_995)
    assert order.exchange_id.startswith("261123")


def test_nothing_trades_on_a_holiday_and_an_unknown_year_is_refused():
    core = market("10:00", date(2026, 11, 24))
    assert core.phase(AUCTIONED.id) is None
    with pytest.raises(CalendarError, match="2028"):
        core.advance(at(date(2028, 3, 1), "10:00"))
    assert core.now == at(date(2026, 11, 24), "10:00")
    with pytest.raises(CalendarError, match="2028"):
        core.advance(at(date(2028, 3, 1), "10:00"))


def test_orders_end_with_each_window_of_a_drill_day():
    day = date(2024, 5, 18)
    core = market("09:20", day)
    step(core, "09:20", 80_000, 1, day=day)
    order = place(core, BUY, 1, "LIMIT", 79_000)
    step(core, "10:00", day=day)
    assert order.status is OrderStatus.EXPIRED
    assert code(core, BUY, 1, "LIMIT", 79_000) == "session"
    step(core, "11:30", day=day)
    assert code(core, BUY, 1, "LIMIT", 79_000) == ""


def test_a_jump_over_days_closes_each_properly():
    core = market("09:15")
    step(core, "09:16", 80_000, 5)
    order = place(core, BUY, 1, "LIMIT", 79_000)
    moment: Nanos = at(date(2026, 11, 25), "10:00")
    core.advance(moment)
    assert order.status is OrderStatus.EXPIRED
    assert core.phase(AUCTIONED.id) == "CONTINUOUS"
    assert core.now == moment
