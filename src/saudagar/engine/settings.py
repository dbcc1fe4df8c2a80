"""What one desk is told before it starts: plain values, made by `app` from the user's file."""

from __future__ import annotations

import msgspec

from saudagar.execution.steering import Tactics
from saudagar.model import SECOND, InstrumentId, Nanos, Product, Sizing, StrategyId, TradeSide
from saudagar.risk import Limits
from saudagar.strategies import Exits, Strategy


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy of the file: what to run, where, how large, how to leave."""

    id: StrategyId
    strategy: Strategy
    instruments: tuple[InstrumentId, ...]
    interval: Nanos
    sizing: Sizing
    exits: Exits = Exits()
    side: TradeSide = TradeSide.BOTH


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """When the desk trades, as IST wall-clock times ``HH:MM``; an empty one does not apply."""

    no_entry_before: str = ""
    no_entry_after: str = ""
    square_off: str = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the engine is told."""

    desk: str
    plans: tuple[Plan, ...]
    limits: Limits
    product: Product = Product.INTRADAY
    tactics: Tactics = Tactics()
    hours: Hours = Hours()
    digest: str = ""  # of the configuration
    adopt: bool = False  # hand-made trades become positions of their own; else they only stop entries there
    patience: Nanos = 30 * SECOND  # an order the broker does not know is given up no sooner
    reconcile: Nanos = 60 * SECOND  # between two comparisons with the broker's book; 0 means only when asked
    bar_grace: Nanos = 1 * SECOND  # a bar without a next tick closes so long after its end
