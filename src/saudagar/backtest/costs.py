"""What round trips cost in a backtest: a fraction of the turnover, or the statutory charges of their day."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from saudagar.execution.steering import slices
from saudagar.indicators import BarArrays
from saudagar.market.charges import Charges, charge, plan_named, rates_of
from saudagar.market.ist import ist_day
from saudagar.model import Instrument, Paise, Product, Side
from saudagar.model.errors import CalendarError
from saudagar.portfolio import Trade

_PPM = 1_000_000


class Trip(msgspec.Struct, frozen=True):
    """What a charge depends on. Values in paise; `before` and `after` are what the entry's and the exit's order did
    beyond this round trip, where one order closed it and opened the next."""

    instrument: Instrument
    side: Side  # of the entry
    quantity: int
    exit_ts: int
    entry_value: Paise
    exit_value: Paise
    before: Paise = 0
    after: Paise = 0


class CostRule(Protocol):
    def trip(self, trip: Trip) -> Paise: ...


class FlatCosts(msgspec.Struct, frozen=True):
    """`ppm` per million of the turnover on each side, rounded to whole paise per round trip. 0.03 % is 300."""

    ppm: int = 0

    def check(self, instrument: Instrument, bars: BarArrays) -> None:
        """They are the same on any day."""

    def trip(self, trip: Trip) -> Paise:
        return self(trip)

    def __call__(self, trade: Trip | Trade) -> Paise:
        return (self.ppm * (trade.entry_value + trade.exit_value) + _PPM // 2) // _PPM

    def many(self, entry: NDArray[np.int64], exit_: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of many round trips by their values."""
        return (self.ppm * (entry + exit_) + _PPM // 2) // _PPM


class StatutoryCosts(msgspec.Struct, frozen=True):
    """Brokerage by the broker's plan and all charges, at the rates of the exit's day; see `market.charges`."""

    plan: str
    product: Product

    def check(self, instrument: Instrument, bars: BarArrays) -> None:
        """Refuse bars that begin before the charges are tabled, and not after all of them have been traded."""
        try:
            if len(bars):
                rates_of(plan_named(self.plan), ist_day(int(bars.start[0])), instrument, self.product)
        except CalendarError as error:
            hint = "Begin later, with --from, or charge a share of the turnover: --flat-cost 0.03."
            raise CalendarError(error.message, hint=hint) from None

    def trip(self, trip: Trip) -> Paise:
        """The parts in rupees are summed exactly, then rounded to the paisa."""
        return self.charges(trip).total_paise

    def charges(self, trip: Trip) -> Charges:
        """By kind; each order (slice) is charged by itself."""
        day = ist_day(trip.exit_ts)
        total: Charges | None = None
        for side, value, more in (
            (trip.side, trip.entry_value, trip.before),
            (trip.side.opposite, trip.exit_value, trip.after),
        ):
            parts = slices(trip.quantity, trip.instrument) if not more else [trip.quantity]
            left = value
            for place, part in enumerate(parts):
                amount = value * part // trip.quantity if place < len(parts) - 1 else left
                left -= amount
                whole = amount + more  # a slice is an order
                charges = _charge(self.plan, day, trip.instrument, self.product, side, part, amount, whole)
                total = charges if total is None else total + charges
        assert total is not None
        return total


_charge = lru_cache(maxsize=4096)(
    lambda plan, day, instrument, product, side, quantity, value, whole: charge(
        plan, day, instrument, product, side, quantity, value, order_value=whole
    )
)
