"""Dhan's detailed scrip master: the CSV of 31 columns that the desk's instrument master reads.

Format as of 2026-04-15: ticks in paise for what trades but in rupees for an index, "NA" and "0001-01-01" where there
is nothing. The bands are ±20 % of the previous close.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from saudagar.exchange.dhan.shapes import ALERT_SEGMENT, instrument_word
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
