"""Reads Upstox's instrument file: ``complete.json`` or one exchange's, plain or gzipped.

Oddities that end here: ticks are in paise and strikes in rupees; an expiry is 23:59:59 IST in epoch milliseconds;
freeze quantities are already cut down to whole lots (1755 for 1800); on MCX lots count as one and `qty_multiplier` is
the size; `cas_eligible` is written only where it is true, and in files before August 2026 not at all.
Objects are decoded one by one, so that a bad one costs itself alone. Called by whoever syncs the master.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from functools import lru_cache
from gzip import decompress
from typing import Any
from zlib import error as ZlibError  # noqa: N812 (an exception, whatever the library calls it)

import msgspec

from saudagar.market.ist import date_of
from saudagar.market.master.rows import (
    BSE_GROUPS,
    NSE_SERIES,
    Reading,
    Refusal,
    Row,
    contract_symbol,
    exchange_token,
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
from saudagar.model import DAY, IST_AHEAD, SECOND, InstrumentKind, Segment
from saudagar.model.errors import DataError

_SEGMENTS: dict[str, Segment] = {
    "NSE_EQ": Segment.NSE_EQ,
    "NSE_INDEX": Segment.NSE_INDEX,
    "NSE_FO": Segment.NSE_FNO,
    "BSE_EQ": Segment.BSE_EQ,
    "BSE_INDEX": Segment.BSE_INDEX,
    "BSE_FO": Segment.BSE_FNO,
    "MCX_FO": Segment.MCX_COMM,
}
_CURRENCY = frozenset({"NCD_FO", "BCD_FO"})
_KINDS: dict[str, InstrumentKind] = {
    "INDEX": InstrumentKind.INDEX,
    "FUT": InstrumentKind.FUTURE,
    "CE": InstrumentKind.OPTION,
    "PE": InstrumentKind.OPTION,
}  # anything else is the series of a share
_MS = SECOND // 1000


class _Object(msgspec.Struct, gc=False):
    """The fields we use of the 30 or so that an object may have."""

    segment: str
    instrument_type: str
    instrument_key: str
    trading_symbol: str = ""
    exchange_token: str | int = ""
    name: str = ""
    isin: str = ""
    underlying_symbol: str = ""
    asset_symbol: str = ""
    expiry: float | None = None
    strike_price: float = 0.0
    tick_size: float = 0.0
    lot_size: float = 0.0
    freeze_quantity: float = 0.0
    qty_multiplier: float = 1.0
    cas_eligible: bool | None = None


def read_upstox(data: bytes) -> Reading:
    """Read Upstox's JSON, gzipped or not.

    Raises
    ------
    DataError
        If `data` is no JSON array, a torn gzip file, or holds no usable row.
    """
    objects = _objects(data)
    decode = msgspec.json.Decoder(_Object).decode
    rows: list[Row] = []
    refused: Counter[str] = Counter()
    stated: set[Segment] = set()
    for raw in objects:
        try:
            row = _row(decode(raw), stated)
        except Refusal as refusal:
            refused[refusal.reason] += 1
        except msgspec.DecodeError:
            refused["malformed"] += 1
        else:
            rows.append(row)
    return finish("upstox", rows, refused, frozenset(stated))


def _objects(data: bytes) -> list[Any]:
    if data[:2] == b"\x1f\x8b":
        try:
            data = decompress(data)
        except (OSError, EOFError, ZlibError) as error:
            raise DataError(f"the upstox instrument file is a damaged gzip file: {error}.") from None
    try:
        return msgspec.json.decode(data, type=list[msgspec.Raw])
    except msgspec.DecodeError as error:
        raise DataError(f"not an upstox instrument file: {error}.") from None


def _row(found: _Object, stated: set[Segment]) -> Row:
    segment = _SEGMENTS.get(found.segment)
    if segment is None:
        raise Refusal("currency" if found.segment in _CURRENCY else "segment")
    kind = _KINDS.get(found.instrument_type, InstrumentKind.EQUITY)
    if not fits(segment, kind):
        raise Refusal("kind")
    if not found.instrument_key.startswith(f"{found.segment}|"):
        raise Refusal("id")
    symbol = name_of(found.trading_symbol)
    if kind is InstrumentKind.INDEX:
        return Row(segment=segment, kind=kind, symbol=index_name(symbol), key=found.instrument_key, name=found.name)
    if kind is InstrumentKind.EQUITY:
        if found.cas_eligible is not None:
            stated.add(segment)
        return _share(found, segment, symbol)
    return _contract(found, segment, kind)


def _share(found: _Object, segment: Segment, symbol: str) -> Row:
    series = found.instrument_type
    if segment is Segment.BSE_EQ:
        if series not in BSE_GROUPS and not found.isin.startswith("INF"):  # INF: units of a fund
            raise Refusal("series")
        series = ""
    elif series not in NSE_SERIES:
        raise Refusal("series")
    return Row(
        segment=segment,
        kind=InstrumentKind.EQUITY,
        symbol=share_symbol(symbol, series),
        key=found.instrument_key,
        token=exchange_token(str(found.exchange_token)),
        tick_size=paise(found.tick_size, "tick", 1),
        lot_size=units(found.lot_size, "lot"),
        freeze_quantity=_freeze(found.freeze_quantity),
        name=found.name,
        isin=isin_of(found.isin),
        series=series,
        closing_auction=bool(found.cas_eligible),
    )


def _contract(found: _Object, segment: Segment, kind: InstrumentKind) -> Row:
    underlying = name_of(found.underlying_symbol or found.asset_symbol or found.name)
    if found.expiry is None:
        raise Refusal("expiry")
    expiry = _expiry(found.expiry)
    right, strike = None, 0
    if kind is InstrumentKind.OPTION:
        right, strike = right_of(found.instrument_type), paise(found.strike_price, "strike")
    lot_size = units(found.lot_size, "lot")
    lots = 1  # units in one of what `freeze_quantity` counts
    if segment is Segment.MCX_COMM:
        lots = units(found.qty_multiplier, "lot")
        lot_size = max(lot_size, lots)
    return Row(
        segment=segment,
        kind=kind,
        symbol=contract_symbol(underlying, expiry, strike, right),
        key=found.instrument_key,
        token=exchange_token(str(found.exchange_token)),
        tick_size=paise(found.tick_size, "tick", 1),
        lot_size=lot_size,
        freeze_quantity=_freeze(found.freeze_quantity) * lots,
        underlying=underlying,
        expiry=expiry,
        strike=strike,
        right=right,
    )


def _freeze(quantity: float) -> int:
    return units(quantity, "freeze quantity") if quantity else 0


@lru_cache(maxsize=4096)
def _expiry(epoch_ms: float) -> date:
    days = (epoch_ms + IST_AHEAD // _MS) // (DAY // _MS)
    if not 0 < days < 100_000:
        raise Refusal("expiry")
    return date_of(int(days))
