"""What a round trip costs: the statutory charges and brokerage of each order that made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from saudagar.market.charges import Charges, charge
from saudagar.market.ist import ist_day
from saudagar.model import ClientOrderId, Instrument, InstrumentId, Order, Product
from saudagar.portfolio.position import Trade


def trade_charges(
    trade: Trade,
    instrument: Callable[[InstrumentId], Instrument],
    product: Product,
    plan: str,
    orders: Mapping[ClientOrderId, Order] | None = None,
) -> Charges:
    """Exact charges of `trade` by the broker's `plan`, one order (leg) at a time, at the rates of its exit day.

    With `orders` at hand, an order that closed one trade and opened the next is charged once, shared out by value.
    """
    total = Charges()
    for leg in trade.legs:
        order = orders.get(leg.order_id) if orders is not None else None
        total += charge(
            plan,
            ist_day(trade.exit_ts),
            instrument(trade.instrument),
            product,
            leg.side,
            leg.quantity,
            leg.value,
            order_value=order.value if order is not None else 0,
        )
    return total
