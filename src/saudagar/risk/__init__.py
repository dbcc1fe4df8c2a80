"""Size, pre-trade rules, limits of the day."""

from saudagar.risk.rules import (
    APPROVED,
    Approved,
    Denied,
    Limits,
    PreTrade,
    Proposal,
    Throttle,
    Verdict,
    check,
    day_limit,
)
from saudagar.risk.sizing import size

__all__ = [
    "APPROVED",
    "Approved",
    "Denied",
    "Limits",
    "PreTrade",
    "Proposal",
    "Throttle",
    "Verdict",
    "check",
    "day_limit",
    "size",
]
