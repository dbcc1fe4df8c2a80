"""From answers to fills: what brokers say about our orders, and what it means when they say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saudagar.engine.core import Core
from saudagar.execution.effects import CancelOrder, FetchTrades
from saudagar.execution.reports import absorb, same_terms
from saudagar.execution.steering import IN_FLIGHT
from saudagar.market.ist import ist_day
from saudagar.model import (
    SECOND,
    ClientOrderId,
    LookUpMissed,
    ModifyAccepted,
    Order,
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Purpose,
    RequestFailed,
    Source,
)
from saudagar.model import events as ev
from saudagar.model.order import TERMINAL

if TYPE_CHECKING:
    from saudagar.engine.orders import OrderDesk
    from saudagar.engine.watch import Watch

_FILLED, _CANCELLED = OrderStatus.FILLED, OrderStatus.CANCELLED
_REJECTED, _UNKNOWN = OrderStatus.REJECTED, OrderStatus.UNKNOWN
_STOP, _TRIGGERED = Purpose.STOP, frozenset(kind for kind in OrderType if kind.has_trigger)


class Answers:
    """Books what brokers report, and settles what they leave open."""

    def __init__(self, core: Core, desk: OrderDesk, watch: Watch) -> None:
        self._core = core
        self._desk = desk
        self._watch = watch
        self._look_ups = desk.look_ups
        self._doubtful: set[ClientOrderId] = set()  # a modification whose outcome nobody knows
        self._strays: set[ClientOrderId] = set()  # ended here, alive at the broker

    def report(self, order: Order, report: OrderReport) -> None:
        """Book what a broker says about one of our orders."""
        core, order_id = self._core, report.order_id
        before, called_back = order.status, order.cancel_sent
        if before is _REJECTED and report.status.working and not order.broker_id:
            self.stray(order, report)
        if self._doubtful and order_id in self._doubtful:
            self._settle_doubt(order, report)
        events = absorb(order, report, core.now)
        if events is None:
            core.effects.append(FetchTrades(report))
            self._look_ups.ask_later(order_id)
            return
        for event in events:
            if type(event) is ev.OrderFilled:
                self._fill(order, event)
            else:
                core.emit(event)
        if report.terms is not None and report.status is _FILLED and order.working:
            self._traded_in_full(order, report.terms)
        status = order.status
        over = status in TERMINAL
        if over and before not in TERMINAL:
            self._ended(order, by_others=status is _CANCELLED and not called_back)
        if report.filled > order.filled:
            self._look_ups.ask_later(order_id)  # its trades are not all in the book yet
        elif self._look_ups.open and status is not _UNKNOWN and order_id not in self._doubtful:
            self._look_ups.settled(order_id)
        if not events:
            return
        if over or order.filled:
            core.touch(order.new.position)
        else:
            self._desk.taken(order)

    def _fill(self, order: Order, event: ev.OrderFilled) -> None:
        core, new = self._core, order.new
        if new.purpose is _STOP and order.terms.order_type in _TRIGGERED and not _may_be_asked_for(order, event):
            position = core.state.position(new.position)
            if position.target * position.quantity > 0:
                core.set_target(position, 0, self._watch.stop_reason(position), Source.PROTECTION)
        core.emit(event)
        if core.broker_holds and new.instrument in core.broker_holds:
            core.broker_holds[new.instrument] += new.side.sign * event.quantity
        self._desk.forgive(new.position)
        self._watch.filled(core.state.positions[new.position])

    def _settle_doubt(self, order: Order, report: OrderReport) -> None:
        """The broker's terms tell what a modification of unknown outcome has come to."""
        if report.terms is None and order.working:
            return
        self._doubtful.discard(order.id)
        if order.modify_sent is not None and report.terms is not None:
            self._adopt(order, report.terms)

    def _adopt(self, order: Order, terms: OrderTerms) -> None:
        """Take the order's terms as the broker has them."""
        for known in (order.modify_sent, order.terms):
            if known is not None and same_terms(known, terms):
                terms = known
        carried_out = terms != order.terms
        self._core.emit(
            ev.ModifyEnded(
                ts=self._core.now,
                order_id=order.id,
                terms=terms if carried_out else None,
                reason="as the broker has it" if carried_out else "not carried out",
            )
        )
        self._core.touch(order.new.position)

    def _traded_in_full(self, order: Order, terms: OrderTerms) -> None:
        """The broker says FILLED, which is final: the order is as large as that, whatever we have asked for."""
        if order.filled != terms.quantity:
            return  # a fill is missing
        asked = order.modify_sent
        by_others = order.filled < order.terms.quantity and (asked is None or asked.quantity != order.filled)
        self._adopt(order, terms)
        if by_others:
            self._core.alert(
                "warning", f"order {order.id} was made smaller at the broker and is filled: {order.filled}."
            )
            self._give_up_rest(order, "entry made smaller at the broker")

    def compare(self, order: Order, report: OrderReport) -> None:
        """One order of the broker's book, beside what the desk believes of it now that it has been quiet."""
        if order.working:
            if order.cancel_sent or order.modify_sent is not None or order.status in IN_FLIGHT:
                return
            if report.status.working and report.terms is not None and not same_terms(report.terms, order.terms):
                self._core.alert("warning", f"order {order.id} was changed at the broker: {report.terms}.")
                if order.new.purpose.reduces:  # or a modification was taken by the broker and not by the exchange
                    self._desk.bands.refused(self._core.state.position(order.new.position))
                self._adopt(order, report.terms)
        elif report.status.working:
            self.stray(order, report)

    def stray(self, order: Order, report: OrderReport) -> None:
        """An order that had ended here lives at the broker: it may still trade, so it is taken back."""
        core = self._core
        if order.id not in self._strays:
            self._strays.add(order.id)
            core.alert("critical", f"order {order.id} was {order.status.lower()} and lives at the broker; cancelling.")
        if report.broker_id and not order.broker_id:
            core.emit(ev.OrderMoved(ts=core.now, order_id=order.id, status=order.status, broker_id=report.broker_id))
        if order.broker_id and self._desk.may_write():
            core.emit(ev.CancelRequested(ts=core.now, order_id=order.id, reason="lives on after its end"))
            core.effects.append(CancelOrder(order.id))

    def _ended(self, order: Order, *, again: bool = False, by_others: bool = False) -> None:
        """An order is over.

        Parameters
        ----------
        again
            It was refused for speed only, and steering may repeat it as a new one.
        by_others
            It was cancelled, and not by us: whoever did it may do so to the next one too.
        """
        order_id = order.new.order_id
        if self._look_ups.open:
            self._look_ups.settled(order_id)
        self._doubtful.discard(order_id)
        if order.status is _FILLED:
            return
        core = self._core
        position = core.state.position(order.new.position)
        if again:
            self._desk.waits.next_second(position)
            return
        if order.status is not OrderStatus.REJECTED:
            self._desk.waits.go_on(position.id)
        why = f"{order.status.lower()}: {order.reason}" if order.reason else order.status.lower()
        if order.new.purpose is Purpose.ENTRY:
            if order.status is OrderStatus.REJECTED:
                core.alert("warning", f"entry {order.id} {order.new.instrument} {why}")
            self._give_up_rest(order, f"entry {why}")
        elif by_others or order.status is OrderStatus.REJECTED:
            if not by_others:
                self._desk.bands.refused(position)
            self._desk.waits.back_off(
                position, f"{order.new.purpose.lower()} order {order.id} {order.new.instrument} {why}"
            )

    def _give_up_rest(self, order: Order, reason: str) -> None:
        """What an entry has not brought is not wanted any more."""
        position, sign = self._core.state.position(order.new.position), order.new.side.sign
        if order.new.purpose is Purpose.ENTRY and (position.target - position.quantity) * sign > 0:
            kept = position.quantity if position.quantity * sign > 0 else 0
            self._core.set_target(position, kept, reason, Source.RECONCILIATION)

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
        self._look_ups.ask(order.id)

    def _modify_failed(self, order: Order, failure: RequestFailed) -> None:
        if failure.refused:
            event = ev.ModifyEnded(ts=self._core.now, order_id=order.id, terms=None, reason=failure.reason)
            self._core.emit(event)
            if order.new.purpose.reduces and not failure.retry:
                self._desk.bands.refused(self._core.state.position(order.new.position))
            self._wait(order, failure)
        else:
            self._doubtful.add(order.id)
        self._look_ups.ask(order.id)

    def _cancel_failed(self, order: Order, failure: RequestFailed) -> None:
        self._core.emit(ev.CancelRefused(ts=self._core.now, order_id=order.id, reason=failure.reason))
        self._wait(order, failure)
        self._look_ups.ask(order.id)

    def _wait(self, order: Order, failure: RequestFailed) -> None:
        """Ask again a little later, or ever later where the broker has said no; it may have crossed a fill."""
        waits, position = self._desk.waits, self._core.state.position(order.new.position)
        if failure.refused and not failure.retry:
            name = f"{order.new.purpose.lower()} order {order.id} {order.new.instrument}"
            text = f"the broker refuses to {failure.request} {name}: {failure.reason}"
            waits.back_off(position, text, crossing=True)
        else:
            waits.wait(position, self._core.now + SECOND)

    def modified(self, accepted: ModifyAccepted) -> None:
        """The broker took a modification."""
        core, order_id = self._core, accepted.order_id
        order = core.state.orders[order_id]
        if order.modify_sent is not None:
            core.emit(ev.ModifyEnded(ts=core.now, order_id=order_id, terms=order.modify_sent))
        self._desk.waits.taken(order.new.position)
        self._desk.taken(order)

    def missed(self, miss: LookUpMissed) -> None:
        """The broker has no such order. Believed only after its slowest answer could have come."""
        core = self._core
        order = core.state.orders[miss.order_id]
        if not self._look_ups.hopeless(order.id, core.settings.patience):
            return
        if not order.working:
            self._look_ups.settled(order.id)  # what it may have traded, the comparison of positions tells
            return
        if order.status is OrderStatus.SUBMITTED:
            return  # it is still on its way out, and the wire will say what became of it
        if order.status is OrderStatus.UNKNOWN:
            status, reason = OrderStatus.REJECTED, "the broker never had it"
        else:
            status, reason = OrderStatus.EXPIRED, "the broker no longer has it"
            core.alert("critical", f"order {order.id} {order.new.instrument}: {reason}.")
        core.emit(ev.OrderMoved(ts=core.now, order_id=order.id, status=status, reason=reason))
        self._ended(order)
        core.touch(order.new.position)

    def resume(self) -> None:
        """After a restart: whatever was under way is in doubt and is looked up."""
        core = self._core
        working = [order for order in core.state.orders.values() if order.working]
        if core.settings.reconcile or working or any(position.quantity for position in core.state.positions.values()):
            self._desk.wait_for_book()  # it also tells which order ids are taken, where this journal is a new one
        for order in working:
            if core.day is not None and ist_day(order.submitted) < core.day:
                core.emit(
                    ev.OrderMoved(ts=core.now, order_id=order.id, status=OrderStatus.EXPIRED, reason="its day is over")
                )
                self._ended(order)
                self._tell_unseen(order)
                continue
            if order.cancel_sent:
                core.emit(ev.CancelRefused(ts=core.now, order_id=order.id, reason="restart: outcome unknown"))
            if order.status is OrderStatus.SUBMITTED:
                self._doubt(order, "restart before the broker's answer")
                continue
            if order.modify_sent is not None:
                self._doubtful.add(order.id)
            self._look_ups.ask(order.id)
        core.touch_all()

    def _tell_unseen(self, order: Order) -> None:
        """No broker tells of an order of an earlier day, and shares beside the desk's would hide what it did."""
        core, day = self._core, ist_day(order.submitted)
        if core.settings.product is Product.DELIVERY and (core.state.closed is None or core.state.closed < day):
            left, side, name = order.terms.quantity - order.filled, order.new.side, order.new.instrument
            core.alert(
                "critical",
                f"order {order.id}, {side} {left} {name}, was at the broker on {day} when the desk stopped. If it "
                "traded after that, the desk does not know: look at the broker's trades of that day.",
            )


def _may_be_asked_for(order: Order, fill: ev.OrderFilled) -> bool:
    """Whether a stop traded because it was turned into a limit, to leave in part, and the fill was told before that."""
    asked = order.modify_sent
    return asked is not None and not asked.order_type.has_trigger and fill.cumulative <= asked.quantity
