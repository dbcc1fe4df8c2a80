"""Upstox's public instruments file: gzipped JSON, one object per instrument, as of 2026-08-21.

Ticks are in paise, an expiry is epoch milliseconds at 23:59:59 IST, and index rows have neither lot nor tick.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from typing import Any

import msgspec

from saudagar.market.ist import DAY, midnight
from saudagar.model import SECOND, Instrument, InstrumentKind, Segment

SEGMENT = {Segment.NSE_FNO: "NSE_FO", Segment.BSE_FNO: "BSE_FO", Segment.MCX_COMM: "MCX_FO"}
"""Where Upstox's word differs from ours."""

_TYPE = {InstrumentKind.EQUITY: "EQ", InstrumentKind.INDEX: "INDEX", InstrumentKind.FUTURE: "FUT"}


def segment_word(segment: Segment) -> str:
    return SEGMENT.get(segment, segment.value)


def instruments_gz(instruments: Iterable[Instrument]) -> bytes:
    """The whole file; the same instruments give the same bytes."""
    return gzip.compress(msgspec.json.encode([instrument_row(each) for each in instruments]), compresslevel=6, mtime=0)


def instrument_row(instrument: Instrument) -> dict[str, Any]:
    """One object of the file."""
    row: dict[str, Any] = {
        "segment": segment_word(instrument.segment),
        "name": instrument.name or instrument.symbol,
        "exchange": instrument.segment.exchange.value,
        "instrument_type": instrument.right.value if instrument.right else _TYPE[instrument.kind],
        "instrument_key": instrument.upstox_id,
        "exchange_token": instrument.dhan_id,
        "trading_symbol": instrument.symbol,
    }
    if instrument.closing_auction:
        row["cas_eligible"] = True
    if instrument.kind is InstrumentKind.INDEX:
        return row
    row |= {
        "lot_size": instrument.lot_size,
        "freeze_quantity": float(instrument.freeze_quantity or 100_000),
        "tick_size": float(instrument.tick_size),
        "qty_multiplier": 1.0,
    }
    if instrument.kind is InstrumentKind.EQUITY:
        short = instrument.name or instrument.symbol
        return row | {"isin": instrument.isin, "short_name": short, "security_type": "NORMAL"}
    assert instrument.expiry is not None, "a derivative expires"
    return row | {
        "expiry": (midnight(instrument.expiry) + DAY - SECOND) // 1_000_000,
        "strike_price": instrument.strike / 100,
        "minimum_lot": instrument.lot_size,
        "asset_symbol": instrument.underlying,
        "underlying_symbol": instrument.underlying,
    }
