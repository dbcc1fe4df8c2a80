"""What a broker's message adds to what is known of an order."""

from __future__ import annotations

import msgspec
import pytest

from saudagar.execution.reports import absorb, same_terms
from saudagar.model import (
    BrokerOrderId,
    ClientOrderId,
    InstrumentId,
    NewOrder,
    Order,
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Side,
    TradeReport,
)
from saudagar.model import events as ev

S = OrderStatus
ID = ClientOrderId("T1")
TERMS = OrderTerms(quantity=10, order_type=OrderType.LIMIT, price=100)


def order(status=S.OPEN, filled=0, value=0, **changes) -> Order:
    new = NewOrder(
        order_id=ID,
        instrument=InstrumentId("NSE_EQ:SBIN"),
        side=Side.BUY,
        terms=TERMS,
        product=Product.INTRADAY,
        purpose=Purpose.ENTRY,
        position=PositionId("a@NSE_EQ:SBIN"),
    )
    return Order(
        new=new, terms=TERMS, status=status, filled=filled, value=value, broker_id=BrokerOrderId("B"), **changes
    )


def report(status, filled=0, last=0, average=0.0, **changes) -> OrderReport:
    changes = {"broker_id": BrokerOrderId("B"), **changes}
    return OrderReport(
        order_id=ID, status=status, ts=5, filled=filled, last_price=last, average_price=average, **changes
    )


def trades(*pairs) -> tuple[TradeReport, ...]:
    return tuple(TradeReport(f"T{n}", units, price, n) for n, (units, price) in enumerate(pairs))


def short(events) -> list | None:
    if events is None:
        return None
    return [
        (e.quantity, e.price, e.cumulative) if isinstance(e, ev.OrderFilled) else getattr(e, "status", type(e))
        for e in events
    ]


@pytest.mark.parametrize(
    ("known", "told", "news"),
    [
        (order(), report(S.OPEN), []),
        (order(S.SUBMITTED), report(S.PENDING), [S.PENDING]),
        (order(S.UNKNOWN), report(S.OPEN), [S.OPEN]),
        (order(S.OPEN), report(S.PENDING), []),  # late
        (order(), report(S.PARTIALLY_FILLED, 4, 100, 100.0), [(4, 100, 4)]),
        (order(), report(S.FILLED, 10, 100, 100.0), [(10, 100, 10)]),
        (order(filled=4, value=400), report(S.FILLED, 10, 110, 106.0), [(6, 110, 10)]),
        (order(filled=4, value=400), report(S.PARTIALLY_FILLED, 4, 100, 100.0), [S.PARTIALLY_FILLED]),
        (order(S.PARTIALLY_FILLED, 4, 400), report(S.OPEN, 2, 100, 100.0), []),  # crossed
        (order(S.PARTIALLY_FILLED, 4, 400), report(S.CANCELLED, 4), [S.CANCELLED]),
        (order(S.PARTIALLY_FILLED, 4, 400), report(S.REJECTED, 4), [S.CANCELLED]),  # the rest was refused
        (order(), report(S.REJECTED, 4, 100, 100.0), [(4, 100, 4), S.CANCELLED]),
        (order(), report(S.REJECTED), [S.REJECTED]),
        (order(S.CANCELLED), report(S.FILLED, 10, 100, 100.0), [(10, 100, 10)]),
        (order(S.FILLED, 10, 1000), report(S.CANCELLED, 4), []),
        (order(S.REJECTED), report(S.OPEN), []),
        (order(), report(S.PARTIALLY_FILLED), []),
        (order(), report(S.FILLED), []),  # the fill is missing: not believed
        # fills that one message cannot price
        (order(), report(S.FILLED, 10), None),
        (order(), report(S.FILLED, 10, 110, 105.0), None),  # an execution at another price was missed
        (order(), report(S.FILLED, 10, 110, float("nan")), None),
        (order(), report(S.FILLED, 10, 110, float("inf")), None),
        (order(), report(S.FILLED, 10, -5, 100.0), None),
        (order(), report(S.PARTIALLY_FILLED, 11, 100, 100.0), None),  # more than was asked for
        (
            order(modify_sent=OrderTerms(quantity=20, order_type=OrderType.LIMIT, price=100)),
            report(S.PARTIALLY_FILLED, 11, 100, 100.0),
            [(11, 100, 11)],
        ),
        # with the trade book
        (order(), report(S.FILLED, 10, trades=trades((4, 100), (6, 110))), [(4, 100, 4), (6, 110, 10)]),
        (order(filled=4, value=400), report(S.FILLED, 10, trades=trades((4, 100), (6, 110))), [(6, 110, 10)]),
        (
            order(filled=2, value=200),
            report(S.FILLED, 10, trades=trades((4, 100), (6, 110))),
            [(2, 100, 4), (6, 110, 10)],
        ),
        (order(), report(S.CANCELLED, 10, trades=trades((4, 100))), [(4, 100, 4)]),  # behind
        (order(), report(S.CANCELLED, 4, trades=trades((4, 100))), [(4, 100, 4), S.CANCELLED]),
        (order(), report(S.FILLED, 10, trades=trades((4, 100), (-1, 5), (6, 110))), [(4, 100, 4)]),
        (order(), report(S.FILLED, 10, trades=trades((4, 0))), []),
        (
            order(),
            report(S.FILLED, 10, trades=trades((4, 100), (600, 110))),
            [(4, 100, 4)],
        ),  # lots told as shares, or so
        (
            order(),
            report(S.FILLED, 12, trades=trades((4, 100), (8, 110)), terms=msgspec.structs.replace(TERMS, quantity=12)),
            [(4, 100, 4), (8, 110, 12)],  # made larger at the broker
        ),
        (order(), report(S.OPEN, trades=()), []),
    ],
)
def test_news(known, told, news):
    assert short(absorb(known, told, 9)) == news


def test_a_broker_id_is_news_by_itself():
    known = order(S.PENDING)
    known.broker_id = BrokerOrderId("")
    (event,) = absorb(known, report(S.PENDING), 9)
    assert (event.status, event.broker_id) == (S.PENDING, "B")
    assert absorb(order(S.FILLED, 10), report(S.FILLED, 10, broker_id=BrokerOrderId("C")), 9) == []


def test_terms_that_ask_for_the_same():
    limit = OrderTerms(quantity=1, order_type=OrderType.LIMIT, price=5)
    assert same_terms(limit, OrderTerms(quantity=1, order_type=OrderType.LIMIT, price=5, trigger_price=7))
    assert not same_terms(limit, OrderTerms(quantity=1, order_type=OrderType.LIMIT, price=6))
    assert not same_terms(limit, OrderTerms(quantity=1, order_type=OrderType.SL, price=5))
    market = OrderTerms(quantity=1, order_type=OrderType.MARKET)
    assert same_terms(market, OrderTerms(quantity=1, order_type=OrderType.MARKET, price=80))
