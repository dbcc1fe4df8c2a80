"""Two drivers, one truth: the compiled kernel tells the engine's round trips, to the paisa.

Random strategies, exits, sizes, limits, hours, order types and slippage on random markets with gaps and holes; see
`tests.backtests`. Kernels are compiled into ``var/kernels`` on the first run and found there on later ones.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backtests import bars, differences

from saudagar.backtest.compiled import fma
from saudagar.backtest.fuse import fuse, signals_only
from saudagar.indicators import (
    BarFields,
    Expr,
    crosses_above,
    ema,
    evaluate,
    if_else,
    lag,
    maximum,
    minimum,
    rolling_max,
    rolling_min,
    rsi,
    sma,
    vwap,
)

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "var" / "kernels"


@pytest.fixture(autouse=True)
def _kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAUDAGAR_CACHE", str(KERNELS))


@pytest.mark.unmeasured
@pytest.mark.parametrize(("count", "most"), [(1_400, 1), (700, 3)], ids=["alone", "together"])
def test_kernel_and_engine_tell_the_same_round_trips(count: int, most: int) -> None:
    wrong, trips = differences(range(count), most)
    assert not wrong, "\n".join(wrong[:5])
    assert trips > 3 * count


@pytest.mark.unmeasured
@pytest.mark.parametrize("kind", ["close", "detail"])
def test_they_do_so_at_the_close_and_along_finer_bars(kind: str) -> None:
    wrong, trips = differences(range(60), 1, kind)
    more, others = differences(range(60), 3, kind)
    assert not wrong + more, "\n".join((wrong + more)[:5])
    assert trips + others > 250


@pytest.mark.unmeasured
def test_they_refuse_alike_where_the_cash_is_short() -> None:
    """Sizes of every kind, losses that eat the money, at the open, at the close and along finer bars."""
    wrong, trips = differences(range(150), 1, "cash")
    more, others = differences(range(250), 3, "cash")
    assert not wrong + more, "\n".join((wrong + more)[:5])
    assert trips + others > 800


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["open", "close", "detail", "cash"])
@pytest.mark.parametrize("most", [1, 3], ids=["alone", "together"])
def test_kernel_and_engine_agree_on_many_more(most: int, kind: str) -> None:
    wrong, _ = differences(range(10_000, 20_000), most, kind)
    assert not wrong, "\n".join(wrong[:5])


@pytest.mark.parametrize("most", [1, 3], ids=["alone", "together"])
def test_the_kernel_is_plain_python_too(most: int, tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "SAUDAGAR_CACHE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.backtests", "0", "40", str(most)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


FIELDS = BarFields()
NUMBERS = st.recursive(
    st.sampled_from([FIELDS.open, FIELDS.high, FIELDS.low, FIELDS.close, FIELDS.volume, vwap(FIELDS)]),
    lambda inner: st.one_of(
        st.builds(ema, inner, st.integers(1, 9)),
        st.builds(sma, inner, st.integers(1, 9)),
        st.builds(rsi, inner, st.integers(2, 9)),
        st.builds(rolling_max, inner, st.integers(2, 9)),
        st.builds(rolling_min, inner, st.integers(2, 9)),
        st.builds(lag, inner, st.integers(1, 5)),
        st.builds(lambda a, b: a + b, inner, inner),
        st.builds(lambda a, b: a - b, inner, inner),
        st.builds(lambda a, b: a / b, inner, inner),
        st.builds(lambda a: abs(-a) * 0.5, inner),
        st.builds(maximum, inner, inner),
        st.builds(minimum, inner, inner),
        st.builds(lambda a, b: if_else(a > b, a, b), inner, inner),
    ),
    max_leaves=5,
)
CONDITIONS = st.recursive(
    st.one_of(
        st.builds(lambda a, b: a > b, NUMBERS, NUMBERS),
        st.builds(lambda a, b: a <= b, NUMBERS, NUMBERS),
        st.builds(lambda a, b: a >= b, NUMBERS, NUMBERS),
        st.builds(lambda a, b: a < b, NUMBERS, NUMBERS),
        st.builds(crosses_above, NUMBERS, NUMBERS),
        st.builds(lambda a, b: FIELDS.at("5m").close > a + 0 * b, st.just(FIELDS.close), NUMBERS),
    ),
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
        st.builds(lambda a: ~a, inner),
        st.builds(lag, inner, st.integers(1, 4)),
        st.builds(lambda a, b, c: if_else(a, b, c), inner, inner, inner),
    ),
    max_leaves=4,
)


@settings(max_examples=120, deadline=None)
@given(long=CONDITIONS, short=CONDITIONS, atr=NUMBERS, seed=st.integers(0, 9))
def test_a_fused_loop_gives_the_bits_of_the_graph(long: Expr, short: Expr, atr: Expr, seed: int) -> None:
    market = bars(seed, 2, 0.0008, 0.1, 5, 60)
    fused = fuse([long, short, atr])
    text = signals_only(fused, ["long", "short", "atr"])
    scope: dict[str, object] = {"np": np, "nan": np.nan, "fma": fma, "kept": lambda function: function}
    exec(text[text.index("@kept") :], scope)
    n = len(market)
    bits, atrs = np.zeros(n, np.uint8), np.full(n, np.nan)
    columns = (market.open, market.high, market.low, market.close, market.volume)
    with np.errstate(all="ignore"):
        scope["run"](n, *columns, *fused.arrays(market), np.array(fused.values or (0.0,)), bits, atrs)  # type: ignore[operator]
    wanted_long, wanted_short, wanted_atr = evaluate([long, short, atr], market)
    assert (bits[1:] & 1).tolist() == wanted_long[:-1].astype(int).tolist()
    assert (bits[1:] >> 1).tolist() == wanted_short[:-1].astype(int).tolist()
    assert np.array_equal(atrs[1:], wanted_atr[:-1], equal_nan=True)
