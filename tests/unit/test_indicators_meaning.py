"""Indicators against plain definitions and tables worked out by hand, so that both drivers cannot be wrong together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isnan, nan

import numpy as np
import pytest

from saudagar import indicators as ind
from saudagar.indicators import BarFields, Expr, Live, bar_arrays, evaluate
from saudagar.model import DAY, IST_AHEAD, MINUTE, Bar, InstrumentId

NAME = InstrumentId("NSE_EQ:INFY")
MIDNIGHT = 20_000 * DAY - IST_AHEAD
BAR = BarFields()


def bar(clock: str, close: int, *, high: int = 0, low: int = 0, volume: int = 1, day: int = 0, minutes: int = 1) -> Bar:
    """A bar that begins at `clock` IST, ``HH:MM``."""
    hour, minute = map(int, clock.split(":"))
    start = MIDNIGHT + day * DAY + (hour * 60 + minute) * MINUTE
    low, high = low or close, high or close
    return Bar(NAME, minutes * MINUTE, start, start + minutes * MINUTE, close, high, low, close, volume)


def minutes(closes: Sequence[int], first: str = "09:15", day: int = 0) -> list[Bar]:
    hour, minute = map(int, first.split(":"))
    at = [divmod(hour * 60 + minute + i, 60) for i in range(len(closes))]
    return [bar(f"{h}:{m}", close, day=day) for (h, m), close in zip(at, closes, strict=True)]


def both(expr: Expr, bars: list[Bar]) -> list[float]:
    """The column of `expr`, after making sure that both drivers agree on it."""
    live = Live([expr])
    stepped = [live.step(each)[0] for each in bars]
    column = evaluate([expr], bar_arrays(bars))[0].tolist()
    np.testing.assert_array_equal(stepped, column)
    return column


def walk(n: int = 200) -> list[Bar]:
    rng = np.random.default_rng(7)
    made = []
    for at, close in enumerate(100_000 + np.cumsum(rng.integers(-90, 91, n))):
        hour, minute = divmod(9 * 60 + 15 + at, 60)
        up, down, units = (int(x) for x in rng.integers(0, 60, 3))
        made.append(bar(f"{hour}:{minute}", int(close), high=int(close) + up, low=int(close) - down, volume=units))
    return made


# ---- against plain definitions ------------------------------------------------------------------------------------


def plain_ema(xs: list[float], n: int) -> list[float]:
    values = [nan] * (n - 1) + [sum(xs[:n]) / n]
    for x in xs[n:]:
        values.append(values[-1] + 2 / (n + 1) * (x - values[-1]))
    return values


def plain_wilder(xs: list[float], n: int) -> list[float]:
    values = [nan] * (n - 1) + [sum(xs[:n]) / n]
    for x in xs[n:]:
        values.append((values[-1] * (n - 1) + x) / n)
    return values


def plain_true_range(bars: list[Bar]) -> list[float]:
    return [float(max(b.high, a.close) - min(b.low, a.close)) for a, b in pairwise(bars)]


def closes(bars: list[Bar]) -> list[float]:
    return [float(each.close) for each in bars]


def plain_rsi(xs: list[float], n: int) -> list[float]:
    moves = [b - a for a, b in pairwise(xs)]
    ups = plain_wilder([max(move, 0.0) for move in moves], n)
    downs = plain_wilder([max(-move, 0.0) for move in moves], n)
    return [nan] + [100 * up / (up + down) for up, down in zip(ups, downs, strict=True)]


def rolling(xs: list[float], n: int, of: object) -> list[float]:
    return [nan] * (n - 1) + [float(of(xs[i - n + 1 : i + 1])) for i in range(n - 1, len(xs))]  # type: ignore[operator]  # any callable


def plain_macd(xs: list[float]) -> list[float]:
    slow, fast = plain_ema(xs, 26), plain_ema(xs[14:], 12)  # TA-Lib starts both averages at the same bar
    line = [a - b for a, b in zip([nan] * 14 + fast, slow, strict=True)]
    return [nan] * 33 + line[33:]


def plain_weighted(window: list[float]) -> float:
    return sum(x * (i + 1) for i, x in enumerate(window)) / (len(window) * (len(window) + 1) / 2)


PLAIN = {
    "ema": (ind.ema(BAR.close, 9), lambda bars: plain_ema(closes(bars), 9)),
    "sma": (ind.sma(BAR.close, 9), lambda bars: rolling(closes(bars), 9, np.mean)),
    "wma": (ind.wma(BAR.close, 9), lambda bars: rolling(closes(bars), 9, plain_weighted)),
    "rsi": (ind.rsi(BAR.close, 14), lambda bars: plain_rsi(closes(bars), 14)),
    "atr": (ind.atr(BAR, 14), lambda bars: [nan, *plain_wilder(plain_true_range(bars), 14)]),
    "max": (ind.rolling_max(BAR.close, 5), lambda bars: rolling(closes(bars), 5, max)),
    "min": (ind.rolling_min(BAR.close, 5), lambda bars: rolling(closes(bars), 5, min)),
    "std": (ind.rolling_std(BAR.close, 5), lambda bars: rolling(closes(bars), 5, np.std)),
    "macd": (ind.macd(BAR.close).line, lambda bars: plain_macd(closes(bars))),
    "bbands": (
        ind.bbands(BAR.close, 20, 2.0).upper,
        lambda bars: rolling(closes(bars), 20, lambda xs: np.mean(xs) + 2 * np.std(xs)),
    ),
    "change": (
        ind.percent_change(BAR.close, 3),
        lambda bars: [nan] * 3 + [(b / a - 1) * 100 for a, b in zip(closes(bars), closes(bars)[3:], strict=False)],
    ),
}


@pytest.mark.parametrize("name", PLAIN)
def test_an_indicator_is_what_its_definition_says(name: str) -> None:
    expr, plain = PLAIN[name]
    bars = walk()
    np.testing.assert_allclose(both(expr, bars), plain(bars), rtol=1e-9, atol=1e-6)


def test_stochastic_is_the_place_in_the_range() -> None:
    bars = walk(60)
    expected = [nan] * 13
    for i in range(13, 60):
        top, bottom = max(b.high for b in bars[i - 13 : i + 1]), min(b.low for b in bars[i - 13 : i + 1])
        expected.append(100 * (bars[i].close - bottom) / (top - bottom))
    np.testing.assert_allclose(both(ind.stoch(BAR, 14, 1, 1).k, bars), expected, rtol=1e-9)


def test_supertrend_follows_the_trend_and_stays_on_its_side() -> None:
    bars = minutes([*range(10_000, 13_000, 100), *range(13_000, 10_000, -100)])
    line, direction = ind.supertrend(BAR, 5, 2.0)
    trend, level = both(direction, bars), both(line, bars)
    assert isnan(trend[4])
    assert trend[29] == 1.0
    assert level[29] < bars[29].close
    assert trend[-1] == -1.0
    assert level[-1] > bars[-1].close


def test_adx_is_high_in_a_trend_and_the_directions_say_which_way() -> None:
    bars = minutes(range(10_000, 14_000, 100))
    assert both(ind.adx(BAR, 5), bars)[-1] == pytest.approx(100)
    assert both(ind.plus_di(BAR, 5) > ind.minus_di(BAR, 5), bars)[-1] is True


# ---- the session --------------------------------------------------------------------------------------------------


def test_vwap_begins_again_every_day_and_waits_for_the_first_trade() -> None:
    bars = [
        bar("09:15", 100, volume=0),
        bar("09:16", 100, high=130, low=70, volume=3),
        bar("09:17", 200, volume=1),
        bar("09:15", 300, volume=5, day=1),
    ]
    assert both(ind.vwap(BAR), bars)[1:] == [100.0, 125.0, 300.0]
    assert isnan(both(ind.vwap(BAR), bars)[0])


def test_previous_day_is_the_last_day_that_traded() -> None:
    bars = [
        bar("09:15", 100, high=150, low=90),
        bar("15:29", 120, high=125, low=80),
        bar("09:15", 200, high=210, low=190, day=3),
        bar("09:16", 205, day=3),
        bar("09:15", 1, day=4),
    ]
    assert both(ind.previous_day_high(BAR), bars)[2:] == [150, 150, 210]
    assert both(ind.previous_day_low(BAR), bars)[2:] == [80, 80, 190]
    assert both(ind.previous_day_close(BAR), bars)[2:] == [120, 120, 205]
    assert all(isnan(x) for x in both(ind.previous_day_high(BAR), bars)[:2])


def test_opening_range_shows_from_the_bar_that_completes_it() -> None:
    bars = [
        bar("09:08", 999),  # before the session: not in the range
        bar("09:15", 100, high=110, low=95),
        bar("09:17", 104, high=120, low=101),
        bar("09:19", 103),
        bar("09:20", 130),
        bar("09:20", 50, day=1),  # nothing traded in the range on this day
    ]
    high, low = ind.opening_range_high(BAR, 5), ind.opening_range_low(BAR, 5)
    assert both(high, bars)[3:5] == [120, 120]
    assert both(low, bars)[3:5] == [95, 95]
    assert [isnan(x) for x in both(high, bars)] == [True, True, True, False, False, True]
    assert both(ind.crosses_above(BAR.close, high), bars) == [False, False, False, False, True, False]


def test_the_session_may_open_at_another_time() -> None:
    bars = [bar("09:00", 100), bar("09:01", 140), bar("09:04", 120), bar("09:05", 90)]
    nine = 9 * 60 * MINUTE
    expr = ind.opening_range_high(BAR, 5)
    assert evaluate([expr], bar_arrays(bars, session_open=nine))[0].tolist()[2:] == [140, 140]
    live = Live([expr], session_open=nine)
    assert [live.step(each)[0] for each in bars][2:] == [140, 140]


# ---- higher intervals ---------------------------------------------------------------------------------------------


def test_a_higher_bar_shows_when_it_has_closed_and_not_before() -> None:
    bars = minutes([10, 30, 20, 25, 40, 41, 42])
    five = BAR.at("5m")
    assert both(five.close, bars)[4:] == [40, 40, 40]
    assert both(five.open, bars)[4:] == [10, 10, 10]
    assert both(five.high, bars)[4:] == [40, 40, 40]
    assert both(five.volume, bars)[4:] == [5, 5, 5]
    assert all(isnan(x) for x in both(five.close, bars)[:4])


def test_a_higher_bar_cut_short_by_a_gap_shows_at_the_next_bar() -> None:
    bars = [bar("09:15", 10), bar("09:16", 12), bar("09:31", 50), bar("09:34", 60), bar("09:35", 70)]
    assert both(BAR.at("5m").close, bars)[2:] == [12, 60, 60]


def test_a_day_closes_with_the_first_bar_of_the_next() -> None:
    bars = [
        bar("09:00", 5),
        bar("09:15", 10),
        bar("15:29", 12, high=90),
        bar("09:15", 20, day=1),
        bar("09:16", 21, day=1),
    ]
    day = BAR.at("1d")
    assert both(day.close, bars)[3:] == [12, 12]
    assert both(day.high, bars)[3:] == [90, 90]
    assert both(day.open, bars)[3:] == [5, 5]


def test_a_higher_bar_never_runs_into_the_next_day() -> None:
    bars = [bar("15:00", 10), bar("09:01", 20, day=1), bar("09:20", 30, day=1)]
    late = BAR.at("1435m")  # from 09:15 to 09:10 of the next day, were it not for midnight
    assert both(late.close, bars)[1:] == [10, 20]


def test_a_cross_of_higher_bars_is_true_once() -> None:
    bars = minutes([10] * 5 + [30] * 5 + [30] * 5)
    five = BAR.at("5m").close
    assert both(ind.crosses_above(five, 20), bars).index(True) == 9
    assert sum(both(ind.crosses_above(five, 20), bars)) == 1
    assert both(five > 20, bars) == [False] * 9 + [True] * 6


def test_lag_and_averages_of_a_higher_interval_count_its_bars() -> None:
    bars = minutes([10] * 5 + [20] * 5 + [40] * 5)
    five = BAR.at("5m").close
    assert both(ind.lag(five), bars)[9:] == [10] * 5 + [20]
    assert both(ind.sma(five, 2), bars)[9:] == [15] * 5 + [30]
    assert both(ind.lag(five < 15), bars) == [False] * 9 + [True] * 5 + [False]


def test_unlike_intervals_meet_at_the_lowest() -> None:
    bars = minutes([10, 20, 30, 40, 50, 60])
    assert both(BAR.close - BAR.at("5m").open, bars)[4:] == [40, 50]
    assert both(BAR.at("1m").close, bars) == [10, 20, 30, 40, 50, 60]


# ---- arithmetic and logic -----------------------------------------------------------------------------------------


def test_arithmetic() -> None:
    bars = minutes([10, 20, 40])
    x = BAR.close
    assert both(1 + x * 2 - x / 4, bars) == [18.5, 36, 71]
    assert both(100 - x, bars) == [90, 80, 60]
    assert both(2 * abs(-x), bars) == [20, 40, 80]
    assert both(ind.maximum(x, 15), bars) == [15, 20, 40]
    assert both(ind.minimum(x, 15), bars) == [10, 15, 15]
    assert both(ind.if_else(x >= 20, x, -1), bars) == [-1, 20, 40]
    assert both(ind.if_else(x >= 20, x > 30, x < 30), bars) == [True, False, True]
    assert both(ind.const(3), bars) == [3, 3, 3]
    assert both(ind.sma(3, 2), bars)[1:] == [3, 3]
    assert both(BAR.hl2 + BAR.typical, bars) == [20, 40, 80]


def test_division_by_zero_is_undefined_and_an_average_waits_for_it() -> None:
    bars = minutes([10, 20, 30, 40])
    inverse = 1 / (BAR.close - 20)
    assert [isnan(x) for x in both(inverse, bars)] == [False, True, False, False]
    assert both(ind.sma(inverse, 2), bars)[2:] == [pytest.approx(0), pytest.approx(0.075)]


def test_what_overflows_is_undefined_to_an_average() -> None:
    huge: Expr = BAR.close
    for _ in range(5):
        huge = huge * huge  # to the power of 32
    bars = minutes([1, 1, 2**39, 1, 1])
    assert both(huge, bars)[2] == float("inf")
    for average in (ind.sma(huge, 2), ind.ema(huge, 2), ind.rolling_max(huge, 2)):
        assert both(average, bars)[1] == 1
        assert isnan(both(average, bars)[2])
        assert both(average, bars)[3:] == [1, 1]


UNKNOWN = 1 / (BAR.close - BAR.close) > 0
TRUE, FALSE = BAR.close > 0, BAR.close < 0
KLEENE = [
    (TRUE & UNKNOWN, None),
    (FALSE & UNKNOWN, False),
    (UNKNOWN & FALSE, False),
    (UNKNOWN & UNKNOWN, None),
    (TRUE | UNKNOWN, True),
    (UNKNOWN | TRUE, True),
    (FALSE | UNKNOWN, None),
    (~UNKNOWN, None),
    (~FALSE, True),
    (TRUE & TRUE, True),
    (FALSE | FALSE, False),
    (UNKNOWN, None),
]


@pytest.mark.parametrize(("expr", "truth"), KLEENE, ids=[repr(expr) for expr, _ in KLEENE])
def test_logic_knows_undefined(expr: Expr, truth: bool | None) -> None:
    bars = minutes([10])
    assert both(expr, bars) == [truth is True]
    (shown,) = both(ind.if_else(expr, 1, 0), bars)
    assert isnan(shown) if truth is None else shown == truth


def test_not_is_false_while_warming_up() -> None:
    bars = minutes([10, 20, 30])
    assert both(~(BAR.close > ind.sma(BAR.close, 3)), bars) == [False, False, False]
    assert both(~(BAR.close < ind.sma(BAR.close, 3)), bars) == [False, False, True]


def test_a_cross_is_true_on_one_bar() -> None:
    bars = minutes([10, 20, 30, 30, 20, 10, 20, 21])
    assert both(ind.crosses_above(BAR.close, 20), bars) == [False, False, True, False, False, False, False, True]
    assert both(ind.crosses_below(BAR.close, 20), bars) == [False] * 5 + [True, False, False]
