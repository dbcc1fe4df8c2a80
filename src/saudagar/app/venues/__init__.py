"""The markets a desk can be put into."""

from saudagar.app.venues.base import Venue, day_span

__all__ = ["Venue", "day_span"]
