"""Rows of both brokers' instrument files for what the contract tests do not trade: derivatives."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import date

import pytest

from saudagar.exchange.dhan.masters import detailed_csv
from saudagar.exchange.dhan.shapes import instrument_word
from saudagar.exchange.tape import Line
from saudagar.exchange.upstox.masters import instruments_gz
from saudagar.model import Instrument, InstrumentKind, Right, Segment

OPTION = Instrument(
    segment=Segment.NSE_FNO,
    symbol="NIFTY-2026-11-23-24000-CE",
    kind=InstrumentKind.OPTION,
    tick_size=5,
    lot_size=65,
    freeze_quantity=1755,
    underlying="NIFTY",
    expiry=date(2026, 11, 23),
    strike=24_000_00,
    right=Right.CALL,
    dhan_id="61593",
    upstox_id="NSE_FO|61593",
)
FUTURE = Instrument(
    segment=Segment.NSE_FNO,
    symbol="SBIN-2026-11-23-FUT",
    kind=InstrumentKind.FUTURE,
    tick_size=5,
    lot_size=750,
    underlying="SBIN",
    expiry=date(2026, 11, 23),
    dhan_id="58072",
    upstox_id="NSE_FO|58072",
)


@pytest.mark.parametrize(("instrument", "word"), [(OPTION, "OPTIDX"), (FUTURE, "FUTSTK")])
def test_dhan_rows(instrument: Instrument, word: str) -> None:
    [row] = csv.DictReader(detailed_csv([Line(instrument, 100_00, 0)]).splitlines())
    assert (row["SEGMENT"], row["INSTRUMENT"], row["UNDERLYING_SYMBOL"]) == ("D", word, instrument.underlying)
    assert (row["SM_EXPIRY_DATE"], row["LOT_SIZE"], row["TICK_SIZE"]) == ("2026-11-23", str(instrument.lot_size), "5")
    assert (row["STRIKE_PRICE"], row["OPTION_TYPE"]) == (
        ("24000.00000", "CE") if instrument is OPTION else ("-0.01000", "XX")
    )
    assert instrument_word(instrument) == word


def test_upstox_rows() -> None:
    option, future = json.loads(gzip.decompress(instruments_gz([OPTION, FUTURE])))
    assert option["expiry"] == 1795458599000  # 2026-11-23 23:59:59 IST
    assert (option["segment"], option["instrument_type"], option["strike_price"]) == ("NSE_FO", "CE", 24000.0)
    assert (future["instrument_type"], future["strike_price"], future["underlying_symbol"]) == ("FUT", 0.0, "SBIN")
    assert instruments_gz([OPTION]) == instruments_gz([OPTION])
