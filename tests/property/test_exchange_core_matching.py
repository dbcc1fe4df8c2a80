"""Random days at the matching core: whatever is asked and however the market moves, these hold.

Trades add up to fills, nothing overfills, no fill is worse than its limit, own orders keep price-time order, nothing
fills outside the session, no more is taken than the depth showed, margin goes back to what the positions need, and
the same day gives the same trades.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_orders import Refusal, Update
from saudagar.market.ist import at
from saudagar.market.sessions import Calendar
from saudagar.model import (
    SECOND,
    TRANSITIONS,
    Instrument,
    InstrumentKind,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Segment,
    Side,
    Tick,
    Validity,
)

pytestmark = pytest.mark.unmeasured

DAY = date(2026, 11, 20)
SBIN = Instrument(segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5, closing_auction=True)
CALENDAR = Calendar()
MID = 80_000
STARTS = ("08:58", "09:02", "09:08", "12:00", "15:10", "15:21", "15:27:50", "15:34:50")

prices = st.integers(-12, 12).map(lambda step: MID + 5 * step)
quantities = st.integers(1, 300)
levels = st.lists(st.integers(1, 150), max_size=4)


@st.composite
def orders(draw):
    kind = draw(st.sampled_from(OrderType))
    side = draw(st.sampled_from(Side))
    trigger = draw(prices) if kind.has_trigger else 0
    price = draw(prices) if kind.has_price else 0
    if kind is OrderType.SL:
        price = trigger + side.sign * 5 * draw(st.integers(0, 4))
    terms = OrderTerms(quantity=draw(quantities), order_type=kind, price=price, trigger_price=trigger)
    return "place", side, terms, draw(st.sampled_from(Validity)), draw(st.booleans())


@st.composite
def moves(draw):
    ltp = draw(prices)
    gap = draw(st.integers(1, 3))
    bids = tuple((ltp - 5 * (gap + n), size) for n, size in enumerate(draw(levels)))
    asks = tuple((ltp + 5 * n, size) for n, size in enumerate(draw(levels)))
    return "tick", draw(st.sampled_from((0, 1, 2, 10, 60, 400))), ltp, bids, asks, draw(st.integers(0, 200))


changes = st.tuples(st.just("modify"), st.integers(0, 30), orders())
cancels = st.tuples(st.just("cancel"), st.integers(0, 30))
days = st.tuples(
    st.sampled_from(STARTS), st.lists(st.one_of(moves(), moves(), orders(), changes, cancels), max_size=40)
)


class Run:
    """A day played through, with everything worth checking written down on the way."""

    def __init__(self, start: str, script: list) -> None:
        self.core = MatchingCore([SBIN], CALENDAR, capital=10**12, previous_close={SBIN.id: MID})
        self.updates: list[Update] = list(self.core.advance(at(DAY, start)))
        self.shown: dict[tuple[int, Side, int], int] = {}  # per tick: what the depth offers to a side, by price
        self.taken: dict[tuple[int, Side, int], int] = defaultdict(int)
        self.ticks = 0
        self.opened = False
        self.volume = 0
        self.printed: dict[int, int] = {}  # per tick: volume of an auction's print, if it can be one
        for action in script:
            getattr(self, action[0])(*action[1:])
        self.updates += self.core.drain()

    def tick(self, seconds, ltp, bids, asks, traded) -> None:
        ts = self.core.now + seconds * SECOND
        self.ticks += 1
        self.volume += traded
        phase = CALENDAR.phase_at(SBIN, ts)
        if phase == "CONTINUOUS" and not self.opened:
            self.opened, self.printed[self.ticks] = True, self.volume
        elif phase in ("CLOSE_LIMIT", "CLOSE_MATCH"):
            self.printed[self.ticks] = traded
        for side, book in ((Side.BUY, asks), (Side.SELL, bids)):
            self.shown.update({(self.ticks, side, price): size for price, size in book})
        before = len(self.core.trades)
        self.updates += self.core.advance(ts, [Tick(SBIN.id, ts, ltp, self.volume, bids, asks)])
        self.count(before)

    def place(self, side, terms, validity, delivery) -> None:
        product = Product.DELIVERY if delivery and side is Side.BUY else Product.INTRADAY
        before = len(self.core.trades)
        try:
            self.core.place(tag="t", instrument=SBIN.id, side=side, terms=terms, product=product, validity=validity)
        except Refusal:
            assert len(self.core.trades) == before
        self.count(before)

    def modify(self, place, order) -> None:
        before = len(self.core.trades)
        try:
            self.core.modify(self.pick(place), order[2])
        except Refusal:
            assert len(self.core.trades) == before
        self.count(before)

    def cancel(self, place) -> None:
        try:
            self.core.cancel(self.pick(place))
        except Refusal:
            return

    def pick(self, place: int) -> str:
        ids = list(self.core.orders)
        return ids[place % len(ids)] if ids else "none"

    def count(self, before: int) -> None:
        for trade in self.core.trades[before:]:
            self.taken[self.ticks, trade.side, trade.price] += trade.quantity


@settings(max_examples=120, deadline=None)
@given(days)
def test_trades_add_up_and_nothing_overfills(day):
    run = Run(*day)
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for trade in run.core.trades:
        sums[trade.exchange_id][0] += trade.quantity
        sums[trade.exchange_id][1] += trade.quantity * trade.price
    for order in run.core.orders.values():
        assert [order.filled, order.value] == sums[order.exchange_id]
        assert 0 <= order.filled <= order.terms.quantity
        assert (order.status is OrderStatus.FILLED) == (order.filled == order.terms.quantity)
        assert [each.quantity for each in order.trades] == [
            each.quantity for each in run.core.trades if each.exchange_id == order.exchange_id
        ]
    ids = [trade.trade_id for trade in run.core.trades]
    assert len(ids) == len(set(ids))


@settings(max_examples=120, deadline=None)
@given(days)
def test_no_fill_is_worse_than_its_limit_or_outside_the_session(day):
    run = Run(*day)
    for update in run.updates:
        if update.trade is None:
            continue
        edge = update.terms.price if update.terms.order_type.has_price else update.limit
        assert update.side.sign * (edge - update.trade.price) >= 0
        phase = CALENDAR.phase_at(SBIN, update.trade.ts)
        assert phase in ("CONTINUOUS", "CLOSE_LIMIT", "CLOSE_MATCH")


@settings(max_examples=120, deadline=None)
@given(days)
def test_updates_tell_the_whole_story(day):
    run = Run(*day)
    told: dict[str, Update] = {}
    for update in run.updates:
        old = told.get(update.exchange_id)
        status = old.status if old else OrderStatus.SUBMITTED
        assert update.status is status or update.status in TRANSITIONS[status]
        assert update.filled - (old.filled if old else 0) == (update.trade.quantity if update.trade else 0)
        assert old is None or update.ts >= old.ts
        told[update.exchange_id] = update
    for exchange_id, order in run.core.orders.items():
        last = told[exchange_id]
        assert (last.status, last.filled, last.value) == (order.status, order.filled, order.value)
        assert (last.terms, last.reason) == (order.terms, order.reason)


@settings(max_examples=120, deadline=None)
@given(days)
def test_what_one_tick_shows_is_all_that_trades(day):
    """Summed over prices: a resting order trades at its own limit, for what is shown at better prices."""
    run = Run(*day)
    for tick in range(1, run.ticks + 1):
        for side in Side:
            taken = sum(units for (when, who, _), units in run.taken.items() if (when, who) == (tick, side))
            shown = sum(units for (when, who, _), units in run.shown.items() if (when, who) == (tick, side))
            invented = 0 if any(when == tick for when, _, _ in run.shown) else 50_000_000 // (MID - 60)
            assert taken <= shown + invented + run.printed.get(tick, 0)


@settings(max_examples=120, deadline=None)
@given(days)
def test_margin_is_what_positions_and_working_orders_need(day):
    run = Run(*day)
    for order in list(run.core.orders.values()):
        if order.status.working:
            try:
                run.core.cancel(order.exchange_id)
            except Refusal:
                return  # a market order in the auction's last minutes
    nets = {product: bought - sold for _, product, bought, _, sold, _ in run.core.positions()}
    used = run.core.funds().used
    assert (used > 0) == any(nets.values())
    cash = sum(sold - bought for _, _, _, bought, _, sold in run.core.positions())
    if not any(nets.values()):
        assert abs(run.core.funds().available - 10**12 - cash) <= 1


@settings(max_examples=50, deadline=None)
@given(days)
def test_the_same_day_gives_the_same_trades(day):
    assert Run(*day).updates == Run(*day).updates


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from((79_900, 79_905, 79_910)), st.integers(1, 100)), min_size=2, max_size=8),
    st.integers(1, 400),
)
def test_resting_orders_fill_in_price_time_order(resting, size):
    core = MatchingCore([SBIN], CALENDAR, capital=10**12, previous_close={SBIN.id: MID})
    opening = at(DAY, "09:15")
    core.advance(opening, [Tick(SBIN.id, opening, MID, 1, ((79_995, 10),), ((80_005, 10),))])
    placed = [
        core.place(
            tag=str(n),
            instrument=SBIN.id,
            side=Side.BUY,
            terms=OrderTerms(quantity=quantity, order_type=OrderType.LIMIT, price=price),
            product=Product.INTRADAY,
        )
        for n, (price, quantity) in enumerate(resting)
    ]
    core.advance(opening + SECOND, [Tick(SBIN.id, opening + SECOND, 79_890, 2, (), ((79_890, size),))])
    left = size
    for order in sorted(placed, key=lambda order: (-order.terms.price, order.exchange_id)):
        expected = min(left, order.terms.quantity)
        assert order.filled == expected
        left -= expected
