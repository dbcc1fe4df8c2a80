"""From targets to requests: what is asked of the broker, when, and whether risk allows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from saudagar.engine.bands import Bands
from saudagar.engine.core import Core
from saudagar.engine.entry_time import objection
from saudagar.engine.guard import NEVER
from saudagar.engine.lookups import LookUps
from saudagar.engine.vigil import Vigil
from saudagar.engine.waits import Waits
from saudagar.execution import steering
from saudagar.execution.effects import CancelOrder, ModifyOrder, SubmitOrder
from saudagar.execution.steering import NO_BAND, Cancel, Modify, Request, Situation, Steered, Submit, steer
from saudagar.model import (
    SECOND,
    ClientOrderId,
    Nanos,
    NewOrder,
    Order,
    OrderTerms,
    OrderType,
    Paise,
    PositionId,
    Purpose,
    Side,
    Source,
    TradingState,
    client_order_id,
    position_id,
)
from saudagar.model import events as ev
from saudagar.portfolio import Position
from saudagar.risk import APPROVED, Denied, Proposal, Throttle, Verdict, only_closes, pre_trade

if TYPE_CHECKING:
    from saudagar.engine.watch import Watch

_ENTRY, _EXIT, _HALTED = Purpose.ENTRY, Purpose.EXIT, TradingState.HALTED
_TRIGGERED = frozenset(kind for kind in OrderType if kind.has_trigger)
_NONE: Mapping[ClientOrderId, Order] = {}
_KEPT_FOR_EXITS = 2  # writes of each second that entries leave free
_CANCEL_ANSWER = 2 * SECOND  # a cancel without a result for so long is asked about and made again
_FIRST_BOOK = 5 * SECOND  # after a restart, how long the broker's book is waited for before anything is sent


class _View(NamedTuple):
    """A position as far as the broker's book confirms it."""

    quantity: int
    target: int
    stop: int


class OrderDesk:
    """Steers positions and passes every request through risk."""

    def __init__(self, core: Core, watch: Watch) -> None:
        self._core = core
        self._watch = watch
        self._limits, self._tactics = core.settings.limits, core.settings.tactics
        self._rules = pre_trade(core.settings.limits)
        planned = ((plan.id, each) for plan in core.settings.plans for each in plan.instruments)
        self._rank = {position_id(*names): rank for rank, names in enumerate(planned)}
        self._throttle = Throttle(core.settings.limits.orders_per_second)
        self.waits = Waits(core)
        self.look_ups = LookUps(core)
        self.vigil = Vigil(core, self.look_ups)
        self.bands = Bands(core)
        self._placing: dict[PositionId, ClientOrderId] = {}  # stops that were all that a steering asked for
        self._books_by: Nanos = 0  # until then nothing is sent

    def steer_touched(self) -> None:
        """Bring every touched position a step nearer to its target.

        Those that open something go last; among equals the order of the plans decides, not what happened to touch one
        first: a limit may leave room for one of them only.
        """
        core = self._core
        if core.now < self._books_by:
            return
        state, touched = core.state, core.touched
        core.touched = {}
        for name in touched if len(touched) == 1 else sorted(touched, key=self._turn):
            position, working = state.positions.get(name) or state.position(name), state.working.get(name)
            if core.strange and position.instrument in core.strange:
                continue
            if working or position.quantity != position.target or (position.quantity and position.stop):
                self._steer(position, [*working.values()] if working else ())

    def _turn(self, name: PositionId) -> tuple[bool, int]:
        """Whether the next thing the position needs is an entry, and its place in the plans."""
        position = self._core.state.position(name)
        opens = abs(position.target) > abs(position.quantity) and position.target * position.quantity >= 0
        return opens, self._rank.get(name, len(self._rank))

    def release(self) -> None:
        """Let every position be steered at once: a switch was turned."""
        self.waits.known.clear()
        self._core.touch_all()

    def book_came(self) -> None:
        """The broker's book has been compared with ours: go on, and look over everything once."""
        self._books_by = 0
        self._core.touch_all()

    def wait_for_book(self) -> None:
        """After a restart: send nothing until the broker's book is here, or does not come."""
        self._books_by = self._core.now + _FIRST_BOOK

    def may_write(self) -> bool:
        """Use one write of this second, if one is left."""
        return self._throttle.take(self._core.now)

    def taken(self, order: Order) -> None:
        """The broker has what was asked for. After a stop alone, with nothing touched since, nothing follows."""
        if self._placing.get(order.new.position) != order.new.order_id:
            self._core.touch(order.new.position)

    def free_moves(self, position: Position) -> int:
        """How often the stop of `position` may move, each time with no other consequence; 0 where there may be one."""
        core, tactics = self._core, self._core.settings.tactics
        orders = core.state.working.get(position.id, _NONE)
        if (
            core.touched
            or core.blocked
            or core.broker_holds
            or position.id in self.waits.known
            or core.now < self._books_by
        ):
            return 0
        if core.state.trading is _HALTED or len(orders) != int(tactics.rest_stop):
            return 0
        for order in orders.values():
            return steering.free_moves(order, position, tactics)
        return NEVER

    def move_stop(self, position: Position, moves: int) -> None:
        """Have the stop rest at its level after `moves`, of which the last is sent; `free_moves` was asked before."""
        core = self._core
        for order in core.state.working_orders(position.id):
            instrument, new, quantity = core.line(position.instrument).instrument, order.new, order.terms.quantity
            terms = steering.stop_terms(instrument, new.side, quantity, position.stop, core.settings.tactics)
            asked = ev.ModifyRequested(ts=core.now, order_id=new.order_id, terms=terms)
            for _ in range(moves - 1):
                core.emit(asked)
            if self._make(position, position, Modify(order, terms)) is not None:
                core.emit(ev.ModifyEnded(ts=core.now, order_id=new.order_id, terms=terms))

    def forgive(self, position: PositionId) -> None:
        """Something of `position` has traded: what was refused before no longer counts."""
        self.waits.forgive(position)
        if self.bands.wary:
            self.bands.forget(position)

    def verdict(
        self,
        position: Position,
        purpose: Purpose,
        side: Side,
        terms: OrderTerms,
        *,
        held: int,
        working: int,
        whole: int,
        kept: int = 0,
    ) -> Verdict:
        """What risk says to an order of `position`.

        Parameters
        ----------
        held
            Signed units that a reducing order may count on.
        working
            What else of the position works on that side, units; only a reducing order shares with it.
        whole
            Units of the entry of which the order is a slice; 0 if it is none.
        kept
            Units held that stay while those are opened.
        """
        core, limits, watch = self._core, self._limits, self._watch
        line, state, now = core.line(position.instrument), core.state, core.now
        return self._rules.check(
            Proposal(  # the first by place: a call with more than 15 names makes a dict of them and takes far longer
                line.instrument,
                side,
                purpose,
                terms,
                now,
                line.last,
                line.ts,
                line.opens <= now < line.closes or core.is_open(line),
                trading=state.trading,
                held=held,
                working=working,
                open_positions=self._others_open(position) if limits.max_open_positions else 0,
                trades=watch.trades,
                frozen=self._why_frozen(position) if core.blocked or self.look_ups.open or state.frozen else "",
                whole=whole,
                kept=kept,
                tied=self._tied(position, kept) if limits.leverage_percent and purpose is _ENTRY else 0,
                earned=watch.earned,
            )
        )

    def _tied(self, position: Position, kept: int) -> Paise:
        others = (p for p in self._core.state.positions.values() if (p.quantity or p.target) and p is not position)
        return kept * position.average_price + sum(p.tied(self._core.last(p.instrument) or p.reference) for p in others)

    def _others_open(self, position: Position) -> int:
        return sum(1 for p in self._core.state.positions.values() if (p.quantity or p.target) and p is not position)

    def _why_frozen(self, position: Position) -> str:
        core = self._core
        if core.blocked:
            return next(iter(core.blocked.values()))
        if unknown := self.look_ups.unknown_on(position.instrument):
            return f"nobody knows what became of order {unknown}."
        return core.state.frozen.get(position.instrument, "")

    def _steer(self, position: Position, orders: Sequence[Order]) -> None:
        core, name = self._core, position.id
        if self._placing:
            self._placing.pop(name, None)
        if self.waits.known and self.waits.hold(position):
            return
        if core.blocked and "orders" in core.blocked:
            return  # a refused token: so would be every request, until a snapshot comes through and looks here again
        view = self._confirmed(position) if core.broker_holds else position
        if core.state.trading is _HALTED:
            requests = steering.steer_halted(view, orders)
        else:
            line = core.line(position.instrument)
            tactics, band = self._tactics, line.band
            if self.bands.wary or band is not NO_BAND:
                tactics, band = self.bands.rules(name, line)
            requests = steer(view, orders, Situation(line.instrument, line.last, tactics, core.now, band))
        for request in requests:
            order_id = self._make(position, view, request)
            if order_id is None:
                break
            if len(requests) == 1 and not isinstance(request, Cancel) and request.terms.order_type in _TRIGGERED:
                self._placing[name] = order_id
        self.vigil.steered[name] = None

    def _confirmed(self, position: Position) -> Steered:
        """`position`, or what is left of it where the broker holds less: what is not there cannot be closed."""
        theirs = self._core.broker_holds.get(position.instrument)
        if theirs is None or not position.quantity:
            return position
        sign = 1 if position.quantity > 0 else -1
        room, mine = max(0, theirs * sign), False
        for other in self._core.state.positions.values():
            if other.instrument != position.instrument or not other.quantity:
                continue
            if other.quantity * sign < 0:
                return position  # strategies against each other: nobody can say whose part is missing
            mine |= other is position
            room -= 0 if mine else abs(other.quantity)
        quantity = sign * min(abs(position.quantity), max(0, room))
        low, high = sorted((0, quantity))
        return _View(quantity, min(max(position.target, low), high), position.stop)

    def _make(self, position: Position, view: Steered, request: Request) -> ClientOrderId | None:
        """Carry out one request; the order it is about, or None if the rest must wait."""
        now, spare = self._core.now, 0
        if not isinstance(request, Cancel):
            own, terms = None, request.terms
            if isinstance(request, Modify):
                own = request.order
                side, purpose = own.new.side, own.new.purpose
                if own.filled:
                    terms = msgspec.structs.replace(terms, quantity=terms.quantity - own.filled)
            else:
                side, purpose = request.side, request.purpose
            if purpose is _ENTRY:
                spare = _KEPT_FOR_EXITS
                verdict = self._may_open(position, view, side, terms, position.decided if own is None else now)
            else:
                verdict = self._may_reduce(position, view.quantity, purpose, side, terms, own)
            if isinstance(verdict, Denied):
                if verdict.rule == "session" and terms.order_type in _TRIGGERED:
                    self.vigil.until_opening(position)  # a stop rests while the market is open: nothing is wrong
                else:
                    self._denied(position, purpose, verdict)
                return None
        if not self._throttle.take(now, spare=spare):
            self.waits.next_second(position)
            return None
        return self._send(position, request)

    def _may_open(self, position: Position, view: Steered, side: Side, terms: OrderTerms, decided: Nanos) -> Verdict:
        """What risk says to an entry that was decided on at `decided`: it may have had to wait."""
        if too_late := objection(self._core, decided):
            return too_late
        held, target = view.quantity, view.target
        whole = abs(target if held * target < 0 else target - held)  # through zero only what lies beyond opens
        kept = abs(held) if held * target > 0 else 0
        return self.verdict(position, _ENTRY, side, terms, held=held, working=0, whole=whole, kept=kept)

    def _may_reduce(
        self, position: Position, held: int, purpose: Purpose, side: Side, terms: OrderTerms, own: Order | None
    ) -> Verdict:
        """What risk says to an order that reduces, or to new terms of `own`: the quick word first, which is yes."""
        core, working = self._core, 0
        line, now = core.line(position.instrument), core.now
        for order in core.state.working.get(position.id, _NONE).values():
            if order is not own and order.new.side is side:
                working += _claim(order)
        quiet = (line.opens <= now < line.closes or core.is_open(line)) and core.state.trading is not _HALTED
        if quiet and only_closes(line.instrument, side, terms, held=held, working=working):
            return APPROVED
        return self.verdict(position, purpose, side, terms, held=held, working=working, whole=0)

    def _send(self, position: Position, request: Request) -> ClientOrderId:
        core = self._core
        if isinstance(request, Submit):
            assert core.day is not None
            order_id = client_order_id(core.settings.desk, core.day, core.state.sequence + 1)
            order = NewOrder(
                order_id=order_id,
                instrument=position.instrument,
                side=request.side,
                terms=request.terms,
                product=core.settings.product,
                purpose=request.purpose,
                position=position.id,
            )
            core.emit(ev.OrderSubmitted(ts=core.now, order=order))
            core.effects.append(SubmitOrder(order))
            return order_id
        order_id = request.order.new.order_id
        if isinstance(request, Modify):
            core.emit(ev.ModifyRequested(ts=core.now, order_id=order_id, terms=request.terms))
            core.effects.append(ModifyOrder(order_id, request.terms))
        else:
            core.emit(ev.CancelRequested(ts=core.now, order_id=order_id, reason=request.reason))
            core.effects.append(CancelOrder(order_id))
            self._expect_cancel(request.order, core.now)
        return order_id

    def _expect_cancel(self, order: Order, asked: Nanos) -> None:
        """The result of a cancel comes on the stream, and a stream may lose it."""

        def ask() -> None:
            if order.working and order.cancel_sent == asked:
                self._core.emit(ev.CancelRefused(ts=self._core.now, order_id=order.id, reason="no result came"))
                self.look_ups.ask(order.id)
                self._core.touch(order.new.position)

        self._core.later(asked + _CANCEL_ANSWER, ask)

    def _denied(self, position: Position, purpose: Purpose, denied: Denied) -> None:
        core = self._core
        core.emit(
            ev.IntentDenied(
                ts=core.now,
                position=position.id,
                rule=denied.rule,
                message=denied.message,
                source=Source.STRATEGY if purpose is Purpose.ENTRY else Source.PROTECTION,
            )
        )
        if purpose is Purpose.ENTRY:
            core.set_target(position, position.kept, f"entry denied: {denied.message}", Source.LIMIT)
        else:
            self.waits.back_off(position, f"an order to leave {position.id} was denied: {denied.message}")


def _claim(order: Order) -> int:
    """The most units that may still trade: a larger quantity asked for may already be in force."""
    asked = order.modify_sent.quantity if order.modify_sent else 0
    return max(order.terms.quantity, asked) - order.filled
