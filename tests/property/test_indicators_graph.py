"""Random graphs over random bars: both drivers give the same bits, the past never changes, the warm-up is enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saudagar import indicators as ind
from saudagar.indicators import BarFields, Expr, Live, evaluate, warm_up
from saudagar.indicators.bars import LIMIT, bar_arrays
from saudagar.model import DAY, IST_AHEAD, MINUTE, Bar, InstrumentId

pytestmark = pytest.mark.unmeasured

NAME = InstrumentId("NSE_EQ:RELIANCE")
MIDNIGHT = 20_000 * DAY - IST_AHEAD  # a day in IST
FIXED = settings(derandomize=True, deadline=None, database=None)

Draw = Callable[[st.SearchStrategy[Any]], Any]


# ---- bars -------------------------------------------------------------------------------------------------------


class Tape(list[Bar]):
    """Bars that print in one line."""

    def __repr__(self) -> str:
        return f"<{len(self)} bars, first {self[0] if self else None}>"


@st.composite
def bars(draw: Draw, *, wild: bool = True, least: int = 1) -> Tape:
    """Several days of bars with holes; quiet, flat, jumping or extreme."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    interval = draw(st.sampled_from([MINUTE, 5 * MINUTE]))
    hole = draw(st.sampled_from([0.0, 0.1, 0.7]))
    mood = draw(st.sampled_from(["walk", "flat", "jump", "extreme"])) if wild else "walk"
    early = draw(st.booleans())  # some bars before the session opens
    made = Tape()
    price = int(rng.integers(1_000, 1_000_000))
    for day in range(draw(st.integers(least, 6))):
        clock = MIDNIGHT + day * DAY + 9 * 60 * MINUTE + (0 if early else 15 * MINUTE)
        for _ in range(int(rng.integers(20, 110))):
            if rng.random() >= hole:
                prices = _prices(rng, mood, price)
                price = prices[3]
                volume = int(rng.integers(0, LIMIT if mood == "extreme" else 10_000)) if rng.random() < 0.9 else 0
                length = interval if rng.random() < 0.98 else interval // 2  # cut short
                made.append(Bar(NAME, interval, clock, clock + length, *prices, volume))
            clock += interval
    return made


def _prices(rng: np.random.Generator, mood: str, price: int) -> tuple[int, int, int, int]:
    if mood == "flat":
        return price, price, price, price
    if mood == "extreme":
        draws = sorted(int(rng.integers(1, LIMIT)) if rng.random() < 0.5 else 1 + 3 * (LIMIT // 4) for _ in range(4))
    else:
        step = 40 if mood == "walk" or rng.random() < 0.95 else price // 2
        draws = sorted(max(1, price + int(move)) for move in rng.integers(-step, step + 1, 4))
    low, first, second, high = draws
    return (first, high, low, second) if rng.random() < 0.5 else (second, high, low, first)


# ---- graphs -----------------------------------------------------------------------------------------------------

LENGTHS = st.integers(2, 9)
INTERVALS = st.sampled_from(["", "", "", "5m", "15m", "20m", "1h", "1d"])


def fields(draw: Draw) -> BarFields:
    interval = draw(INTERVALS)
    return BarFields().at(interval) if interval else BarFields()


BAR_NODES: list[Callable[[Draw, BarFields], Expr]] = [
    lambda draw, bar: getattr(bar, draw(st.sampled_from(["open", "high", "low", "close", "volume", "typical", "hl2"]))),
    lambda draw, bar: ind.atr(bar, draw(LENGTHS)),
    lambda draw, bar: ind.adx(bar, draw(LENGTHS)),
    lambda draw, bar: ind.plus_di(bar, draw(LENGTHS)),
    lambda draw, bar: ind.minus_di(bar, draw(LENGTHS)),
    lambda draw, bar: draw(st.sampled_from(ind.supertrend(bar, draw(LENGTHS), draw(st.sampled_from([1.0, 3.0]))))),
    lambda draw, bar: draw(st.sampled_from(ind.stoch(bar, draw(LENGTHS), draw(LENGTHS), draw(LENGTHS)))),
    lambda draw, bar: ind.previous_day_high(bar),
    lambda draw, bar: ind.previous_day_low(bar),
    lambda draw, bar: ind.previous_day_close(bar),
]
FITFUL_BAR_NODES: list[Callable[[Draw, BarFields], Expr]] = [
    lambda draw, bar: ind.vwap(bar),
    lambda draw, bar: ind.opening_range_high(BarFields(), 5 * draw(st.integers(1, 4))),
    lambda draw, bar: ind.opening_range_low(BarFields(), 5 * draw(st.integers(1, 4))),
]
SERIES_NODES: list[Callable[[Draw, Expr], Expr]] = [
    lambda draw, x: ind.ema(x, draw(LENGTHS)),
    lambda draw, x: ind.sma(x, draw(LENGTHS)),
    lambda draw, x: ind.wma(x, draw(LENGTHS)),
    lambda draw, x: ind.rsi(x, draw(LENGTHS)),
    lambda draw, x: ind.rolling_max(x, draw(LENGTHS)),
    lambda draw, x: ind.rolling_min(x, draw(LENGTHS)),
    lambda draw, x: ind.rolling_mean(x, draw(LENGTHS)),
    lambda draw, x: ind.rolling_std(x, draw(LENGTHS)),
    lambda draw, x: draw(st.sampled_from(ind.macd(x, 3, 7, draw(LENGTHS)))),
    lambda draw, x: draw(st.sampled_from(ind.bbands(x, draw(LENGTHS), 2.0, 1.5))),
    lambda draw, x: ind.lag(x, draw(LENGTHS)),
    lambda draw, x: abs(-x),
    lambda draw, x: x * draw(st.sampled_from([0.5, -1.25, 3])) + 7,
]
FITFUL_SERIES_NODES: list[Callable[[Draw, Expr], Expr]] = [
    lambda draw, x: ind.percent_change(x, draw(LENGTHS)),
    lambda draw, x: 1 / x,
    lambda draw, x: x * x,
]
PAIRS: list[Callable[[Expr, Expr], Expr]] = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    ind.maximum,
    ind.minimum,
]
FITFUL_PAIRS: list[Callable[[Expr, Expr], Expr]] = [lambda a, b: a / b, lambda a, b: a * b]
TESTS: list[Callable[[Expr, Expr], Expr]] = [
    lambda a, b: a > b,
    lambda a, b: a >= b,
    lambda a, b: a < b,
    lambda a, b: a <= b,
    ind.crosses_above,
    ind.crosses_below,
]


def number(draw: Draw, depth: int, fitful: bool) -> Expr:
    kind = draw(st.integers(0, 3)) if depth else 0
    if kind == 0:
        nodes = BAR_NODES + FITFUL_BAR_NODES if fitful else BAR_NODES
        return draw(st.sampled_from(nodes))(draw, fields(draw))
    if kind == 1:
        nodes_of_one = SERIES_NODES + FITFUL_SERIES_NODES if fitful else SERIES_NODES
        return draw(st.sampled_from(nodes_of_one))(draw, number(draw, depth - 1, fitful))
    if kind == 2:
        pairs = PAIRS + FITFUL_PAIRS if fitful else PAIRS
        return draw(st.sampled_from(pairs))(number(draw, depth - 1, fitful), number(draw, depth - 1, fitful))
    choice = condition(draw, depth - 1, fitful)
    return ind.if_else(choice, number(draw, depth - 1, fitful), draw(st.sampled_from([0, 1.5])))


def condition(draw: Draw, depth: int, fitful: bool) -> Expr:
    kind = draw(st.integers(0, 4)) if depth else 0
    if kind == 0:
        a = number(draw, max(depth - 1, 0), fitful)
        b = draw(st.sampled_from([50, 0.0])) if draw(st.booleans()) else number(draw, max(depth - 1, 0), fitful)
        return draw(st.sampled_from(TESTS))(a, b)
    a = condition(draw, depth - 1, fitful)
    if kind == 1:
        return ~a
    if kind == 2:
        return ind.lag(a, draw(LENGTHS))
    b = condition(draw, depth - 1, fitful)
    return a & b if kind == 3 else a | b


@st.composite
def graphs(draw: Draw, *, fitful: bool = True) -> list[Expr]:
    depth = draw(st.integers(0, 4))
    return [number(draw, depth, fitful), condition(draw, depth, fitful), number(draw, 1, fitful)]


# ---- properties -------------------------------------------------------------------------------------------------


def run_live(exprs: Sequence[Expr], made: list[Bar]) -> list[np.ndarray[Any, Any]]:
    live = Live(exprs)
    rows = [live.step(bar) for bar in made]
    return [
        np.array([row[at] for row in rows], dtype=np.bool_ if expr.boolean else np.float64)
        for at, expr in enumerate(exprs)
    ]


def first_difference(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> int | None:
    """Index of the first value whose bits differ; any NaN equals any other."""
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    same = a == b if a.dtype == np.bool_ else (a.view(np.int64) == b.view(np.int64)) | (np.isnan(a) & np.isnan(b))
    return None if same.all() else int(np.argmin(same))


@given(exprs=graphs(), made=bars())
@settings(FIXED, max_examples=300)
def test_batch_equals_live_bit_for_bit(exprs: list[Expr], made: list[Bar]) -> None:
    for expr, batch, live in zip(exprs, evaluate(exprs, bar_arrays(made)), run_live(exprs, made), strict=True):
        at = first_difference(batch, live)
        assert at is None, f"{expr!r} at {at}: {batch[at]!r} in batch, {live[at]!r} live"


@given(exprs=graphs(), made=bars(), data=st.data())
@settings(FIXED, max_examples=150)
def test_cutting_the_series_never_changes_the_past(exprs: list[Expr], made: list[Bar], data: st.DataObject) -> None:
    whole = evaluate(exprs, bar_arrays(made))
    for cut in data.draw(st.lists(st.integers(0, len(made)), min_size=3, max_size=3)):
        for expr, part, full in zip(exprs, evaluate(exprs, bar_arrays(made[:cut])), whole, strict=True):
            at = first_difference(part, full[:cut].copy())
            assert at is None, f"{expr!r} cut at {cut} differs at {at}: {part[at]!r}, uncut {full[at]!r}"


@given(exprs=graphs(fitful=False), made=bars(wild=False, least=3))
@settings(FIXED, max_examples=200)
def test_everything_is_defined_once_warmed_up(exprs: list[Expr], made: list[Bar]) -> None:
    columns = bar_arrays(made)
    for expr, values in zip(exprs, evaluate(exprs, columns), strict=True):
        if expr.boolean:
            values = evaluate([ind.if_else(expr, 1, 0)], columns)[0]  # undefined stays undefined
        need = warm_up([expr], columns.interval)
        days = np.unique(columns.day)
        if need.days > len(days):
            continue
        begin = int(np.searchsorted(columns.day, days[max(need.days, 1) - 1])) + need.bars - 1
        assert not np.isnan(values[begin:]).any(), f"{expr!r} undefined after {need}"


_MADE = [*BAR_NODES[1:7], *SERIES_NODES]


@pytest.mark.parametrize("make", _MADE, ids=range(len(_MADE)))
@given(data=st.data())
@settings(FIXED, max_examples=5)
def test_the_warm_up_of_one_indicator_is_exact(make: Callable[..., Expr], data: st.DataObject) -> None:
    expr = make(data.draw, BarFields()) if make in BAR_NODES else make(data.draw, BarFields().close)
    made = data.draw(bars(wild=False, least=3))
    values = evaluate([expr], bar_arrays(made))[0]
    assert int(np.argmin(np.isnan(values))) == warm_up([expr]).bars - 1


def test_the_random_graphs_reach_every_kernel() -> None:
    """Guards the tests above: a generator that never makes a node proves nothing about it."""
    from saudagar.indicators.evaluate import ordered

    names: set[str] = set()

    @given(exprs=graphs())
    @settings(FIXED, max_examples=300)
    def collect(exprs: list[Expr]) -> None:
        names.update(str(node.kernel.words()[0]) for node in ordered(exprs))

    collect()
    wanted = "EMA SMA WMA RSI ATR ADX MACD BBANDS SUPERTREND STOCH MAX MIN STDDEV PLUS_DI MINUS_DI Lag Pick closed "
    wanted += "SessionVwap PreviousDay OpeningRange add sub mul div neg abs max min gt ge lt le and or not if"
    assert set(wanted.split()) <= names, set(wanted.split()) - names
