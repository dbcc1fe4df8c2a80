"""What the simulated market lists."""

from __future__ import annotations

from datetime import date

import pytest

from saudagar.exchange.universe import by_symbol, equity_tick, listing, universe
from saudagar.model import InstrumentId
from saudagar.model.errors import DataError, UnknownInstrument


def test_ids_are_distinct_and_prices_on_their_grid():
    instruments = universe(1_200)
    for field in ("id", "dhan_id", "upstox_id", "kite_id"):
        assert len({getattr(each, field) for each in instruments}) == 1_200
    for each in instruments:
        assert each.on_tick(listing(each.id).previous_close)
        assert each.segment.tradable == each.closing_auction


def test_real_ids():
    reliance = by_symbol("RELIANCE")
    assert (reliance.isin, reliance.dhan_id, reliance.kite_id) == ("INE002A01018", "2885", "738561")
    assert reliance.upstox_id == "NSE_EQ|INE002A01018"
    assert universe(1)[0].upstox_id == "NSE_INDEX|Nifty 50"
    assert universe(1)[0].kite_id == "256265"
    assert by_symbol("BANKNIFTY").dhan_id == "25"
    assert all(len(each.isin) == 12 for each in universe(1_200)[1:])


def test_most_of_the_index_is_listed():
    weights = [listing(each.id).weight for each in universe(31)]
    assert 700_000 < sum(weights) < 1_000_000


@pytest.mark.parametrize(
    ("price", "day", "tick"),
    [
        (24_999, date(2026, 1, 1), 1),
        (25_000, date(2026, 1, 1), 5),
        (99_999, date(2026, 1, 1), 5),
        (100_000, date(2026, 1, 1), 10),
        (500_000, date(2026, 1, 1), 50),
        (1_000_000, date(2026, 1, 1), 100),
        (2_000_000, date(2026, 1, 1), 500),
        (193_335, date(2021, 4, 16), 5),
        (20_000, date(2021, 4, 16), 5),
        (20_000, date(2024, 6, 10), 1),
        (300_000, date(2025, 4, 14), 5),
    ],
)
def test_ticks_by_price_and_date(price, day, tick):
    assert equity_tick(price, day) == tick


def test_a_symbol_of_a_file_that_is_not_listed_is_made_up():
    made_up = by_symbol("ZOMATO")
    assert made_up == by_symbol("ZOMATO") != by_symbol("PAYTM")
    assert len(made_up.isin) == 12
    assert made_up.id == "NSE_EQ:ZOMATO"


@pytest.mark.parametrize("symbol", ["", "../etc", "A B", "é", "X" * 21])
def test_what_is_no_symbol(symbol):
    with pytest.raises(DataError, match="symbol"):
        by_symbol(symbol)


@pytest.mark.parametrize("name", ["NSE_EQ:SIM0", "NSE_EQ:SIMX", "NSE_EQ:SIM10000", "BSE_EQ:SIM0001", "RELIANCE", ""])
def test_what_is_not_listed(name):
    with pytest.raises(UnknownInstrument):
        listing(InstrumentId(name))


@pytest.mark.parametrize("count", [0, -1, 9_001])
def test_how_many(count):
    with pytest.raises(DataError, match="1 to 9,000"):
        universe(count)
