"""Kite's rate limits, each counted in calendar seconds: order writes, quotes, candles, and anything else.

Ten order writes a second for an account (in force since 2026-04-01, kite.trade/forum 15912), one quote, three candles,
ten others (kite.trade/forum 2760).
"""

from __future__ import annotations

from saudagar.exchange.limits import CallLimit, Seconds

READS = {"quote": 1, "historical": 3, "other": 10}


def call_limits(writes_per_second: int, seconds: Seconds, *, reads: bool) -> dict[str, CallLimit]:
    """The limits of each kind of call.

    Parameters
    ----------
    writes_per_second
        Of orders, in seconds of the market; 0 is no limit.
    reads
        Whether to count reads too, in seconds on the wall: a market that stands still must not refuse for ever.
    """
    limits = {"orders": CallLimit([(1, writes_per_second)] if writes_per_second else [], seconds.market)}
    wall = {kind: CallLimit([(1, most)] if reads else [], seconds.wall) for kind, most in READS.items()}
    return limits | wall
