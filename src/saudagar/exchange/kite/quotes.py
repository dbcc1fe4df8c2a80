"""Kite's market data over REST: quotes, candles, and the instruments file.

Shapes as in Kite's mock answers; candles are oldest first with +0530 times, `to` included, and the limits on the span
of one request are those users met ("interval exceeds max limit").
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from saudagar.exchange.kite.errors import KiteError, bad_input
from saudagar.exchange.kite.requests import whole_number
from saudagar.exchange.kite.shapes import ist_text
from saudagar.exchange.kite.words import (
    Directory,
    exchange_of,
    rupees,
    segment_of,
    stop_range,
    symbol_of,
    token_of,
)
from saudagar.exchange.tape import Line
from saudagar.market.ist import DAY, IST, ist, midnight
from saudagar.model import MINUTE, SECOND, Bar, Instrument, InstrumentId, InstrumentKind, Levels, Nanos, Right, Side

History = Callable[[InstrumentId, Nanos, Nanos, Nanos], Sequence[Bar]]
"""Bars of an instrument: interval, start, end (UTC ns), oldest first."""

INTERVALS: Mapping[str, tuple[Nanos, int]] = {
    "minute": (MINUTE, 60),
    "3minute": (3 * MINUTE, 100),
    "5minute": (5 * MINUTE, 100),
    "10minute": (10 * MINUTE, 100),
    "15minute": (15 * MINUTE, 200),
    "30minute": (30 * MINUTE, 200),
    "60minute": (60 * MINUTE, 400),
    "day": (DAY, 2000),
}
"""Kite's word -> the interval, and the days that one request may span."""

COLUMNS = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,"
    "segment,exchange"
)
_MOST = {"quote": 500, "ohlc": 1000, "ltp": 1000}
_KINDS = {InstrumentKind.EQUITY: "EQ", InstrumentKind.INDEX: "EQ", InstrumentKind.FUTURE: "FUT"}
_NO_LEVEL = {"price": 0, "quantity": 0, "orders": 0}


def quotes(directory: Directory, kind: str, names: Sequence[str], now: Nanos) -> dict[str, Any]:
    """`GET /quote`, `/quote/ohlc` and `/quote/ltp`; what is not listed, or never ticked, is left out.

    Raises
    ------
    KiteError
        For no instrument at all, or too many.
    """
    if not names or len(names) > _MOST[kind]:
        raise bad_input(f"Invalid `i`: 1 to {_MOST[kind]} instruments, got {len(names)}.")
    rows = {}
    for name in names:
        line = directory.by_name.get(name) or directory.by_token.get(whole_number(name))
        if line is not None and line.tick is not None:
            rows[name] = _quote(line, kind, now, directory.interest(line))
    return rows


def trigger_range(directory: Directory, side: str, names: Sequence[str]) -> dict[str, Any]:
    """`GET /instruments/trigger_range/{side}`: where the stop of a cover order may lie.

    Raises
    ------
    KiteError
        For no instrument at all.
    """
    if not names:
        raise bad_input("Invalid `i`.")
    rows = {}
    for name in names:
        line = directory.by_name.get(name)
        if line is not None:
            low, high = stop_range(line, Side(side.upper()))
            rows[name] = {"instrument_token": token_of(line.instrument), "lower": low / 100, "upper": high / 100}
    return rows


def _quote(line: Line, kind: str, now: Nanos, interest: int) -> dict[str, Any]:
    tick, day = line.tick, line.day
    assert tick is not None, "only what has ticked is quoted"
    row: dict[str, Any] = {"instrument_token": token_of(line.instrument), "last_price": rupees(tick.ltp)}
    if kind == "ltp":
        return row
    prices = {"open": day.open, "high": day.high, "low": day.low, "close": line.previous_close}
    row["ohlc"] = {name: rupees(price) for name, price in prices.items()}
    if kind == "ohlc":
        return row
    row |= {"timestamp": ist_text(now), "net_change": 0}  # zero whatever the price did, as recorded
    if line.instrument.kind is InstrumentKind.INDEX:
        return row
    lower, upper = line.band
    return row | {
        "last_trade_time": ist_text(tick.ts),
        "last_quantity": line.last_quantity,
        "buy_quantity": sum(quantity for _, quantity in tick.bids),
        "sell_quantity": sum(quantity for _, quantity in tick.asks),
        "volume": tick.volume,
        "average_price": rupees(round(line.average_price)),
        "oi": interest,
        "oi_day_high": interest,
        "oi_day_low": interest,
        "lower_circuit_limit": rupees(lower),
        "upper_circuit_limit": rupees(upper),
        "depth": {"buy": _levels(tick.bids), "sell": _levels(tick.asks)},
    }


def _levels(levels: Levels) -> list[dict[str, Any]]:
    shown = [{"price": rupees(price), "quantity": quantity, "orders": 1} for price, quantity in levels[:5]]
    return shown + [_NO_LEVEL] * (5 - len(shown))


def candles(
    directory: Directory, history: History, token: str, interval: str, query: Mapping[str, str], now: Nanos
) -> list[list[Any]]:
    """`GET /instruments/historical/{token}/{interval}`: closed candles up to now.

    Raises
    ------
    KiteError
        For an unknown token, interval or time, and for a span that is too long.
    """
    line = directory.by_token.get(whole_number(token))
    if line is None:
        raise bad_input("invalid token")
    if interval not in INTERVALS:
        raise bad_input("invalid interval")
    length, days = INTERVALS[interval]
    first, last = _moment(query.get("from", ""), "from"), _moment(query.get("to", ""), "to")
    if first > last:
        raise bad_input("invalid from date: it is after `to`.")
    if last - first > days * DAY:
        raise bad_input(f"interval exceeds max limit: {days} days")
    bars = history(line.instrument.id, length, first, min(last + length, max(now, first)))
    extra = [0] if query.get("oi") == "1" else []
    return [_candle(bar, daily=length == DAY) + extra for bar in bars]


def _candle(bar: Bar, *, daily: bool) -> list[Any]:
    start = midnight(ist(bar.start).date()) if daily else bar.start
    prices = [rupees(price) for price in (bar.open, bar.high, bar.low, bar.close)]
    return [f"{ist(start):%Y-%m-%dT%H:%M:%S}+0530", *prices, bar.volume]


def _moment(text: str, name: str) -> Nanos:
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d"):
        try:
            return round(datetime.strptime(text, form).replace(tzinfo=IST).timestamp()) * SECOND
        except ValueError:
            continue
    raise bad_input(f"invalid {name} date")


def instruments_csv(lines: Iterable[Line], exchange: str = "") -> str:
    """The instruments file, of one exchange or of all; made each morning, so without last prices.

    Raises
    ------
    KiteError
        If `exchange` lists nothing.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS.split(","))
    listed = [line.instrument for line in lines if line.instrument.kite_id]
    chosen = [each for each in listed if exchange in ("", exchange_of(each))]
    if not chosen:
        raise KiteError("InputException", f"Invalid `exchange`: {exchange}.")
    writer.writerows(map(_row, chosen))
    return out.getvalue()


def _row(instrument: Instrument) -> list[str]:
    index, expiry = instrument.kind is InstrumentKind.INDEX, instrument.expiry
    token = token_of(instrument)
    derivative = instrument.kind in (InstrumentKind.FUTURE, InstrumentKind.OPTION)
    return [
        str(token),
        str(token // 256),
        symbol_of(instrument),
        (instrument.underlying if derivative else instrument.name.upper()) or symbol_of(instrument),
        "0.0",
        _day(expiry),
        str(instrument.strike / 100),
        "0.0" if index else str(instrument.tick_size / 100),
        "0" if index else str(instrument.lot_size),
        instrument.right.value if isinstance(instrument.right, Right) else _KINDS[instrument.kind],
        segment_of(instrument),
        exchange_of(instrument),
    ]


def _day(expiry: date | None) -> str:
    return expiry.isoformat() if expiry else ""
