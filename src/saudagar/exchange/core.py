"""The matching core: one member's orders against the market's tape.

Called by the wire faces (`exchange.server`) and, in process, by `brokers.paper`. Synchronous, deterministic, knows no
clock: market time is what `advance` last said.

The rules
---------
- Each tick is the whole state of its instrument: last price and up to five levels each way. A tick without depth gets
  a book of one tick's width (`book.visible_depth`). A tick with no price, of an earlier day, older than the
  instrument's last or ahead of the market's time is a fault of the tape and ignored.
- An order that can trade on arrival sweeps the visible depth level by level, at the levels' prices, up to its limit;
  each level is one trade. What it takes is gone until the instrument's next tick.
- What is left rests, price first, then time. A resting order trades when the opposite best reaches its limit, at its
  own limit (it was there first), for no more than the depth shows up to that limit.
- A market order becomes a limit order with protection (as brokers do since 2026-04-01) and may rest. IOC cancels what
  is left.
- SL and SL-M sleep until the last price touches the trigger, nearest trigger first, then time; then SL is a limit
  order and SL-M a market order. A stop whose trigger is already touched wakes on arrival (Kite does not let it come).
- A modification that changes the price or type, or adds quantity, goes to the end of the queue.
- Call auctions: orders are collected, the tape's auction print (the first tick of the day; in the closing auction the
  tick whose volume grows) is the one uncrossing price. Everything at or better than it trades there, best price first,
  then time, for no more than the print's volume. After the opening the rest works on (market orders at the opening
  price); after the closing auction the rest is cancelled. A market order's limit in an auction is the band's edge.
  Stops end with continuous trading where an auction follows. While a price is found nothing is taken or withdrawn.
- The end of a session turns every working order EXPIRED (so does the break of a day with two windows). After-market
  orders wait and enter with the next session.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from saudagar.exchange.book import Book
from saudagar.exchange.core_orders import ExchangeOrder, Refusal, Update
from saudagar.exchange.core_rules import BAND_PPM, check_band, check_product, check_terms, working_limit
from saudagar.exchange.core_session import (
    SessionCalendar,
    check_cancel,
    check_session,
    class_of,
    market_orders_stand,
    prints_close,
)
from saudagar.exchange.core_view import MarketView
from saudagar.exchange.core_waiting import Waiting
from saudagar.market.ist import ist_day
from saudagar.market.sessions import PhaseKind
from saudagar.model import (
    SECOND,
    Instrument,
    InstrumentId,
    Nanos,
    OrderStatus,
    OrderTerms,
    OrderType,
    Paise,
    Product,
    Segment,
    Side,
    Tick,
    Validity,
)
from saudagar.model.errors import DataError

_SKEW: Nanos = SECOND
"""How far a tick may be ahead of the market's time before it is taken for a fault."""


class MatchingCore(MarketView):
    """The exchange, as far as one member sees it.

    Parameters
    ----------
    instruments
        Everything that is quoted or traded.
    calendar
        Phases of the day, e.g. `saudagar.market.sessions.Calendar`.
    capital
        The member's cash in paise.
    protection_ppm
        Of market orders; None for the brokers' automatic slabs.
    previous_close
        Paise by instrument, base of the price band; without one the first tick's price is.
    band_ppm
        Half width of the price band.
    holdings
        Shares in the demat account (units), for delivery sales.
    standing_leave
        Whether the broker may take sold holdings out of the demat account (DDPI); else each is to be authorised.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        calendar: SessionCalendar,
        *,
        capital: Paise,
        protection_ppm: int | None = None,
        previous_close: Mapping[InstrumentId, Paise] | None = None,
        band_ppm: int = BAND_PPM,
        holdings: Mapping[InstrumentId, int] | None = None,
        standing_leave: bool = True,
    ) -> None:
        super().__init__(
            instruments,
            calendar,
            capital=capital,
            protection_ppm=protection_ppm,
            previous_close=previous_close or {},
            band_ppm=band_ppm,
            holdings=holdings,
            standing_leave=standing_leave,
        )
        self._protection = protection_ppm
        self._waiting = Waiting()  # after-market orders
        self._counter = 0
        self._day_prefix = "000000"
        self._intraday_over: set[Segment] = set()  # on this day

    def advance(self, ts: Nanos, ticks: Sequence[Tick] = ()) -> list[Update]:
        """Move market time to `ts` (UTC ns), take the session's events and `ticks`, match what rests.

        Returns every update since the last `drain` or `advance`, in order.

        Raises
        ------
        DataError
            If time would run backwards; nothing is done.
        """
        if ts < self._floor.now:
            raise DataError(f"market time cannot go back from {self._floor.now} to {ts}.")
        if ts >= self._clock.next_change:
            self._change_sessions(ts)
        self._floor.now = ts
        if ts >= self._waiting.next_due:
            self._let_in(self._waiting.take_due(ts))
        earliest, latest = self._clock.day_start, ts + _SKEW
        books = self._books
        for tick in ticks:
            book = books.get(tick.instrument)
            if book is None or tick.ltp <= 0 or not earliest <= tick.ts <= latest:
                continue
            before = book.tick
            if before is not None and tick.ts < before.ts:
                continue
            book.quote(tick)
            if book.collecting or book.buys or book.sells or book.stops:
                self._match(book, tick, before)
        return self.drain()

    def drain(self) -> list[Update]:
        """Updates caused since the last drain or advance, in order."""
        updates, self._floor.updates = self._floor.updates, []
        return updates

    def place(
        self,
        *,
        tag: str,
        instrument: InstrumentId,
        side: Side,
        terms: OrderTerms,
        product: Product,
        validity: Validity = Validity.DAY,
        after_market: bool = False,
        amo_delay: Nanos | None = None,
        protection_ppm: int | None = None,
        account: str = "",
    ) -> ExchangeOrder:
        """Take a new order and match it at once.

        Two orders with one `tag` are two orders: no broker removes duplicates. `protection_ppm` is a market order's
        own protection; None takes the core's. `account` is whose cash and positions it moves; for `amo_delay` see
        `core_waiting`.

        Raises
        ------
        Refusal
            Nothing was done.
        """
        book = self._book(instrument)
        phase = self._clock.phase(book.instrument)
        check_terms(book.instrument, side, terms, product, validity)
        if not after_market:
            self._check_intraday(book.instrument, product)
        check_session(phase, terms, validity, after_market)
        check_band(book, side, terms, self._band)
        limit = self._limit(book, side, terms, protection_ppm)
        price = _margin_price(book, terms)
        self.account(account).reserve(book.instrument, product, side, terms.quantity, terms.quantity * price)
        self._counter += 1
        order = ExchangeOrder(
            exchange_id=f"{self._day_prefix}{self._counter:07d}",
            tag=tag,
            instrument=book.instrument,
            side=side,
            terms=terms,
            product=product,
            validity=validity,
            status=OrderStatus.PENDING,
            after_market=after_market,
            amo_delay=amo_delay,
            created=self.now,
            rank=self._counter,
            limit=limit,
            margin_price=price,
            protection_ppm=protection_ppm,
            account=account,
        )
        self.orders[order.exchange_id] = order
        self._tags.setdefault(tag, order)
        if after_market:
            self._waiting.add(order)
            self._floor.tell(order, OrderStatus.PENDING)
        else:
            self._floor.enter(book, order, phase is PhaseKind.CONTINUOUS)
        return order

    def modify(self, exchange_id: str, terms: OrderTerms) -> ExchangeOrder:
        """Change a working order; `terms.quantity` is the new total, filled part included.

        Raises
        ------
        Refusal
            Nothing was done: the order stands as it was.
        """
        order = self._working(exchange_id)
        book = self._book(order.instrument.id)
        phase = self._clock.phase(book.instrument)
        check_terms(book.instrument, order.side, terms, order.product, order.validity)
        if order.status is not OrderStatus.PENDING:  # the broker still has it, not the exchange
            check_session(phase, terms, order.validity, after_market=False)
        check_band(book, order.side, terms, self._band)
        self._check_change(order, terms)
        limit = self._limit(book, order.side, terms, order.protection_ppm)
        price, left = _margin_price(book, terms), terms.quantity - order.filled
        more, value = left - order.remaining, left * price - order.remaining * order.margin_price
        self.account(order.account).reserve(book.instrument, order.product, order.side, more, value)
        self._yield_priority(order, terms, limit)
        order.terms, order.limit, order.margin_price = terms, limit, price
        if order.status is OrderStatus.PENDING:
            self._floor.tell(order, OrderStatus.PENDING)
        else:
            book.remove(order)
            self._floor.enter(book, order, phase is PhaseKind.CONTINUOUS)
        return order

    def cancel(self, exchange_id: str) -> ExchangeOrder:
        """Withdraw a working order.

        Raises
        ------
        Refusal
            ``order`` if there is none, ``state`` if it has ended, ``session`` if it may not be touched now: an auction
            finds its price, or a market order is in the auction's limit-only minutes.
        """
        order = self._working(exchange_id)
        self._check_market_order(order)
        if order.status is OrderStatus.PENDING:
            self._waiting.remove(order)
        else:
            check_cancel(self._clock.phase(order.instrument))
        self._floor.end(self._book(order.instrument.id), order, OrderStatus.CANCELLED, "cancelled by the member")
        return order

    def convert(
        self, instrument: InstrumentId, old: Product, new: Product, side: Side, quantity: int, account: str = ""
    ) -> None:
        """Move `quantity` units of the position's `side` (BUY: long) from product `old` to `new`.

        Raises
        ------
        Refusal
            ``product``, ``quantity`` or ``funds``; nothing was done.
        """
        found = self._book(instrument).instrument
        check_product(found, new)
        self._check_intraday(found, new)
        if old is new or type(quantity) is not int or quantity <= 0:
            raise Refusal("quantity", f"{instrument}: nothing to convert from {old} to {new}: {quantity!r}.")
        self.account(account).convert(found, old, new, side, quantity)

    def end_intraday(self, segment: Segment) -> None:
        """Take no more intraday orders of `segment` today: the broker has squared off."""
        self._intraday_over.add(segment)

    def authorise(self, instrument: InstrumentId, quantity: int, account: str = "") -> None:
        """Let `quantity` units of a holding be sold today (e-DIS); a standing leave needs no such thing."""
        leave = self.account(account).authorised
        if leave is not None:
            leave[instrument] = quantity

    def _match(self, book: Book, tick: Tick, before: Tick | None) -> None:
        phase = self._clock.phase(book.instrument)
        if phase is PhaseKind.CONTINUOUS:
            self._floor.match(book, tick)
        elif prints_close(phase):
            traded = tick.volume - (before.volume if before else 0)
            if traded > 0:
                self._floor.close_auction(book, tick.ltp, traded)

    def _limit(self, book: Book, side: Side, terms: OrderTerms, protection_ppm: int | None) -> Paise:
        auction = book.collecting or book.reference > 0
        ppm = self._protection if protection_ppm is None else protection_ppm
        return working_limit(book, side, terms, ppm, self._band, auction=auction)

    def _change_sessions(self, ts: Nanos) -> None:
        for change in self._clock.advance(ts):
            self._clock.enter(change)
            when, changed, phase = change
            self._floor.now = max(self._floor.now, when)
            if (prefix := f"{ist_day(when):%y%m%d}") != self._day_prefix:
                self._day_prefix = prefix
                self._intraday_over.clear()
            for book in self._books.values():
                if class_of(book.instrument) == changed:
                    self._change_phase(book, phase)
            self._let_in(self._waiting.opened(changed, phase, when))

    def _change_phase(self, book: Book, phase: PhaseKind | None) -> None:
        if phase is None:
            self._floor.end_all(book, OrderStatus.EXPIRED, "the session has ended")
            book.collecting, book.reference, book.base = True, 0, book.last
        elif phase.closing_auction and not book.reference:
            book.reference = book.last
            for order in tuple(book.stops):
                self._floor.end(book, order, OrderStatus.CANCELLED, "stop orders end with continuous trading")

    def _let_in(self, orders: Sequence[ExchangeOrder]) -> None:
        for order in orders:
            book, phase = self._book(order.instrument.id), self._clock.phase(order.instrument)
            self._floor.enter(book, order, phase is PhaseKind.CONTINUOUS and not book.collecting)

    def _yield_priority(self, order: ExchangeOrder, terms: OrderTerms, limit: Paise) -> None:
        old = order.terms
        if limit != order.limit or terms.order_type is not old.order_type or terms.quantity > old.quantity:
            self._counter += 1
            order.rank = self._counter
        rearmed = terms.trigger_price != old.trigger_price or not old.order_type.has_trigger
        if rearmed and not order.filled:
            order.triggered = False

    def _check_change(self, order: ExchangeOrder, terms: OrderTerms) -> None:
        if terms.quantity <= order.filled:
            raise Refusal(
                "quantity", f"{order.filled} units have traded; the total must be above, got {terms.quantity}."
            )
        if order.filled and terms.order_type.has_trigger and not order.triggered:
            raise Refusal("order", "an order that has traded in part cannot become a stop order.")
        self._check_market_order(order)

    def _check_market_order(self, order: ExchangeOrder) -> None:
        if order.terms.order_type is OrderType.MARKET and market_orders_stand(self._clock.phase(order.instrument)):
            raise Refusal("session", "market orders cannot be changed in the last minutes of the auction.")

    def _check_intraday(self, instrument: Instrument, product: Product) -> None:
        if product is Product.INTRADAY and instrument.segment in self._intraday_over:
            raise Refusal("product", f"{instrument.id}: no intraday orders are taken after the square-off.")

    def _working(self, exchange_id: str) -> ExchangeOrder:
        order = self.orders.get(exchange_id)
        if order is None:
            raise Refusal("order", f"no such order: {exchange_id!r}.")
        if not order.status.working:
            raise Refusal("state", f"order {exchange_id} is {order.status} and cannot be changed.")
        return order


def _margin_price(book: Book, terms: OrderTerms) -> Paise:
    if terms.order_type.has_price:
        return terms.price
    return terms.trigger_price if terms.order_type.has_trigger else book.last
