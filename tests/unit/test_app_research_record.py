"""From a backtest to its report: what the record holds is what the result tells, open positions included."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from tests.backtests import CALENDAR, INSTRUMENTS, MASTER, bars

from saudagar.app.research_record import record_of
from saudagar.backtest.costs import FlatCosts
from saudagar.backtest.data import Market
from saudagar.backtest.run import Backtest, BacktestResult, run
from saudagar.engine.settings import Plan, Settings
from saudagar.indicators import BarArrays
from saudagar.model import MINUTE, SizeBy, Sizing, StrategyId
from saudagar.research.report import Report, build
from saudagar.research.report_html import render_html
from saudagar.research.report_input import Facts
from saudagar.risk import Limits
from saudagar.strategies.ema_cross import EmaCross

STOCK = INSTRUMENTS[0]
CAPITAL = 10_000_000
FACTS = Facts(title="x", command="saudagar backtest x", version="0", data_hash="b3:0")


def reported(columns: BarArrays) -> tuple[BacktestResult, Report]:
    plan = Plan(
        id=StrategyId("ema"),
        strategy=EmaCross(fast=2, slow=4),
        instruments=(STOCK.id,),
        interval=MINUTE,
        sizing=Sizing(SizeBy.QUANTITY, 10),
    )
    settings = Settings(desk="BT", plans=(plan,), limits=Limits(allowed=frozenset({STOCK.id})))
    market = Market({STOCK.id: columns}, MASTER, CALENDAR)
    result = run(Backtest(settings=settings, market=market, costs=FlatCosts(300), capital=CAPITAL), "engine")
    return result, build(record_of(result, market, FACTS))


def test_a_backtest_becomes_a_report() -> None:
    result, report = reported(bars(5, 1, 0.0008, 0.0, 5, 200))
    assert len(result) > 5
    assert report.metrics.net_profit == result.equity().value[-1] - CAPITAL
    assert report.metrics.trades == len(report.trades) == len(result)
    assert report.metrics.charges == result.costs.sum()
    assert [chart.instrument for chart in report.charts] == [STOCK.id]
    assert FACTS.title in render_html(report)


def test_a_position_never_closed_is_in_the_market() -> None:
    flat = bars(5, 1, 0.0, 0.0, 5, 60)
    close = flat.close + np.maximum(0.0, np.arange(60) - 9.0) * 50
    rising = msgspec.structs.replace(flat, open=close, high=close, low=close, close=close)
    result, report = reported(rising)
    assert not len(result)
    assert result.open_quantity.tolist() == [10]
    assert report.metrics.exposure > 0.7
    assert report.metrics.peak_exposure == pytest.approx(result.open_value[0] / CAPITAL, rel=0.01)
    assert any("Still open" in note for note in report.notes)
