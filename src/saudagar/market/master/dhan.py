"""Reads Dhan's instrument files: the compact CSV (``api-scrip-master.csv``) and the detailed one.

Columns are found by name: the detailed file had 39 of them in July 2025 and 31 in April 2026. Oddities that end here:
ticks are in paise for what can be traded (and in rupees for indices, where they are not used); a future's strike is
-0.01 and its right XX; expiries carry a time of day; lots are written ``65.0``; the compact file names no underlying
and no ISIN; on MCX every lot is 1. Called by whoever syncs the master.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from saudagar.market.master.rows import (
    BSE_GROUPS,
    NSE_SERIES,
    Reading,
    Refusal,
    Row,
    contract_symbol,
    csv_rows,
    exchange_token,
    expiry_day,
    finish,
    fits,
    index_name,
    isin_of,
    name_of,
    paise,
    right_of,
    share_symbol,
    units,
)
from saudagar.model import InstrumentKind, Segment
from saudagar.model.errors import DataError


class _Cells(NamedTuple):
    """One line, in the order of the columns below."""

    exchange: str
    part: str
    security_id: str
    instrument: str
    symbol: str
    name: str
    exchange_type: str
    series: str
    lot: str
    expiry: str
    strike: str
    right: str
    tick: str
    isin: str = ""  # not in the compact file


_COMPACT = (
    "SEM_EXM_EXCH_ID",
    "SEM_SEGMENT",
    "SEM_SMST_SECURITY_ID",
    "SEM_INSTRUMENT_NAME",
    "SEM_TRADING_SYMBOL",
    "SEM_CUSTOM_SYMBOL",
    "SEM_EXCH_INSTRUMENT_TYPE",
    "SEM_SERIES",
    "SEM_LOT_UNITS",
    "SEM_EXPIRY_DATE",
    "SEM_STRIKE_PRICE",
    "SEM_OPTION_TYPE",
    "SEM_TICK_SIZE",
)
_DETAILED = (
    "EXCH_ID",
    "SEGMENT",
    "SECURITY_ID",
    "INSTRUMENT",
    "UNDERLYING_SYMBOL",
    "DISPLAY_NAME",
    "INSTRUMENT_TYPE",
    "SERIES",
    "LOT_SIZE",
    "SM_EXPIRY_DATE",
    "STRIKE_PRICE",
    "OPTION_TYPE",
    "TICK_SIZE",
    "ISIN",
)

_SEGMENTS: dict[tuple[str, str], Segment] = {
    ("NSE", "E"): Segment.NSE_EQ,
    ("NSE", "I"): Segment.NSE_INDEX,
    ("NSE", "D"): Segment.NSE_FNO,
    ("BSE", "E"): Segment.BSE_EQ,
    ("BSE", "I"): Segment.BSE_INDEX,
    ("BSE", "D"): Segment.BSE_FNO,
    ("MCX", "M"): Segment.MCX_COMM,
}

_KINDS: dict[str, InstrumentKind] = {
    "EQUITY": InstrumentKind.EQUITY,
    "INDEX": InstrumentKind.INDEX,
    "FUTIDX": InstrumentKind.FUTURE,
    "FUTSTK": InstrumentKind.FUTURE,
    "FUTCOM": InstrumentKind.FUTURE,
    "OPTIDX": InstrumentKind.OPTION,
    "OPTSTK": InstrumentKind.OPTION,
    "OPTFUT": InstrumentKind.OPTION,
    "OPTCOM": InstrumentKind.OPTION,
}

_CONTRACT = re.compile(r"(.+)-\d{0,2}[A-Za-z]{3}\d{4}-")  # NIFTY-Jun2026-27650-CE, SILVERM-29Aug2025-FUT


def read_dhan(data: bytes) -> Reading:
    """Read Dhan's compact or detailed CSV.

    Raises
    ------
    DataError
        If `data` is neither, or holds no usable row.
    """
    header = data.partition(b"\n")[0]
    compact = b"SEM_EXM_EXCH_ID" in header
    if not compact and b"EXCH_ID" not in header:
        raise DataError("not a dhan instrument file: the first line names neither SEM_EXM_EXCH_ID nor EXCH_ID.")
    rows: list[Row] = []
    refused: Counter[str] = Counter()
    for cells in csv_rows(data, "dhan", _COMPACT if compact else _DETAILED):
        try:
            if cells is None:
                raise Refusal("short row")
            rows.append(_row(_Cells(*cells), compact))
        except Refusal as refusal:
            refused[refusal.reason] += 1
    return finish("dhan", rows, refused)


def _row(cells: _Cells, compact: bool) -> Row:
    segment = _SEGMENTS.get((cells.exchange, cells.part))
    if segment is None:
        raise Refusal("currency" if cells.part == "C" else "segment")
    kind = _KINDS.get(cells.instrument)
    if kind is None or not fits(segment, kind):
        raise Refusal("kind")
    token = exchange_token(cells.security_id)
    symbol = name_of(cells.symbol)
    if kind is InstrumentKind.INDEX:
        return Row(segment=segment, kind=kind, symbol=index_name(symbol), key=token, name=cells.name.strip())
    if kind is InstrumentKind.EQUITY:
        return _share(cells, segment, symbol, token)
    if compact:  # the underlying stands in the symbol alone
        match = _CONTRACT.match(symbol)
        if match is None:
            raise Refusal("symbol")
        symbol = name_of(match[1])
    return _contract(cells, segment, kind, symbol, token)


def _share(cells: _Cells, segment: Segment, symbol: str, token: str) -> Row:
    series = cells.series
    if segment is Segment.BSE_EQ:
        if series not in BSE_GROUPS and cells.exchange_type != "ETF":
            raise Refusal("series")
        series = ""  # a BSE group is a label that moves, not a part of the identity
    elif series not in NSE_SERIES:
        raise Refusal("series")
    return Row(
        segment=segment,
        kind=InstrumentKind.EQUITY,
        symbol=share_symbol(symbol, series),
        key=token,
        token=token,
        tick_size=paise(cells.tick, "tick", 1),
        lot_size=units(cells.lot, "lot"),
        name=cells.name.strip(),
        isin=isin_of(cells.isin),
        series=series,
    )


def _contract(cells: _Cells, segment: Segment, kind: InstrumentKind, underlying: str, token: str) -> Row:
    expiry = expiry_day(cells.expiry)
    right, strike = None, 0
    if kind is InstrumentKind.OPTION:
        right, strike = right_of(cells.right), paise(cells.strike, "strike")
    return Row(
        segment=segment,
        kind=kind,
        symbol=contract_symbol(underlying, expiry, strike, right),
        key=token,
        token=token,
        tick_size=paise(cells.tick, "tick", 1),
        lot_size=0 if segment is Segment.MCX_COMM else units(cells.lot, "lot"),
        underlying=underlying,
        expiry=expiry,
        strike=strike,
        right=right,
    )
