"""Two runs side by side: differences and who has the better of them, what makes it unfair, terminal and page."""

from __future__ import annotations

import io
import json
import re
from datetime import date
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console
from tests.reports import realised_equity

from saudagar.market.ist import DAY, midnight
from saudagar.model import MINUTE
from saudagar.research.compare import as_json, compare, difference, print_comparison
from saudagar.research.report import Report, build, from_json
from saudagar.research.report import as_json as report_json
from saudagar.research.report_compare import render_comparison
from saudagar.research.report_input import Facts, RunRecord, TradeColumns
from saudagar.research.report_metrics import MEASURES

FIRST = midnight(date(2024, 3, 1))


def run(title: str, moves: list[int], names: tuple[str, ...] = ("NSE_EQ:SBIN",), **facts: Any) -> Report:
    """One trade a day of 10 units at ₹100 with the gross `moves` (paise a unit) and ₹1 of charges."""
    count = len(moves)
    start = FIRST + np.arange(count, dtype=np.int64) * DAY + 600 * MINUTE
    flat = np.ones(count, np.int64)
    trades = TradeColumns(
        names=names,
        instrument=np.arange(count, dtype=np.int64) % len(names),
        side=flat,
        quantity=10 * flat,
        entry_ts=start,
        exit_ts=start + 60 * MINUTE,
        entry_value=100_000 * flat,
        exit_value=(10_000 + np.array(moves, np.int64)) * 10,
        charges=100 * flat,
    )
    ts = start + 330 * MINUTE
    known = Facts(title=title, command="saudagar backtest x", version="0.1.0", data_hash="b3:1")
    return build(
        RunRecord(
            facts=msgspec.structs.replace(known, **facts),
            capital=1_000_000,
            trades=trades,
            equity_ts=ts,
            equity=realised_equity(trades, 1_000_000, ts),
        )
    )


A = run("fast", [100, -50, 80, -20, 60])
B = run("slow", [40, -10, 30, -90, 70], ("NSE_EQ:SBIN", "NSE_EQ:TCS"))


def test_a_run_against_itself_differs_in_nothing() -> None:
    both = compare(A, A)
    assert both.titles == ("fast (A)", "fast (B)")
    assert both.warnings == both.facts == ()
    assert all(not line.difference and line.better == 0 for line in both.figures)
    assert {difference(line) for line in both.figures} <= {"same", "–"}
    assert [pair.difference for pair in both.instruments] == [0]


def test_the_curves_share_one_axis_without_nights() -> None:
    """A run of two days beside one of five takes two fifths of the picture; the axis counts an index, not rupees."""
    page = render_comparison(run("short", [100, -50]), run("long", [40, -10, 30, -90, 70]))
    paths = re.findall(r'<path class="line s(\d)" d="M([^"]*)"', page)
    ends = [(number, path.split("L")[-1].split()[0]) for number, path in paths]
    assert ends == [("0", "250.0"), ("1", "1000.0")] * 2
    axis = re.findall(r'class="y"[^>]*>([^<]*)<', page.partition("Drawdown")[0])
    assert 100.0 in map(float, axis)
    assert "₹" not in "".join(axis)


def test_every_figure_has_its_difference() -> None:
    both = compare(A, B)
    assert [line.name for line in both.figures] == [each.name for each in MEASURES]
    for line in both.figures:
        first, second = getattr(A.metrics, line.name), getattr(B.metrics, line.name)
        assert (line.first, line.second) == (first, second)
        if first is not None and second is not None:
            assert line.difference == second - first
    by_name = {line.name: line for line in both.figures}
    assert by_name["net_profit"].difference == 400 - 1_700 + 0
    assert by_name["net_profit"].better == 1
    assert difference(by_name["net_profit"]) == "-₹13.00"
    assert by_name["trades"].better == 0
    assert by_name["deflated_sharpe"].difference is None


def test_less_is_better_where_it_is() -> None:
    costly = msgspec.structs.replace(A, metrics=msgspec.structs.replace(A.metrics, charges=900))
    line = next(line for line in compare(A, costly).figures if line.name == "charges")
    assert (line.difference, line.better) == (400, 1)


def test_instruments_of_either_run_appear_once() -> None:
    pairs = {pair.instrument: pair for pair in compare(A, B).instruments}
    assert set(pairs) == {"NSE_EQ:SBIN", "NSE_EQ:TCS"}
    assert pairs["NSE_EQ:TCS"].first is None
    assert pairs["NSE_EQ:TCS"].difference == pairs["NSE_EQ:TCS"].second
    assert sum(pair.difference for pair in pairs.values()) == B.metrics.net_profit - A.metrics.net_profit


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (run("slow", [1] * 5, data_hash="b3:2"), "different data: b3:1 and b3:2"),
        (run("slow", [1] * 4), "different periods"),
        (run("slow", [1] * 5, version="0.2.0"), "different versions: 0.1.0 and 0.2.0"),
        (run("slow", [1] * 5, assumptions={"fills": "close"}), "different fills"),
        (msgspec.structs.replace(A, capital=500), "different capital"),
    ],
)
def test_what_is_unfair_is_said(other: Report, words: str) -> None:
    (warning,) = compare(A, other).warnings  # and nothing else is
    assert words in warning


def test_only_facts_that_differ_are_listed() -> None:
    other = run("slow", [1] * 5, parameters={"fast": "5"}, seed=3, command="saudagar backtest y")
    facts = {line.name: (line.first, line.second) for line in compare(A, other).facts}
    assert facts == {
        "command": ("saudagar backtest x", "saudagar backtest y"),
        "seed": ("–", "3"),
        "fast": ("–", "5"),
    }


def test_reports_read_back_compare_the_same() -> None:
    assert compare(from_json(report_json(A)), from_json(report_json(B))) == compare(A, B)
    plain = json.loads(as_json(compare(A, B)))
    assert plain["titles"] == ["fast", "slow"]
    assert len(plain["figures"]) == len(MEASURES)


@pytest.mark.parametrize("width", [70, 120])
def test_the_terminal_shows_both(width: int) -> None:
    out = io.StringIO()
    print_comparison(compare(A, run("slow", [1] * 5, data_hash="b3:2")), Console(file=out, width=width))
    text = out.getvalue()
    for words in ("fast against slow", "! The runs saw different data", "Sharpe", "Not the same", "SBIN"):
        assert words in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width


def test_the_page_shows_both() -> None:
    text = render_comparison(A, run("<slow>", [1] * 4, ("NSE_EQ:SBIN", "NSE_EQ:TCS")))
    assert "&lt;slow&gt;" in text
    assert "<slow>" not in text
    assert text.count('class="line s0"') == text.count('class="line s1"') == 2
    for each in MEASURES:
        assert each.label in text
    assert len(text) < 200_000
    same = render_comparison(A, A)
    assert "Not the same" not in same


def test_runs_without_trades_compare() -> None:
    text = render_comparison(run("none", [0]), run("one", [5]))
    assert "none" in text
