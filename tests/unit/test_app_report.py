"""The closing report: sums to the paisa, the terminal's two layouts, JSON, and the self-contained page."""

from __future__ import annotations

import io
import json
import re
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from saudagar.app.report import CHARGES, DayReport, RunFacts, as_json, build, latency, share_out
from saudagar.app.report_html import render_html, write_html
from saudagar.app.report_text import print_report
from saudagar.engine.state import State
from saudagar.market.charges import Charges
from saudagar.market.ist import at
from saudagar.model import (
    ClientOrderId,
    InstrumentId,
    NewOrder,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Purpose,
    Side,
    Source,
    StrategyId,
    TradingState,
    inr,
    position_id,
)
from saudagar.model import events as ev
from saudagar.portfolio import Trade

DAY = date(2026, 11, 20)
OPENED = at(DAY, "09:15")


def costs(trade: Trade) -> Charges:
    both = Decimal(trade.entry_value + trade.exit_value) / 100
    return Charges(
        brokerage=Decimal(40),
        stt=Decimal(trade.exit_value) / 400_000,
        exchange=both * Decimal("0.0000297"),
        ipft=both * Decimal("0.000001"),
        sebi=both * Decimal("0.000001"),
        stamp=Decimal(trade.entry_value) / 100 * Decimal("0.00003"),
        gst=Decimal("7.35"),
    )


def trip(strategy: str, symbol: str, side: Side, quantity: int, prices: tuple[int, int], times: str, why: str) -> Trade:
    entry, leave = times.split()
    instrument = InstrumentId(f"NSE_EQ:{symbol}")
    return Trade(
        position=position_id(StrategyId(strategy), instrument),
        strategy=StrategyId(strategy),
        instrument=instrument,
        side=side,
        quantity=quantity,
        entry_ts=at(DAY, entry),
        entry_value=quantity * prices[0],
        exit_ts=at(DAY, leave),
        exit_value=quantity * prices[1],
        entry_reason="EMA 9 above 21" if side is Side.BUY else "EMA 9 below 21",
        exit_reason=why,
        legs=(),
    )


TRADES = (
    trip("ema", "RELIANCE", Side.BUY, 120, (123455, 125010), "09:47:00 10:31:12", "target 1,250.00"),
    trip("ema", "INFY", Side.SELL, 80, (150000, 151500), "09:31:00 09:58:40", "stop 1,515.00"),
    trip("breakout", "M&M", Side.BUY, 33, (289990, 290500), "11:02:00 15:10:01", "square-off"),
)
RUN = RunFacts(
    title="demo",
    command="saudagar demo --seed 7",
    version="0.1.0",
    config="a1b2c3d4e5f6",
    seed=7,
    journal="var/demo/journal.db",
    report="var/demo/report.html",
    seconds=31.4,
    ticks=512_345,
    refused={"stale": 12, "duplicate": 1044},
)


def submitted(sequence: int) -> ev.OrderSubmitted:
    instrument = InstrumentId("NSE_EQ:RELIANCE")
    return ev.OrderSubmitted(
        ts=OPENED,
        order=NewOrder(
            order_id=ClientOrderId(f"D{sequence}"),
            instrument=instrument,
            side=Side.BUY,
            terms=OrderTerms(quantity=10, order_type=OrderType.LIMIT, price=100_00),
            product=Product.INTRADAY,
            purpose=Purpose.ENTRY,
            position=position_id(StrategyId("ema"), instrument),
        ),
    )


def state() -> State:
    """A day with every way an order can end, one position left open, two denials, an alert."""
    desk = State.replay([ev.DayOpened(ts=OPENED, day=DAY, desk="DEMO", config="a1b2c3d4e5f6")])
    ends = ["FILLED", "FILLED", "CANCELLED", "REJECTED", "EXPIRED", "UNKNOWN", "OPEN"]
    for sequence, status in enumerate(ends):
        desk.apply(submitted(sequence))
        order_id = ClientOrderId(f"D{sequence}")
        if status == "FILLED":
            fill = ev.OrderFilled(ts=OPENED, order_id=order_id, quantity=10, price=100_00, cumulative=10, traded=OPENED)
            desk.apply(fill)
        else:
            desk.apply(ev.OrderMoved(ts=OPENED, order_id=order_id, status=OrderStatus(status)))
    ema = position_id(StrategyId("ema"), InstrumentId("NSE_EQ:RELIANCE"))
    for rule in ("price-band", "price-band", "max-open"):
        desk.apply(ev.IntentDenied(ts=OPENED, position=ema, rule=rule, message="no", source=Source.STRATEGY))
    desk.apply(ev.Alerted(ts=OPENED, level="warning", message="the broker said:\x1b[2J\nno <funds>"))
    desk.trades.extend(TRADES)
    return desk


def report() -> DayReport:
    return build(state(), RUN, costs, [1_000 * n for n in range(1, 101)])


def shown(day: DayReport, width: int) -> str:
    out = io.StringIO()
    print_report(day, Console(file=out, width=width, highlight=False))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


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
    assert "10:00:00 critical: no answer (3 times, last at 11:00:00)" in text
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


# -- the terminal ------------------------------------------------------------------------------------------------------

GOLDEN_WIDE = """\

saudagar demo · Friday 20 November 2026
net +₹566.39 from 3 round trips, 2 of 3 (67%) won, after charges of ₹267.91

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
denied by risk  3: 1 max-open, 2 price-band
still open      ema NSE_EQ:RELIANCE +20 at ₹100.00
tick → order    p50 50 µs, p99 99 µs, max 100 µs (over 100 orders; durable on disk and handed to the SDK)
ticks           5,12,345 in 31.4 s, 16,317 a second
ticks refused   1,056: 1,044 duplicate, 12 stale
alert           09:15:00 warning: the broker said: [2J no <funds>
run             seed 7, configuration a1b2c3d4e5f6, saudagar 0.1.0, saudagar demo --seed 7
journal         var/demo/journal.db
report          var/demo/report.html"""

GOLDEN_NARROW = """\

saudagar demo · Friday 20 November 2026
net +₹566.39 from 3 round trips, 2 of 3 (67%) won, after
charges of ₹267.91

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
denied by risk  3: 1 max-open, 2 price-band
still open      ema NSE_EQ:RELIANCE +20 at ₹100.00
tick → order    p50 50 µs, p99 99 µs, max 100 µs (over 100
                orders; durable on disk and handed to the
                SDK)
ticks           5,12,345 in 31.4 s, 16,317 a second
ticks refused   1,056: 1,044 duplicate, 12 stale
alert           09:15:00 warning: the broker said: [2J no
                <funds>
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
    assert "p50 –, p99 –, max –" in shown(empty, 120)


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


# -- the page ----------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would see: balanced tags, text, and every attribute that could load something."""

    VOID = frozenset({"meta", "line", "path"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def test_the_page_is_whole_and_loads_nothing() -> None:
    source = render_html(report())
    page = Page(source)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(page.tags)
    assert not {"src", "href", "onload", "onclick", "style"} & {name for name, _ in page.attributes}
    assert "url(" not in source
    assert "@import" not in source
    assert "//" not in source


def test_the_page_shows_every_trade_and_every_charge() -> None:
    day = report()
    text = " ".join(Page(render_html(day)).text)
    for line in day.trades:
        for word in (line.symbol, line.entry_reason, line.exit_reason, line.side):
            assert word in text
        for kind in ("brokerage", "stt", "exchange", "sebi", "stamp", "gst"):
            amount = getattr(line.charges, kind)
            assert f"{amount // 100}.{amount % 100:02d}" in text
    assert "10:31:12 at 1,250.10" in text
    assert "+₹566.39" in text


def test_other_peoples_words_stay_words() -> None:
    source = render_html(report())
    assert "warning: the broker said: [2J no &lt;funds&gt;" in source
    assert "M&amp;M" in source
    assert "\x1b" not in source
    assert "warning: the broker said: [2J no <funds>" in shown(report(), 120)


def test_the_curve_starts_at_zero_and_ends_at_the_net() -> None:
    source = render_html(report())
    assert source.count("<circle") == 3
    assert "Net profit after each of 3 round trips, ending at +₹566.39" in source
    assert '<line class="zero"' in source
    (curve,) = re.findall(r'class="curve" d="([^"]+)"', source)
    assert re.fullmatch(r"M[\d.]+ [\d.]+(H[\d.]+V[\d.]+){3}", curve)


def test_a_lone_flat_trade_still_draws() -> None:
    flat = trip("ema", "SBIN", Side.BUY, 1, (100_00, 100_00), "09:15:00 09:15:00", "x")
    desk = State()
    desk.trades.append(flat)
    page = render_html(build(desk, RUN, lambda _: Charges(), []))
    assert "nan" not in page
    assert page.count("<circle") == 1


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    write_html(report(), path)
    first = path.read_text(encoding="utf-8")
    write_html(report(), path)
    assert path.read_text(encoding="utf-8") == first == render_html(report())
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]
