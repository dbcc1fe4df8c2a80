"""What the exchange checks before it takes an order, and the price a market order is turned into.

Pure functions over one order's terms; each raises `Refusal` with the code that the wire faces map to their broker's.
"""

from __future__ import annotations

from saudagar.exchange.book import Book
from saudagar.exchange.core_orders import Refusal
from saudagar.model import (
    Exchange,
    Instrument,
    InstrumentKind,
    OrderTerms,
    OrderType,
    Paise,
    Product,
    Side,
    Validity,
    inr,
)

LARGEST = 10**9 - 1
"""Units of one order: more digits no exchange's field has."""

BAND_PPM = 200_000
"""±20 % of the previous close: the widest circuit band, also the dynamic one of stocks with derivatives."""

_OPTION_BAND_PPM = 100_000
"""Of the strike, added to an option's previous close. Its real range is set each morning by its delta, from one tick to
far above the premium; this is about what NSE allows at the money, where the index futures' range is ±10 %."""

AUCTION_BAND_PPM = 30_000
"""±3 % of the reference price in the closing auction (NSE/CMTR/74466, in force 2026-08-03)."""

_MILLION = 1_000_000

_CASH = frozenset({Product.INTRADAY, Product.DELIVERY, Product.MTF})
_DERIVATIVE = frozenset({Product.INTRADAY, Product.MARGIN})
_PRODUCTS = {
    InstrumentKind.EQUITY: _CASH,
    InstrumentKind.FUTURE: _DERIVATIVE,
    InstrumentKind.OPTION: _DERIVATIVE,
}

# reference price below which (paise) → protection (ppm): the automatic slabs of market orders,
# support.zerodha.com and kite.trade/forum 15912, in force 2026-04-01
_PROTECTION = ((10_000, 20_000), (50_000, 10_000))
_PROTECTION_ABOVE = 5_000
_OPTION_PROTECTION = ((1_000, 50_000), (10_000, 30_000), (50_000, 20_000))
_OPTION_PROTECTION_ABOVE = 10_000


# How far a limit order may reach beyond what is traded: ppm of the last price, and paise at least (NSE/FAOP/54242 and
# its FAQ of "limit price protection"; BSE's by brokers' pages). NSE takes the mean of 30 seconds, we the last price.
_REACH = {
    (Exchange.NSE, InstrumentKind.OPTION): (400_000, 20_00),
    (Exchange.BSE, InstrumentKind.OPTION): (600_000, 30_00),
    (Exchange.NSE, InstrumentKind.FUTURE): (30_000, 1_50),
}

# How far the limit of a stop may lie from its trigger: ppm of the trigger, and paise at least (NSE/CM/57613 of 2023 and
# NSE's same rule for derivatives, error 16448)
_STOP_REACH = {
    (Exchange.NSE, InstrumentKind.EQUITY): (30_000, 1_50),
    (Exchange.NSE, InstrumentKind.FUTURE): (30_000, 1_50),
    (Exchange.NSE, InstrumentKind.OPTION): (200_000, 10_00),
}


def check_terms(instrument: Instrument, side: Side, terms: OrderTerms, product: Product, validity: Validity) -> None:
    """The checks that need no market: product, quantity, lot, freeze, prices on the tick grid.

    Raises
    ------
    Refusal
        ``instrument``, ``product``, ``quantity``, ``lot``, ``freeze``, ``price``, ``tick`` or ``order``.
    """
    check_product(instrument, product)
    _check_quantity(instrument, terms.quantity)
    if terms.order_type.has_trigger and validity is Validity.IOC:
        raise Refusal("order", "a stop order cannot be IOC.")
    if validity is Validity.IOC and instrument.segment.exchange is Exchange.MCX:
        raise Refusal("order", f"{instrument.id}: programs may not send IOC orders to MCX.")  # kite.trade/forum 15912
    if terms.order_type is OrderType.SL_M and not _stops_at_market(instrument):
        raise Refusal("price", f"{instrument.id}: SL-M orders are not allowed; use SL with a limit.")
    if terms.order_type.has_price:
        _check_price(instrument, "price", terms.price)
    if terms.order_type.has_trigger:
        _check_price(instrument, "trigger price", terms.trigger_price)
    if terms.order_type is OrderType.SL and side.sign * (terms.price - terms.trigger_price) < 0:
        relation = "at or above" if side is Side.BUY else "at or below"
        raise Refusal(
            "price",
            f"{instrument.id}: the limit {inr(terms.price)} of a stop to {side.lower()} must be {relation} "
            f"its trigger {inr(terms.trigger_price)}.",
        )
    if terms.order_type is OrderType.SL:
        _check_stop_reach(instrument, terms)


def check_product(instrument: Instrument, product: Product) -> None:
    """Raise `Refusal` (``instrument``, ``product``) unless `instrument` is traded and `product` is offered for it."""
    if not instrument.segment.tradable:
        raise Refusal("instrument", f"{instrument.id} is an index and cannot be traded.")
    allowed = _PRODUCTS[instrument.kind]
    if product not in allowed:
        raise Refusal("product", f"{instrument.id}: product {product} is not offered; allowed: {_words(allowed)}.")


def check_band(book: Book, side: Side, terms: OrderTerms, band_ppm: int) -> None:
    """Prices within the day's band, or the auction's narrower one; a derivative's limit not too far through the market.

    Raises
    ------
    Refusal
        ``band``.
    """
    low, high = band(book, band_ppm)
    if not high:
        return
    asked = (
        ("price", terms.price, terms.order_type.has_price),
        ("trigger price", terms.trigger_price, terms.order_type.has_trigger),
    )
    for name, price, used in asked:
        if used and not low <= price <= high:
            raise Refusal(
                "band",
                f"{book.instrument.id}: {name} {inr(price)} is outside the band {inr(low)} to {inr(high)}.",
            )
    reach = _REACH.get((book.instrument.segment.exchange, book.instrument.kind))
    if reach is not None and terms.order_type is OrderType.LIMIT and book.last:
        furthest = book.last + side.sign * max(book.last * reach[0] // _MILLION, reach[1])
        if side.sign * (terms.price - furthest) > 0:
            raise Refusal(
                "band", f"{book.instrument.id}: price {inr(terms.price)} is beyond the LPP limit {inr(furthest)}."
            )


def band(book: Book, band_ppm: int) -> tuple[Paise, Paise]:
    """Lowest and highest price allowed now, on the tick grid; (0, 0) while no base is known."""
    base, width = (book.reference, AUCTION_BAND_PPM) if book.reference else (book.base or book.last, band_ppm)
    return circuit_limits(book.instrument, base, width)


def circuit_limits(instrument: Instrument, base: Paise, band_ppm: int = BAND_PPM) -> tuple[Paise, Paise]:
    """Lowest and highest price around `base` (paise), on the tick grid; (0, 0) without a base."""
    tick = instrument.tick_size
    if instrument.kind is InstrumentKind.OPTION:
        above = instrument.strike * _OPTION_BAND_PPM // _MILLION
        return (tick, (base + above) // tick * tick) if base else (0, 0)
    low = -(-base * (_MILLION - band_ppm) // _MILLION // tick) * tick
    return max(low, tick) if base else 0, base * (_MILLION + band_ppm) // _MILLION // tick * tick


def working_limit(
    book: Book, side: Side, terms: OrderTerms, protection_ppm: int | None, band_ppm: int, *, auction: bool
) -> Paise:
    """The limit an order really works at: its own, or for a market order a price that makes it trade.

    In an auction that is the edge of the band, otherwise the last price (a stop's trigger) with protection.

    Raises
    ------
    Refusal
        ``price`` if a market order comes before any price is known.
    """
    if terms.order_type.has_price:
        return terms.price
    reference = terms.trigger_price if terms.order_type.has_trigger else book.last
    if not reference:
        raise Refusal("price", f"{book.instrument.id}: no price is known yet, so a market order has no protection.")
    if auction and terms.order_type is OrderType.MARKET:
        low, high = band(book, band_ppm)
        return high if side is Side.BUY else low
    return protected(book, side, reference, protection_ppm, band_ppm)


def protected(book: Book, side: Side, reference: Paise, protection_ppm: int | None, band_ppm: int) -> Paise:
    """`reference` moved by the protection against `side`, on the tick grid and inside the band.

    The move is rounded towards `reference` but is one tick at least.
    """
    ppm = automatic_protection(book.instrument, reference) if protection_ppm is None else protection_ppm
    tick = book.instrument.tick_size
    low, high = band(book, band_ppm)
    if side is Side.BUY:
        limit = max(reference * (_MILLION + ppm) // _MILLION // tick, reference // tick + 1) * tick
    else:
        limit = min(-(-reference * (_MILLION - ppm) // _MILLION // tick), -(-reference // tick) - 1) * tick
    return max(low or tick, min(high, limit) if high else limit)


def automatic_protection(instrument: Instrument, reference: Paise) -> int:
    """Protection in ppm by kind and price, from the brokers' automatic slabs."""
    option = instrument.kind is InstrumentKind.OPTION
    for below, ppm in _OPTION_PROTECTION if option else _PROTECTION:
        if reference < below:
            return ppm
    return _OPTION_PROTECTION_ABOVE if option else _PROTECTION_ABOVE


def _stops_at_market(instrument: Instrument) -> bool:
    """NSE took SL-M away for options on 2021-09-27, BSE everywhere on 2023-10-09."""
    if instrument.segment.exchange is Exchange.NSE:
        return instrument.kind is not InstrumentKind.OPTION
    return instrument.segment.exchange is not Exchange.BSE


def _check_stop_reach(instrument: Instrument, terms: OrderTerms) -> None:
    reach = _STOP_REACH.get((instrument.segment.exchange, instrument.kind))
    if reach is None:
        return
    most, away = max(terms.trigger_price * reach[0] // _MILLION, reach[1]), abs(terms.price - terms.trigger_price)
    if away > most:
        raise Refusal(
            "price",
            f"{instrument.id}: 16448: limit and trigger price are {inr(away)} apart; {inr(most)} is permissible.",
        )


def _check_quantity(instrument: Instrument, quantity: int) -> None:
    if type(quantity) is not int or not 0 < quantity <= LARGEST:
        raise Refusal("quantity", f"{instrument.id}: quantity must be a whole number from 1 to {LARGEST}.")
    if quantity % instrument.lot_size:
        raise Refusal("lot", f"{instrument.id}: quantity {quantity} is no multiple of the lot {instrument.lot_size}.")
    if instrument.freeze_quantity and quantity > instrument.freeze_quantity:
        raise Refusal(
            "freeze",
            f"{instrument.id}: quantity {quantity} is above the freeze quantity {instrument.freeze_quantity}.",
        )


def _check_price(instrument: Instrument, name: str, price: Paise) -> None:
    if type(price) is not int or price <= 0:
        raise Refusal("price", f"{instrument.id}: {name} must be whole paise above 0, got {price!r}.")
    if price % instrument.tick_size:
        raise Refusal("tick", f"{instrument.id}: {name} {inr(price)} is off the tick of {inr(instrument.tick_size)}.")


def _words(products: frozenset[Product]) -> str:
    return ", ".join(sorted(products))
