"""A day of three round trips for the tests of the desk's report."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal

from rich.console import Console

from saudagar.app.report import DayReport, RunFacts, build
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
