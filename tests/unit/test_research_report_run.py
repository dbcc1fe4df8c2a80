"""From a replay to a report: equity at every bar against a plain loop, open positions, charges by kind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saudagar.backtest.replay import replay_bars
from saudagar.backtest.result import Result, flat_costs
from saudagar.engine.settings import Hours, Plan, Settings
from saudagar.exchange.universe import universe
from saudagar.execution.steering import Tactics
from saudagar.indicators import BarArrays
from saudagar.market.charges import Charges
from saudagar.market.ist import at
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, InstrumentId, OrderType, SizeBy, Sizing, StrategyId
from saudagar.model.errors import DataError
from saudagar.research.report import build
from saudagar.research.report_html import render_html
from saudagar.research.report_input import Facts, OpenPosition, PriceColumns, TradeColumns
from saudagar.research.report_run import charges_by_kind, marked_equity, record_of
from saudagar.risk import Limits
from saudagar.strategies.ema_cross import EmaCross

STOCK = universe(2)[1]
DAY = date(2026, 6, 1)
FACTS = Facts(title="x", command="saudagar backtest x", version="0", data_hash="b3:0")


def bars(closes: Sequence[float]) -> BarArrays:
    start = [at(DAY, "09:15") + number * MINUTE for number in range(len(closes))]
    first = [closes[0], *closes[:-1]]
    return BarArrays.from_columns(
        interval=MINUTE,
        start=start,
        end=[each + MINUTE for each in start],
        open=first,
        high=[max(pair) for pair in zip(first, closes, strict=True)],
        low=[min(pair) for pair in zip(first, closes, strict=True)],
        close=closes,
        volume=[100] * len(closes),
    )


def replay(columns: BarArrays) -> Result:
    plan = Plan(
        id=StrategyId("ema"),
        strategy=EmaCross(fast=2, slow=4),
        instruments=(STOCK.id,),
        interval=MINUTE,
        sizing=Sizing(SizeBy.QUANTITY, 10),
    )
    settings = Settings(
        desk="BT",
        plans=(plan,),
        limits=Limits(allowed=frozenset({STOCK.id})),
        tactics=Tactics(entry_type=OrderType.MARKET),
        hours=Hours(),
    )
    return replay_bars(settings, {STOCK.id: columns}, Master(DAY, (STOCK,)), Calendar(), flat_costs(300))


def wave(size: int = 200) -> BarArrays:
    steps = np.random.default_rng(3).integers(-8, 9, size) * 5
    return bars((50_000 + np.cumsum(steps)).astype(float).tolist())


def test_a_replay_becomes_a_report() -> None:
    columns = wave()
    result = replay(columns)
    assert len(result.trades) > 5
    record = record_of(result, {STOCK.id: columns}, 10_000_000, FACTS)
    report = build(record)
    open_profit = sum(each.profit(int(columns.close[-1])) for each in result.open)
    assert report.metrics.net_profit == result.net + open_profit
    assert report.metrics.trades == len(result.trades)
    assert report.metrics.charges == sum(result.costs)
    assert [chart.instrument for chart in report.charts] == [STOCK.id]
    assert len(report.trades) == len(result.trades)
    assert report.facts.title in render_html(report)


def test_equity_of_a_replay_equals_a_plain_loop() -> None:
    columns = wave()
    result = replay(columns)
    record = record_of(result, {STOCK.id: columns}, 10_000_000, FACTS)
    for moment, close, told in zip(columns.end.tolist(), columns.close.tolist(), record.equity.tolist(), strict=True):
        worth = 10_000_000
        for trade, cost in zip(result.trades, result.costs, strict=True):
            if trade.exit_ts <= moment:
                worth += trade.gross - cost
            elif trade.entry_ts <= moment:
                worth += trade.side.sign * (trade.quantity * int(close) - trade.entry_value)
        for position in result.open:
            if position.opened <= moment:
                worth += position.profit(int(close))
        assert told == worth


@given(
    st.lists(
        st.tuples(st.integers(0, 29), st.integers(0, 29), st.sampled_from([-1, 1]), st.integers(1, 9)), max_size=12
    ),
    st.lists(st.tuples(st.integers(0, 29), st.sampled_from([-1, 1]), st.integers(1, 9)), max_size=3),
    st.lists(st.integers(50, 150), min_size=30, max_size=30),
)
def test_equity_ends_at_what_everything_is_worth(
    rows: list[tuple[int, int, int, int]], still: list[tuple[int, int, int]], closes: list[int]
) -> None:
    close = np.array(closes, np.int64)
    ts = np.arange(30, dtype=np.int64)
    rows = sorted(((min(a, b), max(a, b), side, size) for a, b, side, size in rows), key=lambda row: row[1])
    given = np.array(rows, np.int64).reshape(-1, 4)
    entry, leave, side, size = given.T.copy()
    trades = TradeColumns(
        names=("A",),
        instrument=np.zeros(len(rows), np.int64),
        side=side,
        quantity=size,
        entry_ts=entry,
        exit_ts=leave,
        entry_value=close[entry] * size,
        exit_value=close[leave] * size,
        charges=size,
    )
    held = [
        OpenPosition(instrument="A", quantity=sign * units, entry_ts=when, entry_value=closes[when] * units)
        for when, sign, units in still
    ]
    prices = {"A": PriceColumns(ts=ts, open=close, high=close, low=close, close=close)}
    equity = marked_equity(trades, held, prices, 1_000, ts)
    # Bar by bar, what is held earns the change of the close; a charge falls due with its exit.
    expected = 1_000
    for moment in range(30):
        if moment:
            units = sum(s * q for a, b, s, q in rows if a < moment <= b) + sum(s * q for a, s, q in still if a < moment)
            expected += units * (closes[moment] - closes[moment - 1])
        expected -= sum(q for _, b, _, q in rows if b == moment)
        assert equity[moment] == expected


def test_a_position_never_closed_is_in_the_market() -> None:
    columns = bars([10_000.0 + 5 * number for number in range(60)])
    result = replay(bars([*([10_000.0] * 10), *(10_000.0 + 50 * number for number in range(50))]))
    assert not result.trades
    assert len(result.open) == 1
    report = build(record_of(result, {STOCK.id: columns}, 10_000_000, FACTS))
    assert report.metrics.exposure > 0.7
    assert report.metrics.peak_exposure == pytest.approx(result.open[0].entry_value / 10_000_000, rel=0.01)
    assert any("Still open" in note for note in report.notes)


def test_what_cannot_be_valued_is_refused() -> None:
    columns = wave()
    result = replay(columns)
    with pytest.raises(DataError, match="no prices to value it at"):
        record_of(result, {InstrumentId("NSE_EQ:OTHER"): columns}, 10_000_000, FACTS)
    with pytest.raises(DataError, match="at least one point"):
        record_of(Result(**_NOTHING), {}, 10_000_000, FACTS)
    with pytest.raises(DataError, match="whole paise"):
        record_of(result, {STOCK.id: bars((columns.close + 0.5).tolist())}, 10_000_000, FACTS)


_NOTHING: dict[str, Any] = {
    "trades": (),
    "open": (),
    "costs": (),
    "orders": 0,
    "fills": 0,
    "denials": {},
    "visited": 0,
}


def test_charges_by_kind() -> None:
    one = Charges(brokerage=Decimal("20"), stt=Decimal("1.2345"))
    assert charges_by_kind([one, one])["brokerage"] == 4_000
    assert charges_by_kind([one, one])["stt"] == 247
    assert sum(charges_by_kind([]).values()) == 0
