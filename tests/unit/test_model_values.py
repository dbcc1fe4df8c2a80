"""Money, instruments, intents, errors: the small values everything is made of."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saudagar.model import (
    Direction,
    Exchange,
    Instrument,
    InstrumentId,
    InstrumentKind,
    Offset,
    Segment,
    Side,
    TradeSide,
    TradingState,
    inr,
    segment_of,
    to_paise,
)
from saudagar.model.errors import BrokerError, ConfigError, DataError, RejectedByBroker, SaudagarError

SHARE = Instrument(segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5, lot_size=10)


@pytest.mark.parametrize(
    ("rupees", "paise"),
    [("1234.565", 123457), ("0.005", 1), (-1, -100), (12.34, 1234), (Decimal("0.1"), 10), ("-0.005", -1), (" 7 ", 700)],
)
def test_rupees_become_paise(rupees, paise):
    assert to_paise(rupees) == paise


@pytest.mark.parametrize(
    "bad",
    [
        *("", "abc", "NaN", "Infinity", float("nan"), float("inf"), Decimal("sNaN")),
        *("1e999999", "1e400", 10**16, 1e16, -1e308, None, [1]),  # beyond all money, or no amount at all
    ],
)
def test_what_is_no_amount_is_refused(bad):
    with pytest.raises(DataError):
        to_paise(bad)


@pytest.mark.parametrize(
    ("paise", "sign", "text"),
    [
        (12345678, False, "₹1,23,456.78"),
        (-100, False, "-₹1.00"),
        (100, True, "+₹1.00"),
        (0, True, "₹0.00"),
        (10**11, False, "₹1,00,00,00,000.00"),
    ],
)
def test_paise_for_people(paise, sign, text):
    assert inr(paise, sign=sign) == text


@pytest.mark.parametrize(
    ("price", "side", "rounded"),
    [(102.9, Side.BUY, 100), (102.1, Side.SELL, 105), (100, Side.BUY, 100), (100, Side.SELL, 100), (5, Side.BUY, 5)],
)
def test_a_price_is_never_worse_than_asked(price, side, rounded):
    assert SHARE.round_price(price, side) == rounded


@given(st.floats() | st.integers(-(10**9), 10**9), st.sampled_from(Side))
def test_a_rounded_price_is_on_the_grid_or_refused(price, side):
    try:
        rounded = SHARE.round_price(price, side)
    except DataError:
        return
    assert SHARE.on_tick(rounded)
    assert side.sign * (price - rounded) >= 0 or abs(price) > 2**52


def test_lots_ids_and_offsets():
    assert SHARE.id == "NSE_EQ:SBIN"
    assert [SHARE.whole_lots(q) for q in (9, 10, 29)] == [0, 10, 20]
    assert not SHARE.on_tick(0)
    assert not SHARE.on_tick(-5)
    assert Offset(ppm=10_000, points=3).of(2_000) == 23
    assert Segment.BSE_FNO.exchange is Exchange.BSE
    assert not Segment.NSE_INDEX.tradable
    assert TradingState("HALTED") is TradingState.HALTED
    assert Side.of(-1) is Side.SELL.opposite.opposite


@pytest.mark.parametrize(
    ("side", "allowed"),
    [
        (TradeSide.BOTH, {Direction.LONG, Direction.SHORT, Direction.FLAT}),
        (TradeSide.BUY, {Direction.LONG, Direction.FLAT}),
        (TradeSide.SELL, {Direction.SHORT, Direction.FLAT}),
    ],
)
def test_the_sides_a_strategy_may_take(side, allowed):
    assert {d for d in Direction if side.allows(d)} == allowed


def test_errors_say_what_to_do_next():
    assert str(SaudagarError("It broke.", hint="Mend it.")) == "It broke. Mend it."
    assert str(SaudagarError("It broke.")) == "It broke."
    assert ConfigError("two mistakes", ["a", "b"]).problems == ("a", "b")
    assert RejectedByBroker("no", code="DH-906").code == "DH-906"
    assert issubclass(RejectedByBroker, BrokerError)


def test_an_id_tells_where_its_instrument_trades():
    for segment in Segment:
        assert segment_of(InstrumentId(f"{segment}:A:B")) is segment
    for name in ("", "SBIN", "NSE:SBIN", ":SBIN", "nse_eq:SBIN"):
        with pytest.raises(DataError, match="expected a segment such as NSE_EQ"):
            segment_of(InstrumentId(name))
