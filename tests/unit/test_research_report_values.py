"""The report as values: splits, largest trades, candles, curves that are thinned, JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reports import HELD, THREE, big, columns, record

from saudagar.model.errors import DataError
from saudagar.research.report import as_json, build, from_json, histogram, thin
from saudagar.research.report_html import render_html


def test_splits_add_up_to_the_whole() -> None:
    report = build(record(columns(*THREE), charges={"brokerage": 700, "stt": 400, "dp": 0}, open=(HELD,)))
    assert [(line.instrument, line.net) for line in report.instruments] == [
        ("NSE_EQ:SBIN", 14_200),
        ("NSE_EQ:TCS", -5_400),
    ]
    assert report.instruments[0].profit_factor is None  # nothing lost
    assert report.charges == {"brokerage": 700, "stt": 400, "rounding and open positions": 100}
    assert "STT" in render_html(report)
    assert sum(report.charges.values()) == report.metrics.charges
    grown = np.prod([1 + line.value for line in report.months]) - 1
    assert grown == pytest.approx(report.metrics.total_return)
    assert [(line.year, line.month) for line in report.months] == [(2024, 1), (2024, 2)]
    assert any("Still open" in note for note in report.notes)


def test_the_largest_trades_are_kept_in_order() -> None:
    report = build(big(500, 2_000, 2), most_trades=20)
    assert len(report.trades) == 20
    assert report.metrics.trades == 500
    assert [line.exit_ts for line in report.trades] == sorted(line.exit_ts for line in report.trades)
    assert max(abs(line.net) for line in report.trades) == max(abs(n) for n in big(500, 2_000, 2).trades.net.tolist())


def test_candles_keep_the_extremes() -> None:
    report = build(big(50, 20_000, 3))
    assert len(report.charts) == 3
    for chart in report.charts:
        assert len(chart.ts) <= 8_000 // 3
        assert chart.bars_per_candle > 1
        source = big(50, 20_000, 3).prices[chart.instrument]
        assert (max(chart.high), min(chart.low)) == (source.high.max(), source.low.min())
        assert (chart.open[0], chart.close[-1], chart.ts[-1]) == (source.open[0], source.close[-1], source.ts[-1])


def test_json_carries_all_of_it() -> None:
    report = build(record(columns(*THREE)))
    assert from_json(as_json(report)) == report
    assert json.loads(as_json(report))["metrics"]["net_profit"] == 8_800
    for text in (b"{}", b"no json", b"[1]"):
        with pytest.raises(DataError, match="no report written by --json"):
            from_json(text)


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=400), st.integers(2, 60))
def test_thinning_keeps_ends_and_extremes(values: list[int], most: int) -> None:
    array = np.array(values, np.int64)
    kept = thin(array, most)
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    assert {array[kept].min(), array[kept].max()} == {array.min(), array.max()}
    assert len(kept) <= most + 2
    assert (np.diff(kept) > 0).all()


@given(st.lists(st.floats(-0.5, 0.5), max_size=200))
def test_histograms_count_everything_and_part_at_zero(values: list[float]) -> None:
    made = histogram(np.array(values))
    if made is None:
        assert len(values) < 2 or np.ptp(values) == 0
        return
    assert sum(made.counts) == len(values)
    assert len(made.edges) == len(made.counts) + 1 <= 44
    assert min(abs(edge) for edge in made.edges) == 0
