"""What Upstox can do (API documentation and SDK 2.30.0, November 2026)."""

from __future__ import annotations

from saudagar.execution.ports import Capabilities, LookUp
from saudagar.model import ConditionalKind, OrderType, Product

CAPABILITIES = Capabilities(
    name="upstox",
    order_types=frozenset(OrderType),
    products=frozenset(Product),
    modifications=25,
    writes_per_second=10,
    after_market=True,
    look_up=LookUp.DIRECT,  # order history by tag
    id_length=40,
    slices=25,
    conditional=frozenset(ConditionalKind) - {ConditionalKind.OCO},  # GTT: an entry, with exits or without
    kill_switch=True,
    exit_all=True,
    depth=(5, 30),  # 30 on the Plus plan
    greeks=True,
    option_chain=True,
    stream_instruments=5_000,  # mode ltpc; 2,000 in mode full
    history_minutes=tuple(range(1, 301)),
    history_daily=True,
)
