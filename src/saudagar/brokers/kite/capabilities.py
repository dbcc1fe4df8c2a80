"""What Kite can do (Kite Connect 3 documentation and SDK 5.2.2, November 2026)."""

from __future__ import annotations

from saudagar.brokers.kite.history import INTERVALS
from saudagar.execution.ports import Capabilities, LookUp
from saudagar.market.ist import DAY
from saudagar.model import MINUTE, ConditionalKind, OrderType, Product

CAPABILITIES = Capabilities(
    name="kite",
    order_types=frozenset(OrderType),
    products=frozenset(Product),
    modifications=25,
    writes_per_second=10,
    after_market=True,
    look_up=LookUp.SCAN,  # `tag` is echoed, and cannot be asked for
    id_length=20,
    slices=10,
    conditional=frozenset({ConditionalKind.SINGLE, ConditionalKind.OCO}),  # GTT, limit orders only
    depth=(5,),
    option_chain=True,  # put together from the master and quotes: Kite has none of its own
    stream_instruments=9_000,  # 3 sockets of 3,000
    history_minutes=tuple(interval // MINUTE for interval in INTERVALS if interval < DAY),
    history_daily=True,
)
