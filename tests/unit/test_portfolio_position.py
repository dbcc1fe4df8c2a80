"""Positions from flat to flat: tables of fills, and the law that nothing is lost between them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saudagar.market.ist import at
from saudagar.model import (
    ClientOrderId,
    Instrument,
    InstrumentId,
    InstrumentKind,
    Product,
    Segment,
    Side,
    StrategyId,
)
from saudagar.portfolio import Position, trade_charges

SBIN = InstrumentId("NSE_EQ:SBIN")
B, S = Side.BUY, Side.SELL


def position() -> Position:
    return Position(strategy=StrategyId("a"), instrument=SBIN, reason="why")


@pytest.mark.parametrize(
    ("fills", "quantity", "average", "gross"),
    [
        ([(B, 10, 100), (S, 10, 110)], 0, 0, [100]),
        ([(S, 10, 100), (B, 10, 110)], 0, 0, [-100]),
        ([(B, 10, 100), (B, 10, 110), (S, 5, 120)], 15, 105, []),
        ([(B, 10, 100), (S, 4, 120), (S, 6, 90)], 0, 0, [20]),
        ([(B, 10, 100), (S, 25, 110)], -15, 110, [100]),
        ([(S, 10, 100), (B, 4, 90), (S, 4, 95), (B, 10, 80)], 0, 0, [40 + 15 * 4 + 20 * 6]),
    ],
)
def test_fills_make_positions_and_round_trips(fills, quantity, average, gross):
    held = position()
    trades = [
        trade
        for n, (side, units, price) in enumerate(fills)
        if (trade := held.fill(ClientOrderId(f"O{n}"), side, units, price, n + 1))
    ]
    assert held.quantity == quantity
    assert held.average_price == average
    assert [trade.gross for trade in trades] == gross
    assert held.realised == sum(gross)
    for trade in trades:
        assert sum(leg.quantity for leg in trade.legs) == 2 * trade.quantity
        assert trade.side.sign * (trade.exit_price - trade.entry_price) * trade.quantity == pytest.approx(trade.gross)


@given(st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 50), st.integers(1, 500)), min_size=1, max_size=30))
def test_no_unit_and_no_paisa_is_lost(fills):
    held, trades = position(), []
    for n, (side, units, price) in enumerate(fills):
        trade = held.fill(ClientOrderId(f"O{n % 7}"), side, units, price, n)
        trades += [trade] if trade else []
    cash = -sum(side.sign * units * price for side, units, price in fills)
    assert held.quantity == sum(side.sign * units for side, units, _ in fills)
    assert sum(t.gross for t in trades) + held.profit(77) == cash + 77 * held.quantity
    assert sum(leg.value for leg in held.legs) == held.entry_value + held.exit_value


def test_the_same_order_is_one_leg():
    held = position()
    held.fill(ClientOrderId("O1"), B, 4, 100, 1)
    held.fill(ClientOrderId("O1"), B, 6, 101, 2)
    assert [(leg.order_id, leg.quantity, leg.value) for leg in held.legs] == [("O1", 10, 1006)]
    assert held.side is B
    assert position().profit(100) == 0


def test_a_round_trip_pays_for_each_of_its_orders():
    instrument = Instrument(segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5)
    held, ts = position(), at(date(2026, 11, 20), "10:00")
    held.fill(ClientOrderId("O1"), B, 100, 80_000, ts)
    trade = held.fill(ClientOrderId("O2"), S, 100, 81_000, ts)
    assert trade is not None
    charges = trade_charges(trade, lambda _: instrument, Product.INTRADAY, "dhan")
    assert charges.brokerage == 40  # rupees: two orders at ₹20
    assert charges.stt == Decimal("20.25")  # of the sale only
