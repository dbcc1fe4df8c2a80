"""The desk's report on a terminal."""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec
import pytest
from tests.day_report import OPENED, RUN, costs, report, shown, state, trip

from saudagar.app.narrate import narrate
from saudagar.app.report import CHARGES, build
from saudagar.app.report_html import render_html
from saudagar.app.report_text import _TICKS, facts
from saudagar.engine.state import State
from saudagar.market.bars import ODD_TICKS
from saudagar.market.charges import Charges
from saudagar.market.screen import REFUSALS
from saudagar.model import (
    ClientOrderId,
    Side,
    Source,
    TradingState,
    inr,
)
from saudagar.model import events as ev
from saudagar.portfolio import Trade

GOLDEN_WIDE = """\

saudagar demo · Friday 20 November 2026
net +₹566.39 from 3 round trips, 2 of 3 (67%) won, after charges of ₹267.91
1 position still open, in none of these sums.

instrument side entry       price why                          gross brokerage   STT exchange SEBI stamp   GST       net
strategy    qty exit        price why                              ₹         ₹     ₹        ₹    ₹     ₹     ₹         ₹
────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
INFY       SELL 09:31:00 1,500.00 EMA 9 below 21           -1,200.00     40.00 30.30     7.41 0.24  3.60  7.35 -1,288.90
ema          80 09:58:40 1,515.00 stop 1,515.00
RELIANCE    BUY 09:47:00 1,234.55 EMA 9 above 21           +1,866.00     40.00 37.50     9.15 0.30  4.45  7.35 +1,767.25
ema         120 10:31:12 1,250.10 target 1,250.00
M&M         BUY 11:02:00 2,899.90 EMA 9 above 21             +168.30     40.00 23.97     5.88 0.19  2.87  7.35    +88.04
breakout     33 15:10:01 2,905.00 square-off
────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
all                                                          +834.30    120.00 91.77    22.44 0.73 10.92 22.05   +566.39

strategy   round trips             won      gross   charges        net         best        worst
breakout             1   1 of 1 (100%)   +₹168.30    ₹80.26    +₹88.04      +₹88.04      +₹88.04
ema                  2    1 of 2 (50%)   +₹666.00   ₹187.65   +₹478.35   +₹1,767.25   -₹1,288.90
all                  3    2 of 3 (67%)   +₹834.30   ₹267.91   +₹566.39   +₹1,767.25   -₹1,288.90

orders          7 sent: 2 filled, 1 cancelled, 1 rejected, 1 expired, 1 still working, 1 UNKNOWN
denied by risk  3: 2 beyond risk.price_band_percent, 1 max-open
still open      ema NSE_EQ:RELIANCE +20 at ₹100.00
tick → order    p50 50 µs, p99 99 µs, max 100 µs (100 orders caused by a tick; on disk and handed to the SDK)
ticks           5,12,345 in 31.4 s, 16,317 a second
ticks left out  1,056: 1,044 told twice, 12 stale
warning         09:15:00 the broker said: [2J no <funds>
run             seed 7, configuration a1b2c3d4e5f6, saudagar 0.1.0, saudagar demo --seed 7
journal         var/demo/journal.db
report          var/demo/report.html"""

GOLDEN_NARROW = """\

saudagar demo · Friday 20 November 2026
net +₹566.39 from 3 round trips, 2 of 3 (67%) won, after
charges of ₹267.91
1 position still open, in none of these sums.

INFY SELL 80  net -₹1,288.90
  ema, gross -₹1,200.00, charges ₹88.90
  09:31:00 at 1,500.00  EMA 9 below 21
  09:58:40 at 1,515.00  stop 1,515.00
  brokerage 40.00, STT 30.30, exchange 7.41, SEBI 0.24,
  stamp 3.60, GST 7.35
RELIANCE BUY 120  net +₹1,767.25
  ema, gross +₹1,866.00, charges ₹98.75
  09:47:00 at 1,234.55  EMA 9 above 21
  10:31:12 at 1,250.10  target 1,250.00
  brokerage 40.00, STT 37.50, exchange 9.15, SEBI 0.30,
  stamp 4.45, GST 7.35
M&M BUY 33  net +₹88.04
  breakout, gross +₹168.30, charges ₹80.26
  11:02:00 at 2,899.90  EMA 9 above 21
  15:10:01 at 2,905.00  square-off
  brokerage 40.00, STT 23.97, exchange 5.88, SEBI 0.19,
  stamp 2.87, GST 7.35
breakout  1 of 1 (100%) won, net +₹88.04
  gross +₹168.30, charges ₹80.26
  best +₹88.04, worst +₹88.04
ema  1 of 2 (50%) won, net +₹478.35
  gross +₹666.00, charges ₹187.65
  best +₹1,767.25, worst -₹1,288.90
all  2 of 3 (67%) won, net +₹566.39
  gross +₹834.30, charges ₹267.91
  best +₹1,767.25, worst -₹1,288.90
  brokerage 120.00, STT 91.77, exchange 22.44, SEBI 0.73,
  stamp 10.92, GST 22.05

orders          7 sent: 2 filled, 1 cancelled, 1 rejected, 1
                expired, 1 still working, 1 UNKNOWN
denied by risk  3: 2 beyond risk.price_band_percent, 1
                max-open
still open      ema NSE_EQ:RELIANCE +20 at ₹100.00
tick → order    p50 50 µs, p99 99 µs, max 100 µs (100 orders
                caused by a tick; on disk and handed to the
                SDK)
ticks           5,12,345 in 31.4 s, 16,317 a second
ticks left out  1,056: 1,044 told twice, 12 stale
warning         09:15:00 the broker said: [2J no <funds>
run             seed 7, configuration a1b2c3d4e5f6, saudagar
                0.1.0, saudagar demo --seed 7
journal         var/demo/journal.db
report          var/demo/report.html"""


def test_wide_layout() -> None:
    assert shown(report(), 120) == GOLDEN_WIDE


def test_narrow_layout() -> None:
    assert shown(report(), 60) == GOLDEN_NARROW


@pytest.mark.parametrize("width", [40, 60, 80, 109, 110, 120, 200])
def test_no_line_is_wider_than_the_screen_and_no_amount_is_cut(width: int) -> None:
    large = trip(
        "a-very-long-strategy-name",
        "NIFTY-2026-11-24-24000-CE",
        Side.SELL,
        99_975,
        (9_999_905, 8_000_000),
        "09:15:00 15:10:00",
        "square-off " * 9,
    )
    desk = state()
    desk.trades.append(large)
    day = build(desk, RUN, costs, [])
    text = shown(day, width)
    assert max(map(len, text.splitlines())) <= width
    (line,) = (line for line in day.trades if line.quantity == 99_975)
    for amount in (line.gross, line.net, *(getattr(line.charges, kind) for kind in CHARGES if kind != "dp")):
        assert inr(amount).replace("₹", "") in text.replace("₹", "")


def test_a_day_without_trades() -> None:
    empty = build(State(), RUN, costs, [])
    assert "No round trip was closed." in shown(empty, 120)
    assert "No round trip was closed." in render_html(empty)
    assert "no order was caused by a tick" in shown(empty, 120)


def test_a_halted_desk_says_so() -> None:
    desk = state()
    desk.apply(ev.TradingStateChanged(ts=OPENED, state=TradingState.HALTED, reason="kill switch", source=Source.MANUAL))
    assert "HALTED: kill switch" in shown(build(desk, RUN, costs, []), 120)


def test_a_delivery_sale_brings_the_depository_column() -> None:
    def with_dp(trade: Trade) -> Charges:
        return msgspec.structs.replace(costs(trade), dp=Decimal("15.34"))

    day = build(state(), RUN, with_dp, [])
    assert re.search(r"GST +DP +net", shown(day, 140))
    assert "DP 15.34" in shown(day, 60)
    assert ">DP<" in render_html(day)


def test_ticks_left_out_and_what_risk_denied_are_told_in_words() -> None:
    day = report()
    run = msgspec.structs.replace(day.run, refused={"future": 39_616, "day": 6_014, "bad frame": 2})
    orders = msgspec.structs.replace(day.orders, denied={"entry-window": 10, "open-positions": 28})
    told = dict(facts(msgspec.structs.replace(day, run=run, orders=orders)))
    assert told["ticks left out"] == "45,632: 39,616 stamped later than the clock, 6,014 of another day, 2 bad frame"
    assert told["denied by risk"] == "38: 28 at risk.max_open_positions, 10 outside the hours of entry"
    assert set(_TICKS) == {*REFUSALS, *ODD_TICKS} - {"unusable"}


def test_the_live_view_says_who_bought_what() -> None:
    orders = state().orders
    fill = ev.OrderFilled(ts=OPENED, order_id=ClientOrderId("D1"), quantity=4, price=99_95, cumulative=4, traded=OPENED)
    assert narrate(fill, orders) == "ema RELIANCE: bought 4 at 99.95 (D1)"
    assert narrate(fill, {}) == "order D1: 4 at 99.95"
