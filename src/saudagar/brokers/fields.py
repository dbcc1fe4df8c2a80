"""The fields of a broker's JSON, read with care: whatever cannot be true is a `DataError` that names the broker.

Called by the readers in each broker's folder, where that broker's own words and oddities stay. Times are IST without a
zone at all three, unless they name one; on MCX all three count lots where we count units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from saudagar.market.ist import IST
from saudagar.model import (
    SECOND,
    BrokerOrderId,
    Instrument,
    Nanos,
    OrderStatus,
    OrderType,
    Paise,
    Segment,
    TradeReport,
    to_paise,
)
from saudagar.model.errors import DataError

Row = Mapping[str, Any]
T = TypeVar("T")

_WITHDRAWN = frozenset({OrderStatus.CANCELLED, OrderStatus.EXPIRED})
_LATEST = 2100  # years
_MOST = 1e13  # rupees or units: beyond any account, and far from where floats lose the paisa


class Fields(msgspec.Struct, frozen=True):
    """The numbers, words and ids of one broker.

    Parameters
    ----------
    broker
        Its name, for messages.
    missing
        What it writes where there is no number, besides null.
    nameless
        What it writes where there is no id.
    """

    broker: str
    missing: tuple[str, ...] = ("",)
    nameless: tuple[str, ...] = ("",)

    def number(self, value: object) -> float:
        """A finite number of rupees or units, out of a number or a text; 0 where there is none. Raises `DataError`."""
        try:
            found = float(str(value)) if value is not None and value not in self.missing else 0.0
        except ValueError:
            found = float("nan")
        if not -_MOST < found < _MOST:  # false for NaN as well
            raise DataError(f"{self.broker} gave {value!r} for an amount.")
        return found

    def paise(self, value: object) -> Paise:
        """Rupees, in paise; 0 where there are none. Raises `DataError`."""
        return to_paise(self.number(value))

    def told(self, row: Row, key: str) -> object:
        """What `row` has under `key`. Raises `DataError` where that is nothing."""
        value = row.get(key)
        if value is None or value in self.missing:
            raise DataError(f"{self.broker} gave no {key}.")
        return value

    def count(self, row: Row, key: str, *, signed: bool = False, needed: bool = False) -> int:
        """Whole units; 0 where there are none.

        Raises
        ------
        DataError
            Also for a negative number unless `signed`, and for none where it is `needed`.
        """
        found = self.number(self.told(row, key) if needed else row.get(key))
        if found != int(found) or (found < 0 and not signed):
            raise DataError(f"{self.broker} gave {row.get(key)!r} for {key}.")
        return int(found)

    def known(self, table: Mapping[str, T], word: object, what: str) -> T:
        """What `table` makes of `word`, blanks off. Raises `DataError` for a word that is not in it."""
        found = table.get(text(word))
        if found is None:
            raise DataError(f"{self.broker} gave an unknown {what} {word!r}; known are {', '.join(table)}.")
        return found

    def status(self, table: Mapping[str, OrderStatus], word: str) -> OrderStatus:
        """What `table` makes of a status word; UNKNOWN for one that it does not hold, which is never an end.

        An order in an odd state must not hide the rest of the book, and least of all pass for refused.

        Raises
        ------
        DataError
            Where there is no word.
        """
        if not word:
            raise DataError(f"{self.broker} gave an order without a status.")
        return table.get(word, OrderStatus.UNKNOWN)

    def withdrawn(self, row: Row, key: str, state: OrderStatus) -> None:
        """Refuse an order that was withdrawn and does not say under `key` what it had traded: that would be lost.

        Raises
        ------
        DataError
        """
        if state in _WITHDRAWN:
            self.told(row, key)

    def broker_id(self, value: object) -> BrokerOrderId:
        """The broker's id of an order. Raises `DataError` where there is none."""
        if text(value) in self.nameless:
            raise DataError(f"{self.broker} gave an order without an order id.")
        return BrokerOrderId(text(value))

    def execution(self, quantity: int, price: Paise) -> tuple[int, Paise]:
        """Both as they are. Raises `DataError` unless they are positive."""
        if quantity <= 0 or price <= 0:
            raise DataError(f"{self.broker} gave a trade of {quantity} at {price} paise.")
        return quantity, price

    def executions(self, trades: Iterable[TradeReport]) -> tuple[TradeReport, ...]:
        """Oldest first, each once; those without an id are all kept.

        Brokers tell whole seconds. Within one, the exchange's numbers tell which was first.
        """
        found: dict[object, TradeReport] = {}
        for place, trade in enumerate(trades):
            found[trade.trade_id if trade.trade_id not in self.nameless else place] = trade
        return tuple(sorted(found.values(), key=_when))


def _when(trade: TradeReport) -> tuple[Nanos, int, str]:
    number = trade.trade_id if trade.trade_id.isdecimal() else ""
    return trade.ts, len(number), number


def text(value: object) -> str:
    """`value` as it would be printed, blanks off; empty for null."""
    return "" if value is None else str(value).strip()


def part(row: Row, key: str) -> Row:
    """An object inside another; empty where there is none."""
    found = row.get(key)
    return found if isinstance(found, dict) else {}


def naive_ist(said: object, *spellings: str) -> Nanos:
    """A time in UTC ns, cut to seconds, whatever zone this machine is in; 0 where it is missing or no time of our age.

    Parameters
    ----------
    said
        The wall clock in India, in ISO's form; or of the zone that it names.
    spellings
        Other forms, as `datetime.strptime` has them.
    """
    moment = _moment(str(said), spellings)
    if moment is None or not 1970 < moment.year < _LATEST:
        return 0
    return int((moment if moment.tzinfo else moment.replace(tzinfo=IST)).timestamp()) * SECOND


def _moment(said: str, spellings: Iterable[str]) -> datetime | None:
    try:
        return datetime.fromisoformat(said)
    except ValueError:
        pass
    for spelling in spellings:
        try:
            return datetime.strptime(said, spelling)  # noqa: DTZ007  # `naive_ist` gives it its zone
        except ValueError:
            continue
    return None


def units_per_lot(instrument: Instrument | None) -> int:
    """What a quantity of 1 is in units where lots are counted: a lot on MCX, one elsewhere."""
    if instrument is None or instrument.segment is not Segment.MCX_COMM:
        return 1
    return max(instrument.lot_size, 1)


def unheard(state: OrderStatus, word: object) -> str:
    """What there is to say of an order whose status word is in no table; empty for any other."""
    return f"unknown status {text(word)!r}" if state is OrderStatus.UNKNOWN else ""


def order_status(said: OrderStatus, between: bool, kind: OrderType | None, filled: int, quantity: int) -> OrderStatus:
    """`said` with what the words of Kite and Upstox leave out: a part that is filled, a stop that still sleeps.

    Parameters
    ----------
    between
        Whether the word tells of a request for a living order, which hides whether its trigger has been reached.
    """
    if said is OrderStatus.OPEN and 0 < filled < quantity:
        return OrderStatus.PARTIALLY_FILLED
    if said is OrderStatus.OPEN and between and kind is not None and kind.has_trigger:
        return OrderStatus.TRIGGER_PENDING
    return said
