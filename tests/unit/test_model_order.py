"""The transition table, walked whole: what the state accepts is what the table says, and nothing else."""

from __future__ import annotations

from datetime import date
from itertools import product

import pytest

from saudagar.engine.state import State
from saudagar.model import (
    TRANSITIONS,
    ClientOrderId,
    InstrumentId,
    NewOrder,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Purpose,
    Side,
    StrategyId,
    client_order_id,
    position_id,
)
from saudagar.model import events as ev
from saudagar.model.errors import InvariantError
from saudagar.model.order import TRANSITION_REMARKS, Order

S = OrderStatus
ID = ClientOrderId("TEST26112000001")
NEW = NewOrder(
    order_id=ID,
    instrument=InstrumentId("NSE_EQ:SBIN"),
    side=Side.BUY,
    terms=OrderTerms(quantity=10, order_type=OrderType.LIMIT, price=100),
    product=Product.INTRADAY,
    purpose=Purpose.ENTRY,
    position=position_id(StrategyId("a"), InstrumentId("NSE_EQ:SBIN")),
)
FINAL = {S.FILLED, S.CANCELLED, S.REJECTED, S.EXPIRED}


def state_at(status: OrderStatus) -> State:
    state = State.replay([ev.OrderSubmitted(ts=1, order=NEW)])
    if status is not S.SUBMITTED:
        state.apply(ev.OrderMoved(ts=2, order_id=ID, status=status))
    return state


@pytest.mark.parametrize(("start", "end"), [*product(OrderStatus, OrderStatus)])
def test_every_move_is_allowed_or_refused_as_the_table_says(start, end):
    state = state_at(start)
    move = ev.OrderMoved(ts=3, order_id=ID, status=end)
    if start is end:
        state.apply(move)
    elif end in TRANSITIONS[start]:
        state.apply(move)
        assert state.orders[ID].status is end
        assert (ID in state.working[NEW.position]) is (end not in FINAL)
    else:
        with pytest.raises(InvariantError, match=f"cannot go from {start} to {end}"):
            state.apply(move)


def test_the_remarks_name_every_status_and_give_a_reason():
    assert {status for start, ends, _ in TRANSITION_REMARKS for status in (start, *ends.split())} == set(OrderStatus)
    assert all(reason for _, _, reason in TRANSITION_REMARKS)
    assert {s for s in OrderStatus if s.terminal} == FINAL == {s for s in OrderStatus if not s.working}
    assert not TRANSITIONS[S.FILLED]
    assert not TRANSITIONS[S.REJECTED]


@pytest.mark.parametrize("end", sorted(FINAL - {S.FILLED}))
@pytest.mark.parametrize("quantity", [4, 10])
def test_a_fill_after_the_end_is_booked_all_the_same(end, quantity):
    state = state_at(end)
    state.apply(ev.OrderFilled(ts=4, order_id=ID, quantity=quantity, price=100, cumulative=quantity, traded=4))
    assert state.positions[NEW.position].quantity == quantity
    whole = quantity == 10 and end is not S.REJECTED
    assert state.orders[ID].status is (S.FILLED if whole else end)
    assert not state.working[NEW.position]


def test_a_fill_told_twice_counts_once_and_one_with_a_gap_stops_the_desk():
    state = state_at(S.OPEN)
    fill = ev.OrderFilled(ts=4, order_id=ID, quantity=4, price=100, cumulative=4, traded=4)
    state.apply(fill)
    state.apply(fill)
    assert state.orders[ID].filled == 4
    assert state.orders[ID].status is S.PARTIALLY_FILLED
    with pytest.raises(InvariantError, match="does not follow"):
        state.apply(ev.OrderFilled(ts=5, order_id=ID, quantity=2, price=100, cumulative=9, traded=5))


def test_an_order_id_cannot_be_used_twice():
    with pytest.raises(InvariantError, match="used twice"):
        state_at(S.OPEN).apply(ev.OrderSubmitted(ts=9, order=NEW))


@pytest.mark.parametrize(
    ("asked", "filled", "confirmed", "status"),
    [
        (20, 10, True, S.PARTIALLY_FILLED),  # the larger quantity was in force when the old one had traded
        (20, 10, False, S.FILLED),  # it was not: then the order is over
        (4, 4, True, S.FILLED),
        (4, 4, False, S.PARTIALLY_FILLED),
    ],
)
def test_a_fill_during_a_modification(asked, filled, confirmed, status):
    state = state_at(S.OPEN)
    terms = OrderTerms(quantity=asked, order_type=OrderType.LIMIT, price=100)
    state.apply(ev.ModifyRequested(ts=3, order_id=ID, terms=terms))
    state.apply(ev.OrderFilled(ts=4, order_id=ID, quantity=filled, price=100, cumulative=filled, traded=4))
    assert state.orders[ID].working
    state.apply(ev.ModifyEnded(ts=5, order_id=ID, terms=terms if confirmed else None))
    assert state.orders[ID].status is status


def test_what_remains():
    order = Order(new=NEW, terms=NEW.terms, filled=4)
    assert order.id == ID
    assert order.remaining == 6
    order.status = S.CANCELLED
    assert order.remaining == 0


def test_order_ids_fit_all_three_brokers_and_never_repeat():
    ids = [client_order_id("DEMO1", date(2026, 11, 20), n) for n in (1, 35, 36, 36**5 - 1)]
    assert ids == ["DEMO126112000001", "DEMO12611200000Z", "DEMO126112000010", "DEMO1261120ZZZZZ"]
    assert all(len(each) <= 20 for each in ids)
    for bad in (0, -1, 36**5):
        with pytest.raises(ValueError, match="outside"):
            client_order_id("DEMO1", date(2026, 11, 20), bad)
