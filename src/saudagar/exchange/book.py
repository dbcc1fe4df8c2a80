"""One instrument's book: the market's visible depth, and the member's own orders that rest in front of it.

The market is a tape: it does not react to our orders, so what they take from the depth stays taken until the next
tick brings a new book. Own orders never trade with each other. `core.MatchingCore` holds one `Book` per instrument.
"""

from __future__ import annotations

from bisect import insort

from saudagar.exchange.core_orders import ExchangeOrder
from saudagar.model import Instrument, Levels, Paise, Side, Tick

INVENTED_VALUE: Paise = 50_000_000
"""Worth of each side of the book that is made up for a tick without depth: ₹5 lakh at the last price."""


class Book:
    """Depth, resting orders and sleeping stops of one instrument.

    Parameters
    ----------
    previous_close
        Paise; base of the price band. 0 if unknown: then the first tick's price is taken.
    """

    __slots__ = ("_asks", "_bids", "base", "buys", "collecting", "instrument", "reference", "sells", "stops", "tick")

    def __init__(self, instrument: Instrument, previous_close: Paise = 0) -> None:
        self.instrument = instrument
        self.base = previous_close
        self.reference: Paise = 0  # of the closing auction's narrower band; 0 outside it
        self.collecting = True  # no opening price yet: orders wait for it
        self.tick: Tick | None = None
        self.buys: list[ExchangeOrder] = []  # best price first, then first come
        self.sells: list[ExchangeOrder] = []
        self.stops: list[ExchangeOrder] = []
        self._bids: list[list[int]] | None = None  # what is left of the tick's depth; None until somebody takes
        self._asks: list[list[int]] | None = None

    @property
    def orders(self) -> list[ExchangeOrder]:
        """All orders in the book, in time order."""
        return sorted([*self.buys, *self.sells, *self.stops], key=_rank)

    @property
    def last(self) -> Paise:
        """The last price, else the previous close, else 0."""
        return self.tick.ltp if self.tick else self.base

    def quote(self, tick: Tick) -> None:
        """A new book of the market; what was taken from the old one no longer counts."""
        self.tick = tick
        self._bids = self._asks = None

    def take(self, side: Side, limit: Paise, quantity: int) -> list[tuple[Paise, int]]:
        """Sweep the depth against `side` up to `limit`: price and quantity of each level touched."""
        levels = self._against(side)
        fills: list[tuple[Paise, int]] = []
        while quantity and levels and _within(side, levels[0][0], limit):
            level = levels[0]
            taken = min(quantity, level[1])
            fills.append((level[0], taken))
            quantity -= taken
            level[1] -= taken
            if not level[1]:
                del levels[0]
        return fills

    def rest(self, order: ExchangeOrder) -> None:
        """Put `order` into its queue by price, then time."""
        if order.side is Side.BUY:
            insort(self.buys, order, key=_buy_key)
        else:
            insort(self.sells, order, key=_sell_key)

    def remove(self, order: ExchangeOrder) -> None:
        """Take `order` out of whichever queue holds it."""
        for queue in (self.buys, self.sells, self.stops):
            for place, other in enumerate(queue):
                if other is order:
                    del queue[place]
                    return

    def touched(self, order: ExchangeOrder) -> bool:
        """Whether the last price has reached the order's trigger."""
        if self.tick is None:
            return False
        trigger = order.terms.trigger_price
        return self.tick.ltp >= trigger if order.side is Side.BUY else self.tick.ltp <= trigger

    def wake(self) -> list[ExchangeOrder]:
        """Remove and return the stops that the last price has touched: nearest trigger first, then first come."""
        woken = [order for order in self.stops if self.touched(order)]
        if woken:
            self.stops = [order for order in self.stops if not self.touched(order)]
            woken.sort(key=_trigger_key)
        return woken

    def _against(self, side: Side) -> list[list[int]]:
        if self._bids is None or self._asks is None:
            bids, asks = visible_depth(self.instrument, self.tick)
            self._bids = [[price, size] for price, size in bids if price > 0 and size > 0]
            self._asks = [[price, size] for price, size in asks if price > 0 and size > 0]
        return self._asks if side is Side.BUY else self._bids


def visible_depth(instrument: Instrument, tick: Tick | None) -> tuple[Levels, Levels]:
    """Bids and asks of `tick`; one level each is made up where the tick has none at all.

    The invented book is one tick wide: bid at the last price, ask one tick above, each of `INVENTED_VALUE` in
    whole lots, one lot at least. A book with one side only is taken as it is: that is a stock at its circuit limit.
    """
    if tick is None:
        return (), ()
    if tick.bids or tick.asks:
        return tick.bids, tick.asks
    size = max(instrument.lot_size, instrument.whole_lots(INVENTED_VALUE // tick.ltp))
    return ((tick.ltp, size),), ((tick.ltp + instrument.tick_size, size),)


def _within(side: Side, price: Paise, limit: Paise) -> bool:
    return price <= limit if side is Side.BUY else price >= limit


def _rank(order: ExchangeOrder) -> int:
    return order.rank


def _buy_key(order: ExchangeOrder) -> tuple[int, int]:
    return -order.limit, order.rank


def _sell_key(order: ExchangeOrder) -> tuple[int, int]:
    return order.limit, order.rank


def _trigger_key(order: ExchangeOrder) -> tuple[int, int]:
    """Buy stops wake from the lowest trigger up, sell stops from the highest down."""
    return order.side.sign * order.terms.trigger_price, order.rank
