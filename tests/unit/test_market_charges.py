"""Charges against what brokers really printed, to the last digit."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from saudagar.market.charge_tables import PLANS, Brokerage, ChargeClass, Plan
from saudagar.market.charges import (
    Charges,
    ExecutedOrder,
    Rounding,
    charge,
    contract_note,
    exercise_stt,
    plan_named,
    round_trip,
)
from saudagar.model import Instrument, InstrumentKind, Product, Segment, Side
from saudagar.model.errors import CalendarError, ConfigError, DataError

GOLDEN = Path(__file__).resolve().parents[2] / "../shared/fixtures/charges/golden_charges.json"
TODAY = date(2026, 11, 20)
BUY, SELL = Side.BUY, Side.SELL


def instrument(
    segment: Segment, kind: InstrumentKind, symbol: str = "X", underlying: str = "", isin: str = ""
) -> Instrument:
    return Instrument(segment=segment, symbol=symbol, kind=kind, tick_size=5, underlying=underlying, isin=isin)


STOCK = instrument(Segment.NSE_EQ, InstrumentKind.EQUITY, "SBIN", isin="INE062A01020")
BSE_STOCK = instrument(Segment.BSE_EQ, InstrumentKind.EQUITY)
ETF = instrument(Segment.NSE_EQ, InstrumentKind.EQUITY, "JUNIORBEES", isin="INF732E01045")
FUTURE = instrument(Segment.NSE_FNO, InstrumentKind.FUTURE, underlying="NIFTY")
OPTION = instrument(Segment.NSE_FNO, InstrumentKind.OPTION, underlying="NIFTY")
SENSEX = instrument(Segment.BSE_FNO, InstrumentKind.OPTION, underlying="SENSEX")
SENSEX50 = instrument(Segment.BSE_FNO, InstrumentKind.OPTION, underlying="SENSEX50")
BSE_FUTURE = instrument(Segment.BSE_FNO, InstrumentKind.FUTURE, underlying="SENSEX")
GOLD = instrument(Segment.MCX_COMM, InstrumentKind.FUTURE, underlying="GOLD")
GOLD_OPTION = instrument(Segment.MCX_COMM, InstrumentKind.OPTION, underlying="GOLD")
INDEX = instrument(Segment.NSE_INDEX, InstrumentKind.INDEX)


def free_delivery(of: str, rupees: str) -> Plan:
    """A plan as its broker had it when the sample was printed: another delivery brokerage than today's."""
    plan = PLANS[of]
    return Plan(
        name=plan.name,
        brokerage={**plan.brokerage, ChargeClass.DELIVERY: Brokerage(Decimal(rupees))},
        dp=plan.dp,
        gst_on_sebi=plan.gst_on_sebi,
        gst_on_ipft=plan.gst_on_ipft,
        whole_rupees=plan.whole_rupees,
    )


FREE = Plan(name="free", brokerage=dict.fromkeys(ChargeClass, Brokerage(Decimal(0))), dp=Decimal(0))
"""No broker: what the state and the exchange take."""


def taken(day: str, what: Instrument, quantity: int, bought: int, sold: int) -> Charges:
    return round_trip(FREE, date.fromisoformat(day), what, Product.MARGIN, quantity, bought, sold)


def buy(
    plan: Plan | str, day: str, what: Instrument, product: Product, quantity: int, value: int, rounding: Rounding
) -> Charges:
    return charge(plan, date.fromisoformat(day), what, product, BUY, quantity, value, rounding)


def both(day: str, what: Instrument, product: Product) -> Charges:
    """500 units bought and sold at Rs 1,000 with Zerodha."""
    return round_trip("zerodha", date.fromisoformat(day), what, product, 500, 500_000_00, 500_000_00)


KITE, NOTE = Rounding.KITE_API, Rounding.CONTRACT_NOTE
GOLDEN_CASES: dict[str, tuple[Charges, dict[str, str], str]] = {
    # Kite order charges pasted by a user, 2025-07: NIFTY25JUL25900CE, 75 units.
    "G1": (
        buy("zerodha", "2025-07-15", OPTION, Product.MARGIN, 75, 11_658_75, KITE),
        {"brokerage": "20", "exchange": "4.142353875", "sebi": "0.01165875", "gst": "4.3477222725"},
        "28.5017348975",
    ),
    # Kite virtual contract note, 2023: SBIN 1 @ 560.
    "G3": (
        buy("zerodha", "2023-07-10", STOCK, Product.DELIVERY, 1, 560_00, KITE),
        {"stt": "0.56", "exchange": "0.01876", "sebi": "0.00056", "gst": "0.0033768"},
        "0.5826968",
    ),
    # The same: NIFTY2371317900PE 100 @ 1.5.
    "G5": (
        buy("zerodha", "2023-07-10", OPTION, Product.INTRADAY, 100, 150_00, KITE),
        {"brokerage": "20", "exchange": "0.07575", "sebi": "0.00015", "gst": "3.613527"},
        "23.689427",
    ),
    # The older sample in Kite's documentation: INFY 1 @ 1498, printed with a brokerage of 0.01.
    "G6": (
        buy(free_delivery("zerodha", "0.01"), "2022-06-01", STOCK, Product.DELIVERY, 1, 1498_00, KITE),
        {
            "brokerage": "0.01",
            "stt": "1.498",
            "exchange": "0.051681",
            "sebi": "0.001498",
            "stamp": "0.22",
            "gst": "0.01137222",
        },
        "1.79255122",
    ),
    # Upstox get-brokerage sample, 2023, in its days of free delivery; turnover 174,867.
    "G7": (
        buy(free_delivery("upstox", "0"), "2023-10-03", STOCK, Product.DELIVERY, 100, 174_867_00, NOTE),
        {"stt": "175", "stamp": "26.23", "exchange": "5.68", "ipft": "0.17", "sebi": "0.17", "gst": "1.02"},
        "208.27",
    ),
    # Zerodha's calculator, March 2026: 500 bought and sold at 1000.
    "G11": (
        both("2026-03-16", STOCK, Product.DELIVERY),
        {"stt": "1000", "exchange": "30.70", "sebi": "1", "stamp": "75", "gst": "5.706"},
        "1112.406",
    ),
    "G13": (
        both("2026-03-16", OPTION, Product.MARGIN),
        {"brokerage": "40", "stt": "500", "exchange": "355.30", "sebi": "1", "stamp": "15", "gst": "71.334"},
        "982.634",
    ),
    "G12b": (
        both("2026-04-01", FUTURE, Product.MARGIN),
        {"brokerage": "40", "stt": "250", "exchange": "18.30", "sebi": "1", "stamp": "10", "gst": "10.674"},
        "329.974",
    ),
}
STATUTORY_CASES: dict[str, tuple[Charges, dict[str, str], str]] = {
    # r/UpdateINDIA, "Statutory Charges in NSE F&O", 2025-05-28: 500 RELIANCE at 1420 and 1450, and a call at 25 and 35.
    "future": (
        taken("2025-05-28", FUTURE, 500, 710_000_00, 725_000_00),
        {"exchange": "24.8255", "sebi": "1.435", "ipft": "1.435", "stamp": "14.2", "stt": "145", "gst": "4.98519"},
        "191.88069",
    ),
    "option": (
        taken("2025-05-28", OPTION, 500, 12_500_00, 17_500_00),
        {"exchange": "10.509", "sebi": "0.03", "ipft": "0.15", "stamp": "0.375", "stt": "17.5", "gst": "1.92402"},
        "30.48802",
    ),
}


def parts_of(charges: Charges, *, ipft_apart: bool) -> dict[str, Decimal]:
    parts = {name: getattr(charges, name) for name in charges.__struct_fields__}
    if not ipft_apart:
        parts["exchange"] += parts.pop("ipft")
    return parts


@pytest.mark.parametrize("case", [*GOLDEN_CASES, *STATUTORY_CASES])
def test_golden_case(case: str) -> None:
    charges, expected, total = (GOLDEN_CASES | STATUTORY_CASES)[case]
    parts = parts_of(charges, ipft_apart="ipft" in expected)
    assert {name: value for name, value in parts.items() if value} == {
        name: Decimal(text) for name, text in expected.items()
    }
    assert charges.total == Decimal(total)


@pytest.mark.skipif(not GOLDEN.is_file(), reason="the golden charges file is not beside the repository")
def test_every_case_of_the_golden_file() -> None:
    cases: list[dict[str, Any]] = json.loads(GOLDEN.read_text())["cases"]
    assert {case["id"] for case in cases} == set(GOLDEN_CASES)
    for case in cases:
        charges = GOLDEN_CASES[case["id"]][0]
        parts = parts_of(charges, ipft_apart="ipft" in case["components"])
        for name, printed in case["components"].items():
            assert parts[name] == Decimal(printed), (case["id"], name)
        assert charges.total == Decimal(case["sum_of_components"])
        digits = Decimal(case["total"])
        assert charges.total.quantize(digits, "ROUND_HALF_UP") == digits


@pytest.mark.parametrize(
    ("plan", "what", "product", "side", "rupees", "expected"),
    [
        # Rs 1,00,000 sold intraday: 20 or .03 %; STT .025 %; .0030699 % and .0000001 %; SEBI .0001 %.
        ("zerodha", STOCK, Product.INTRADAY, SELL, 100_000, "20 25 3.0699 0.0001 0.1 0 4.1706 0"),
        ("dhan", STOCK, Product.INTRADAY, BUY, 10_000, "3 0 0.30699 0.00001 0.01 0.3 0.59706 0"),
        ("upstox", STOCK, Product.INTRADAY, BUY, 10_000, "10 0 0.30699 0.00001 0.01 0.3 1.85706 0"),
        ("upstox", STOCK, Product.DELIVERY, SELL, 10_000, "20 10 0.30699 0.00001 0.01 0 3.65706 0"),
        ("upstox", FUTURE, Product.MARGIN, BUY, 10_000, "5 0 0.18299 0.00001 0.01 0.2 0.93474 0"),
        ("dhan", BSE_STOCK, Product.DELIVERY, BUY, 10_000, "0 10 0.375 0 0.01 1.5 0.0693 0"),
        ("zerodha", ETF, Product.DELIVERY, BUY, 100_000, "0 0 3.0699 0.0001 0.1 15 0.5706 0"),
        ("zerodha", ETF, Product.DELIVERY, SELL, 100_000, "0 1 3.0699 0.0001 0.1 0 0.5706 0"),
        ("zerodha", ETF, Product.INTRADAY, SELL, 10_000, "3 2.5 0.30699 0.00001 0.01 0 0.59706 0"),
        ("zerodha", OPTION, Product.INTRADAY, SELL, 10_000, "20 15 3.552 0.001 0.01 0 4.24134 0"),
        ("dhan", SENSEX, Product.MARGIN, SELL, 10_000, "20 15 3.25 0 0.01 0 4.1868 0"),
        ("dhan", SENSEX50, Product.MARGIN, SELL, 10_000, "20 15 0.5 0 0.01 0 3.6918 0"),
        ("dhan", BSE_FUTURE, Product.MARGIN, SELL, 10_000, "3 5 0 0 0.01 0 0.5418 0"),
        ("zerodha", GOLD, Product.MARGIN, SELL, 10_000, "3 1 0.21 0 0.01 0 0.5796 0"),
        ("zerodha", GOLD, Product.INTRADAY, BUY, 10_000, "3 0 0.21 0 0.01 0.2 0.5796 0"),
        ("zerodha", GOLD_OPTION, Product.MARGIN, SELL, 10_000, "20 5 4.18 0 0.01 0 4.3542 0"),
    ],
)
def test_todays_rates(plan: str, what: Instrument, product: Product, side: Side, rupees: int, expected: str) -> None:
    charges = charge(plan, TODAY, what, product, side, 10, rupees * 100)
    assert [getattr(charges, name) for name in charges.__struct_fields__] == [
        Decimal(text) for text in expected.split()
    ]


@pytest.mark.parametrize(
    ("day", "future", "option"),
    [
        ("2024-10-01", "2", "10"),
        ("2026-03-31", "2", "10"),
        ("2026-04-01", "5", "15"),
    ],
)
def test_stt_changes_on_its_day(day: str, future: str, option: str) -> None:
    on = date.fromisoformat(day)
    assert charge("dhan", on, FUTURE, Product.MARGIN, SELL, 1, 10_000_00).stt == Decimal(future)
    assert charge("dhan", on, OPTION, Product.MARGIN, SELL, 1, 10_000_00).stt == Decimal(option)


@pytest.mark.parametrize(
    ("day", "what", "expected"),
    [
        # Rupees per crore to the exchange, its fund and SEBI, from the circulars that `charge_tables` names.
        ("2021-01-01", FUTURE, "200 0 5"),
        ("2021-03-31", OPTION, "5300 0 5"),
        ("2021-04-01", FUTURE, "200 0 10"),
        ("2023-03-31", OPTION, "5300 0 10"),
        ("2023-04-01", FUTURE, "190 10 10"),
        ("2023-04-01", OPTION, "5000 50 10"),
        ("2024-04-01", FUTURE, "188 10 10"),
        ("2024-04-01", OPTION, "4950 50 10"),
        ("2024-09-30", FUTURE, "188 10 10"),
        ("2024-10-01", FUTURE, "173 10 10"),
        ("2024-10-01", OPTION, "3503 50 10"),
        ("2021-01-01", BSE_FUTURE, "0 0 5"),
        ("2022-05-02", SENSEX50, "500 0 10"),
        ("2024-05-13", SENSEX, "4950 0 10"),
        ("2024-10-01", SENSEX, "3250 0 10"),
    ],
)
def test_the_fees_of_the_past(day: str, what: Instrument, expected: str) -> None:
    fees = charge(FREE, date.fromisoformat(day), what, Product.MARGIN, BUY, 1, 1_00_00_000_00)
    assert [fees.exchange, fees.ipft, fees.sebi] == [Decimal(text) for text in expected.split()]


def test_the_nse_sum_did_not_move_on_2026_03_01_only_its_split() -> None:
    for what, product in ((STOCK, Product.INTRADAY), (FUTURE, Product.MARGIN), (OPTION, Product.MARGIN)):
        old, new = (charge("dhan", date(2026, *md), what, product, BUY, 1, 10_000_00) for md in ((2, 27), (3, 2)))
        assert old.exchange + old.ipft == new.exchange + new.ipft
        assert old.ipft > new.ipft
        assert old.gst == new.gst


def test_depository_charge_on_the_first_delivery_sale_only() -> None:
    sale = charge("zerodha", TODAY, STOCK, Product.DELIVERY, SELL, 1, 1000_00, dp=True)
    without = charge("zerodha", TODAY, STOCK, Product.DELIVERY, SELL, 1, 1000_00)
    assert sale.total - without.total == Decimal("15.34")  # as Zerodha lists it, GST included
    assert charge("zerodha", TODAY, STOCK, Product.DELIVERY, BUY, 1, 1000_00, dp=True).dp == 0
    trip = round_trip("dhan", TODAY, STOCK, Product.DELIVERY, 1, 1000_00, 1000_00, dp=True)
    assert trip.dp == Decimal("12.5")


def test_a_round_trip_over_days_takes_each_days_rates() -> None:
    trip = round_trip(
        "dhan", date(2026, 3, 31), FUTURE, Product.MARGIN, 1, 10_000_00, 10_000_00, sell_day=date(2026, 4, 1)
    )
    assert trip.stt == 5


def executed(
    side: Side, quantity: int, rupees: int, what: Instrument = STOCK, product: Product = Product.DELIVERY
) -> ExecutedOrder:
    return ExecutedOrder(instrument=what, product=product, side=side, quantity=quantity, value=quantity * rupees * 100)


def test_contract_note_takes_stt_on_the_days_average_price() -> None:
    """Zerodha's own example: average 103.75; intraday 12.969 becomes 13, delivery 20.75 becomes 21."""
    day = [executed(BUY, 500, 100), executed(SELL, 500, 105), executed(BUY, 200, 110)]
    note = contract_note("zerodha", TODAY, day)
    assert note.total.stt == 13 + 21
    exact = contract_note("zerodha", TODAY, day, Rounding.EXACT).total
    assert exact.stt == Decimal("12.96875") + Decimal("20.75")
    # Stamp on the buys' average price, 72,000 / 700: 500 intraday and 200 delivered.
    average = Decimal(72_000) / 700
    assert exact.stamp == average * (500 * Decimal("0.00003") + 200 * Decimal("0.00015"))
    assert note.by_instrument == {STOCK.id: note.total}


def test_contract_note_of_a_pure_sale_and_of_several_instruments() -> None:
    note = contract_note(
        "dhan",
        TODAY,
        [
            executed(SELL, 10, 1000),
            executed(BUY, 75, 100, OPTION, Product.MARGIN),
            executed(SELL, 75, 111, OPTION, Product.MARGIN),
        ],
        dp=True,
    )
    share, option = note.by_instrument[STOCK.id], note.by_instrument[OPTION.id]
    assert (share.stt, share.stamp, share.dp) == (10, 0, Decimal("12.50"))
    assert (option.stt, option.stamp, option.brokerage) == (12, 0, 40)  # 12.4875 and 0.225, in whole rupees
    assert option.exchange == Decimal("5.62")
    assert note.total == share + option
    assert note.total.total == share.total + option.total


def test_contract_note_charges_brokerage_per_order() -> None:
    day = [executed(BUY, 100, 1000, product=Product.INTRADAY), executed(SELL, 100, 1001, product=Product.INTRADAY)]
    assert contract_note("upstox", TODAY, day).total.brokerage == 40
    assert contract_note(PLANS["upstox"], TODAY, []).total == Charges()


def test_contract_note_agrees_with_the_legs_when_nothing_is_rounded() -> None:
    day = [executed(BUY, 300, 1000, product=Product.INTRADAY), executed(SELL, 300, 1000, product=Product.INTRADAY)]
    legs = round_trip("dhan", TODAY, STOCK, Product.INTRADAY, 300, 300_000_00, 300_000_00)
    assert contract_note("dhan", TODAY, day, Rounding.EXACT).total == legs


def test_total_in_paise_rounds_half_up() -> None:
    assert Charges(stt=Decimal("1.005")).total_paise == 101
    assert Charges(stt=Decimal("1.0049")).total_paise == 100
    assert both("2026-03-16", STOCK, Product.DELIVERY).total_paise == 1112_41


def test_exercised_options_pay_on_their_intrinsic_value() -> None:
    assert exercise_stt(date(2026, 3, 30), 10_000_00) == Decimal("12.5")
    assert exercise_stt(TODAY, 10_000_00) == 15
    wrongs: list[Any] = [-1, 1.5]
    for wrong in wrongs:
        with pytest.raises(DataError):
            exercise_stt(TODAY, wrong)


def test_an_unknown_plan_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'groww'; known plans: dhan, upstox, zerodha"):
        charge("groww", TODAY, STOCK, Product.INTRADAY, BUY, 1, 100)
    with pytest.raises(ConfigError):
        contract_note("", TODAY, [])
    assert plan_named("dhan") is PLANS["dhan"]


@pytest.mark.parametrize(
    ("what", "product", "last_unknown"),
    [
        (STOCK, Product.INTRADAY, "2020-12-31"),
        (FUTURE, Product.MARGIN, "2020-12-31"),
        (OPTION, Product.MARGIN, "2020-12-31"),
        (SENSEX, Product.MARGIN, "2024-05-12"),
        (SENSEX50, Product.MARGIN, "2022-05-01"),
        (GOLD, Product.MARGIN, "2024-09-30"),
    ],
)
def test_a_day_before_the_table_is_refused(what: Instrument, product: Product, last_unknown: str) -> None:
    with pytest.raises(CalendarError, match=f"{last_unknown} is before that"):
        charge("dhan", date.fromisoformat(last_unknown), what, product, BUY, 1, 100)


@pytest.mark.parametrize(
    ("what", "product"),
    [
        (INDEX, Product.INTRADAY),
        (STOCK, Product.MTF),
        (STOCK, Product.MARGIN),
        (FUTURE, Product.DELIVERY),
        (instrument(Segment.NSE_INDEX, InstrumentKind.EQUITY), Product.INTRADAY),
    ],
)
def test_what_has_no_charges_is_refused(what: Instrument, product: Product) -> None:
    with pytest.raises(DataError, match="no charges are tabled"):
        charge("dhan", TODAY, what, product, BUY, 1, 100)


@pytest.mark.parametrize(("quantity", "value"), [(0, 100), (-1, 100), (1, 0), (1, -5), (1.0, 100), (1, float("nan"))])
def test_a_quantity_or_value_that_makes_no_sense_is_refused(quantity: Any, value: Any) -> None:
    with pytest.raises(DataError, match="positive whole quantity"):
        charge("dhan", TODAY, STOCK, Product.INTRADAY, BUY, quantity, value)
