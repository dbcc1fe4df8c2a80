"""Each rule lets through what it should and stops what it should; size, the day's limits, the throttle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from saudagar.engine.guard import Guard
from saudagar.model import (
    SECOND,
    ClientOrderId,
    Instrument,
    InstrumentKind,
    Offset,
    OrderTerms,
    OrderType,
    Protection,
    Purpose,
    Segment,
    Side,
    SizeBy,
    Sizing,
    StrategyId,
    TradingState,
)
from saudagar.portfolio import Position
from saudagar.risk import APPROVED, Denied, Limits, Proposal, Throttle, check, day_limit, only_closes, size
from saudagar.risk.rules import ENTRY_RULES, EXIT_RULES

SBIN = Instrument(
    segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5, lot_size=5, freeze_quantity=500
)
NIFTY = Instrument(segment=Segment.NSE_INDEX, symbol="NIFTY", kind=InstrumentKind.INDEX, tick_size=5)
LIMITS = Limits(
    allowed=frozenset({SBIN.id, NIFTY.id}),
    max_order_quantity=400,
    max_order_value=40_000_000,
    max_open_positions=3,
    max_trades=5,
    capital=8_000_000,
    leverage_percent=500,
)
TERMS = OrderTerms(quantity=100, order_type=OrderType.LIMIT, price=80_000)
ENTRY = Proposal(
    instrument=SBIN,
    side=Side.BUY,
    purpose=Purpose.ENTRY,
    terms=TERMS,
    now=100 * SECOND,
    last=80_000,
    last_ts=95 * SECOND,
    session_open=True,
    trading=TradingState.ACTIVE,
    held=0,
    working=0,
    open_positions=2,
    trades=4,
)
EXIT = replace(ENTRY, side=Side.SELL, purpose=Purpose.EXIT, held=100)
SL = OrderTerms(quantity=100, order_type=OrderType.SL, price=79_000, trigger_price=79_500)


def terms(**changes) -> dict:
    return {"terms": replace(TERMS, **changes)}


@pytest.mark.parametrize(
    ("rule", "passes", "fails"),
    [
        ("halted", {}, {"trading": TradingState.HALTED}),
        ("reducing", {}, {"trading": TradingState.REDUCING}),
        ("frozen", {}, {"frozen": "the books disagree"}),
        ("allowed", {}, {"instrument": NIFTY}),
        ("allowed", {}, {"instrument": replace(SBIN, symbol="OTHER")}),
        ("session", {}, {"session_open": False}),
        ("stale-price", {"last_ts": 90 * SECOND}, {"last_ts": 90 * SECOND - 1}),
        ("stale-price", {}, {"last": 0}),
        ("grid", terms(quantity=5), terms(quantity=0)),
        ("grid", {}, terms(quantity=-5)),
        ("grid", {}, terms(quantity=7)),
        ("grid", {}, terms(price=80_001)),
        ("grid", {}, terms(price=0)),
        ("grid", {}, terms(order_type=OrderType.SL_M, trigger_price=3)),
        ("grid", terms(order_type=OrderType.MARKET, price=0), terms(quantity=505)),
        ("quantity", terms(quantity=400), terms(quantity=405)),
        ("quantity", {"whole": 400}, {"whole": 405}),
        ("value", {"whole": 400}, {"terms": replace(TERMS, price=200_000), "last": 200_000, "whole": 400}),
        ("price-band", terms(price=81_600), terms(price=81_605)),
        ("price-band", terms(price=78_400), terms(price=78_395)),
        ("open-positions", {"open_positions": 3, "held": 10}, {"open_positions": 3}),
        ("trades", {}, {"trades": 5}),
        ("cash", {"tied": 32_000_000}, {"tied": 32_000_001}),
        ("cash", {"tied": 32_000_000 - 500, "earned": -100}, {"tied": 32_000_000 - 499, "earned": -100}),
        ("cash", {"tied": 32_000_000 + 500, "earned": 100}, {"tied": 32_000_000, "whole": 105, "earned": 0}),
        ("cash", {"tied": 0}, {"tied": 0, "earned": -8_000_000}),
    ],
)
def test_entry_rules(rule, passes, fails):
    assert check(replace(ENTRY, **passes), LIMITS) is APPROVED
    verdict = check(replace(ENTRY, **fails), LIMITS)
    assert isinstance(verdict, Denied)
    assert verdict.rule == rule
    assert verdict.message.endswith(".") or "frozen" in verdict.message


@pytest.mark.parametrize(
    ("rule", "passes", "fails"),
    [
        ("halted", {"trading": TradingState.REDUCING}, {"trading": TradingState.HALTED}),
        ("reduce-only", {}, {"held": 0}),
        ("reduce-only", {}, {"held": -100}),
        ("reduce-only", {"held": 150, "working": 50}, {"held": 149, "working": 50}),
        ("reduce-only", {"held": -100, "side": Side.BUY}, {"held": 100, "side": Side.BUY}),
        ("session", {}, {"session_open": False}),
        ("grid", {"terms": SL}, {"terms": replace(SL, trigger_price=1)}),
    ],
)
def test_exit_rules(rule, passes, fails):
    assert check(replace(EXIT, **passes), LIMITS) is APPROVED
    verdict = check(replace(EXIT, **fails), LIMITS)
    assert isinstance(verdict, Denied)
    assert verdict.rule == rule


def test_an_exit_is_not_held_up_by_what_only_entries_must_pass():
    blocked = {"frozen": "x", "last_ts": 0, "trades": 99, "open_positions": 99, "trading": TradingState.REDUCING}
    blocked |= {"tied": 10**15}
    assert check(replace(EXIT, **blocked), LIMITS) is APPROVED
    assert {name for name, _ in EXIT_RULES} - {name for name, _ in ENTRY_RULES} == {"reduce-only"}


@given(
    side=st.sampled_from(Side),
    purpose=st.sampled_from([Purpose.EXIT, Purpose.STOP]),
    quantity=st.sampled_from([-5, 0, 3, 5, 95, 100, 500, 505]),
    kind=st.sampled_from(OrderType),
    price=st.sampled_from([-5, 0, 3, 79_000, 79_001]),
    trigger=st.sampled_from([-5, 0, 3, 79_500, 79_501]),
    held=st.sampled_from([-600, -100, -5, 0, 5, 100, 600]),
    working=st.sampled_from([0, 5, 100]),
    trading=st.sampled_from([TradingState.ACTIVE, TradingState.REDUCING]),
)
def test_the_quick_word_on_an_exit_is_the_verdict_of_its_rules(
    side, purpose, quantity, kind, price, trigger, held, working, trading
):
    asked = OrderTerms(quantity=quantity, order_type=kind, price=price, trigger_price=trigger)
    exit_ = replace(EXIT, side=side, purpose=purpose, terms=asked, held=held, working=working, trading=trading)
    said = only_closes(SBIN, side, asked, held=held, working=working)
    assert said == (check(exit_, LIMITS) is APPROVED)


def test_no_limits_allow_no_instrument_and_bound_nothing_else():
    assert isinstance(check(ENTRY, Limits()), Denied)
    free = Limits(allowed=frozenset({SBIN.id}))
    much = {"open_positions": 99, "trades": 99, "tied": 10**15, "earned": -(10**15)}
    assert check(replace(ENTRY, **much, **terms(quantity=500)), free) is APPROVED


@pytest.mark.parametrize(
    ("profit", "word"), [(-1_001, "loss"), (-1_000, "loss"), (-999, ""), (1_999, ""), (2_000, "goal")]
)
def test_the_days_limits(profit, word):
    reason = day_limit(profit, Limits(day_loss=1_000, day_profit=2_000))
    assert word in reason
    assert bool(reason) is bool(word)
    assert day_limit(profit * 10**9, Limits()) == ""


@pytest.mark.parametrize(
    ("by", "amount", "price", "distance", "most", "units"),
    [
        (SizeBy.RISK, 1_000, 100, 10, 0, 100),
        (SizeBy.RISK, 1_000, 100, 11, 0, 65),  # the stop lies three ticks of 5 away
        (SizeBy.RISK, 1_000, 100, 1, 0, 200),  # no stop is nearer than a tick of 5
        (SizeBy.RISK, 1_000, 100, 0, 0, 0),
        (SizeBy.RISK, 1_000, 100, -5, 0, 0),
        (SizeBy.RISK, 1_000, 100, 10, 5_499, 50),
        (SizeBy.VALUE, 10_999, 100, 0, 0, 105),
        (SizeBy.QUANTITY, 33, 100, 0, 0, 30),
        (SizeBy.LOTS, 3, 100, 0, 0, 15),
        (SizeBy.LOTS, 3, 0, 0, 0, 0),
        (SizeBy.QUANTITY, 33, -1, 0, 0, 0),
        (SizeBy.VALUE, 99, 100, 0, 0, 0),
    ],
)
def test_size(by, amount, price, distance, most, units):
    assert size(Sizing(by, amount), SBIN, price, distance, most) == units


@given(
    price=st.integers(200, 20_000).map(lambda ticks: ticks * SBIN.tick_size),
    ppm=st.integers(1, 300_000),
    points=st.integers(0, 3_000),
    sign=st.sampled_from([1, -1]),
    amount=st.integers(1, 10**9),
)
def test_no_more_is_at_risk_than_said_where_the_stop_really_lies(price, ppm, points, sign, amount):
    offset = Offset(ppm=ppm, points=points)
    units = size(Sizing(SizeBy.RISK, amount), SBIN, price, offset.of(price))
    held = Position(strategy=StrategyId("a"), instrument=SBIN.id, planned=Protection(stop=offset))
    held.fill(ClientOrderId("1"), Side.of(sign), 5, price, 1)
    lost = sign * (price - Guard(held, SBIN.tick_size).stop)
    assert lost % SBIN.tick_size == 0
    assert units * lost <= amount
    if 0 < offset.of(price) < price - SBIN.tick_size:  # else there is no size, or the stop is at the lowest price
        assert (units + SBIN.lot_size) * lost > amount


def test_the_throttle_keeps_a_reserve_and_starts_anew_each_second():
    throttle = Throttle(5)
    assert [throttle.take(SECOND, spare=2) for _ in range(4)] == [True, True, True, False]
    assert [throttle.take(SECOND + 1) for _ in range(3)] == [True, True, False]
    assert throttle.take(2 * SECOND, spare=2)
    assert all(Throttle(0).take(1) for _ in range(100))
    assert Throttle(1).take(1, spare=2)  # a desk of one write a second still enters
