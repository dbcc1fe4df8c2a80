"""A user's own indicator: taken when it is causal, refused with the index that gives it away when it is not."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from saudagar import indicators as ind
from saudagar.indicators import BarFields, Indicator, Live, bar_arrays, evaluate, indicator, warm_up
from saudagar.model import DAY, HOUR, IST_AHEAD, MINUTE, Bar, InstrumentId
from saudagar.model.errors import ConfigError

BAR = BarFields()
Array = np.ndarray[Any, Any]


@indicator
def drawdown(x: Array) -> Array:
    """Below the highest so far."""
    return x / np.maximum.accumulate(x) - 1


@indicator(window=5)
def spread(high: Array, low: Array, n: int, scale: float = 1.0) -> Array:
    """Highest high less lowest low."""
    result = np.full(len(high), np.nan)
    for i in range(n - 1, len(high)):
        result[i] = (high[i - n + 1 : i + 1].max() - low[i - n + 1 : i + 1].min()) * scale
    return result


def walk(n: int) -> list[Bar]:
    rng = np.random.default_rng(3)
    start = 20_000 * DAY - IST_AHEAD + 9 * HOUR + 15 * MINUTE
    return [
        Bar(InstrumentId("NSE_EQ:SBIN"), MINUTE, start + i * MINUTE, start + (i + 1) * MINUTE, c, c + 9, c - 9, c, 1)
        for i, c in enumerate((80_000 + np.cumsum(rng.integers(-50, 51, n))).tolist())
    ]


@pytest.mark.parametrize(
    "expr",
    [
        drawdown(BAR.close),
        drawdown(ind.ema(BAR.close, 5)),
        spread(BAR.high, BAR.low, 5, scale=0.5),
        spread(BAR.at("2m").high, BAR.low, 3),
        drawdown(1 / (BAR.close - ind.lag(BAR.close))),  # comes and goes where the price stood still
    ],
    ids=str,
)
def test_batch_and_live_agree(expr: ind.Expr) -> None:
    bars = walk(80)
    live = Live([expr])
    np.testing.assert_array_equal([live.step(bar)[0] for bar in bars], evaluate([expr], bar_arrays(bars))[0])


def test_it_knows_its_warm_up_and_its_name() -> None:
    assert warm_up([spread(BAR.high, BAR.low, 4)]).bars == 4
    assert warm_up([drawdown(ind.sma(BAR.close, 6))]).bars == 6
    assert repr(spread(BAR.high, BAR.low, 4, scale=2.0)) == "spread(high, low, 4, 2.0)"
    assert spread.__doc__ == "Highest high less lowest low."
    assert spread(BAR.high, BAR.low, 4) is spread(BAR.high, BAR.low, 4)


@indicator
def exactly(x: Array, flag: Any) -> Array:
    """Tells True from 1."""
    return x * 2 if flag is True else x


def test_equal_parameters_of_another_kind_are_others() -> None:
    assert exactly(BAR.close, 1) is not exactly(BAR.close, True)
    once, twice = evaluate([exactly(BAR.close, 1), exactly(BAR.close, True)], bar_arrays(walk(3)))
    np.testing.assert_array_equal(2 * once, twice)


def test_it_travels_to_another_process_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, drawdown.__module__, sys.modules[__name__])
    assert pickle.loads(pickle.dumps(drawdown(BAR.close))) is drawdown(BAR.close)


@indicator
def centred(x: Array) -> Array:
    """Looks three bars ahead."""
    return np.array([x[max(0, i - 3) : i + 4].mean() for i in range(len(x))])


@indicator
def normalised(x: Array) -> Array:
    """Knows the mean of the whole series."""
    return (x - x.mean()) / (x.std() + 1)


@indicator
def backfilled(x: Array) -> Array:
    """Fills the warm-up from later values."""
    result = np.convolve(x, [0.5, 0.5])[: len(x)]
    result[0] = result[1] if len(x) > 1 else x[0]
    return result


@indicator(window=3)
def forgetful(x: Array) -> Array:
    """Depends on more than three bars."""
    return np.cumsum(x)


_noise = np.random.default_rng(1)


@indicator
def random(x: Array) -> Array:
    """Never twice the same."""
    return x + _noise.random(len(x))


@indicator
def short(x: Array) -> Array:
    """One value less."""
    return np.diff(x)


@indicator
def words(x: Array) -> Array:
    """No numbers."""
    return np.array(["up"] * len(x))


@indicator
def greedy(x: Array) -> Array:
    """Wants ten bars at least."""
    return x + x[9]


@indicator
def scribbler(x: Array) -> Array:
    """Writes on its input."""
    x[0] = 0
    return x


@indicator
def silent(x: Array) -> Array:
    """Never defined."""
    return np.full(len(x), np.nan)


REFUSED = [
    (centred, r"centred cannot be used: cutting the series at \d+ changes index \d+ from"),
    (normalised, "normalised cannot be used: cutting the series at 1 changes index 0"),
    (backfilled, "changes index 0"),
    (forgetful, r"keeping 3 bars changes index \d+"),
    (random, "computing it twice changes index 0"),
    (short, "must return 1000 numbers"),
    (words, "must return 1000 numbers"),
    (greedy, r"greedy fails on 1 bars: IndexError"),
    (scribbler, "read-only"),
    (silent, "undefined on all of 1000 bars"),
]


@pytest.mark.parametrize(("made", "message"), REFUSED, ids=[str(made) for made, _ in REFUSED])
def test_what_looks_ahead_or_misbehaves_is_refused(made: Indicator, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        made(BAR.close)


def test_the_first_differing_index_is_the_first() -> None:
    """`centred` looks 3 ahead: of the bars before a cut only the last three can change."""
    with pytest.raises(ConfigError) as caught:
        centred(BAR.close)
    words_of = str(caught.value).split()
    cut, index = int(words_of[words_of.index("at") + 1]), int(words_of[words_of.index("index") + 1])
    assert index == max(0, cut - 3)


MISUSED: list[tuple[str, Callable[[], object]]] = [
    ("expressions first", lambda: drawdown(5)),
    ("expressions first", lambda: spread(BAR.high, 5, BAR.low)),
    ("plain values", lambda: spread(BAR.high, BAR.low, [5])),
    ("a number is wanted", lambda: drawdown(BAR.close > 5)),
    ("window must be", lambda: indicator(window=0)),
    ("window must be", lambda: indicator(window=True)),
    ("fails on 1000 bars: TypeError", lambda: drawdown(BAR.close, 5)),
]


@pytest.mark.parametrize(("message", "use"), MISUSED, ids=[str(n) for n in range(len(MISUSED))])
def test_misuse_is_refused(message: str, use: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match=message):
        use()
