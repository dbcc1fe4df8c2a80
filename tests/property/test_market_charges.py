"""Laws of charges that no rate table may break."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saudagar.market.charges import PLANS, Charges, ExecutedOrder, Rounding, charge, contract_note, round_trip
from saudagar.model import Instrument, InstrumentKind, Product, Segment, Side

pytestmark = pytest.mark.unmeasured


def _instrument(segment: Segment, kind: InstrumentKind) -> Instrument:
    return Instrument(segment=segment, symbol="X", kind=kind, tick_size=5)


CLASSES = st.sampled_from(
    [
        (_instrument(Segment.NSE_EQ, InstrumentKind.EQUITY), Product.INTRADAY),
        (_instrument(Segment.NSE_EQ, InstrumentKind.EQUITY), Product.DELIVERY),
        (_instrument(Segment.BSE_EQ, InstrumentKind.EQUITY), Product.INTRADAY),
        (_instrument(Segment.NSE_FNO, InstrumentKind.FUTURE), Product.MARGIN),
        (_instrument(Segment.NSE_FNO, InstrumentKind.OPTION), Product.MARGIN),
        (_instrument(Segment.BSE_FNO, InstrumentKind.OPTION), Product.INTRADAY),
        (_instrument(Segment.MCX_COMM, InstrumentKind.FUTURE), Product.MARGIN),
        (_instrument(Segment.MCX_COMM, InstrumentKind.OPTION), Product.INTRADAY),
    ]
)
DAYS = st.dates(date(2024, 10, 1), date(2027, 12, 31))
VALUES = st.integers(1, 10**12)
SIDES = st.sampled_from(Side)
PLAN_NAMES = st.sampled_from(sorted(PLANS))


def parts(charges: Charges) -> list[Decimal]:
    return [getattr(charges, name) for name in charges.__struct_fields__]


@given(PLAN_NAMES, DAYS, CLASSES, SIDES, VALUES, VALUES)
@settings(max_examples=200, deadline=None)
def test_charges_grow_with_turnover_and_are_never_negative(
    plan: str, day: date, what: tuple[Instrument, Product], side: Side, one: int, two: int
) -> None:
    small, large = (charge(plan, day, *what, side, 1, value) for value in sorted((one, two)))
    assert all(0 <= less <= more for less, more in zip(parts(small), parts(large), strict=True))
    assert small.total == sum(parts(small))
    assert abs(Decimal(small.total_paise) - small.total * 100) <= Decimal("0.5")


@given(PLAN_NAMES, DAYS, CLASSES, VALUES, VALUES)
@settings(max_examples=200, deadline=None)
def test_a_round_trip_is_the_sum_of_its_orders(
    plan: str, day: date, what: tuple[Instrument, Product], bought: int, sold: int
) -> None:
    trip = round_trip(plan, day, *what, 1, bought, sold)
    legs = charge(plan, day, *what, Side.BUY, 1, bought) + charge(plan, day, *what, Side.SELL, 1, sold)
    assert trip == legs


@given(PLAN_NAMES, DAYS, CLASSES, SIDES, VALUES)
@settings(max_examples=200, deadline=None)
def test_a_contract_note_is_within_its_rounding_of_the_exact_sum(
    plan: str, day: date, what: tuple[Instrument, Product], side: Side, value: int
) -> None:
    exact = charge(plan, day, *what, side, 1, value)
    note = charge(plan, day, *what, side, 1, value, Rounding.CONTRACT_NOTE)
    whole = PLANS[plan].whole_rupees
    for name in exact.__struct_fields__:
        step = Decimal(1) if name in whole else Decimal("0.01")
        assert getattr(note, name) % step == 0
        assert abs(getattr(note, name) - getattr(exact, name)) <= step / 2


@given(PLAN_NAMES, DAYS, st.lists(st.tuples(SIDES, st.integers(1, 10**5), st.integers(1, 10**7)), min_size=1))
@settings(max_examples=200, deadline=None)
def test_a_note_of_shares_lies_between_all_intraday_and_all_delivery(
    plan: str, day: date, orders: list[tuple[Side, int, int]]
) -> None:
    share = _instrument(Segment.NSE_EQ, InstrumentKind.EQUITY)
    day_of = [
        ExecutedOrder(instrument=share, product=Product.INTRADAY, side=side, quantity=quantity, value=quantity * price)
        for side, quantity, price in orders
    ]
    note = contract_note(plan, day, day_of, Rounding.EXACT).total
    turnover = Decimal(sum(order.value for order in day_of)) / 100
    bought = Decimal(sum(order.value for order in day_of if order.side is Side.BUY)) / 100
    slack = Decimal("1e-12") * (1 + turnover)  # an average price has more digits than Decimal keeps
    assert 0 <= note.stt <= turnover * Decimal("0.001") + slack
    assert bought * Decimal("0.00003") - slack <= note.stamp <= bought * Decimal("0.00015") + slack
    legs = [charge(plan, day, share, Product.INTRADAY, o.side, o.quantity, o.value) for o in day_of]
    assert note.brokerage == sum(leg.brokerage for leg in legs)
    assert note.exchange == sum(leg.exchange for leg in legs)
