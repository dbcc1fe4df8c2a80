"""Positions, round trips, what they earned and what they cost."""

from saudagar.portfolio.costs import trade_charges
from saudagar.portfolio.position import Leg, Position, Trade

__all__ = ["Leg", "Position", "Trade", "trade_charges"]
