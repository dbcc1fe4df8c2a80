"""The matching core in continuous trading: what fills, at which price, in which order, and what is refused."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_orders import REFUSAL_CODES, ExchangeOrder, Refusal
from saudagar.exchange.core_rules import automatic_protection
from saudagar.market.ist import at
from saudagar.market.sessions import Calendar
from saudagar.model import (
    SECOND,
    TRANSITIONS,
    Instrument,
    InstrumentId,
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

DAY = date(2026, 11, 20)
OPEN = at(DAY, "09:15")
SBIN = Instrument(
    segment=Segment.NSE_EQ,
    symbol="SBIN",
    kind=InstrumentKind.EQUITY,
    tick_size=5,
    freeze_quantity=10_000,
    closing_auction=True,
)
NIFTY = Instrument(segment=Segment.NSE_INDEX, symbol="NIFTY", kind=InstrumentKind.INDEX, tick_size=5)
FUTURE = Instrument(
    segment=Segment.NSE_FNO, symbol="NIFTY-2026-11-23-FUT", kind=InstrumentKind.FUTURE, tick_size=10, lot_size=65
)
BIDS = ((79_995, 100), (79_990, 50), (79_980, 200))
ASKS = ((80_005, 100), (80_010, 50), (80_020, 200))
BUY, SELL = Side.BUY, Side.SELL


def tick(ltp: int = 80_000, seconds: int = 0, bids=BIDS, asks=ASKS, volume: int = 1_000, instrument=SBIN) -> Tick:
    return Tick(instrument.id, OPEN + seconds * SECOND, ltp, volume, bids, asks)


def market(**options) -> MatchingCore:
    options = {"capital": 10**10, "previous_close": {SBIN.id: 80_000}, **options}
    core = MatchingCore([SBIN, NIFTY, FUTURE], Calendar(), **options)
    core.advance(OPEN, [tick()])
    return core


def move(core: MatchingCore, ltp: int = 80_000, **fields) -> list:
    seconds = (core.now - OPEN) // SECOND + 1
    return core.advance(OPEN + seconds * SECOND, [tick(ltp, seconds, **fields)])


def place(core: MatchingCore, side: Side, quantity: int, kind: str, price=0, trigger=0, **rest) -> ExchangeOrder:
    terms = OrderTerms(quantity=quantity, order_type=OrderType(kind), price=price, trigger_price=trigger)
    rest = {"tag": "T1", "instrument": SBIN.id, "product": Product.INTRADAY, **rest}
    return core.place(side=side, terms=terms, **rest)


def fills(order: ExchangeOrder) -> list[tuple[int, int]]:
    return [(trade.quantity, trade.price) for trade in order.trades]


@pytest.mark.parametrize(
    ("side", "quantity", "kind", "price", "expected", "status"),
    [
        (BUY, 60, "MARKET", 0, [(60, 80_005)], "FILLED"),
        (BUY, 120, "MARKET", 0, [(100, 80_005), (20, 80_010)], "FILLED"),
        (SELL, 160, "MARKET", 0, [(100, 79_995), (50, 79_990), (10, 79_980)], "FILLED"),
        (BUY, 400, "MARKET", 0, [(100, 80_005), (50, 80_010), (200, 80_020)], "PARTIALLY_FILLED"),
        (BUY, 120, "LIMIT", 80_005, [(100, 80_005)], "PARTIALLY_FILLED"),
        (BUY, 120, "LIMIT", 80_015, [(100, 80_005), (20, 80_010)], "FILLED"),
        (BUY, 120, "LIMIT", 80_000, [], "OPEN"),
        (SELL, 120, "LIMIT", 79_990, [(100, 79_995), (20, 79_990)], "FILLED"),
        (SELL, 120, "LIMIT", 80_000, [], "OPEN"),
    ],
)
def test_an_arriving_order_sweeps_the_depth(side, quantity, kind, price, expected, status):
    order = place(market(), side, quantity, kind, price)
    assert fills(order) == expected
    assert order.status == status
    assert order.value == sum(units * at_price for units, at_price in expected)


def test_what_was_taken_is_gone_until_the_next_tick():
    core = market()
    place(core, BUY, 100, "LIMIT", 80_005)
    second = place(core, BUY, 60, "LIMIT", 80_010)
    assert fills(second) == [(50, 80_010)]
    move(core)
    assert second.status is OrderStatus.FILLED


def test_a_resting_order_fills_at_its_own_limit_for_what_is_shown():
    core = market()
    order = place(core, BUY, 500, "LIMIT", 79_900)
    move(core, 79_890, bids=((79_880, 10),), asks=((79_890, 100), (79_900, 50), (79_905, 500)))
    assert fills(order) == [(150, 79_900)]
    move(core, 79_890, bids=((79_880, 10),), asks=((79_905, 500),))
    assert order.filled == 150


def test_own_orders_queue_by_price_then_time():
    core = market()
    for name, price in (("a", 79_900), ("b", 79_910), ("c", 79_900)):
        place(core, BUY, 100, "LIMIT", price, tag=name)
    core.drain()
    updates = move(core, 79_890, bids=(), asks=((79_890, 250),))
    assert [(each.tag, each.trade.quantity) for each in updates] == [("b", 100), ("a", 100), ("c", 50)]


@pytest.mark.parametrize(
    ("terms", "keeps"),
    [((100, 79_900), True), ((60, 79_900), True), ((120, 79_900), False), ((100, 79_895), False)],
)
def test_only_a_smaller_quantity_keeps_the_place_in_the_queue(terms, keeps):
    core = market()
    first, _ = (place(core, BUY, 100, "LIMIT", 79_900, tag=name) for name in "ab")
    quantity, price = terms
    core.modify(first.exchange_id, OrderTerms(quantity=quantity, order_type=OrderType.LIMIT, price=price))
    core.drain()
    updates = move(core, 79_890, bids=(), asks=((79_890, 10),))
    assert updates[0].tag == ("a" if keeps else "b")


def test_ioc_cancels_what_is_left():
    order = place(market(), BUY, 120, "LIMIT", 80_005, validity=Validity.IOC)
    assert (order.status, order.filled) == (OrderStatus.CANCELLED, 100)
    assert order.reason == "IOC: the rest found no match"


def test_a_market_order_gets_protection_and_may_rest():
    core = market()
    order = place(core, BUY, 400, "MARKET")
    assert (order.limit, order.remaining, order.status) == (80_400, 50, OrderStatus.PARTIALLY_FILLED)
    move(core, 80_600, bids=((80_590, 10),), asks=((80_600, 500),))
    assert order.remaining == 50
    move(core, 80_400, bids=((80_390, 10),), asks=((80_400, 500),))
    assert fills(order)[-1] == (50, 80_400)
    assert order.terms.order_type is OrderType.MARKET


@pytest.mark.parametrize(
    ("kind", "price", "ppm"),
    [
        (InstrumentKind.EQUITY, 9_999, 20_000),
        (InstrumentKind.FUTURE, 10_000, 10_000),
        (InstrumentKind.EQUITY, 50_000, 5_000),
        (InstrumentKind.OPTION, 999, 50_000),
        (InstrumentKind.OPTION, 1_000, 30_000),
        (InstrumentKind.OPTION, 10_000, 20_000),
        (InstrumentKind.OPTION, 50_000, 10_000),
    ],
)
def test_the_automatic_slabs_of_protection(kind, price, ppm):
    instrument = Instrument(segment=Segment.NSE_FNO, symbol="X", kind=kind, tick_size=5)
    assert automatic_protection(instrument, price) == ppm


@pytest.mark.parametrize(("ppm", "limit"), [(None, 80_400), (20_000, 81_600), (1, 80_005), (300_000, 96_000)])
def test_protection_is_configurable_and_stays_in_the_band(ppm, limit):
    assert place(market(protection_ppm=ppm), BUY, 1, "MARKET").limit == limit


@pytest.mark.parametrize(
    ("side", "trigger", "quiet", "touch"), [(SELL, 79_500, 79_505, 79_500), (BUY, 80_500, 80_495, 80_500)]
)
def test_a_stop_sleeps_until_the_last_price_touches(side, trigger, quiet, touch):
    core = market()
    order = place(core, side, 10, "SL_M", trigger=trigger)
    assert [each.status for each in core.drain()] == [OrderStatus.TRIGGER_PENDING]
    bids, asks = ((touch - 5, 100),), ((touch + 5, 100),)
    assert move(core, quiet, bids=bids, asks=asks) == []
    updates = move(core, touch, bids=bids, asks=asks)
    assert [each.status for each in updates] == [OrderStatus.OPEN, OrderStatus.FILLED]
    assert fills(order) == [(10, touch - 5 if side is SELL else touch + 5)]


def test_a_stop_limit_rests_when_the_market_ran_through():
    core = market()
    order = place(core, SELL, 10, "SL", price=79_400, trigger=79_500)
    move(core, 79_000, bids=((78_995, 100),), asks=((79_005, 100),))
    assert (order.status, order.filled) == (OrderStatus.OPEN, 0)
    move(core, 79_450, bids=((79_440, 100),), asks=((79_455, 100),))
    assert fills(order) == [(10, 79_400)]


def test_a_stop_already_touched_wakes_on_arrival():
    order = place(market(), SELL, 10, "SL_M", trigger=80_050)
    assert fills(order) == [(10, 79_995)]


def test_stops_wake_by_trigger_then_time():
    core = market()
    for name, trigger in (("far", 79_400), ("near", 79_600), ("near2", 79_600)):
        place(core, SELL, 10, "SL_M", trigger=trigger, tag=name)
    core.drain()
    updates = move(core, 79_300, bids=((79_295, 15),), asks=())
    assert [each.tag for each in updates if each.trade] == ["near", "near2"]
    assert [each.tag for each in updates if each.status is OrderStatus.OPEN] == ["near", "near2", "far"]


def test_a_stop_becomes_an_exit_by_modification():
    core = market()
    order = place(core, SELL, 10, "SL_M", trigger=79_500)
    core.modify(order.exchange_id, OrderTerms(quantity=10, order_type=OrderType.MARKET))
    assert fills(order) == [(10, 79_995)]


def test_a_woken_stop_can_be_sent_back_to_sleep_only_untraded():
    core = market()
    order = place(core, SELL, 10, "SL", price=79_400, trigger=79_500)
    move(core, 79_000, bids=((78_995, 100),), asks=())
    core.modify(order.exchange_id, OrderTerms(quantity=10, order_type=OrderType.SL, price=79_300, trigger_price=79_500))
    assert order.status is OrderStatus.OPEN, "the same trigger: it stays awake"
    core.modify(order.exchange_id, OrderTerms(quantity=10, order_type=OrderType.SL, price=78_900, trigger_price=78_950))
    assert order.status is OrderStatus.TRIGGER_PENDING
    part = place(core, BUY, 300, "LIMIT", 80_005)
    move(core, asks=((80_000, 10),))
    assert part.filled
    stop = OrderTerms(quantity=300, order_type=OrderType.SL_M, trigger_price=80_500)
    with pytest.raises(Refusal, match="cannot become a stop") as refused:
        core.modify(part.exchange_id, stop)
    assert refused.value.code == "order"


def test_modify_changes_nothing_when_refused():
    core = market()
    order = place(core, BUY, 150, "LIMIT", 80_005)
    before = (order.terms, order.status, order.rank, core.funds())
    cases = {
        "quantity": OrderTerms(quantity=100, order_type=OrderType.LIMIT, price=80_000),
        "tick": OrderTerms(quantity=150, order_type=OrderType.LIMIT, price=80_001),
        "band": OrderTerms(quantity=150, order_type=OrderType.LIMIT, price=60_000),
        "funds": OrderTerms(quantity=10_000, order_type=OrderType.LIMIT, price=80_000),
    }
    core.account("").capital = 20_000_000
    before = (*before[:3], core.funds())
    for code, terms in cases.items():
        with pytest.raises(Refusal) as refused:
            core.modify(order.exchange_id, terms)
        assert refused.value.code == code
    assert (order.terms, order.status, order.rank, core.funds()) == before


def test_cancel_and_its_refusals():
    core = market()
    order = place(core, BUY, 150, "LIMIT", 80_005)
    core.cancel(order.exchange_id)
    assert (order.status, order.filled, order.remaining) == (OrderStatus.CANCELLED, 100, 0)
    for exchange_id, code in ((order.exchange_id, "state"), ("nope", "order")):
        with pytest.raises(Refusal) as refused:
            core.cancel(exchange_id)
        assert refused.value.code == code
    core.drain()
    assert move(core) == []


LIMIT = {"kind": "LIMIT", "price": 80_000}
REFUSED = [
    ("instrument", {**LIMIT, "instrument": InstrumentId("NSE_EQ:NONE")}),
    ("instrument", {**LIMIT, "instrument": NIFTY.id}),
    ("product", {**LIMIT, "product": Product.MARGIN}),
    ("product", {**LIMIT, "product": Product.DELIVERY, "instrument": FUTURE.id}),
    ("quantity", {**LIMIT, "quantity": 0}),
    ("quantity", {**LIMIT, "quantity": -5}),
    ("quantity", {**LIMIT, "quantity": 1.5}),
    ("quantity", {**LIMIT, "quantity": float("nan")}),
    ("quantity", {**LIMIT, "product": Product.DELIVERY, "side": SELL}),
    ("lot", {**LIMIT, "instrument": FUTURE.id, "quantity": 64}),
    ("freeze", {**LIMIT, "quantity": 10_001}),
    ("tick", {"kind": "LIMIT", "price": 80_003}),
    ("tick", {"kind": "SL_M", "trigger": 79_998}),
    ("price", {"kind": "LIMIT", "price": 0}),
    ("price", {"kind": "LIMIT", "price": float("nan")}),
    ("price", {"kind": "SL", "price": 80_100, "trigger": 80_200}),
    ("price", {"kind": "SL", "price": 79_900, "trigger": 79_800, "side": SELL}),
    ("price", {"kind": "MARKET", "instrument": FUTURE.id, "quantity": 65}),
    ("band", {"kind": "LIMIT", "price": 96_005}),
    ("band", {"kind": "LIMIT", "price": 63_995}),
    ("band", {"kind": "SL_M", "trigger": 100_000}),
    ("order", {"kind": "SL_M", "trigger": 81_000, "validity": Validity.IOC}),
    ("session", {**LIMIT, "after_market": True}),
    ("funds", {**LIMIT, "product": Product.DELIVERY, "quantity": 10_000, "core": {"capital": 79_999 * 10_000}}),
]


@pytest.mark.parametrize(("code", "order"), REFUSED)
def test_a_refused_order_leaves_nothing_behind(code, order):
    order = {"side": BUY, "quantity": 1, **order}
    core = market(**order.pop("core", {}))
    before = core.funds()
    with pytest.raises(Refusal) as refused:
        place(core, order.pop("side"), order.pop("quantity"), order.pop("kind"), **order)
    assert refused.value.code == code
    assert code in REFUSAL_CODES
    assert refused.value.message
    assert (core.orders, core.trades, core.drain(), core.funds()) == ({}, [], [], before)


def test_duplicate_tags_are_two_orders():
    core = market()
    first = place(core, BUY, 1, "LIMIT", 79_000)
    second = place(core, BUY, 1, "LIMIT", 79_000)
    assert first.exchange_id != second.exchange_id
    assert core.by_tag("T1") is first
    assert core.by_tag("T2") is None


def test_updates_come_once_and_in_order():
    core = market()
    order = place(core, BUY, 120, "MARKET")
    updates = core.drain()
    assert [(each.status, each.filled) for each in updates] == [("OPEN", 0), ("PARTIALLY_FILLED", 100), ("FILLED", 120)]
    assert [each.trade.trade_id for each in updates if each.trade] == ["00000001", "00000002"]
    assert updates[-1].average_price == order.average_price == order.value / 120
    assert (updates[0].remaining, updates[-1].remaining) == (120, 0)
    assert core.drain() == []
    place(core, BUY, 1, "LIMIT", 79_000)
    assert [each.status for each in move(core)] == ["OPEN"], "advance hands over what was not drained"


def test_every_update_is_an_allowed_move():
    core = market()
    order = place(core, SELL, 500, "SL", price=79_300, trigger=79_500)
    updates = core.drain() + move(core, 79_500, bids=((79_495, 100),), asks=((79_505, 5),))
    core.modify(order.exchange_id, OrderTerms(quantity=400, order_type=OrderType.LIMIT, price=79_400))
    core.cancel(order.exchange_id)
    words = [OrderStatus.SUBMITTED, *(each.status for each in updates + core.drain())]
    assert words == ["SUBMITTED", "TRIGGER_PENDING", "OPEN", "PARTIALLY_FILLED", "PARTIALLY_FILLED", "CANCELLED"]
    assert all(new is old or new in TRANSITIONS[old] for old, new in pairwise(words))


@pytest.mark.parametrize(
    "bad",
    [
        tick(0, 2),
        tick(-5, 2),
        Tick(SBIN.id, OPEN - 10 * SECOND, 70_000),
        Tick(SBIN.id, 0, 70_000),
        Tick(SBIN.id, OPEN + 86_400 * SECOND, 70_000),
        Tick(InstrumentId("NSE_EQ:NONE"), OPEN, 70_000),
    ],
)
def test_a_bad_tick_moves_nothing(bad):
    core = market()
    order = place(core, BUY, 10, "LIMIT", 75_000)
    assert core.advance(OPEN + 2 * SECOND, [bad])[1:] == []
    assert core.last(SBIN.id) == tick()
    assert order.filled == 0


@pytest.mark.parametrize("stale", [0, OPEN - 86_400 * SECOND])
def test_a_tick_of_another_day_does_not_open_the_market(stale):
    core = MatchingCore([SBIN], Calendar(), capital=10**10)
    core.advance(OPEN, [Tick(SBIN.id, stale, 70_000, 100)])
    assert core.last(SBIN.id) is None
    core.advance(OPEN + SECOND, [tick(80_000, 1)])
    assert core.last(SBIN.id).ltp == 80_000
