"""`UpstoxAccount`: what a person may ask of an account at Upstox besides plain orders.

Conditional orders are Upstox's GTT (see `gtt`). Upstox has no e-DIS, no ledger and no exit at a profit or loss in its
API: sales are authorised in its app, once for all with a DDPI. Until that is done it refuses a GTT that sells holdings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from saudagar.brokers import checks
from saudagar.brokers.checks import refuse
from saudagar.brokers.conditional import gist, taken, unchanged
from saudagar.brokers.lanes import Lanes
from saudagar.brokers.upstox import gtt, outcome, parse_account, words
from saudagar.brokers.upstox.calls import Asked, via
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import (
    AccountTrade,
    BrokerOrderId,
    ClientOrderId,
    ConditionalReport,
    Conversion,
    Instrument,
    LedgerEntry,
    Margin,
    Nanos,
    NewConditional,
    NewOrder,
    Paise,
    Product,
    SaleAuthority,
    Segment,
)
from saudagar.model.errors import BrokerError, OutcomeUnknown, RejectedByBroker, Unsupported

_V2 = "2.0"
_TOGETHER = 20  # orders in one question for margin
_PAGE = 100  # trades of earlier days in one answer
_SEGMENTS = ("EQ", "FO", "COM")  # not currencies and not funds, whose units are no whole numbers
_NOTHING_OPEN = "UDAPI1111"

_POSITIONS = "Look at the positions before you ask for it again."
_CONDITIONALS = "Look at the conditional orders before you ask for it again."
_APP = "Authorise sales in Upstox's app, or once for all with a DDPI."


class UpstoxAccount:
    """An `AccountClient` over the lanes of an `UpstoxBroker`.

    Parameters
    ----------
    algo
        What the call of a conditional order takes besides, see `calls.algo`.
    protection
        Market protection of conditional orders without a limit: percent, or -1 for Upstox's own.
    clock
        The time of reports for which Upstox gives none.
    """

    def __init__(
        self, lanes: Lanes[InstrumentLookup], algo: Asked, protection: float, clock: Callable[[], Nanos]
    ) -> None:
        self._lanes, self._lookup = lanes, lanes.lookup
        self._algo, self._protection, self._clock = algo, protection, clock
        self._ours: dict[BrokerOrderId, ClientOrderId] = {}  # conditional orders that were plainly taken

    async def convert(self, asked: Conversion) -> None:
        checks.conversion(asked)
        instrument = self._tradable(asked.instrument, asked.held, asked.wanted)
        body = {
            "instrument_token": instrument.upstox_id,
            "old_product": words.PRODUCT[asked.held],
            "new_product": words.PRODUCT[asked.wanted],
            "transaction_type": asked.side.value,
            "quantity": checks.in_lots(instrument, checks.positive(asked.quantity, "quantity")),
        }

        def convert(api: Any, given: Asked) -> Any:
            from upstox_client import ConvertPositionRequest

            return api.convert_positions(ConvertPositionRequest(**body), _V2, **given)

        data = await self._lanes.write("conversion", via("PortfolioApi", convert), doubt=_POSITIONS)
        if not isinstance(data, dict) or data.get("status") != "complete":
            raise OutcomeUnknown("Upstox, conversion: the answer does not confirm it.", hint=_POSITIONS)

    async def place_conditional(self, asked: NewConditional) -> ConditionalReport:
        """Upstox keeps no id of ours with a GTT. A leg with a limit rests there once the price has run past it."""
        fields = self._gtt(asked)
        instrument = self._lookup.get(asked.instrument)
        fields |= {
            "instrument_token": instrument.upstox_id,
            "product": words.PRODUCT[asked.product],
            "transaction_type": asked.side.value,
        }

        def place(api: Any, given: Asked) -> Any:
            from upstox_client import GttPlaceOrderRequest

            return api.place_gtt_order(GttPlaceOrderRequest(**_with_rules(fields)), **given)

        data = await self._change("conditional order", place)
        placed = _one_id(data, "conditional order")
        self._ours[placed] = asked.order_id
        return taken(asked, placed, self._clock())

    async def modify_conditional(self, known: ConditionalReport, asked: NewConditional) -> None:
        """All legs of `asked` are sent. Upstox does not change the quantity once an order of it is in the market."""
        fields = self._gtt(asked)
        unchanged(gist(known), gist(asked))
        fields["gtt_order_id"] = known.broker_id

        def modify(api: Any, given: Asked) -> Any:
            from upstox_client import GttModifyOrderRequest

            return api.modify_gtt_order(GttModifyOrderRequest(**_with_rules(fields)), **given)

        what = "change of a conditional order"
        _named(await self._change(what, modify), known, what)

    async def cancel_conditional(self, known: ConditionalReport) -> None:
        def cancel(api: Any, given: Asked) -> Any:
            from upstox_client import GttCancelOrderRequest

            return api.cancel_gtt_order(GttCancelOrderRequest(gtt_order_id=known.broker_id), **given)

        what = "cancellation of a conditional order"
        _named(await self._change(what, cancel, urgent=True), known, what)

    async def conditionals(self) -> list[ConditionalReport]:
        """Upstox forgets those that are done, at the latest at the end of the day."""
        return await self._lanes.each(
            "conditional orders", via("OrderApiV3", lambda api, given: api.get_gtt_order_details(**given)), gtt.report
        )

    async def find_conditional(self, asked: NewConditional) -> ConditionalReport | None:
        """By all that was asked, for Upstox keeps no id of ours: the newest live one that looks so.

        One that is known to be another of ours is not it. A SINGLE that has fired meanwhile is not live any more: its
        order is in the order book.
        """

        def likely(told: ConditionalReport) -> tuple[bool, Nanos]:
            return told.broker_id in self._ours, told.ts

        found = [
            told
            for told in await self.conditionals()
            if told.status.live
            and gtt.same(asked, told)
            and self._ours.get(told.broker_id, asked.order_id) == asked.order_id
        ]
        return max(found, key=likely, default=None)

    async def margin(self, orders: Sequence[NewOrder]) -> Margin:
        """Up to 20 orders, netted. The charges are known only where every order has a price."""
        if not 0 < len(orders) <= _TOGETHER:
            raise Unsupported(f"Upstox tells the margin of 1 to {_TOGETHER} orders together, not of {len(orders)}.")
        lines = [self._margin_line(order) for order in orders]

        def ask(api: Any, given: Asked) -> Any:
            from upstox_client import Instrument as Line
            from upstox_client import MarginRequest

            return api.post_margin(MarginRequest(instruments=[Line(**line) for line in lines]), **given)

        data = await self._lanes.read("margin", via("ChargeApi", ask))
        charges = [await self._charge(line) for line in lines] if all("price" in line for line in lines) else None
        return self._lanes.parsed(
            lambda row, _: parse_account.margin(row, None if charges is None else sum(charges)), data
        )

    async def trades(self) -> list[AccountTrade]:
        call = via("OrderApi", lambda api, given: api.get_trade_history(_V2, **given))
        return sorted(await self._lanes.each("trades", call, parse_account.trade), key=lambda trade: trade.ts)

    async def trade_history(self, start: date, end: date) -> list[AccountTrade]:
        """Days before today, of the last three financial years, with the date for a time and without the product."""
        checks.days(start, end)
        rows = [row for segment in _SEGMENTS for row in await self._past(segment, start, end)]
        return sorted((self._lanes.parsed(parse_account.past_trade, row) for row in rows), key=lambda trade: trade.ts)

    async def ledger(self, start: date, end: date) -> list[LedgerEntry]:
        refuse("Upstox", "ledger in its API", "Look under Reports in Upstox's account pages.")

    async def exit_all(self) -> list[BrokerOrderId]:
        """Market orders against up to ten positions; what rests stays. A part of it done is an unknown outcome."""
        try:
            data = await self._lanes.write(
                "exit of all positions",
                via("OrderApi", lambda api, given: api.exit_positions(**given), self._algo),
                urgent=True,
                doubt=_POSITIONS,
            )
        except RejectedByBroker as refused:
            if refused.code == _NOTHING_OPEN:
                return []
            raise
        numbers = data.get("order_ids") if isinstance(data, dict) else None
        if not isinstance(numbers, list):
            raise OutcomeUnknown("Upstox, exit of all positions: the answer names no orders.", hint=_POSITIONS)
        return [BrokerOrderId(str(number)) for number in numbers]

    async def kill_switch(self, on: bool, segments: Sequence[Segment] = ()) -> None:
        """All or nothing, and for twelve hours at least. A segment must be flat; its working orders are cancelled.

        Without `segments`: in all that the account trades in.
        """
        if missing := [segment for segment in segments if segment not in words.SEGMENT]:
            raise Unsupported(f"Upstox has no kill switch of {', '.join(missing)}: nothing is traded there.")
        chosen = [words.SEGMENT[segment] for segment in segments]
        if not chosen:
            now = parse_account.switches(
                await self._lanes.rows("kill switch", via("UserApi", lambda api, given: api.get_kill_switch(**given)))
            )
            chosen = [segment for segment, (active, killed) in now.items() if active and killed is not on]
            if not chosen:
                return
        body = [{"segment": segment, "action": "DISABLE" if on else "ENABLE"} for segment in chosen]
        data = await self._lanes.write(
            "kill switch",
            via("UserApi", lambda api, given: api.update_kill_switch(body, **given)),
            urgent=True,
            doubt="Ask for it again: a switch that is set already is left alone.",
        )
        told = parse_account.switches(self._lanes.listed(data, "kill switch"))
        if any(told.get(segment, (False, not on))[1] is not on for segment in chosen):
            raise OutcomeUnknown("Upstox, kill switch: the answer does not say that it is set.")

    async def profit_exit(self, profit: Paise | None, loss: Paise | None) -> None:
        refuse("Upstox", "exit at a profit or loss of the day", "Set [risk] day_loss and day_profit instead.")

    async def sale_authorities(self, isin: str = "") -> list[SaleAuthority]:
        refuse("Upstox", "e-DIS in its API", _APP)

    async def request_sale_pin(self) -> None:
        refuse("Upstox", "e-DIS in its API", _APP)

    async def sale_form(self, instrument: Instrument, quantity: int) -> str:
        refuse("Upstox", "e-DIS in its API", _APP)

    # -- inside --------------------------------------------------------------------------------------------------

    def _tradable(self, name: Any, *products: Product) -> Instrument:
        instrument = self._lookup.get(name)
        for product in products:
            words.check_tradable(instrument, product)
        return instrument

    async def _change(self, what: str, call: Callable[[Any, Asked], Any], *, urgent: bool = False) -> Any:
        return await self._lanes.write(what, via("OrderApiV3", call, self._algo), urgent=urgent, doubt=_CONDITIONALS)

    def _gtt(self, asked: NewConditional) -> dict[str, Any]:
        asked.check()
        return gtt.request(asked, self._tradable(asked.instrument, asked.product), self._protection)

    def _margin_line(self, order: NewOrder) -> dict[str, Any]:
        instrument, terms = self._tradable(order.instrument, order.product), order.terms
        line = {
            "instrument_key": instrument.upstox_id,
            "quantity": checks.in_lots(instrument, checks.positive(terms.quantity, "quantity")),
            "product": words.PRODUCT[order.product],
            "transaction_type": order.side.value,
        }
        price = terms.price if terms.order_type.has_price else terms.trigger_price
        return line | ({"price": checks.rupees(price)} if price else {})

    async def _charge(self, line: dict[str, Any]) -> Paise:
        asked = (line["instrument_key"], line["quantity"], line["product"], line["transaction_type"], line["price"])
        data = await self._lanes.read(
            "charges", via("ChargeApi", lambda api, given: api.get_brokerage(*asked, _V2, **given))
        )
        return self._lanes.parsed(lambda row, _: parse_account.charge(row), data)

    async def _past(self, segment: str, start: date, end: date) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        page = last = 1
        while page <= last:
            body = await self._page(page, segment, start, end)
            more = [] if body["data"] is None else self._lanes.listed(body["data"], "trades of earlier days")
            last = self._lanes.parsed(lambda row, _: parse_account.pages(row), body)
            if page < last and not more:
                raise BrokerError(f"Upstox, trades of earlier days: page {page} of {last} is empty.")
            rows += more
            page += 1
        return rows

    async def _page(self, page: int, segment: str, start: date, end: date) -> Any:
        asked = (str(start), str(end), page, _PAGE)
        return await self._lanes.read(
            "trades of earlier days",
            via("PostTradeApi", lambda api, given: api.get_trades_by_date_range(*asked, segment=segment, **given)),
            outcome.answer,
        )


def _with_rules(fields: dict[str, Any]) -> dict[str, Any]:
    from upstox_client import GttRule

    return fields | {"rules": [GttRule(**rule) for rule in fields["rules"]]}


def _one_id(data: object, request: str) -> BrokerOrderId:
    numbers = data.get("gtt_order_ids") if isinstance(data, dict) else None
    if not isinstance(numbers, list) or len(numbers) != 1 or not isinstance(numbers[0], str) or not numbers[0]:
        raise OutcomeUnknown(f"Upstox, {request}: the answer does not name it.", hint=_CONDITIONALS)
    return BrokerOrderId(numbers[0])


def _named(data: object, known: ConditionalReport, request: str) -> None:
    if _one_id(data, request) != known.broker_id:
        raise OutcomeUnknown(f"Upstox, {request}: the answer names another one.", hint=_CONDITIONALS)
