"""Bars against an oracle that sorts what it is given, and laws that hold for any stream."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saudagar.market.bars import BarBuilder
from saudagar.market.ist import DAY, at
from saudagar.market.screen import TickScreen
from saudagar.market.sessions import Calendar, PhaseKind
from saudagar.model import MINUTE, SECOND, Bar, Instrument, InstrumentId, InstrumentKind, Segment, Tick

pytestmark = pytest.mark.unmeasured

CALENDAR = Calendar()
FRIDAY, DRILL = date(2026, 11, 20), date(2024, 3, 2)
STOCK = Instrument(segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5, closing_auction=True)
OPEN, CLOSE = at(FRIDAY, "09:15"), at(FRIDAY, "15:15")

Row = tuple[int, int, int]  # time, price, cumulative volume


def build(rows: Iterable[Row], interval: int) -> tuple[BarBuilder, list[Bar]]:
    builder = BarBuilder(STOCK.id, interval, CALENDAR.bounds(STOCK))
    bars = []
    for ts, price, volume in rows:
        bar = builder.on_tick(Tick(STOCK.id, ts, price, volume))
        bars += [bar] if bar else []
    last = builder.close_until(2**62)
    return builder, bars + ([last] if last else [])


def slot(ts: int, interval: int) -> int:
    return (ts - OPEN) // interval


def oracle(rows: list[Row], interval: int) -> list[tuple[int, ...]]:
    """Each interval's rows in the order of (time, volume): start, end, open, high, low, close, volume."""
    slots: dict[int, list[Row]] = {}
    for row in sorted(set(rows), key=lambda row: (row[0], row[2])):
        slots.setdefault(slot(row[0], interval), []).append(row)
    bars, base = [], 0
    for number, (which, inside) in enumerate(slots.items()):
        if number == 0 and which > 0:
            base = inside[0][2]
        prices = [price for _, price, _ in inside]
        start = OPEN + which * interval
        bars.append(
            (start, min(start + interval, CLOSE), prices[0], max(prices), min(prices), prices[-1], inside[-1][2] - base)
        )
        base = inside[-1][2]
    return bars


@st.composite
def streams(draw: st.DrawFn) -> tuple[int, list[Row], list[Row]]:
    """An honest stream of trades, and the same one shuffled and repeated within each bar."""
    interval = draw(st.sampled_from([SECOND, 5 * SECOND, MINUTE, 7 * MINUTE, 60 * MINUTE]))
    steps = draw(
        st.lists(
            st.tuples(st.integers(0, 3 * interval // SECOND), st.integers(1, 10**7), st.integers(1, 10**6)),
            min_size=1,
            max_size=40,
        )
    )
    ts, volume = OPEN + draw(st.integers(0, 20)) * SECOND, draw(st.integers(0, 10**6))
    honest = []
    for gap, price, traded in steps:
        ts, volume = ts + gap * SECOND, volume + traded
        if ts < CLOSE:
            honest.append((ts, price, volume))
    arriving: list[Row] = []
    for which in sorted({slot(row[0], interval) for row in honest}):
        inside = [row for row in honest if slot(row[0], interval) == which]
        again = draw(st.lists(st.sampled_from(inside), max_size=4))
        arriving += draw(st.permutations(inside + again))
    return interval, honest, arriving


@given(streams())
@settings(max_examples=300, deadline=None)
def test_any_order_within_a_bar_gives_the_sorted_bars(stream: tuple[int, list[Row], list[Row]]) -> None:
    interval, honest, arriving = stream
    _, bars = build(arriving, interval)
    got = [(bar.start, bar.end, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]
    assert got == oracle(honest, interval)


@given(streams())
@settings(max_examples=100, deadline=None)
def test_honest_bars_hold_every_trade_once(stream: tuple[int, list[Row], list[Row]]) -> None:
    interval, honest, _ = stream
    builder, bars = build(honest, interval)
    assert sum(bar.ticks for bar in bars) == len(honest)
    assert sum(builder.counts.values()) == 0
    joined = bool(honest) and slot(honest[0][0], interval) > 0
    base = honest[0][2] if joined else 0
    assert sum(bar.volume for bar in bars) == (honest[-1][2] - base if honest else 0)


@st.composite
def dirty(draw: st.DrawFn) -> tuple[date, int, list[Row]]:
    """Rows as no feed should send them, on an ordinary day or one with two windows."""
    day = draw(st.sampled_from([FRIDAY, DRILL]))
    interval = draw(st.sampled_from([SECOND, MINUTE, 60 * MINUTE, DAY]))
    first = at(day, draw(st.sampled_from(["09:00", "09:14", "09:58", "11:29", "12:28", "15:13", "15:28"])))
    row = st.tuples(st.integers(-30, 300), st.integers(-1, 50), st.integers(-1, 30))
    rows = draw(st.lists(row, max_size=60))
    wild = draw(
        st.lists(
            st.tuples(
                st.integers(at(day, "00:00") // SECOND - 5, at(day, "23:59") // SECOND), st.just(7), st.integers(0, 99)
            ),
            max_size=3,
        )
    )
    placed = [(first + offset * SECOND, price, volume) for offset, price, volume in rows]
    return day, interval, [*placed, *((seconds * SECOND, price, volume) for seconds, price, volume in wild)]


@given(dirty())
@settings(max_examples=300, deadline=None)
def test_laws_of_any_stream(stream: tuple[date, int, list[Row]]) -> None:
    day, interval, rows = stream
    rows = [row for row in rows if row[0] >= at(day, "00:00")]
    builder, bars = build(rows, interval)
    windows = [
        (phase.start, phase.end)
        for phase in CALENDAR.phases_of(STOCK, day)
        if phase.kind is PhaseKind.CONTINUOUS or (interval == DAY and phase.kind.closing_auction)
    ]
    assert all(bar.low <= min(bar.open, bar.close) and bar.high >= max(bar.open, bar.close) for bar in bars)
    assert all(bar.low > 0 and bar.volume >= 0 and bar.ticks > 0 for bar in bars)
    assert all(earlier.end <= later.start for earlier, later in pairwise(bars))
    if interval == DAY:
        assert all((bar.start, bar.end) == (windows[0][0], windows[-1][1]) for bar in bars)
    else:
        assert all(any(start <= bar.start < bar.end <= end for start, end in windows) for bar in bars)
        assert all(bar.end - bar.start <= interval for bar in bars)
    left_out = sum(count for kind, count in builder.counts.items() if kind != "disordered")
    assert sum(bar.ticks for bar in bars) + left_out == len(rows)


@given(dirty(), st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_bars_that_were_closed_do_not_depend_on_what_comes_later(stream: tuple[date, int, list[Row]], cut: int) -> None:
    day, interval, rows = stream
    rows = [row for row in rows if row[0] >= at(day, "00:00")]
    whole, part = build(rows, interval)[1], build(rows[:cut], interval)[1]
    assert part[:-1] == whole[: max(len(part) - 1, 0)]


@given(dirty(), st.integers(-5, 400))
@settings(max_examples=200, deadline=None)
def test_the_screen_lets_only_usable_ticks_through(stream: tuple[date, int, list[Row]], later: int) -> None:
    day, _, rows = stream
    screen = TickScreen([STOCK], CALENDAR)
    ticks = [Tick(InstrumentId(STOCK.id), *row) for row in rows]
    passed = []
    for tick in ticks:
        now = max(at(day, "00:00"), tick.ts + later * SECOND)
        if now < at(day, "23:59:59") and screen.check(tick, now):
            assert tick.ltp > 0
            assert tick.volume >= 0
            assert tick.ts <= now + 2 * SECOND
            passed.append(tick)
    assert passed == sorted(passed, key=lambda tick: tick.ts)
    assert all(CALENDAR.phase_at(STOCK, tick.ts) not in (None, PhaseKind.POST_CLOSE) for tick in passed)
