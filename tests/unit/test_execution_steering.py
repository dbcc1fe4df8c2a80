"""Steering as a table: where a position is, what works for it, and the requests that follow."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saudagar.execution.steering import Modify, Situation, Submit, Tactics, entry_terms, slices, steer, stop_terms
from saudagar.model import (
    SECOND,
    ClientOrderId,
    Instrument,
    InstrumentId,
    InstrumentKind,
    NewOrder,
    Order,
    OrderStatus,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Segment,
    Side,
)

SBIN = Instrument(segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5, freeze_quantity=100)
LAST, NOW = 80_000, 100 * SECOND
TACTICS = Tactics()
BUY_AT, SELL_AT = 80_400, 79_600  # half a percent beyond the last price
L, SL = OrderType.LIMIT, OrderType.SL


class Held(NamedTuple):
    quantity: int
    target: int
    stop: int = 0


def order(purpose: str, side: str, quantity: int, **changes) -> Order:
    """A working order, last changed just now."""
    kind = SL if purpose == "STOP" else L
    price, trigger = (78_210, 79_000) if purpose == "STOP" else (BUY_AT if side == "BUY" else SELL_AT, 0)
    terms = OrderTerms(
        quantity=quantity,
        order_type=kind,
        price=changes.pop("price", price),
        trigger_price=changes.pop("trigger", trigger),
    )
    new = NewOrder(
        order_id=ClientOrderId(f"{purpose}{quantity}"),
        instrument=InstrumentId("NSE_EQ:SBIN"),
        side=Side(side),
        terms=terms,
        product=Product.INTRADAY,
        purpose=Purpose(purpose),
        position=PositionId("a@NSE_EQ:SBIN"),
    )
    changes = {"status": OrderStatus.OPEN, "submitted": NOW, "last_change": NOW, **changes}
    return Order(new=new, terms=terms, **changes)


def said(requests) -> list[tuple]:
    """Requests as short words."""
    words = []
    for request in requests:
        if isinstance(request, Submit):
            words.append(("submit", request.purpose.value, request.side.value, request.terms.quantity))
        elif isinstance(request, Modify):
            kind = request.terms.order_type.value
            words.append(("modify", request.order.id, kind, request.terms.quantity))
        else:
            words.append(("cancel", request.order.id))
    return words


STOP, ENTRY, EXIT = order("STOP", "SELL", 50), order("ENTRY", "BUY", 50), order("EXIT", "SELL", 50)
AT = 79_000  # the level of STOP
LATE = NOW - 5 * SECOND

TABLE = [
    # at rest
    ("nothing to do", Held(0, 0), [], []),
    ("held without a stop level", Held(50, 50), [], []),
    ("held, stop rests", Held(50, 50, AT), [STOP], []),
    ("held, no stop yet", Held(50, 50, AT), [], [("submit", "STOP", "SELL", 50)]),
    ("short, no stop yet", Held(-50, -50, 81_000), [], [("submit", "STOP", "BUY", 50)]),
    ("stop is at the wrong level", Held(50, 50, 79_500), [STOP], [("modify", "STOP50", "SL", 50)]),
    ("stop is too small", Held(80, 80, AT), [STOP], [("modify", "STOP50", "SL", 80)]),
    ("stop no longer wanted", Held(50, 50, 0), [STOP], [("cancel", "STOP50")]),
    ("flat with a stop", Held(0, 0), [STOP], [("cancel", "STOP50")]),
    ("flat with an entry", Held(0, 0), [ENTRY], [("cancel", "ENTRY50")]),
    (
        "freeze quantity slices the stop",
        Held(250, 250, AT),
        [],
        [("submit", "STOP", "SELL", q) for q in (100, 100, 50)],
    ),
    ("a stop too many goes first", Held(50, 50, AT), [STOP, order("STOP", "SELL", 40)], [("cancel", "STOP40")]),
    (
        "the smaller stop makes room before the larger takes it",
        Held(120, 120, AT),
        [order("STOP", "SELL", 80), order("STOP", "SELL", 40)],
        [("modify", "STOP40", "SL", 20), ("modify", "STOP80", "SL", 100)],
    ),
    # entering
    ("enter", Held(0, 50), [], [("submit", "ENTRY", "BUY", 50)]),
    ("enter short", Held(0, -50), [], [("submit", "ENTRY", "SELL", 50)]),
    ("enter in slices, one at a time", Held(0, 250), [], [("submit", "ENTRY", "BUY", 100)]),
    (
        "next slice, and the stop of the first",
        Held(100, 250, AT),
        [],
        [("submit", "STOP", "SELL", 100), ("submit", "ENTRY", "BUY", 100)],
    ),
    ("entry works", Held(0, 50), [ENTRY], []),
    ("entry is late", Held(0, 50), [order("ENTRY", "BUY", 50, submitted=LATE)], [("cancel", "ENTRY50")]),
    ("entry is larger than still wanted", Held(0, 20), [ENTRY], [("modify", "ENTRY50", "LIMIT", 20)]),
    ("entry of the wrong side", Held(0, -50), [ENTRY], [("cancel", "ENTRY50")]),
    (
        "part of the entry has traded",
        Held(30, 50, AT),
        [order("ENTRY", "BUY", 50, filled=30)],
        [("submit", "STOP", "SELL", 30)],
    ),
    ("a left-over stop goes before the entry", Held(0, 50), [STOP], [("cancel", "STOP50")]),
    ("a left-over exit goes before the entry", Held(20, 50), [EXIT], [("cancel", "EXIT50")]),
    # leaving
    ("the stop becomes the exit", Held(50, 0, AT), [STOP], [("modify", "STOP50", "LIMIT", 50)]),
    ("leave without a stop", Held(50, 0), [], [("submit", "EXIT", "SELL", 50)]),
    ("leave in slices", Held(-250, 0), [], [("submit", "EXIT", "BUY", q) for q in (100, 100, 50)]),
    ("reversal leaves first", Held(50, -50, AT), [STOP], [("modify", "STOP50", "LIMIT", 50)]),
    ("an entry in the way is cancelled first", Held(50, 0, AT), [STOP, ENTRY], [("cancel", "ENTRY50")]),
    ("part of it", Held(50, 20, AT), [STOP], [("modify", "STOP50", "LIMIT", 30)]),
    ("exit works", Held(50, 0), [EXIT], []),
    (
        "exit is late and the price has gone",
        Held(50, 0),
        [order("EXIT", "SELL", 50, price=79_700, last_change=LATE)],
        [("modify", "EXIT50", "LIMIT", 50)],
    ),
    ("exit is late and the price has stayed", Held(50, 0), [order("EXIT", "SELL", 50, last_change=LATE)], []),
    ("half an exit, the rest follows", Held(80, 0), [EXIT], [("submit", "EXIT", "SELL", 30)]),
    ("too many exits make room first", Held(50, 0), [EXIT, order("STOP", "SELL", 40)], [("cancel", "STOP40")]),
    ("a stop that has begun to fill is an exit", Held(30, 0, AT), [order("STOP", "SELL", 50, filled=20)], []),
    (
        "modified too often to leave by",
        Held(50, 0, AT),
        [order("STOP", "SELL", 50, modifications=25)],
        [("cancel", "STOP50")],
    ),
    ("worn stop does not follow the trail", Held(50, 50, 79_500), [order("STOP", "SELL", 50, modifications=20)], []),
    (
        "worn stop still follows the quantity",
        Held(60, 60, AT),
        [order("STOP", "SELL", 50, modifications=20)],
        [("modify", "STOP50", "SL", 60)],
    ),
    ("spent stop is replaced", Held(60, 60, AT), [order("STOP", "SELL", 50, modifications=25)], [("cancel", "STOP50")]),
    # waiting
    ("in flight", Held(50, 0, AT), [order("STOP", "SELL", 50, status=OrderStatus.SUBMITTED)], []),
    ("unknown", Held(50, 0, AT), [order("STOP", "SELL", 50, status=OrderStatus.UNKNOWN)], []),
    ("being cancelled", Held(50, 0, AT), [order("STOP", "SELL", 50, cancel_sent=NOW)], []),
    ("being modified", Held(50, 0, AT), [order("STOP", "SELL", 50, modify_sent=STOP.terms)], []),
]


@pytest.mark.parametrize(("held", "orders", "requests"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_next_requests(held, orders, requests):
    assert said(steer(held, orders, Situation(SBIN, LAST, TACTICS, NOW))) == requests


def test_without_a_price_nothing_new_is_priced():
    assert steer(Held(50, 0), [], Situation(SBIN, 0, TACTICS, NOW)) == []
    assert steer(Held(0, 50), [], Situation(SBIN, 0, TACTICS, NOW)) == []
    assert said(steer(Held(50, 50, AT), [], Situation(SBIN, 0, TACTICS, NOW))) == [("submit", "STOP", "SELL", 50)]


def test_without_resting_stops_the_desk_runs_them_itself():
    assert steer(Held(50, 50, AT), [], Situation(SBIN, LAST, Tactics(rest_stop=False), NOW)) == []


def test_how_orders_are_written():
    entry = entry_terms(SBIN, Side.BUY, 250, LAST, TACTICS)
    assert entry == OrderTerms(quantity=100, order_type=L, price=BUY_AT)
    market = entry_terms(SBIN, Side.BUY, 50, LAST, Tactics(entry_type=OrderType.MARKET))
    assert market == OrderTerms(quantity=50, order_type=OrderType.MARKET)
    stop = stop_terms(SBIN, Side.SELL, 50, 79_000, TACTICS)
    assert stop == OrderTerms(quantity=50, order_type=SL, price=78_210, trigger_price=79_000)
    plain = stop_terms(SBIN, Side.BUY, 50, 81_000, Tactics(stop_type=OrderType.SL_M))
    assert plain == OrderTerms(quantity=50, order_type=OrderType.SL_M, trigger_price=81_000)


KINDS = list(product([1, 5, 10, 25, 100], [1, 15, 65], [0, 65, 1_800, 100_000], Side, [SL, OrderType.SL_M]))
"""Tick, lot, freeze quantity, side, type of the stop: one draw instead of five."""


@pytest.mark.unmeasured
@settings(max_examples=10_000, deadline=None, derandomize=True)
@given(kind=st.sampled_from(KINDS), price=st.integers(1, 10**9), units=st.integers(-10, 5_000))
def test_no_price_and_no_quantity_gives_an_order_off_the_grid(kind, price, units):
    tick, lot, freeze, side, stop_type = kind
    instrument = Instrument(
        segment=Segment.NSE_FNO, symbol="X", kind=InstrumentKind.OPTION, tick_size=tick, lot_size=lot,
        freeze_quantity=freeze,
    )  # fmt: skip
    quantity = units * lot
    parts = slices(quantity, instrument)
    assert sum(parts) == max(0, quantity)
    assert all(part > 0 and part % lot == 0 and (not freeze or part <= freeze) for part in parts[:50])
    tactics = Tactics(stop_type=stop_type)
    written = [stop_terms(instrument, side, part, price, tactics) for part in parts[:1]]
    written += [entry_terms(instrument, side, part, price, tactics) for part in parts[:1]]
    for terms in written:
        assert not terms.order_type.has_price or instrument.on_tick(terms.price)
        assert not terms.order_type.has_trigger or instrument.on_tick(terms.trigger_price)
        if terms.order_type is SL and price > tick:
            assert side.sign * (terms.price - terms.trigger_price) >= 0
    for request in steer(Held(quantity, 0), [], Situation(instrument, price, tactics, NOW))[:3]:
        assert isinstance(request, Submit)
        assert instrument.on_tick(request.terms.price)
