"""Orders that wait at the broker for a price: GTT, forever and super orders, on top of the matching core.

The exchange knows nothing of them; each broker has a service that watches the last price and then places ordinary
orders. The rules here are the ones the three brokers share; the wire faces add their own words.

- A leg fires when the last traded price reaches its trigger from the named side, and places its order at once. A
  refusal of the exchange ends the leg as FAILED and keeps the reason.
- Legs without an entry are alternatives: one fires, the others are cancelled (OCO).
- A leg called the entry goes first. What it has filled when its order ends is the quantity of the exits, which
  become active then and are alternatives again; an entry that ends without a fill cancels them.
- A trailing leg moves its trigger, and its limit with it, by `jump` for every whole `jump` that the price has moved
  away from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

import msgspec

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_orders import Refusal, Update
from saudagar.exchange.core_rules import check_terms
from saudagar.model import Instrument, InstrumentId, Nanos, OrderTerms, Paise, Product, Side, Tick, Validity


class When(StrEnum):
    """Which side the price comes from."""

    ABOVE = "ABOVE"  # fires at or above the trigger
    BELOW = "BELOW"  # fires at or below it
    IMMEDIATE = "IMMEDIATE"  # an entry that is placed at once


class LegStatus(StrEnum):
    WAITING = "WAITING"  # for the entry to fill
    ACTIVE = "ACTIVE"
    TRIGGERED = "TRIGGERED"  # its order is placed
    FAILED = "FAILED"  # its order was refused
    CANCELLED = "CANCELLED"

    @property
    def live(self) -> bool:
        return self in (LegStatus.WAITING, LegStatus.ACTIVE)


class Leg(msgspec.Struct, kw_only=True):
    """One price to wait for, and the order to place then.

    Parameters
    ----------
    name
        The broker's word for it, e.g. ``TARGET_LEG``.
    trigger
        Paise.
    terms
        Of the order. The quantity of an exit is replaced by what the entry filled.
    entry
        Goes before all others.
    jump
        Trailing step in paise; 0 does not trail.
    """

    name: str
    side: Side
    when: When
    trigger: Paise
    terms: OrderTerms
    entry: bool = False
    jump: Paise = 0
    protection_ppm: int | None = None
    validity: Validity = Validity.DAY
    status: LegStatus = LegStatus.ACTIVE
    order_id: str = ""  # of the order it placed
    reason: str = ""
    fired: Nanos = 0
    anchor: Paise = 0  # the price that the trailing steps are counted from; 0 until the leg is active

    def reached(self, price: Paise) -> bool:
        if self.when is When.IMMEDIATE:
            return True
        return price >= self.trigger if self.when is When.ABOVE else price <= self.trigger


class Conditional(msgspec.Struct, kw_only=True):
    """A conditional order as the broker keeps it."""

    conditional_id: str
    kind: str  # the face's own word: it lists only its own
    tag: str
    instrument: Instrument
    product: Product
    legs: list[Leg]
    created: Nanos
    updated: Nanos
    expires: Nanos = 0  # 0 is never
    detail: dict[str, object] = {}  # what only the face understands

    @property
    def live(self) -> bool:
        return any(leg.status.live for leg in self.legs)

    @property
    def entry(self) -> Leg | None:
        return next((leg for leg in self.legs if leg.entry), None)

    def leg(self, name: str) -> Leg:
        """The leg called `name`. Raises `Refusal`."""
        for leg in self.legs:
            if leg.name == name:
                return leg
        raise Refusal("order", f"{self.conditional_id} has no leg {name!r}.")


class Conditionals:
    """All conditional orders of the member, whichever face took them.

    Parameters
    ----------
    core
        Where fired legs place their orders.
    """

    def __init__(self, core: MatchingCore, desk: Callable[[str], MatchingCore] | None = None) -> None:
        self.all: dict[str, Conditional] = {}
        self.placed: dict[str, Conditional] = {}  # by the id of an order that it fired
        self.changed: list[Conditional] = []  # since `take_changes`; for the order streams
        self._core = core
        self._desk = desk or (lambda _: core)  # where orders of a kind are placed
        self._live: dict[InstrumentId, list[Conditional]] = {}
        self._counter = 0

    def place(
        self,
        *,
        kind: str,
        instrument: Instrument,
        product: Product,
        legs: Sequence[Leg],
        tag: str = "",
        expires: Nanos = 0,
        detail: dict[str, object] | None = None,
    ) -> Conditional:
        """Take a conditional order. An IMMEDIATE entry is placed before this returns.

        Raises
        ------
        Refusal
            ``price`` for a trigger that is none, ``quantity`` for no legs, and whatever the exchange says to an
            immediate entry. Nothing was done.
        """
        self._check(instrument, product, legs)
        self._counter += 1
        now = self._core.now
        made = Conditional(
            conditional_id=f"{9_000_000 + self._counter}",
            kind=kind,
            tag=tag,
            instrument=instrument,
            product=product,
            legs=list(legs),
            created=now,
            updated=now,
            expires=expires,
            detail=detail or {},
        )
        entry = made.entry
        if entry is not None:
            for leg in made.legs:
                if leg is not entry:
                    leg.status = LegStatus.WAITING
            if entry.when is When.IMMEDIATE:
                self._send(made, entry)
        self.all[made.conditional_id] = made
        self._live.setdefault(instrument.id, []).append(made)
        self._note(made)
        self._follow(made)
        return made

    def modify(self, conditional_id: str, legs: Iterable[Leg]) -> Conditional:
        """Replace the legs of the same names that have not fired yet.

        Raises
        ------
        Refusal
            ``order`` if there is no such order or leg, ``state`` if a leg has fired or ended.
        """
        found = self.get(conditional_id)
        new = list(legs)
        self._check(found.instrument, found.product, new)
        for leg in new:
            if not found.leg(leg.name).status.live:
                raise Refusal("state", f"{leg.name} of {conditional_id} is {found.leg(leg.name).status}.")
        for leg in new:
            place = found.legs.index(found.leg(leg.name))
            leg.status = found.legs[place].status
            found.legs[place] = leg
        self._note(found)
        return found

    def cancel(self, conditional_id: str, name: str = "") -> Conditional:
        """Cancel every leg that has not fired, or only the one called `name`.

        Raises
        ------
        Refusal
            ``order`` if there is none, ``state`` if nothing is left to cancel.
        """
        found = self.get(conditional_id)
        legs = [leg for leg in found.legs if leg.status.live and name in ("", leg.name)]
        if name:
            found.leg(name)
        if not legs:
            raise Refusal("state", f"conditional order {conditional_id} has nothing left to cancel.")
        for leg in legs:
            leg.status = LegStatus.CANCELLED
        if any(leg.entry for leg in legs):
            self._end(found)
        self._note(found)
        return found

    def get(self, conditional_id: str) -> Conditional:
        """The order of that id. Raises `Refusal`."""
        found = self.all.get(conditional_id)
        if found is None:
            raise Refusal("order", f"no such conditional order: {conditional_id!r}.")
        return found

    def of(self, *kinds: str) -> list[Conditional]:
        """All orders of these kinds, oldest first."""
        return [each for each in self.all.values() if each.kind in kinds]

    def take_changes(self) -> list[Conditional]:
        """What changed since the last call."""
        changes, self.changed = self.changed, []
        return changes

    def advance(self, ticks: Iterable[Tick]) -> list[Update]:
        """Look at the newest prices; call after `MatchingCore.advance`. Returns the updates of what was placed."""
        if not self._live:
            return []
        for tick in ticks:
            for each in tuple(self._live.get(tick.instrument, ())):
                self._look(each)
        for each in [one for group in self._live.values() for one in group]:
            self._follow(each)
        self._forget()
        return self._core.drain()

    def _look(self, each: Conditional) -> None:
        tick = self._core.last(each.instrument.id)
        if tick is None:
            return
        for leg in each.legs:
            if leg.status is not LegStatus.ACTIVE:
                continue
            if leg.jump:
                self._trail(each, leg, tick.ltp)
            if leg.reached(tick.ltp):
                self._fire(each, leg)
                return

    def _trail(self, each: Conditional, leg: Leg, price: Paise) -> None:
        away = 1 if leg.when is When.BELOW else -1
        leg.anchor = leg.anchor or price
        steps = (price - leg.anchor) * away // leg.jump
        if steps > 0:
            moved = away * steps * leg.jump
            leg.anchor += moved
            leg.trigger += moved
            if leg.terms.price:
                leg.terms = msgspec.structs.replace(leg.terms, price=leg.terms.price + moved)
            self._note(each)

    def _fire(self, each: Conditional, leg: Leg) -> None:
        try:
            self._send(each, leg)
        except Refusal as refusal:
            leg.status, leg.reason = LegStatus.FAILED, refusal.message
        if leg.entry:
            self._follow(each)
        else:
            self._end(each)
        self._note(each)

    def _send(self, each: Conditional, leg: Leg) -> None:
        order = self._desk(each.kind).place(
            tag=each.tag,
            instrument=each.instrument.id,
            side=leg.side,
            terms=leg.terms,
            product=each.product,
            validity=leg.validity,
            protection_ppm=leg.protection_ppm,
        )
        leg.status, leg.order_id, leg.fired = LegStatus.TRIGGERED, order.exchange_id, self._core.now
        self.placed[order.exchange_id] = each

    def _follow(self, each: Conditional) -> None:
        """Let the exits live, or die, by what became of the entry."""
        entry = each.entry
        if entry is None or entry.status.live or not any(leg.status is LegStatus.WAITING for leg in each.legs):
            return
        order = self._core.orders.get(entry.order_id)
        if order is not None and order.status.working:
            return
        if order is None or not order.filled:
            self._end(each)
        else:
            for leg in each.legs:
                if leg.status is LegStatus.WAITING:
                    leg.status = LegStatus.ACTIVE
                    leg.terms = msgspec.structs.replace(leg.terms, quantity=order.filled)
        self._note(each)

    def _end(self, each: Conditional) -> None:
        for leg in each.legs:
            if leg.status.live:
                leg.status = LegStatus.CANCELLED

    def _forget(self) -> None:
        now = self._core.now
        for name, group in tuple(self._live.items()):
            for each in group:
                if each.expires and each.expires <= now and each.live:
                    self._end(each)
                    self._note(each)
            left = [each for each in group if each.live]
            if left:
                self._live[name] = left
            else:
                del self._live[name]

    def _note(self, each: Conditional) -> None:
        each.updated = self._core.now
        self.changed.append(each)

    @staticmethod
    def _check(instrument: Instrument, product: Product, legs: Sequence[Leg]) -> None:
        if not legs:
            raise Refusal("quantity", "a conditional order needs a leg.")
        for leg in legs:
            check_terms(instrument, leg.side, leg.terms, product, leg.validity)
            if leg.when is not When.IMMEDIATE and not instrument.on_tick(leg.trigger):
                raise Refusal("tick", f"{instrument.id}: trigger {leg.trigger} paise is off the tick.")
            if leg.jump < 0:
                raise Refusal("price", f"{instrument.id}: the trailing step must not be negative, got {leg.jump}.")
