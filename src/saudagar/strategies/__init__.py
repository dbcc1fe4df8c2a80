"""Strategies: what they are, how they leave, how they are sized; one file per built-in strategy.

Called, it is `saudagar.notebook.strategies`: the list of the built-in ones.
"""

from saudagar.callable_room import make_callable
from saudagar.strategies.base import Context, Signals, Strategy
from saudagar.strategies.exits import Distance, Exits, Size
from saudagar.strategies.registry import BUILT_IN, load

__all__ = ["BUILT_IN", "Context", "Distance", "Exits", "Signals", "Size", "Strategy", "load"]

make_callable(__name__)
