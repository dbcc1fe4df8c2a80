"""`saudagar strategy check`: strategies that look ahead are caught, honest ones pass, and the other checks can fail."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from saudagar.app.strategy_commands import app
from saudagar.strategies import BUILT_IN

HEAD = """
import sys
import numpy as np
from pydantic import PrivateAttr
from saudagar.indicators import *
from saudagar.model import Direction
from saudagar.strategies import Signals, Strategy
"""

INDICATOR = """
@indicator
def peek(x):
    {body}

class Planted(Strategy):
    def signals(self, bar):
        line = peek(bar.close)
        return Signals(long=crosses_above(bar.close, line), short=crosses_below(bar.close, line))
"""

BODIES = {
    "tomorrow's close": "return np.roll(x, -1)",
    "a centred average": "return np.convolve(np.pad(x, 2, 'edge'), np.ones(5) / 5, mode='valid')",
    "the mean of everything": "return np.full(len(x), x.mean())",
    "a central difference": "return x - np.gradient(x) if len(x) > 1 else x",
    "the highest still to come": "return np.maximum.accumulate(x[::-1])[::-1]",
    "a rank among all": "return x.mean() + x.argsort().argsort() - len(x) / 2",
    "a smooth line from a Fourier transform": (
        "f = np.fft.rfft(x); f[max(1, len(f) // 8):] = 0; return np.fft.irfft(f, len(x))"
    ),
    "tomorrow, on long series only": "return np.roll(x, -1) if len(x) > 1_000 else x - 1",
    "tomorrow, at certain prices only": "return np.where(x > 110_000, np.roll(x, -1), x - 1)",
}

STASH = """
SEEN = np.empty(0)

@indicator
def stash(x):
    global SEEN
    SEEN = x
    return x

class Planted(Strategy):
    _at: dict = PrivateAttr(default_factory=dict)

    def signals(self, bar):
        return Signals(exit_long=stash(bar.close) < 0)

    def on_bar(self, ctx, bar):
        at = self._at[bar.instrument] = self._at.get(bar.instrument, -1) + 1
        if at + 1 < len(SEEN):
            ctx.want(Direction.LONG if SEEN[at + 1] > SEEN[at] else Direction.SHORT, "knows the next close")
"""

MEMORY = """
KNOWN = {}

class Planted(Strategy):
    def on_bar(self, ctx, bar):
        KNOWN[bar.instrument, bar.end] = bar.close
        later = KNOWN.get((bar.instrument, bar.end + bar.interval))
        if later is not None and later > bar.close:
            ctx.want(Direction.LONG, "remembers the run before")
"""

FRAMES = """
class Planted(Strategy):
    def on_bar(self, ctx, bar):
        frame = sys._getframe()
        while frame is not None:
            bars = getattr(frame.f_locals.get("self"), "_bars", None)
            if bars is not None:
                at = int(np.searchsorted(bars.end, bar.end))
                if at + 1 < len(bars) and bars.close[at + 1] > bar.close:
                    ctx.want(Direction.LONG, "read it in the caller's hand")
                return
            frame = frame.f_back
"""

PLANTED = {
    **{name: INDICATOR.format(body=body) for name, body in BODIES.items()},
    "what its own indicator was shown": STASH,
    "what an earlier run left behind": MEMORY,
    "the bars of whoever calls": FRAMES,
}

CLEAN = {
    "a median of its own": """
@indicator(window=9)
def median(x):
    return np.array([np.median(x[max(0, i - 8) : i + 1]) for i in range(len(x))])

class Clean(Strategy):
    def signals(self, bar):
        middle = median(bar.close)
        return Signals(long=crosses_above(bar.close, middle), short=crosses_below(bar.close, middle))
""",
    "a higher interval and yesterday": """
class Clean(Strategy):
    def signals(self, bar):
        trend = ema(bar.at("15m").close, 5)
        return Signals(long=crosses_above(bar.close, trend) & (bar.close > previous_day_close(bar)),
                       exit_long=crosses_below(bar.close, vwap(bar)))
""",
    "its own position": """
class Clean(Strategy):
    def signals(self, bar):
        return Signals(long=crosses_above(rsi(bar.close, 14), 40))

    def on_bar(self, ctx, bar):
        if ctx.position > 0 and bar.close * 1000 >= ctx.entry_price * 1003:
            ctx.want(Direction.FLAT, "0.3 % reached")
""",
    "its own memory": """
class Clean(Strategy):
    _best: dict = PrivateAttr(default_factory=dict)

    def on_bar(self, ctx, bar):
        best = self._best.get(bar.instrument, bar.high)
        if bar.close > best:
            ctx.want(Direction.LONG, "a new high")
        self._best[bar.instrument] = max(best, bar.high)
""",
}


def checked(*arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and the findings by check."""
    done = CliRunner().invoke(app, ["check", *arguments, "--json"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    findings: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return done.exit_code, {each["check"]: each for each in findings}


def written(folder: Path, source: str) -> str:
    file = folder / "a_strategy.py"
    file.write_text(HEAD + textwrap.dedent(source), encoding="utf-8")
    return str(file)


@pytest.mark.unmeasured
@pytest.mark.parametrize("source", PLANTED.values(), ids=PLANTED)
def test_a_strategy_that_looks_ahead_is_caught(source: str, tmp_path: Path) -> None:
    code, findings = checked(written(tmp_path, source))
    assert code == 1
    failed = {name: each["detail"] for name, each in findings.items() if each["verdict"] == "fail"}
    refused = "graph" in failed and "cannot be used" in failed["graph"]
    assert refused or "look-ahead" in failed["causality"]


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_strategy_passes(name: str) -> None:
    code, findings = checked(name)
    assert code == 0
    assert findings["causality"]["verdict"] == findings["determinism"]["verdict"] == "pass"


@pytest.mark.unmeasured
@pytest.mark.parametrize("source", CLEAN.values(), ids=CLEAN)
def test_a_clean_strategy_passes(source: str, tmp_path: Path) -> None:
    code, findings = checked(written(tmp_path, source))
    assert (code, findings["causality"]["verdict"]) == (0, "pass")


OTHER_FAILURES = {
    "determinism": """
class Dice(Strategy):
    def on_bar(self, ctx, bar):
        if np.random.random() < 0.01:
            ctx.want(Direction.LONG, "felt like it")
""",
    "one-tick noise": """
class Exact(Strategy):
    def signals(self, bar):
        same = (bar.close >= lag(bar.close)) & (bar.close <= lag(bar.close)) & (lag(bar.close, 2) > bar.close)
        return Signals(long=same & (lag(bar.close, 3) <= bar.close) & (lag(bar.close, 3) >= bar.close))
""",
    "graph": """
class Silent(Strategy):
    pass
""",
    "charges": """
class Broken(Strategy):
    def on_bar(self, ctx, bar):
        raise ZeroDivisionError("of its own")
""",
}


@pytest.mark.parametrize("check", OTHER_FAILURES)
def test_the_other_checks_can_fail(check: str, tmp_path: Path) -> None:
    code, findings = checked(written(tmp_path, OTHER_FAILURES[check]))
    assert (code, findings[check]["verdict"]) == (1, "fail")


def test_thin_warm_up_and_heavy_charges_are_warned_of(tmp_path: Path) -> None:
    source = """
    class Nervous(Strategy):
        def signals(self, bar):
            quick = ema(bar.close, 2)
            return Signals(long=crosses_above(quick, bar.open), short=crosses_below(quick, bar.open))
    """
    code, findings = checked(written(tmp_path, source))
    assert (code, findings["charges"]["verdict"]) == (0, "warn")
    assert checked("rsi_reversion")[1]["warm-up"]["verdict"] == "warn"
    long = checked("ema_cross", "--set", "fast=400", "--set", "slow=1000")[1]["warm-up"]
    assert (long["verdict"], "needs 1001 bars" in long["detail"]) == ("warn", True)


def test_where_nothing_was_decided_nothing_is_praised(tmp_path: Path) -> None:
    source = """
    class Never(Strategy):
        def signals(self, bar):
            return Signals(long=bar.close < 0)
    """
    code, findings = checked(written(tmp_path, source))
    assert code == 0
    assert {name for name, each in findings.items() if each["verdict"] == "pass"} == {"graph"}


@pytest.mark.unmeasured
def test_a_strategy_that_wakes_late_is_cut_where_it_decides(tmp_path: Path) -> None:
    late = PLANTED["what its own indicator was shown"].replace("if at + 1 <", "if 2_000 < at + 1 <")
    code, findings = checked(written(tmp_path, late))
    assert (code, findings["causality"]["verdict"]) == (1, "fail")


def test_a_parameter_without_a_default_is_asked_for(tmp_path: Path) -> None:
    file = written(tmp_path, "class Wanting(Strategy):\n    length: int\n")
    done = CliRunner().invoke(app, ["check", file])
    assert done.exit_code == 2
    assert "length is wanted: --set length=…" in done.stderr


def test_the_table_says_what_and_where(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["check", written(tmp_path, PLANTED["tomorrow, on long series only"])])
    assert done.exit_code == 1
    assert "fail  causality" in done.stdout
    assert "look-ahead: with the bars after number" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nosuch.py"], 2, "does not exist"),
        (["ema_cros"], 2, "Did you mean 'ema_cross'?"),
        (["ema_cross", "--set", "fast=1"], 2, "fast: Input should be greater than or equal to 2"),
        (["ema_cross", "--set", "slwo=4"], 2, "there is no parameter 'slwo'; parameters are fast, slow."),
        (["ema_cross", "--symbol", "NSE_EQ:TCS"], 3, "no bars of NSE_EQ:TCS"),
        (["ema_cross", "--symbol", "NSE_EQ:TCS", "--interval", "1 minute"], 3, "an interval"),
    ],
)
def test_a_wrong_command_line(
    arguments: list[str], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["check", *arguments])
    assert done.exit_code == code
    assert words in done.stderr
