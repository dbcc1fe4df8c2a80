"""Reads the form of a new order at Kite into a draft of its ticket; whatever Kite itself would not take is refused.

Varieties beside the regular and the after-market order: an iceberg names its legs (2 to 50, kite.trade/forum 51724) and
the quantity of each, which must be the even split (51625); a cover order is a limit or market order in MIS whose
``trigger_price`` is that of the stop which will follow it (29094). Of auctions there are none here.
"""

from __future__ import annotations

from decimal import Decimal

from saudagar.exchange.core_orders import ExchangeOrder
from saudagar.exchange.kite import errors
from saudagar.exchange.kite.errors import bad_input
from saudagar.exchange.kite.requests import (
    ORDER_TYPES,
    PRODUCTS,
    SIDES,
    TAG_LENGTH,
    VALIDITIES,
    Form,
    order_prices,
)
from saudagar.exchange.kite.tickets import Iceberg, Ticket
from saudagar.exchange.kite.words import AMO, REGULAR, Directory, stop_range
from saudagar.model import Instrument, OrderStatus, OrderTerms, OrderType, Paise, Product, Side, Validity

COVER, ICEBERG, AUCTION = "co", "iceberg", "auction"
VARIETIES = (REGULAR, AMO, COVER, ICEBERG, AUCTION)
LEGS = (2, 50)

_MARKET = (OrderType.MARKET, OrderType.SL_M)


def draft(variety: str, form: Form, directory: Directory) -> Ticket:
    """The ticket of a placement. Of an iceberg it is that of the first leg.

    Raises
    ------
    KiteError
    """
    if variety not in VARIETIES:
        raise bad_input("Invalid `variety`.")
    instrument = directory.tradable(form.text("exchange"), form.text("tradingsymbol"))
    if instrument is None:
        raise bad_input("The instrument you are placing an order for has either expired or does not exist.")
    tag = form.text("tag", "")
    if len(tag) > TAG_LENGTH:
        raise bad_input(f"Invalid `tag`. It may have {TAG_LENGTH} characters, got {len(tag)}.")
    if variety == AUCTION:
        raise bad_input(f"Invalid `auction_number`: {form.text('auction_number')}.")
    kind = form.word("order_type", ORDER_TYPES)
    validity = form.word("validity", VALIDITIES, "DAY")
    side = form.word("transaction_type", SIDES)
    quantity = form.whole("quantity")
    if not quantity:
        raise bad_input("Invalid `quantity`.")
    price, trigger = order_prices(kind, form, 0, 0)
    iceberg = _iceberg(form, instrument, quantity) if variety == ICEBERG else None
    product = form.word("product", PRODUCTS | {"CO": Product.INTRADAY} if variety == COVER else PRODUCTS)
    return Ticket(
        order=ExchangeOrder(
            exchange_id="",
            tag=tag,
            instrument=instrument,
            side=side,
            terms=OrderTerms(
                quantity=iceberg.leg_quantity if iceberg else quantity,
                order_type=kind,
                price=price,
                trigger_price=trigger,
            ),
            product=product,
            validity=Validity.IOC if validity == "IOC" else Validity.DAY,
            status=OrderStatus.PENDING,
            after_market=variety == AMO,
        ),
        variety=variety,
        asked=kind,
        protection=protection(form, kind, 0.0),
        disclosed=form.whole("disclosed_quantity", 0),
        ttl=form.whole("validity_ttl") if validity == "TTL" else 0,
        iceberg=iceberg,
        stop=_stop(form, directory, instrument, kind, side, product) if variety == COVER else 0,
    )


def protection(form: Form, kind: OrderType, present: float) -> float:
    """Percent of market protection; a market order without it is refused (SEBI/HO/MIRSD rules from 2026-04-01)."""
    percent = float(form.decimal("market_protection", Decimal(str(present))))
    if percent != -1 and not 0 <= percent <= 100:
        raise bad_input("Invalid `market_protection`.")
    if kind in _MARKET and not percent:
        raise bad_input(errors.NO_PROTECTION)
    return percent


def _iceberg(form: Form, instrument: Instrument, total: int) -> Iceberg:
    legs, leg_quantity = form.whole("iceberg_legs"), form.whole("iceberg_quantity")
    if not LEGS[0] <= legs <= LEGS[1]:
        raise bad_input("Invalid `iceberg_legs`.")
    if total % instrument.lot_size:
        raise bad_input(f"Invalid `quantity`: it is no multiple of {instrument.lot_size}.")
    even = -(-total // instrument.lot_size // legs) * instrument.lot_size
    if leg_quantity != even:
        raise bad_input("Invalid `iceberg_quantity`.")
    return Iceberg(leg=1, legs=-(-total // even), leg_quantity=even, total=total)


def _stop(
    form: Form, directory: Directory, instrument: Instrument, kind: OrderType, side: Side, product: Product
) -> Paise:
    if kind.has_trigger:
        raise bad_input("Invalid `order_type`.")
    if product is not Product.INTRADAY:
        raise bad_input("Invalid `product`.")
    trigger = form.paise("trigger_price")
    line = directory.by_token[int(instrument.kite_id)]
    low, high = stop_range(line, side)
    if not low <= trigger <= high:
        raise bad_input("Invalid trigger price entered.")
    return trigger
