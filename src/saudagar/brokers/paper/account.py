"""`PaperAccount`: conversion, conditional orders and margins on paper, by the simulated exchange's own rules.

What only a broker's back office or the depository has (ledger, earlier days, e-DIS, its kill switch) is refused: paper
has none, and pretending would teach a wrong habit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from saudagar.brokers.checks import refuse
from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_conditional import Conditional, Conditionals, Leg, LegStatus, When
from saudagar.exchange.core_orders import ExchangeTrade, Refusal, Update
from saudagar.model import (
    AccountTrade,
    BrokerOrderId,
    ClientOrderId,
    ConditionalKind,
    ConditionalLeg,
    ConditionalReport,
    ConditionalStatus,
    Conversion,
    Instrument,
    LedgerEntry,
    LegName,
    Margin,
    NewConditional,
    NewOrder,
    OrderTerms,
    OrderType,
    Paise,
    SaleAuthority,
    Segment,
    Side,
    Tick,
)
from saudagar.model.errors import OutcomeUnknown, RejectedByBroker

_KINDS = tuple(kind.value for kind in ConditionalKind)


class PaperAccount:
    """An `AccountClient` over the matching core of a `PaperBroker`.

    Parameters
    ----------
    tell
        Called after anything that may have caused updates in the core.
    """

    def __init__(self, core: MatchingCore, tell: Callable[[], None]) -> None:
        self._core, self._tell = core, tell
        self._conditionals = Conditionals(core)

    def on_market(self, ticks: Sequence[Tick]) -> list[Update]:
        """Let the newest prices reach the triggers; call after the core has them. What their orders did."""
        return self._conditionals.advance(ticks)

    async def convert(self, asked: Conversion) -> None:
        try:
            self._core.convert(asked.instrument, asked.held, asked.wanted, asked.side, asked.quantity)
        except Refusal as refusal:
            raise _rejected(refusal) from None

    async def place_conditional(self, asked: NewConditional) -> ConditionalReport:
        asked.check()
        try:
            instrument = self._core.instrument(asked.instrument)
            placed = self._conditionals.place(
                kind=asked.kind.value,
                instrument=instrument,
                product=asked.product,
                legs=_legs(asked),
                tag=asked.order_id,
            )
        except Refusal as refusal:
            raise _rejected(refusal) from None
        self._tell()
        return _report(placed, self._core)

    async def modify_conditional(self, known: ConditionalReport, asked: NewConditional) -> None:
        asked.check()
        try:
            held = self._conditionals.get(known.broker_id)
            new = [leg for leg in _legs(asked) if held.leg(leg.name).status.live]
            self._conditionals.modify(known.broker_id, new)
        except Refusal as refusal:
            raise _rejected(refusal) from None

    async def cancel_conditional(self, known: ConditionalReport) -> None:
        try:
            self._conditionals.cancel(known.broker_id)
        except Refusal as refusal:
            raise _rejected(refusal) from None

    async def conditionals(self) -> list[ConditionalReport]:
        return [_report(each, self._core) for each in self._conditionals.of(*_KINDS)]

    async def find_conditional(self, asked: NewConditional) -> ConditionalReport | None:
        for report in await self.conditionals():
            if report.order_id == asked.order_id:
                return report
        return None

    async def margin(self, orders: Sequence[NewOrder]) -> Margin:
        try:
            required = sum(
                self._core.margin(o.instrument, o.product, o.side, o.terms.quantity, o.terms.price) for o in orders
            )
        except Refusal as refusal:
            raise _rejected(refusal) from None
        return Margin(required=required, available=self._core.funds().available)

    async def trades(self) -> list[AccountTrade]:
        return [_trade(each) for each in self._core.trades]

    async def trade_history(self, start: date, end: date) -> list[AccountTrade]:
        refuse("paper", "trades of earlier days", "Run: saudagar journal show")

    async def ledger(self, start: date, end: date) -> list[LedgerEntry]:
        refuse("paper", "ledger", "Run: saudagar journal show")

    async def exit_all(self) -> list[BrokerOrderId]:
        """Market orders against every net position; what rests stays, as it does at the brokers."""
        placed: list[BrokerOrderId] = []
        for instrument, product, bought, _, sold, _ in self._core.positions():
            if bought == sold:
                continue
            terms = OrderTerms(quantity=abs(bought - sold), order_type=OrderType.MARKET)
            try:
                order = self._core.place(
                    tag="exit-all",
                    instrument=instrument.id,
                    side=Side.of(sold - bought),
                    terms=terms,
                    product=product,
                )
            except Refusal as refusal:
                self._tell()
                if placed:
                    count = f"{len(placed)} order{'s were' if len(placed) > 1 else ' was'} placed, then"
                    raise OutcomeUnknown(f"{count}: {refusal.message}", hint="Look at the positions.") from None
                raise _rejected(refusal) from None
            placed.append(BrokerOrderId(order.exchange_id))
        self._tell()
        return placed

    async def kill_switch(self, on: bool, segments: Sequence[Segment] = ()) -> None:
        refuse("paper", "kill switch of a broker", "Run: saudagar desk halt")

    async def profit_exit(self, profit: Paise | None, loss: Paise | None) -> None:
        refuse("paper", "profit exit of a broker", "Set [risk] day_loss and day_profit instead.")

    async def sale_authorities(self, isin: str = "") -> list[SaleAuthority]:
        refuse("paper", "demat account", _LIVE)

    async def request_sale_pin(self) -> None:
        refuse("paper", "demat account", _LIVE)

    async def sale_form(self, instrument: Instrument, quantity: int) -> str:
        refuse("paper", "demat account", _LIVE)


_LIVE = "Only a broker has that."


def _rejected(refusal: Refusal) -> RejectedByBroker:
    return RejectedByBroker(refusal.message, code=refusal.code)


def _legs(asked: NewConditional) -> list[Leg]:
    """The core's legs of `asked`: exits take the other side than a bracket's entry."""
    bracket = asked.kind in (ConditionalKind.BRACKET, ConditionalKind.TRAILING)
    exit_side = asked.side.opposite if bracket else asked.side
    return [
        Leg(
            name=leg.name.value,
            side=asked.side if leg.name is LegName.ENTRY else exit_side,
            when=_when(leg, exit_side, asked.last_price),
            trigger=leg.trigger,
            terms=OrderTerms(
                quantity=asked.quantity,
                order_type=OrderType.LIMIT if leg.price else OrderType.MARKET,
                price=leg.price,
            ),
            entry=bracket and leg.name is LegName.ENTRY,
            jump=leg.trail,
        )
        for leg in asked.legs
    ]


def _when(leg: ConditionalLeg, exit_side: Side, last_price: Paise) -> When:
    if leg.name is LegName.ENTRY:
        if not leg.trigger:
            return When.IMMEDIATE
        return When.ABOVE if leg.trigger >= last_price else When.BELOW
    above = (leg.name is LegName.TARGET) is (exit_side is Side.SELL)
    return When.ABOVE if above else When.BELOW


def _report(each: Conditional, core: MatchingCore) -> ConditionalReport:
    return ConditionalReport(
        broker_id=BrokerOrderId(each.conditional_id),
        order_id=ClientOrderId(each.tag),
        kind=ConditionalKind(each.kind),
        status=_status(each, core),
        instrument=each.instrument.id,
        side=(each.entry or each.legs[0]).side,
        quantity=each.legs[0].terms.quantity,
        product=each.product,
        legs=tuple(
            ConditionalLeg(name=LegName(leg.name), trigger=leg.trigger, price=leg.terms.price, trail=leg.jump)
            for leg in each.legs
        ),
        orders=tuple(BrokerOrderId(leg.order_id) for leg in each.legs if leg.order_id),
        reason=next((leg.reason for leg in each.legs if leg.reason), ""),
        ts=each.updated,
    )


def _status(each: Conditional, core: MatchingCore) -> ConditionalStatus:
    sent = [core.orders[leg.order_id] for leg in each.legs if leg.order_id]
    if any(order.status.working for order in sent):
        return ConditionalStatus.WORKING
    if each.live:
        return ConditionalStatus.WORKING if sent else ConditionalStatus.ACTIVE
    if any(leg.status is LegStatus.FAILED for leg in each.legs):
        return ConditionalStatus.REJECTED
    return ConditionalStatus.DONE if sent else ConditionalStatus.CANCELLED


def _trade(each: ExchangeTrade) -> AccountTrade:
    return AccountTrade(
        trade_id=each.trade_id,
        broker_id=BrokerOrderId(each.exchange_id),
        symbol=each.instrument.symbol,
        side=each.side,
        product=each.product,
        quantity=each.quantity,
        price=each.price,
        ts=each.ts,
        instrument=each.instrument.id,
        order_id=ClientOrderId(each.tag),
    )
