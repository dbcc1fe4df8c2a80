"""From targets to requests, and from answers to fills: the part of the engine that deals with orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saudagar.engine.core import Core
from saudagar.execution.effects import CancelOrder, FetchTrades, FindOrder, ModifyOrder, SubmitOrder
from saudagar.execution.reports import absorb
from saudagar.execution.steering import Cancel, Modify, Request, Submit, steer
from saudagar.model import (
    SECOND,
    ClientOrderId,
    LookUpMissed,
    ModifyAccepted,
    Nanos,
    NewOrder,
    Order,
    OrderReport,
    OrderStatus,
    OrderTerms,
    PositionId,
    Purpose,
    RequestFailed,
    Side,
    Source,
    TradingState,
    client_order_id,
)
from saudagar.model import events as ev
from saudagar.portfolio import Position
from saudagar.risk import Denied, Proposal, Throttle, Verdict, check

if TYPE_CHECKING:
    from saudagar.engine.watch import Watch

_LOOK_UP_DELAYS = (1, 2, 4, 8, 15)  # seconds between look-ups; the last one repeats
_MISSES_BEFORE_GIVING_UP = 3
_ALERTS = 3  # of one kind for one position in a row; after that it is known
_LONGEST_BACK_OFF = 60  # seconds
_KEPT_FOR_EXITS = 2  # writes of each second that entries leave free


class OrderDesk:
    """Steers positions, passes every request through risk, and books what brokers report."""

    def __init__(self, core: Core, watch: Watch) -> None:
        self._core = core
        self._watch = watch
        self._throttle = Throttle(core.settings.limits.orders_per_second)
        self._hold: dict[PositionId, Nanos] = {}
        self._refusals: dict[PositionId, int] = {}
        self._look_ups: dict[ClientOrderId, int] = {}
        self._doubtful: set[ClientOrderId] = set()  # a modification whose outcome nobody knows
        self._awake: set[PositionId] = set()

    # -- towards the market --------------------------------------------------------------------------------------

    def steer_touched(self) -> None:
        """Bring every touched position a step nearer to its target; those that reduce go first."""
        touched = self._core.touched()
        if not touched:
            return
        positions = [self._core.state.position(p) for p in touched]
        for position in sorted(positions, key=lambda p: abs(p.target) >= abs(p.quantity)):
            self._steer(position)

    def verdict(self, position: Position, purpose: Purpose, side: Side, terms: OrderTerms, working: int) -> Verdict:
        """What risk says to an order of `position`. `working` is what else of it works on that side, units."""
        core = self._core
        state, instrument = core.state, core.instrument(position.instrument)
        tick = core.prices.get(position.instrument)
        return check(
            Proposal(
                instrument=instrument,
                side=side,
                purpose=purpose,
                terms=terms,
                now=core.now,
                last=tick.ltp if tick else 0,
                last_ts=tick.ts if tick else 0,
                session_open=core.calendar.is_continuous(instrument, core.now),
                trading=state.trading,
                held=position.quantity,
                working=working,
                open_positions=sum(
                    1 for p in state.positions.values() if (p.quantity or p.target) and p is not position
                ),
                trades=len(state.trades),
                frozen=self._why_frozen(position),
            ),
            core.settings.limits,
        )

    def _why_frozen(self, position: Position) -> str:
        core = self._core
        if core.entries_blocked:
            return core.entries_blocked
        for order_id in self._look_ups:
            order = core.state.orders[order_id]
            if order.status is OrderStatus.UNKNOWN and order.new.instrument == position.instrument:
                return f"nobody knows what became of order {order_id}."
        return core.state.frozen.get(position.instrument, "")

    def _steer(self, position: Position) -> None:
        core = self._core
        orders = core.state.working_orders(position.id)
        if not orders and position.quantity == position.target and not (position.quantity and position.stop):
            return
        if self._hold.get(position.id, 0) > core.now:
            return
        if core.state.trading is TradingState.HALTED:
            requests: list[Request] = [
                Cancel(o, "halted")
                for o in orders
                if not o.new.purpose.reduces and not o.cancel_sent and o.status is not OrderStatus.SUBMITTED
            ]
        else:
            instrument = core.instrument(position.instrument)
            last = core.last(position.instrument)
            requests = steer(position, orders, instrument, last, core.settings.tactics, core.now)
        for request in requests:
            if not self._make(position, request, orders):
                break
        self._keep_awake(position.id)

    def _make(self, position: Position, request: Request, orders: list[Order]) -> bool:
        """Carry out one request; False if the rest must wait."""
        purpose = request.purpose if isinstance(request, Submit) else Purpose.EXIT
        if isinstance(request, Cancel):
            verdict: Verdict | None = None
        elif isinstance(request, Submit):
            working = sum(o.remaining for o in orders if o.new.side is request.side)
            verdict = self.verdict(position, purpose, request.side, request.terms, working)
        else:
            order = request.order
            purpose = order.new.purpose
            working = sum(o.remaining for o in orders if o.new.side is order.new.side and o is not order)
            rest = OrderTerms(
                quantity=request.terms.quantity - order.filled,
                order_type=request.terms.order_type,
                price=request.terms.price,
                trigger_price=request.terms.trigger_price,
            )
            verdict = self.verdict(position, purpose, order.new.side, rest, working)
        if isinstance(verdict, Denied):
            self._denied(position, purpose, verdict)
            return False
        if not self._throttle.take(self._core.now, spare=0 if purpose.reduces else _KEPT_FOR_EXITS):
            self._wait(position.id, (self._core.now // SECOND + 1) * SECOND)
            return False
        self._send(position, request)
        return True

    def _send(self, position: Position, request: Request) -> None:
        core = self._core
        if isinstance(request, Cancel):
            core.emit(ev.CancelRequested(ts=core.now, order_id=request.order.id, reason=request.reason))
            core.effects.append(CancelOrder(request.order.id))
        elif isinstance(request, Modify):
            core.emit(ev.ModifyRequested(ts=core.now, order_id=request.order.id, terms=request.terms))
            core.effects.append(ModifyOrder(request.order.id, request.terms))
        else:
            assert core.day is not None
            order = NewOrder(
                order_id=client_order_id(core.settings.desk, core.day, core.state.sequence + 1),
                instrument=position.instrument,
                side=request.side,
                terms=request.terms,
                product=core.settings.product,
                purpose=request.purpose,
                position=position.id,
            )
            core.emit(ev.OrderSubmitted(ts=core.now, order=order))
            core.effects.append(SubmitOrder(order))

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
            core.set_target(position, position.quantity, f"entry denied: {denied.message}", Source.LIMIT)
        else:
            self._back_off(position.id, f"an order to leave {position.id} was denied: {denied.message}")

    def _back_off(self, position: PositionId, message: str) -> None:
        """An order that protects or closes did not get through: tell people and try again, ever more slowly."""
        count = self._refusals[position] = self._refusals.get(position, 0) + 1
        if count <= _ALERTS:
            self._core.alert("critical", message)
        self._wait(position, self._core.now + min(2 ** (count - 1), _LONGEST_BACK_OFF) * SECOND)

    def _wait(self, position: PositionId, until: Nanos) -> None:
        self._hold[position] = until
        self._core.later(until, lambda: self._core.touch(position))

    def _keep_awake(self, position: PositionId) -> None:
        """Look again each second while a marketable order works, so that it can be chased."""
        if position in self._awake:
            return
        if any(not o.terms.order_type.has_trigger or o.filled for o in self._core.state.working_orders(position)):
            self._awake.add(position)
            self._core.later(self._core.now + SECOND, lambda: self._wake(position))

    def _wake(self, position: PositionId) -> None:
        self._awake.discard(position)
        self._core.touch(position)

    # -- from the market -----------------------------------------------------------------------------------------

    def report(self, report: OrderReport) -> None:
        """Book what a broker says about one of our orders."""
        core = self._core
        order = core.state.orders[report.order_id]
        was_working = order.working
        events = absorb(order, report, core.now)
        if events is None:
            core.effects.append(FetchTrades(report))
            return
        for event in events:
            if isinstance(event, ev.OrderFilled):
                self._fill(order, event)
            else:
                core.emit(event)
        self._settle_doubt(order, report)
        if was_working and not order.working:
            self._ended(order)
        if order.status is not OrderStatus.UNKNOWN and order.id not in self._doubtful:
            self._look_ups.pop(order.id, None)
        if events:
            core.touch(order.new.position)

    def _fill(self, order: Order, event: ev.OrderFilled) -> None:
        core = self._core
        position = core.state.position(order.new.position)
        resting = order.new.purpose is Purpose.STOP and order.terms.order_type.has_trigger
        if resting and position.target * position.quantity > 0:
            core.set_target(position, 0, self._watch.stop_reason(position), Source.PROTECTION)
        core.emit(event)
        self._refusals.pop(position.id, None)
        self._watch.filled(position)

    def _settle_doubt(self, order: Order, report: OrderReport) -> None:
        """The broker's terms tell whether a modification of unknown outcome was carried out."""
        if order.id not in self._doubtful or (report.terms is None and order.working):
            return
        self._doubtful.discard(order.id)
        if order.modify_sent is not None:
            self._core.emit(ev.ModifyEnded(ts=self._core.now, order_id=order.id, terms=None, reason="not carried out"))

    def _ended(self, order: Order, *, again: bool = False) -> None:
        """An order is over. `again`: it was refused for speed only, and steering may repeat it as a new one."""
        core = self._core
        position = core.state.position(order.new.position)
        self._look_ups.pop(order.id, None)
        self._doubtful.discard(order.id)
        if again:
            self._wait(position.id, (core.now // SECOND + 1) * SECOND)
            return
        why = f"{order.status.lower()}: {order.reason}" if order.reason else order.status.lower()
        if order.new.purpose is Purpose.ENTRY:
            if order.status is OrderStatus.REJECTED:
                core.alert("warning", f"entry {order.id} {order.new.instrument} {why}")
            if (position.target - position.quantity) * order.new.side.sign > 0 and order.status is not (
                OrderStatus.FILLED
            ):
                core.set_target(position, position.quantity, f"entry {why}", Source.RECONCILIATION)
        elif order.status is OrderStatus.REJECTED:
            self._back_off(position.id, f"{order.new.purpose.lower()} order {order.id} {order.new.instrument} {why}")

    # -- when a request goes wrong -------------------------------------------------------------------------------

    def failed(self, failure: RequestFailed) -> None:
        """A submit, modify or cancel came back with anything but yes."""
        order = self._core.state.orders[failure.order_id]
        if order.working:
            {"submit": self._submit_failed, "modify": self._modify_failed, "cancel": self._cancel_failed}[
                failure.request
            ](order, failure)
        self._core.touch(order.new.position)

    def _submit_failed(self, order: Order, failure: RequestFailed) -> None:
        core = self._core
        if order.status not in (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN):
            return  # the stream was faster: the broker has it
        if failure.refused:
            core.emit(ev.OrderMoved(ts=core.now, order_id=order.id, status=OrderStatus.REJECTED, reason=failure.reason))
            self._ended(order, again=failure.retry)
        elif order.status is OrderStatus.SUBMITTED:
            self._doubt(order, failure.reason)

    def _doubt(self, order: Order, reason: str) -> None:
        core = self._core
        core.emit(ev.OrderMoved(ts=core.now, order_id=order.id, status=OrderStatus.UNKNOWN, reason=reason))
        core.alert("warning", f"order {order.id} {order.new.instrument} is UNKNOWN ({reason}); looking it up.")
        self.look_up(order.id)

    def _modify_failed(self, order: Order, failure: RequestFailed) -> None:
        core = self._core
        if failure.refused:
            core.emit(ev.ModifyEnded(ts=core.now, order_id=order.id, terms=None, reason=failure.reason))
            self._wait(order.new.position, core.now + SECOND)
            core.effects.append(FindOrder(order.id))
        else:
            self._doubtful.add(order.id)
            self.look_up(order.id)

    def _cancel_failed(self, order: Order, failure: RequestFailed) -> None:
        core = self._core
        core.emit(ev.CancelRefused(ts=core.now, order_id=order.id, reason=failure.reason))
        self._wait(order.new.position, core.now + SECOND)
        core.effects.append(FindOrder(order.id))

    def modified(self, accepted: ModifyAccepted) -> None:
        """The broker took a modification."""
        order = self._core.state.orders[accepted.order_id]
        if order.modify_sent is not None:
            terms = order.modify_sent
            self._core.emit(ev.ModifyEnded(ts=self._core.now, order_id=order.id, terms=terms))
        self._core.touch(order.new.position)

    def look_up(self, order_id: ClientOrderId) -> None:
        """Ask the broker by our own id, and again until the order is known."""
        core = self._core
        tries = self._look_ups[order_id] = self._look_ups.get(order_id, 0) + 1
        core.effects.append(FindOrder(order_id))
        delay = _LOOK_UP_DELAYS[min(tries, len(_LOOK_UP_DELAYS)) - 1]
        core.later(core.now + delay * SECOND, lambda: self._look_again(order_id))

    def _look_again(self, order_id: ClientOrderId) -> None:
        if order_id in self._look_ups:
            self.look_up(order_id)

    def missed(self, miss: LookUpMissed) -> None:
        """The broker has no such order. Believed only after its slowest answer could have come."""
        core = self._core
        order = core.state.orders[miss.order_id]
        waited = core.now - order.last_change
        tries = self._look_ups.get(order.id, 0)
        if (
            order.status is OrderStatus.UNKNOWN
            and tries >= _MISSES_BEFORE_GIVING_UP
            and waited >= core.settings.patience
        ):
            core.emit(
                ev.OrderMoved(
                    ts=core.now, order_id=order.id, status=OrderStatus.REJECTED, reason="the broker never had it"
                )
            )
            self._ended(order)
            core.touch(order.new.position)

    def resume(self) -> None:
        """After a restart: whatever was under way is in doubt and is looked up."""
        core = self._core
        for order in list(core.state.orders.values()):
            if not order.working:
                continue
            if order.cancel_sent:
                core.emit(ev.CancelRefused(ts=core.now, order_id=order.id, reason="restart: outcome unknown"))
            if order.status is OrderStatus.SUBMITTED:
                self._doubt(order, "restart before the broker's answer")
                continue
            if order.modify_sent is not None:
                self._doubtful.add(order.id)
            self.look_up(order.id)
