"""What can be watched or traded, and the two rules of its grid: tick and lot."""

from __future__ import annotations

from datetime import date
from math import isfinite

import msgspec

from saudagar.model.enums import InstrumentKind, Right, Segment, Side
from saudagar.model.errors import DataError
from saudagar.model.ids import InstrumentId
from saudagar.model.money import Paise


class Instrument(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """One row of the instrument master.

    `lot_size` belongs to the contract, not to the underlying: two expiries of one index can carry different lots at
    the same time (December 2025: NIFTY 75 and 65).
    """

    segment: Segment
    symbol: str
    kind: InstrumentKind
    tick_size: Paise
    lot_size: int = 1
    freeze_quantity: int = 0  # the largest quantity of one order, in units; 0 means the exchange sets none
    name: str = ""
    isin: str = ""
    underlying: str = ""
    expiry: date | None = None
    strike: Paise = 0
    right: Right | None = None
    closing_auction: bool = False  # stocks with derivatives leave continuous trading at 15:15 for the auction
    dhan_id: str = ""  # Dhan security_id
    upstox_id: str = ""  # Upstox instrument_key
    kite_id: str = ""  # Kite instrument_token
    kite_symbol: str = ""  # Kite orders go by tradingsymbol

    @property
    def id(self) -> InstrumentId:
        return InstrumentId(f"{self.segment}:{self.symbol}")

    def round_price(self, price: float, side: Side) -> Paise:
        """`price` (paise, any real number) on the tick grid, never worse for `side` than asked.

        A buyer's price is rounded down, a seller's up. The one door from float indicators back to whole paise.

        Raises
        ------
        DataError
            If `price` is not finite or not positive after rounding.
        """
        if not isfinite(price):
            raise DataError(f"{self.id}: a price must be a finite number, got {price!r}.")
        ticks = int(price // self.tick_size) if side is Side.BUY else -int(-price // self.tick_size)
        rounded = ticks * self.tick_size
        if rounded <= 0:
            raise DataError(f"{self.id}: price {price!r} paise rounds to {rounded}; prices are positive.")
        return rounded

    def on_tick(self, price: Paise) -> bool:
        """Whether `price` lies on the tick grid."""
        return price > 0 and price % self.tick_size == 0

    def whole_lots(self, quantity: int) -> int:
        """The largest multiple of the lot that is not above `quantity` units."""
        return quantity // self.lot_size * self.lot_size


def segment_of(name: InstrumentId) -> Segment:
    """Where the instrument of that id trades.

    Raises
    ------
    DataError
        It begins with no segment.
    """
    try:
        return Segment(name.partition(":")[0])
    except ValueError:
        raise DataError(f"{name}: expected a segment such as {', '.join(Segment)}.") from None
