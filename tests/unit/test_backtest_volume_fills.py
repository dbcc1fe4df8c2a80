"""Queues and shares of volume, each rule by hand; then through the engine: no bar gives more than its share."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from tests.backtests import CALENDAR, INSTRUMENTS, MASTER, bars, draw

from saudagar.backtest.data import Market
from saudagar.backtest.fill_rules import Fill, FillRules
from saudagar.backtest.fills import NO_SLIPPAGE, Slippage
from saudagar.backtest.replay import replay_bars
from saudagar.backtest.run import Backtest, run
from saudagar.backtest.volume_fills import VolumeBroker
from saudagar.execution.effects import CancelOrder, FetchTrades, FindOrder, ModifyOrder, SubmitOrder
from saudagar.indicators import BarArrays
from saudagar.market.master import Master
from saudagar.model import (
    MINUTE,
    ClientOrderId,
    ModifyAccepted,
    NewOrder,
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    RequestFailed,
    Side,
    SizeBy,
    Sizing,
)
from saudagar.model.errors import ConfigError
from saudagar.model.events import OrderFilled
from saudagar.strategies import Exits
from saudagar.strategies.ema_cross import EmaCross

STOCK = msgspec.structs.replace(INSTRUMENTS[0], tick_size=10, lot_size=5)
NAME = STOCK.id
LIMIT, SL, MARKET = OrderType.LIMIT, OrderType.SL, OrderType.MARKET
TOUCH = FillRules(fill=Fill.LIMIT_TOUCH, queue=500_000, rest=3)
SHARE = FillRules(participation=100_000)


def broker(rules: FillRules, slippage: Slippage = NO_SLIPPAGE) -> VolumeBroker:
    """The market stands at 100.00 in a bar of 1,000 units."""
    made = VolumeBroker(rules, slippage, Master(MASTER.day, (STOCK,)))
    made.begin_bar(NAME, 9_950, 10_050, 1_000)
    made.on_price(NAME, 1, 10_000)
    return made


def order(
    kind: OrderType, quantity: int, side: Side = Side.BUY, price: int = 0, purpose: Purpose = Purpose.ENTRY
) -> NewOrder:
    trigger = price if kind is SL else 0
    return NewOrder(
        order_id=ClientOrderId("BT1"),
        instrument=NAME,
        side=side,
        terms=OrderTerms(quantity=quantity, order_type=kind, price=price, trigger_price=trigger),
        product=Product.INTRADAY,
        purpose=purpose,
        position=PositionId(f"plan@{NAME}"),
    )


def told(report: object) -> tuple[str, int, int]:
    assert isinstance(report, OrderReport)
    return report.status.value, report.filled, report.last_price


# A bid at 100.00; the next bar's low, high, volume and the share ahead; what fills of 200 units.
QUEUES = [
    (9_990, 10_050, 600, 500_000, 200),  # crossed: whole
    (10_000, 10_050, 600, 500_000, 50),  # touched: 600 // 6 ticks = 100 there, half of it ahead
    (10_000, 10_050, 606, 333_333, 65),  # 101 there, ⌈33.67⌉ = 34 ahead, 67 left: 13 lots
    (10_000, 10_050, 600, 1_000_000, 0),  # the whole volume is ahead
    (10_000, 10_050, 600, 0, 100),  # nobody is ahead
    (10_000, 10_000, 600, 500_000, 200),  # all of it traded there: 300, more than is wanted
    (10_000, 10_050, 20, 500_000, 0),  # less than a lot
    (10_010, 10_050, 600, 0, 0),  # never came
]


@pytest.mark.parametrize(("low", "high", "volume", "queue", "filled"), QUEUES)
def test_a_touched_limit_fills_with_what_is_beyond_the_queue(
    low: int, high: int, volume: int, queue: int, filled: int
) -> None:
    made = broker(FillRules(fill=Fill.LIMIT_TOUCH, queue=queue))
    (answer,) = made.carry_out(SubmitOrder(order(LIMIT, 200, price=10_000)))
    assert told(answer) == ("OPEN", 0, 0)
    made.begin_bar(NAME, low, high, volume)
    reports = [report for price in (high, max(low, 10_000), low, high) for report in made.on_price(NAME, 2, price)]
    assert made.fills == (filled > 0)
    assert [told(report)[1:] for report in reports] == ([(filled, 10_000)] if filled else [])
    assert (made.asleep(NAME) is None) == (filled < 200)


def test_an_offer_waits_at_the_high_and_a_queue_moves_once_a_bar() -> None:
    made = broker(TOUCH)
    made.carry_out(SubmitOrder(order(LIMIT, 120, Side.SELL, price=10_000)))
    for filled in (50, 100, 120):
        made.begin_bar(NAME, 9_950, 10_000, 600)
        reports = [report for price in (9_950, 10_000, 9_960, 10_000) for report in made.on_price(NAME, 2, price)]
        assert [told(report)[1] for report in reports] == [filled]
    assert reports[0].status is OrderStatus.FILLED


def test_what_has_waited_long_enough_is_withdrawn_with_what_has_traded() -> None:
    made = broker(FillRules(fill=Fill.LIMIT_TOUCH, queue=500_000, rest=2))
    made.carry_out(SubmitOrder(order(LIMIT, 120, price=10_000)))
    made.begin_bar(NAME, 10_000, 10_050, 600)
    assert [told(report)[1] for report in made.on_price(NAME, 2, 10_000)] == [50]
    made.begin_bar(NAME, 10_020, 10_050, 600)
    assert made.on_price(NAME, 3, 10_020) == []
    made.begin_bar(NAME, 9_900, 10_050, 600)
    assert [told(report)[:2] for report in made.on_price(NAME, 4, 10_050)] == [("EXPIRED", 50)]
    assert made.asleep(NAME) == []


def test_exits_do_not_queue() -> None:
    made = broker(TOUCH)
    (answer,) = made.carry_out(SubmitOrder(order(LIMIT, 200, Side.SELL, price=10_000, purpose=Purpose.EXIT)))
    assert told(answer) == ("FILLED", 200, 10_000)


def test_no_more_than_the_share_of_a_bar_trades_and_the_rest_waits() -> None:
    made = broker(SHARE, Slippage(ticks=1))
    (answer,) = made.carry_out(SubmitOrder(order(MARKET, 250)))
    assert told(answer) == ("PARTIALLY_FILLED", 100, 10_010)
    assert made.on_price(NAME, 2, 10_050) == []
    made.begin_bar(NAME, 9_900, 10_000, 1_039)  # 103 units are 20 lots
    (answer,) = made.on_price(NAME, 3, 9_900)
    assert told(answer) == ("PARTIALLY_FILLED", 200, 9_910)
    assert answer.average_price == (100 * 10_010 + 100 * 9_910) / 200
    (found,) = made.carry_out(FindOrder(ClientOrderId("BT1")))
    assert told(found)[:2] == ("PARTIALLY_FILLED", 200)
    made.begin_bar(NAME, 9_900, 10_000, 1_000)
    (answer,) = made.on_price(NAME, 4, 10_000)
    assert told(answer) == ("FILLED", 250, 10_010)
    assert made.fills == 3


def test_what_is_cancelled_keeps_what_has_traded() -> None:
    made = broker(SHARE)
    made.carry_out(SubmitOrder(order(MARKET, 250)))
    (answer,) = made.carry_out(CancelOrder(ClientOrderId("BT1")))
    assert told(answer)[:2] == ("CANCELLED", 100)
    (again,) = made.carry_out(FetchTrades(answer))
    assert [(trade.quantity, trade.price) for trade in again.trades] == [(100, 10_000)]
    (failed,) = made.carry_out(ModifyOrder(ClientOrderId("BT1"), OrderTerms(quantity=5, order_type=MARKET)))
    assert isinstance(failed, RequestFailed)


def test_a_stop_wakes_and_a_modification_trades_within_the_share() -> None:
    made = broker(SHARE)
    made.carry_out(SubmitOrder(order(SL, 150, Side.SELL, price=9_950, purpose=Purpose.STOP)))
    assert list(made.levels(NAME)) == [9_950]
    (answer,) = made.on_price(NAME, 2, 9_950)
    assert told(answer) == ("PARTIALLY_FILLED", 100, 9_950)
    made.begin_bar(NAME, 9_900, 9_940, 1_000)
    assert made.on_price(NAME, 3, 9_940) == []  # below its limit
    terms = OrderTerms(quantity=150, order_type=LIMIT, price=9_900)
    accepted, filled = made.carry_out(ModifyOrder(ClientOrderId("BT1"), terms))
    assert isinstance(accepted, ModifyAccepted)
    assert told(filled) == ("FILLED", 150, 9_940)


def test_shares_that_cannot_be_are_refused() -> None:
    for wrong in ({"queue": -1}, {"queue": 1_000_001}, {"participation": 1_000_001}, {"rest": 0}):
        with pytest.raises(ConfigError):
            FillRules(**wrong)  # type: ignore[arg-type]


def random_backtest(seed: int, rules: FillRules) -> Backtest:
    drawn = draw(seed, 1)
    (plan,) = drawn.settings.plans
    plan = msgspec.structs.replace(plan, sizing=Sizing(SizeBy.QUANTITY, 900))
    limits = msgspec.structs.replace(drawn.settings.limits, max_order_value=0, max_order_quantity=0)
    settings = msgspec.structs.replace(drawn.settings, plans=(plan,), limits=limits)
    return msgspec.structs.replace(drawn, settings=settings, fills=rules)


@pytest.mark.parametrize("fill", list(Fill))
def test_no_bar_gives_more_than_its_share(fill: Fill) -> None:
    """Random strategies and exits, 900 units in bars of some 500, a tenth of each at most."""
    trips = 0
    for seed in range(25):
        backtest = random_backtest(seed, FillRules(fill=fill, participation=100_000, queue=0, rest=2))
        (name,) = backtest.market.bars
        columns = backtest.market.bars[name]
        traded: list[OrderFilled] = []
        result = replay_bars(
            backtest.fills.applied(
                msgspec.structs.replace(
                    backtest.settings, limits=msgspec.structs.replace(backtest.settings.limits, orders_per_second=0)
                )
            ),
            backtest.market.bars,
            MASTER,
            CALENDAR,
            backtest.costs,  # type: ignore[arg-type]
            on_events=lambda events, traded=traded: traded.extend(  # type: ignore[misc]
                event for event in events if isinstance(event, OrderFilled)
            ),
            slippage=backtest.slippage,
            fills=backtest.fills,
        )
        taken = np.zeros(len(columns), np.int64)
        for event in traded:
            taken[np.searchsorted(columns.start, event.traded, side="right") - 1] += event.quantity
        assert (taken <= columns.volume.astype(np.int64) // 10).all()
        held = sum(position.quantity for position in result.open)
        bought = sum(trade.quantity for trade in result.trades)
        assert taken.sum() >= 2 * bought + abs(held)
        trips += len(result.trades)
    assert trips > 10


def one_signal(rows: list[tuple[int, int, int, int, int]], rules: FillRules) -> list[tuple[int, ...]]:
    """What trades where the close crosses its average of two, on bars of (open, high, low, close, volume)."""
    base = random_backtest(1, rules)
    start = bars(1, 1, 0.0008, 0.0, 5, 100).start[: len(rows)]
    columns = dict(zip(("open", "high", "low", "close", "volume"), np.array(rows).T, strict=True))
    arrays = BarArrays.from_columns(interval=MINUTE, start=start, end=start + MINUTE, **columns)
    (plan,) = base.settings.plans
    plan = msgspec.structs.replace(
        plan, strategy=EmaCross(fast=2, slow=3), sizing=Sizing(SizeBy.QUANTITY, 100), exits=Exits(), instruments=(NAME,)
    )
    settings = msgspec.structs.replace(base.settings, plans=(plan,), hours=type(base.settings.hours)())
    market = Market({NAME: arrays}, Master(MASTER.day, (STOCK,)), CALENDAR)
    backtest = msgspec.structs.replace(base, settings=settings, market=market, slippage=Slippage())
    orders = run(backtest, "engine").orders()
    return [
        ((int(ts) - int(start[0])) // MINUTE, int(units), int(value))
        for ts, units, value in zip(orders.ts, orders.units, orders.value, strict=True)
    ]


FLAT = (10_000, 10_000, 10_000, 10_000, 1_000)
RISE = [FLAT, FLAT, (10_000, 10_000, 9_900, 9_900, 1_000), (9_900, 10_100, 9_900, 10_100, 1_000)]
"""The fourth bar crosses upwards at its close of 101.00."""


def test_the_same_signal_under_each_rule() -> None:
    after = [(10_110, 10_150, 10_100, 10_140, 6_000), (10_140, 10_200, 10_090, 10_200, 6_000)]
    next_open = one_signal(RISE + after, FillRules())
    assert next_open == [(4, 100, 1_011_000)]
    assert one_signal(RISE + after, FillRules(fill=Fill.CLOSE)) == [(3, 100, 1_010_000)]
    touched = FillRules(fill=Fill.LIMIT_TOUCH, queue=500_000)
    assert one_signal(RISE + after, touched) == [(4, 100, 1_010_000)]  # 6,000 // 6 ticks: 500 are beyond the queue
    ahead = FillRules(fill=Fill.LIMIT_TOUCH, queue=1_000_000)
    assert one_signal(RISE + after, ahead) == []  # withdrawn after the bar that only touched
    patient = FillRules(fill=Fill.LIMIT_TOUCH, queue=1_000_000, rest=2)
    assert one_signal(RISE + after, patient) == [(5, 100, 1_010_000)]  # the bar after goes through it
    share = FillRules(participation=10_000)  # 60 units of a bar
    assert one_signal(RISE + after, share) == [(4, 100, 60 * 10_110 + 40 * 10_140)]
