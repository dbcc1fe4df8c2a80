"""Size, pre-trade rules, limits of the day, the account's money."""

from saudagar.risk.rules import (
    APPROVED,
    LEVERAGE,
    Approved,
    Denied,
    Limits,
    Proposal,
    Throttle,
    Verdict,
    check,
    day_limit,
    only_closes,
    pre_trade,
)
from saudagar.risk.sizing import size

__all__ = [
    "APPROVED",
    "LEVERAGE",
    "Approved",
    "Denied",
    "Limits",
    "Proposal",
    "Throttle",
    "Verdict",
    "check",
    "day_limit",
    "only_closes",
    "pre_trade",
    "size",
]
