"""The broker of a bar replay: fills at the very price at which the market stands, at once and whole.

A bar tells neither depth nor spread, so the rules are those of the matching core with a book of no width and any
size: what can trade trades at the present price; what rests trades at its own limit when the price reaches it; a stop
wakes when the price touches its trigger. The replay walks the price through every resting level on its way, so a stop
inside a bar fills at its trigger, and one that the open has jumped fills at the open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from saudagar.execution.effects import CancelOrder, Effect, FindOrder, ModifyOrder, SubmitOrder, TakeSnapshot
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import (
    AccountSnapshot,
    BrokerPosition,
    ClientOrderId,
    Instrument,
    InstrumentId,
    LookUpMissed,
    ModifyAccepted,
    Nanos,
    NewOrder,
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    Paise,
    Product,
    RequestFailed,
    Side,
)
from saudagar.model.errors import ConfigError

_BUY = Side.BUY
_FILLED, _ASLEEP = OrderStatus.FILLED, OrderStatus.TRIGGER_PENDING
_AT_ANY_PRICE = frozenset({OrderType.MARKET, OrderType.SL_M})
_TRIGGERED = frozenset(kind for kind in OrderType if kind.has_trigger)

Answer: TypeAlias = OrderReport | RequestFailed | ModifyAccepted | LookUpMissed | AccountSnapshot


class Slippage(msgspec.Struct, frozen=True):
    """How much worse than the present price a marketable order fills: ticks, and parts per million of the price.

    Rounded up to the grid; never beyond the order's own limit. What rests at its limit does not slip.
    """

    ticks: int = 0
    ppm: int = 0

    def __post_init__(self) -> None:
        if self.ticks < 0 or not 0 <= self.ppm < _PPM:
            raise ConfigError(f"slippage cannot be negative or the whole price, got {self!r}.")

    def apply(self, instrument: Instrument, side: Side, price: Paise, limit: Paise) -> Paise:
        """The fill of a marketable order at `price`; `limit` is 0 where it has none."""
        tick = instrument.tick_size
        away = self.ticks * tick - (-(price * self.ppm) // (_PPM * tick)) * tick
        filled = max(price + side.sign * away, tick)
        return side.sign * min(side.sign * filled, side.sign * limit) if limit else filled


_PPM = 1_000_000
NO_SLIPPAGE = Slippage()


class Resting:
    """An order at the broker that has not traded (whole) yet."""

    __slots__ = ("asleep", "new", "terms")

    def __init__(self, new: NewOrder, terms: OrderTerms, asleep: bool) -> None:
        self.new = new
        self.terms = terms
        self.asleep = asleep


_NONE: Mapping[ClientOrderId, Resting] = {}


class BarBroker:
    """Carries out the engine's effects against one price per instrument.

    Attributes
    ----------
    fills
        How many orders have traded.
    """

    def __init__(self, slippage: Slippage = NO_SLIPPAGE, instruments: InstrumentLookup | None = None) -> None:
        self.fills = 0
        self._slippage = slippage if slippage != NO_SLIPPAGE else None
        self._instruments = instruments
        self._now: Nanos = 0
        self._prices: dict[InstrumentId, Paise] = {}
        self._resting: dict[InstrumentId, dict[ClientOrderId, Resting]] = {}
        self._where: dict[ClientOrderId, InstrumentId] = {}
        self._expired: set[ClientOrderId] = set()
        self._held: dict[tuple[InstrumentId, Product], int] = {}  # signed units
        self._works: dict[type, Callable[[Any], list[Answer]]] = {
            SubmitOrder: self._submit,
            ModifyOrder: self._modify,
            CancelOrder: self._cancel,
            FindOrder: lambda effect: [self._find(effect.order_id)],
            TakeSnapshot: lambda _: [self._snapshot()],
        }

    def stand(self, instrument: InstrumentId, ts: Nanos, price: Paise) -> None:
        """The market stands at `price` (paise), which nothing that rests is reached by."""
        self._now = ts
        self._prices[instrument] = price

    def on_price(self, instrument: InstrumentId, ts: Nanos, price: Paise) -> list[OrderReport]:
        """The market trades at `price` (paise): what rests there fills."""
        self._now = ts
        self._prices[instrument] = price
        resting = self._resting.get(instrument)
        if not resting:
            return []
        return [report for order in [*resting.values()] if (report := self._reached(order, price)) is not None]

    def levels(self, instrument: InstrumentId) -> list[Paise]:
        """The prices at which resting orders would trade or wake, paise."""
        resting = self._resting.get(instrument, _NONE).values()
        return [order.terms.trigger_price if order.asleep else order.terms.price for order in resting]

    def asleep(self, instrument: InstrumentId) -> list[Paise] | None:
        """The triggers of the stops that sleep; None if another order rests, which may need care at any bar."""
        triggers = []
        for order in self._resting.get(instrument, _NONE).values():
            if not order.asleep:
                return None
            triggers.append(order.terms.trigger_price)
        return triggers

    def end_day(self) -> None:
        """Day orders do not see the next morning."""
        self._expired = set(self._where)
        self._where.clear()
        self._resting.clear()

    def carry_out(self, effect: Effect) -> list[Answer]:
        """Do what the engine asks; the answers, in order."""
        work = self._works.get(type(effect))
        return work(effect) if work is not None else []  # executions: every one was told by itself

    def _cancel(self, effect: CancelOrder) -> list[Answer]:
        order_id = effect.order_id
        order = self._take(order_id)
        return [self._gone(order_id, "cancel") if order is None else self._report(order.new, OrderStatus.CANCELLED)]

    def _submit(self, effect: SubmitOrder) -> list[Answer]:
        new = effect.order
        terms, price = new.terms, self._prices[new.instrument]
        asleep = terms.order_type in _TRIGGERED and not touched(new.side, price, terms.trigger_price)
        if not asleep and can_trade(new.side, price, terms):
            return [self._fill(new, terms.quantity, self._worse(new, terms, price))]
        self._rest(new, terms, asleep=asleep)
        return [self._report(new, _ASLEEP if asleep else OrderStatus.OPEN)]

    def _rest(self, new: NewOrder, terms: OrderTerms, *, asleep: bool) -> Resting:
        order = Resting(new, terms, asleep)
        self._resting.setdefault(new.instrument, {})[new.order_id] = order
        self._where[new.order_id] = new.instrument
        return order

    def _modify(self, effect: ModifyOrder) -> list[Answer]:
        order_id, terms = effect.order_id, effect.terms
        instrument = self._where.get(order_id)
        if instrument is None:
            return [self._gone(order_id, "modify")]
        order, price = self._resting[instrument][order_id], self._prices[instrument]
        new = order.new
        order.terms = terms
        order.asleep = asleep = terms.order_type in _TRIGGERED and not touched(new.side, price, terms.trigger_price)
        accepted = ModifyAccepted(self._now, order_id)
        if asleep or not can_trade(new.side, price, terms):
            return [accepted]
        self._take(order_id)
        return [accepted, self._fill(new, terms.quantity, self._worse(new, terms, price))]

    def _reached(self, order: Resting, price: Paise) -> OrderReport | None:
        side, terms, woken = order.new.side, order.terms, order.asleep
        if order.asleep and not touched(side, price, terms.trigger_price):
            return None
        order.asleep = False
        if not can_trade(side, price, terms):
            return self._report(order.new, OrderStatus.OPEN) if woken else None
        at = self._worse(order.new, terms, price) if woken else terms.price  # what rests was there first
        self._take(order.new.order_id)
        return self._fill(order.new, terms.quantity, at)

    def _find(self, order_id: ClientOrderId) -> OrderReport | LookUpMissed:
        instrument = self._where.get(order_id)
        if instrument is not None:
            order = self._resting[instrument][order_id]
            return self._report(order.new, _ASLEEP if order.asleep else OrderStatus.OPEN)
        if order_id not in self._expired:
            return LookUpMissed(self._now, order_id)
        return self._report_expired(order_id)

    def _snapshot(self) -> AccountSnapshot:
        working = [self._find(order_id) for order_id in (*self._where, *self._expired)]
        positions = [
            BrokerPosition(instrument=instrument, product=product, quantity=quantity)
            for (instrument, product), quantity in self._held.items()
        ]
        reports = tuple(report for report in working if isinstance(report, OrderReport))
        return AccountSnapshot(ts=self._now, reports=reports, positions=tuple(positions))

    def _take(self, order_id: ClientOrderId) -> Resting | None:
        instrument = self._where.pop(order_id, None)
        return None if instrument is None else self._resting[instrument].pop(order_id)

    def _worse(self, new: NewOrder, terms: OrderTerms, price: Paise) -> Paise:
        if self._slippage is None or self._instruments is None:
            return price
        limit = terms.price if terms.order_type.has_price else 0
        return self._slippage.apply(self._instruments.get(new.instrument), new.side, price, limit)

    def book(self, new: NewOrder, quantity: int) -> None:
        """Count an execution of `quantity` units."""
        self.fills += 1
        key = new.instrument, new.product
        self._held[key] = self._held.get(key, 0) + new.side.sign * quantity

    def _fill(self, new: NewOrder, quantity: int, price: Paise) -> OrderReport:
        self.book(new, quantity)
        return OrderReport(
            order_id=new.order_id,
            status=_FILLED,
            ts=self._now,
            filled=quantity,
            last_price=price,
            average_price=price,
        )

    def _report(self, new: NewOrder, status: OrderStatus) -> OrderReport:
        return OrderReport(order_id=new.order_id, status=status, ts=self._now)

    def _report_expired(self, order_id: ClientOrderId) -> OrderReport:
        return OrderReport(order_id=order_id, status=OrderStatus.EXPIRED, ts=self._now, reason="the day has ended")

    def _gone(self, order_id: ClientOrderId, request: str) -> RequestFailed:
        return RequestFailed(
            ts=self._now, order_id=order_id, request=request, refused=True, reason="the order is not working"
        )


def touched(side: Side, price: Paise, trigger: Paise) -> bool:
    """Whether `price` wakes a stop at `trigger`."""
    return price >= trigger if side is _BUY else price <= trigger


def can_trade(side: Side, price: Paise, terms: OrderTerms) -> bool:
    """Whether an order of these terms may trade when the market stands at `price`."""
    if terms.order_type in _AT_ANY_PRICE:
        return True
    return price <= terms.price if side is _BUY else price >= terms.price
