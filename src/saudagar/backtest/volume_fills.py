"""The broker of a bar replay where volume counts: queues at a limit, and a share of each bar's volume.

`fills.BarBroker` with fills in parts; the rules are `fill_rules`'. Called by `replay`, which says where each bar's
range and volume lie before it lets the price walk.
"""

from __future__ import annotations

import msgspec

from saudagar.backtest.fill_rules import PPM, Fill, FillRules
from saudagar.backtest.fills import Answer, BarBroker, Resting, Slippage, can_trade, touched
from saudagar.execution.effects import Effect, FetchTrades, ModifyOrder, SubmitOrder
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import (
    ClientOrderId,
    InstrumentId,
    ModifyAccepted,
    Nanos,
    NewOrder,
    OrderReport,
    OrderStatus,
    Paise,
    Purpose,
    Side,
    TradeReport,
)


class _Bar:
    """The present bar of one instrument, and what of it our orders have taken."""

    __slots__ = ("high", "left", "low", "number", "volume")

    def __init__(self, number: int, low: Paise, high: Paise, volume: int, left: int) -> None:
        self.number = number
        self.low = low
        self.high = high
        self.volume = volume
        self.left = left


class _Part:
    """What has traded of an order."""

    __slots__ = ("filled", "placed_in", "touched_in", "trades", "value")

    def __init__(self, placed_in: int) -> None:
        self.placed_in = placed_in  # the number of the bar in which it came
        self.filled = 0
        self.value = 0
        self.trades: list[TradeReport] = []
        self.touched_in = -1  # the number of the bar in which its queue has moved


_UNBOUNDED = 1 << 62


class VolumeBroker(BarBroker):
    """Fills no more than the rules leave.

    Parameters
    ----------
    instruments
        For lots and ticks.
    """

    def __init__(self, rules: FillRules, slippage: Slippage, instruments: InstrumentLookup) -> None:
        super().__init__(slippage, instruments)
        self._rules = rules
        self._lookup = instruments
        self._bars: dict[InstrumentId, _Bar] = {}
        self._parts: dict[ClientOrderId, _Part] = {}

    def begin_bar(self, instrument: InstrumentId, low: Paise, high: Paise, volume: int) -> None:
        """A new bar of `instrument`: its range (paise) and volume (units)."""
        before = self._bars.get(instrument)
        share = self._rules.participation
        left = volume * share // PPM if share else _UNBOUNDED
        self._bars[instrument] = _Bar(before.number + 1 if before else 0, low, high, volume, left)

    def carry_out(self, effect: Effect) -> list[Answer]:
        """Do what the engine asks; the answers, in order. A cancel may be answered before the fill it crosses."""
        if isinstance(effect, FetchTrades):
            part = self._parts.get(effect.report.order_id)
            return [] if part is None else [msgspec.structs.replace(effect.report, trades=tuple(part.trades))]
        return super().carry_out(effect)

    def on_price(self, instrument: InstrumentId, ts: Nanos, price: Paise) -> list[OrderReport]:
        """The market trades at `price` (paise): entries that have waited too long end, what rests there fills."""
        self._now = ts
        return [*self._withdrawn(instrument), *super().on_price(instrument, ts, price)]

    def _withdrawn(self, instrument: InstrumentId) -> list[OrderReport]:
        resting = self._resting.get(instrument)
        if not resting or self._rules.fill is not Fill.LIMIT_TOUCH:
            return []
        last = self._bars[instrument].number - self._rules.rest
        late = [
            order.new
            for order in resting.values()
            if order.new.purpose is Purpose.ENTRY and self._parts[order.new.order_id].placed_in < last
        ]
        for new in late:
            self._take(new.order_id)
        return [
            msgspec.structs.replace(self._report(new, OrderStatus.EXPIRED), reason="not filled in time") for new in late
        ]

    def end_day(self) -> None:
        super().end_day()
        self._parts.clear()

    def _submit(self, effect: SubmitOrder) -> list[Answer]:
        new = effect.order
        terms, price = new.terms, self._prices[new.instrument]
        asleep = terms.order_type.has_trigger and not touched(new.side, price, terms.trigger_price)
        order = self._rest(new, terms, asleep=asleep)
        self._parts[new.order_id] = _Part(self._bars[new.instrument].number)
        if not asleep and not self._joins_queue(new) and can_trade(new.side, price, terms):
            report = self._trade(order, self._worse(new, terms, price), _UNBOUNDED)
            if report is not None:
                return [report]
        return [self._report(new, OrderStatus.TRIGGER_PENDING if asleep else OrderStatus.OPEN)]

    def _modify(self, effect: ModifyOrder) -> list[Answer]:
        order_id, terms = effect.order_id, effect.terms
        instrument = self._where.get(order_id)
        if instrument is None:
            return [self._gone(order_id, "modify")]
        order, price = self._resting[instrument][order_id], self._prices[instrument]
        order.terms = terms
        order.asleep = (
            terms.order_type.has_trigger
            and not self._parts[order_id].filled
            and not touched(order.new.side, price, terms.trigger_price)
        )
        answers: list[Answer] = [ModifyAccepted(self._now, order_id)]
        if not order.asleep and can_trade(order.new.side, price, terms):
            report = self._trade(order, self._worse(order.new, terms, price), _UNBOUNDED)
            answers += [report] if report is not None else []
        return answers

    def _reached(self, order: Resting, price: Paise) -> OrderReport | None:
        new, terms, woken = order.new, order.terms, order.asleep
        if woken and not touched(new.side, price, terms.trigger_price):
            return None
        order.asleep = False
        if not can_trade(new.side, price, terms):
            return self._report(new, OrderStatus.OPEN) if woken else None
        if woken or not terms.order_type.has_price:
            return self._trade(order, self._worse(new, terms, price), _UNBOUNDED)
        return self._trade(order, terms.price, self._reaches(order))

    def _joins_queue(self, new: NewOrder) -> bool:
        return self._rules.fill is Fill.LIMIT_TOUCH and new.purpose is Purpose.ENTRY

    def _reaches(self, order: Resting) -> int:
        """Units of this bar's volume that come to a resting limit."""
        bar, limit = self._bars[order.new.instrument], order.terms.price
        part = self._parts[order.new.order_id]
        extreme = bar.low if order.new.side is Side.BUY else bar.high
        if self._rules.fill is not Fill.LIMIT_TOUCH or extreme != limit:
            return _UNBOUNDED
        if part.touched_in == bar.number:
            return 0
        part.touched_in = bar.number
        tick = self._lookup.get(order.new.instrument).tick_size
        there = bar.volume // ((bar.high - bar.low) // tick + 1)
        return there - -(-there * self._rules.queue // PPM)

    def _trade(self, order: Resting, price: Paise, most: int) -> OrderReport | None:
        """Fill what may be filled at `price`, at most `most` units; nothing if that is less than a lot."""
        new, part, bar = order.new, self._parts[order.new.order_id], self._bars[order.new.instrument]
        remaining = order.terms.quantity - part.filled
        units = min(remaining, most, bar.left)
        if units < remaining:
            units = self._lookup.get(new.instrument).whole_lots(units)
        if units <= 0:
            return None
        bar.left -= units
        part.filled += units
        part.value += units * price
        part.trades.append(TradeReport(str(len(part.trades) + 1), units, price, self._now))
        self.book(new, units)
        done = units == remaining
        if done:
            self._take(new.order_id)
        return OrderReport(
            order_id=new.order_id,
            status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
            ts=self._now,
            filled=part.filled,
            last_price=price,
            average_price=part.value / part.filled,
        )

    def _report(self, new: NewOrder, status: OrderStatus) -> OrderReport:
        part = self._parts.get(new.order_id)
        if part is None or not part.filled:
            return super()._report(new, status)
        return OrderReport(
            order_id=new.order_id,
            status=OrderStatus.PARTIALLY_FILLED if status.working else status,
            ts=self._now,
            filled=part.filled,
            average_price=part.value / part.filled,
        )
