"""Kite's order desk: takes orders into the matching core, changes and cancels them, and keeps Kite's record of them.

What Kite checks itself (words, tag, market protection, what the exchange would refuse at once) is an error and nothing
was done. Money is checked by the risk desk behind it: such an order gets an id and then stands in the book as REJECTED
(recorded 2022-05-24). A market order in continuous trading becomes the limit order that its protection makes of it,
and is shown as that, tagged ``mktp`` (recorded 2025-08-07); it may rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from saudagar.exchange.book import Book
from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_orders import ExchangeOrder, Refusal, Update, snapshot
from saudagar.exchange.core_rules import BAND_PPM, automatic_protection, protected
from saudagar.exchange.kite import drafts, errors, words
from saudagar.exchange.kite.errors import KiteError, bad_input
from saudagar.exchange.kite.followers import Followers
from saudagar.exchange.kite.requests import ORDER_TYPES, VALIDITIES, Form, order_prices
from saudagar.exchange.kite.tickets import Ticket, TicketBook
from saudagar.exchange.kite.words import (
    BEFORE_CANCELLED,
    BEFORE_MODIFIED,
    ORDER_TYPE,
    Directory,
    exchange_of,
    symbol_of,
)
from saudagar.exchange.order_desk import parts
from saudagar.market.ist import ist
from saudagar.market.sessions import PhaseKind
from saudagar.model import (
    MINUTE,
    Instrument,
    InstrumentId,
    OrderStatus,
    OrderTerms,
    OrderType,
    Paise,
    Side,
)

MODIFICATIONS = 25  # per order (kite.trade/forum 2760)
SLICES = 10  # of one autoslice order (kite.trade/forum 15912)

_SLICED = (words.REGULAR, words.AMO)


class OrderDesk:
    """Places, modifies and cancels.

    Parameters
    ----------
    publish
        Takes what an order request caused, before the answer leaves.
    previous_close
        Paise, by instrument: protected prices stay inside its band.
    """

    def __init__(
        self,
        core: MatchingCore,
        book: TicketBook,
        directory: Directory,
        *,
        publish: Callable[[Sequence[Update]], None],
        previous_close: Mapping[InstrumentId, Paise],
    ) -> None:
        self._core = core
        self._book = book
        self._directory = directory
        self._publish = publish
        self._close = previous_close
        self._rejections = 0
        self._slices = 0
        self._expiring: list[Ticket] = []  # TTL orders
        self._followers = Followers(self._enter)

    def place(self, variety: str, form: Form) -> dict[str, Any]:
        """`POST /orders/{variety}`; returns the answer's data.

        Raises
        ------
        KiteError
            Nothing was done.
        """
        draft = drafts.draft(variety, form, self._directory)
        if not draft.order.after_market:
            self._check_trigger(draft.order.instrument, draft.order.side, draft.order.terms)
        if form.text("autoslice", "false") == "true" and variety in _SLICED:
            return self._slice(draft)
        return {"order_id": self._enter(draft).order_id}

    def modify(self, variety: str, order_id: str, form: Form) -> str:
        """`PUT /orders/{variety}/{order_id}`: changes the fields that the form names.

        Raises
        ------
        KiteError
            The order stands as it was.
        """
        ticket = self._find(variety, order_id)
        if ticket.modifications >= MODIFICATIONS:
            raise KiteError("NetworkException", errors.TOO_MANY_CHANGES, 429)  # the class as users reported it
        order, old = ticket.order, ticket.order.terms
        kind = form.word("order_type", ORDER_TYPES, ORDER_TYPE[self._kind_now(ticket)])
        validity = "TTL" if ticket.ttl else order.validity.value
        if form.word("validity", VALIDITIES, validity) != validity:
            raise bad_input("Invalid `validity`.")
        protection = drafts.protection(form, kind, ticket.protection)
        price, trigger = order_prices(kind, form, old.price, old.trigger_price)
        quantity = form.whole("quantity", old.quantity)
        disclosed = form.whole("disclosed_quantity", ticket.disclosed)
        asked = OrderTerms(quantity=quantity, order_type=kind, price=price, trigger_price=trigger)
        if not order.triggered and not order.after_market:
            self._check_trigger(order.instrument, order.side, asked)
        self._change(ticket, asked, protection)
        ticket.disclosed = disclosed
        return order_id

    def cancel(self, variety: str, order_id: str, parent: str = "") -> str:
        """`DELETE /orders/{variety}/{order_id}`. Raises `KiteError`; the order stands then.

        The stop of a cover order, named with its parent, becomes the exit: it goes to the market.
        """
        ticket = self._find(variety, order_id)
        if parent and parent != ticket.parent:
            raise KiteError("GeneralException", errors.NO_SUCH_ORDER, 404)
        if parent and ticket.variety == drafts.COVER:
            asked = OrderTerms(quantity=ticket.order.terms.quantity, order_type=OrderType.MARKET)
            self._change(ticket, asked, ticket.protection)
        else:
            self._cancel(ticket)
        return order_id

    def advance(self) -> None:
        """Send what follows orders that have ended, and end the TTL orders whose time is over; call at each step."""
        self._followers.advance()
        if not self._expiring:
            return
        now = self._core.now
        for ticket in tuple(self._expiring):
            if now >= ticket.order.created + ticket.ttl * MINUTE:
                if ticket.order.status.working:
                    try:
                        self._cancel(ticket)
                    except KiteError:
                        continue  # an auction holds it: again at the next step
                self._expiring.remove(ticket)

    def square_off(self, instrument: Instrument, side: Side, quantity: int) -> None:
        """Kite's own market orders against a position in MIS; what is refused is not tried again."""
        for part in parts(quantity, instrument.freeze_quantity):
            fields = {"exchange": exchange_of(instrument), "tradingsymbol": symbol_of(instrument), "product": "MIS"}
            fields |= {"transaction_type": side.value, "quantity": str(part)}
            with suppress(KiteError):
                self.place("regular", Form({**fields, "order_type": "MARKET", "market_protection": "-1"}))

    def adopt(self, order: ExchangeOrder, tags: list[str]) -> Ticket:
        """Keep an order that Kite itself placed, for a GTT."""
        return self._book.add(Ticket(order=order, variety="regular", asked=order.terms.order_type, tags=tags))

    def _check_trigger(self, instrument: Instrument, side: Side, terms: OrderTerms) -> None:
        """Kite takes no stop that would go off at once; the exchanges would.

        Raises
        ------
        KiteError
            In Kite's own words, as users reported them.
        """
        tick = self._core.last(instrument.id)
        if tick is None or not terms.order_type.has_trigger or side.sign * (terms.trigger_price - tick.ltp) > 0:
            return
        relation = "higher" if side is Side.BUY else "lower"
        raise bad_input(
            f"Trigger price for stoploss {side.lower()} orders should be {relation} than the last traded price "
            f"({tick.ltp / 100}). Try limit order."
        )

    def _change(self, ticket: Ticket, asked: OrderTerms, protection: float) -> None:
        order = ticket.order
        terms, tags = self._protected(order.instrument, order.side, asked, protection)
        ticket.coming = BEFORE_MODIFIED if ticket.entered else ()
        try:
            self._core.modify(ticket.order_id, terms)
        except Refusal as refusal:
            ticket.coming = ()
            raise KiteError("OrderException", refusal.message) from None
        ticket.asked, ticket.protection = asked.order_type, protection
        order.protection_ppm = _ppm(protection)
        ticket.tags = [tag for tag in ticket.tags if not tag.startswith("mktp")] + tags
        ticket.modifications += 1
        self._publish(self._core.drain())

    def _cancel(self, ticket: Ticket) -> None:
        ticket.coming = BEFORE_CANCELLED if ticket.entered else ()
        try:
            self._core.cancel(ticket.order_id)
        except Refusal as refusal:
            ticket.coming = ()
            raise KiteError("OrderException", refusal.message) from None
        self._publish(self._core.drain())

    def _enter(self, draft: Ticket) -> Ticket:
        """Bring a draft into the market; a rejection of the risk desk, or of what follows, is kept as an order."""
        try:
            ticket = self._send(draft)
        except Refusal as refusal:
            if refusal.code != "funds" and not draft.parent:
                raise errors.refused(refusal) from None
            return self._reject(draft, refusal)
        self._publish(self._core.drain())
        return ticket

    def _send(self, draft: Ticket) -> Ticket:
        asked = draft.order
        terms, tags = self._protected(asked.instrument, asked.side, asked.terms, draft.protection)
        order = self._core.place(
            tag=asked.tag,
            instrument=asked.instrument.id,
            side=asked.side,
            terms=terms,
            product=asked.product,
            validity=asked.validity,
            after_market=asked.after_market,
            protection_ppm=_ppm(draft.protection),
        )
        ticket = self._book.add(msgspec.structs.replace(draft, order=order, tags=[*draft.tags, *tags], steps=[]))
        if ticket.ttl:
            self._expiring.append(ticket)
        self._followers.watch(ticket, draft)
        return ticket

    def _reject(self, draft: Ticket, refusal: Refusal) -> Ticket:
        now = self._core.now
        self._rejections += 1
        funds = refusal.code == "funds"
        order = msgspec.structs.replace(
            draft.order,
            exchange_id=f"{ist(now):%y%m%d}8{self._rejections:06d}",
            status=OrderStatus.REJECTED,
            reason=f"Insufficient funds. {refusal.message} Check the orderbook for open orders."
            if funds
            else refusal.message,
            created=now,
            updated=now,
        )
        raw = f"RMS:{'Margin Exceeds,' if funds else ''}{refusal.message}"
        ticket = self._book.add(msgspec.structs.replace(draft, order=order, raw_reason=raw, steps=[]))
        self._publish([snapshot(order)])
        return ticket

    def _slice(self, draft: Ticket) -> dict[str, Any]:
        """An order cut at the freeze quantity: a parent id that is no order, and its children."""
        terms = draft.order.terms
        freeze = draft.order.instrument.freeze_quantity or terms.quantity
        if terms.quantity > freeze * SLICES:
            raise bad_input(f"The order has more than {SLICES} slices of {freeze}.")
        self._slices += 1
        parent = f"{ist(self._core.now):%y%m%d}7{self._slices:06d}"
        children: list[dict[str, Any]] = []
        for done in range(0, terms.quantity, freeze):
            part = msgspec.structs.replace(terms, quantity=min(freeze, terms.quantity - done))
            child = msgspec.structs.replace(
                draft, order=msgspec.structs.replace(draft.order, terms=part), tags=["autoslice", f"autoslice:{parent}"]
            )
            try:
                children.append({"order_id": self._send(child).order_id})
            except Refusal as refusal:
                problem = errors.refused(refusal)
                error = {"code": problem.status, "error_type": problem.kind, "message": problem.message, "data": None}
                children.append({"error": error})
            self._publish(self._core.drain())
        return {"order_id": parent, "children": children}

    def _find(self, variety: str, order_id: str) -> Ticket:
        ticket = self._book.get(order_id)
        if ticket is not None and ticket.variety == variety == words.AMO and ticket.entered:
            raise KiteError("NetworkException", f"request {order_id} timed out", 504)
        if ticket is None or ticket.door != variety:
            raise KiteError("GeneralException", errors.NO_SUCH_ORDER, 404)
        if not ticket.order.status.working:
            raise KiteError("OrderException", f"Order cannot be changed: it is {ticket.word(ticket.order.status)}.")
        return ticket

    def _kind_now(self, ticket: Ticket) -> OrderType:
        return OrderType.SL_M if ticket.asked is OrderType.SL_M else ticket.order.terms.order_type

    def _protected(
        self, instrument: Instrument, side: Side, terms: OrderTerms, percent: float
    ) -> tuple[OrderTerms, list[str]]:
        """The terms that go to the exchange, and the tags of a market order that became a limit order."""
        tick = self._core.last(instrument.id) if instrument.segment.tradable else None
        continuous = self._core.phase(instrument.id) is PhaseKind.CONTINUOUS
        if terms.order_type is not OrderType.MARKET or tick is None or not continuous:
            return terms, []  # in a call auction the exchange takes market orders as such
        ppm = _ppm(percent) or automatic_protection(instrument, tick.ltp)
        limit = protected(Book(instrument, self._close[instrument.id]), side, tick.ltp, ppm, BAND_PPM)
        limited = msgspec.structs.replace(terms, order_type=OrderType.LIMIT, price=limit)
        return limited, ["mktp", f"mktp:{ppm / 10_000:.2f}"]


def _ppm(percent: float) -> int | None:
    """Protection as the exchange takes it; None is its own slabs."""
    return round(percent * 10_000) if percent > 0 else None
