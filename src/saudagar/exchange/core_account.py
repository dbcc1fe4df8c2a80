"""The member's account at the exchange: positions of the day, margin, and the funds check before an order.

Margin is the plain rule of a discount broker: the worst position that the working orders can lead to, at the price
of the newest order or trade, divided by the product's leverage. An order that makes no worst case worse costs
nothing. Charges and daily settlement are left to the desk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from saudagar.exchange.core_orders import Refusal
from saudagar.model import Funds, Instrument, InstrumentId, InstrumentKind, Paise, Product, Side, inr

LEVERAGE = {Product.INTRADAY: 5, Product.DELIVERY: 1, Product.MTF: 4, Product.MARGIN: 5}
"""Value of a position per rupee of margin. Bought options cost their whole premium whatever the product."""


class Line(msgspec.Struct):
    """One instrument and product: traded today, and still wanted by working orders (units and paise)."""

    instrument: Instrument
    product: Product
    buy_quantity: int = 0
    buy_value: Paise = 0
    sell_quantity: int = 0
    sell_value: Paise = 0
    wanted: int = 0  # units of working buy orders
    offered: int = 0  # units of working sell orders
    price: Paise = 0
    margin: Paise = 0

    @property
    def net(self) -> int:
        return self.buy_quantity - self.sell_quantity

    @property
    def realised(self) -> Paise:
        """Profit of the matched units at the day's average prices."""
        matched = min(self.buy_quantity, self.sell_quantity)
        if not matched:
            return 0
        return self.sell_value * matched // self.sell_quantity - self.buy_value * matched // self.buy_quantity

    def required(self) -> Paise:
        """Margin of the worst position that the working orders can lead to."""
        long = max(0, self.net + self.wanted)
        short = max(0, self.offered - self.net)
        if self.product is Product.DELIVERY:
            return self.price * long
        if self.instrument.kind is InstrumentKind.OPTION:
            return max(self.price * long, self.instrument.strike * short // LEVERAGE[self.product])
        return self.price * max(long, short) // LEVERAGE[self.product]


class Account:
    """Positions and money of the one member.

    Parameters
    ----------
    capital
        Opening cash in paise.
    holdings
        Units in the demat account, which a delivery sale may use.
    """

    def __init__(self, capital: Paise, holdings: Mapping[InstrumentId, int] | None = None) -> None:
        self.capital = capital
        self.holdings = dict(holdings or {})
        self._lines: dict[tuple[InstrumentId, Product], Line] = {}
        self._used: Paise = 0
        self._realised: Paise = 0

    def reserve(self, instrument: Instrument, product: Product, side: Side, quantity: int, price: Paise) -> None:
        """Block margin for `quantity` more working units at `price`.

        Raises
        ------
        Refusal
            ``funds`` if the money is short, ``quantity`` if a delivery sale has no shares. Nothing is changed then.
        """
        line = self._line(instrument, product)
        before = line.price, line.wanted, line.offered
        line.price = price
        self._want(line, side, quantity)
        if side is Side.SELL and product is Product.DELIVERY:
            self._check_shares(line, before)
        required = line.required()
        if required > line.margin and required - line.margin > self.available:
            short = required - line.margin - self.available
            line.price, line.wanted, line.offered = before
            raise Refusal("funds", f"{instrument.id}: short of {inr(short)}; {inr(self.available)} is available.")
        self._used += required - line.margin
        line.margin = required

    def release(self, instrument: Instrument, product: Product, side: Side, quantity: int) -> None:
        """Unblock `quantity` units that no longer work."""
        line = self._line(instrument, product)
        self._want(line, side, -quantity)
        self._settle(line)

    def trade(self, instrument: Instrument, product: Product, side: Side, quantity: int, price: Paise) -> None:
        """Book an execution of units that were reserved."""
        line = self._line(instrument, product)
        self._want(line, side, -quantity)
        self._realised -= line.realised
        if side is Side.BUY:
            line.buy_quantity += quantity
            line.buy_value += quantity * price
        else:
            line.sell_quantity += quantity
            line.sell_value += quantity * price
        self._realised += line.realised
        line.price = price
        self._settle(line)

    def convert(self, instrument: Instrument, old: Product, new: Product, side: Side, quantity: int) -> None:
        """Move `quantity` units of today's position to another product, at their average price.

        `side` is BUY for a long position. Raises `Refusal`: ``quantity`` if the position is not that large, ``funds``
        if the new product's margin is more than there is.
        """
        source, target = self._line(instrument, old), self._line(instrument, new)
        if source.net * side.sign < quantity:
            raise Refusal("quantity", f"{instrument.id}: {source.net} units of {old}, {quantity} cannot be converted.")
        self._carry(source, target, side, quantity)
        more = source.required() + target.required() - source.margin - target.margin
        if more > max(0, self.available):
            self._carry(target, source, side, quantity)
            raise Refusal("funds", f"{instrument.id}: short of {inr(more - self.available)} for {new}.")
        self._settle(source)
        self._settle(target)

    def margin(self, instrument: Instrument, product: Product, side: Side, quantity: int, price: Paise) -> Paise:
        """Margin of a new position on its own, paise."""
        line = Line(instrument, product, price=price)
        self._want(line, side, quantity)
        return line.required()

    def _carry(self, source: Line, target: Line, side: Side, quantity: int) -> None:
        target.price = source.price
        if side is Side.BUY:
            value = source.buy_value * quantity // source.buy_quantity
            source.buy_quantity, source.buy_value = source.buy_quantity - quantity, source.buy_value - value
            target.buy_quantity, target.buy_value = target.buy_quantity + quantity, target.buy_value + value
        else:
            value = source.sell_value * quantity // source.sell_quantity
            source.sell_quantity, source.sell_value = source.sell_quantity - quantity, source.sell_value - value
            target.sell_quantity, target.sell_value = target.sell_quantity + quantity, target.sell_value + value

    @property
    def available(self) -> Paise:
        return self.capital + self._realised - self._used

    def funds(self) -> Funds:
        return Funds(available=self.available, used=self._used, opening=self.capital)

    def lines(self) -> list[Line]:
        """Every line that traded, in the order of first use."""
        return [line for line in self._lines.values() if line.buy_quantity or line.sell_quantity]

    def _line(self, instrument: Instrument, product: Product) -> Line:
        key = (instrument.id, product)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(instrument, product)
        return line

    def _settle(self, line: Line) -> None:
        required = line.required()
        self._used += required - line.margin
        line.margin = required

    def _check_shares(self, line: Line, before: tuple[Paise, int, int]) -> None:
        free = self.holdings.get(line.instrument.id, 0) + line.net - before[2]
        if line.offered - before[2] > free:
            line.price, line.wanted, line.offered = before
            raise Refusal("quantity", f"{line.instrument.id}: only {max(0, free)} shares are free for a delivery sale.")

    @staticmethod
    def _want(line: Line, side: Side, quantity: int) -> None:
        if side is Side.BUY:
            line.wanted += quantity
        else:
            line.offered += quantity


def shares_sold(positions: Iterable[tuple[Instrument, Product, int, Paise, int, Paise]]) -> dict[InstrumentId, int]:
    """Units that today's delivery sales took from each holding, out of `MatchingCore.positions`.

    What was bought today and sold again never was a holding.
    """
    return {
        instrument.id: sold - bought
        for instrument, product, bought, _, sold, _ in positions
        if product is Product.DELIVERY and sold > bought
    }
