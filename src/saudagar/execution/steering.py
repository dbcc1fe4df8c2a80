"""From where a position is to where it should be: the orders that bring it there.

`steer` compares a position's target with its quantity and its working orders and names the next requests. It keeps
no memory and may be called at any moment, any number of times: after a fill, a rejection, a restart. Calling it again
while its requests are under way yields nothing new.

Rules
-----
- A request waits until every order of the position has a plain state: none in flight, none unknown.
- A close never opens: closing orders sum to the position at most, an opening order is sent only when no opposite
  quantity is held or working. A closing order that a late fill has put on the wrong side is taken back first.
- The resting stop *becomes* the exit: to leave, its terms are changed to a marketable order, so that the position is
  never without its stop and never sold twice.
- A reversal closes through its stop and opens when flat. Where no stop is in force it is one opening order through
  zero (`Tactics.flip`): half the orders, half the brokerage. It passes the rules of an entry.
- Quantities above the exchange's freeze quantity are cut into orders that it accepts.
- Where the day's price band is known, what protects or closes is priced inside it: at its edge it rests, where it was
  refused beyond. A stop that lies beyond the band does not rest at all: the desk watches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import msgspec

from saudagar.model import (
    SECOND,
    Instrument,
    Nanos,
    Order,
    OrderStatus,
    OrderTerms,
    OrderType,
    Paise,
    Purpose,
    Side,
)


class Steered(Protocol):
    """The part of a position that steering reads."""

    @property
    def quantity(self) -> int: ...  # signed units

    @property
    def target(self) -> int: ...  # signed units

    @property
    def stop(self) -> Paise: ...  # level in force; 0 means none


class Tactics(msgspec.Struct, frozen=True, kw_only=True):
    """How orders are written. Prices per million of the last price."""

    entry_type: OrderType = OrderType.LIMIT
    stop_type: OrderType = OrderType.SL
    protection_ppm: int = 5_000  # how far a marketable limit reaches beyond the last price
    stop_band_ppm: int = 10_000  # how far the limit of a triggered stop reaches beyond its trigger
    chase: Nanos = 5 * SECOND  # a marketable order unfilled for so long is priced anew (exit) or withdrawn (entry)
    rest_stop: bool = True  # the stop rests at the broker
    flip: bool = True  # a reversal with no stop in force is one order through zero, not two
    modifications: int = 25  # the broker's limit per order; the last few are kept for turning a stop into an exit
    entry_ppm: int = -1  # how far a limit entry reaches; -1: as `protection_ppm`; 0 waits at the last price
    entry_rest: Nanos = 0  # an entry unfilled for so long is withdrawn; 0: after `chase`
    entry_age: Nanos = 30 * SECOND  # an entry not sent so long after its decision is given up; 0: never


class Submit(msgspec.Struct, frozen=True, gc=False):
    purpose: Purpose
    side: Side
    terms: OrderTerms


class Modify(msgspec.Struct, frozen=True, gc=False):
    order: Order
    terms: OrderTerms


class Cancel(msgspec.Struct, frozen=True, gc=False):
    order: Order
    reason: str


Request: TypeAlias = Submit | Modify | Cancel

_KEPT_FOR_EXIT = 5  # modifications; a stop that may not follow its trail any more stays behind, the desk runs the trail
_UNCHANGED = 3  # refused changes in a row, after which an exit, or too large a stop, is taken back for a new one
_side, _BUY = Side.of, Side.BUY
_MARKET, _LIMIT = OrderType.MARKET, OrderType.LIMIT
_SL, _SL_M = OrderType.SL, OrderType.SL_M
_ENTRY, _EXIT, _STOP = Purpose.ENTRY, Purpose.EXIT, Purpose.STOP
_TRIGGERED = frozenset(kind for kind in OrderType if kind.has_trigger)
Band: TypeAlias = tuple[Paise, Paise]
"""The lowest and the highest price that the exchange takes, both on the grid."""

NO_BAND: Band = (0, 1 << 62)
IN_FLIGHT = frozenset({OrderStatus.SUBMITTED, OrderStatus.UNKNOWN})


class Situation(msgspec.Struct, frozen=True, gc=False):
    """For what, how and when orders are written."""

    instrument: Instrument
    last: Paise  # the latest usable price; 0 where there is none, and then nothing new is priced
    tactics: Tactics
    now: Nanos
    band: Band = NO_BAND  # where the exchange takes prices today, as far as that is known


def steer(position: Steered, orders: Sequence[Order], at: Situation) -> list[Request]:
    """The next requests for `position`; empty when there is nothing to do or something to wait for.

    Parameters
    ----------
    orders
        The position's working orders.
    """
    quantity, target = position.quantity, position.target
    astray: list[Request] = []
    for order in orders:
        if order.modify_sent is not None or order.cancel_sent or order.status in IN_FLIGHT:
            return []
        if order.new.purpose is not _ENTRY and order.new.side.sign * quantity > 0:
            astray.append(Cancel(order, "would open"))
    if astray:
        return astray
    if target == quantity:
        return _rest(position, orders, at)
    flips = target * quantity < 0 and at.tactics.flip and not position.stop
    if flips and (not orders or _only_towards(target, orders)):
        return _enter(position, orders, at)
    if quantity and (target == 0 or target * quantity < 0 or abs(target) < abs(quantity)):
        closing = abs(quantity) if target * quantity <= 0 else abs(quantity) - abs(target)
        return _leave(position, orders, closing, at)
    return _enter(position, orders, at)


def steer_halted(position: Steered, orders: Sequence[Order]) -> list[Request]:
    """What is taken back while nothing but cancels may be sent: entries, and what closes more than is held."""
    room = abs(position.quantity)
    requests: list[Request] = []
    for order in orders:
        if order.cancel_sent or order.status in IN_FLIGHT:
            continue
        if order.new.purpose is _ENTRY:
            requests.append(Cancel(order, "halted"))
        elif order.modify_sent is None:
            if order.new.side.sign * position.quantity < 0 and order.remaining <= room:
                room -= order.remaining
            else:
                requests.append(Cancel(order, "would open"))
    return requests


def _only_towards(target: int, orders: Sequence[Order]) -> bool:
    side = _side(target)
    return all(o.new.purpose is _ENTRY and o.new.side is side for o in orders)


def _leave(position: Steered, orders: Sequence[Order], closing: int, at: Situation) -> list[Request]:
    side = _side(-position.quantity)
    if entries := [o for o in orders if o.new.purpose is _ENTRY]:
        return [Cancel(o, "leaving") for o in entries]
    if not at.last:
        return []
    tactics = at.tactics
    cancels: list[Request] = []
    requests: list[Request] = []
    left = closing
    for order in orders:
        part = min(left, order.remaining)
        left -= part
        if part == 0:
            cancels.append(Cancel(order, "not needed"))
        elif _is_stop(order) or part != order.remaining or at.now - order.last_change >= tactics.chase:
            terms = _marketable(side, order.filled + part, at)
            if terms == order.terms:
                continue
            if order.modifications >= tactics.modifications or order.unchanged >= _UNCHANGED:
                cancels.append(Cancel(order, "cannot be changed"))  # then a new order takes its place
            else:
                requests.append(Modify(order, terms))
    if cancels:
        return cancels  # first: they make room for what remains
    if left:
        requests += [Submit(_EXIT, side, _marketable(side, part, at)) for part in slices(left, at.instrument)]
    return requests


def _rest(position: Steered, orders: Sequence[Order], at: Situation) -> list[Request]:
    """At the target: exactly the protective orders that the position needs, and nothing else."""
    if others := [o for o in orders if not _is_stop(o)]:
        return [Cancel(o, "target reached") for o in others]
    return _stops(position, orders, at)


def _enter(position: Steered, orders: Sequence[Order], at: Situation) -> list[Request]:
    side = _side(position.target - position.quantity)
    missing = abs(position.target - position.quantity)
    entries: list[Order] = []
    stops: list[Order] = []
    others: list[Order] = []
    for order in orders:
        if order.new.purpose is _ENTRY and order.new.side is side:
            entries.append(order)
        elif position.quantity and _is_stop(order):
            stops.append(order)
        else:
            others.append(order)
    if others:
        return [Cancel(o, "left over") for o in others]
    if entries:
        patience = at.tactics.entry_rest or at.tactics.chase
        if late := [o for o in entries if at.now - o.submitted >= patience]:
            return [Cancel(o, "entry not filled in time") for o in late]
        if entries[0].remaining > missing:
            terms = msgspec.structs.replace(entries[0].terms, quantity=entries[0].filled + missing)
            return [Modify(entries[0], terms)]
    protects = position.quantity and (position.stop or stops)
    requests = _stops(position, stops, at) if protects else []
    if not entries and at.last:
        requests.append(Submit(_ENTRY, side, entry_terms(at.instrument, side, missing, at.last, at.tactics)))
    return requests


def _stops(position: Steered, stops: Sequence[Order], at: Situation) -> list[Request]:
    """Requests that make the resting stops cover the position at its stop level."""
    whole, tactics, band = abs(position.quantity), at.tactics, at.band
    if not (whole and position.stop and tactics.rest_stop):
        return [Cancel(o, "no stop wanted") for o in stops]
    side = _side(-position.quantity)
    for_all = stop_terms(at.instrument, side, whole, position.stop, tactics, band)
    if band is not NO_BAND and not band[0] <= for_all.trigger_price <= band[1]:
        return [Cancel(o, "the stop lies beyond the price band") for o in stops]
    parts = slices(whole, at.instrument)
    if not stops and len(parts) == 1:
        return [Submit(_STOP, side, for_all)]
    if spare := stops[len(parts) :]:
        return [Cancel(o, "position is smaller") for o in spare]  # first: they make room for what remains
    requests: list[Request] = []
    for i, part in enumerate(parts):
        terms = for_all if part == whole else msgspec.structs.replace(for_all, quantity=part)
        if i >= len(stops):
            requests.append(Submit(_STOP, side, terms))
        elif terms != stops[i].terms:
            requests += _adjust_stop(stops[i], terms, tactics)
    if len(requests) > 1:
        requests.sort(key=lambda request: _more(request) > 0)
    return requests


def free_moves(order: Order, position: Steered, tactics: Tactics) -> int:
    """How often `order`, the only one at work, may be moved as the stop of all of `position`; 0 if it is not that."""
    if order.modify_sent is not None or order.cancel_sent or order.status in IN_FLIGHT or not _is_stop(order):
        return 0
    if position.target != position.quantity or order.terms.quantity != abs(position.quantity):
        return 0
    return max(0, tactics.modifications - _KEPT_FOR_EXIT - order.modifications)


def _adjust_stop(stop: Order, terms: OrderTerms, tactics: Tactics) -> list[Request]:
    if terms.quantity < stop.terms.quantity and stop.unchanged >= _UNCHANGED:
        return [Cancel(stop, "cannot be changed")]  # what is too much of it would open
    if stop.modifications < tactics.modifications - _KEPT_FOR_EXIT:
        return [Modify(stop, terms)]
    if terms.quantity == stop.terms.quantity:
        return []
    if stop.modifications < tactics.modifications:
        return [Modify(stop, terms)]
    return [Cancel(stop, "modified too often")]


def _more(request: Request) -> int:
    """Units by which the request raises what works: what gives room goes before what needs it."""
    if isinstance(request, Submit):
        return request.terms.quantity
    return request.terms.quantity - request.order.terms.quantity if isinstance(request, Modify) else -1


def entry_terms(instrument: Instrument, side: Side, quantity: int, last: Paise, tactics: Tactics) -> OrderTerms:
    """How an entry of at most `quantity` units is written: its first slice."""
    part = quantity
    if quantity > instrument.freeze_quantity - instrument.lot_size:
        most = _most(instrument)
        part = most if 0 < most < quantity else quantity
    if tactics.entry_type is _LIMIT:
        reach = tactics.protection_ppm if tactics.entry_ppm < 0 else tactics.entry_ppm
        price = _reaching(instrument, side, last, reach)
        return OrderTerms(quantity=part, order_type=_LIMIT, price=price)
    return OrderTerms(quantity=part, order_type=_MARKET)


def _is_stop(order: Order) -> bool:
    """A stop that rests. One that was turned into an exit, or has begun to fill, counts as an exit.

    Whether it is merely awake is not asked: one broker's word for that (Dhan's PENDING) says nothing.
    """
    return order.new.purpose is _STOP and order.terms.order_type in _TRIGGERED and not order.filled


def _marketable(side: Side, quantity: int, at: Situation) -> OrderTerms:
    """A limit order that reaches beyond the last price: fills like a market order, but never at any price."""
    price = _reaching(at.instrument, side, at.last, at.tactics.protection_ppm)
    price = price if at.band is NO_BAND else _within(at.band, price)
    return OrderTerms(quantity=quantity, order_type=_LIMIT, price=price)


def stop_terms(
    instrument: Instrument, side: Side, quantity: int, level: Paise, tactics: Tactics, band: Band = NO_BAND
) -> OrderTerms:
    """A stop order at `level`; `side` is that of the order."""
    trigger = stop_trigger(instrument, side, level)
    if tactics.stop_type is _SL_M:
        return OrderTerms(quantity=quantity, order_type=_SL_M, trigger_price=trigger)
    price = _reaching(instrument, side, trigger, tactics.stop_band_ppm)
    price = price if band is NO_BAND else _within(band, price)
    return OrderTerms(quantity=quantity, order_type=_SL, price=price, trigger_price=trigger)


def stop_trigger(instrument: Instrument, side: Side, level: Paise) -> Paise:
    """Where a stop order for `level` lies on the grid: never nearer than asked."""
    tick = instrument.tick_size
    trigger = -(-level // tick) * tick if side is _BUY else level // tick * tick
    return trigger if trigger > tick else tick


def _reaching(instrument: Instrument, side: Side, price: Paise, ppm: int) -> Paise:
    """`price`, reached over by `ppm` of it in the order's favour to fill, on the grid and never below one tick."""
    tick, more = instrument.tick_size, price * ppm // 1_000_000
    reached = -(-(price + more) // tick) * tick if side is _BUY else (price - more) // tick * tick
    return reached if reached > tick else tick


def _within(band: Band, price: Paise) -> Paise:
    low, high = band
    return low if price < low else high if price > high else price


def slices(quantity: int, instrument: Instrument) -> list[int]:
    """`quantity` in parts that do not exceed the freeze quantity, each in whole lots; their sum is `quantity`."""
    if quantity <= 0:
        return []
    if quantity <= instrument.freeze_quantity - instrument.lot_size:
        return [quantity]  # far from it
    most = _most(instrument) or quantity
    if quantity <= most:
        return [quantity]
    full, rest = divmod(quantity, most)
    return [most] * full + ([rest] if rest else [])


def _most(instrument: Instrument) -> int:
    """Units that one order may have; 0 if there is no limit."""
    freeze = instrument.freeze_quantity
    return instrument.whole_lots(freeze) if freeze else 0
