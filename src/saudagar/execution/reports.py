"""From what a broker says to what has happened.

Reports repeat, cross and skip. `absorb` compares one with what is known and answers with the events that are news,
or with the need to look at the order's trades first. Pure: it changes nothing.
"""

from __future__ import annotations

import msgspec

from saudagar.model import TRANSITIONS, Nanos, Order, OrderReport, OrderStatus, OrderTerms
from saudagar.model.events import Event, OrderFilled, OrderMoved

_FILLED, _PARTIALLY_FILLED, _REJECTED = OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED, OrderStatus.REJECTED

ROUNDING = 0.51  # paise per unit that an average printed with two decimals may be off


def absorb(order: Order, report: OrderReport, now: Nanos) -> list[Event] | None:
    """The events that `report` adds to what is known of `order`.

    Returns
    -------
    list or None
        None means: the fill cannot be priced from this report alone (messages were missed, several executions were
        told as one); ask for the trades and absorb the report again with them. Until then nothing of it is believed,
        so that no order looks finished with a fill missing.
    """
    events: list[Event] = []
    filled = order.filled
    if report.filled > filled or report.trades is not None:
        fills = _fills(order, report, now)
        if fills is None:
            return None
        if fills:
            events += fills
            filled = fills[-1].cumulative
            if filled >= order.terms.quantity and not report.broker_id:
                return events
    # where all is filled, the last fill itself has made it FILLED
    status = _news(order, report, filled) if report.filled <= filled < order.terms.quantity else None
    if status is not None:
        events.append(
            OrderMoved(
                ts=now, order_id=order.new.order_id, status=status, broker_id=report.broker_id, reason=report.reason
            )
        )
    elif report.broker_id and report.broker_id != order.broker_id and order.working:
        events.insert(0, OrderMoved(ts=now, order_id=order.id, status=order.status, broker_id=report.broker_id))
    return events


def _fills(order: Order, report: OrderReport, now: Nanos) -> list[OrderFilled] | None:
    if report.trades is not None:
        return _from_trades(order, report, now)
    filled, price, average = report.filled, report.last_price, report.average_price
    quantity = filled - order.filled
    plain = price > 0 and average > 0 and (filled <= order.terms.quantity or filled <= _most(order, report))
    if not plain or abs(order.value + quantity * price - average * filled) > ROUNDING * filled:
        return None
    return [_fill(order, quantity, price, filled, report.ts, now)]


def _from_trades(order: Order, report: OrderReport, now: Nanos) -> list[OrderFilled]:
    fills: list[OrderFilled] = []
    cumulative, known, most = 0, order.filled, _most(order, report)
    for trade in report.trades or ():
        if trade.price <= 0 or not 0 < trade.quantity <= most - cumulative:
            break  # garbled; what comes after it cannot be placed
        cumulative += trade.quantity
        if cumulative > known:
            fills.append(_fill(order, cumulative - known, trade.price, cumulative, trade.ts, now))
            known = cumulative
    return fills


def _most(order: Order, report: OrderReport) -> int:
    """What the order can have traded at most; more than that is a garbled message."""
    most = order.terms.quantity
    if order.modify_sent is not None:
        most = max(most, order.modify_sent.quantity)
    return most if report.terms is None else max(most, report.terms.quantity)


def _fill(order: Order, quantity: int, price: int, cumulative: int, traded: Nanos, now: Nanos) -> OrderFilled:
    return OrderFilled(
        ts=now, order_id=order.new.order_id, quantity=quantity, price=price, cumulative=cumulative, traded=traded
    )


def _news(order: Order, report: OrderReport, filled: int) -> OrderStatus | None:
    """The status to move to after the fills are booked, if it is one."""
    current, wanted = order.status, report.status
    if filled > order.filled and current.working:
        current = _PARTIALLY_FILLED
    if wanted is _FILLED:
        return None  # a fill is missing: the trade book is behind its order book; the next look-up brings it
    if wanted is _PARTIALLY_FILLED and filled == 0:
        return None
    if wanted is _REJECTED and filled:
        wanted = OrderStatus.CANCELLED  # the rest was refused; what has traded stays
    return wanted if wanted is not current and wanted in TRANSITIONS[current] else None


def same_terms(one: OrderTerms, other: OrderTerms) -> bool:
    """Whether two terms ask for the same; a price that the order type does not use says nothing."""
    return _plain(one) == _plain(other)


def _plain(terms: OrderTerms) -> OrderTerms:
    kind = terms.order_type
    return msgspec.structs.replace(
        terms,
        price=terms.price if kind.has_price else 0,
        trigger_price=terms.trigger_price if kind.has_trigger else 0,
    )
