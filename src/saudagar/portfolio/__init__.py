"""Positions, round trips, what they earned and what they cost."""

from saudagar.portfolio.costs import trade_charges
from saudagar.portfolio.position import Leg, Position, Trade, net

__all__ = ["Leg", "Position", "Trade", "net", "trade_charges"]
