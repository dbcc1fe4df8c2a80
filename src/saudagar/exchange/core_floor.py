"""The trading floor: where orders meet the tape. Sweeps, fills, stops, auctions, ends; no checks and no sessions.

`core.MatchingCore` decides what may be asked and when; the floor carries it out and writes the updates. The rules
are told in `core`.
"""

from __future__ import annotations

from collections.abc import Callable

from saudagar.exchange.book import Book
from saudagar.exchange.core_account import Account
from saudagar.exchange.core_orders import ExchangeOrder, ExchangeTrade, Update, snapshot
from saudagar.exchange.core_rules import protected
from saudagar.model import Nanos, OrderStatus, OrderType, Paise, Tick, Validity


class Floor:
    """Matches one member's orders.

    Parameters
    ----------
    protection_ppm, band_ppm
        As in `core.MatchingCore`.
    """

    def __init__(self, account: Callable[[str], Account], protection_ppm: int | None, band_ppm: int) -> None:
        self.now: Nanos = 0
        self.trades: list[ExchangeTrade] = []
        self.updates: list[Update] = []
        self._account = account
        self._protection = protection_ppm
        self._band = band_ppm

    def enter(self, book: Book, order: ExchangeOrder, continuous: bool) -> None:
        """Bring an order into the market: asleep, into the auction's collection, or against the depth at once."""
        if order.terms.order_type.has_trigger and not order.triggered:
            if not (continuous and book.touched(order)):
                book.stops.append(order)
                self.tell(order, OrderStatus.TRIGGER_PENDING)
                return
            self._trigger(book, order)
        self.tell(order, OrderStatus.PARTIALLY_FILLED if order.filled else OrderStatus.OPEN)
        if continuous and not book.collecting:
            self._sweep(book, order)
        else:
            self._settle(book, order)

    def match(self, book: Book, tick: Tick) -> None:
        """Continuous trading on `tick`: the first one opens, then resting orders trade, then stops wake."""
        if book.collecting:
            self._open(book, tick)
        self._match_resting(book)
        for order in book.wake():
            self._trigger(book, order)
            self.tell(order, OrderStatus.OPEN)
            self._sweep(book, order)

    def close_auction(self, book: Book, price: Paise, volume: int) -> None:
        """The closing auction's print: trade at `price`, cancel the rest."""
        self._uncross(book, price, volume)
        self.end_all(book, OrderStatus.CANCELLED, "not traded in the closing auction")

    def end(self, book: Book, order: ExchangeOrder, status: OrderStatus, reason: str) -> None:
        """Take a working order out of the market."""
        left = order.remaining
        self._account(order.account).release(
            order.instrument, order.product, order.side, left, left * order.margin_price
        )
        book.remove(order)
        order.reason = reason
        self.tell(order, status)

    def end_all(self, book: Book, status: OrderStatus, reason: str) -> None:
        for order in book.orders:
            self.end(book, order, status, reason)

    def tell(self, order: ExchangeOrder, status: OrderStatus, trade: ExchangeTrade | None = None) -> None:
        """Set the order's status and write the update."""
        order.status = status
        order.updated = self.now
        self.updates.append(snapshot(order, trade))

    def _trigger(self, book: Book, order: ExchangeOrder) -> None:
        order.triggered = True
        if order.terms.order_type is OrderType.SL_M:
            ppm = self._protection if order.protection_ppm is None else order.protection_ppm
            order.limit = protected(book, order.side, book.last, ppm, self._band)

    def _sweep(self, book: Book, order: ExchangeOrder) -> None:
        for price, quantity in book.take(order.side, order.limit, order.remaining):
            self._fill(order, quantity, price)
        if order.status.working:
            self._settle(book, order)

    def _settle(self, book: Book, order: ExchangeOrder) -> None:
        if order.validity is Validity.IOC:
            self.end(book, order, OrderStatus.CANCELLED, "IOC: the rest found no match")
        else:
            book.rest(order)

    def _match_resting(self, book: Book) -> None:
        for queue in (book.buys, book.sells):
            for order in tuple(queue):
                shown = sum(quantity for _, quantity in book.take(order.side, order.limit, order.remaining))
                if not shown:
                    break  # nobody behind it offers a better price
                self._fill(order, shown, order.limit)
                if not order.status.working:
                    queue.remove(order)

    def _open(self, book: Book, tick: Tick) -> None:
        book.collecting = False
        book.base = book.base or tick.ltp
        self._uncross(book, tick.ltp, tick.volume)
        for order in [*book.buys, *book.sells]:
            if order.terms.order_type is OrderType.MARKET:
                book.remove(order)
                order.limit = tick.ltp
                book.rest(order)

    def _uncross(self, book: Book, price: Paise, volume: int) -> None:
        for queue in (book.buys, book.sells):
            left = volume
            for order in tuple(queue):
                if left <= 0 or order.side.sign * (order.limit - price) < 0:
                    break
                quantity = min(left, order.remaining)
                left -= quantity
                self._fill(order, quantity, price)
                if not order.status.working:
                    queue.remove(order)

    def _fill(self, order: ExchangeOrder, quantity: int, price: Paise) -> None:
        trade = ExchangeTrade(
            trade_id=f"{len(self.trades) + 1:08d}",
            exchange_id=order.exchange_id,
            tag=order.tag,
            instrument=order.instrument,
            side=order.side,
            product=order.product,
            quantity=quantity,
            price=price,
            ts=self.now,
        )
        self.trades.append(trade)
        order.trades.append(trade)
        order.filled += quantity
        order.value += quantity * price
        self._account(order.account).trade(
            order.instrument, order.product, order.side, quantity, price, quantity * order.margin_price
        )
        done = order.filled == order.terms.quantity
        self.tell(order, OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED, trade)
