"""Columns of orders cost what each would cost by itself, to the paisa and by kind."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backtests import INSTRUMENTS

from saudagar.backtest import slots
from saudagar.backtest.charged import charged
from saudagar.backtest.costs import FlatCosts, StatutoryCosts, Trip
from saudagar.market.charge_arrays import OrderCharges, by_kind, in_paise
from saudagar.market.charges import PLANS, Charges, charge, plan_named, rates_of
from saudagar.market.ist import at
from saudagar.model import Instrument, InstrumentKind, Product, Segment, Side

pytestmark = pytest.mark.unmeasured

STOCK = INSTRUMENTS[0]
OPTION = Instrument(segment=Segment.NSE_FNO, symbol="NIFTY26NOV24000CE", kind=InstrumentKind.OPTION, tick_size=5)
DAYS = [date(2024, 11, 4), date(2025, 6, 2), date(2026, 2, 27), date(2026, 3, 2), date(2026, 11, 5)]
VALUES = st.integers(1, 10**11)
ORDERS = st.lists(st.tuples(VALUES, st.integers(0, 10**11)), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    plan=st.sampled_from(sorted(PLANS)),
    day=st.sampled_from(DAYS),
    kind=st.sampled_from([(STOCK, Product.INTRADAY), (STOCK, Product.DELIVERY), (OPTION, Product.MARGIN)]),
    side=st.sampled_from(Side),
    orders=ORDERS,
)
def test_a_column_costs_what_its_orders_cost(
    plan: str, day: date, kind: tuple[Instrument, Product], side: Side, orders: list[tuple[int, int]]
) -> None:
    instrument, product = kind
    values, wholes = np.array([v for v, _ in orders]), np.array([v + more for v, more in orders])
    column = OrderCharges(rates_of(plan_named(plan), day, instrument, product), side, values, wholes)
    alone = [charge(plan, day, instrument, product, side, 1, v, order_value=v + more) for v, more in orders]
    assert in_paise(column.total).tolist() == [each.total_paise for each in alone]
    total = sum(alone, Charges())
    kinds = by_kind({kind: sum(amounts) for kind, amounts in column.parts.items()})
    for name in Charges.__struct_fields__:
        assert kinds.get(name, 0) == int((getattr(total, name) * 100).to_integral_value(ROUND_HALF_UP))


@settings(max_examples=60, deadline=None)
@given(
    trips=st.lists(
        st.tuples(st.sampled_from([1, -1]), st.integers(1, 900), VALUES, VALUES, st.sampled_from(DAYS), st.booleans()),
        max_size=12,
    ),
    freeze=st.sampled_from([0, 100, 1_000]),
    opened=st.integers(0, 10**9),
)
def test_round_trips_cost_what_each_costs(
    trips: list[tuple[int, int, int, int, date, bool]], freeze: int, opened: int
) -> None:
    stock = msgspec.structs.replace(STOCK, freeze_quantity=freeze)
    rule = StatutoryCosts("zerodha", Product.INTRADAY)
    # A unit costs a paisa at least: else a slice above the freeze quantity would be an order for nothing.
    trips = [(sign, many, many + entry, many + exit_, day, on) for sign, many, entry, exit_, day, on in trips]
    trips.sort(key=lambda trip: trip[4])
    rows = np.zeros((len(trips), slots.OUT), np.int64)
    for row, (sign, quantity, entry, exit_, day, through) in zip(rows, trips, strict=True):
        row[:] = 0, sign, quantity, 0, entry, at(day, "11:00"), exit_, slots.BY_SIGNAL, through
    states = np.zeros((1, slots.STATE), np.int64)
    states[0, slots.ENTRY_VALUE] = opened
    wanted, before, kinds = [], 0, Charges()
    for k, (sign, quantity, entry, exit_, day, through) in enumerate(trips):
        following = trips[k + 1][2] if k + 1 < len(trips) else opened
        after = following if through else 0
        trip = Trip(stock, Side.of(sign), quantity, at(day, "11:00"), entry, exit_, before, after)
        wanted.append(rule.trip(trip))
        kinds += rule.charges(trip)
        before = exit_ if through else 0
    found = charged(rule, [stock], rows, states)
    assert found.costs.tolist() == wanted
    assert all(abs(amount - float(getattr(kinds, kind) * 100)) <= 0.5 for kind, amount in found.kinds.items())


def test_every_slice_above_the_freeze_quantity_is_an_order() -> None:
    stock = msgspec.structs.replace(STOCK, freeze_quantity=100)
    rule = StatutoryCosts("zerodha", Product.INTRADAY)
    trip = Trip(stock, Side.BUY, 250, at(DAYS[-1], "11:00"), 250 * 200_000, 250 * 200_000)
    assert rule.charges(trip).brokerage == pytest.approx(6 * 20)  # three slices in, three out, 20 rupees each


def test_flat_costs_are_of_no_kind() -> None:
    rows = np.zeros((1, slots.OUT), np.int64)
    rows[0, [slots.OUT_ENTRY_VALUE, slots.OUT_EXIT_VALUE]] = 1_000_000, 1_010_000
    found = charged(FlatCosts(300), [STOCK], rows, np.zeros((1, slots.STATE), np.int64))
    assert (found.costs.tolist(), found.kinds) == ([603], {})
