"""What the three readers have in common: the row they all produce, and how their numbers and names are read.

A reader turns one broker's bytes into a `Reading`. A row that cannot be used is counted under a reason and left out;
a file that is no such file at all is a `DataError`. Called by the readers and by `merge`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from csv import Error as CsvError
from csv import reader as csv_reader
from datetime import date
from functools import lru_cache
from io import BytesIO, TextIOWrapper
from sys import intern

import msgspec

from saudagar.market.master.indices import index_symbol
from saudagar.model import InstrumentKind, Paise, Right, Segment
from saudagar.model.errors import DataError

BROKERS = ("upstox", "dhan", "kite")
"""In the order of trust for names: Upstox alone always carries the ISIN."""

NSE_SERIES = frozenset({"EQ", "BE", "BZ", "SM", "ST", "SZ", "IV", "RR"})
"""Shares, ETFs, SME shares, InvITs and REITs. Bonds, rights and warrants have other charges and are left out."""

BSE_GROUPS = frozenset({"A", "B", "E", "M", "MS", "MT", "P", "R", "T", "TS", "X", "XT", "Z", "ZP", "IF", "IT"})
"""Groups of shares and ETFs; F and G are debt, though a few ETFs sit in F."""

_RIGHTS = {"CE": Right.CALL, "PE": Right.PUT}
_DERIVATIVES = frozenset({InstrumentKind.FUTURE, InstrumentKind.OPTION})
_KINDS = {"EQ": frozenset({InstrumentKind.EQUITY}), "INDEX": frozenset({InstrumentKind.INDEX})}


class Row(msgspec.Struct, gc=False, kw_only=True):
    """One broker's word about one instrument. `symbol` is ours already, so that equal contracts have equal symbols.

    0 and "" mean that the file does not say. `lot_size` and `freeze_quantity` are in units, on MCX too.
    """

    segment: Segment
    kind: InstrumentKind
    symbol: str
    key: str  # the broker's own id
    token: str = ""  # the exchange's number
    tick_size: Paise = 0
    lot_size: int = 0
    freeze_quantity: int = 0
    name: str = ""
    isin: str = ""
    series: str = ""
    underlying: str = ""
    expiry: date | None = None
    strike: Paise = 0
    right: Right | None = None
    closing_auction: bool = False
    kite_symbol: str = ""


class Reading(msgspec.Struct, kw_only=True):
    """What one file gave: its usable rows, and the others counted by reason."""

    broker: str
    rows: list[Row]
    refused: Counter[str]
    auction_segments: frozenset[Segment] = frozenset()  # where the file says who is in the closing auction


class Refusal(Exception):
    """Why one row cannot be used; the reason is one of a few words, for counting."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def finish(
    broker: str, rows: list[Row], refused: Counter[str], auction_segments: frozenset[Segment] = frozenset()
) -> Reading:
    """The reading, unless the file held nothing usable.

    Raises
    ------
    DataError
        If there is no usable row: an empty or foreign file must never replace a good master.
    """
    if not rows:
        raise DataError(f"the {broker} instrument file holds no usable row; refused: {dict(refused) or 'nothing'}.")
    return Reading(broker=broker, rows=rows, refused=refused, auction_segments=auction_segments)


def csv_rows(data: bytes, broker: str, columns: tuple[str, ...]) -> Iterator[list[str] | None]:
    """The named columns of a CSV file, row by row, wherever they stand; None for a row that is cut short.

    Raises
    ------
    DataError
        If a column is missing, or the bytes are no UTF-8 CSV.
    """
    lines = csv_reader(TextIOWrapper(BytesIO(data), encoding="utf-8-sig", newline=""))
    try:
        header = [cell.strip() for cell in next(lines, [])]
        missing = [column for column in columns if column not in header]
        if missing:
            raise DataError(f"not a {broker} instrument file: it lacks the columns {', '.join(missing)}.")
        places = [header.index(column) for column in columns]
        width = len(header)
        for line in lines:
            if line:
                yield [line[place] for place in places] if len(line) == width else None
    except (UnicodeDecodeError, CsvError) as error:
        raise DataError(f"the {broker} instrument file is not readable as CSV: {error}.") from None


@lru_cache(maxsize=65536)
def paise(value: str | float, reason: str, scale: int = 100) -> Paise:
    """A positive price as whole paise; `scale` is paise per unit of the file (100 for rupees, 1 for paise).

    Raises
    ------
    Refusal
        If it is no number, not positive, or finer than a paisa.
    """
    number = _number(value, reason) * scale
    whole = round(number)
    if whole <= 0 or abs(number - whole) > 0.001:
        raise Refusal(reason)
    return whole


@lru_cache(maxsize=65536)
def units(value: str | float, reason: str) -> int:
    """A positive whole quantity, also when written as ``65.0``."""
    number = _number(value, reason)
    if number <= 0 or number != int(number):
        raise Refusal(reason)
    return int(number)


def _number(value: str | float, reason: str) -> float:
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise Refusal(reason)
    number = float(value)
    if not abs(number) < 1e10:
        raise Refusal(reason)
    return number


_NUMBER = re.compile(r"\s*[+-]?\d+(\.\d*)?\s*", re.ASCII)


@lru_cache(maxsize=4096)
def expiry_day(text: str) -> date:
    """The date of an expiry; brokers add a time of day that means nothing."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise Refusal("expiry") from None


def exchange_token(text: str) -> str:
    """The exchange's number of an instrument, which must look like one."""
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise Refusal("id")
    return text


def isin_of(text: str) -> str:
    """The ISIN, or nothing where a file writes NA."""
    return text if len(text) == 12 and text.isascii() and text.isalnum() else ""


def right_of(text: str) -> Right:
    right = _RIGHTS.get(text)
    if right is None:
        raise Refusal("right")
    return right


def fits(segment: Segment, kind: InstrumentKind) -> bool:
    """Whether such a thing can trade there."""
    return kind in _KINDS.get(segment.value.partition("_")[2], _DERIVATIVES)


def name_of(text: str) -> str:
    """A symbol or an underlying, upper case and shared between rows. Test rows of the exchanges are refused."""
    name = text.strip().upper()
    if not name or ":" in name:
        raise Refusal("symbol")
    if "NSETEST" in name or "BSETEST" in name:
        raise Refusal("test row")
    return intern(name)


def index_name(text: str) -> str:
    """Our symbol of an index."""
    symbol = index_symbol(text)
    if not symbol:
        raise Refusal("symbol")
    return intern(symbol)


def share_symbol(symbol: str, series: str) -> str:
    """Our symbol of a share: the exchange's; outside EQ with the series, as in ``XYZ-BE``."""
    return symbol if series in ("", "EQ") or symbol.endswith(f"-{series}") else f"{symbol}-{series}"


def contract_symbol(underlying: str, expiry: date, strike: Paise = 0, right: Right | None = None) -> str:
    """Our symbol of a future or option: ``NIFTY-2026-11-24-FUT``, ``NIFTY-2026-11-24-24000-CE``.

    Parameters
    ----------
    strike
        In paise; written in rupees, decimals only where there are any.
    right
        None for a future.
    """
    if right is None:
        return f"{underlying}-{expiry}-FUT"
    rupees, rest = divmod(strike, 100)
    written = f"{rupees}.{rest:02d}".rstrip("0") if rest else str(rupees)
    return f"{underlying}-{expiry}-{written}-{right.value}"
