"""Kite's words: exchanges, products, order types and statuses, and the directory of what it lists.

Statuses as in recorded order books and logs (2017-2025), and in Kite's own clients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from saudagar.exchange.options import open_interest
from saudagar.exchange.tape import Line
from saudagar.model import Instrument, InstrumentKind, OrderStatus, OrderType, Paise, Product, Segment, Side

EXCHANGE: Mapping[Segment, str] = {
    Segment.NSE_EQ: "NSE",
    Segment.NSE_INDEX: "NSE",
    Segment.NSE_FNO: "NFO",
    Segment.BSE_EQ: "BSE",
    Segment.BSE_INDEX: "BSE",
    Segment.BSE_FNO: "BFO",
    Segment.MCX_COMM: "MCX",
}
ORDER_TYPE: Mapping[OrderType, str] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.SL: "SL",
    OrderType.SL_M: "SL-M",
}
PRODUCT: Mapping[Product, str] = {
    Product.DELIVERY: "CNC",
    Product.INTRADAY: "MIS",
    Product.MARGIN: "NRML",
    Product.MTF: "MTF",
}
STATUS: Mapping[OrderStatus, str] = {
    OrderStatus.SUBMITTED: "PUT ORDER REQ RECEIVED",
    OrderStatus.UNKNOWN: "PUT ORDER REQ RECEIVED",
    OrderStatus.PENDING: "OPEN PENDING",
    OrderStatus.OPEN: "OPEN",
    OrderStatus.TRIGGER_PENDING: "TRIGGER PENDING",
    OrderStatus.PARTIALLY_FILLED: "OPEN",  # the book has no word for it: look at filled_quantity
    OrderStatus.FILLED: "COMPLETE",
    OrderStatus.CANCELLED: "CANCELLED",
    OrderStatus.REJECTED: "REJECTED",
    OrderStatus.EXPIRED: "CANCELLED",  # Kite has no word for the day's end
}
BEFORE_OPEN = ("PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING")
BEFORE_AMO = ("PUT ORDER REQ RECEIVED",)
BEFORE_REJECTION = ("PUT ORDER REQ RECEIVED", "VALIDATION PENDING")
BEFORE_MODIFIED = ("MODIFY VALIDATION PENDING", "MODIFY PENDING", "MODIFIED")
BEFORE_CANCELLED = ("CANCEL PENDING",)
REGULAR, AMO = "regular", "amo"
AMO_RECEIVED = "AMO REQ RECEIVED"
AMO_CANCELLED = "CANCELLED AMO"
STREAM_UPDATE = "UPDATE"  # a modification or a partial fill, on the socket only

_INDEX_CODE = 9


class Directory:
    """What Kite lists, by instrument token and by ``EXCHANGE:tradingsymbol``.

    An instrument without a Kite token is not listed.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        listed = [line for line in lines if line.instrument.kite_id]
        self.by_token: dict[int, Line] = {token_of(line.instrument): line for line in listed}
        self.by_name: dict[str, Line] = {
            f"{exchange_of(i)}:{symbol_of(i)}": line for line in listed for i in (line.instrument,)
        }
        self._indices = {
            line.instrument.symbol: line for line in listed if line.instrument.kind is InstrumentKind.INDEX
        }

    def tradable(self, exchange: str, symbol: str) -> Instrument | None:
        """The instrument called so, None if Kite does not list it."""
        line = self.by_name.get(f"{exchange}:{symbol}")
        return line.instrument if line else None

    def interest(self, line: Line) -> int:
        """Open interest (units) of an option on a listed index; 0 for all else."""
        index = self._indices.get(line.instrument.underlying)
        if line.instrument.kind is not InstrumentKind.OPTION or index is None:
            return 0
        return open_interest(line.instrument, index.tick.ltp if index.tick else index.previous_close)


def token_of(instrument: Instrument) -> int:
    """Kite's instrument token; 0 if it has none."""
    return int(instrument.kite_id or 0)


def symbol_of(instrument: Instrument) -> str:
    """Kite's tradingsymbol."""
    return instrument.kite_symbol or instrument.symbol


def exchange_of(instrument: Instrument) -> str:
    return EXCHANGE[instrument.segment]


def segment_of(instrument: Instrument) -> str:
    """The segment column of the instruments file."""
    if instrument.kind is InstrumentKind.INDEX:
        return "INDICES"
    if instrument.kind is InstrumentKind.EQUITY:
        return exchange_of(instrument)
    return f"{exchange_of(instrument)}-{'OPT' if instrument.kind is InstrumentKind.OPTION else 'FUT'}"


def rupees(paise: float) -> int | float:
    """Paise as Kite writes money: rupees, and a whole number without a point (recorded: 72, 109.4)."""
    value = round(paise / 100, 6)
    return int(value) if value == int(value) else value


def stop_range(line: Line, side: Side) -> tuple[Paise, Paise]:
    """Where the stop of a cover order of `side` may lie: within 5 % of the last price, on its losing side."""
    last = line.tick.ltp if line.tick else line.previous_close
    return (last * 95 // 100, last) if side is Side.BUY else (last, last * 105 // 100)
