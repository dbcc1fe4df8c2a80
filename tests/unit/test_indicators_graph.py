"""The graph's own rules: sharing, refusals, and bad bars that leave no trace."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from saudagar import indicators as ind
from saudagar.indicators import BarArrays, BarFields, Live, bar_arrays, evaluate, warm_up
from saudagar.indicators.bars import parse_interval
from saudagar.model import DAY, HOUR, IST_AHEAD, MINUTE, SECOND, Bar, InstrumentId
from saudagar.model.errors import ConfigError, DataError

NAME = InstrumentId("NSE_EQ:INFY")
OPEN = 20_000 * DAY - IST_AHEAD + 9 * HOUR + 15 * MINUTE
BAR = BarFields()


def bar(at: int = 0, **changes: Any) -> Bar:
    start = OPEN + at * MINUTE
    plain = Bar(NAME, MINUTE, start, start + MINUTE, 100, 120, 90, 110, 5)
    return msgspec.structs.replace(plain, **changes)


def test_equal_expressions_are_one_object() -> None:
    assert ind.ema(BAR.close, 9) is ind.ema(BarFields().close, 9)
    assert ind.ema(BAR.close, 9) is not ind.ema(BAR.close, 10)
    assert ind.ema(BAR.close, 9) is not ind.ema(BAR.at("5m").close, 9)
    assert ind.macd(BAR.close).signal is ind.macd(BAR.close).signal
    assert BAR.close + 1 is BAR.close + 1.0
    assert copy.deepcopy(ind.vwap(BAR)) is ind.vwap(BAR)
    cross = ind.crosses_above(ind.ema(BAR.at("15m").close, 9), BAR.close)
    assert pickle.loads(pickle.dumps(cross)) is cross


def test_an_expression_is_frozen_and_says_what_it_is() -> None:
    expr = ind.ema(BAR.at("15m").close, 9) * 2 > BAR.close
    assert repr(expr) == "gt(closed(mul(EMA(close@900s, 9), 2.0)), close)"
    with pytest.raises(AttributeError, match="frozen"):
        expr.interval = 1


def test_what_is_used_twice_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import talib

    calls = []
    real = talib.EMA
    monkeypatch.setattr(talib, "EMA", lambda *args, **params: (calls.append(params), real(*args, **params))[1])
    fast = [ind.ema(BAR.close, 2) + n for n in range(40)]
    evaluate(fast, bar_arrays([bar(n) for n in range(5)]))
    assert calls == [{"timeperiod": 2}]


REFUSED: list[tuple[str, Callable[[], object]]] = [
    ("whole number from 1", lambda: ind.ema(BAR.close, 0)),
    ("whole number from 1", lambda: ind.ema(BAR.close, 2.5)),  # type: ignore[arg-type]  # that is the point
    ("whole number from 1", lambda: ind.sma(BAR.close, True)),
    ("whole number from 2", lambda: ind.rolling_max(BAR.close, 1)),
    ("whole number from 1", lambda: ind.lag(BAR.close, -1)),
    ("whole number from 1 to 100000", lambda: ind.lag(BAR.close, 100_001)),
    ("fast must be below slow", lambda: ind.macd(BAR.close, 26, 12)),
    ("number above 0", lambda: ind.bbands(BAR.close, 20, -1.0)),
    ("number above 0", lambda: ind.supertrend(BAR, 10, float("nan"))),
    ("number above 0", lambda: ind.supertrend(BAR, 10, "3")),  # type: ignore[arg-type]  # that is the point
    ("finite number", lambda: BAR.close + float("inf")),
    ("finite number", lambda: BAR.close > "100"),  # type: ignore[operator]  # that is the point
    ("finite number", lambda: BAR.close > True),
    ("a number is wanted", lambda: (BAR.close > 1) + 1),
    ("a number is wanted", lambda: ind.ema(BAR.close > 1, 3)),
    ("a condition is wanted", lambda: BAR.close & (BAR.close > 1)),
    ("a condition is wanted", lambda: (BAR.close > 1) | 1),  # type: ignore[operator]  # that is the point
    ("two numbers or two conditions", lambda: ind.if_else(BAR.close > 1, BAR.close, BAR.close > 2)),
    ("Write & for and", lambda: BAR.close > 1 and BAR.close < 2),
    ("Write & for and", lambda: 1 < BAR.close < 2),
    ("a day at most", lambda: BAR.at("2d")),
    ("a day at most", lambda: BAR.at("15 min")),
    ("a day at most", lambda: BAR.at(15)),  # type: ignore[arg-type]  # that is the point
]


@pytest.mark.parametrize(("message", "build"), REFUSED, ids=[str(n) for n in range(len(REFUSED))])
def test_a_senseless_graph_is_refused(message: str, build: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match=message):
        build()


def test_intervals_as_people_write_them() -> None:
    assert [parse_interval(text) for text in ("30s", "15m", "1h", "1d")] == [30 * SECOND, 15 * MINUTE, HOUR, DAY]


NONSENSE: list[dict[str, Any]] = [
    {"close": float("nan")},
    {"open": float("nan")},
    {"high": float("inf")},
    {"low": float("-inf")},
    {"volume": float("nan")},
    {"low": 0},
    {"low": -90},
    {"high": 105},
    {"low": 101},
    {"volume": -1},
    {"high": 2**40},
    {"end": OPEN - 1},
]


@pytest.mark.parametrize("wrong", NONSENSE, ids=str)
def test_a_nonsense_bar_is_refused_and_leaves_no_trace(wrong: dict[str, Any]) -> None:
    exprs = [ind.sma(BAR.close, 2), ind.ema(BAR.at("2m").close, 1), ind.vwap(BAR)]
    clean, tried = Live(exprs), Live(exprs)
    for at in range(6):
        with pytest.raises(DataError, match="cannot be"):
            tried.step(bar(at, **wrong))
        assert repr(tried.step(bar(at, close=100 + at))) == repr(clean.step(bar(at, close=100 + at)))
    with pytest.raises(DataError, match="bar 1 "):
        bar_arrays([bar(0), bar(1, **wrong)])


def test_bars_of_another_kind_and_late_bars_are_refused() -> None:
    live = Live([BAR.close])
    live.step(bar(3))
    for wrong in (
        bar(3),
        bar(1),
        bar(4, instrument=InstrumentId("NSE_EQ:TCS")),
        bar(4, interval=2 * MINUTE),
    ):
        with pytest.raises(DataError):
            live.step(wrong)
    assert live.step(bar(4)) == (110.0,)
    with pytest.raises(DataError, match="bar 1 "):
        bar_arrays([bar(1), bar(0)])
    with pytest.raises(DataError, match="one instrument and interval"):
        bar_arrays([bar(0), bar(1, interval=2 * MINUTE)])


def columns(**changes: Any) -> dict[str, Any]:
    one = bar()
    names = ("start", "end", "open", "high", "low", "close", "volume")
    return {"interval": MINUTE} | {name: [getattr(one, name)] for name in names} | changes


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"close": [1, 2]}, "differ in length"),
        ({"close": ["abc"]}, "no numbers"),
        ({"close": [[110]]}, "one dimension"),
        ({"start": [2**70]}, "no numbers"),
    ],
    ids=str,
)
def test_bad_columns_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        BarArrays.from_columns(**columns(**wrong))


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        (BAR.at("90s").close, "bars of 90 s cannot be made of bars of 60 s"),
        (BAR.at("30s").close, "bars of 30 s cannot be made of bars of 60 s"),
        (ind.opening_range_high(BAR.at("10m"), 15), "opening range of 15 minutes cannot be cut from bars of 600 s"),
    ],
    ids=str,
)
def test_an_interval_that_cannot_serve_is_refused_before_anything_runs(expr: ind.Expr, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Live([expr]).step(bar())
    with pytest.raises(ConfigError, match=message):
        evaluate([expr], bar_arrays([bar()]))
    with pytest.raises(ConfigError, match=message):
        warm_up([expr])


def test_no_bars_and_no_expressions() -> None:
    empty = bar_arrays([])
    exprs = [ind.ema(BAR.at("5m").close, 3), ind.vwap(BAR), BAR.close > 1, ind.previous_day_high(BAR), ind.const(1)]
    assert [len(column) for column in evaluate(exprs, empty)] == [0] * 5
    assert evaluate([], bar_arrays([bar()])) == []
    assert Live([]).step(bar()) == ()
    assert warm_up([]) == ind.WarmUp(0, 0)


@pytest.mark.parametrize(
    ("expr", "bars", "days"),
    [
        (BAR.close, 1, 0),
        (ind.crosses_above(ind.ema(BAR.close, 9), ind.ema(BAR.close, 21)), 22, 0),
        (ind.lag(ind.rolling_max(BAR.high, 20)), 21, 0),
        (ind.rsi(ind.sma(BAR.close, 5), 14), 19, 0),
        (ind.ema(BAR.at("15m").close, 4), 61, 0),
        (ind.vwap(BAR), 1, 1),
        (ind.opening_range_low(BAR, 30), 30, 1),
        (ind.ema(BAR.close, 5) - ind.previous_day_close(BAR), 5, 2),
        (ind.sma(BAR.at("1d").close, 20), 1, 21),
        (BAR.at("1m").close, 1, 0),
    ],
    ids=str,
)
def test_the_warm_up_is_read_off_the_graph(expr: ind.Expr, bars: int, days: int) -> None:
    assert warm_up([expr]) == ind.WarmUp(bars, days)


def test_outputs_are_floats_and_bools() -> None:
    live = Live([BAR.close, BAR.close > 1, ind.supertrend(BAR, 2, 1.0).direction])
    rows = [live.step(bar(at)) for at in range(5)]
    assert [type(value) for value in rows[-1]] == [float, bool, float]
    batch = evaluate([BAR.close, BAR.close > 1], bar_arrays([bar()]))
    assert [column.dtype for column in batch] == [np.float64, np.bool_]


def test_the_place_in_the_session_is_a_number_like_others() -> None:
    """Whole numbers would overflow in arrays, and TA-Lib takes none."""
    since, until = BAR.column("since"), BAR.at("5m").column("until")
    exprs = [BAR.column("day"), since * since, ind.ema(since, 3), -until, ind.maximum(until, BAR.close)]
    bars = [bar(at) for at in range(40)]
    live = Live(exprs)
    rows = np.array([live.step(each) for each in bars])
    batch = evaluate(exprs, bar_arrays(bars))
    assert {column.dtype for column in batch} == {np.dtype(np.float64)}
    np.testing.assert_array_equal(rows, np.column_stack(batch))
    assert {type(value) for value in live.step(bar(40))} == {float}


def test_a_bar_has_no_other_columns() -> None:
    with pytest.raises(ConfigError, match=r"a bar has the columns open, high, .* got 'start'"):
        BAR.column("start")
