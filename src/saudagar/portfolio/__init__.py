"""Positions, round trips, and what they earned."""

from saudagar.portfolio.position import Leg, Position, Trade

__all__ = ["Leg", "Position", "Trade"]
