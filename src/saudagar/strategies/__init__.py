"""Strategies: what they are, how they leave, how they are sized; one file per built-in strategy."""

from saudagar.strategies.base import Context, Signals, Strategy
from saudagar.strategies.exits import Distance, Exits, Size
from saudagar.strategies.registry import BUILT_IN, load

__all__ = ["BUILT_IN", "Context", "Distance", "Exits", "Signals", "Size", "Strategy", "load"]
