"""The report of a run, as values: figures, curves thinned to what a screen can show, months, splits, trades, notes.

`build` makes it from the columns of a run; `report_text` and `report_html` draw it; `as_json` and `from_json` carry
it, so that two runs can be compared long after. Amounts are paise, moments UTC ns, shares plain numbers (0.01 is 1 %).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from saudagar.model import Nanos, Paise
from saudagar.model.errors import DataError
from saudagar.research import metrics as m
from saudagar.research.metrics import Floats, Ints
from saudagar.research.report_input import Facts, OpenPosition, PriceColumns, RunRecord
from saudagar.research.report_metrics import Metrics, drawdown_curve, exposure_curve, measure

MOST_POINTS = 1_500
MOST_TRADES = 2_000
MOST_CANDLES = 8_000
MOST_CHARTS = 8
_MOST_BINS = 41
_FEW_TRADES = 30


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """The run from point to point; `at` is each point's place among all, so that gaps in time take no room."""

    at: tuple[int, ...]
    ts: tuple[Nanos, ...]
    equity: tuple[Paise, ...]
    drawdown: tuple[float, ...]
    exposure: tuple[float, ...]


class MonthLine(msgspec.Struct, frozen=True, kw_only=True):
    year: int
    month: int  # 1 to 12
    value: float  # return


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """Counts between rising `edges`; there is one edge more than counts. The outer bins hold all beyond them."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


class InstrumentLine(msgspec.Struct, frozen=True, kw_only=True):
    """The round trips of one instrument."""

    instrument: str
    trades: int
    win_rate: float
    profit_factor: float | None
    gross: Paise
    charges: Paise
    net: Paise
    best: Paise
    worst: Paise


class TradeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One round trip; prices are averages in paise."""

    instrument: str
    side: int  # +1 long, -1 short
    quantity: int
    entry_ts: Nanos
    entry_price: float
    entry_reason: str
    exit_ts: Nanos
    exit_price: float
    exit_reason: str
    gross: Paise
    charges: Paise
    net: Paise


class PriceChart(msgspec.Struct, frozen=True, kw_only=True):
    """Candles of one instrument, several bars each where there are too many."""

    instrument: str
    bars_per_candle: int
    ts: tuple[Nanos, ...]  # end
    open: tuple[Paise, ...]
    high: tuple[Paise, ...]
    low: tuple[Paise, ...]
    close: tuple[Paise, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    facts: Facts
    capital: Paise
    final: Paise
    start: Nanos
    end: Nanos
    days: int  # with a point of equity
    metrics: Metrics
    curve: Curve
    months: tuple[MonthLine, ...]
    daily: Histogram | None  # of daily returns other than zero
    trips: Histogram | None  # of net profit over entry value
    charges: dict[str, Paise]
    instruments: tuple[InstrumentLine, ...]  # the best first
    trades: tuple[TradeLine, ...]  # the largest by net, in the order of their exits
    charts: tuple[PriceChart, ...]
    open: tuple[OpenPosition, ...]
    notes: tuple[str, ...]  # what a careful reader should know


def build(record: RunRecord, *, most_trades: int = MOST_TRADES, **options: Any) -> Report:
    """The report of `record`.

    Parameters
    ----------
    most_trades
        Round trips to list; where there are more, those with the largest profit or loss are kept.
    options
        Those of `report_metrics.measure`: `risk_free`, `periods`, `trials`, `trial_variance`.
    """
    figures = measure(record, **options)
    ts, equity = record.equity_ts, record.equity
    days, closes = m.daily_closes(ts, equity)
    sound = bool((equity > 0).all())
    returns = m.daily_returns(closes, record.capital) if sound else np.empty(0)
    trades = record.trades
    return Report(
        facts=record.facts,
        capital=record.capital,
        final=int(equity[-1]),
        start=int(ts[0]),
        end=int(ts[-1]),
        days=len(days),
        metrics=figures,
        curve=_curve(record, sound),
        months=tuple(_months(returns, days)) if sound else (),
        daily=histogram(returns[returns != 0]),
        trips=histogram(trades.net / trades.entry_value),
        charges=_charges(record),
        instruments=tuple(sorted(_instruments(record), key=lambda line: (-line.net, line.instrument))),
        trades=tuple(_trades(record, most_trades)),
        charts=tuple(_charts(record)),
        open=record.open,
        notes=tuple(_notes(record, figures, len(days), sound)),
    )


def as_json(report: Report) -> bytes:
    """For `--json` and for comparing later; the names are those of the classes here."""
    return msgspec.json.encode(report)


def from_json(text: bytes) -> Report:
    """What `as_json` wrote.

    Raises
    ------
    DataError
        Text that is no report of this version.
    """
    try:
        return msgspec.json.decode(text, type=Report)
    except msgspec.DecodeError as error:
        raise DataError(f"this is no report written by --json: {error}.", hint="Make it anew with --json.") from None


def thin(values: NDArray[Any], most: int) -> Ints:
    """Indices of at most about `most` points that keep the first, the last, and every stretch's extremes."""
    count = len(values)
    if count <= most:
        return np.arange(count)
    edges = np.linspace(0, count, max(most // 2, 1) + 1).astype(np.int64)
    extremes = [
        start + pick(values[start:end]) for start, end in pairwise(edges.tolist()) for pick in (np.argmin, np.argmax)
    ]
    return np.unique(np.array([0, *extremes, count - 1], dtype=np.int64))


def histogram(values: Floats) -> Histogram | None:
    """Bins between the 1st and the 99th percentile, about as wide as Freedman and Diaconis advise, zero on an edge."""
    if len(values) < 2 or np.ptp(values) == 0:
        return None
    low, first, third, high = np.quantile(values, (0.01, 0.25, 0.75, 0.99))
    if low == high:
        low, high = values.min(), values.max()
    low, high = min(low, 0.0), max(high, 0.0)
    width = max(2 * (third - first) / len(values) ** (1 / 3), (high - low) / (_MOST_BINS - 2))
    edges = np.arange(np.floor(low / width), np.ceil(high / width) + 1) * width
    counts = np.bincount(np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2))
    padded = np.pad(counts, (0, len(edges) - 1 - len(counts)))
    return Histogram(edges=tuple(edges.tolist()), counts=tuple(padded.tolist()))


def _curve(record: RunRecord, sound: bool) -> Curve:
    falls = drawdown_curve(record)
    exposure = exposure_curve(record) if sound else np.zeros(len(falls))
    at = np.unique(np.append(thin(record.equity, MOST_POINTS), falls.argmin()))
    exposure = np.maximum.reduceat(exposure, np.concatenate(([0], at[:-1] + 1)))  # none is lost between two points
    return Curve(
        at=tuple(at.tolist()),
        ts=tuple(record.equity_ts[at].tolist()),
        equity=tuple(record.equity[at].tolist()),
        drawdown=tuple(np.round(falls[at], 6).tolist()),
        exposure=tuple(np.round(exposure, 6).tolist()),
    )


def _months(returns: Floats, days: Ints) -> Iterator[MonthLine]:
    for number, value in zip(*m.by_month(returns, days), strict=True):
        yield MonthLine(year=int(number) // 12, month=int(number) % 12 + 1, value=float(value))


def _charges(record: RunRecord) -> dict[str, Paise]:
    total = int(record.trades.charges.sum())
    if not record.charges:
        return {"charges": total}
    kinds = {kind: int(amount) for kind, amount in record.charges.items() if amount}
    rest = total - sum(kinds.values())
    return kinds | ({"rounding and open positions": rest} if rest else {})


def _instruments(record: RunRecord) -> Iterator[InstrumentLine]:
    trades = record.trades
    for number, name in enumerate(trades.names):
        mine = trades.instrument == number
        net = trades.net[mine]
        if not len(net):
            continue
        factor = m.profit_factor(net)
        yield InstrumentLine(
            instrument=name,
            trades=len(net),
            win_rate=m.win_rate(net),
            profit_factor=factor if np.isfinite(factor) else None,
            gross=int(trades.gross[mine].sum()),
            charges=int(trades.charges[mine].sum()),
            net=int(net.sum()),
            best=int(net.max()),
            worst=int(net.min()),
        )


def _trades(record: RunRecord, most: int) -> Iterator[TradeLine]:
    trades = record.trades
    kept = np.sort(np.argsort(-np.abs(trades.net), kind="stable")[:most])
    gross, net = trades.gross, trades.net
    for row in kept.tolist():
        quantity = int(trades.quantity[row])
        yield TradeLine(
            instrument=trades.names[trades.instrument[row]],
            side=int(trades.side[row]),
            quantity=quantity,
            entry_ts=int(trades.entry_ts[row]),
            entry_price=int(trades.entry_value[row]) / quantity,
            entry_reason=trades.entry_reason[row] if trades.entry_reason else "",
            exit_ts=int(trades.exit_ts[row]),
            exit_price=int(trades.exit_value[row]) / quantity,
            exit_reason=trades.exit_reason[row] if trades.exit_reason else "",
            gross=int(gross[row]),
            charges=int(trades.charges[row]),
            net=int(net[row]),
        )


def _charts(record: RunRecord) -> Iterator[PriceChart]:
    """Of the instruments that traded most; they share the candles that a page may hold."""
    counts = dict(zip(record.trades.names, np.bincount(record.trades.instrument, minlength=1).tolist(), strict=False))
    known = [name for name, prices in record.prices.items() if len(prices)]
    chosen = sorted(known, key=lambda name: (-counts.get(name, 0), name))[:MOST_CHARTS]
    for name in chosen:
        yield _candles(name, record.prices[name], MOST_CANDLES // len(chosen))


def _candles(name: str, prices: PriceColumns, most: int) -> PriceChart:
    size = -(-len(prices) // most)
    first = np.arange(0, len(prices), size)
    last = np.append(first[1:], len(prices)) - 1
    return PriceChart(
        instrument=name,
        bars_per_candle=size,
        ts=tuple(prices.ts[last].tolist()),
        open=tuple(prices.open[first].tolist()),
        high=tuple(np.maximum.reduceat(prices.high, first).tolist()),
        low=tuple(np.minimum.reduceat(prices.low, first).tolist()),
        close=tuple(prices.close[last].tolist()),
    )


def _notes(record: RunRecord, figures: Metrics, days: int, sound: bool) -> Iterator[str]:
    yield from record.facts.warnings
    if not sound:
        yield "Equity fell to zero or below: the account was ruined, and ratios of returns do not exist."
    if figures.trades < _FEW_TRADES:
        yield f"Round trips: {figures.trades}. Too few to tell skill from luck."
    if sound and days < m.DAYS_A_YEAR:
        yield f"Trading days: {days}. Figures a year are stretched from less than a year."
    share = figures.charges_share
    if figures.gross_profit > 0 and share is not None and share > 0.5:
        part = f"{share * 100:.0f} % of the gross profit" if share < 1 else "more than the whole gross profit"
        yield f"Charges take {part}: a little more slippage undoes the result."
    if figures.deflated_sharpe is not None and figures.deflated_sharpe < 0.95:
        odds = f"{figures.deflated_sharpe * 100:.0f} %"
        yield f"Overfit warning: {odds} odds of a true edge once all trials are counted; 95 % is the usual bar."
    if record.open:
        yield f"Still open at the end: {len(record.open)}. What is open counts in equity, not among the round trips."
