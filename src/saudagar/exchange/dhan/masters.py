"""Dhan's detailed scrip master: the CSV of 31 columns that the desk's instrument master reads.

Format as of 2026-04-15: ticks in paise for what trades but in rupees for an index, "NA" and "0001-01-01" where there
is nothing. The bands are ±20 % of the previous close.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from saudagar.exchange.dhan.shapes import ALERT_SEGMENT, instrument_word
from saudagar.exchange.options import is_monthly
from saudagar.exchange.tape import Line
from saudagar.model import Instrument, InstrumentKind, Paise

COLUMNS = (
    "EXCH_ID,SEGMENT,SECURITY_ID,ISIN,INSTRUMENT,UNDERLYING_SECURITY_ID,UNDERLYING_SYMBOL,SYMBOL_NAME,DISPLAY_NAME,"
    "INSTRUMENT_TYPE,SERIES,LOT_SIZE,SM_EXPIRY_DATE,STRIKE_PRICE,OPTION_TYPE,TICK_SIZE,EXPIRY_FLAG,BRACKET_FLAG,"
    "COVER_FLAG,ASM_GSM_FLAG,ASM_GSM_CATEGORY,BUY_SELL_INDICATOR,BUY_CO_MIN_MARGIN_PER,BUY_CO_SL_RANGE_MAX_PERC,"
    "BUY_CO_SL_RANGE_MIN_PERC,BUY_BO_MIN_MARGIN_PER,BUY_BO_PROFIT_RANGE_MAX_PERC,BUY_BO_PROFIT_RANGE_MIN_PERC,"
    "MTF_LEVERAGE,SM_UPPER_LIMIT,SM_LOWER_LIMIT"
)
_FLAGS = ["NA", "N", "N", "N", "NA", "A", "0", "0", "0", "0", "0", "0"]


COMPACT_COLUMNS = (
    "SEM_EXM_EXCH_ID,SEM_SEGMENT,SEM_SMST_SECURITY_ID,SEM_INSTRUMENT_NAME,SEM_EXPIRY_CODE,SEM_TRADING_SYMBOL,"
    "SEM_LOT_UNITS,SEM_CUSTOM_SYMBOL,SEM_EXPIRY_DATE,SEM_STRIKE_PRICE,SEM_OPTION_TYPE,SEM_TICK_SIZE,SEM_EXPIRY_FLAG,"
    "SEM_EXCH_INSTRUMENT_TYPE,SEM_SERIES,SM_SYMBOL_NAME"
)


def compact_csv(lines: Iterable[Line]) -> str:
    """The scrip master that the SDK reads by default, 16 columns."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COMPACT_COLUMNS.split(","))
    for line in lines:
        writer.writerow(_compact_row(line.instrument))
    return out.getvalue()


def detailed_csv(lines: Iterable[Line]) -> str:
    """The whole file."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS.split(","))
    for line in lines:
        writer.writerow(_row(line.instrument, line.previous_close))
    return out.getvalue()


def _row(instrument: Instrument, close: Paise) -> list[str]:
    index = instrument.kind is InstrumentKind.INDEX
    derivative = instrument.kind in (InstrumentKind.FUTURE, InstrumentKind.OPTION)
    expiry = instrument.expiry.isoformat() if instrument.expiry else "0001-01-01" if index else ""
    strike = f"{instrument.strike / 100:.5f}" if instrument.strike else "-0.01000" if derivative else ""
    return [
        instrument.segment.exchange.value,
        ALERT_SEGMENT[instrument.segment],
        instrument.dhan_id,
        instrument.isin or "NA",
        instrument_word(instrument),
        instrument.dhan_id if index else "",
        instrument.underlying or instrument.symbol,
        instrument.symbol if index else instrument.name.upper() or instrument.symbol,
        instrument.name or instrument.symbol,
        "INDEX" if index else "ES" if not derivative else "OP" if instrument.right else "FUT",
        "EQ" if instrument.kind is InstrumentKind.EQUITY else "NA",
        str(instrument.lot_size),
        expiry,
        strike,
        instrument.right.value if instrument.right else "XX" if index or derivative else "",
        f"{instrument.tick_size / 100:g}" if index else f"{instrument.tick_size:g}",
        *(["N", *_FLAGS[1:]] if index else _FLAGS),
        "0" if index else "5",
        "0" if index else f"{close * 120 // 100 / 100:g}",
        "0" if index else f"{close * 80 // 100 / 100:g}",
    ]


def _compact_row(instrument: Instrument) -> list[str]:
    index, expiry = instrument.kind is InstrumentKind.INDEX, instrument.expiry
    derivative = expiry is not None
    name = instrument.symbol
    if expiry is not None and instrument.right is not None:  # the symbol says no day: weekly and monthly collide
        name = f"{instrument.underlying}-{expiry:%b%Y}-{instrument.strike // 100}-{instrument.right}"
    words = {"CE": "CALL", "PE": "PUT", None: "FUT"}[instrument.right]
    custom = f"{instrument.underlying} {expiry:%d %b} {instrument.strike // 100} {words}".upper() if expiry else ""
    return [
        instrument.segment.exchange.value,
        ALERT_SEGMENT[instrument.segment],
        instrument.dhan_id,
        instrument_word(instrument),
        "0",
        name,
        f"{instrument.lot_size:.1f}" if derivative else str(instrument.lot_size),
        custom or instrument.name or instrument.symbol,
        f"{expiry} 14:30:00" if expiry else "0001-01-01" if index else "",
        f"{instrument.strike / 100:.5f}" if instrument.strike else "-0.01000" if derivative else "",
        instrument.right.value if instrument.right else "XX" if index or derivative else "",
        f"{instrument.tick_size / 100:g}" if index else f"{instrument.tick_size:{'.4f' if derivative else 'g'}}",
        ("M" if is_monthly(expiry) else "W") if expiry else "" if index else "NA",
        "INDEX" if index else "OP" if instrument.right else "FUT" if derivative else "ES",
        "" if derivative else "X" if index else "EQ",
        "" if derivative else (instrument.name or instrument.symbol).upper(),
    ]
