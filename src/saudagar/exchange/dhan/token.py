"""How long Dhan's access token lives (DhanHQ documentation, "Authentication")."""

from __future__ import annotations

from saudagar.market.ist import DAY
from saudagar.model import Nanos


def expiry(issued: Nanos) -> Nanos:
    """When a token issued at `issued` ends (UTC ns): after 24 hours of market time, whatever the hour."""
    return issued + DAY
