"""What a round trip costs: the statutory charges and brokerage of each order that made it."""

from __future__ import annotations

from collections.abc import Callable

from saudagar.market.charges import Charges, charge
from saudagar.market.ist import ist_day
from saudagar.model import Instrument, InstrumentId, Product
from saudagar.portfolio.position import Trade


def trade_charges(
    trade: Trade, instrument: Callable[[InstrumentId], Instrument], product: Product, plan: str
) -> Charges:
    """Exact charges of `trade` by the broker's `plan`, one order (leg) at a time, at the rates of its exit day."""
    total = Charges()
    for leg in trade.legs:
        total += charge(
            plan,
            ist_day(trade.exit_ts),
            instrument(trade.instrument),
            product,
            leg.side,
            leg.quantity,
            leg.value,
        )
    return total
