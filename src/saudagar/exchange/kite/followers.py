"""Kite's orders that follow others: the next leg of an iceberg, the stop of a cover order.

The next leg goes out when the one before it has filled whole; all share the first one's id as parent. The stop goes out
for what the entry has filled when that has ended; its parent is the entry (kite.trade/forum 51629, 27689).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from saudagar.exchange.core_orders import ExchangeOrder
from saudagar.exchange.kite.tickets import Ticket
from saudagar.model import OrderStatus, OrderTerms, OrderType, Side, Validity

_AUTOMATIC = -1.0


class Followers:
    """What waits for an order to end. `enter` brings a draft into the market."""

    def __init__(self, enter: Callable[[Ticket], object]) -> None:
        self._enter = enter
        self._waiting: list[tuple[Ticket, Ticket]] = []

    def watch(self, placed: Ticket, draft: Ticket) -> None:
        """Remember what is to follow `placed`, which was made of `draft`."""
        follower = _next_leg(draft) or _stop(draft)
        if follower is not None:
            follower.parent = placed.parent or placed.order_id
            self._waiting.append((placed, follower))

    def advance(self) -> None:
        """Send what can go now; call at each step."""
        for pair in tuple(self._waiting):
            placed, follower = pair
            order = placed.order
            if order.status.working:
                continue
            self._waiting.remove(pair)
            if follower.iceberg is None and order.filled:
                follower.order.terms = msgspec.structs.replace(follower.order.terms, quantity=order.filled)
                self._enter(follower)
            elif order.status is OrderStatus.FILLED:
                self._enter(follower)


def _next_leg(draft: Ticket) -> Ticket | None:
    berg = draft.iceberg
    if berg is None or not berg.remaining:
        return None
    terms = msgspec.structs.replace(draft.order.terms, quantity=min(berg.leg_quantity, berg.remaining))
    following = msgspec.structs.replace(berg, leg=berg.leg + 1)
    order = _order(draft.order, draft.order.side, terms)
    return msgspec.structs.replace(draft, order=order, iceberg=following, steps=[])


def _stop(draft: Ticket) -> Ticket | None:
    if not draft.stop:
        return None
    asked = draft.order
    terms = OrderTerms(quantity=asked.terms.quantity, order_type=OrderType.SL_M, trigger_price=draft.stop)
    return Ticket(
        order=_order(asked, asked.side.opposite, terms),
        variety=draft.variety,
        asked=OrderType.SL_M,
        protection=_AUTOMATIC,
    )


def _order(asked: ExchangeOrder, side: Side, terms: OrderTerms) -> ExchangeOrder:
    return ExchangeOrder(
        exchange_id="",
        tag=asked.tag if side is asked.side else "",
        instrument=asked.instrument,
        side=side,
        terms=terms,
        product=asked.product,
        validity=asked.validity if side is asked.side else Validity.DAY,
        status=OrderStatus.PENDING,
    )
