"""The report of a run: figures from columns, curves, splits, the page that needs nothing else, the terminal."""

from __future__ import annotations

import html
import io
import json
import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from saudagar.market.ist import DAY, midnight
from saudagar.model import MINUTE, ClientOrderId, InstrumentId, PositionId, Side, StrategyId
from saudagar.model.errors import DataError
from saudagar.portfolio import Leg, Trade
from saudagar.research import report_charts as charts
from saudagar.research import report_words as say
from saudagar.research.report import Report, as_json, build, from_json, histogram, thin
from saudagar.research.report_html import render_html, write_html
from saudagar.research.report_input import Facts, OpenPosition, PriceColumns, RunRecord, TradeColumns
from saudagar.research.report_metrics import MEASURES, Metrics, exposure_curve, held_points, measure
from saudagar.research.report_run import realised_equity
from saudagar.research.report_text import print_report, sparkline

FIRST = midnight(date(2024, 1, 1))
FACTS = Facts(
    title="EMA cross",
    command="saudagar backtest ema_cross --set fast=9",
    version="0.1.0",
    data_hash="b3:5f00",
    seed=7,
    config="c0ffee",
    driver="engine",
    interval="5m",
    bars=100,
    seconds=0.5,
    parameters={"fast": "9"},
    assumptions={"fills": "next open"},
)

HELD = OpenPosition(instrument="NSE_EQ:TCS", quantity=-5, entry_ts=FIRST + 37 * DAY, entry_value=100_000)


def ints(*values: int) -> Any:
    return np.array(values, np.int64)


def columns(*rows: tuple[str, int, int, int, int, int, int, int]) -> TradeColumns:
    """Rows of (name, side, quantity, entry day, exit day, entry price, exit price, charges); prices in paise."""
    names = tuple(sorted({row[0] for row in rows}))
    at = [ints(*column) for column in list(zip(*rows, strict=True))[1:]] if rows else [ints() for _ in range(7)]
    side, quantity, entry, leave, bought, sold, charges = at
    return TradeColumns(
        names=names,
        instrument=ints(*(names.index(row[0]) for row in rows)),
        side=side,
        quantity=quantity,
        entry_ts=FIRST + entry * DAY + 600 * MINUTE,
        exit_ts=FIRST + leave * DAY + 700 * MINUTE,
        entry_value=bought * quantity,
        exit_value=sold * quantity,
        charges=charges,
    )


def record(trades: TradeColumns, days: int = 40, capital: int = 1_000_000, **more: Any) -> RunRecord:
    ts = FIRST + np.arange(days, dtype=np.int64) * DAY + 930 * MINUTE
    equity = more.pop("equity", realised_equity(trades, capital, ts))
    return RunRecord(facts=FACTS, capital=capital, trades=trades, equity_ts=ts, equity=equity, **more)


THREE = (
    ("NSE_EQ:SBIN", 1, 10, 1, 2, 10_000, 11_000, 300),  # gross 10,000
    ("NSE_EQ:TCS", -1, 5, 2, 5, 20_000, 21_000, 400),  # gross -5,000
    ("NSE_EQ:SBIN", 1, 10, 6, 36, 11_000, 11_500, 500),  # gross 5,000
)


def big(trade_count: int, bars: int, instruments: int) -> RunRecord:
    rng = np.random.default_rng(5)
    names = tuple(f"NSE_EQ:SHARE{number:02d}" for number in range(instruments))
    ts = FIRST + np.arange(bars, dtype=np.int64) * 5 * MINUTE
    close = 100_000 + 5 * np.cumsum(rng.integers(-20, 21, bars))
    prices = PriceColumns(ts=ts, open=close, high=close + 50, low=close - 50, close=close)
    entry = rng.integers(0, bars - 60, trade_count)
    leave = np.sort(entry + 40)
    quantity = rng.integers(1, 500, trade_count)
    trades = TradeColumns(
        names=names,
        instrument=rng.integers(0, instruments, trade_count),
        side=rng.choice(ints(-1, 1), trade_count),
        quantity=quantity,
        entry_ts=ts[leave - 40],
        exit_ts=ts[leave],
        entry_value=close[leave - 40] * quantity,
        exit_value=close[leave] * quantity,
        charges=quantity * 7,
        entry_reason=["EMA 9 crossed above EMA 21 at the close"] * trade_count,
        exit_reason=["trailing stop of 0.5 % below the best price"] * trade_count,
    )
    equity = realised_equity(trades, 10**12, ts)
    return RunRecord(
        facts=FACTS,
        capital=10**12,
        trades=trades,
        equity_ts=ts,
        equity=equity,
        prices=dict.fromkeys(names, prices),
    )


# -- figures ----------------------------------------------------------------------------------------------------------


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


def trade(exit_ts: int, **changes: Any) -> Trade:
    given = {
        "position": PositionId("ema/NSE_EQ:SBIN"),
        "strategy": StrategyId("ema"),
        "instrument": InstrumentId("NSE_EQ:SBIN"),
        "side": Side.SELL,
        "quantity": 3,
        "entry_ts": FIRST,
        "entry_value": 300,
        "exit_ts": exit_ts,
        "exit_value": 270,
        "entry_reason": "in",
        "exit_reason": "out",
        "legs": (Leg(ClientOrderId("a"), Side.SELL, 3, 300),),
    }
    return Trade(**(given | changes))


def test_columns_of_trades() -> None:
    later, earlier = trade(FIRST + 9), trade(FIRST + 5, instrument=InstrumentId("NSE_EQ:TCS"), side=Side.BUY)
    made = TradeColumns.of([later, earlier], [7, 9])
    assert made.names == ("NSE_EQ:SBIN", "NSE_EQ:TCS")
    assert made.instrument.tolist() == [1, 0]
    assert made.net.tolist() == [-30 - 9, 30 - 7]
    assert [made.gross.tolist(), made.turnover.tolist()] == [[earlier.gross, later.gross], [570, 570]]
    with pytest.raises(DataError, match="one charge per trade"):
        TradeColumns.of([later], [])


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


# -- the report as values ---------------------------------------------------------------------------------------------


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


# -- the page ---------------------------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """Every address the page names, and whether its tags close in order."""

    _VOID = frozenset({"meta", "br", "link", "img", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [str(given[name]) for name in ("src", "href", "srcset", "action") if name in given]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(given["content"])
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def test_the_page_needs_nothing_else() -> None:
    from base64 import b64encode
    from hashlib import sha256

    text = render_html(build(record(columns(*THREE), charges={"stt": 1_200})))
    page = _Page(text)
    assert page.faults == page.open == []
    assert page.addresses == []
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttp|WebSocket|\bimport\b", text)
    script = text.rpartition("<script>")[2].partition("</script>")[0]
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert page.policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert "prefers-color-scheme: dark" in text
    assert "max-width: 700px" in text


def test_the_page_says_how_to_make_the_run_again() -> None:
    text = html.unescape(render_html(build(record(columns(*THREE)))))
    for fact in (FACTS.command, FACTS.data_hash, FACTS.version, FACTS.config, "<dt>seed</dt><dd>7</dd>", "next open"):
        assert fact in text, fact
    for each in MEASURES:
        assert each.label in text


def test_a_large_run_stays_small_on_the_page() -> None:
    report = build(big(50_000, 200_000, 12))
    text = render_html(report)
    assert len(text.encode()) < 1_500_000
    assert text.count("<tr>") < 700
    assert "the 200 largest of 50,000" in text


def test_foreign_words_stay_words() -> None:
    evil = '</script><script>alert(1)</script>"&'
    run = record(columns((f"NSE_EQ:{evil}", 1, 1, 1, 2, 100, 90, 0)))
    prices = PriceColumns(ts=ints(FIRST, FIRST + 1), open=ints(1, 1), high=ints(2, 2), low=ints(1, 1), close=ints(1, 2))
    facts = msgspec.structs.replace(FACTS, title=evil, command=evil, warnings=(evil,))
    text = render_html(build(msgspec.structs.replace(run, facts=facts, prices={f"NSE_EQ:{evil}": prices})))
    assert "<script>alert" not in text
    assert text.count("</script>") == 2
    assert _Page(text).faults == []


def test_writing_is_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "report.html"
    write_html("ü", target)
    assert target.read_text(encoding="utf-8") == "ü"
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_one_day_and_one_point() -> None:
    for report in (build(record(columns(), days=1)), build(record(columns(*THREE[:1]), days=3))):
        assert _Page(render_html(report)).faults == []
        assert any("Trading days" in note for note in report.notes)


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9), st.integers(2, 8))
def test_ticks_enclose_and_are_few(low: float, room: float, about: int) -> None:
    ticks = charts.round_ticks(low, low + room, about)
    slack = max(abs(low), room, 1.0) * 1e-6
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + room - slack
    assert 2 <= len(ticks) <= about + 3


# -- the terminal -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 80, 100, 160])
def test_the_terminal_fits_its_width(width: int) -> None:
    report = build(record(columns(*THREE), open=(HELD,)))
    out = io.StringIO()
    print_report(report, Console(file=out, width=width))
    text = out.getvalue()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "₹88.00" in text
    assert "b3:5f00" in text
    assert ("Return, %" in text) == (width >= 100)


def test_many_instruments_are_cut_and_said(report_of_many: Report) -> None:
    out = io.StringIO()
    print_report(report_of_many, Console(file=out, width=120))
    assert "and 5 more" in out.getvalue()


@pytest.fixture
def report_of_many() -> Report:
    return build(big(600, 3_000, 25))


def test_sparkline() -> None:
    assert sparkline((1, 8, 1), 10) == "▁█▁"
    assert len(sparkline(tuple(range(500)), 60)) == 60
    assert sparkline((5,), 10) == "▁"


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "ratio", "–"),
        (1.239, "ratio", "1.24"),
        (0.12345, "percent", "12.35 %"),
        (0.0003, "percent", "0.0300 %"),
        (12_345_678.0, "money", "₹1,23,457"),
        (-4_250, "money", "-₹42.50"),
        (1, "days", "1 day"),
        (1_234, "days", "1,234 days"),
        (123_456, "count", "1,23,456"),
        (3 * DAY + 240 * MINUTE, "time", "3 d 4 h"),
        (65 * MINUTE, "time", "1 h 05 min"),
        (7 * MINUTE, "time", "7 min"),
        (40 * 10**9, "time", "40 s"),
    ],
)
def test_how_figures_read(value: Any, kind: str, text: str) -> None:
    assert say.figure(value, kind) == text


@pytest.mark.parametrize(
    ("paise", "texts"),
    [
        ([1e9, 1.25e9], ["₹1.00 Cr", "₹1.25 Cr"]),
        ([-5e8, 0, 5e8], ["-₹50 L", "₹0 L", "₹50 L"]),
        ([2e6, 2.05e6], ["₹20.0k", "₹20.5k"]),
        ([-5_000.0, 0.0], ["-₹50", "₹0"]),
        ([1e12, 1e12 + 2e5], ["₹1000.0000 Cr", "₹1000.0002 Cr"]),
    ],
)
def test_axes_are_short_and_tell_their_marks_apart(paise: list[float], texts: list[str]) -> None:
    assert say.amounts(paise) == texts


@given(st.floats(-1e8, 1e8), st.floats(1e-2, 1e8), st.integers(2, 8))
def test_marks_of_an_axis_differ(low: float, room: float, about: int) -> None:
    texts = say.apart(charts.round_ticks(low, low + room, about))
    assert len(set(texts)) == len(texts)
    assert not any(re.fullmatch(r"-0\.?0*", text) for text in texts)
