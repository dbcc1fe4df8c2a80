"""Daily bars as the sessions they stand for.

Brokers and files stamp such a bar with its day, midnight to midnight. The market is open for hours of it, and an order
can only trade then. Called by `Market` for every instrument.
"""

from __future__ import annotations

from datetime import date

from saudagar.indicators import BarArrays
from saudagar.indicators.bars import DAY
from saudagar.market.sessions import Calendar, continuous
from saudagar.model import Instrument

_EPOCH_DAY = 719_163  # the ordinal of 1970-01-01


def in_session(bars: BarArrays, instrument: Instrument, calendar: Calendar) -> BarArrays:
    """`bars`, those of a day cut to the longest span of continuous trading that they hold; others as they are."""
    if bars.interval != DAY or not len(bars):
        return bars
    start, end = bars.start.tolist(), bars.end.tolist()
    for at, number in enumerate(bars.day.tolist()):
        spans = continuous(calendar.phases_of(instrument, date.fromordinal(_EPOCH_DAY + number)))
        held = [(opens, closes) for opens, closes in spans if start[at] <= opens and closes <= end[at]]
        if held:
            start[at], end[at] = max(held, key=lambda span: span[1] - span[0])
    return BarArrays.from_columns(
        interval=DAY,
        start=start,
        end=end,
        open=bars.open,
        high=bars.high,
        low=bars.low,
        close=bars.close,
        volume=bars.volume,
        session_open=bars.session_open,
    )
