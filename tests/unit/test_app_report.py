"""The closing report: sums to the paisa, the terminal's two layouts, JSON, and the self-contained page."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.day_report import DAY, RUN, TRADES, costs, report, shown, state

from saudagar.app.report import CHARGES, DayReport, as_json, build, latency, share_out
from saudagar.engine.state import State
from saudagar.market.ist import at
from saudagar.model import events as ev

# -- values ------------------------------------------------------------------------------------------------------------


def test_every_line_adds_up_to_the_paisa() -> None:
    day = report()
    for line, trade in zip(day.trades, sorted(TRADES, key=lambda t: t.exit_ts), strict=True):
        assert sum(getattr(line.charges, kind) for kind in CHARGES) == costs(trade).total_paise
        assert line.net == trade.gross - costs(trade).total_paise
    assert day.total.net == sum(line.net for line in day.trades) == day.total.gross - day.total.charges.total
    assert day.total.net == sum(strategy.net for strategy in day.strategies)
    assert day.equity[-1] == (at(DAY, "15:10:01"), day.total.net)


def test_tallies() -> None:
    day = report()
    assert [(t.name, t.trades, t.wins, t.gross) for t in (*day.strategies, day.total)] == [
        ("breakout", 1, 1, 33 * 510),
        ("ema", 2, 1, 120 * 1555 - 80 * 1500),
        ("all", 3, 2, 33 * 510 + 120 * 1555 - 80 * 1500),
    ]
    assert day.total.best == max(line.net for line in day.trades) > 0 > day.total.worst
    assert day.total.win_rate == 2 / 3
    assert build(State(), RUN, costs, []).total.win_rate is None


def test_orders_are_counted_by_how_they_ended() -> None:
    orders = report().orders
    assert (orders.sent, orders.filled, orders.cancelled, orders.rejected) == (7, 2, 1, 1)
    assert (orders.expired, orders.working, orders.unknown) == (1, 1, 1)
    assert orders.denied == {"max-open": 1, "price-band": 2}


def test_yesterday_is_not_today() -> None:
    desk = state()
    before = build(desk, RUN, costs, [])
    desk.trades.insert(0, msgspec.structs.replace(TRADES[0], exit_ts=at(date(2026, 11, 19), "15:00")))
    desk.apply(ev.Alerted(ts=at(date(2026, 11, 19), "15:00"), level="info", message="old"))
    after = build(desk, RUN, costs, [])
    assert msgspec.structs.replace(after, state=before.state) == before  # its memory is another, its day is not
    desk.apply(ev.DayOpened(ts=at(date(2026, 11, 23), "09:00"), day=date(2026, 11, 23), desk="DEMO", config=""))
    monday = build(desk, RUN, costs, [])
    assert (monday.trades, monday.orders.sent, monday.alerts) == ((), 0, ())
    assert [line.quantity for line in monday.open] == [20]


def test_an_alert_that_repeats_is_told_once() -> None:
    desk = state()
    for clock in ("10:00", "10:05", "11:00"):
        desk.apply(ev.Alerted(ts=at(DAY, clock), level="critical", message="no answer"))
    text = shown(build(desk, RUN, costs, []), 120)
    assert "critical        10:00:00 no answer (3 times, last at 11:00:00)" in text
    assert text.count("no answer") == 1


@given(st.lists(st.decimals(0, 10**6, places=6), min_size=1, max_size=7))
def test_shares_add_up_and_none_is_off_by_a_paisa(parts: list[Decimal]) -> None:
    named = {str(number): part for number, part in enumerate(parts)}
    total = int(sum(parts) + Decimal("0.5"))
    shares = share_out(named, total)
    assert sum(shares.values()) == total
    assert all(abs(shares[name] - part) <= 1 for name, part in named.items())


@pytest.mark.parametrize(
    ("samples", "expected"),
    [([], (None, None, None)), ([5], (5, 5, 5)), (range(1, 201), (100, 198, 200)), ([3, 1, 2], (2, 3, 3))],
)
def test_percentiles_are_of_the_nearest_rank(samples: list[int], expected: tuple[int | None, ...]) -> None:
    measured = latency(samples)
    assert (measured.p50, measured.p99, measured.max) == expected
    assert measured.count == len(list(samples))


def test_json_holds_plain_values_and_reads_back() -> None:
    day = report()
    plain = json.loads(json.dumps(as_json(day)))
    assert plain["day"] == "2026-11-20"
    assert plain["total"]["net"] == day.total.net
    assert plain["equity"][0] == list(day.equity[0])
    stored = {name: value for name, value in plain.items() if name in DayReport.__struct_fields__}
    assert msgspec.convert(stored, DayReport) == day
