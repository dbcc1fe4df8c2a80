"""Size, pre-trade rules, limits of the day."""

from saudagar.risk.rules import (
    APPROVED,
    Approved,
    Denied,
    Limits,
    Proposal,
    Throttle,
    Verdict,
    check,
    day_limit,
    pre_trade,
)
from saudagar.risk.sizing import size

__all__ = [
    "APPROVED",
    "Approved",
    "Denied",
    "Limits",
    "Proposal",
    "Throttle",
    "Verdict",
    "check",
    "day_limit",
    "pre_trade",
    "size",
]
