"""How long Upstox's access token lives (Upstox, "Get token"). What is connected when it ends stays so."""

from __future__ import annotations

from saudagar.market.ist import next_at
from saudagar.model import Nanos


def expiry(issued: Nanos) -> Nanos:
    """When a token issued at `issued` ends (UTC ns): at the next 03:30 IST of market time."""
    return next_at(issued, "03:30")
