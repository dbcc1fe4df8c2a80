"""Reads Kite's instrument CSV (``/instruments``, or one exchange's part of it).

Oddities that end here: ticks are in rupees; there is no ISIN; a share outside EQ carries its series in the symbol
(``XYZ-BE``) and a BSE share none at all; an index has tick 0; on MCX every lot is 1; `instrument_token` is the
exchange's token times 256 plus a segment code, which is checked. Called by whoever syncs the master.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from saudagar.market.master.rows import (
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
    name_of,
    paise,
    right_of,
    units,
)
from saudagar.model import InstrumentKind, Segment


class _Cells(NamedTuple):
    """One line; the names are those of the columns."""

    instrument_token: str
    exchange_token: str
    tradingsymbol: str
    name: str
    expiry: str
    strike: str
    tick_size: str
    lot_size: str
    instrument_type: str
    segment: str
    exchange: str


_INDEX = 9
# (exchange, segment): our segment, and the code in the low byte of the instrument token
_SEGMENTS: dict[tuple[str, str], tuple[Segment, int]] = {
    ("NSE", "NSE"): (Segment.NSE_EQ, 1),
    ("NSE", "INDICES"): (Segment.NSE_INDEX, _INDEX),
    ("NFO", "NFO-FUT"): (Segment.NSE_FNO, 2),
    ("NFO", "NFO-OPT"): (Segment.NSE_FNO, 2),
    ("BSE", "BSE"): (Segment.BSE_EQ, 4),
    ("BSE", "INDICES"): (Segment.BSE_INDEX, _INDEX),
    ("BFO", "BFO-FUT"): (Segment.BSE_FNO, 5),
    ("BFO", "BFO-OPT"): (Segment.BSE_FNO, 5),
    ("MCX", "MCX-FUT"): (Segment.MCX_COMM, 7),
    ("MCX", "MCX-OPT"): (Segment.MCX_COMM, 7),
}
_CURRENCY = frozenset({"CDS", "BCD"})
_KINDS: dict[str, InstrumentKind] = {
    "EQ": InstrumentKind.EQUITY,
    "FUT": InstrumentKind.FUTURE,
    "CE": InstrumentKind.OPTION,
    "PE": InstrumentKind.OPTION,
}
_SERIES = re.compile(r".+-([A-Z][A-Z0-9])")  # every NSE series is two characters; BAJAJ-AUTO has none


def read_kite(data: bytes) -> Reading:
    """Read Kite's CSV.

    Raises
    ------
    DataError
        If `data` is no such file, or holds no usable row.
    """
    rows: list[Row] = []
    refused: Counter[str] = Counter()
    for cells in csv_rows(data, "kite", _Cells._fields):
        try:
            if cells is None:
                raise Refusal("short row")
            rows.append(_row(_Cells(*cells)))
        except Refusal as refusal:
            refused[refusal.reason] += 1
    return finish("kite", rows, refused)


def _row(cells: _Cells) -> Row:
    place = _SEGMENTS.get((cells.exchange, cells.segment))
    if place is None:
        raise Refusal("currency" if cells.exchange in _CURRENCY else "segment")
    segment, code = place
    key = exchange_token(cells.instrument_token)
    token = exchange_token(cells.exchange_token)
    if int(key) != int(token) * 256 + code:
        raise Refusal("id")
    symbol = name_of(cells.tradingsymbol)
    if code == _INDEX:
        name = index_name(symbol)
        return Row(segment=segment, kind=InstrumentKind.INDEX, symbol=name, key=key, name=symbol, kite_symbol=symbol)
    kind = _KINDS.get(cells.instrument_type)
    if kind is None or not fits(segment, kind):
        raise Refusal("kind")
    tick_size = paise(cells.tick_size, "tick")
    lot_size = units(cells.lot_size, "lot")
    if kind is InstrumentKind.EQUITY:
        return Row(
            segment=segment,
            kind=kind,
            symbol=symbol,
            key=key,
            token=token,
            tick_size=tick_size,
            lot_size=lot_size,
            name=cells.name.strip(),
            series=_series(symbol) if segment is Segment.NSE_EQ else "",
            kite_symbol=symbol,
        )
    underlying = name_of(cells.name)
    expiry = expiry_day(cells.expiry)
    right, strike = None, 0
    if kind is InstrumentKind.OPTION:
        right, strike = right_of(cells.instrument_type), paise(cells.strike, "strike")
    return Row(
        segment=segment,
        kind=kind,
        symbol=contract_symbol(underlying, expiry, strike, right),
        key=key,
        token=token,
        tick_size=tick_size,
        lot_size=0 if segment is Segment.MCX_COMM else lot_size,
        underlying=underlying,
        expiry=expiry,
        strike=strike,
        right=right,
        kite_symbol=symbol,
    )


def _series(symbol: str) -> str:
    match = _SERIES.fullmatch(symbol)
    if match is None:
        return "EQ"
    if match[1] not in NSE_SERIES:
        raise Refusal("series")
    return match[1]
