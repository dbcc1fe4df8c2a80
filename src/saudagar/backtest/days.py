"""Bars cut to the hours in which their instrument trades, as the desk's own bar builder cuts them.

Brokers and files stamp a daily bar from midnight to midnight and the last hourly one beyond the close. An order can
only trade while the market is open. Called by `Market` for every instrument.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saudagar.indicators import BarArrays
from saudagar.market.ist import date_of, number_of
from saudagar.market.sessions import Calendar, continuous
from saudagar.model import Instrument


def in_session(bars: BarArrays, instrument: Instrument, calendar: Calendar) -> tuple[BarArrays, NDArray[np.bool_]]:
    """`bars`, each cut to the span of continuous trading that holds most of it, and whether there is one.

    Raises
    ------
    CalendarError
        A day of a year that the calendar does not know.
    """
    start, end = bars.start.copy(), bars.end.copy()
    held = np.zeros(len(bars), np.bool_)
    days, first, count = np.unique(bars.day, return_index=True, return_counts=True)
    expiry = number_of(instrument.expiry) if instrument.expiry else days[-1] if len(days) else 0
    for number, begins, length in zip(days.tolist(), first.tolist(), count.tolist(), strict=True):
        if number > expiry:  # a contract that is no more
            break
        here = np.arange(begins, begins + length)
        most = np.zeros(len(here), np.int64)
        for opens, closes in continuous(calendar.phases_of(instrument, date_of(number))):
            begin, stop = np.maximum(bars.start[here], opens), np.minimum(bars.end[here], closes)
            better = stop - begin > most
            most[better] = (stop - begin)[better]
            start[here[better]], end[here[better]] = begin[better], stop[better]
        held[here] = most > 0
    if np.array_equal(start, bars.start) and np.array_equal(end, bars.end):
        return bars, held
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    cut = BarArrays.from_columns(
        interval=bars.interval, start=start, end=end, session_open=bars.session_open, **columns
    )
    return cut, held
