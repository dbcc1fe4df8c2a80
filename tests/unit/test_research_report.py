"""The report of a run: figures from columns, and columns that cannot be."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console
from tests.reports import THREE, columns, ints, record

from saudagar.market.ist import DAY
from saudagar.model import MINUTE
from saudagar.model.errors import DataError
from saudagar.research.report import build
from saudagar.research.report_html import render_html
from saudagar.research.report_metrics import MEASURES, Metrics, exposure_curve, held_points, measure
from saudagar.research.report_text import print_report


def test_money_adds_up() -> None:
    figures = measure(record(columns(*THREE)))
    assert (figures.gross_profit, figures.charges, figures.net_profit) == (10_000, 1_200, 8_800)
    assert figures.trades == 3
    assert figures.win_rate == pytest.approx(2 / 3)
    assert figures.expectancy == pytest.approx(8_800 / 3)
    assert (figures.best_trade, figures.worst_trade) == (9_700, -5_400)
    assert figures.payoff_ratio == pytest.approx((9_700 + 4_500) / 2 / 5_400)
    assert figures.profit_factor == pytest.approx(14_200 / 5_400)
    assert figures.charges_share == pytest.approx(0.12)
    assert figures.charges_of_turnover == pytest.approx(1_200 / (210_000 + 205_000 + 225_000))
    assert figures.average_holding == (1 + 3 + 30) * DAY // 3 + 100 * MINUTE
    assert (figures.longest_winning_streak, figures.longest_losing_streak) == (1, 1)
    assert figures.total_return == pytest.approx(0.0088)


def test_exposure_counts_points_that_saw_a_position() -> None:
    run = record(columns(*THREE))
    held = held_points(run)
    assert np.flatnonzero(held).tolist() == [1, 2, 3, 4, 5, *range(6, 37)]
    share = exposure_curve(run)
    assert share[0] == 0
    assert share[1] == pytest.approx(0.1)  # 100,000 of 1,000,000
    assert share[2] == pytest.approx(200_000 / run.equity[2])  # the one still open when the other began: both
    assert share[37:].tolist() == [0, 0, 0]


def test_intraday_trades_between_two_closes_are_seen() -> None:
    run = record(columns(("NSE_EQ:SBIN", 1, 10, 3, 3, 10_000, 10_000, 0)))
    assert np.flatnonzero(held_points(run)).tolist() == [3]
    assert np.flatnonzero(exposure_curve(run)).tolist() == [3]


def test_no_trades_is_a_report_too() -> None:
    report = build(record(columns()))
    assert report.metrics.trades == 0
    assert report.metrics.sharpe is None
    assert report.metrics.profit_factor is None
    assert report.instruments == report.trades == ()
    assert "No round trip was closed." in render_html(report)
    print_report(report, Console(file=io.StringIO(), width=80))


def test_a_ruined_account_is_told_not_divided() -> None:
    report = build(record(columns(*THREE), equity=np.linspace(1_000_000, -50_000, 40).astype(np.int64)))
    assert report.metrics.cagr is None
    assert report.metrics.net_profit == -1_050_000
    assert any("ruined" in note for note in report.notes)
    assert report.months == ()
    assert "ruined" in render_html(report)


def test_deflated_only_where_trials_were_made() -> None:
    run = record(columns(*THREE))
    assert measure(run).deflated_sharpe is None
    figures = measure(run, trials=50, trial_variance=0.01)
    assert figures.deflated_sharpe is not None
    assert figures.probabilistic_sharpe is not None
    assert figures.deflated_sharpe < figures.probabilistic_sharpe
    assert any("Overfit" in note for note in build(run, trials=50, trial_variance=0.01).notes)


@pytest.mark.parametrize("options", [{"risk_free": float("nan")}, {"risk_free": -2}, {"periods": 0}])
def test_rates_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        measure(record(columns(*THREE)), **options)


def test_every_figure_is_described_once() -> None:
    assert sorted(each.name for each in MEASURES) == sorted(Metrics.__struct_fields__)
    assert {each.kind for each in MEASURES} == {"money", "percent", "ratio", "count", "days", "time"}


# -- columns ----------------------------------------------------------------------------------------------------------


def test_columns_of_trades() -> None:
    made = columns(("NSE_EQ:TCS", 1, 3, 1, 5, 100, 90, 9), ("NSE_EQ:SBIN", -1, 3, 2, 9, 100, 90, 7))
    assert made.names == ("NSE_EQ:SBIN", "NSE_EQ:TCS")
    assert made.instrument.tolist() == [1, 0]
    assert made.net.tolist() == [-30 - 9, 30 - 7]
    assert [made.gross.tolist(), made.turnover.tolist()] == [[-30, 30], [570, 570]]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("side", ints(1, 2, 1), r"side must be \+1 or -1; trade 1"),
        ("side", np.array([1.0, -1.0, 1.0]), "int64 array of 3"),
        ("quantity", ints(1, 0, 1), "quantity must be above zero; trade 1"),
        ("quantity", [1, 2, 3], "int64 array of 3 values, got list"),
        ("entry_value", ints(1, 1), "int64 array of 3"),
        ("entry_value", ints(1, 1, 0), "entry_value must be above zero"),
        ("entry_ts", ints(1 << 62, 0, 0), "exit_ts must not be before"),
        ("exit_ts", ints(1 << 62, 1 << 61, 1 << 62), "in the order of their exits"),
        ("instrument", ints(0, 2, 0), "index the 2 names"),
        ("exit_reason", ["x"], "one text per trade or none"),
    ],
)
def test_bad_columns_are_refused(field: str, value: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        msgspec.structs.replace(columns(*THREE), **{field: value})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"capital": 0}, "capital must be above zero"),
        ({"equity_ts": ints(), "equity": ints()}, "at least one point"),
        ({"equity_ts": ints(5, 5), "equity": ints(1, 1)}, "equity_ts must rise"),
        ({"equity": np.array([np.nan])}, "int64"),
    ],
)
def test_bad_outcomes_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        msgspec.structs.replace(record(columns(*THREE)), **changes)
