"""Strategies, their exits and sizes, and how they are found."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from saudagar.indicators import BarFields, Live
from saudagar.model import MINUTE, Bar, InstrumentId, Offset, Protection, SizeBy, Sizing
from saudagar.model.errors import ConfigError
from saudagar.strategies import BUILT_IN, Exits, Signals, Size, Strategy, load

BAR = BarFields(5 * MINUTE)


def bars(closes, volumes=None):
    volumes = volumes or [100] * len(closes)
    day = 1_795_145_400_000_000_000  # 2026-11-20 09:00 IST
    for n, (close, volume) in enumerate(zip(closes, volumes, strict=True)):
        start = day + 15 * MINUTE + n * 5 * MINUTE
        yield Bar(InstrumentId("NSE_EQ:X"), 5 * MINUTE, start, start + 5 * MINUTE, close, close, close, close, volume)


def fired(strategy: Strategy, closes, volumes=None) -> list[str]:
    signals = strategy.signals(BAR)
    live = Live([signals.long, signals.short])
    words = []
    for bar in bars(closes, volumes):
        long, short = live.step(bar)
        words.append("L" if long == 1 else "S" if short == 1 else ".")
    return words


def test_ema_cross_turns_with_the_trend():
    words = fired(load("ema_cross")(fast=2, slow=3), [100, 100, 100, 100, 110, 120, 100, 80])
    assert words[4] == "L"
    assert "S" in words[6:]
    assert words.count("L") == 1


def test_volume_breakout_wants_a_crowd():
    quiet = [100] * 6 + [110]
    assert fired(load("volume_breakout")(lookback=3), quiet)[-1] == "."
    assert fired(load("volume_breakout")(lookback=3), quiet, [100] * 6 + [900])[-1] == "L"
    assert fired(load("volume_breakout")(lookback=3), [100] * 6 + [90], [100] * 6 + [900])[-1] == "S"


def test_opening_range_waits_for_its_lines():
    words = fired(load("opening_range")(minutes=10), [100, 105, 104, 106, 104, 99])
    assert words == [".", ".", ".", "L", ".", "S"]


def test_a_strategy_without_signals_says_nothing():
    assert Strategy().signals(BAR) == Signals()


@pytest.mark.parametrize(
    ("text", "atr", "offset"),
    [
        ("1%", 0, Offset(ppm=10_000)),
        ("0.05 %", 0, Offset(ppm=500)),
        ("2.50", 0, Offset(points=250)),
        (25, 0, Offset(points=2_500)),
        ("2atr", 130.4, Offset(points=261)),
        ("1.5ATR", 0.0, Offset(points=1)),
    ],
)
def test_distances_as_people_write_them(text, atr, offset):
    exits = Exits(stop=text)
    assert exits.protection(atr).stop == offset
    assert exits.needs_atr is ("atr" in str(text).lower())
    assert (exits.atr_expr(BAR) is not None) is exits.needs_atr


@pytest.mark.parametrize("bad", ["", "abc", "-1%", "1%%", True, None.__class__, "0%", "0", [1], "1e5", "nan"])
def test_distances_that_make_no_sense(bad):
    with pytest.raises(ValidationError):
        Exits(stop=bad)


@pytest.mark.parametrize("name", ["stop", "trail"])
def test_half_the_price_is_no_protection(name):
    with pytest.raises(ValidationError, match="no protection"):
        Exits(**{name: "50%"})
    Exits(**{name: "49%"}, target="80%")


def test_exits_become_a_plan():
    exits = Exits(stop="1%", target="2%", trail="3%", break_even="1", max_minutes=2)
    assert exits.protection() == Protection(
        stop=Offset(ppm=10_000),
        target=Offset(ppm=20_000),
        trail=Offset(ppm=30_000),
        break_even=Offset(points=100),
        max_age=2 * MINUTE,
    )
    assert Exits().protection() == Protection()
    assert Exits(stop=exits.stop).stop == exits.stop


@pytest.mark.parametrize(
    ("given", "sizing"),
    [
        ({"risk": "1500.50"}, Sizing(SizeBy.RISK, 150_050)),
        ({"value": 1000}, Sizing(SizeBy.VALUE, 100_000)),
        ({"quantity": 5}, Sizing(SizeBy.QUANTITY, 5)),
        ({"lots": 2}, Sizing(SizeBy.LOTS, 2)),
    ],
)
def test_sizes(given, sizing):
    assert Size(**given).sizing() == sizing


@pytest.mark.parametrize("bad", [{}, {"risk": 1, "lots": 1}, {"risk": 0}, {"lots": -1}, {"quantity": 1.5}, {"x": 1}])
def test_sizes_that_make_no_sense(bad):
    with pytest.raises(ValidationError):
        Size(**bad)


def test_every_built_in_strategy_is_found():
    for name in BUILT_IN:
        assert issubclass(load(name), Strategy)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("ema_cros", "Did you mean 'ema_cross'"),
        ("zzz", "Built-in: ema_cross"),
        ("none.py:Mine", "does not exist"),
        ("mine.py:Absent", "names no subclass"),
        ("mine.py:Other", "names no subclass"),
        ("broken.py:Mine", "ZeroDivisionError"),
        ("mine.txt:Mine", "is not a Python file"),
    ],
)
def test_what_cannot_be_found_says_why(kind, word, tmp_path):
    (tmp_path / "mine.py").write_text("from saudagar.strategies import Strategy\nclass Other: ...\n")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(ConfigError) as error:
        load(kind, tmp_path)
    assert word in str(error.value)


def test_a_strategy_of_the_users_own(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from saudagar.strategies import Signals, Strategy\n"
        "class Mine(Strategy):\n"
        "    def signals(self, bar):\n"
        "        return Signals(long=bar.close > 100)\n"
    )
    assert fired_long(load("mine.py:Mine", tmp_path)()) == [False, True]


def fired_long(strategy: Strategy) -> list[bool]:
    live = Live([strategy.signals(BAR).long])
    return [live.step(bar)[0] == 1 for bar in bars([100, 101])]


@pytest.mark.parametrize("name", ["long", "short", "exit_long", "exit_short"])
def test_a_signal_that_is_a_number_is_refused(name: str) -> None:
    close = BarFields().close
    Signals(**{name: close > 5.0})
    with pytest.raises(ConfigError, match="condition is wanted"):
        Signals(**{name: close - 5.0})
