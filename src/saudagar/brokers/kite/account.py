"""`KiteAccount`: what else a person may ask of an account at Kite, over the order desk's own line.

A conditional order is Kite's GTT: one trigger, or a target and a stop of which one fires. Each sends a limit order, so
every leg needs a price. Kite keeps no id of ours for them and looks none up: after an unknown outcome one is found
by all that was asked. Kite Connect has no kill switch, no exit of everything, no ledger, no trades of earlier days and
no e-DIS; those raise `Unsupported` before the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

import msgspec

from saudagar.brokers.checks import refuse
from saudagar.brokers.conditional import gist, taken, unchanged
from saudagar.brokers.kite import parse_account, request
from saudagar.brokers.kite.client import KiteLookup
from saudagar.brokers.lane import Call
from saudagar.brokers.lanes import Lanes
from saudagar.model import (
    SECOND,
    AccountTrade,
    BrokerOrderId,
    ClientOrderId,
    ConditionalReport,
    ConditionalStatus,
    Conversion,
    Instrument,
    LedgerEntry,
    Margin,
    Nanos,
    NewConditional,
    NewOrder,
    Paise,
    SaleAuthority,
    Segment,
)
from saudagar.model.errors import DataError, OutcomeUnknown, RejectedByBroker

_KITE = "Kite Connect"
_POSITIONS = "Look at the positions before you ask again."
_CONDITIONALS = "Look at the conditional orders before you ask again."
_CONSOLE = "Download it at console.zerodha.com."
_HALT = "Use the desk's own: saudagar desk halt, saudagar desk close-all."
_DEMAT = "Authorise the sale on Kite's holdings page, or give Zerodha your DDPI once."
_FIRED = frozenset({ConditionalStatus.DONE, ConditionalStatus.REJECTED})
_SKEW: Nanos = 60 * SECOND  # that Kite's clock and ours may be apart


class KiteAccount:
    """The `AccountClient` over the official SDK. Made by `KiteBroker`.

    Parameters
    ----------
    clock
        As `KiteBroker`'s: the time of reports for which Kite gives none.
    """

    def __init__(self, lanes: Lanes[KiteLookup], clock: Callable[[], Nanos]) -> None:
        self._lanes, self._lookup, self._clock = lanes, lanes.lookup, clock
        self._asked: dict[ClientOrderId, Nanos] = {}  # when a conditional order was sent off
        self._ours: dict[BrokerOrderId, ClientOrderId] = {}  # those that were plainly taken

    async def convert(self, asked: Conversion) -> None:
        fields, what = request.conversion(asked, self._lookup), "conversion"
        done = await self._lanes.write(
            what, lambda kite: kite.convert_position(**fields), urgent=True, doubt=_POSITIONS
        )
        if done is not True:
            raise OutcomeUnknown("Kite, conversion: the answer does not confirm it.", hint=_POSITIONS)

    async def place_conditional(self, asked: NewConditional) -> ConditionalReport:
        fields = request.trigger(asked, self._lookup)
        self._asked[asked.order_id] = self._clock()
        number = await self._trigger("conditional order", lambda kite: kite.place_gtt(**fields), urgent=False)
        self._ours[number] = asked.order_id
        return taken(asked, number, self._clock())

    async def modify_conditional(self, known: ConditionalReport, asked: NewConditional) -> None:
        """See `AccountClient`; Kite takes everything anew, and so the product must stay as well."""
        number = _known_id(known)
        unchanged(gist(known), gist(asked))
        fields = request.trigger(asked, self._lookup)
        await self._trigger("change of a conditional order", lambda kite: kite.modify_gtt(number, **fields))

    async def cancel_conditional(self, known: ConditionalReport) -> None:
        number = _known_id(known)
        await self._trigger("cancellation of a conditional order", lambda kite: kite.delete_gtt(number))

    async def conditionals(self) -> list[ConditionalReport]:
        """The live ones and those of the last days that fired or expired; Kite forgets a deleted one at once.

        Our own ids are those of this session: Kite keeps none.
        """
        told = await self._lanes.each("conditional orders", lambda kite: kite.get_gtts(), parse_account.conditional)
        return [self._named(each) for each in told]

    async def find_conditional(self, asked: NewConditional) -> ConditionalReport | None:
        """The live order that equals `asked`; or one that has fired since it was asked for.

        Of several the one that is known to be ours, else the newest; never one that is known by another id of ours.
        """
        same = [
            each
            for each in await self.conditionals()
            if each.order_id in ("", asked.order_id) and _content(each) == _content(asked)
        ]
        sent = self._asked.get(asked.order_id)
        found = [each for each in same if each.status.live] or [
            each for each in same if sent and each.status in _FIRED and each.ts >= sent - _SKEW
        ]
        return max(found, key=lambda each: (each.order_id, each.ts, int(each.broker_id)), default=None)

    async def margin(self, orders: Sequence[NewOrder]) -> Margin:
        """All of `orders` as one basket, on top of the positions there are."""
        if not orders:
            raise DataError("there is no order to tell the margin of.")
        basket = [request.margin(each, self._lookup) for each in orders]
        body = await self._lanes.read("margin", lambda kite: kite.basket_order_margins(basket))
        return self._lanes.parsed(lambda row, _: parse_account.margin(row), body)

    async def trades(self) -> list[AccountTrade]:
        """See `AccountClient`. Our ids come from the order book: a trade of Kite does not carry them."""
        rows = await self._lanes.rows("trade book", lambda kite: kite.trades())
        book = await self._lanes.rows("order book", lambda kite: kite.orders())
        tags = {str(row.get("order_id")): str(row.get("tag") or "") for row in book}
        read = partial(parse_account.trade, tags)
        return sorted((self._lanes.parsed(read, row) for row in rows), key=lambda trade: trade.ts)

    async def trade_history(self, start: date, end: date) -> list[AccountTrade]:
        refuse(_KITE, "trades of earlier days", _CONSOLE)

    async def ledger(self, start: date, end: date) -> list[LedgerEntry]:
        refuse(_KITE, "ledger", _CONSOLE)

    async def exit_all(self) -> list[BrokerOrderId]:
        refuse(_KITE, "exit of all positions", _HALT)

    async def kill_switch(self, on: bool, segments: Sequence[Segment] = ()) -> None:
        refuse(_KITE, "kill switch", f"{_HALT} Zerodha's own is in Console, under Account.")

    async def profit_exit(self, profit: Paise | None, loss: Paise | None) -> None:
        refuse(_KITE, "exit at a profit or loss of the day", "Set the desk's own limits of the day, under [risk].")

    async def sale_authorities(self, isin: str = "") -> list[SaleAuthority]:
        refuse(_KITE, "e-DIS", _DEMAT)

    async def request_sale_pin(self) -> None:
        refuse(_KITE, "e-DIS", _DEMAT)

    async def sale_form(self, instrument: Instrument, quantity: int) -> str:
        refuse(_KITE, "e-DIS", _DEMAT)

    async def _trigger(self, what: str, call: Call, *, urgent: bool = True) -> BrokerOrderId:
        """Ask for a change of the triggers; the id that the answer names."""
        body = await self._lanes.write(what, call, urgent=urgent, doubt=_CONDITIONALS)
        return BrokerOrderId(self._lanes.confirmed(body, "trigger_id", what, doubt=_CONDITIONALS))

    def _named(self, report: ConditionalReport) -> ConditionalReport:
        ours = self._ours.get(report.broker_id)
        return msgspec.structs.replace(report, order_id=ours) if ours else report


def _known_id(known: ConditionalReport) -> str:
    if not known.broker_id:
        raise RejectedByBroker("Kite's id of this conditional order is not known.", hint="Find it first.")
    return str(known.broker_id)


def _content(each: ConditionalReport | NewConditional) -> tuple[object, ...]:
    return (*gist(each), each.quantity, frozenset(each.legs))
