"""Pre-trade checks of the exchanges: the range of options, limit price protection, a stop's limit, MCX without IOC."""

from __future__ import annotations

from datetime import date

import pytest

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_orders import Refusal
from saudagar.exchange.core_rules import circuit_limits
from saudagar.market.ist import at
from saudagar.market.sessions import Calendar
from saudagar.model import (
    Instrument,
    InstrumentKind,
    OrderTerms,
    OrderType,
    Product,
    Right,
    Segment,
    Side,
    Tick,
    Validity,
)

DAY = date(2026, 11, 20)
OPEN = at(DAY, "09:15")
STRIKE = 24_000_00


def instrument(kind: InstrumentKind, segment: Segment = Segment.NSE_FNO, tick: int = 5) -> Instrument:
    option = kind is InstrumentKind.OPTION
    return Instrument(
        segment=segment,
        symbol=f"X-{kind}",
        kind=kind,
        tick_size=tick,
        strike=STRIKE if option else 0,
        right=Right.CALL if option else None,
    )


SHARE = instrument(InstrumentKind.EQUITY, Segment.NSE_EQ)
FUTURE = instrument(InstrumentKind.FUTURE)
OPTION = instrument(InstrumentKind.OPTION)
SENSEX_OPTION = instrument(InstrumentKind.OPTION, Segment.BSE_FNO)
GOLD = instrument(InstrumentKind.FUTURE, Segment.MCX_COMM)
BUY, SELL = Side.BUY, Side.SELL


def market(traded: Instrument, last: int, close: int = 0) -> MatchingCore:
    core = MatchingCore([traded], Calendar(), capital=10**14, previous_close={traded.id: close or last})
    core.advance(OPEN, [Tick(traded.id, OPEN, last, 100, ((last - 5, 500),), ((last + 5, 500),))])
    return core


def code(core: MatchingCore, traded: Instrument, side: Side, kind: str, price: int, trigger: int = 0, **more) -> str:
    """The refusal's code, empty if the order is taken."""
    terms = OrderTerms(quantity=1, order_type=OrderType(kind), price=price, trigger_price=trigger)
    product = Product.INTRADAY
    try:
        core.place(tag="", instrument=traded.id, side=side, terms=terms, product=product, **more)
    except Refusal as refusal:
        return refusal.code
    return ""


def test_an_option_may_double_in_a_day():
    core = market(OPTION, last=200_00, close=100_00)
    assert core.band(OPTION.id) == circuit_limits(OPTION, 100_00) == (5, 100_00 + STRIKE // 10)
    assert code(core, OPTION, BUY, "LIMIT", 200_05) == ""
    assert code(core, OPTION, SELL, "LIMIT", 199_95) == ""
    assert code(core, OPTION, SELL, "LIMIT", 100_00 + STRIKE // 10 + 5) == "band"
    assert circuit_limits(OPTION, 0) == (0, 0)


@pytest.mark.parametrize(
    ("traded", "last", "side", "furthest"),
    [
        (OPTION, 50_00, BUY, 70_00),
        (OPTION, 50_00, SELL, 30_00),
        (OPTION, 100_00, BUY, 140_00),
        (OPTION, 100_00, SELL, 60_00),
        (SENSEX_OPTION, 50_00, BUY, 80_00),
        (SENSEX_OPTION, 100_00, BUY, 160_00),
        (FUTURE, 1_000_00, BUY, 1_030_00),
        (FUTURE, 1_000_00, SELL, 970_00),
        (FUTURE, 20_00, BUY, 21_50),
    ],
)
def test_a_limit_reaches_so_far_through_the_market(traded, last, side, furthest):
    core = market(traded, last)
    assert code(core, traded, side, "LIMIT", furthest) == ""
    assert code(core, traded, side, "LIMIT", furthest + 5 * side.sign) == "band"
    patient = last - side.sign * last * 15 // 100
    assert code(core, traded, side, "LIMIT", patient - patient % 5) == "", "no matter how far on its own side"


def test_limit_price_protection_holds_for_modifications():
    core = market(OPTION, 100_00)
    terms = OrderTerms(quantity=1, order_type=OrderType.LIMIT, price=90_00)
    order = core.place(tag="", instrument=OPTION.id, side=BUY, terms=terms, product=Product.MARGIN)
    with pytest.raises(Refusal, match="LPP") as refused:
        core.modify(order.exchange_id, OrderTerms(quantity=1, order_type=OrderType.LIMIT, price=140_05))
    assert refused.value.code == "band"
    assert order.terms is terms


@pytest.mark.parametrize(
    ("traded", "trigger", "apart"),
    [
        (SHARE, 1_000_00, 30_00),
        (SHARE, 40_00, 1_50),
        (FUTURE, 1_000_00, 30_00),
        (OPTION, 100_00, 20_00),
        (OPTION, 40_00, 10_00),
    ],
)
@pytest.mark.parametrize("side", Side)
def test_the_limit_of_a_stop_lies_near_its_trigger(traded, trigger, apart, side):
    core = market(traded, trigger - 5 * side.sign)
    assert code(core, traded, side, "SL", trigger + side.sign * apart, trigger) == ""
    assert code(core, traded, side, "SL", trigger + side.sign * (apart + 5), trigger) == "price"


def test_mcx_takes_no_ioc_of_programs():
    core = market(GOLD, 1_00_000_00)
    assert code(core, GOLD, BUY, "LIMIT", 99_000_00, validity=Validity.IOC) == "order"
    assert code(core, GOLD, BUY, "LIMIT", 99_000_00) == ""
