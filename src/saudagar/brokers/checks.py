"""What is looked at before anything goes to a broker: may it be traded, are its numbers numbers.

Called by the makers of requests in each broker's folder. The SDKs fail on Decimal and on NumPy's numbers in a way that
looks like an outcome nobody knows; so what they would trip over is refused here, and nothing has been sent.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NoReturn

from saudagar.brokers.fields import units_per_lot
from saudagar.model import (
    Conversion,
    Exchange,
    Instrument,
    InstrumentKind,
    OrderTerms,
    OrderType,
    Paise,
    Product,
    Segment,
)
from saudagar.model.errors import DataError, Unsupported

PRODUCTS_OF: dict[InstrumentKind, frozenset[Product]] = {
    InstrumentKind.EQUITY: frozenset({Product.INTRADAY, Product.DELIVERY, Product.MTF}),
    InstrumentKind.FUTURE: frozenset({Product.INTRADAY, Product.MARGIN}),
    InstrumentKind.OPTION: frozenset({Product.INTRADAY, Product.MARGIN}),
    InstrumentKind.INDEX: frozenset(),
}
"""What may be traded as what, at all three."""


def tradable(broker: str, segments: Mapping[Segment, str], instrument: Instrument, product: Product) -> str:
    """The broker's word, in `segments`, for where `instrument` trades. Raises `Unsupported` if not as `product`."""
    segment = segments.get(instrument.segment)
    if segment is None or product not in PRODUCTS_OF[instrument.kind]:
        raise Unsupported(f"{broker} does not trade {instrument.id} as {product}.")
    return segment


def named(instrument: Instrument, name: str, what: str) -> str:
    """`name`, the broker's own for `instrument`. Raises `Unsupported` where it is empty."""
    if not name:
        raise Unsupported(f"{instrument.id} has no {what}.", hint="Fetch the instrument master again.")
    return name


def whole(*numbers: Any) -> tuple[int, ...]:
    """Each as Python's own int. Raises `DataError` for what is none."""
    try:
        return tuple(map(operator.index, numbers))
    except TypeError:
        raise DataError(f"quantities and prices must be whole numbers, got {numbers!r}.") from None


def positive(value: Any, what: str) -> int:
    """`value` as Python's own int, above 0. Raises `DataError`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number <= 0:
        raise DataError(f"{what} must be a whole number above 0, got {value!r}.")
    return number


def taken_there(instrument: Instrument, kind: OrderType) -> None:
    """Refuse a stop at the market where the exchange has none: a stop that is refused leaves its position bare.

    NSE took SL-M away for options on 2021-09-27, BSE everywhere on 2023-10-09 (exchange circulars, as told by Upstox
    and Zerodha). Raises `Unsupported`.
    """
    bare = instrument.kind is InstrumentKind.OPTION or instrument.segment.exchange is Exchange.BSE
    if kind is OrderType.SL_M and bare and instrument.segment is not Segment.MCX_COMM:
        raise Unsupported(
            f"{instrument.segment.exchange} has no SL-M orders for {instrument.id}.",
            hint="Use an SL order, with a limit beyond its trigger.",
        )


def terms_of(terms: OrderTerms) -> tuple[int, Paise, Paise]:
    """Quantity (units), price and trigger price (paise); a price that the order's type does not have is 0.

    Raises
    ------
    DataError
        For what is no whole number, or not positive.
    """
    quantity, price, trigger = whole(terms.quantity, terms.price, terms.trigger_price)
    kind = terms.order_type
    if quantity <= 0 or (kind.has_price and price <= 0) or (kind.has_trigger and trigger <= 0):
        raise DataError(f"quantity and the prices of an order of type {kind} must be positive, got {terms!r}.")
    return quantity, price if kind.has_price else 0, trigger if kind.has_trigger else 0


def in_lots(instrument: Instrument, quantity: int) -> int:
    """`quantity` (units) as the brokers count it. Raises `DataError` for a part of a lot, on MCX."""
    size = units_per_lot(instrument)
    lots, rest = divmod(quantity, size)
    if rest:
        raise DataError(f"{instrument.id} trades in whole lots of {size}, got {quantity}.")
    return lots


def conversion(asked: Conversion) -> None:
    """Refuse a conversion into what is held already. Raises `DataError`."""
    if asked.held is asked.wanted:
        raise DataError(f"{asked.instrument} is held as {asked.held} already.")


def days(start: date, end: date) -> None:
    """Refuse a span that ends before it begins. Raises `DataError`."""
    if start > end:
        raise DataError(f"the first day must not be after the last, got {start} and {end}.")


def rupees(paise: Paise) -> float:
    """Paise as all three want them. The quotient of a whole number by 100 prints with two digits at most."""
    return paise / 100


def refuse(broker: str, what: str, hint: str) -> NoReturn:
    """Say that `broker` has no `what`, and what to do instead. Raises `Unsupported`."""
    raise Unsupported(f"{broker} has no {what}.", hint=hint)


def each_once(instruments: Sequence[Instrument], names: Sequence[str], what: str) -> None:
    """Refuse a subscription to what has no name at the broker, or to one thing twice.

    Parameters
    ----------
    names
        The broker's own, of each of `instruments`; empty where there is none.
    what
        What the broker calls such a name.

    Raises
    ------
    DataError
    """
    missing = [instrument.id for instrument, name in zip(instruments, names, strict=True) if not name]
    if missing:
        raise DataError(f"no {what} for {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}.")
    if len(set(names)) < len(names):
        twice = [name for name, many in Counter(names).items() if many > 1]
        raise DataError(f"asked for twice, by {what}: {', '.join(twice[:5])}.")
