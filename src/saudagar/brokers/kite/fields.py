"""The fields of Kite's JSON, read with care: whatever cannot be true is a `DataError`.

Times are IST without a zone, a trade's `order_timestamp` even without a date. Quantities on MCX are lots, ours are
units (recorded: LEADMINI, a tonne, is quantity 1 with multiplier 1000).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from saudagar.brokers.kite import words
from saudagar.brokers.kite.client import KiteLookup
from saudagar.market.ist import IST
from saudagar.model import (
    SECOND,
    BrokerOrderId,
    Instrument,
    InstrumentId,
    Nanos,
    Paise,
    Product,
    Segment,
    Side,
    to_paise,
)
from saudagar.model.errors import DataError

Row = Mapping[str, Any]

_MOST = 1e13  # rupees or units: beyond any account, and far from where floats lose the paisa


def text(value: object) -> str:
    """A word; empty where there is none."""
    return "" if value is None else str(value).strip()


def part(row: Row, key: str) -> Row:
    """An object inside another; empty where there is none."""
    found = row.get(key)
    return found if isinstance(found, dict) else {}


def objects(row: Row, key: str) -> list[Row]:
    """A list of objects, one at least."""
    found = row.get(key)
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise DataError(f"Kite gave no list of {key}.")
    return list(found)


def number(value: object) -> float:
    """A finite number of rupees or units; 0 where there is none."""
    try:
        found = float(str(value)) if value not in (None, "") else 0.0
    except ValueError:
        found = float("nan")
    if not -_MOST < found < _MOST:  # false for NaN as well
        raise DataError(f"Kite gave {value!r} for an amount.")
    return found


def amount(value: object) -> Paise:
    """Rupees, in paise."""
    return to_paise(number(value))


def count(row: Row, key: str, *, signed: bool = False) -> int:
    """A whole number."""
    found = number(row.get(key))
    if found != int(found) or (found < 0 and not signed):
        raise DataError(f"Kite gave {row.get(key)!r} for {key}.")
    return int(found)


def naive_ist(said: object) -> Nanos:
    """A time of Kite in UTC ns, whatever zone this machine is in; 0 where it is missing or no time at all."""
    try:
        moment = datetime.fromisoformat(str(said))
    except ValueError:
        return 0
    return int(moment.replace(tzinfo=IST).timestamp()) * SECOND if moment.year > 1970 else 0


def broker_id(value: object) -> BrokerOrderId:
    """Kite's id of an order or a trigger."""
    if not text(value):
        raise DataError("Kite gave an order without an order id.")
    return BrokerOrderId(text(value))


def side_of(row: Row) -> Side:
    side = words.SIDE.get(text(row.get("transaction_type")))
    if side is None:
        raise DataError(f"Kite gave an unknown side {row.get('transaction_type')!r}.")
    return side


def product_of(row: Row) -> Product:
    product = words.PRODUCT_READ.get(text(row.get("product")))
    if product is None:
        raise DataError(f"Kite gave an unknown product {row.get('product')!r}.")
    return product


def instrument_of(row: Row, lookup: KiteLookup) -> tuple[Instrument | None, InstrumentId]:
    """What the row is about, None if the master does not hold it; and an id in either case."""
    known = lookup.by_kite(text(row.get("instrument_token")))
    return known, known.id if known else InstrumentId(f"{row.get('exchange')}:{row.get('tradingsymbol')}")


def units_per_lot(instrument: Instrument | None) -> int:
    """What Kite's quantity 1 is, in units."""
    if instrument is None or instrument.segment is not Segment.MCX_COMM:
        return 1
    return max(instrument.lot_size, 1)


def rupees(paise: Paise) -> float:
    """Paise as Kite wants them. The quotient of a whole number by 100 prints with two digits at most."""
    return paise / 100
