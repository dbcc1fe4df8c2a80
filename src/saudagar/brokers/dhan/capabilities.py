"""What Dhan can do (API documentation v2 and SDK 2.3.0, November 2026)."""

from __future__ import annotations

from saudagar.execution.ports import Capabilities, LookUp
from saudagar.model import ConditionalKind, OrderType, Product

CAPABILITIES = Capabilities(
    name="dhan",
    order_types=frozenset(OrderType),  # MARKET becomes a limit with protection at Dhan, and may rest
    products=frozenset(Product),
    modifications=25,
    writes_per_second=10,
    after_market=True,
    look_up=LookUp.DIRECT,  # orders/external/{correlationId}
    id_length=25,  # documented as 30; the 26th was refused (sandbox, September 2026)
    slices=None,
    conditional=frozenset(ConditionalKind),  # forever orders single and OCO; super orders with trailing jump
    e_dis=True,
    kill_switch=True,
    exit_all=True,
    profit_exit=True,
    depth=(5, 20, 200),
    greeks=True,  # in the option chain; not in the stream
    option_chain=True,
    stream_instruments=25_000,  # five connections of 5,000
    history_minutes=(1, 5, 15, 25, 60),
    history_daily=True,
)
