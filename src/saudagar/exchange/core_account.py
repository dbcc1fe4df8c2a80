"""The member's account at the exchange: positions of the day, margin, and the funds check before an order.

Margin is the plain rule of a discount broker: the worst position that the working orders can lead to, at what the
position has cost and each order at its own price, divided by the product's leverage. What was paid for shares and
options is gone until they are sold, whatever they are worth now. An order that makes no worst case worse costs
nothing. Charges and daily settlement are left to the desk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from saudagar.exchange.core_orders import Refusal
from saudagar.model import Funds, Instrument, InstrumentId, InstrumentKind, Paise, Product, Side, inr

LEVERAGE = {Product.INTRADAY: 5, Product.DELIVERY: 1, Product.MTF: 4, Product.MARGIN: 5}
"""Value of a position per rupee of margin. Bought options cost their whole premium whatever the product."""


_OWNED = (Product.DELIVERY, Product.MTF)
"""What is sold must be there: nobody can be short of delivery."""


class Line(msgspec.Struct):
    """One instrument and product: traded today, and still wanted by working orders (units and paise)."""

    instrument: Instrument
    product: Product
    buy_quantity: int = 0
    buy_value: Paise = 0
    sell_quantity: int = 0
    sell_value: Paise = 0
    wanted: int = 0  # units of working buy orders
    wanted_value: Paise = 0  # of them, each at its own price
    offered: int = 0  # units of working sell orders
    offered_value: Paise = 0
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

    def want(self, side: Side, quantity: int, value: Paise) -> None:
        """Count working units, or with negative numbers no longer."""
        if side is Side.BUY:
            self.wanted, self.wanted_value = self.wanted + quantity, self.wanted_value + value
        else:
            self.offered, self.offered_value = self.offered + quantity, self.offered_value + value

    def required(self) -> Paise:
        """Margin of the worst position that the working orders can lead to."""
        net = self.net
        long = _worst(self.wanted, self.wanted_value, net, self.buy_quantity, self.buy_value)
        if self.product is Product.DELIVERY:
            return long
        leverage = LEVERAGE[self.product]
        if self.instrument.kind is InstrumentKind.OPTION:
            return max(long, self.instrument.strike * max(0, self.offered - net) // leverage)
        short = _worst(self.offered, self.offered_value, -net, self.sell_quantity, self.sell_value)
        return max(long, short) // leverage


def _worst(wanted: int, value: Paise, net: int, quantity: int, cost: Paise) -> Paise:
    """Value of `net` units and of all `wanted` ones beyond what they close; `cost` is of the `quantity` traded."""
    held = cost * net // quantity if net > 0 else 0
    beyond = wanted + min(net, 0)
    return held + (value * beyond // wanted if beyond > 0 else 0)


class Account:
    """Positions and money of the one member.

    Parameters
    ----------
    capital
        Opening cash in paise.
    holdings
        Units in the demat account, which a delivery sale may use.
    standing_leave
        Whether that needs no word of the depository's for each instrument.
    """

    def __init__(
        self,
        capital: Paise,
        holdings: Mapping[InstrumentId, int] | None = None,
        *,
        standing_leave: bool = True,
    ) -> None:
        self.capital = capital
        self.holdings = dict(holdings or {})
        self.funded: dict[InstrumentId, int] = {}  # units of MTF brought over from earlier days
        self.authorised: dict[InstrumentId, int] | None = None if standing_leave else {}  # units, for today
        self._lines: dict[tuple[InstrumentId, Product], Line] = {}
        self._used: Paise = 0
        self._realised: Paise = 0

    def reserve(self, instrument: Instrument, product: Product, side: Side, quantity: int, value: Paise) -> None:
        """Block margin for `quantity` more working units that are worth `value` together (paise).

        Raises
        ------
        Refusal
            ``funds`` if the money is short, ``quantity`` if a sale of delivery has no shares, ``authority`` if they may
            not be taken out of the demat account today. Nothing is changed then.
        """
        line = self._line(instrument, product)
        line.want(side, quantity, value)
        if side is Side.SELL and quantity > 0 and self._free(line) < 0:
            line.want(side, -quantity, -value)
            free = max(0, self._free(line))
            raise Refusal("quantity", f"{instrument.id}: only {free} shares are free for a {product.lower()} sale.")
        if side is Side.SELL and quantity > 0 and self._unauthorised(line):
            line.want(side, -quantity, -value)
            raise Refusal("authority", f"{instrument.id}: the sale of holdings is not authorised by CDSL TPIN today.")
        required = line.required()
        if required > line.margin and required - line.margin > self.available:
            short = required - line.margin - self.available
            line.want(side, -quantity, -value)
            raise Refusal("funds", f"{instrument.id}: short of {inr(short)}; {inr(self.available)} is available.")
        self._settle(line)

    def release(self, instrument: Instrument, product: Product, side: Side, quantity: int, value: Paise) -> None:
        """Unblock `quantity` units, reserved for `value`, that no longer work."""
        line = self._line(instrument, product)
        line.want(side, -quantity, -value)
        self._settle(line)

    def trade(
        self, instrument: Instrument, product: Product, side: Side, quantity: int, price: Paise, value: Paise
    ) -> None:
        """Book an execution at `price` of units that were reserved for `value`."""
        line = self._line(instrument, product)
        line.want(side, -quantity, -value)
        self._realised -= line.realised
        if side is Side.BUY:
            line.buy_quantity += quantity
            line.buy_value += quantity * price
        else:
            line.sell_quantity += quantity
            line.sell_value += quantity * price
        self._realised += line.realised
        self._settle(line)

    def convert(self, instrument: Instrument, old: Product, new: Product, side: Side, quantity: int) -> None:
        """Move `quantity` units of today's position to another product, at their average price.

        `side` is BUY for a long position. Raises `Refusal`: ``quantity`` if the position is not that large, or either
        product would have sold what it does not own, ``funds`` if the new product's margin is more than there is.
        """
        was = self._line(instrument, old), self._line(instrument, new)
        source, target = map(msgspec.structs.replace, was)  # copies: a refusal leaves the account as it is
        if source.net * side.sign < quantity:
            raise Refusal("quantity", f"{instrument.id}: {source.net} units of {old}, {quantity} cannot be converted.")
        _carry(source, target, side, quantity)
        if min(self._free(source), self._free(target)) < 0:
            raise Refusal("quantity", f"{instrument.id}: {old} or {new} would have sold shares that are not there.")
        if self._unauthorised(source) or self._unauthorised(target):
            raise Refusal("authority", f"{instrument.id}: the sale of holdings is not authorised by CDSL TPIN today.")
        more = source.required() + target.required() - source.margin - target.margin
        if more > max(0, self.available):
            raise Refusal("funds", f"{instrument.id}: short of {inr(more - self.available)} for {new}.")
        self._realised += source.realised + target.realised - sum(line.realised for line in was)
        for line in (source, target):
            self._lines[instrument.id, line.product] = line
            self._settle(line)

    def margin(self, instrument: Instrument, product: Product, side: Side, quantity: int, price: Paise) -> Paise:
        """Margin of a new position on its own, paise."""
        line = Line(instrument, product)
        line.want(side, quantity, quantity * price)
        return line.required()

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

    def _unauthorised(self, line: Line) -> bool:
        """Whether more of the holdings would go than the depository has given leave for; what was bought today may."""
        if self.authorised is None or line.product is not Product.DELIVERY:
            return False
        return line.offered - line.net > self.authorised.get(line.instrument.id, 0)

    def _free(self, line: Line) -> int:
        """Units that may still be offered; none too many where the product does not ask for shares."""
        if line.product not in _OWNED:
            return 0
        owned = self.holdings if line.product is Product.DELIVERY else self.funded
        return owned.get(line.instrument.id, 0) + line.net - line.offered


def _carry(source: Line, target: Line, side: Side, quantity: int) -> None:
    if side is Side.BUY:
        value = source.buy_value * quantity // source.buy_quantity
        source.buy_quantity, source.buy_value = source.buy_quantity - quantity, source.buy_value - value
        target.buy_quantity, target.buy_value = target.buy_quantity + quantity, target.buy_value + value
    else:
        value = source.sell_value * quantity // source.sell_quantity
        source.sell_quantity, source.sell_value = source.sell_quantity - quantity, source.sell_value - value
        target.sell_quantity, target.sell_value = target.sell_quantity + quantity, target.sell_value + value


def shares_sold(positions: Iterable[tuple[Instrument, Product, int, Paise, int, Paise]]) -> dict[InstrumentId, int]:
    """Units that today's delivery sales took from each holding, out of `MatchingCore.positions`.

    What was bought today and sold again never was a holding.
    """
    return {
        instrument.id: sold - bought
        for instrument, product, bought, _, sold, _ in positions
        if product is Product.DELIVERY and sold > bought
    }
