"""Bars are cut to the hours in which their instrument trades."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from saudagar.backtest.data import Market
from saudagar.exchange.universe import universe
from saudagar.indicators import BarArrays
from saudagar.market.ist import at, midnight
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import DAY, HOUR
from saudagar.model.errors import DataError

STOCK = universe(2)[1]
DAYS = [date(2026, 11, 5), date(2026, 11, 6), date(2026, 11, 9)]
MASTER = Master(date(2026, 1, 1), (STOCK,))


def bars(days: list[date], interval: int = DAY, hour: int = 0) -> BarArrays:
    start = np.array([midnight(day) + hour * HOUR for day in days])
    flat = np.full(len(days), 10_000)
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), flat)
    return BarArrays.from_columns(interval=interval, start=start, end=start + interval, **columns)


def test_a_day_from_midnight_to_midnight_becomes_its_session() -> None:
    given = bars(DAYS)
    market = Market({STOCK.id: given}, MASTER, Calendar())
    cut = market.bars[STOCK.id]
    assert market.outside == []
    assert cut.start.tolist() == [at(day, "09:15") for day in DAYS]
    assert all(at(day, "15:00") < end <= at(day, "15:30") for day, end in zip(DAYS, cut.end.tolist(), strict=True))
    assert cut.day.tolist() == given.day.tolist()
    assert cut.since.tolist() == [0, 0, 0]


def test_a_day_that_is_no_session_is_left_out() -> None:
    sunday = date(2026, 6, 7)
    market = Market({STOCK.id: bars([sunday, *DAYS])}, MASTER, Calendar())
    assert market.outside == [STOCK.id]
    assert market.bars[STOCK.id].start.tolist() == [at(day, "09:15") for day in DAYS]
    with pytest.raises(DataError, match="none of the 1 bars"):
        Market({STOCK.id: bars([sunday])}, MASTER, Calendar())


def test_the_last_hour_ends_with_the_session() -> None:
    day = date(2026, 6, 8)
    opens, closes = Calendar().open_close(STOCK.segment, day)
    start = np.arange(opens, closes, HOUR)
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), np.full(len(start), 10_000))
    given = BarArrays.from_columns(interval=HOUR, start=start, end=start + HOUR, **columns)
    market = Market({STOCK.id: given}, MASTER, Calendar())
    cut = market.bars[STOCK.id]
    assert market.outside == []
    assert given.end[-1] > closes == cut.end[-1]
    assert cut.start.tolist() == start.tolist()
    assert cut.end[:-1].tolist() == given.end[:-1].tolist()


def test_shorter_bars_are_left_alone() -> None:
    given = bars(DAYS, interval=HOUR, hour=10)
    assert Market({STOCK.id: given}, MASTER, Calendar()).bars[STOCK.id] is given
    none = bars([])
    assert Market({STOCK.id: none}, MASTER, Calendar()).bars[STOCK.id] is none
