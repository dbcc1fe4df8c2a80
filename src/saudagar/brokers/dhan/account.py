"""`DhanAccount`: what a person may ask of the account at Dhan, over the order desk's own lanes.

One trigger, or target and stop of what is held, become a forever order; an entry with its exits a super order. Dhan
echoes our id for super orders only, so a forever order is found again by all that was asked. A conversion and a T-PIN
are answered 202 without a body, which the SDK takes for a failure (or trips over); the lanes read the true reply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from saudagar.brokers import checks
from saudagar.brokers.checks import rupees
from saudagar.brokers.conditional import Gist, gist, taken, unchanged
from saudagar.brokers.dhan import conditional, conditional_calls, outcome, parse, request, statements, words
from saudagar.brokers.fields import text
from saudagar.brokers.lane import Call
from saudagar.brokers.lanes import Lanes, believed
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import (
    AccountTrade,
    BrokerOrderId,
    ConditionalKind,
    ConditionalReport,
    ConditionalStatus,
    Conversion,
    Instrument,
    InstrumentKind,
    LedgerEntry,
    LegName,
    Margin,
    Nanos,
    NewConditional,
    NewOrder,
    OrderType,
    Paise,
    SaleAuthority,
    Segment,
    Side,
)
from saudagar.model.errors import BrokerError, DataError, OutcomeUnknown, RejectedByBroker, Unsupported

_PAGES = 5_000  # of the trade history; more is a server that repeats itself
_NO_DATA = "DH-907"
_NO_HOLDINGS = "DH-1111"
_BOTH = ["INTRADAY", "DELIVERY"]
_POSITION = {Side.BUY: "LONG", Side.SELL: "SHORT"}

_CONVERTED = "Look at the positions before you ask again."
_FIND = "Look for it among the conditional orders before you ask again; it may be there."
_SWITCH = "Ask Dhan's own app how it stands before you try again."


class DhanAccount:
    """The `AccountClient` over the official SDK. Made by `DhanBroker`.

    Parameters
    ----------
    clock
        The time of the report on a placement, for which Dhan gives none.
    """

    def __init__(self, lanes: Lanes[InstrumentLookup], clock: Callable[[], Nanos]) -> None:
        self._lanes, self._clock = lanes, clock

    async def convert(self, asked: Conversion) -> None:
        """Dhan converts positions of the day and those brought over alike: `overnight` makes no difference."""
        instrument = self._lanes.lookup.get(asked.instrument)
        segment = request.tradable(instrument, asked.wanted)
        request.tradable(instrument, asked.held)
        (quantity,) = checks.whole(asked.quantity)
        request.on_grid(instrument, quantity)
        checks.conversion(asked)
        fields = {
            "from_product_type": words.PRODUCT[asked.held],
            "exchange_segment": segment,
            "position_type": _POSITION[asked.side],
            "security_id": instrument.dhan_id,
            "convert_qty": checks.in_lots(instrument, quantity),
            "to_product_type": words.PRODUCT[asked.wanted],
        }
        await self._lanes.write(
            "conversion", lambda dhan: dhan.convert_position(**fields), doubt=_CONVERTED, judge=outcome.accepted
        )

    async def place_conditional(self, asked: NewConditional) -> ConditionalReport:
        """A forever order (CNC, MARGIN and MTF only: it may live for a year), or a super order."""
        instrument = self._checked(asked)
        call = conditional_calls.placement(asked, instrument)
        body = await self._lanes.write("conditional order", call, urgent=asked.kind is ConditionalKind.OCO, doubt=_FIND)
        table = words.FOREVER_STATUS if asked.kind in conditional.FOREVER else words.SUPER_STATUS
        with believed("Dhan, conditional order", _FIND):
            if not isinstance(body, dict):
                raise DataError("the answer is not an order.")
            status, number = conditional.state(table, body.get("orderStatus")), parse.broker_id(body.get("orderId"))
        reason = text(body.get("omsErrorDescription")) if status is ConditionalStatus.REJECTED else ""
        return taken(asked, number, self._clock(), status, reason)

    async def modify_conditional(self, known: ConditionalReport, asked: NewConditional) -> None:
        """Dhan takes a change leg by leg: if a later one fails, what came before it stands, and the error says so."""
        instrument = self._checked(asked)
        unchanged(_gist(known), _gist(asked))
        number = str(known.broker_id)
        if asked.kind in conditional.FOREVER:
            calls = conditional_calls.changes_of_forever(number, asked, instrument)
        else:
            calls = conditional_calls.changes_of_super(number, asked, instrument, await self._super_row(number))
        await self._one_by_one("change of a conditional order", calls)

    async def cancel_conditional(self, known: ConditionalReport) -> None:
        """Of a super order that has entered, both exits are withdrawn: the position then stands without a stop."""
        number = str(known.broker_id)
        calls: list[Call]
        if known.kind in conditional.FOREVER:
            calls = [lambda dhan: dhan.cancel_forever(number)]
        else:
            legs = self._live_legs(await self._super_row(number))
            if not legs:
                raise RejectedByBroker(f"nothing of Dhan's super order {number} is left to cancel.")
            calls = [conditional_calls.cancellation(number, leg) for leg in legs]
        await self._one_by_one("cancellation of a conditional order", calls)

    async def conditionals(self) -> list[ConditionalReport]:
        """Forever orders as long as Dhan tells of them, and the day's super orders."""
        return [*await self._forever_orders(), *await self._super_orders()]

    async def find_conditional(self, asked: NewConditional) -> ConditionalReport | None:
        if asked.kind not in conditional.FOREVER:
            mine = [each for each in await self._super_orders() if each.order_id == asked.order_id]
        else:
            told = await self._forever_orders()
            mine = [each for each in told if each.order_id == asked.order_id] or [
                each for each in told if not each.order_id and each.status.live and conditional.same(asked, each)
            ]
        return mine[-1] if mine else None

    async def margin(self, orders: Sequence[NewOrder]) -> Margin:
        """Open positions and orders are left out of account: this is what `orders` need by themselves."""
        lines = [request.margin(order, self._lanes.lookup) for order in orders]
        if not lines:
            raise DataError("name at least one order whose margin you want to know.")
        if len(lines) == 1:
            (line,) = lines
            fields = {_SNAKE[key]: value for key, value in line.items()}
            body = await self._lanes.read("margin", lambda dhan: dhan.margin_calculator(**fields))
            told = self._lanes.parsed(statements.margin, body)
        else:
            body = await self._lanes.read("margin", lambda dhan: dhan.dhan_http.post(_SEVERAL, _several(lines)))
            told = self._lanes.parsed(statements.margin_of_several, body)
        if not told.required and any(order.terms.order_type is OrderType.MARKET for order in orders):
            raise BrokerError("Dhan reckons no margin without a price.", hint="Name a limit price.")
        return told

    async def trades(self) -> list[AccountTrade]:
        told = await self._lanes.each("trade book", lambda dhan: dhan.get_trade_book(), statements.trade_of_today)
        return sorted(told, key=lambda trade: trade.ts)

    async def trade_history(self, start: date, end: date) -> list[AccountTrade]:
        """Page by page, each execution with its charges; Dhan gives no ids of trades, and of today nothing."""
        first, last = _days(start, end)
        found: list[AccountTrade] = []
        for page in range(_PAGES):
            rows = await self._statement("trade history", _page(first, last, page))
            if not rows:
                return sorted(found, key=lambda trade: trade.ts)
            found += [self._lanes.parsed(statements.trade, row) for row in rows]
        raise BrokerError(f"Dhan's trade history has no end after {_PAGES} pages.", hint="Ask for fewer days.")

    async def ledger(self, start: date, end: date) -> list[LedgerEntry]:
        first, last = _days(start, end)
        rows = await self._statement("ledger", lambda dhan: dhan.ledger_report(first, last))
        return self._lanes.parsed(lambda _, __: statements.ledger(rows, start, end), {})

    async def exit_all(self) -> list[BrokerOrderId]:
        """Every position; orders that wait are left alone, and Dhan does not name those it places."""
        body = await self._lanes.write(
            "exit of all positions", lambda dhan: dhan.exit_all_positions(), urgent=True, doubt=_CONVERTED
        )
        _expect(body, "status", "SUCCESS", "exit of all positions", _CONVERTED)
        return []

    async def kill_switch(self, on: bool, segments: Sequence[Segment] = ()) -> None:
        """For the rest of the day. Dhan switches on only when no position and no order is open."""
        if segments:
            raise Unsupported("Dhan has no kill switch by segment.", hint="Name none: it stops the whole account.")
        action = "activate" if on else "deactivate"
        body = await self._lanes.write("kill switch", lambda dhan: dhan.kill_switch(action), urgent=on, doubt=_SWITCH)
        _expect(body, "killSwitchStatus", "", "kill switch", _SWITCH)

    async def profit_exit(self, profit: Paise | None, loss: Paise | None) -> None:
        """Of all products, until the day's end. An amount that is reached already closes everything at once."""
        if profit is None and loss is None:
            body = await self._lanes.write("profit exit", lambda dhan: dhan.stop_pnl_exit(), doubt=_SWITCH)
            _expect(body, "pnlExitStatus", "", "profit exit", _SWITCH)
            return
        if profit is None or loss is None:
            raise Unsupported(
                "Dhan has no profit exit of one side.", hint="Name both; an amount far away stands for no limit."
            )
        if min(checks.whole(profit, loss)) <= 0:
            raise DataError(f"profit and loss must be positive amounts, got {profit} and {loss} paise.")
        up, down = rupees(profit), rupees(loss)
        body = await self._lanes.write(
            "profit exit", lambda dhan: dhan.set_pnl_exit(up, down, list(_BOTH)), urgent=True, doubt=_SWITCH
        )
        _expect(body, "pnlExitStatus", "ACTIVE", "profit exit", _SWITCH)

    async def sale_authorities(self, isin: str = "") -> list[SaleAuthority]:
        wanted = isin or "ALL"
        if not wanted.isalnum():  # it becomes a part of the address
            raise DataError(f"an ISIN has letters and digits only, got {isin!r}.")
        try:
            body = await self._lanes.read("e-DIS inquiry", lambda dhan: dhan.edis_inquiry(wanted))
        except BrokerError as error:
            if error.code == _NO_HOLDINGS:
                return []
            raise
        return [self._lanes.parsed(statements.authority, row) for row in (body if isinstance(body, list) else [body])]

    async def request_sale_pin(self) -> None:
        doubt = "Wait for the message with the T-PIN before you ask for another."
        await self._lanes.write("T-PIN", lambda dhan: dhan.generate_tpin(), doubt=doubt, judge=outcome.accepted)

    async def sale_form(self, instrument: Instrument, quantity: int) -> str:
        """Dhan's page for CDSL. The SDK's own way writes it into the working directory and opens a browser."""
        (units,) = checks.whole(quantity)
        if instrument.kind is not InstrumentKind.EQUITY or not instrument.isin or units <= 0:
            raise DataError(
                f"a share with an ISIN and a positive quantity may be marked for sale, not {instrument.id}, {quantity}."
            )
        fields = {
            "isin": instrument.isin,
            "qty": units,
            "exchange": instrument.segment.exchange.value,
            "segment": "EQ",
            "bulk": False,
        }
        body = await self._lanes.read("e-DIS form", lambda dhan: dhan.dhan_http.post("/edis/form", fields))
        page = body.get("edisFormHtml") if isinstance(body, dict) else None
        if not isinstance(page, str) or "<" not in page:
            raise BrokerError("Dhan, e-DIS form: the answer holds no page.")
        return page.replace("\\", "")  # it comes escaped twice

    def _checked(self, asked: NewConditional) -> Instrument:
        asked.check()
        instrument = self._lanes.lookup.get(asked.instrument)
        request.tradable(instrument, asked.product)
        request.own_id(asked.order_id)
        prices = [price for leg in asked.legs for price in (leg.trigger, leg.price, leg.trail)]
        quantity, *prices = checks.whole(asked.quantity, *prices)
        request.on_grid(instrument, quantity, *prices)
        conditional_calls.check(asked)
        return instrument

    async def _forever_orders(self) -> list[ConditionalReport]:
        """The SDK asks at ``/forever/orders``; the documentation has moved the list to ``/forever/all``."""
        try:
            rows = await self._lanes.rows("forever orders", lambda dhan: dhan.get_forever())
        except RejectedByBroker as error:
            if error.code:
                raise
            rows = await self._lanes.rows("forever orders", lambda dhan: dhan.dhan_http.get("/forever/all"))
        return self._lanes.parsed(lambda _, lookup: conditional.forever_reports(rows, lookup), {})

    async def _super_orders(self) -> list[ConditionalReport]:
        return [self._lanes.parsed(conditional.super_report, row) for row in await self._super_rows()]

    async def _super_rows(self) -> list[dict[str, Any]]:
        return await self._lanes.rows("super orders", lambda dhan: dhan.get_super_order_list())

    async def _super_row(self, number: str) -> dict[str, Any]:
        for row in await self._super_rows():
            if text(row.get("orderId")) == number:
                return row
        raise RejectedByBroker(f"Dhan has no super order {number} today.")

    def _live_legs(self, row: dict[str, Any]) -> list[str]:
        """What to cancel: the entry, which takes its exits along, or after it the exits, the stop last."""
        told = self._lanes.parsed(conditional.super_report, row)
        if not told.status.live:
            return []
        if not conditional.entered(row):
            return [words.LEG[LegName.ENTRY]]
        waiting = [text(leg.get("legName")) for leg in conditional.exits_of(row) if conditional.live(leg)]
        return sorted(waiting, key=lambda leg: leg == words.LEG[LegName.STOP])

    async def _one_by_one(self, what: str, calls: Sequence[Call]) -> None:
        for number, call in enumerate(calls):
            try:
                body = await self._lanes.write(what, call, urgent=True, doubt=_FIND)
                self._lanes.confirmed(body, "orderId", what, doubt=_FIND)
            except BrokerError as error:
                if number == 0 or isinstance(error, OutcomeUnknown):
                    raise
                told = f"{error.message} The leg before this one was taken."
                raise OutcomeUnknown(told, code=error.code, hint=_FIND) from None

    async def _statement(self, what: str, call: Call) -> list[dict[str, Any]]:
        """A report's rows; the ledger is documented as one object, and no data as an error."""
        try:
            body = await self._lanes.read(what, call)
        except BrokerError as error:
            if error.code == _NO_DATA:
                return []
            raise
        return self._lanes.listed([body] if isinstance(body, dict) else body, what)


_SEVERAL = "/margincalculator/multi"
_SNAKE = {
    "securityId": "security_id",
    "exchangeSegment": "exchange_segment",
    "transactionType": "transaction_type",
    "quantity": "quantity",
    "productType": "product_type",
    "price": "price",
    "triggerPrice": "trigger_price",
}


def _several(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The SDK says scripList and includeOrder, the documentation scripts and includeOrders: here are both."""
    switches = dict.fromkeys(("includePosition", "includeOrder", "includeOrders"), False)
    return {**switches, "scripList": lines, "scripts": lines}


def _gist(order: NewConditional | ConditionalReport) -> Gist:
    trails = order.kind is ConditionalKind.TRAILING  # may begin or end: Dhan's jump of 0
    return (ConditionalKind.BRACKET if trails else order.kind, *gist(order)[1:])


def _page(first: str, last: str, page: int) -> Call:
    return lambda dhan: dhan.get_trade_history(first, last, page)


def _days(start: date, end: date) -> tuple[str, str]:
    checks.days(start, end)
    return start.isoformat(), end.isoformat()


def _expect(body: Any, key: str, word: str, what: str, hint: str) -> None:
    told = body.get(key) if isinstance(body, dict) else None
    if not isinstance(told, str) or not told or (word and told.upper() != word):
        raise OutcomeUnknown(f"Dhan, {what}: the answer does not say that it was done.", hint=hint)
