"""The desk's book against the broker's: at start, after each reconnect, every minute.

The broker is right about what exists; the journal is right about what we asked for. Orders are brought up to date by
the same reports that a stream would have sent. A position that disagrees twice running freezes its instrument, or,
where the user wants it so, what somebody traded by hand becomes a position of its own. For delivery the broker's shares
of earlier days count too, and it may hold more than the desk (`execution.held`). A person may also accept the broker's
book of an instrument; then what was traded there without the desk is booked. Funds below zero stop entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from saudagar.engine.answers import Answers
from saudagar.engine.core import Core
from saudagar.engine.orders import OrderDesk
from saudagar.engine.watch import Watch
from saudagar.execution.effects import TakeSnapshot
from saudagar.execution.held import Held, agree
from saudagar.model import (
    SECOND,
    AcceptBook,
    AccountSnapshot,
    BrokerPosition,
    Funds,
    Holding,
    InstrumentId,
    Nanos,
    OrderReport,
    OrderStatus,
    PositionId,
    StrategyId,
    inr,
    position_id,
)
from saudagar.model import events as ev
from saudagar.portfolio import Position, net

_MARK = "positions disagree"
_FUNDS = "funds"
_BY_HAND = StrategyId("hand")  # no plan may have that name
_SOON = 5 * SECOND
_QUIET = 10 * SECOND  # without news for so long, a difference is no message under way


class Reconciliation:
    def __init__(self, core: Core, answers: Answers, orders: OrderDesk, watch: Watch) -> None:
        self._core = core
        self._watch = watch
        self._answers = answers
        self._orders = orders
        self._suspects: dict[InstrumentId, tuple[int, int, Nanos]] = {}  # ours, theirs, since when
        self._read: Nanos = 0  # when the reading of the book that is compared began
        self._looking = False  # whether it is read again soon
        self._settling = 0  # ns in which a message may still be under way; none before the first comparison

    def snapshot(self, snapshot: AccountSnapshot) -> None:
        """Compare the broker's whole book with ours."""
        core = self._core
        core.blocked.pop("orders", None)  # the token is good
        told = set()
        for report in snapshot.reports:
            order = core.state.orders.get(report.order_id)
            if order is not None:
                told.add(report.order_id)
                self._answers.report(order, report)
                if snapshot.ts - order.last_change >= _QUIET:
                    self._answers.compare(order, report)
            else:
                self.foreign(report)
        for orders in core.state.working.values():
            for order in orders.values():
                if order.id not in told and order.status is not OrderStatus.SUBMITTED:
                    self._orders.look_ups.ask(order.id)
        if snapshot.holdings is not None:
            self._read = snapshot.ts
            self._compare_positions(snapshot.positions, snapshot.holdings)
            self._settling = _QUIET
        self._look_at(snapshot.funds)
        self._orders.book_came()

    def foreign(self, report: OrderReport) -> None:
        """An order that this desk did not send: shown once, never touched."""
        core = self._core
        if not report.broker_id or report.broker_id in core.state.foreign:
            return
        text = f"{report.side or ''} {report.instrument} {report.status.lower()}, sent by somebody else".strip()
        core.emit(
            ev.ForeignOrderSeen(
                ts=core.now,
                broker_id=report.broker_id,
                instrument=report.instrument,
                message=text,
                order_id=report.order_id,
            )
        )
        core.alert("warning", f"order {report.broker_id}: {text}.")

    def accept(self, asked: AcceptBook) -> None:
        """Book what was traded at the broker without us, as a person has seen it and said yes to."""
        core, name = self._core, asked.instrument
        ours = sum(position.quantity for position in core.state.positions.values() if position.instrument == name)
        theirs, change = core.broker_holds.get(name), sum(quantity for quantity, _ in asked.trades)
        order = self._orders.look_ups.open_on(name)
        if order is not None or (ours, theirs, ours + change) != (asked.ours, asked.theirs, theirs):
            why = f"{ours} here now, and {theirs} found at the broker"
            if order is not None:  # its fills may be what makes the difference
                why = f"order {order.id} is {order.status} and is being looked up"
            core.alert("warning", f"{name}: the broker's book was not accepted, {why}.")
            return
        quantities = [quantity for quantity, _ in asked.trades]
        bearers = [p for p in core.state.positions.values() if asked.among is None or p.id in asked.among]
        for position, quantity, place in allotted(bearers, name, quantities):
            price = asked.trades[place][1]
            core.emit(
                ev.PositionAdopted(ts=core.now, position=position, quantity=quantity, price=price, reason=asked.reason)
            )
            self._orders.forgive(position)
            self._watch.filled(core.state.position(position))
            core.touch(position)
        core.alert("warning", f"{name}: {change:+d} traded without the desk, accepted by hand.")
        self._compare(name, asked.theirs, asked.theirs)

    def _look_at(self, funds: Funds | None) -> None:
        """An account that owes margin opens nothing: the broker would refuse it, or close what is open by itself."""
        core = self._core
        if funds is None:
            return
        if funds.available >= 0:
            if core.blocked.pop(_FUNDS, None):
                core.alert("info", "the margin is paid up again; entries go on.")
        elif _FUNDS not in core.blocked:
            core.blocked[_FUNDS] = f"the account is short of {inr(-funds.available)} of margin"
            core.alert("critical", f"{core.blocked[_FUNDS]}. No entries until that is paid.")

    def _compare_positions(self, positions: Iterable[BrokerPosition], holdings: Iterable[Holding]) -> None:
        core = self._core
        ours = net(core.state.positions.values())
        books = Held(core.settings.product, positions, holdings, core.isin, ours)
        frozen = core.state.frozen  # by a desk before a restart, perhaps, over what was never ours and is gone
        for instrument in sorted({*ours, *core.broker_holds, *frozen, *(i for i, q in books.today.items() if q)}):
            self._compare(instrument, ours.get(instrument, 0), books.of(instrument))

    def _compare(self, instrument: InstrumentId, ours: int, theirs: int) -> None:
        core = self._core
        frozen = core.state.frozen.get(instrument, "")
        if agree(core.settings.product, ours, theirs):
            self._suspects.pop(instrument, None)
            core.broker_holds.pop(instrument, None)
            if frozen.startswith(_MARK):
                core.emit(ev.InstrumentFrozen(ts=core.now, instrument=instrument, frozen=False, reason="agree again"))
            return
        suspect = self._suspects.get(instrument)
        if suspect is None or suspect[:2] != (ours, theirs):
            suspect = self._suspects[instrument] = (ours, theirs, self._read)
            if self._settling:  # the first book after a start is believed: nothing has been sent yet
                self._look_again()
                return
        if self._read - suspect[2] < _QUIET and not self._quiet(instrument):
            self._look_again()
            return  # may be a fill under way, however often the book is read meanwhile
        may_be_ours = self._orders.look_ups.open_on(instrument) is not None
        if core.settings.adopt and not may_be_ours and self._adopt(instrument, ours, theirs):
            return
        core.broker_holds[instrument] = theirs
        if not frozen:
            reason = f"{_MARK}: {ours} here, {theirs} at the broker"
            core.emit(ev.InstrumentFrozen(ts=core.now, instrument=instrument, frozen=True, reason=reason))
            core.alert("critical", f"{instrument}: {reason}. No entries there until they agree.")

    def _look_again(self) -> None:
        """A book that tells of something new may be garbled, and the next one is a minute away."""
        core = self._core

        def read() -> None:
            self._looking = False
            core.effects.append(TakeSnapshot())

        if not self._looking:
            self._looking = True
            core.later(core.now + _SOON, read)

    def _adopt(self, instrument: InstrumentId, ours: int, theirs: int) -> bool:
        """Keep what was traded by hand as a position of its own; False where it took from a strategy's position.

        That is never adopted: the strategy's stop would close what is no longer there.
        """
        core = self._core
        by_hand = core.state.position(position_id(_BY_HAND, instrument))
        change = theirs - ours
        strategies = ours - by_hand.quantity
        left = by_hand.quantity + change
        price = core.last(instrument)
        if strategies * left < 0 or price <= 0:
            return False
        core.emit(ev.PositionAdopted(ts=core.now, position=by_hand.id, quantity=change, price=price))
        core.alert("warning", f"{instrument}: {change:+d} traded by hand, kept apart as {by_hand.id}.")
        self._watch.filled(core.state.position(by_hand.id))
        self._compare(instrument, theirs, theirs)
        return True

    def _quiet(self, instrument: InstrumentId) -> bool:
        """Whether no order of ours on `instrument` can have traded lately."""
        core, today = self._core, self._core.span[0]
        for order in reversed(core.state.orders.values()):
            if order.submitted < today:
                break  # this one and all before it are over, and long since
            lately = order.working or self._read - order.last_change < self._settling
            if lately and order.new.instrument == instrument:
                return False
        return True


def allotted(
    positions: Iterable[Position], instrument: InstrumentId, trades: Sequence[int]
) -> list[tuple[PositionId, int, int]]:
    """Whose part in `instrument` each of `trades` (signed units) is: position, units, and which trade it is of.

    A trade closes what lies against it: first what was traded by hand before, then the strategies' positions, the
    last one first. What is left over is kept as traded by hand.
    """
    hand = position_id(_BY_HAND, instrument)
    held = {hand: 0} | {each.id: each.quantity for each in positions if each.instrument == instrument}
    order = [hand, *reversed([name for name in held if name != hand])]
    rows: list[tuple[PositionId, int, int]] = []
    for place, left in enumerate(trades):
        for name in order:
            if held[name] * left < 0:
                part = max(left, -held[name]) if left < 0 else min(left, -held[name])
                held[name] += part
                left -= part
                rows.append((name, part, place))
        if left:
            held[hand] += left
            rows.append((hand, left, place))
    return rows
