"""The fields of Kite's JSON, read with care: whatever cannot be true is a `DataError`.

Times are IST without a zone, a trade's `order_timestamp` even without a date. Quantities on MCX are lots, ours are
units (recorded: LEADMINI, a tonne, is quantity 1 with multiplier 1000).
"""

from __future__ import annotations

from saudagar.brokers.fields import Fields, Row, text
from saudagar.brokers.kite import words
from saudagar.brokers.kite.client import KiteLookup
from saudagar.model import Instrument, InstrumentId, Product, Side
from saudagar.model.errors import DataError

FIELDS = Fields("Kite")
number, paise, count, broker_id = FIELDS.number, FIELDS.paise, FIELDS.count, FIELDS.broker_id


def objects(row: Row, key: str) -> list[Row]:
    """A list of objects, one at least."""
    found = row.get(key)
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise DataError(f"Kite gave no list of {key}.")
    return list(found)


def side_of(row: Row) -> Side:
    return FIELDS.known(words.SIDE, row.get("transaction_type"), "side")


def product_of(row: Row) -> Product:
    return FIELDS.known(words.PRODUCT_READ, row.get("product"), "product")


def instrument_of(row: Row, lookup: KiteLookup) -> tuple[Instrument | None, InstrumentId]:
    """What the row is about, None if the master does not hold it; and an id in either case."""
    known = lookup.by_kite(text(row.get("instrument_token")))
    return known, known.id if known else InstrumentId(f"{row.get('exchange')}:{row.get('tradingsymbol')}")
